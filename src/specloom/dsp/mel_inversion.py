"""From a mel spectrum back to a magnitude: what the filters have summed up is spread over the bins again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from specloom.config import MelConfig
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.stft import FloatArray, in_safe_range, lanes_enabled, require_finite_floats
from specloom.errors import ParameterError

# A filter's edge can fall on a bin, where its weight is zero up to rounding (6e-18 at Nyquist for 48 kHz).
_ROUNDING = 1e-6

MelMethod = Literal["richardson-lucy", "transpose", "pseudo-inverse"]


def mel_to_magnitude(
    mel: npt.ArrayLike,
    config: MelConfig,
    *,
    method: MelMethod = "richardson-lucy",
    n_iter: int = 20,
) -> FloatArray:
    """The magnitude that a mel spectrum was made of, as far as it can be known.

    Parameters
    ----------
    mel : real array, shape ``(..., n_mels, n_frames)``
        ``mel_filterbank(config) @ magnitude``: not negative, not in decibels. (Of a power spectrum the result is a
        power spectrum.)
    config : MelConfig
    method : {"richardson-lucy", "transpose", "pseudo-inverse"}
        The iteration that keeps positive what is positive and matches the mel spectrum ever better; the row-normalised
        transpose that the tacotron recipes use; the pseudo-inverse, clipped at zero.
    n_iter : int
        Iterations of the first method.

    Returns
    -------
    real array, shape ``(..., n_fft // 2 + 1, n_frames)``, of the dtype of ``mel``. Bins under no filter are zero.

    Raises
    ------
    ParameterError
        For negative or non-finite values, a wrong number of mels, or an unknown method.

    Notes
    -----
    Laws: never negative; scaling the mel scales the magnitude; ``mel_filterbank @ result`` comes back to the mel.

    References
    ----------
    Richardson, JOSA 62(1), 1972; Lucy, The Astronomical Journal 79, 1974. (With the generalised Kullback-Leibler
    divergence this is the multiplicative update of Lee and Seung, 1999.)
    """
    values = require_finite_floats("mel", mel)
    if values.ndim < 2 or values.shape[-2] != config.n_mels or values.size == 0:
        raise ParameterError(f"mel has shape {values.shape}: (..., {config.n_mels}, n_frames) is needed")
    if values.min() < 0:
        raise ParameterError(
            f"mel holds negative values (least {values.min():.3g}): undo the logarithm or the normalisation first"
        )
    if method not in get_args(MelMethod):
        raise ParameterError(f"method={method!r}: allowed are {', '.join(get_args(MelMethod))}")
    if isinstance(n_iter, bool) or not isinstance(n_iter, int) or n_iter < 0:
        raise ParameterError(f"n_iter={n_iter!r}: a whole number of at least 0 is needed")
    if method != "richardson-lucy":
        return np.asarray(np.maximum(_spreading_matrix(config, method).astype(values.dtype) @ values, 0))
    work = _lanes if values.dtype == np.float32 and lanes_enabled() else reference_richardson_lucy
    scaled, unit = in_safe_range(values)
    flat = scaled.reshape(-1, *values.shape[-2:])
    result = np.stack([work(channel, config, n_iter) for channel in flat]) * unit
    return np.asarray(result).reshape(*values.shape[:-2], config.n_fft // 2 + 1, values.shape[-1])


@lru_cache(maxsize=16)
def _spreading_matrix(config: MelConfig, method: str) -> npt.NDArray[np.float64]:
    """``(n_bins, n_mels)``."""
    filters = mel_filterbank(config).astype(np.float64)
    if method == "pseudo-inverse":
        return np.asarray(np.linalg.pinv(filters), dtype=np.float64)
    sums = (filters @ filters.T).sum(axis=0)
    return filters.T / np.where(np.abs(sums) > 1e-8, sums, 1.0)


def filter_weights(config: MelConfig) -> npt.NDArray[np.float64]:
    """The filterbank, ``(n_mels, n_bins)``, without weights that are mere rounding, by which nobody may divide."""
    filters = mel_filterbank(config).astype(np.float64)
    return np.where(filters > _ROUNDING * filters.max(axis=1, keepdims=True), filters, 0.0)


@dataclass(frozen=True)
class _Bands:
    """The filterbank seen from the bins, see `specloom.dsp.lanes.bands`."""

    starts: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    totals: npt.NDArray[np.float32]
    areas: npt.NDArray[np.float32]
    """One over the sum of each filter's weights, and nothing for the filters that are not there at both ends."""
    scales: npt.NDArray[np.float32]


@lru_cache(maxsize=16)
def _bands(config: MelConfig) -> _Bands:
    filters = filter_weights(config)
    total = filters.sum(axis=0)
    used = np.flatnonzero(total)
    first = np.argmax(filters > 0, axis=0)  # the lower filter of a bin under two, the only one of a bin under one
    peak = np.argmax(filters, axis=1)
    several = (filters > 0).sum(axis=0) == 2
    # A bin under one filter only lies before its centre (nothing below) or behind it (nothing above).
    behind = several | (np.arange(total.size) > peak[first])
    band = first + behind
    share = np.where(behind, filters[first, np.arange(total.size)], 0.0)
    share = np.divide(share, total, where=total > 0, out=np.zeros_like(share))
    starts = np.searchsorted(band[used], np.arange(config.n_mels + 2)) + (used[0] if used.size else 0)
    scales = _one_over(total)
    areas = np.pad(_one_over(filters.sum(axis=1)), 1)
    single = (array.astype(np.float32) for array in (share, total, areas, scales))
    return _Bands(starts.astype(np.int64), *single)


def _one_over(sums: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """1 / sums, and 0 where there is nothing."""
    return np.asarray(np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums)))


def _lanes(mel: npt.NDArray[np.float32], config: MelConfig, n_iter: int) -> npt.NDArray[np.float32]:
    from specloom.dsp.lanes.bands import richardson_lucy
    from specloom.dsp.lanes.vector import LANES

    n_bins, n_frames = config.n_fft // 2 + 1, mel.shape[1]
    loudest = float(mel.max())
    if loudest == 0.0:
        return np.zeros((n_bins, n_frames), dtype=np.float32)
    wide = max(n_frames, LANES)
    scaled = np.zeros((config.n_mels, wide), dtype=np.float32)
    np.multiply(mel, np.float32(1.0 / loudest), out=scaled[:, :n_frames])
    out = np.zeros((n_bins, wide), dtype=np.float32)
    bands = _bands(config)
    scales = bands.scales * np.float32(loudest)
    x = np.empty(n_bins * LANES, dtype=np.float32)
    rows = [np.zeros((config.n_mels + 2) * LANES, dtype=np.float32) for _ in range(3)]
    richardson_lucy(
        scaled.reshape(-1),
        wide,
        bands.starts,
        bands.shares,
        bands.totals,
        bands.areas,
        scales,
        n_iter,
        out.reshape(-1),
        x,
        *rows,
    )
    return out[:, :n_frames]


def reference_richardson_lucy(mel: npt.NDArray[Any], config: MelConfig, n_iter: int) -> npt.NDArray[Any]:
    """The iteration as it is written in books: what the fast path is tested against."""
    filters = filter_weights(config).astype(mel.dtype)
    weights = filters.T * _one_over(filters.sum(axis=0))[:, None]
    loudest = mel.max()
    if loudest == 0.0:
        return np.zeros((filters.shape[1], mel.shape[1]), dtype=mel.dtype)
    target = mel / loudest
    x = weights @ (target * _one_over(filters.sum(axis=1))[:, None])
    for _ in range(n_iter):
        x = x * (weights @ (target / (filters @ x + mel.dtype.type(1e-30))))
    return np.asarray(x * loudest)
