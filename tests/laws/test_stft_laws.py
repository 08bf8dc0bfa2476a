"""Laws of the transform: there and back, linearity, energy, lengths, dtypes, and what comes in stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.config import StftConfig
from specloom.dsp.stft import istft, stft
from specloom.dsp.windows import padded_window

DTYPES = st.sampled_from([np.float32, np.float64])
AMPLITUDES = st.floats(-6, 4).map(lambda exponent: 10.0**exponent)
WINDOWS = st.sampled_from(["hann", "hamming", ("kaiser", 8.0), "boxcar"])


def noise(seed, shape, dtype=np.float32, amplitude=1.0):
    samples = (amplitude * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)
    samples.flags.writeable = False
    return samples


@st.composite
def configs(draw):
    n_fft = draw(st.sampled_from([256, 512, 1024, 2048, 300, 400, 777, 1001]))
    win_length = draw(st.one_of(st.just(n_fft), st.integers(n_fft // 4, n_fft)))
    hop_length = draw(st.integers(max(1, win_length // 16), win_length // 2))
    return StftConfig(
        sample_rate=8000, n_fft=n_fft, hop_length=hop_length, win_length=win_length, window=draw(WINDOWS),
        center=draw(st.booleans()),
    )  # fmt: skip


def weights(config, n_samples):
    """Sum of the squared windows at each sample of the sound, added up frame by frame."""
    lead = config.n_fft // 2 if config.center else 0
    n_frames = config.n_frames(n_samples)
    summed = np.zeros(lead + n_samples + config.n_fft + config.hop_length)
    for frame in range(n_frames):
        start = frame * config.hop_length
        summed[start : start + config.n_fft] += padded_window(config) ** 2
    return summed[lead : lead + n_samples]


def assert_returns(samples, config):
    """Back to every sample that a window sees; rounding weighs more where windows weigh less."""
    back = istft(stft(samples, config), config, length=samples.shape[-1])
    assert back.shape == samples.shape
    assert back.dtype == samples.dtype
    seen_by = weights(config, samples.shape[-1])
    weight = np.sqrt(seen_by / max(seen_by.max(), 1e-30))
    error = (np.abs(back - samples) * weight)[..., weight > 1e-4].max(initial=0.0)
    assert error <= 20 * np.finfo(samples.dtype).eps * np.abs(samples).max()


@settings(max_examples=80, deadline=None)
@given(config=configs(), dtype=DTYPES, amplitude=AMPLITUDES, seed=st.integers(0, 99), extra=st.integers(0, 5000))
def test_there_and_back(config, dtype, amplitude, seed, extra):
    n_samples = extra + (1 if config.center else config.n_fft)
    assert_returns(noise(seed, n_samples, dtype, amplitude), config)


@pytest.mark.parametrize("n_fft", [512, 500])
@pytest.mark.parametrize("shape", [(3000,), (2, 3000), (2, 3, 3000), (1,), (2, 1)])
def test_there_and_back_in_every_shape(shape, n_fft):
    config = StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=125)
    samples = noise(0, shape)
    back = istft(stft(samples, config), config, length=shape[-1])
    assert np.abs(back - samples).max() <= 3e-6 * np.abs(samples).max()


@pytest.mark.parametrize(("window", "hop_length"), [("boxcar", 512), ("hamming", 512), ("hann", 384), ("hann", 500)])
def test_there_and_back_with_hops_of_more_than_half_a_window(window, hop_length):
    config = StftConfig(sample_rate=8000, n_fft=512, hop_length=hop_length, window=window)
    assert_returns(noise(1, 8000), config)


@settings(max_examples=30, deadline=None)
@given(config=configs(), dtype=DTYPES, first=AMPLITUDES, second=AMPLITUDES, seed=st.integers(0, 99))
def test_linear(config, dtype, first, second, seed):
    a, b = (noise(seed + i, 3000, np.float64).astype(dtype) for i in (0, 100))
    first, second = dtype(first), dtype(second)
    joined = stft(first * a + second * b, config)
    apart = first * stft(a, config) + second * stft(b, config)
    assert np.abs(joined - apart).max() <= 50 * np.finfo(dtype).eps * np.abs(apart).max()


@settings(max_examples=40, deadline=None)
@given(config=configs(), amplitude=AMPLITUDES, dtype=DTYPES, n_samples=st.integers(2048, 6000))
def test_energy_is_that_of_the_sound_under_the_windows(config, amplitude, dtype, n_samples):
    """Parseval, frame by frame: the spectra hold each sample's energy times the sum of its squared windows."""
    samples = noise(3, n_samples, dtype, amplitude)
    energy = np.abs(stft(samples, config).astype(np.complex128)) ** 2
    twice = np.full(config.n_bins, 2.0)
    twice[0] = 1.0
    if config.n_fft % 2 == 0:
        twice[-1] = 1.0
    expected = np.sum(samples.astype(np.float64) ** 2 * weights(config, n_samples))
    assert twice @ energy.sum(axis=1) / config.n_fft == pytest.approx(
        expected, rel=1e-5 if dtype == np.float32 else 1e-12
    )


@pytest.mark.parametrize("amplitude", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("n_fft", [512, 400])
def test_scaling_by_a_power_of_two_is_exact(n_fft, amplitude):
    config = StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=100)
    samples = noise(4, 4000, amplitude=amplitude)
    np.testing.assert_array_equal(stft(samples * np.float32(1024), config), stft(samples, config) * np.float32(1024))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_fft", [512, 400])
def test_silence_stays_silence(n_fft, dtype):
    config = StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=100)
    spec = stft(np.zeros((2, 4321), dtype), config)
    assert not spec.any()
    assert not istft(spec, config, length=4321).any()


@settings(max_examples=40, deadline=None)
@given(config=configs(), n_frames=st.integers(1, 40), dtype=DTYPES)
def test_without_a_length_the_shortest_sound_with_so_many_frames_comes_back(config, n_frames, dtype):
    spec = stft(noise(5, config.n_samples(n_frames) or 1, dtype), config)
    assert spec.shape[-1] == n_frames
    samples = istft(spec, config)
    assert samples.shape == (config.n_samples(n_frames),)
    if n_frames > 1:
        assert config.n_frames(samples.size - 1) == n_frames - 1


@pytest.mark.parametrize("n_fft", [512, 400])
@pytest.mark.parametrize("center", [True, False])
def test_a_longer_length_is_filled_with_zeros_and_a_shorter_one_cuts(n_fft, center):
    config = StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=100, center=center)
    spec = stft(noise(6, 3000), config)
    whole = istft(spec, config, length=3000)
    for length in (0, 1, 99, 1234):
        np.testing.assert_array_equal(istft(spec, config, length=length), whole[:length])
    long = istft(spec, config, length=9000)
    assert long.shape == (9000,)
    end = (spec.shape[-1] - 1) * 100 + (n_fft // 2 if center else n_fft)  # where the last window ends
    np.testing.assert_array_equal(long[:2900], whole[:2900])
    assert not long[end:].any()


@pytest.mark.parametrize(
    ("given_dtype", "spec_dtype"),
    [("f2", "c8"), ("f4", "c8"), ("f8", "c16"), (">f8", "c16"), ("i2", "c16"), ("u1", "c16"), ("?", "c16")],
)
def test_dtypes(given_dtype, spec_dtype):
    config = StftConfig(sample_rate=8000, n_fft=256, hop_length=64)
    samples = np.abs(10 * noise(7, 2000)).astype(given_dtype)
    spec = stft(samples, config)
    assert spec.dtype == np.dtype(spec_dtype)
    assert istft(spec, config).dtype == spec.real.dtype
    plain = stft(samples.astype("f8"), config)
    assert np.abs(spec - plain).max() <= 1e-5 * np.abs(plain).max()


def test_input_in_any_memory_order():
    config = StftConfig(sample_rate=8000, n_fft=256, hop_length=64)
    samples = noise(8, (3, 2000))
    spec = stft(samples, config)
    np.testing.assert_array_equal(stft(np.asfortranarray(samples), config), spec)
    np.testing.assert_array_equal(stft(np.repeat(samples, 2, axis=1)[:, ::2], config), spec)
    np.testing.assert_array_equal(istft(np.asfortranarray(spec), config), istft(spec, config))
    turned = np.ascontiguousarray(np.swapaxes(spec, -1, -2))
    np.testing.assert_array_equal(istft(np.swapaxes(turned, -1, -2), config), istft(spec, config))


@pytest.mark.parametrize("n_fft", [512, 400])
def test_the_input_is_left_as_it_was_and_the_output_is_fresh(n_fft):
    config = StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=100)
    samples = np.array(noise(9, 3000))
    kept = samples.copy()
    spec = stft(samples, config)
    kept_spec = spec.copy()
    back = istft(spec, config, length=3000)
    np.testing.assert_array_equal(samples, kept)
    np.testing.assert_array_equal(spec, kept_spec)
    back[:] = 7.0
    spec[:] = 7.0
    np.testing.assert_array_equal(samples, kept)
    np.testing.assert_array_equal(stft(samples, config), kept_spec)
