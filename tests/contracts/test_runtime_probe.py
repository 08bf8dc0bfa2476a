"""A probe shows that a network answers here what it answered where it was made."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom.artifact import Artifact, read_artifact
from specloom.artifact.probe import probe_input
from specloom.errors import ArtifactError
from specloom.runtime import Session, check_probe, make_probe

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("tiny_spectrum", "tiny_context", "tiny_waveform")


def with_probe(artifact, probe):
    network = replace(artifact.header.networks["enhancer"], probe=probe)
    return Artifact(header=replace(artifact.header, networks={"enhancer": network}), networks=artifact.networks)


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_models_answer_as_they_did(name):
    assert check_probe(Session(read_artifact(GOLDEN / f"{name}.onnx"))) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_made_here_is_that_of_the_file(name):
    session = Session(read_artifact(GOLDEN / f"{name}.onnx"))
    old = session.network_header.probe
    new = make_probe(session, shapes=old.shapes)
    assert (new.seed, new.shapes, new.tolerance) == (0, old.shapes, 1e-4)
    # Where two values of a stretch are nearly the same, a rounding decides which is kept.
    (places, old_places) = ({place for place, _ in made.expected["enhanced"]} for made in (new, old))
    assert len(old_places) == 40
    assert len(places & old_places) >= 36


def test_the_input_of_a_probe_is_the_same_everywhere():
    values = probe_input(0, (1, 40, 257, 2))
    assert values.dtype == np.float32
    digest = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    assert digest == "086a5acaf9eb86a17f78d2281479d097685b362267c6a10ec0bb93d6f679bf09"
    assert (values != probe_input(1, (1, 40, 257, 2))).any()


def test_the_input_of_a_probe_is_loud_quiet_and_silent():
    peaks = np.abs(probe_input(5, (2, 40, 257, 2))).max(axis=(0, 2, 3))
    np.testing.assert_allclose(peaks, np.repeat([1, 0, 1e-2, 30, 1e-4], 8), rtol=0.01)
    assert np.abs(probe_input(5, (1, 4096))).max() > 29


@pytest.mark.parametrize("change", [1.0003, 0.9997, -1.0])
def test_another_answer_is_refused(change):
    artifact = read_artifact(GOLDEN / "tiny_spectrum.onnx")
    probe = artifact.header.networks["enhancer"].probe
    place, expected = probe.expected["enhanced"][-1]
    for pairs in (
        (*probe.expected["enhanced"][:-1], (place, expected + (change - 1) * 60)),
        tuple((place, change * expected) for place, expected in probe.expected["enhanced"]),
    ):
        other = with_probe(artifact, replace(probe, expected={"enhanced": pairs}))
        with pytest.raises(ArtifactError, match="answers its probe with enhanced"):
            check_probe(Session(other))


def test_a_change_within_the_tolerance_passes():
    artifact = read_artifact(GOLDEN / "tiny_spectrum.onnx")
    probe = artifact.header.networks["enhancer"].probe
    pairs = tuple((place, 1.00005 * expected) for place, expected in probe.expected["enhanced"])
    share = check_probe(Session(with_probe(artifact, replace(probe, expected={"enhanced": pairs}))))
    assert 0.4 < share < 0.6


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ({"other": ((0, 0.0),)}, r"expects the outputs \['other'\], and there are \['enhanced'\]"),
        ({"enhanced": ((10**7, 0.0),)}, "more than 10000000 values"),
    ],
)
def test_a_probe_of_another_network_is_refused(expected, sentence):
    artifact = read_artifact(GOLDEN / "tiny_spectrum.onnx")
    probe = replace(artifact.header.networks["enhancer"].probe, expected=expected)
    with pytest.raises(ArtifactError, match=sentence):
        check_probe(Session(with_probe(artifact, probe)))


def test_a_probe_whose_input_does_not_fit_is_refused():
    artifact = read_artifact(GOLDEN / "tiny_spectrum.onnx")
    probe = replace(artifact.header.networks["enhancer"].probe, shapes={"spec": (1, 40, 129, 2)})
    with pytest.raises(ArtifactError, match=r"cannot be probed: the input 'spec' has the shape"):
        check_probe(Session(with_probe(artifact, probe)))


def test_a_network_without_probe_cannot_be_checked():
    with pytest.raises(ArtifactError, match="has no probe"):
        check_probe(Session(with_probe(read_artifact(GOLDEN / "tiny_context.onnx"), None)))
