"""The article's recipes and the waveform's: each learns, is measured, stops, goes on, and becomes a model that runs."""

from __future__ import annotations

import signal
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")

import specloom  # noqa: E402
from specloom.errors import ParameterError  # noqa: E402
from specloom.tasks.enhance.features import SpectrumFeatures  # noqa: E402
from specloom.train.data import Clips, MixingSettings, Sources, mix_batch, plain, validation_pairs  # noqa: E402
from specloom.train.engine import evaluate, fit  # noqa: E402
from specloom.train.export import export_model  # noqa: E402
from specloom.train.losses.masks import MASK_TARGETS  # noqa: E402
from specloom.train.nn.spectrum import analysed  # noqa: E402
from specloom.train.recipes.article_mapping import ArticleMapping, article_mapping, mapping_error  # noqa: E402
from specloom.train.recipes.article_mask import ArticleMask, article_mask  # noqa: E402
from specloom.train.recipes.catalog import EnhanceRequest  # noqa: E402
from specloom.train.recipes.enhancement import EnhancementData, enhance  # noqa: E402
from specloom.train.recipes.waveform import Waveform, waveform  # noqa: E402

ITEM_S = 0.512


def voice(seed: int, sample_rate: int, seconds: float = 2.0) -> np.ndarray:
    """Vowels with pauses: a few harmonics, loud and silent by turns."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = rng.uniform(100.0, 220.0)
    harmonics = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) / k for k in range(1, 12))
    open_mouth = np.clip(2.0 * np.sin(2 * np.pi * rng.uniform(1.5, 3.0) * time), 0.0, 1.0)
    return 0.2 * harmonics * open_mouth


def made_data(sample_rate: int) -> EnhancementData:
    rng = np.random.default_rng(0)
    speech = [voice(seed, sample_rate) for seed in range(4)]
    hiss = [0.1 * rng.standard_normal(2 * sample_rate) for _ in range(2)]
    clips = Clips.from_arrays(speech, groups=["a", "b", "c", "d"], sample_rate=sample_rate)
    noise = Clips.from_arrays(hiss, groups=["x", "y"], sample_rate=sample_rate)
    sources = Sources(speech=clips, noise=noise)
    pairs = validation_pairs(sources, MixingSettings(seconds=1.0), count=3, seed=1)
    return EnhancementData(sources=sources, validation=pairs, description="made for a test")


def made(name: str, **settings: Any) -> Any:
    mixing = plain(MixingSettings(seconds=ITEM_S, snr_db=(0.0, 5.0)))
    small = {"workers": 0, "seed": 4, "mixing": mixing, **settings}
    if name == "waveform":
        return Waveform(data=made_data(16000), **{"batch_size": 2, "channels": 16, "dilations": (1, 2), **small})
    sizes = {"batch_size": 4, "width": 48, "n_layers": 2, "average_decay": 0.9, **small}
    return (ArticleMask if name == "article-mask" else ArticleMapping)(data=made_data(8000), **sizes)


RECIPES = ["article-mask", "article-mapping", "waveform"]
each_recipe = pytest.mark.parametrize("name", RECIPES)


@each_recipe
def test_it_learns_one_batch_by_heart(name: str) -> None:
    recipe = made(name, learning_rate=2e-2)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    batch = mix_batch(recipe.data.sources, recipe.mixing, seed=0, items=range(recipe.batch_size))
    losses = []
    for _ in range(30):
        losses.append(float(recipe.step(state, batch)["loss"]))
        state.step += 1
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("target", sorted(MASK_TARGETS))
def test_every_mask_can_be_the_target(target: str) -> None:
    recipe = made("article-mask", target=target, learning_rate=2e-2)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    batch = mix_batch(recipe.data.sources, recipe.mixing, seed=0, items=range(recipe.batch_size))
    losses = [float(recipe.step(state, batch)["loss"]) for _ in range(15)]
    assert losses[-1] < 0.9 * losses[0]
    assert np.isfinite(enhance(state.evaluated("enhancer"), recipe.spectrum, batch.noisy[0])).all()


@each_recipe
def test_scores_are_of_the_sound_and_leave_the_network_alone(name: str) -> None:
    recipe = made(name)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    scores = evaluate(recipe, state)
    assert np.isfinite(list(scores.values())).all()
    assert {"score", "si_sdr_db", "si_sdr_db_gain"} <= set(scores)
    assert state.networks["enhancer"].training
    assert evaluate(recipe, state) == scores
    features = recipe.spectrum if hasattr(recipe, "spectrum") else recipe.features()
    sound = recipe.data.validation[0].noisy[:5001]
    assert enhance(state.evaluated("enhancer"), features, sound).shape == sound.shape


@each_recipe
def test_what_is_measured_and_exported_has_statistics_of_its_own(name: str) -> None:
    """What the network in training remembers does not fit the average of its weights: it must not matter."""
    recipe = made(name)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    scores = evaluate(recipe, state)
    norms = [one for one in state.averages["enhancer"].modules() if isinstance(one, torch.nn.BatchNorm1d)]
    assert norms
    for norm in norms:
        norm.running_mean.fill_(50.0)
        norm.running_var.fill_(1e-4)
    assert evaluate(recipe, state) == scores
    assert all(float(norm.running_mean.min()) == 50.0 for norm in norms)
    exported = recipe.exports(state)["enhancer"].module
    again = [one for one in exported.modules() if isinstance(one, torch.nn.BatchNorm1d)]
    assert len(again) == len(norms)
    assert all(float(norm.running_mean.abs().max()) < 50.0 for norm in again)


def interrupted(recipe: Any, after: int) -> Any:
    """The same recipe, with somebody who presses Ctrl-C in its second step."""

    class Interrupted(type(recipe)):  # type: ignore[misc]
        def step(self, state: Any, batch: Any) -> Any:
            if state.step + 1 == after:
                signal.raise_signal(signal.SIGINT)
            return super().step(state, batch)

    return Interrupted(**{each.name: getattr(recipe, each.name) for each in fields(recipe) if each.init})


@each_recipe
def test_stopped_and_resumed_is_uninterrupted(name: str, tmp_path: Path) -> None:
    recipe = made(name)
    options = {"device": "cpu", "threads": 1, "evaluate_every": 100, "quiet": True}
    whole = fit(recipe, tmp_path / "whole", steps=4, **options).state
    # The progress, from which the learning rate comes, is that of all four steps in both.
    assert fit(interrupted(recipe, after=2), tmp_path / "parts", steps=4, **options).interrupted
    parts = fit(recipe, tmp_path / "parts", steps=4, resume=True, **options).state
    for kind in ("networks", "averages"):
        ours, theirs = (getattr(each, kind)["enhancer"].state_dict() for each in (parts, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@each_recipe
def test_the_model_that_is_written_enhances_like_the_network(name: str, tmp_path: Path) -> None:
    recipe = made(name)
    state = fit(recipe, tmp_path / "run", steps=3, device="cpu", threads=1, evaluate_every=100, quiet=True).state
    path = tmp_path / "model.onnx"
    export_model(recipe, state, path)
    enhancer = specloom.Enhancer(path)
    assert enhancer.header.name == name
    assert enhancer.header.origin.steps == 3
    rate = recipe.data.sample_rate
    noisy = recipe.data.validation[0].noisy[: rate // 2 + 77]
    features = recipe.spectrum if hasattr(recipe, "spectrum") else recipe.features()
    ours = enhance(recipe._averaged(state), features, noisy)
    shipped = enhancer.process(specloom.Audio(noisy, rate)).samples
    assert np.abs(ours - shipped).max() < 1e-4 * max(1.0, float(np.abs(ours).max()))


def test_an_epoch_of_row_b4_is_all_speech_once() -> None:
    recipe = made("article-mask")
    assert recipe.steps_of(20) == round(20 * 8.0 / (4 * ITEM_S))


@pytest.mark.parametrize(("error", "value"), [("mse", 2.5), ("rmse", 2.5**0.5), ("mae", 1.5)])
def test_the_three_errors_of_the_article(error: str, value: float) -> None:
    estimate, wanted = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert float(mapping_error(estimate, wanted, error)) == pytest.approx(value)
    too_small, too_large = (mapping_error(wanted + step, wanted, error, caution=1.0) for step in (-1.0, 1.0))
    assert float(too_large) == pytest.approx(1.0)
    assert too_small > 1.4


@each_recipe
def test_recordings_at_another_rate_are_refused(name: str) -> None:
    recipe = made(name)
    with pytest.raises(ParameterError, match="Hz: this recipe learns at"):
        replace(recipe, data=made_data(11025))


@pytest.mark.parametrize(("make", "wrong"), [(ArticleMask, "target"), (ArticleMapping, "error")])
def test_unknown_targets_and_errors_are_refused(make: Any, wrong: str) -> None:
    with pytest.raises(ParameterError, match=f"{wrong}='median'"):
        make(data=made_data(8000), **{wrong: "median"})


def test_a_request_names_folders_and_gives_recipes(tmp_path: Path) -> None:
    for index in range(3):
        for folder in ("speech/s{}", "noise/n{}"):
            place = tmp_path / folder.format(index)
            place.mkdir(parents=True)
            specloom.save(place / "one.wav", specloom.Audio(voice(index, 16000, 1.0).astype(np.float32), 16000))
    request = EnhanceRequest(
        recipe="article-mask",
        speech=(str(tmp_path / "speech"),),
        noise=(str(tmp_path / "noise"),),
        folder=str(tmp_path / "run"),
    )
    recipe = article_mask(replace(request, target="psm"))
    assert (recipe.target, recipe.data.sample_rate) == ("psm", 8000)
    assert len(recipe.data.sources.speech.group_names) == 2
    assert recipe.data.validation
    assert article_mapping(request).data.sample_rate == 8000
    assert waveform(request).data.sample_rate == 16000
    for other in (article_mapping, waveform):
        with pytest.raises(ParameterError, match="target='psm'"):
            other(replace(request, target="psm"))


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(512, 256, 128), (512, 512, 256), (256, 256, 64)])
def test_spectra_for_training_are_those_of_the_task(n_fft: int, win_length: int, hop_length: int) -> None:
    """Frame t holds the samples before (t + 1) hops; given back by the task's own synthesis they are the sound."""
    features = SpectrumFeatures(
        sample_rate=8000, n_fft=n_fft, win_length=win_length, hop_length=hop_length, window="hann"
    )
    seen: list[np.ndarray] = []

    class Echo(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(()))

        def forward(self, spec: torch.Tensor) -> torch.Tensor:
            seen.append(spec.numpy())
            return spec * self.factor

    sound = np.random.default_rng(2).standard_normal(8 * hop_length).astype(np.float32)
    heard = enhance(Echo(), features, sound)
    assert np.abs(heard - sound).max() < 1e-5
    ours = analysed(torch.from_numpy(sound[None]), features).numpy()
    assert np.allclose(ours, np.concatenate(seen, axis=1)[:, : ours.shape[1]], atol=1e-4)
