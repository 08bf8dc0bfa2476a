"""Which models an Enhancer takes, and the sentence about those that it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specloom
from specloom import Audio, Enhancer, load, sounds
from specloom.artifact import Artifact, read_artifact
from specloom.errors import ArtifactError, ParameterError
from specloom.runtime import shipped_models

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = read_artifact(GOLDEN / "tiny_spectrum.onnx")


def changed(**fields: Any) -> Artifact:
    return Artifact(header=replace(TINY.header, **fields), networks=TINY.networks)


def with_features(**features: Any) -> Artifact:
    return changed(features={**TINY.header.features, **features})


def test_a_model_is_a_file_or_an_artifact_and_says_what_it_is() -> None:
    audio = Audio(np.random.default_rng(0).standard_normal(5_000).astype(np.float32), 16_000)
    from_file, from_memory = Enhancer(str(GOLDEN / "tiny_spectrum.onnx")), Enhancer(TINY)
    assert np.array_equal(from_file.process(audio).samples, from_memory.process(audio).samples)
    assert from_file.header == TINY.header
    assert from_file.features.sample_rate == 16_000
    assert specloom.Enhancer is Enhancer


@pytest.mark.parametrize("model", shipped_models("enhance"))
def test_models_that_ship_keep_the_level_of_speech(model: str) -> None:
    """Within a decibel: strength, limit and a listener compare the cleaned sound with the noisy one."""
    speech = load(sounds.path("speech"))
    noise = np.random.default_rng(0).standard_normal(speech.n_samples).astype(np.float32)
    noise *= np.float32(0.03 * speech.samples.std())
    cleaned = Enhancer(model).process(Audio(speech.samples + noise, speech.sample_rate)).samples
    gain = np.vdot(cleaned, speech.samples) / np.vdot(speech.samples, speech.samples)
    assert abs(20 * np.log10(gain)) < 1.0


def test_what_names_no_model_is_refused() -> None:
    with pytest.raises(ParameterError, match="model=None: the name of a shipped model, a path or an Artifact"):
        Enhancer(None)  # type: ignore[arg-type]


def test_a_model_for_another_task_is_refused() -> None:
    with pytest.raises(ArtifactError, match="is for the task 'invert': a model for 'enhance' is needed"):
        Enhancer(changed(task="invert"))


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"n_fft": 1024}, r"'spec' \(\*, \*, 513, 2\) is needed for the interface 'spectrum'"),
        ({"n_fft": "512"}, "features.n_fft is '512': a whole number is needed"),
        ({"more": 1}, "unknown field 'more'"),
        ({"hop_length": 600}, "hop_length <= win_length <= n_fft"),
    ],
)
def test_features_that_do_not_fit_the_network_are_refused(features: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        Enhancer(with_features(**features))


def test_a_network_of_the_other_interface_is_refused() -> None:
    waveform = read_artifact(GOLDEN / "tiny_waveform.onnx").header.features
    with pytest.raises(ArtifactError, match=r"'samples' \(\*, \*\) is needed for the interface 'waveform'"):
        Enhancer(changed(features=waveform))


def test_a_network_that_answers_its_probe_otherwise_is_refused() -> None:
    network = TINY.header.networks["enhancer"]
    assert network.probe is not None
    wrong = {
        name: tuple((place, value + 1.0) for place, value in kept) for name, kept in network.probe.expected.items()
    }
    lying = replace(network, probe=replace(network.probe, expected=wrong))
    with pytest.raises(ArtifactError, match="answers its probe"):
        Enhancer(changed(networks={"enhancer": lying}))


def test_a_model_of_two_networks_is_refused() -> None:
    network = TINY.header.networks["enhancer"]
    two = Artifact(
        header=replace(TINY.header, networks={"enhancer": network, "other": network}),
        networks={"enhancer": TINY.networks["enhancer"], "other": TINY.networks["enhancer"]},
    )
    with pytest.raises(ArtifactError, match="one network is needed for enhancement"):
        Enhancer(two)
