"""Networks run as their files say, in one piece or in many, and refuse what does not fit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom.artifact import Artifact, NetworkHeader, read_artifact
from specloom.errors import ArtifactError, ParameterError
from specloom.runtime import Session, Tensor

GOLDEN = Path(__file__).parents[1] / "golden"


def artifact_of(name):
    return read_artifact(GOLDEN / f"tiny_{name}.onnx")


@pytest.fixture(scope="module")
def session():
    return Session(artifact_of("spectrum"))


def spec_of(n_frames, *, batch=1, n_bins=257, seed=0):
    spec = np.random.default_rng(seed).standard_normal((batch, n_frames, n_bins, 2)).astype(np.float32)
    spec *= np.array([1e-3, 1, 30, 0])[np.arange(n_frames) * 4 // n_frames, np.newaxis, np.newaxis]
    spec = spec.astype(np.float32)
    spec.flags.writeable = False
    return spec


def test_a_session_says_what_it_takes_and_gives(session):
    assert session.network == "enhancer"
    assert session.header.name == "tiny_spectrum"
    assert session.inputs == (Tensor(name="spec", shape=(None, None, 257, 2)),)
    assert session.outputs == (Tensor(name="enhanced", shape=(None, None, 257, 2)),)
    assert session.inputs[0].shown == "(*, *, 257, 2)"


def test_states_begin_at_zero(session):
    states = session.initial_states(3)
    assert {name: state.shape for name, state in states.items()} == {"gru_0": (1, 3, 16)}
    assert states["gru_0"].dtype == np.float32
    assert not states["gru_0"].any()
    given, next_given = session.run({"spec": spec_of(5, batch=3)}, states)
    left_out, next_left_out = session.run({"spec": spec_of(5, batch=3)})
    np.testing.assert_array_equal(given["enhanced"], left_out["enhanced"])
    np.testing.assert_array_equal(next_given["gru_0"], next_left_out["gru_0"])
    assert not states["gru_0"].any()
    assert Session(artifact_of("context")).initial_states() == {}


@pytest.mark.parametrize("cuts", [[1], [1, 2, 3, 39], list(range(1, 40)), [20]])
def test_one_run_is_as_many_with_the_states_carried_over(session, cuts):
    spec = spec_of(40)
    whole, last = session.run({"spec": spec})
    states, parts = None, []
    for part in np.split(spec, cuts, axis=1):
        outputs, states = session.run({"spec": part}, states)
        parts.append(outputs["enhanced"])
    scale = np.abs(whole["enhanced"]).max()
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole["enhanced"], atol=1e-6 * scale, rtol=0)
    np.testing.assert_allclose(states["gru_0"], last["gru_0"], atol=1e-6)
    # The state matters: without it, the parts would not join.
    forgotten = session.run({"spec": spec[:, 20:]})[0]["enhanced"]
    assert np.abs(forgotten - whole["enhanced"][:, 20:]).max() > 1e-2 * scale


@pytest.mark.parametrize("name", ["spectrum", "context", "waveform"])
def test_a_batch_is_as_each_of_its_members(name):
    session = Session(artifact_of(name))
    ((key, shape),) = session.network_header.probe.shapes.items()
    batch = np.random.default_rng(1).standard_normal((3, *shape[1:])).astype(np.float32)
    together = session.run({key: batch})[0]["enhanced"]
    for i in range(3):
        alone = session.run({key: batch[i : i + 1]})[0]["enhanced"]
        np.testing.assert_allclose(together[i : i + 1], alone, atol=1e-6 * np.abs(together).max())


@pytest.mark.parametrize(
    ("name", "key", "given", "made"),
    [("context", "spec", (2, 9, 129, 2), (2, 5, 129, 2)), ("waveform", "samples", (2, 64 + 48 + 32), (2, 48))],
)
def test_context_is_given_and_not_returned(name, key, given, made):
    outputs, states = Session(artifact_of(name)).run({key: np.ones(given, np.float32)})
    assert outputs["enhanced"].shape == made
    assert states == {}


def test_the_golden_spectrum_model_takes_noise_away_and_leaves_what_stands_out(session):
    noise = 0.5 * np.random.default_rng(2).standard_normal((1, 300, 257, 2)).astype(np.float32)
    sound = noise.copy()
    sound[:, 200:210, 40:60] += 60
    enhanced = session.run({"spec": sound})[0]["enhanced"]
    quieter = np.linalg.norm(enhanced[:, 100:200]) / np.linalg.norm(sound[:, 100:200])
    assert quieter < 0.25
    assert np.linalg.norm(enhanced[:, 200:210, 45:55]) > 0.9 * np.linalg.norm(sound[:, 200:210, 45:55])


def test_silence_stays_silence(session):
    assert not session.run({"spec": np.zeros((1, 50, 257, 2), np.float32)})[0]["enhanced"].any()


@pytest.mark.parametrize("shape", [(1, 1, 257, 2), (2, 3, 257, 2)])
def test_a_stepper_is_as_run(session, shape):
    batch, size = shape[:2]
    spec = spec_of(30, batch=batch)
    whole = session.run({"spec": spec})[0]["enhanced"]
    stepper = session.stepper({"spec": shape})
    for _ in range(2):  # again after a reset, which comes after an odd and an even number of steps
        parts = []
        for begin in range(0, 30 - size * (_ == 0), size):
            stepper.inputs["spec"][...] = spec[:, begin : begin + size]
            stepper.step()
            parts.append(stepper.outputs["enhanced"].copy())
        joined = np.concatenate(parts, axis=1)
        np.testing.assert_allclose(joined, whole[:, : joined.shape[1]], atol=1e-6 * np.abs(whole).max())
        stepper.reset()


def test_two_steppers_do_not_touch_each_other(session):
    spec = spec_of(10)
    one, other = (session.stepper({"spec": (1, 1, 257, 2)}) for _ in "ab")
    alone = []
    for frame in range(10):
        one.inputs["spec"][...] = spec[:, frame : frame + 1]
        one.step()
        alone.append(one.outputs["enhanced"].copy())
        other.inputs["spec"][...] = 7 * frame
        other.step()
    whole = session.run({"spec": spec})[0]["enhanced"]
    np.testing.assert_allclose(np.concatenate(alone, axis=1), whole, atol=1e-6 * np.abs(whole).max())


def test_a_stepper_outlives_what_made_it():
    stepper = Session(artifact_of("context")).stepper({"spec": (1, 5, 129, 2)})
    stepper.inputs["spec"][...] = 1
    stepper.step()
    wanted = Session(artifact_of("context")).run({"spec": np.ones((1, 5, 129, 2), np.float32)})[0]["enhanced"]
    np.testing.assert_array_equal(stepper.outputs["enhanced"], wanted)
    with pytest.raises(TypeError):
        stepper.inputs["spec"] = wanted


GOOD = np.zeros((1, 4, 257, 2), np.float32)
STATE = np.zeros((1, 1, 16), np.float32)


@pytest.mark.parametrize(
    ("inputs", "states", "sentence"),
    [
        ({}, None, "the input 'spec' is missing; needed are 'spec'"),
        ({"spec": GOOD, "more": GOOD}, None, "has no input 'more'; it has 'spec'"),
        ({"spec": GOOD, "gru_0": STATE}, None, "has no input 'gru_0'"),
        ({"spec": GOOD.astype(np.float64)}, None, "'spec' has dtype float64: a float32 array"),
        ({"spec": GOOD.astype(np.complex64)}, None, "'spec' has dtype complex64"),
        ({"spec": GOOD.tolist()}, None, "'spec' has type list"),
        ({"spec": GOOD[:, :, :256]}, None, r"has the shape \(1, 4, 256, 2\): \(\*, \*, 257, 2\) is needed"),
        ({"spec": GOOD[0]}, None, r"has the shape \(4, 257, 2\)"),
        ({"spec": GOOD[:, :0]}, None, r"has the shape \(1, 0, 257, 2\)"),
        ({"spec": GOOD[:0]}, None, r"has the shape \(0, 4, 257, 2\)"),
        ({"spec": GOOD}, {}, "the state 'gru_0' is missing"),
        ({"spec": GOOD}, {"gru_0": STATE, "x": STATE}, "has no state 'x'"),
        ({"spec": GOOD}, {"gru_0": STATE[0]}, r"'gru_0' has the shape \(1, 16\)"),
        ({"spec": GOOD}, {"gru_0": STATE.astype(np.float64)}, "'gru_0' has dtype float64"),
        ({"spec": GOOD}, {"gru_0": np.zeros((1, 2, 16), np.float32)}, "does not take inputs of these shapes together"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(session, inputs, states, sentence):
    with pytest.raises(ParameterError, match=sentence):
        session.run(inputs, states)


def test_too_little_context_is_refused(capfd):
    session = Session(artifact_of("context"))
    with pytest.raises(ParameterError, match="does not take inputs of these shapes"):
        session.run({"spec": np.zeros((1, 4, 129, 2), np.float32)})
    with pytest.raises(ParameterError, match="does not take inputs of these shapes"):
        session.stepper({"spec": (1, 4, 129, 2)})
    # ONNX Runtime does not talk to people on its own.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, None])
def test_impossible_threads_are_refused(threads):
    with pytest.raises(ParameterError, match="threads="):
        Session(artifact_of("context"), threads=threads)


def test_more_threads_give_the_same():
    spec = spec_of(200, n_bins=129)
    one, two = (Session(artifact_of("context"), threads=n).run({"spec": spec})[0]["enhanced"] for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def two_networks():
    context, waveform = artifact_of("context"), artifact_of("waveform")
    headers = {"one": context.header.networks["enhancer"], "two": waveform.header.networks["enhancer"]}
    networks = {"one": context.networks["enhancer"], "two": waveform.networks["enhancer"]}
    return Artifact(header=replace(context.header, networks=headers), networks=networks)


def test_one_of_several_networks_is_named():
    assert Session(two_networks(), network="two").inputs[0].name == "samples"
    for network in (None, "three"):
        with pytest.raises(ParameterError, match="name one of 'one', 'two', which this model has"):
            Session(two_networks(), network=network)


def with_states(name, states):
    artifact = artifact_of(name)
    network = replace(artifact.header.networks["enhancer"], states=states)
    return Artifact(header=replace(artifact.header, networks={"enhancer": network}), networks=artifact.networks)


@pytest.mark.parametrize(
    ("name", "states", "sentence"),
    [
        ("context", {"gru_0": (1, -1, 16)}, "lacks 'gru_0', which its header promises"),
        ("spectrum", {"gru_0": (1, -1, 17)}, r"the shape \(1, \*, 16\), and its header says \(1, \*, 17\)"),
        ("spectrum", {"gru_0": (-1, 1, 16)}, "and its header says"),
        ("spectrum", {"gru_0": (1, 1, -1, 16)}, "and its header says"),
        ("spectrum", {"gru_0": (1, -1, 16, 1)}, "and its header says"),
        ("context", {"spec": (-1, 1, 129, 2)}, "lacks 'spec_next'"),
    ],
)
def test_a_header_that_the_graph_does_not_bear_out_is_refused(name, states, sentence):
    with pytest.raises(ArtifactError, match=sentence):
        Session(with_states(name, states))


def test_a_graph_that_onnxruntime_does_not_take_is_refused(capfd):
    artifact = artifact_of("context")
    network = NetworkHeader(kind="Nothing", settings={}, states={})
    header = replace(artifact.header, networks={"enhancer": network})
    graph = artifact.networks["enhancer"]
    for model in (b"\x08\x08\x3a\x00\x42\x00", graph.replace(b"Sigmoid", b"Sigmoit").replace(b"Slice", b"Slide")):
        with pytest.raises(ArtifactError, match="cannot be run by onnxruntime"):
            Session(Artifact(header=header, networks={"enhancer": model}))
    assert capfd.readouterr() == ("", "")


def test_reading_a_header_loads_no_onnxruntime():
    code = (
        "import sys; from specloom.artifact import read_artifact; import specloom.runtime; "
        f"read_artifact({str(GOLDEN / 'tiny_context.onnx')!r}); "
        "print(sorted({'onnx', 'onnxruntime', 'torch', 'scipy', 'google'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_nothing_is_kept_for_each_length_that_was_run(session):
    """Patterns took 100 MB after runs of some hundred lengths; measuring that takes too long to be done here."""
    options = session._runner.get_session_options()
    assert not options.enable_mem_pattern
    assert not options.enable_cpu_mem_arena
    assert options.intra_op_num_threads == 1
