"""What rooms, microphones and recorders do to a sound: filters, band limits, clipping."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]

# Limits of a band are drawn from so many steps, because designing a filter costs more than applying it.
_N_LIMITS: Final = 24


class Biquad(NamedTuple):
    """Coefficients of a filter of second order."""

    b: npt.NDArray[np.float32]
    a: npt.NDArray[np.float32]


def drawn_biquad(rng: np.random.Generator, strength: float) -> Biquad:
    """``(1 + r1/z + r2/z²) / (1 + r3/z + r4/z²)`` with every r within ±strength.

    Stable below a strength of a half.

    References
    ----------
    J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement", 2018 (equation 7).
    """
    r = rng.uniform(-strength, strength, 4)
    return Biquad(np.array([1.0, r[0], r[1]], np.float32), np.array([1.0, r[2], r[3]], np.float32))


def filtered(samples: _Floats, biquad: Biquad) -> _Floats:
    """The samples through a filter of second order, along the last axis."""
    from scipy.signal import lfilter

    result: _Floats = lfilter(biquad.b, biquad.a, samples)
    return result


def convolved(samples: _Floats, responses: _Floats) -> _Floats:
    """One sound through several responses, cut to its own length.

    Parameters
    ----------
    samples : float32 array, shape ``(n_samples,)``
    responses : float32 array, shape ``(n_responses, n_taps)``

    Returns
    -------
    float32 array, shape ``(n_responses, n_samples)``
        As ``numpy.convolve(samples, response)[:n_samples]``, in blocks whose transforms stay in the cache.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n_samples, n_taps = len(samples), responses.shape[1]
    n_fft = next_fast_len(max(2 * n_taps, 1024), real=True)
    hop = n_fft - n_taps + 1
    n_blocks = -(-n_samples // hop)
    blocks = np.zeros((n_blocks, hop), np.float32)
    blocks.reshape(-1)[:n_samples] = samples
    spectra = rfft(blocks, n_fft)
    result = np.zeros((len(responses), n_blocks * hop + n_taps - 1), np.float32)
    for response, out in zip(rfft(responses, n_fft), result, strict=True):
        pieces = irfft(spectra * response, n_fft)
        for index, piece in enumerate(pieces):
            out[index * hop : index * hop + n_fft] += piece
    return result[:, :n_samples]


def drawn_band_limit(rng: np.random.Generator, sample_rate: int) -> npt.NDArray[np.float32]:
    """Second-order sections of a drawn limit: no highs (above 3 kHz at the least), no lows, or a telephone's band."""
    kind = rng.random()
    step = int(rng.integers(_N_LIMITS))
    if kind < 0.25:
        return telephone_band(sample_rate)
    if kind < 0.45:
        return _high_pass(sample_rate, step)
    return _low_pass(sample_rate, step)


@lru_cache(maxsize=8)
def telephone_band(sample_rate: int) -> npt.NDArray[np.float32]:
    """300 to 3400 Hz (what of it lies under the Nyquist frequency), as second-order sections."""
    from scipy.signal import butter

    low, high = 300.0, min(3400.0, 0.45 * sample_rate)
    sections: npt.NDArray[np.float32] = np.concatenate(
        [
            butter(2, low, "highpass", fs=sample_rate, output="sos"),
            butter(8, high, "lowpass", fs=sample_rate, output="sos"),
        ]
    ).astype(np.float32)
    return sections


def band_limited(samples: _Floats, sections: npt.NDArray[np.float32]) -> _Floats:
    """The samples, along the last axis, through second-order sections."""
    from scipy.signal import sosfilt

    result: _Floats = sosfilt(sections, samples)
    return result


@lru_cache(maxsize=256)
def _low_pass(sample_rate: int, step: int) -> npt.NDArray[np.float32]:
    from scipy.signal import cheby2

    highest = 0.48 * sample_rate
    lowest = min(3000.0, 0.5 * highest)
    edge = lowest * (highest / lowest) ** (step / (_N_LIMITS - 1))
    sections: npt.NDArray[np.float32] = cheby2(8, 45.0, edge, fs=sample_rate, output="sos").astype(np.float32)
    return sections


@lru_cache(maxsize=256)
def _high_pass(sample_rate: int, step: int) -> npt.NDArray[np.float32]:
    from scipy.signal import butter

    edge = 60.0 * (400.0 / 60.0) ** (step / (_N_LIMITS - 1))
    sections: npt.NDArray[np.float32] = butter(2, edge, "highpass", fs=sample_rate, output="sos").astype(np.float32)
    return sections


def clipped(samples: _Floats, below_peak_db: float) -> _Floats:
    """Everything beyond a level so many decibels under the peak is cut to that level."""
    limit = np.float32(np.abs(samples).max(initial=0.0) * 10.0 ** (-below_peak_db / 20.0))
    return np.clip(samples, -limit, limit)
