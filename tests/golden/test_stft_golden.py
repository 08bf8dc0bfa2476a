"""Against figures of librosa 0.11 kept in a file (see make_stft_golden.py), whatever librosa there is now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specloom import MelConfig, StftConfig, griffin_lim, istft, mel_filterbank, stft

SETTINGS = {"lanes": (512, 128, 512), "short": (512, 100, 401), "other": (400, 100, 400)}
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).with_name("stft_golden.npz")) as file:
        return dict(file)


def assert_same(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("name", SETTINGS)
def test_spectrum_mel_and_sound_are_those_of_the_file(golden, name):
    n_fft, hop_length, win_length = SETTINGS[name]
    config = StftConfig(sample_rate=16000, n_fft=n_fft, hop_length=hop_length, win_length=win_length)
    sound, spec = golden["sound"], golden[f"{name}_stft"]
    assert_same(stft(sound, config), spec)
    assert_same(istft(spec, config, length=sound.size), sound)
    filters = mel_filterbank(MelConfig(sample_rate=16000, n_fft=n_fft, n_mels=20))
    assert_same(filters @ np.abs(stft(sound, config)), golden[f"{name}_mel"])


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_griffin_lim_is_that_of_the_file(golden, name, dtype):
    n_fft, hop_length, win_length = SETTINGS[name]
    config = StftConfig(sample_rate=16000, n_fft=n_fft, hop_length=hop_length, win_length=win_length)
    magnitude = np.abs(golden[f"{name}_stft"]).astype(dtype)
    ours = griffin_lim(magnitude, config, n_iter=5, rng=0, length=golden["sound"].size)
    assert_same(ours.astype(np.float32), golden[f"{name}_griffin_lim"])
