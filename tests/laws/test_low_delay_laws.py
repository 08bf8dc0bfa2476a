"""Laws of the quick change of rate: blocks equal the whole, length, linearity, sines kept, and no waiting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.dsp.low_delay import LowDelayResampler
from specloom.dsp.resample import StreamingResampler, resample, resampled_length
from specloom.errors import ParameterError

PAIRS = [(48_000, 16_000), (16_000, 48_000), (44_100, 16_000), (16_000, 44_100), (8_000, 16_000), (96_000, 16_000)]
pairs = st.sampled_from([*PAIRS, (16_000, 8_000), (22_050, 16_000), (11_025, 16_000), (7, 3), (16_000, 16_000)])


def noise(shape, amplitude=1.0, seed=0):
    samples = (amplitude * np.random.default_rng(seed).uniform(-1, 1, shape)).astype(np.float32)
    samples.flags.writeable = False
    return samples


def whole(samples, from_rate, to_rate):
    return LowDelayResampler(from_rate, to_rate, len(samples)).process(samples, last=True)


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(0, 3_000),
    pair=pairs,
    n_channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 3_000), max_size=12),
    exponent=st.floats(-6, 4),
    empty_end=st.booleans(),
)
def test_blocks_give_the_whole_to_the_bit(n, pair, n_channels, cuts, exponent, empty_end):
    samples = noise((n_channels, n), 10.0**exponent, seed=n)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    blocks = [samples[:, start:stop] for start, stop in pairwise(edges)]
    if empty_end or not blocks:
        blocks.append(samples[:, :0])
    resampler = LowDelayResampler(*pair, n_channels)
    results = [resampler.process(block, last=index == len(blocks) - 1) for index, block in enumerate(blocks)]
    streamed = np.concatenate(results, axis=1)
    assert streamed.shape == (n_channels, resampled_length(n, *pair))
    assert np.array_equal(streamed, whole(samples, *pair))


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_a_sample_comes_out_as_soon_as_its_filter_is_filled(from_rate, to_rate):
    resampler = LowDelayResampler(from_rate, to_rate, 1)
    given_, made = 0, 0
    for n in (1, 50, 3, 700, 1, 1, 333):
        given_ += n
        made += resampler.process(np.zeros((1, n), np.float32)).shape[1]
        # Sample k needs those up to `delay` after the last one at or before its time.
        assert made == resampled_length(max(0, given_ - resampler.delay_samples), from_rate, to_rate)
    assert resampler.delay_samples / from_rate < 47 / min(from_rate, to_rate)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_the_future_changes_nothing_that_came_out(from_rate, to_rate):
    first = noise((1, 4_000), seed=1)
    resampler, other = (LowDelayResampler(from_rate, to_rate, 1) for _ in "ab")
    made = resampler.process(first)
    assert np.array_equal(made, other.process(np.concatenate([first, noise((1, 99), seed=2)], 1))[:, : made.shape[1]])


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("level", [1e-6, 1.0, 1e4])
def test_a_constant_stays_constant_and_silence_silence(from_rate, to_rate, level):
    made = whole(np.full((1, from_rate // 4), level, np.float32), from_rate, to_rate)[0]
    edge = len(made) // 10
    assert np.abs(made[edge:-edge] - np.float32(level)).max() <= 2e-6 * level
    assert not whole(np.zeros((2, 5_000), np.float32), from_rate, to_rate).any()


@settings(max_examples=30, deadline=None)
@given(pair=pairs, a=st.floats(-4, 4), exponent=st.floats(-6, 4))
def test_it_is_linear(pair, a, exponent):
    amplitude = 10.0**exponent
    x, y = noise((1, 900), amplitude, seed=1), noise((1, 900), amplitude, seed=2)
    together = whole((np.float32(a) * x + y).astype(np.float32), *pair)
    apart = np.float32(a) * whole(x, *pair) + whole(y, *pair)
    np.testing.assert_allclose(together, apart, atol=1e-5 * amplitude)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.93])
def test_a_sine_of_the_common_band_is_kept(from_rate, to_rate, share):
    frequency_hz = share * min(from_rate, to_rate) / 2
    samples = np.sin(2 * np.pi * frequency_hz * np.arange(from_rate) / from_rate + 0.3).astype(np.float32)
    made = whole(samples[np.newaxis], from_rate, to_rate)[0].astype(np.float64)
    error = made - np.sin(2 * np.pi * frequency_hz * np.arange(len(made)) / to_rate + 0.3)
    edge = len(made) // 10
    assert 20 * np.log10(np.sqrt(2 * np.mean(error[edge:-edge] ** 2))) < -80


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48_000, 16_000), (44_100, 16_000), (96_000, 16_000)])
@pytest.mark.parametrize("place", [1.07, 1.5])
def test_a_sine_above_the_band_is_gone(from_rate, to_rate, place):
    samples = np.sin(np.pi * place * to_rate * np.arange(from_rate) / from_rate).astype(np.float32)
    made = whole(samples[np.newaxis], from_rate, to_rate)[0]
    edge = len(made) // 10
    assert np.abs(made[edge:-edge]).max() < 1e-4


def test_it_agrees_with_soxr_where_both_keep_everything():
    samples = np.sin(2 * np.pi * 1_000 * np.arange(48_000) / 48_000).astype(np.float32) * noise(48_000).mean()
    ours, theirs = whole(samples[np.newaxis], 48_000, 16_000)[0], resample(samples, 48_000, 16_000)
    assert np.abs(ours - theirs)[500:-500].max() < 1e-4 * np.abs(samples).max()


@pytest.mark.parametrize("rate", [44_099, 192_001])
def test_rates_without_a_common_factor_are_left_to_soxr(rate):
    resampler = LowDelayResampler(rate, 16_000, 1)
    assert resampler.delay_samples is None
    samples = noise((1, 30_000))
    theirs = StreamingResampler(rate, 16_000, 1).process(samples, last=True)
    assert np.array_equal(resampler.process(samples, last=True), theirs)


def test_wrong_blocks_are_refused():
    resampler = LowDelayResampler(48_000, 16_000, 2)
    with pytest.raises(ParameterError, match=r"block of shape \(3, 5\): \(2, n\) is needed"):
        resampler.process(noise((3, 5)))
    resampler.process(noise((2, 5)), last=True)
    with pytest.raises(ParameterError, match="the last one was given already"):
        resampler.process(noise((2, 5)))
