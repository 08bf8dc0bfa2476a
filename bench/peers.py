"""The same steps by librosa, called alike by every row. Each side gets arrays in the memory order of its own stft."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

import specloom
from settings import N_MELS, SAMPLE_RATE
from specloom.config import StftConfig

Array = npt.NDArray[Any]


def sizes(config: StftConfig) -> dict[str, int]:
    return {"n_fft": config.n_fft, "hop_length": config.hop_length, "win_length": config.win_length}


def our_magnitude(samples: Array, config: StftConfig) -> Array:
    return np.abs(specloom.stft(samples, config))


def librosa_magnitude(samples: Array, config: StftConfig) -> Array:
    return np.abs(librosa.stft(samples, **sizes(config)))


def librosa_griffin_lim(magnitude: Array, config: StftConfig, n_iter: int, length: int) -> Array:
    """With its own momentum of 0.99, from the random phase of seed 0."""
    return librosa.griffinlim(magnitude, n_iter=n_iter, length=length, random_state=0, **sizes(config))


def librosa_mel_to_magnitude(mel: Array, config: StftConfig) -> Array:
    return librosa.feature.inverse.mel_to_stft(mel, sr=SAMPLE_RATE, n_fft=config.n_fft, power=1.0)


def librosa_mel_filters(config: StftConfig) -> Array:
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=config.n_fft, n_mels=N_MELS)


def seeded_phase(shape: tuple[int, ...]) -> Array:
    """The phase that librosa draws from seed 0 (with numpy's old generator), in radians."""
    return 2.0 * np.pi * np.random.RandomState(0).random(size=shape)
