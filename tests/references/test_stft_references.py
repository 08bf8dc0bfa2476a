"""The transform and its inverse against librosa, scipy and the plain reference path."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.config import StftConfig
from specloom.dsp.stft import istft, lanes_serve, reference_istft, reference_stft, stft
from specloom.dsp.windows import padded_window, squared_window_sum

# n_fft, hop_length, win_length: powers of two, odd sizes, hops that do not divide, short and odd windows.
SIZES = [
    (256, 64, 256),
    (512, 160, 400),
    (1024, 256, 1024),
    (1024, 255, 1023),
    (2048, 276, 1102),
    (2048, 512, 2048),
    (2048, 333, 801),
    (4096, 1000, 4096),
    (8192, 4096, 8192),
    (400, 160, 400),
    (1000, 300, 1000),
    (1023, 200, 777),
    (1023, 512, 1023),
]
WINDOWS = ["hann", "hamming", ("kaiser", 8.0), "boxcar"]
TOLERANCE = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-12}


def noise(seed, shape, dtype=np.float32, amplitude=1.0):
    samples = (amplitude * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)
    samples.flags.writeable = False
    return samples


def settings_of(size, **others):
    n_fft, hop_length, win_length = size
    return StftConfig(sample_rate=16000, n_fft=n_fft, hop_length=hop_length, win_length=win_length, **others)


def librosa_words(config):
    return {
        "hop_length": config.hop_length,
        "win_length": config.win_length,
        "window": config.window,
        "center": config.center,
    }


def librosa_stft(samples, config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a sound shorter than the window
        return librosa.stft(samples, n_fft=config.n_fft, **librosa_words(config))


def librosa_istft(spec, config, length):
    return librosa.istft(spec, n_fft=config.n_fft, length=length, dtype=spec.real.dtype, **librosa_words(config))


def assert_same(ours, theirs, tolerance):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert np.abs(ours - theirs).max(initial=0.0) <= tolerance * max(np.abs(theirs).max(initial=0.0), 1e-30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_stft_equals_librosa(size, window, center, dtype):
    config = settings_of(size, window=window, center=center)
    samples = noise(size[0], 9001, dtype)
    ours = stft(samples, config)
    assert ours.dtype == (np.complex64 if dtype == np.float32 else np.complex128)
    assert_same(ours, librosa_stft(samples, config), TOLERANCE[np.dtype(dtype)])


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("size", [(512, 128, 512), (401, 100, 401), (1023, 100, 800)], ids=str)
def test_the_settings_foretell_the_frames(size, center):
    config = settings_of(size, center=center)
    for n_samples in (1100, 2000, 2001, 2049, 2099):
        assert stft(noise(0, n_samples), config).shape == (config.n_bins, config.n_frames(n_samples))


@pytest.mark.parametrize("shape", [(2, 3000), (2, 3, 3000)])
@pytest.mark.parametrize("size", [(512, 128, 512), (400, 160, 400)], ids=str)
def test_stft_of_several_channels_equals_librosa(size, shape):
    config = settings_of(size)
    samples = noise(1, shape)
    assert_same(stft(samples, config), librosa_stft(samples, config), 2e-6)


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 255, 256, 257])
@pytest.mark.parametrize("size", [(256, 64, 256), (512, 100, 300), (400, 160, 400)], ids=str)
def test_stft_of_a_sound_shorter_than_a_window_equals_librosa(size, n_samples):
    config = settings_of(size)
    samples = noise(2, n_samples)
    assert_same(stft(samples, config), librosa_stft(samples, config), 2e-6)


def test_stft_of_a_long_sound_equals_librosa():
    """More frames than the lanes lay out at a time, and no whole number of vectors."""
    config = settings_of((256, 64, 256))
    samples = noise(3, 64 * 700 + 5)
    assert_same(stft(samples, config), librosa_stft(samples, config), 2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_istft_equals_librosa(size, window, dtype):
    """Of a spectrum that is no transform of anything, where only the least-squares inverse agrees."""
    if window != "boxcar" and 2 * size[1] > size[2]:
        window = "hamming"  # no weights near zero
    config = settings_of(size, window=window)
    rng = np.random.default_rng(4)
    shape = (config.n_bins, 37)
    spec = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(
        np.complex64 if dtype == np.float32 else np.complex128
    )
    spec[[0, -1]] = spec[[0, -1]].real  # what is imaginary there is dropped by everyone
    spec.flags.writeable = False
    # Of an odd length librosa gives a sample more than the frames' centres span when told nothing.
    for length in (None if config.n_fft % 2 == 0 else 36 * config.hop_length, 36 * config.hop_length - 100):
        ours = istft(spec, config, length=length)
        assert_same(ours, librosa_istft(spec, config, length), 10 * TOLERANCE[np.dtype(dtype)])


@pytest.mark.parametrize("size", [(512, 128, 512), (400, 160, 400)], ids=str)
def test_istft_of_several_channels_is_that_of_each(size):
    config = settings_of(size)
    spec = np.stack([stft(noise(seed, 4000), config) for seed in range(6)])
    spec = spec.reshape(2, 3, *spec.shape[1:])
    together = istft(spec, config, length=4000)
    assert together.shape == (2, 3, 4000)
    for place in np.ndindex(2, 3):
        assert_same(together[place], istft(spec[place], config, length=4000), 1e-7)


@pytest.mark.parametrize("size", [(512, 128, 512), (400, 160, 400)], ids=str)
def test_stft_equals_scipy(size):
    """Scipy's transform counts its phases from the window's centre; its magnitudes are the same."""
    config = settings_of(size)
    samples = noise(6, 6 * 512, np.float64)
    window = padded_window(config)
    theirs = scipy.signal.ShortTimeFFT(window, config.hop_length, config.sample_rate, mfft=config.n_fft)
    spec = theirs.stft(samples, p0=0, p1=config.n_frames(samples.size))
    np.testing.assert_allclose(np.abs(stft(samples, config)), np.abs(spec), atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_lanes_equal_the_reference_path(data):
    n_fft = data.draw(st.sampled_from([256, 512, 1024, 2048, 4096]), "n_fft")
    win_length = data.draw(st.integers(16, n_fft), "win_length")
    hop_length = data.draw(st.integers(1, win_length // 2), "hop_length")
    center = data.draw(st.booleans(), "center")
    window = data.draw(st.sampled_from(WINDOWS), "window")
    config = settings_of((n_fft, hop_length, win_length), window=window, center=center)
    n_samples = data.draw(st.integers(1 if center else n_fft, n_fft + 40 * hop_length), "n_samples")
    amplitude = 10.0 ** data.draw(st.floats(-6, 4), "exponent")
    samples = noise(data.draw(st.integers(0, 99)), n_samples, amplitude=amplitude)
    assert lanes_serve(samples.dtype, config)
    spec = stft(samples, config)
    # Relative to what the frame with all samples would hold, so that a lone sample under a window's edge counts little.
    scale = np.abs(samples).max() * padded_window(config).sum()
    assert np.abs(spec - reference_stft(samples, config)).max() <= 1e-6 * scale
    if n_samples < hop_length:
        return
    # At the ends few windows reach; both inverses divide by what there is.
    envelope = squared_window_sum(config, spec.shape[-1])
    back, plain = istft(spec, config), reference_istft(spec, config)
    assert back.shape == plain.shape
    lead = n_fft // 2 if center else 0
    weight = np.sqrt(np.maximum(envelope[lead : lead + back.size], 1e-30) / envelope.max())
    seen = weight > 1e-6
    assert (np.abs(back - plain) * weight)[seen].max(initial=0.0) <= 3e-6 * np.abs(samples).max()


@pytest.mark.parametrize("n_fft", [128, 400, 32768])
def test_other_sizes_take_the_reference_path(n_fft):
    config = settings_of((n_fft, n_fft // 4, n_fft))
    assert not lanes_serve(np.dtype(np.float32), config)
    samples = noise(7, 2 * n_fft)
    assert_same(stft(samples, config), librosa_stft(samples, config), 2e-6)


def test_the_environment_switches_the_lanes_off(monkeypatch):
    config = settings_of((1024, 256, 1024))
    samples = noise(8, 5000)
    spec = stft(samples, config)
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    assert not lanes_serve(samples.dtype, config)
    np.testing.assert_array_equal(stft(samples, config), reference_stft(samples, config))
    np.testing.assert_array_equal(istft(spec, config), reference_istft(spec, config))
    assert_same(stft(samples, config), spec, 2e-6)
