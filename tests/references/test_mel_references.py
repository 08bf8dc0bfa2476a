"""The mel filterbank and scales against librosa; the fast mel inversion against the iteration as books write it."""

from __future__ import annotations

import itertools
import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.config import MelConfig
from specloom.dsp.mel import hz_to_mel, mel_filterbank, mel_to_hz
from specloom.dsp.mel_inversion import mel_to_magnitude, reference_richardson_lucy

CONFIGS = [
    MelConfig(sample_rate=22050, n_fft=2048, n_mels=80),
    MelConfig(sample_rate=16000, n_fft=1024, n_mels=80),
    MelConfig(sample_rate=22050, n_fft=2048, n_mels=128, scale="htk"),
    MelConfig(sample_rate=44100, n_fft=512, n_mels=128, scale="htk"),  # some filters hold no bin
    MelConfig(sample_rate=16000, n_fft=400, n_mels=40, fmin_hz=55.0, fmax_hz=7600.0, norm=None),
    MelConfig(sample_rate=24000, n_fft=1023, n_mels=100, fmin_hz=300.0, norm=None),
    MelConfig(sample_rate=8000, n_fft=256, n_mels=1),
    MelConfig(sample_rate=8000, n_fft=256, n_mels=129),
]


def librosa_filters(config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # empty filters
        return librosa.filters.mel(
                sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, fmin=config.fmin_hz,
                fmax=config.fmax_hz, htk=config.scale == "htk", norm=config.norm,
            )  # fmt: skip


def magnitudes(config, n_frames, seed=0, dtype=np.float32, amplitude=1.0):
    """Few loud bins and many quiet ones, as in sound."""
    rng = np.random.default_rng(seed)
    return (amplitude * 10.0 ** rng.uniform(-4, 0, (config.n_fft // 2 + 1, n_frames))).astype(dtype)


def mels(config, n_frames, seed=0, dtype=np.float32, amplitude=1.0):
    mel = mel_filterbank(config).astype(dtype) @ magnitudes(config, n_frames, seed, dtype, amplitude)
    mel.flags.writeable = False
    return mel


@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("n_mels", [1, 40, 80, 128])
@pytest.mark.parametrize(
    ("sample_rate", "n_fft"), [(8000, 256), (16000, 1024), (22050, 2048), (22050, 1023), (44100, 512)]
)
@pytest.mark.parametrize(("fmin_hz", "fmax_hz"), [(0.0, None), (125.0, 3800.0)])
def test_mel_filterbank_equals_librosa(sample_rate, n_fft, n_mels, scale, norm, fmin_hz, fmax_hz):
    config = MelConfig(
        sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin_hz=fmin_hz, fmax_hz=fmax_hz, scale=scale, norm=norm
    )
    ours, theirs = mel_filterbank(config), librosa_filters(config)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert not ours.flags.writeable
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7 * theirs.max(initial=1e-30))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_bin_lies_under_at_most_two_filters(config):
    filters = mel_filterbank(config)
    assert (filters >= 0).all()
    assert (filters > 0).sum(axis=0).max() <= 2


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_scales_equal_librosa_and_are_inverses(scale):
    hz = np.concatenate([[0.0, 999.999, 1000.0, 1000.001], np.geomspace(1e-3, 96_000, 500)]).reshape(4, -1)
    mel = hz_to_mel(hz, scale)
    np.testing.assert_allclose(mel, librosa.hz_to_mel(hz, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(mel, scale), librosa.mel_to_hz(mel, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(mel, scale), hz, rtol=1e-9, atol=1e-9)
    assert (np.diff(np.sort(hz.ravel())) > 0).all()
    assert (np.diff(hz_to_mel(np.sort(hz.ravel()), scale)) > 0).all()
    assert hz_to_mel(440.0, scale).shape == ()


@settings(max_examples=30, deadline=None)
@given(
    config=st.sampled_from(CONFIGS), n_frames=st.sampled_from([1, 3, 15, 16, 17, 33]),
    n_iter=st.sampled_from([0, 1, 30]), exponent=st.floats(-6, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_fast_inversion_equals_the_iteration_of_the_books(config, n_frames, n_iter, exponent, seed):
    mel = mels(config, n_frames, seed, amplitude=10.0**exponent)
    ours = mel_to_magnitude(mel, config, n_iter=n_iter)
    theirs = reference_richardson_lucy(mel.astype(np.float64), config, n_iter)
    assert ours.dtype == np.float32
    assert ours.shape == (config.n_fft // 2 + 1, n_frames)
    assert np.abs(ours - theirs).max() <= 1e-5 * theirs.max()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_iteration_of_the_books_lessens_the_divergence(config):
    """Richardson-Lucy's own law: the generalised Kullback-Leibler divergence to the mel spectrum never grows."""
    mel = mels(config, 5, dtype=np.float64)
    filters = mel_filterbank(config).astype(np.float64)

    def divergence(n_iter):
        model = filters @ reference_richardson_lucy(mel, config, n_iter)
        there = (mel > 0) & (model > 0)
        return np.sum(mel[there] * np.log(mel[there] / model[there])) - mel.sum() + model.sum()

    path = [divergence(n) for n in (0, 1, 2, 5, 20)]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(path))


def test_float64_and_the_switch_take_the_path_of_the_books(monkeypatch):
    config = CONFIGS[0]
    mel = mels(config, 20)
    wide = mel_to_magnitude(mel.astype(np.float64), config, n_iter=30)
    assert wide.dtype == np.float64
    np.testing.assert_array_equal(wide, reference_richardson_lucy(mel.astype(np.float64), config, 30))
    fast = mel_to_magnitude(mel, config, n_iter=30)
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    plain = mel_to_magnitude(mel, config, n_iter=30)
    np.testing.assert_array_equal(plain, reference_richardson_lucy(mel, config, 30))
    assert np.abs(plain - fast).max() <= 1e-4 * plain.max()


def test_the_transpose_is_the_recipes_and_the_pseudo_inverse_numpys():
    config = CONFIGS[0]
    mel = mels(config, 9, dtype=np.float64)
    filters = mel_filterbank(config).astype(np.float64)
    # As the tacotron recipe writes it.
    product = filters @ filters.T
    factors = np.diag([1.0 / total if np.abs(total) > 1e-8 else total for total in product.sum(axis=0)])
    np.testing.assert_allclose(mel_to_magnitude(mel, config, method="transpose"), filters.T @ factors @ mel, rtol=1e-10)
    np.testing.assert_allclose(
        mel_to_magnitude(mel, config, method="pseudo-inverse"), np.maximum(np.linalg.pinv(filters) @ mel, 0), atol=1e-9
    )
