"""Training that begins from a model file: at first the network computes what the file does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from specloom import Audio, Enhancer, load, resample, save, sounds  # noqa: E402
from specloom.artifact import Artifact, read_artifact  # noqa: E402
from specloom.errors import ArtifactError, ParameterError  # noqa: E402
from specloom.runtime import load_model  # noqa: E402
from specloom.train.begin import begin_from, graph_weights  # noqa: E402
from specloom.train.checkpoint import LAST  # noqa: E402
from specloom.train.data import Clips, MixingSettings, Sources, mix_batch, plain, validation_pairs  # noqa: E402
from specloom.train.engine import fit  # noqa: E402
from specloom.train.export import export_model  # noqa: E402
from specloom.train.nn.causal import CausalEnhancer  # noqa: E402
from specloom.train.nn.spectrum import analysed  # noqa: E402
from specloom.train.recipes.catalog import EnhanceRequest, make_recipe  # noqa: E402
from specloom.train.recipes.default import FEATURES, Default  # noqa: E402
from specloom.train.recipes.enhancement import EnhancementData, enhance  # noqa: E402

MIXING = plain(MixingSettings(seconds=1.0))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe() -> Default:
    speech = load(sounds.path("speech"))
    samples = np.asarray(resample(speech.samples, speech.sample_rate, 16_000), np.float32)
    sources = Sources(
        speech=Clips.from_arrays(np.array_split(samples, 2), groups=["anna", "berta"], sample_rate=16_000)
    )
    data = EnhancementData(sources=sources, validation=validation_pairs(sources, MIXING, count=2))
    return Default(data=data, channels=(4, 4, 4), units=8, mixing=MIXING, batch_size=2, workers=0)


@pytest.fixture(scope="module")
def earlier(recipe: Default, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, nn.Module]:
    """A model, and the folded network that it was made of."""
    folder = tmp_path_factory.mktemp("earlier")
    state = fit(recipe, folder / "run", steps=4, device="cpu", threads=1, quiet=True).state
    export_model(recipe, state, folder / "earlier.onnx")
    return read_artifact(folder / "earlier.onnx"), recipe.exports(state)["enhancer"].module


@pytest.fixture(scope="module")
def model(earlier: tuple[Artifact, nn.Module]) -> Artifact:
    return earlier[0]


def test_a_network_begins_as_what_the_file_computes(recipe: Default, model: Artifact) -> None:
    state = replace(recipe, begin=model).build(CPU)
    noisy = mix_batch(recipe.data.sources, MIXING, seed=3, items=[0]).noisy[0]
    assert state.networks["enhancer"].training
    ours = enhance(state.averages["enhancer"], FEATURES, noisy)
    theirs = Enhancer(model).process(Audio(noisy, 16_000)).samples
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_normalisation_in_training_gives_back_what_it_takes(recipe: Default, model: Artifact) -> None:
    # The batch is one of those that were measured, and so about like their mean.
    network = replace(recipe, begin=model).build(CPU).networks["enhancer"]
    assert isinstance(network, CausalEnhancer)
    noisy = mix_batch(recipe.data.sources, MIXING, seed=recipe.seed, items=range(2)).noisy
    spec = analysed(torch.as_tensor(noisy), FEATURES)
    with torch.no_grad():
        in_training = network.train()(spec, *network.initial_states(2))[0]
        at_rest = network.eval()(spec, *network.initial_states(2))[0]
    assert float((in_training - at_rest).norm() / at_rest.norm()) < 0.15


def test_names_and_gates_are_torchs(earlier: tuple[Artifact, nn.Module]) -> None:
    model, folded = earlier
    found, wanted = graph_weights(model.networks["enhancer"], where="this"), folded.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_weights_of_another_network_are_refused() -> None:
    network = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ArtifactError, match=r"mine: the weight '0.weight' has the shape \(2, 4\).*needs \(2, 3\)"):
        begin_from(network, {"0.weight": torch.zeros(2, 4), "0.bias": torch.zeros(2)}, [], where="mine")
    with pytest.raises(ArtifactError, match=r"mine: the weight '0\.bias' is missing"):
        begin_from(network, {"0.weight": torch.zeros(2, 3)}, [], where="mine")
    with pytest.raises(ArtifactError, match="mine is no ONNX graph"):
        graph_weights(b"nothing of the kind", where="mine")


def test_a_model_of_other_sizes_is_refused(recipe: Default, model: Artifact) -> None:
    with pytest.raises(ParameterError, match=r"begin_from: the model 'default' has units 8 instead of 16; the recipe"):
        replace(recipe, units=16, begin=model)


def test_a_model_of_another_kind_is_refused(recipe: Default) -> None:
    other = read_artifact(Path(__file__).parents[1] / "golden" / "tiny_spectrum.onnx")
    with pytest.raises(ParameterError, match="holds no single CausalEnhancer named 'enhancer'"):
        replace(recipe, begin=other)


@pytest.mark.parametrize("name", ["default", "tiny"])
def test_what_ships_can_be_begun_from(recipe: Default, name: str) -> None:
    shipped = load_model(name, task="enhance")
    settings = dict(shipped.header.networks["enhancer"].settings)
    assert (settings.pop("n_bins"), settings.pop("most_gain")) == (257, 1.4)
    sizes = settings | {"channels": tuple(settings["channels"])}
    state = replace(recipe, name=name, begin=shipped, **sizes).build(CPU)
    assert state.begun
    assert not recipe.build(CPU).begun
    noisy = mix_batch(recipe.data.sources, MIXING, seed=3, items=[0]).noisy[0]
    ours = enhance(state.averages["enhancer"], FEATURES, noisy)
    theirs = Enhancer(name).process(Audio(noisy, 16_000)).samples
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_the_command_begins_from_what_ships_and_goes_on_from_its_own(tmp_path: Path) -> None:
    speech = load(sounds.path("speech"))
    for speaker, part in zip(("anna", "berta"), np.array_split(speech.samples, 2)):
        (tmp_path / "speech" / speaker).mkdir(parents=True)
        save(tmp_path / "speech" / speaker / "one.wav", replace(speech, samples=part))
    save(tmp_path / "noise.wav", replace(speech, samples=speech.samples[::-1].copy()))
    request = EnhanceRequest(
        recipe="default",
        speech=(str(tmp_path / "speech"),),
        noise=(str(tmp_path / "noise.wav"),),
        folder=str(tmp_path / "run"),
        begin_from="default",
        workers=0,
    )
    recipe = make_recipe("enhance", request)
    assert isinstance(recipe, Default)
    assert recipe.begin is not None
    assert recipe.begin.header.name == "default"
    assert "begun from the model default" in recipe.data.description
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / LAST).write_bytes(b"")
    assert make_recipe("enhance", request).begin is None  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match=r"begin_from: the model 'tiny' has .*; the recipe 'default' begins"):
        make_recipe("enhance", replace(request, begin_from="tiny", folder=str(tmp_path / "other")))
    assert not (tmp_path / "other").exists()
    with pytest.raises(ParameterError, match="the recipe 'waveform' begins with random weights"):
        make_recipe("enhance", replace(request, recipe="waveform"))
