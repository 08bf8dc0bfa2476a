"""Laws of Griffin-Lim: convergence, silence, scale, seeds, lengths, batch = loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import load, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import istft, stft
from specloom.phase.griffin_lim import griffin_lim

LANES = StftConfig(sample_rate=16000, n_fft=512, hop_length=128)
REFERENCE = StftConfig(sample_rate=16000, n_fft=480, hop_length=120)
BOTH = pytest.mark.parametrize("config", [LANES, REFERENCE], ids=["lanes", "reference"])


def noise_magnitude(config, n_samples=6000, seed=0, shape=(), amplitude=1.0, dtype=np.float32):
    samples = (amplitude * np.random.default_rng(seed).standard_normal((*shape, n_samples))).astype(dtype)
    magnitude = np.abs(stft(samples, config))
    magnitude.flags.writeable = False
    return magnitude


def convergence_db(samples, magnitude, config):
    found = np.abs(stft(samples.astype(np.float64), config))[..., : magnitude.shape[-1]]
    return 20 * np.log10(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))


@BOTH
def test_from_the_true_phase_it_returns_the_sound(config):
    samples = np.random.default_rng(1).standard_normal(6000).astype(np.float32)
    spec = stft(samples, config)
    for n_iter in (0, 10):
        back = griffin_lim(np.abs(spec), config, n_iter=n_iter, initial_phase=np.angle(spec), length=6000)
        assert np.abs(back - samples).max() <= 3e-5 * np.abs(samples).max()


@BOTH
def test_no_iteration_is_the_inverse_from_the_initial_phase(config):
    magnitude = noise_magnitude(config)
    phase = np.random.default_rng(2).uniform(-50, 50, magnitude.shape).astype(np.float32)
    expected = istft((magnitude * np.exp(1j * phase.astype(np.float64))).astype(np.complex64), config, length=6000)
    found = griffin_lim(magnitude, config, n_iter=0, initial_phase=phase, length=6000)
    assert np.abs(found - expected).max() <= 3e-5 * np.abs(expected).max()


@BOTH
@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_the_convergence_never_worsens_with_the_algorithm_of_1984_and_reaches_its_mark(config, momentum):
    samples = load(sounds.path("speech")).samples[16000:32000]
    magnitude = np.abs(stft(samples, config))
    path = [
        convergence_db(
            griffin_lim(magnitude, config, n_iter=n, momentum=momentum, rng=0, length=16000), magnitude, config
        )
        for n in (0, 1, 2, 5, 10, 30)
    ]
    if momentum == 0.0:
        assert all(later <= earlier + 0.01 for earlier, later in itertools.pairwise(path))
        assert path[-1] < -14.0
    else:
        assert path[-1] < -20.0


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silence_stays_silence(config, dtype):
    sound = griffin_lim(np.zeros((2, config.n_bins, 9), dtype), config, n_iter=3, rng=0)
    assert sound.shape == (2, config.n_samples(9))
    assert sound.dtype == dtype
    assert not sound.any()


@BOTH
def test_silence_between_sounds_stays_nearly_silent_and_finite(config):
    samples = np.random.default_rng(3).standard_normal(9000).astype(np.float32)
    samples[3000:6000] = 0.0
    sound = griffin_lim(np.abs(stft(samples, config)), config, n_iter=5, rng=0, length=9000)
    assert np.isfinite(sound).all()
    quiet = slice(3000 + config.n_fft, 6000 - config.n_fft)
    assert np.abs(sound[quiet]).max() <= 1e-5 * np.abs(sound).max()


@settings(max_examples=20, deadline=None)
@given(
    config=st.sampled_from([LANES, REFERENCE]), exponent=st.floats(-6, 4),
    dtype=st.sampled_from([np.float32, np.float64]), momentum=st.sampled_from([0.0, 0.99]),
)  # fmt: skip
def test_scaling_the_magnitude_scales_the_sound(config, exponent, dtype, momentum):
    magnitude = noise_magnitude(config, 3000, dtype=dtype)
    factor = dtype(10.0**exponent)
    expected = griffin_lim(magnitude, config, n_iter=3, momentum=momentum, rng=0) * factor
    found = griffin_lim(magnitude * factor, config, n_iter=3, momentum=momentum, rng=0)
    assert found.dtype == dtype
    assert np.linalg.norm(found - expected) <= (1e-5 if dtype == np.float32 else 1e-11) * np.linalg.norm(expected)


@BOTH
def test_magnitudes_near_the_smallest_number_stay_finite(config):
    magnitude = noise_magnitude(config) * np.float32(1e-42)
    assert magnitude.any()
    assert np.isfinite(griffin_lim(magnitude, config, n_iter=2, rng=0)).all()


@BOTH
def test_the_seed_decides(config):
    magnitude = noise_magnitude(config)
    once = griffin_lim(magnitude, config, n_iter=2, rng=3)
    np.testing.assert_array_equal(griffin_lim(magnitude, config, n_iter=2, rng=3), once)
    np.testing.assert_array_equal(griffin_lim(magnitude, config, n_iter=2, rng=np.random.default_rng(3)), once)
    assert np.abs(griffin_lim(magnitude, config, n_iter=2, rng=4) - once).max() > 0.1
    assert np.abs(griffin_lim(magnitude, config, n_iter=2) - griffin_lim(magnitude, config, n_iter=2)).max() > 0.1


def test_nobodys_global_seed_is_touched():
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    griffin_lim(noise_magnitude(LANES), LANES, n_iter=1)
    assert np.random.random() == expected  # noqa: NPY002


@BOTH
@pytest.mark.parametrize("length", [None, 0, 1, 119, 120, 5999, 6000, 6100, 20_000])
def test_the_length_is_kept_to_the_sample(config, length):
    magnitude = noise_magnitude(config)
    sound = griffin_lim(magnitude, config, n_iter=1, rng=0, length=length)
    assert sound.shape == (config.n_samples(magnitude.shape[1]) if length is None else length,)
    assert np.isfinite(sound).all()


@BOTH
def test_one_frame(config):
    magnitude = noise_magnitude(config)[:, :1]
    assert griffin_lim(magnitude, config, n_iter=2, rng=0).shape == (0,)
    sound = griffin_lim(magnitude, config, n_iter=2, rng=0, length=100)
    assert sound.shape == (100,)
    assert np.isfinite(sound).all()
    assert sound.any()


@BOTH
@pytest.mark.parametrize("shape", [(2,), (2, 3)])
def test_batch_is_loop(config, shape):
    magnitude = noise_magnitude(config, shape=shape)
    phase = np.random.default_rng(6).uniform(0, 6, magnitude.shape)
    together = griffin_lim(magnitude, config, n_iter=3, initial_phase=phase, length=6000)
    assert together.shape == (*shape, 6000)
    for place in np.ndindex(*shape):
        apart = griffin_lim(magnitude[place], config, n_iter=3, initial_phase=phase[place], length=6000)
        assert np.abs(together[place] - apart).max() <= 2e-5 * np.abs(apart).max()


@BOTH
def test_input_is_left_as_it_was_whatever_its_memory_order(config):
    magnitude = np.array(noise_magnitude(config))
    phase = np.random.default_rng(6).uniform(0, 6, magnitude.shape)
    kept, kept_phase = magnitude.copy(), phase.copy()
    expected = griffin_lim(magnitude, config, n_iter=2, initial_phase=phase)
    np.testing.assert_array_equal(magnitude, kept)
    np.testing.assert_array_equal(phase, kept_phase)
    for other in (np.asfortranarray(magnitude), np.repeat(magnitude, 2, axis=1)[:, ::2]):
        found = griffin_lim(other, config, n_iter=2, initial_phase=np.asfortranarray(phase))
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
