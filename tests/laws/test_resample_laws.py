"""Laws of resampling: length, linearity, constants and sines kept, silence kept, blocks equal the whole."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.dsp.resample import StreamingResampler, resample, resampled_length
from specloom.errors import ParameterError

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]
PAIRS = [(44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (22_050, 44_100), (192_000, 8_000), (8_000, 11_025)]

rates = st.sampled_from(RATES)


def noise(shape, amplitude=1.0, dtype=np.float32, seed=0):
    samples = (amplitude * np.random.default_rng(seed).uniform(-1, 1, shape)).astype(dtype)
    samples.flags.writeable = False
    return samples


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 3_000), from_rate=rates, to_rate=rates)
def test_the_length_is_rounded_up(n, from_rate, to_rate):
    expected = math.ceil(Fraction(n * to_rate, from_rate))
    assert resampled_length(n, from_rate, to_rate) == expected
    assert resample(noise((2, n)), from_rate, to_rate).shape == (2, expected)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 4_000),
    from_rate=rates,
    to_rate=rates,
    n_channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 4_000), max_size=8),
    exponent=st.floats(-6, 4),
    empty_end=st.booleans(),
)
def test_blocks_give_the_whole_to_the_sample(n, from_rate, to_rate, n_channels, cuts, exponent, empty_end):
    amplitude = 10.0**exponent
    samples = noise((n_channels, n), amplitude, seed=n)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    blocks = [samples[:, start:stop] for start, stop in pairwise(edges)]
    if empty_end:
        blocks.append(samples[:, :0])
    resampler = StreamingResampler(from_rate, to_rate, n_channels)
    results = [resampler.process(block, last=index == len(blocks) - 1) for index, block in enumerate(blocks)]
    streamed, whole = np.concatenate(results, axis=1), resample(samples, from_rate, to_rate)
    assert streamed.shape == whole.shape
    assert np.abs(streamed - whole).max() <= 1e-6 * amplitude


@settings(max_examples=30, deadline=None)
@given(from_rate=rates, to_rate=rates, a=st.floats(-4, 4), exponent=st.floats(-6, 4))
def test_it_is_linear(from_rate, to_rate, a, exponent):
    amplitude = 10.0**exponent
    x, y = noise(500, amplitude, np.float64, 1), noise(500, amplitude, np.float64, 2)
    together = resample(a * x + y, from_rate, to_rate)
    apart = a * resample(x, from_rate, to_rate) + resample(y, from_rate, to_rate)
    np.testing.assert_allclose(together, apart, atol=1e-9 * amplitude)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("level", [1e-6, 1.0, 1e4])
def test_a_constant_stays_constant(from_rate, to_rate, level):
    samples = np.full(from_rate // 2, level, dtype=np.float32)
    resampled = resample(samples, from_rate, to_rate)
    edge = len(resampled) // 5
    assert np.abs(resampled[edge:-edge] - np.float32(level)).max() <= 1e-5 * level


def sine(frequency_hz, rate, n_samples):
    return np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / rate + 0.3)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
@pytest.mark.parametrize("amplitude", [1e-6, 1e4])
def test_a_sine_below_half_of_both_nyquist_frequencies_keeps_within_minus_100_db(from_rate, to_rate, share, amplitude):
    frequency_hz = share * min(from_rate, to_rate) / 2
    samples = (amplitude * sine(frequency_hz, from_rate, from_rate // 2)).astype(np.float32)
    resampled = resample(samples, from_rate, to_rate).astype(np.float64) / amplitude
    error = (resampled - sine(frequency_hz, to_rate, len(resampled)))[len(resampled) // 5 : -len(resampled) // 5]
    assert 20 * np.log10(np.sqrt(2 * np.mean(error**2))) < -100


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_up_to_nine_tenths_the_level_stays_and_nothing_is_added(from_rate, to_rate):
    frequency_hz = 0.9 * min(from_rate, to_rate) / 2
    resampled = resample(sine(frequency_hz, from_rate, from_rate // 2).astype(np.float32), from_rate, to_rate)
    place = np.arange(len(resampled))[len(resampled) // 5 : -len(resampled) // 5]
    angle = 2 * np.pi * frequency_hz * place / to_rate + 0.3
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    (in_phase, quadrature), *_ = np.linalg.lstsq(waves, resampled[place].astype(np.float64))
    assert abs(20 * np.log10(np.hypot(in_phase, quadrature))) < 0.01
    assert abs(np.arctan2(quadrature, in_phase)) < 1e-6
    added = resampled[place] - waves @ [in_phase, quadrature]
    assert 20 * np.log10(np.sqrt(2 * np.mean(added**2))) < -130


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44_100, 16_000), (192_000, 8_000), (48_000, 44_100)])
def test_a_sine_above_the_new_nyquist_frequency_is_gone(from_rate, to_rate):
    frequency_hz = (to_rate / 2 + min(1.3 * to_rate, from_rate) / 2) / 2
    resampled = resample(sine(frequency_hz, from_rate, from_rate).astype(np.float32), from_rate, to_rate)
    edge = len(resampled) // 5
    assert np.abs(resampled[edge:-edge]).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_silence_stays_silence_and_the_dtype_stays(dtype, from_rate, to_rate):
    resampled = resample(np.zeros((1, 3, 777), dtype=dtype), from_rate, to_rate)
    assert resampled.dtype == dtype
    assert resampled.shape[:2] == (1, 3)
    assert not resampled.any()


def test_lanes_do_not_touch_each_other():
    samples = noise((2, 3, 500))
    whole = resample(samples, 44_100, 16_000)
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(whole[i, j], resample(samples[i, j], 44_100, 16_000))


def test_the_last_sample_is_sound_and_no_padding():
    # 1000 samples of a constant end between two samples of the result; the rounding up must not add a zero.
    samples = np.ones(1_001, dtype=np.float32)
    resampled = resample(samples, 44_100, 22_050)
    assert len(resampled) == 501
    assert resampled[-1] > 0.3


def test_equal_rates_give_the_very_array():
    samples = noise((2, 100))
    assert resample(samples, 48_000, 48_000) is samples
    np.testing.assert_array_equal(StreamingResampler(48_000, 48_000, 2).process(samples, last=True), samples)


def test_half_precision_becomes_single():
    assert resample(np.zeros(100, np.float16), 48_000, 16_000).dtype == np.float32
    assert resample(np.zeros(100, np.float16), 48_000, 48_000).dtype == np.float32


def test_one_channel_may_come_without_its_axis():
    samples = noise(1_000)
    resampler = StreamingResampler(44_100, 16_000, 1, dtype=np.float64)
    resampled = np.concatenate([resampler.process(samples[:400]), resampler.process(samples[400:], last=True)])
    assert resampled.dtype == np.float64
    np.testing.assert_allclose(resampled, resample(samples.astype(np.float64), 44_100, 16_000), atol=1e-9)


@pytest.mark.parametrize("rate", [0, -44_100, 44_100.0, True, "8000", float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ParameterError, match="from_rate="):
        resample(noise(10), rate, 8_000)
    with pytest.raises(ParameterError, match="to_rate="):
        resample(noise(10), 8_000, rate)
    with pytest.raises(ParameterError, match="to_rate="):
        StreamingResampler(8_000, rate, 1)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(10, np.int16), "int16"),
        (np.float32(0), r"shape \(\)"),
        (np.array([0, np.nan]), "NaN"),
        (np.array([0, np.inf]), "NaN"),
    ],
)
def test_what_is_no_sound_is_refused(samples, words):
    with pytest.raises(ParameterError, match=words):
        resample(samples, 8_000, 16_000)
    with pytest.raises(ParameterError, match=words):
        StreamingResampler(8_000, 16_000, 1).process(samples)


def test_a_stream_refuses_wrong_channels_and_what_comes_after_the_end():
    with pytest.raises(ParameterError, match="n_channels=0"):
        StreamingResampler(8_000, 16_000, 0)
    resampler = StreamingResampler(8_000, 16_000, 2)
    with pytest.raises(ParameterError, match=r"shape \(3, 10\).*\(2, n\)"):
        resampler.process(np.zeros((3, 10), np.float32))
    with pytest.raises(ParameterError, match=r"shape \(10,\).*\(2, n\)"):
        resampler.process(np.zeros(10, np.float32))
    resampler.process(np.zeros((2, 10), np.float32), last=True)
    with pytest.raises(ParameterError, match="begin a new StreamingResampler"):
        resampler.process(np.zeros((2, 10), np.float32))
