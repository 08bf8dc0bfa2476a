"""The recipe of the models that ship: it learns, resumes to the bit, and what it exports is what it evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from specloom import Audio, Enhancer, load, resample, sounds  # noqa: E402
from specloom.errors import ParameterError  # noqa: E402
from specloom.train.checkpoint import load_checkpoint  # noqa: E402
from specloom.train.data import Clips, MixingSettings, Sources, mix_batch, plain, validation_pairs  # noqa: E402
from specloom.train.engine import fit  # noqa: E402
from specloom.train.export import export_model  # noqa: E402
from specloom.train.nn.spectrum import analysed  # noqa: E402
from specloom.train.recipes.catalog import EnhanceRequest  # noqa: E402
from specloom.train.recipes.default import FEATURES, Default, default  # noqa: E402
from specloom.train.recipes.enhancement import EnhancementData, enhance  # noqa: E402

MIXING = plain(MixingSettings(seconds=1.0))


@pytest.fixture(scope="module")
def data() -> EnhancementData:
    speech = load(sounds.path("speech"))
    samples = np.asarray(resample(speech.samples, speech.sample_rate, 16_000), np.float32)
    halves = np.array_split(samples, 2)
    rng = np.random.default_rng(0)
    noise = Clips.from_arrays(
        [0.1 * rng.standard_normal(32_000).astype(np.float32)], groups=["fan"], sample_rate=16_000
    )
    sources = Sources(speech=Clips.from_arrays(halves, groups=["anna", "berta"], sample_rate=16_000), noise=noise)
    return EnhancementData(sources=sources, validation=validation_pairs(sources, MIXING, count=2))


def small(data: EnhancementData, **settings: object) -> Default:
    return Default(
        data=data, channels=(4, 4, 4), units=8, mixing=MIXING, batch_size=2, workers=0, average_decay=0.5, **settings
    )


def test_one_batch_is_learnt(data: EnhancementData) -> None:
    recipe = small(data, learning_rate=5e-3)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    batch = mix_batch(data.sources, MIXING, seed=1, items=range(2))
    losses = []
    for state.step in range(400, 440):
        losses.append(float(recipe.step(state, batch)["loss"]))
        state.follow()
    assert losses[-1] < losses[0] - 0.1


def test_resumed_is_uninterrupted(data: EnhancementData, tmp_path: Path) -> None:
    recipe = small(data)
    options = {"device": "cpu", "threads": 1, "quiet": True, "evaluate_every": 100}
    whole = fit(recipe, tmp_path / "whole", steps=6, **options).state
    fit(recipe, tmp_path / "parts", steps=3, **options)
    parts = fit(recipe, tmp_path / "parts", steps=6, resume=True, **options).state
    # The learning rate also follows the share of the steps that is done; in the first steps the warm-up rules it.
    ours, theirs = (state.networks["enhancer"].state_dict() for state in (parts, whole))
    assert parts.step == whole.step == 6
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("settings", [{}, {"band_memory": True, "n_layers": 1}, {"past_frames": 0}])
def test_what_is_exported_is_what_was_evaluated(
    data: EnhancementData, tmp_path: Path, settings: dict[str, object]
) -> None:
    recipe = small(data, **settings)
    finished = fit(recipe, tmp_path / "run", steps=4, device="cpu", threads=1, quiet=True, evaluate_every=2)
    load_checkpoint(finished.state, finished.best, recipe=recipe.name)
    export_model(recipe, finished.state, tmp_path / "model.onnx")
    noisy = data.validation[0].noisy
    ours = Enhancer(tmp_path / "model.onnx").process(Audio(noisy, 16_000)).samples
    torchs = enhance(recipe._averaged(finished.state), FEATURES, noisy)
    assert np.max(np.abs(ours - torchs)) < 1e-4


def test_the_average_uses_statistics_of_its_own(data: EnhancementData) -> None:
    recipe = small(data)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    for layer in state.averages["enhancer"].modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.fill_(100.0)
    before = {name: value.clone() for name, value in state.averages["enhancer"].state_dict().items()}
    network = recipe._averaged(state)
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    assert all(float(layer.running_mean.abs().max()) < 50 for layer in layers)
    # And the state is as it was.
    after = state.averages["enhancer"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    spec = analysed(torch.from_numpy(data.validation[0].noisy)[None], FEATURES)
    assert torch.isfinite(network(spec, *network.initial_states(1))[0]).all()


def test_a_mask_cannot_be_its_target(tmp_path: Path) -> None:
    request = EnhanceRequest(recipe="default", speech=("a",), noise=("b",), folder=str(tmp_path), target="irm")
    with pytest.raises(ParameterError, match="article-mask"):
        default(request)


@pytest.mark.parametrize(
    ("step", "progress", "share"),
    [(0, 0.0, 1 / 300), (149, 0.0, 0.5), (299, 0.5, 1.0), (10_000, 0.6, 1.0), (10_000, 0.8, 0.5), (10_000, 1.0, 0.02)],
)
def test_the_learning_rate_rises_stays_and_falls(
    data: EnhancementData, step: int, progress: float, share: float
) -> None:
    recipe = small(data, learning_rate=1e-3)
    state = recipe.build(torch.device("cpu"))
    state.step, state.progress = step, progress
    recipe.step(state, mix_batch(data.sources, MIXING, seed=1, items=range(2)))
    assert state.optimizers["enhancer"].param_groups[0]["lr"] == pytest.approx(1e-3 * share)
