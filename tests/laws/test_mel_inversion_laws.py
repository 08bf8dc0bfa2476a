"""Laws of mel_to_magnitude: never negative, scale, batch = loop, back to the mel, silence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import load, sounds
from specloom.config import MelConfig, StftConfig
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.mel_inversion import mel_to_magnitude
from specloom.dsp.stft import stft

METHODS = ["richardson-lucy", "transpose", "pseudo-inverse"]
CONFIG = MelConfig(sample_rate=16000, n_fft=1024, n_mels=80)
SPARSE = MelConfig(sample_rate=44100, n_fft=512, n_mels=128, scale="htk")  # some filters hold no bin
BAND = MelConfig(sample_rate=16000, n_fft=512, n_mels=40, fmin_hz=300.0, fmax_hz=4000.0)
CONFIGS = st.sampled_from([CONFIG, SPARSE, BAND])
DTYPES = st.sampled_from([np.float32, np.float64])


def mels(config, n_frames, seed=0, dtype=np.float32, amplitude=1.0):
    rng = np.random.default_rng(seed)
    magnitude = amplitude * 10.0 ** rng.uniform(-4, 0, (config.n_fft // 2 + 1, n_frames))
    mel = (mel_filterbank(config).astype(np.float64) @ magnitude).astype(dtype)
    mel.flags.writeable = False
    return mel


@settings(max_examples=30, deadline=None)
@given(
    config=CONFIGS, method=st.sampled_from(METHODS), dtype=DTYPES, exponent=st.floats(-6, 4), seed=st.integers(0, 99),
    n_frames=st.integers(1, 40),
)  # fmt: skip
def test_finite_never_negative_and_zero_where_no_filter_is(config, method, dtype, exponent, seed, n_frames):
    result = mel_to_magnitude(mels(config, n_frames, seed, dtype, 10.0**exponent), config, method=method)
    assert result.shape == (config.n_fft // 2 + 1, n_frames)
    assert result.dtype == dtype
    assert np.isfinite(result).all()
    assert (result >= 0).all()
    unseen = mel_filterbank(config).sum(axis=0) == 0
    assert result[unseen].max(initial=0.0) <= 1e-6 * result.max()


@settings(max_examples=30, deadline=None)
@given(config=CONFIGS, method=st.sampled_from(METHODS), dtype=DTYPES, exponent=st.floats(-6, 4))
def test_scaling_the_mel_scales_the_magnitude(config, method, dtype, exponent):
    mel = mels(config, 19, dtype=dtype)
    factor = dtype(10.0**exponent)
    expected = mel_to_magnitude(mel, config, method=method) * factor
    error = np.abs(mel_to_magnitude(mel * factor, config, method=method) - expected).max()
    assert error <= (3e-5 if dtype == np.float32 else 1e-9) * expected.max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(2,), (2, 3)])
def test_batch_is_loop(shape, method, dtype):
    mel = np.stack([mels(CONFIG, 21, seed, dtype, 10.0**seed) for seed in range(np.prod(shape))])
    mel = mel.reshape(*shape, *mel.shape[1:])
    together = mel_to_magnitude(mel, CONFIG, method=method)
    assert together.shape == (*shape, 513, 21)
    for place in np.ndindex(*shape):
        apart = mel_to_magnitude(mel[place], CONFIG, method=method)
        np.testing.assert_allclose(together[place], apart, rtol=1e-5, atol=1e-6 * apart.max())


@pytest.mark.parametrize("n_frames", [1, 3, 16, 17])
def test_a_frame_does_not_know_how_many_others_there_are(n_frames):
    """But for the rounding of the common scale."""
    mel = mels(CONFIG, 48)
    whole = mel_to_magnitude(mel, CONFIG)
    np.testing.assert_allclose(
        mel_to_magnitude(mel[:, :n_frames], CONFIG), whole[:, :n_frames], rtol=1e-3, atol=1e-5 * whole.max()
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silence_stays_silence(method, dtype):
    assert not mel_to_magnitude(np.zeros((80, 7), dtype), CONFIG, method=method).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_silent_frame_among_others_stays_silent(method):
    mel = np.array(mels(CONFIG, 20))
    mel[:, 7] = 0.0
    assert not mel_to_magnitude(mel, CONFIG, method=method)[:, 7].any()


@pytest.mark.parametrize("name", ["speech", "music"])
@pytest.mark.parametrize("n_fft", [1024, 2048])
def test_of_real_sound_it_comes_back_to_the_mel_closer_than_the_others(name, n_fft):
    audio = load(sounds.path(name), channels="mono")
    config = StftConfig(sample_rate=audio.sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
    magnitude = np.abs(stft(audio.samples[: 2 * audio.sample_rate], config))
    mel_config = MelConfig(sample_rate=audio.sample_rate, n_fft=n_fft, n_mels=80)
    filters = mel_filterbank(mel_config)
    mel = filters @ magnitude

    def misses(method):
        found = mel_to_magnitude(mel, mel_config, method=method)
        return tuple(
            float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in ((filters @ found, mel), (found, magnitude))
        )

    of_mel, of_magnitude = misses("richardson-lucy")
    transposed_mel, transposed_magnitude = misses("transpose")
    assert of_mel < 0.02
    assert of_mel < 0.1 * transposed_mel
    assert of_magnitude < transposed_magnitude
    assert of_magnitude < misses("pseudo-inverse")[1]


def test_more_iterations_come_closer_to_the_mel():
    mel = mels(CONFIG, 20)
    filters = mel_filterbank(CONFIG)
    misses = [np.linalg.norm(filters @ mel_to_magnitude(mel, CONFIG, n_iter=n) - mel) for n in (0, 1, 5, 30, 100)]
    assert all(later < earlier for earlier, later in itertools.pairwise(misses))


def test_input_is_left_as_it_was_whatever_its_memory_order():
    mel = np.array(mels(CONFIG, 20))
    kept = mel.copy()
    expected = mel_to_magnitude(mel, CONFIG)
    np.testing.assert_array_equal(mel, kept)
    np.testing.assert_array_equal(mel_to_magnitude(np.asfortranarray(mel), CONFIG), expected)
    np.testing.assert_array_equal(mel_to_magnitude(np.repeat(mel, 2, axis=1)[:, ::2], CONFIG), expected)


def test_a_mel_spectrum_of_whole_numbers_is_taken_as_float64():
    mel = np.ones((80, 3), dtype=np.int16)
    result = mel_to_magnitude(mel, CONFIG)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, mel_to_magnitude(mel.astype(np.float64), CONFIG))


@pytest.mark.parametrize("method", METHODS)
def test_magnitudes_near_the_smallest_number_stay_finite(method):
    mel = mels(CONFIG, 5) * np.float32(1e-41)
    assert mel.any()
    result = mel_to_magnitude(mel, CONFIG, method=method)
    assert np.isfinite(result).all()
    assert (result >= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize(("sample_rate", "fmax_hz"), [(16000, None), (22050, None), (44100, None), (48000, 16000.0)])
def test_a_flat_magnitude_comes_back_flat_up_to_the_last_filters_edge(sample_rate, fmax_hz, scale, dtype):
    """At a filter's very edge weights nearly vanish (1e-17 at half of 44.1 kHz): dividing by them does no harm."""
    config = MelConfig(sample_rate=sample_rate, n_fft=1024, n_mels=80, fmax_hz=fmax_hz, scale=scale)
    filters = mel_filterbank(config).astype(dtype)
    result = mel_to_magnitude(filters @ np.ones((513, 3), dtype), config)
    inside = filters.sum(axis=0) > 1e-3 * filters.sum(axis=0).max()
    assert result.max() <= 2.0
    assert result[inside].min() >= 0.5
