"""Laws of specloom.dsp.level: inverses, blocks equal the whole, silence and wrong input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.dsp.level import (
    DeEmphasis,
    FrameEnergies,
    PreEmphasis,
    amplitude_to_db,
    db_to_amplitude,
    de_emphasis,
    peak,
    pre_emphasis,
    rms_db,
    trim_bounds,
)
from specloom.errors import ParameterError

AMPLITUDES = st.floats(-6, 4).map(lambda exponent: 10.0**exponent)
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from([np.float32, np.float64])
CUTS = st.lists(st.integers(0, 700), max_size=12)


def noise(seed, shape, amplitude=1.0, dtype=np.float32):
    samples = (amplitude * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)
    samples.flags.writeable = False
    return samples


def swell(seed, shape, amplitude=1.0, dtype=np.float32):
    """Noise with silence of a hundred decibels at the edges."""
    envelope = 10.0 ** (-5.0 * np.linspace(-1, 1, shape[-1]) ** 2)
    samples = (noise(seed, shape, amplitude, np.float64) * envelope).astype(dtype)
    samples.flags.writeable = False
    return samples


def blocks_of(samples, cuts):
    edges = [0, *sorted(min(cut, samples.shape[-1]) for cut in np.cumsum(cuts)), samples.shape[-1]]
    return [samples[..., start:stop] for start, stop in itertools.pairwise(edges)]


@given(SEEDS, AMPLITUDES, DTYPES)
def test_decibels_and_back(seed, amplitude, dtype):
    values = np.abs(noise(seed, (3, 50), amplitude, dtype)) + dtype(1e-4 * amplitude)
    db = amplitude_to_db(values, floor=1e-12, reference=amplitude)
    assert db.dtype == dtype
    back = db_to_amplitude(db, reference=amplitude)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, values, rtol=1e-12 if dtype == np.float64 else 3e-5)


def test_floor_and_reference_of_decibels():
    assert amplitude_to_db(np.float32(0.0), floor=1e-4) == -80.0
    assert amplitude_to_db([0.0], reference=0.0).tolist() == [0.0]
    assert amplitude_to_db([0.5], reference=0.5).tolist() == [0.0]
    assert amplitude_to_db([-1.0]).tolist() == [0.0]
    assert db_to_amplitude([20.0], reference=0.5).tolist() == [5.0]


@given(SEEDS, AMPLITUDES, DTYPES, st.floats(0.0, 0.99))
def test_de_emphasis_undoes_pre_emphasis(seed, amplitude, dtype, coefficient):
    samples = noise(seed, (2, 400), amplitude, dtype)
    lifted = pre_emphasis(samples, coefficient)
    assert lifted.dtype == dtype
    back = de_emphasis(lifted, coefficient)
    assert back.dtype == dtype
    # Rounding the lifted signal is amplified by at most 1 / (1 - coefficient).
    tolerance = 4 * np.finfo(dtype).eps / (1 - coefficient) * np.abs(samples).max()
    assert np.abs(back - samples).max() <= tolerance


def test_pre_emphasis_of_a_low_frequency_keeps_its_precision():
    exact = np.cos(2 * np.pi * 5e-4 * np.arange(8000)).astype(np.float32).astype(np.float64)
    lifted = pre_emphasis(exact.astype(np.float32), 0.97).astype(np.float64)
    truth = np.append(exact[0], exact[1:] - 0.97 * exact[:-1])
    assert np.abs(lifted - truth)[1:].max() < 2e-9


@given(SEEDS, AMPLITUDES, DTYPES, st.floats(0.0, 0.999), CUTS, st.sampled_from([(900,), (2, 900)]))
def test_emphasis_in_blocks_equals_the_whole(seed, amplitude, dtype, coefficient, cuts, shape):
    samples = noise(seed, shape, amplitude, dtype)
    blocks = blocks_of(samples, cuts)
    lift, undo = PreEmphasis(coefficient), DeEmphasis(coefficient)
    lifted = np.concatenate([lift.process(block) for block in blocks], axis=-1)
    undone = np.concatenate([undo.process(block) for block in blocks], axis=-1)
    np.testing.assert_array_equal(lifted, pre_emphasis(samples, coefficient))
    np.testing.assert_array_equal(undone, de_emphasis(samples, coefficient))
    assert lifted.dtype == undone.dtype == dtype


def test_emphasis_goes_on_from_the_sample_before():
    samples = noise(0, (2, 30), dtype=np.float64)
    lifted, undone = pre_emphasis(samples, 0.9), de_emphasis(samples, 0.9)
    np.testing.assert_array_equal(pre_emphasis(samples[:, 10:], 0.9, before=samples[:, 9]), lifted[:, 10:])
    np.testing.assert_allclose(de_emphasis(samples[:, 10:], 0.9, state=undone[:, 9]), undone[:, 10:], rtol=1e-12)


@settings(deadline=None)
@given(
    SEEDS,
    AMPLITUDES,
    DTYPES,
    CUTS,
    st.sampled_from([(1,), (37,), (3000,), (2, 3000)]),
    st.integers(1, 300),
    # Hops of up to 9 fill more than one batch of 256 frames.
    st.one_of(st.integers(1, 9), st.integers(10, 400)),
    st.floats(3, 80),
)
def test_bounds_of_blocks_equal_the_whole(seed, amplitude, dtype, cuts, shape, frame_length, hop_length, top_db):
    samples = swell(seed, shape, amplitude, dtype)
    energies = FrameEnergies(frame_length=frame_length, hop_length=hop_length)
    for block in blocks_of(samples, cuts):
        energies.push(block)
    whole = FrameEnergies(frame_length=frame_length, hop_length=hop_length)
    whole.push(samples)
    np.testing.assert_array_equal(energies.mean_squares(), whole.mean_squares())
    bounds = trim_bounds(samples, top_db=top_db, frame_length=frame_length, hop_length=hop_length)
    assert energies.bounds(top_db) == bounds
    assert energies.n_samples == shape[-1]


def test_bounds_may_be_asked_before_the_end():
    energies = FrameEnergies(frame_length=64, hop_length=16)
    samples = swell(1, (4000,))
    for start in range(0, 4000, 500):
        energies.push(samples[start : start + 500])
        expected = trim_bounds(samples[: start + 500], top_db=30, frame_length=64, hop_length=16)
        assert energies.bounds(30) == expected


def test_frame_energies_keep_little_and_keep_no_caller_memory():
    energies = FrameEnergies(frame_length=256, hop_length=64)
    block = np.ones(1000, np.float32)
    for _ in range(500):
        energies.push(block)
    block[:] = 1e6
    kept = sum(piece.nbytes for piece in energies._pieces)
    # No piece is a view that keeps a larger array alive.
    assert all(piece.base is None for piece in energies._pieces)
    assert kept <= 4 * (256 + 256 * 64 + 1000)
    assert energies.mean_squares().max() == 1.0


def test_trimming_of_silence_and_of_a_loud_middle():
    assert trim_bounds(np.zeros(5000), top_db=20) == (0, 5000)
    assert trim_bounds(np.zeros(0), top_db=20) == (0, 0)
    assert FrameEnergies().bounds(20) == (0, 0)
    middle = np.zeros((2, 9000), np.float32)
    middle[1, 4000:5000] = 1e-3
    start, stop = trim_bounds(middle, top_db=20, frame_length=128, hop_length=32)
    assert 3900 <= start <= 4000
    assert 5000 <= stop <= 5100


@given(SEEDS, AMPLITUDES, DTYPES)
def test_level_follows_the_scale(seed, amplitude, dtype):
    samples = noise(seed, (2, 3, 100), 1.0, np.float64)
    scaled = (samples * amplitude).astype(dtype)
    scaled.flags.writeable = False
    assert rms_db(scaled).shape == peak(scaled).shape == (2, 3)
    np.testing.assert_allclose(rms_db(scaled), rms_db(samples) + 20 * np.log10(amplitude), atol=1e-5)
    np.testing.assert_allclose(peak(scaled), amplitude * np.abs(samples).max(axis=-1), rtol=1e-6)


def test_level_of_known_sounds():
    assert rms_db(np.full(7, -0.1)) == pytest.approx(-20.0, abs=1e-12)
    assert rms_db([1e-200, 1e-200]) == pytest.approx(-4000.0)
    assert rms_db(np.zeros((2, 4))).tolist() == [-np.inf, -np.inf]
    assert rms_db(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]
    assert peak([0.25, -0.5]) == 0.5
    assert peak([]) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: amplitude_to_db([1j]), "amplitude has dtype complex"),
        (lambda: amplitude_to_db([np.nan]), "NaN"),
        (lambda: amplitude_to_db([1.0], floor=0.0), "floor=0.0"),
        (lambda: amplitude_to_db([1.0], reference=-1.0), "reference=-1.0"),
        (lambda: db_to_amplitude([1.0], reference=np.inf), "reference=inf"),
        (lambda: db_to_amplitude([-np.inf]), "infinity"),
        (lambda: peak(1.0), "single number"),
        (lambda: rms_db([np.inf]), "infinity"),
        (lambda: trim_bounds([1.0], top_db=0), "top_db=0"),
        (lambda: trim_bounds([1.0], top_db=np.nan), "top_db=nan"),
        (lambda: trim_bounds([1.0], top_db=20, hop_length=0), "hop_length=0"),
        (lambda: trim_bounds([1.0], top_db=20, frame_length=2.5), "frame_length=2.5"),
        (lambda: [push(np.ones((c, 9))) for push in [FrameEnergies().push] for c in (1, 2)], "same channels"),
        (lambda: pre_emphasis([1.0], 1.0), "coefficient=1.0"),
        (lambda: de_emphasis([1.0], -0.1), "coefficient=-0.1"),
        (lambda: PreEmphasis(np.nan), "coefficient=nan"),
        (lambda: DeEmphasis(2.0), "not stable"),
        (lambda: pre_emphasis(np.ones((2, 5)), 0.9, before=[1.0, 1.0, 1.0]), r"before has shape \(3,\)"),
        (lambda: de_emphasis(np.ones(5), 0.9, state=np.inf), "one finite number"),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


def test_no_samples_stay_no_samples():
    empty = np.zeros((2, 0), np.float32)
    for result in (pre_emphasis(empty, 0.9), de_emphasis(empty, 0.9), PreEmphasis(0.9).process(empty)):
        assert result.shape == (2, 0)
        assert result.dtype == np.float32
