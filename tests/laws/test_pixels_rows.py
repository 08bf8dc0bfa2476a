"""Laws of rows and bins: what has a row of its own comes back, constants stay, nothing goes beyond what was there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.errors import ParameterError
from specloom.pixels.rows import bins_to_rows, log_rows_hz, rows_to_bins

RATE, N_FFT = 16_000, 512
N_BINS = N_FFT // 2 + 1
BINS_HZ = np.arange(N_BINS) * RATE / N_FFT


def levels(*shape, seed=0):
    values = np.random.default_rng(seed).random(shape, dtype=np.float32)
    values.flags.writeable = False
    return values


AXES = {
    "log": log_rows_hz(300, 30.0, 8_000.0),
    "few": log_rows_hz(20, 30.0, 8_000.0),
    "linear": np.linspace(0.0, 8_000.0, 401),
    "falling": log_rows_hz(300, 30.0, 8_000.0)[::-1],
    "band": np.linspace(1_000.0, 3_000.0, 50),
}


def test_log_rows_go_in_equal_steps_of_pitch_from_end_to_end():
    rows = log_rows_hz(97, 27.5, 7_040.0)
    assert rows[0] == pytest.approx(27.5)
    assert rows[-1] == pytest.approx(7_040.0)
    np.testing.assert_allclose(np.diff(np.log2(rows)), 8 / 96, rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((1, 20, 80), "at least 2 rows"),
        ((9, 0, 80), "0 < min_hz"),
        ((9, 90, 80), "0 < min_hz"),
        ((9, 1, np.inf), "min"),
    ],
)
def test_impossible_axes_are_refused(arguments, sentence):
    with pytest.raises(ParameterError, match=sentence):
        log_rows_hz(*arguments)


@pytest.mark.parametrize("shape", [(N_BINS, 7), (2, N_BINS, 5), (2, 3, N_BINS, 1), (N_BINS, 0)])
@pytest.mark.parametrize("turned", [False, True])
def test_rows_at_the_bins_own_frequencies_are_the_bins(shape, turned):
    values = levels(*shape)
    row_hz = BINS_HZ[::-1] if turned else BINS_HZ
    rows = bins_to_rows(values, RATE, N_FFT, row_hz)
    np.testing.assert_allclose(rows, values[..., ::-1, :] if turned else values, atol=1e-6)
    np.testing.assert_allclose(rows_to_bins(rows, row_hz, RATE, N_FFT), values, atol=1e-6)
    assert rows.dtype == np.float32


@pytest.mark.parametrize("axis", AXES)
@given(constant=st.floats(-120, 30, width=32))
def test_a_constant_stays_and_is_nothing_beyond_the_rows(axis, constant):
    row_hz = AXES[axis]
    rows = bins_to_rows(np.full((N_BINS, 3), constant, np.float32), RATE, N_FFT, row_hz)
    np.testing.assert_allclose(rows, constant, rtol=1e-5, atol=1e-6)
    bins = rows_to_bins(rows, row_hz, RATE, N_FFT, outside=-999.0)
    low, high = np.sort(row_hz)[[0, -1]]
    shown = (low <= BINS_HZ) & (high >= BINS_HZ)
    np.testing.assert_allclose(bins[shown], constant, rtol=1e-5, atol=2e-4)
    far = (low - 100 > BINS_HZ) | (high + 500 < BINS_HZ)
    assert (bins[far] == -999.0).all()


@pytest.mark.parametrize("axis", AXES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_row_and_no_bin_goes_beyond_what_was_there(axis, seed):
    values = levels(N_BINS, 4, seed=seed)
    rows = bins_to_rows(values, RATE, N_FFT, AXES[axis])
    assert rows.min() >= values.min() - 1e-6
    assert rows.max() <= values.max() + 1e-6
    bins = rows_to_bins(rows, AXES[axis], RATE, N_FFT, outside=float(values.min()))
    assert bins.min() >= values.min() - 1e-6
    assert bins.max() <= values.max() + 1e-6


def test_rows_from_top_to_bottom_are_the_same_rows():
    values = levels(N_BINS, 4)
    np.testing.assert_array_equal(
        bins_to_rows(values, RATE, N_FFT, AXES["falling"]), bins_to_rows(values, RATE, N_FFT, AXES["log"])[::-1]
    )
    rows = levels(300, 4)
    np.testing.assert_array_equal(
        rows_to_bins(rows[::-1], AXES["falling"], RATE, N_FFT), rows_to_bins(rows, AXES["log"], RATE, N_FFT)
    )


def test_a_wide_row_is_the_mean_of_the_bins_it_covers():
    values = levels(N_BINS, 2)
    step = RATE / N_FFT
    rows = bins_to_rows(values, RATE, N_FFT, np.array([20.0, 24.0, 28.0]) * step)
    # From 22 to 26: three whole bins and two halves.
    expected = (values[22] / 2 + values[23] + values[24] + values[25] + values[26] / 2) / 4
    np.testing.assert_allclose(rows[1], expected, rtol=1e-5)


def test_fine_rows_lie_between_their_bins():
    values = levels(N_BINS, 2)
    rows = bins_to_rows(values, RATE, N_FFT, np.array([10.25, 10.5]) * RATE / N_FFT)
    np.testing.assert_allclose(rows[0], 0.75 * values[10] + 0.25 * values[11], rtol=1e-5)
    again = rows_to_bins(np.float32([[0.0], [1.0]]), [100.0, 200.0], 1_000, 40)
    np.testing.assert_allclose(again[:12, 0], [0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0][:12], atol=1e-6)


def test_a_smooth_spectrum_survives_a_fine_logarithmic_axis():
    smooth = (0.5 + 0.4 * np.sin(BINS_HZ / 900.0))[:, None].astype(np.float32)
    row_hz = log_rows_hz(512, 20.0, 8_000.0)
    again = rows_to_bins(bins_to_rows(smooth, RATE, N_FFT, row_hz), row_hz, RATE, N_FFT)
    assert np.abs(again - smooth)[1:].max() < 0.01


@pytest.mark.parametrize("axis", ["log", "linear", "falling"])
@pytest.mark.parametrize("outside", [0.0, -80.0])
def test_rounds_bring_the_bins_nearer_and_never_below_nothing(axis, outside):
    values = levels(N_BINS, 6) + np.float32(outside)
    rows = bins_to_rows(values, RATE, N_FFT, AXES[axis])
    errors = []
    for rounds in (0, 1, 2):
        bins = rows_to_bins(rows, AXES[axis], RATE, N_FFT, outside=outside, rounds=rounds)
        assert bins.min() >= np.float32(outside)
        errors.append(np.sqrt(np.mean((bins - values)[2:] ** 2)))
    assert errors[2] < errors[1] < 0.97 * errors[0]


def test_rounds_are_steps_of_correction():
    values = levels(N_BINS, 3) + np.float32(1.0)
    rows = bins_to_rows(values, RATE, N_FFT, AXES["log"])
    expected = rows_to_bins(rows, AXES["log"], RATE, N_FFT)
    for rounds in (1, 2, 3):
        missing = rows - bins_to_rows(expected, RATE, N_FFT, AXES["log"])
        expected = expected + rows_to_bins(missing, AXES["log"], RATE, N_FFT)
        bins = rows_to_bins(rows, AXES["log"], RATE, N_FFT, rounds=rounds)
        np.testing.assert_allclose(bins, np.maximum(expected, 0), atol=2e-5)


def test_blocks_of_frames_are_read_as_the_whole():
    rows = levels(300, 40)
    whole = rows_to_bins(rows, AXES["log"], RATE, N_FFT, rounds=2)
    parts = [rows_to_bins(rows[:, k : k + 7], AXES["log"], RATE, N_FFT, rounds=2) for k in range(0, 40, 7)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)


@pytest.mark.parametrize("rounds", [-1, 17])
def test_senseless_rounds_are_refused(rounds):
    with pytest.raises(ParameterError, match="rounds="):
        rows_to_bins(levels(300, 2), AXES["log"], RATE, N_FFT, rounds=rounds)


@pytest.mark.parametrize(
    ("row_hz", "sentence"),
    [
        ([100.0, 300.0, 200.0], "neither rises nor falls"),
        ([100.0, 100.0, 200.0], "neither rises nor falls"),
        ([100.0, np.nan, 200.0], "finite"),
        ([[100.0, 200.0]], "shape"),
        ([], "shape"),
    ],
)
def test_rows_without_order_are_refused(row_hz, sentence):
    with pytest.raises(ParameterError, match=sentence):
        bins_to_rows(levels(N_BINS, 2), RATE, N_FFT, row_hz)
    with pytest.raises(ParameterError, match=sentence):
        rows_to_bins(levels(3, 2), row_hz, RATE, N_FFT)


def test_wrong_shapes_are_refused_and_say_what_is_needed():
    with pytest.raises(ParameterError, match=r"n_fft // 2 \+ 1 = 257"):
        bins_to_rows(levels(256, 2), RATE, N_FFT, [100.0, 200.0])
    with pytest.raises(ParameterError, match="n_rows = 2"):
        rows_to_bins(levels(3, 2), [100.0, 200.0], RATE, N_FFT)


def test_a_single_row_is_every_bin():
    assert (rows_to_bins(np.float32([[0.25, 0.5]]), [440.0], RATE, N_FFT) == np.float32([0.25, 0.5])).all()
