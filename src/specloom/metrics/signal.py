"""Figures that compare two sounds sample by sample, and the offset between them.

They ask whether the waveform was kept. A phase that was estimated (Griffin-Lim) sounds right and still gives a very
low ratio here: use them only for steps that keep the phase.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.level import rms_db
from specloom.dsp.stft import FloatArray
from specloom.errors import ParameterError
from specloom.metrics.checks import require_one_channel, require_same_sounds, require_sound

# Products of a correlation that differ by less than this share of the largest are the same but for rounding.
_TIE = 1e-12


def si_sdr_db(estimate: npt.ArrayLike, reference: npt.ArrayLike, *, zero_mean: bool = True) -> npt.NDArray[np.float64]:
    """Scale-invariant signal-to-distortion ratio, higher is better.

    Parameters
    ----------
    estimate, reference : real array, shape ``(..., n_samples)``
    zero_mean : bool
        Take the mean off both first, as most published figures do.

    Returns
    -------
    float64, shape ``estimate.shape[:-1]``
        Decibels. ``inf`` (or, by rounding, some 300) when the estimate is a scaled reference, ``-inf`` (or very low)
        when it holds nothing of it, NaN when either is silent: silence has no direction.

    Raises
    ------
    ParameterError
        For different shapes, non-finite or no samples.

    Notes
    -----
    Law: scaling either one, also by a negative factor, changes nothing (tests/laws).

    References
    ----------
    Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019.
    """
    ours, truth = (_unit_peak(_centred(s, zero_mean)) for s in require_same_sounds(estimate, reference))
    power = np.square(truth).sum(axis=-1, keepdims=True)
    silent = (power[..., 0] == 0.0) | ~ours.any(axis=-1)
    share = (ours * truth).sum(axis=-1, keepdims=True) / np.where(power == 0.0, 1.0, power)
    target = share * truth
    ratio = _ratio_db(np.square(target).sum(axis=-1), np.square(ours - target).sum(axis=-1))
    result: npt.NDArray[np.float64] = np.where(silent, np.nan, ratio)
    return result[()]


def snr_db(estimate: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Signal-to-noise ratio, ``20 log10(||reference|| / ||estimate - reference||)``, higher is better.

    Parameters
    ----------
    estimate, reference : real array, shape ``(..., n_samples)``

    Returns
    -------
    float64, shape ``estimate.shape[:-1]``
        Decibels. ``inf`` when both are equal (two silences too), ``-inf`` when only the reference is silent, 0 when
        only the estimate is.

    Raises
    ------
    ParameterError
        For different shapes, non-finite or no samples.
    """
    ours, truth = require_same_sounds(estimate, reference)
    top = np.maximum(np.abs(ours).max(axis=-1, keepdims=True), np.abs(truth).max(axis=-1, keepdims=True))
    size = np.where(top > 0.0, top, 1.0).astype(np.float64)
    return _ratio_db(
        np.square(truth / size).sum(axis=-1), np.square((ours - truth.astype(np.float64)) / size).sum(axis=-1)
    )


def level_difference_db(estimate: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How much louder the estimate is: the difference of the two `specloom.dsp.level.rms_db`.

    Parameters
    ----------
    estimate, reference : real array, shape ``(..., n_samples)``
        The lengths may differ; the other axes must be the same.

    Returns
    -------
    float64, shape ``estimate.shape[:-1]``
        Decibels; 0 when both are silent, ``inf`` or ``-inf`` when only one is.

    Raises
    ------
    ParameterError
        For different leading axes, non-finite or no samples.
    """
    ours, truth = require_sound("estimate", estimate), require_sound("reference", reference)
    if ours.shape[:-1] != truth.shape[:-1]:
        raise ParameterError(
            f"estimate has shape {ours.shape}, reference {truth.shape}: only the lengths may differ; "
            "use the same channels"
        )
    left, right = np.asarray(rms_db(ours)), np.asarray(rms_db(truth))
    result = np.zeros(left.shape)
    np.subtract(left, right, out=result, where=np.isfinite(left) | np.isfinite(right))
    return result[()]


def align(reference: npt.ArrayLike, estimate: npt.ArrayLike, *, max_lag: int) -> int:
    """By how many samples the estimate comes later than the reference.

    Parameters
    ----------
    reference, estimate : real array, shape ``(n_samples,)``
        The lengths may differ.
    max_lag : int
        The largest offset to look for, in samples, either way.

    Returns
    -------
    int
        The lag with the largest cross-correlation, ``-max_lag <= lag <= max_lag``:
        ``estimate[n + lag]`` fits ``reference[n]``. The smallest lag if several fit alike; 0 for silence.

    Raises
    ------
    ParameterError
        For several channels, non-finite or no samples, or a ``max_lag`` that is no whole number of at least 0.

    Notes
    -----
    The correlation is summed over blocks, so hours need no more memory than minutes. Equal to the maximum of
    `scipy.signal.correlate` (tests/references).

    Examples
    --------
    >>> align([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], max_lag=3)
    2
    """
    if isinstance(max_lag, bool) or not isinstance(max_lag, int | np.integer) or max_lag < 0:
        raise ParameterError(f"max_lag={max_lag!r}: a whole number of samples of at least 0 is needed")
    truth = require_one_channel("reference", reference)
    ours = require_one_channel("estimate", estimate)
    # No lag beyond the lengths can overlap.
    reach = min(int(max_lag), max(len(truth), len(ours)) - 1)
    correlation = _cross_correlation(_unit_peak(truth), _unit_peak(ours), reach)
    lags = np.arange(-reach, reach + 1)
    norm = np.sqrt(np.square(_unit_peak(truth)).sum() * np.square(_unit_peak(ours)).sum())
    best = lags[correlation >= correlation.max() - _TIE * norm]
    return int(best[np.argmin(np.abs(best))])


def _cross_correlation(truth: FloatArray, ours: FloatArray, reach: int) -> npt.NDArray[np.float64]:
    """Sum over n of ``truth[n] * ours[n + lag]`` for every lag from ``-reach`` to ``reach``."""
    import scipy.fft

    block = max(1 << 16, 4 * reach)
    padded = np.pad(ours, (reach, reach + len(truth)))
    size = scipy.fft.next_fast_len(min(block, len(truth)) + 2 * reach, real=True)
    total = np.zeros(2 * reach + 1)
    for start in range(0, len(truth), block):
        piece = truth[start : start + block]
        # Index j of `around` is sample start + j - reach of `ours`, so the product's index is lag + reach.
        around = padded[start : start + len(piece) + 2 * reach]
        product = scipy.fft.rfft(around, size) * np.conj(scipy.fft.rfft(piece, size))
        total += scipy.fft.irfft(product, size)[: 2 * reach + 1]
    return total


def _centred(samples: FloatArray, zero_mean: bool) -> npt.NDArray[np.float64]:
    wide = samples.astype(np.float64)
    if not zero_mean:
        return wide
    centred: npt.NDArray[np.float64] = wide - wide.mean(axis=-1, keepdims=True)
    # A constant has nothing left but the rounding of its mean.
    rounding = 1e-14 * np.abs(wide).max(axis=-1, keepdims=True)
    centred[np.abs(centred).max(axis=-1) <= rounding[..., 0]] = 0.0
    return centred


def _unit_peak(samples: FloatArray) -> npt.NDArray[np.float64]:
    """Scaled to a peak of 1 so that no square vanishes or overflows; silence stays silence."""
    top = np.abs(samples).max(axis=-1, keepdims=True)
    scaled: npt.NDArray[np.float64] = samples / np.where(top > 0.0, top, 1.0).astype(np.float64)
    return scaled


def _ratio_db(signal: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10.0 * (np.log10(signal) - np.log10(noise))
    result: npt.NDArray[np.float64] = np.where(noise == 0.0, np.inf, ratio)[()]
    return result
