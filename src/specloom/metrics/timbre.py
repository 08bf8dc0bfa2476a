"""The brightness of a sound, and by how much a step has moved it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.metrics.checks import require_one_channel, require_rate
from specloom.metrics.framing import frame_batches

# Seconds instead of samples, so that sounds of different rates are heard through the same window.
_FRAME_S = 0.046
_HOP_S = _FRAME_S / 4


def spectral_centroid_hz(samples: npt.ArrayLike, sample_rate: int) -> float:
    """The spectral centroid: the frequency at which the magnitude spectrum balances.

    Parameters
    ----------
    samples : real array, shape ``(n_samples,)``
    sample_rate : int
        Hertz.

    Returns
    -------
    float
        Hertz: the mean frequency of the long-term average spectrum, weighted with its magnitude. The average is the
        root of the mean power over frames (46 ms, Hann), so loud moments count and pauses do not; weighting with the
        magnitude instead of the power lets the consonants speak beside the vowels. NaN for silence.

    Raises
    ------
    ParameterError
        For several channels, non-finite or no samples, or an impossible rate.

    Notes
    -----
    Laws: scaling the samples changes nothing; the same samples told at another rate have their centroid moved by the
    ratio of the rates, within 1 % (tests/laws). Equal to what `scipy.signal.stft` gives (tests/references).

    References
    ----------
    Grey, Gordon, "Perceptual effects of spectral modifications on musical timbres", JASA 63(5), 1978.
    """
    import scipy.fft

    values = require_one_channel("samples", samples)
    rate = require_rate("sample_rate", sample_rate)
    top = float(np.abs(values).max())
    if top == 0.0:
        return float("nan")
    frame_length = 2 * max(1, round(_FRAME_S * rate / 2))
    hop = max(1, round(_HOP_S * rate))
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(frame_length) / frame_length)
    bins_hz = np.fft.rfftfreq(frame_length, 1.0 / rate)
    power = np.zeros(len(bins_hz))
    for frames in frame_batches(values, frame_length, hop):
        power += np.square(np.abs(scipy.fft.rfft(frames / top * window, axis=-1))).sum(axis=0)
    magnitude = np.sqrt(power)
    whole = float(magnitude.sum())
    return float(magnitude @ bins_hz) / whole if whole > 0.0 else float("nan")


def centroid_shift_cents(
    estimate: npt.ArrayLike, reference: npt.ArrayLike, estimate_sample_rate: int, reference_sample_rate: int
) -> float:
    """By how many cents the estimate is brighter than the reference: the ratio of the two spectral centroids.

    Parameters
    ----------
    estimate, reference : real array, shape ``(n_samples,)``
        The lengths may differ.
    estimate_sample_rate, reference_sample_rate : int
        Hertz, each its own.

    Returns
    -------
    float
        1200 cents are a factor of two. In cents, because a wrong sample rate moves F0 and centroid alike, and other
        losses only one of them. NaN when either is silent.

    Raises
    ------
    ParameterError
        As `spectral_centroid_hz`.
    """
    ours = spectral_centroid_hz(estimate, estimate_sample_rate)
    truth = spectral_centroid_hz(reference, reference_sample_rate)
    if not (ours > 0.0 and truth > 0.0):
        return float("nan")
    return float(1200.0 * np.log2(ours / truth))
