"""Mel scales and filterbanks, equal to librosa's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from specloom.config import MelConfig, MelScale

# Slaney, Auditory Toolbox (1998): linear below 1 kHz, logarithmic above, 27 steps per factor of 6.4.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: npt.ArrayLike, scale: MelScale = "slaney") -> npt.NDArray[np.float64]:
    """Hertz to mel, any shape, float64."""
    hz = np.asarray(hz, dtype=np.float64)
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def mel_to_hz(mel: npt.ArrayLike, scale: MelScale = "slaney") -> npt.NDArray[np.float64]:
    """Mel to hertz, any shape, float64: the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)


@lru_cache(maxsize=32)
def mel_filterbank(config: MelConfig) -> npt.NDArray[np.float32]:
    """The triangular mel filters, float32, shape ``(n_mels, n_fft // 2 + 1)``, read-only.

    Every bin lies under at most two filters. Equal to ``librosa.filters.mel`` with the same settings.

    References
    ----------
    Slaney, "Auditory Toolbox", Technical Report 1998-010, Interval Research, 1998.
    Young et al., "The HTK Book", 2006.
    """
    bins_hz = np.fft.rfftfreq(config.n_fft, 1.0 / config.sample_rate)
    edges_mel = np.linspace(
        hz_to_mel(config.fmin_hz, config.scale), hz_to_mel(config.upper_hz, config.scale), config.n_mels + 2
    )
    edges_hz = mel_to_hz(edges_mel, config.scale)
    widths = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if config.norm == "slaney":
        filters *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    result = filters.astype(np.float32)
    result.flags.writeable = False
    return result
