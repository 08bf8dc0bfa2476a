"""Frames of enhancement against `specloom.stft` and scipy; features read strictly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from specloom import StftConfig, stft
from specloom.dsp.lanes.hop import HopTransform, supports_hop
from specloom.errors import ArtifactError, ParameterError
from specloom.tasks.enhance import SpectrumFeatures, WaveformFeatures, parse_features
from specloom.tasks.enhance.model_stream import Analysis, Synthesis

SHAPES = [
    (512, 512, 256, "sqrt_hann"),
    (512, 256, 128, "hamming"),
    (1024, 1000, 250, "hann"),
    (256, 256, 100, "hann"),
    (400, 360, 100, "hann"),
    (64, 64, 64, "hamming"),
    (4, 4, 2, "sqrt_hann"),
]


def features_of(n_fft, win_length, hop_length, window) -> SpectrumFeatures:
    return SpectrumFeatures(
        sample_rate=16_000, n_fft=n_fft, win_length=win_length, hop_length=hop_length, window=window
    )


def sound(*shape) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length", "window"), SHAPES)
def test_windows_are_scipy_s_and_their_duals_add_up_to_one(n_fft, win_length, hop_length, window) -> None:
    features = features_of(n_fft, win_length, hop_length, window)
    expected = scipy.signal.get_window(window.removeprefix("sqrt_"), win_length)
    expected = np.sqrt(expected) if window.startswith("sqrt_") else expected
    assert np.allclose(features.analysis_window, expected, atol=1e-7)
    product = features.analysis_window.astype(float) * features.synthesis_window
    summed = np.pad(product, (0, -win_length % hop_length)).reshape(-1, hop_length).sum(axis=0)
    assert np.allclose(summed, 1.0, atol=1e-6)
    if window == "sqrt_hann":
        assert np.allclose(features.synthesis_window, features.analysis_window, atol=1e-7)


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length", "window"), SHAPES[1:4])
def test_frames_are_those_of_stft_of_the_sound_behind_silence(n_fft, win_length, hop_length, window) -> None:
    samples = sound(2, 5_000)
    made = Analysis(features_of(n_fft, win_length, hop_length, window), 2).push(samples)
    config = StftConfig(
        sample_rate=16_000, n_fft=n_fft, hop_length=hop_length, win_length=win_length, window=window, center=False
    )
    # Frame t ends before sample (t + 1) * hop; what the transform has more than the window lies on both sides.
    before = (n_fft - win_length) // 2
    padded = np.pad(samples, ((0, 0), (before + win_length - hop_length, n_fft)))
    expected = np.swapaxes(stft(padded, config), -1, -2)[:, : made.shape[1]]
    assert made.shape[1] == 5_000 // hop_length
    assert np.abs(made - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length", "window"), [s for s in SHAPES if supports_hop(s[0])])
def test_one_hop_at_a_time_is_what_many_at_a_time_are(n_fft, win_length, hop_length, window) -> None:
    features = features_of(n_fft, win_length, hop_length, window)
    n_hops, n_tail = 30, win_length - hop_length
    samples = sound(2, n_hops * hop_length)
    spectra = Analysis(features, 2).push(samples)
    # Bins 0 and n_fft / 2 of a network's spectrum may be anything: their imaginary part is nobody's.
    changed = spectra * sound(*spectra.shape) + 1j * sound(*spectra.shape)
    expected = Synthesis(features, 2).push(changed.astype(np.complex64))
    transform = HopTransform(n_fft, hop_length, features.analysis_window, features.synthesis_window)
    tail, begun = np.zeros((2, n_tail), np.float32), np.zeros((2, n_tail), np.float32)
    spec, made = np.zeros((2, n_fft // 2 + 1, 2), np.float32), np.zeros((2, n_hops, hop_length), np.float32)
    for t in range(n_hops):
        hop = np.zeros((2, hop_length), np.float32)
        transform.forward(tail, np.ascontiguousarray(samples[:, t * hop_length : (t + 1) * hop_length]), spec)
        assert np.abs(spec.view(np.complex64)[..., 0] - spectra[:, t]).max() < 1e-6 * np.abs(spectra).max()
        given = np.stack([changed[:, t].real, changed[:, t].imag], axis=-1).astype(np.float32)
        transform.inverse(given, begun, hop)
        made[:, t] = hop
    made = made.reshape(2, -1)[:, n_tail:]
    assert np.abs(made - expected).max() < 2e-6 * np.abs(expected).max()
    assert np.array_equal(tail, samples[:, samples.shape[1] - n_tail :])


def test_a_transform_of_one_hop_is_scipy_s() -> None:
    ones = np.ones(512, dtype=np.float32)
    transform = HopTransform(512, 512, ones, ones)
    samples, spec, back = sound(1, 512), np.zeros((1, 257, 2), np.float32), np.zeros((1, 512), np.float32)
    nothing = np.zeros((1, 0), np.float32)
    transform.forward(nothing, samples, spec)
    expected = scipy.fft.rfft(samples.astype(float))
    assert np.abs(spec[..., 0] + 1j * spec[..., 1] - expected).max() < 1e-6 * np.abs(expected).max()
    transform.inverse(spec, nothing, back)
    assert np.abs(back - samples).max() < 1e-6


SPECTRUM = features_of(512, 512, 256, "sqrt_hann")
WAVEFORM = WaveformFeatures(sample_rate=8_000, left_samples=3, right_samples=5, hop_samples=7)


@pytest.mark.parametrize("features", [SPECTRUM, WAVEFORM])
def test_features_travel_as_json(features) -> None:
    assert parse_features(features.to_json()) == features


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"interface": "picture"}, "features.interface is 'picture': allowed are spectrum, waveform"),
        ({"interface": 3}, "features.interface is 3"),
        ({"hop": 3}, "features has the unknown field 'hop'"),
        ({"hop_length": None}, "features.hop_length is null"),
        ({"hop_length": 600}, "hop_length <= win_length <= n_fft is needed"),
        ({"n_fft": 500}, "hop_length <= win_length <= n_fft is needed"),
        ({"hop_length": 512}, "weighs with zero; shorten the hop"),
        ({"window": "boxcar"}, "features.window is 'boxcar'"),
        ({"edges": "reflect"}, "features.edges is 'reflect'"),
        ({"left_frames": -1}, "left_frames=-1: a whole number of at least 0"),
        ({"sample_rate": 16_000.0}, "features.sample_rate is 16000.0"),
    ],
)
def test_features_that_are_none_are_refused(changes, sentence) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        parse_features({**SPECTRUM.to_json(), **changes})


def test_missing_features_are_refused() -> None:
    plain = SPECTRUM.to_json()
    del plain["window"]
    with pytest.raises(ArtifactError, match="features lacks the field 'window'"):
        parse_features(plain)
    with pytest.raises(ArtifactError, match=r"features\.interface is None"):
        parse_features({})


def test_features_are_checked_when_they_are_built() -> None:
    with pytest.raises(ParameterError, match="window='nix'"):
        replace(SPECTRUM, window="nix")
    with pytest.raises(ParameterError, match="hop_samples=0"):
        replace(WAVEFORM, hop_samples=0)
