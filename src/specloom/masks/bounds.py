"""What keeps the values of a mask within reach of a network: truncation, and compression with its inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import require_finite_floats
from specloom.errors import ParameterError
from specloom.masks.checks import is_number, require_above_zero

MaskArray = npt.NDArray[Any]


def truncate_mask(mask: npt.ArrayLike, *, low: float, high: float) -> MaskArray:
    """Clip a mask to ``[low, high]``; of a complex mask the real and the imaginary part, each by itself.

    Parameters
    ----------
    mask : real or complex array, any shape
    low, high : float
        ``low < high``. Usual are [0, 1] and [0, 2] for the IAM, [0, 1] and [-1, 2] for PSM and ORM, [-1, 1] for the
        parts of the cIRM.

    Returns
    -------
    array of the same shape and precision

    Raises
    ------
    ParameterError
        For NaN in the mask, or limits that are not two ascending finite numbers.

    Notes
    -----
    Law: truncating twice is truncating once (tests/laws/test_masks_laws.py).

    Examples
    --------
    >>> truncate_mask([-0.5, 0.5, 1.5], low=0.0, high=1.0)
    array([0. , 0.5, 1. ])
    >>> truncate_mask(np.array([2.0 - 3.0j]), low=-1.0, high=1.0)
    array([1.-1.j])
    """
    if not (is_number(low) and is_number(high) and low < high):
        raise ParameterError(f"low={low!r}, high={high!r}: two finite numbers with low < high are needed")
    return _of_parts(mask, lambda part: np.clip(part, low, high))


def compress_mask(mask: npt.ArrayLike, *, k: float = 10.0, c: float = 0.1) -> MaskArray:
    """Bring a mask of any size into ``(-k, k)``: ``K tanh(C x / 2)``, of a complex mask part by part.

    Parameters
    ----------
    mask : real or complex array, any shape
    k : float
        K, the limit; above 0.
    c : float
        C, the steepness; above 0. Near 0 the mask is multiplied by ``K C / 2``.

    Returns
    -------
    array of the same shape and precision
        A network's target. It is no mask any more: `decompress_mask` has to come before `apply_mask`.

    Raises
    ------
    ParameterError
        For NaN in the mask, or constants that are no number above 0.

    Notes
    -----
    The papers write ``K (1 - exp(-C x)) / (1 + exp(-C x))``, which is the same function, and NaN where the exponential
    overflows, on bins next to silence. Laws (tests/laws/test_masks_laws.py): odd, ascending, undone by
    `decompress_mask`.

    References
    ----------
    Williamson, Wang, Wang, "Complex ratio masking for monaural speech separation", IEEE/ACM TASLP 24(3), 2016 (K = 10,
    C = 0.1).

    Examples
    --------
    >>> compress_mask([0.0, 1.0, -1e30]).round(4)
    array([  0.    ,   0.4996, -10.    ])
    """
    _require_constants(k, c)
    return _of_parts(mask, lambda part: k * np.tanh((0.5 * c) * part))


def decompress_mask(compressed: npt.ArrayLike, *, k: float = 10.0, c: float = 0.1) -> MaskArray:
    """Undo `compress_mask`: ``(2 / C) artanh(m / K)``, of a complex mask part by part.

    Parameters
    ----------
    compressed : real or complex array, any shape
        What a network gave may lie at the limits or beyond them: it is taken for the number next to the limit, so the
        result is finite (at most ±173 for float32 and ±375 for float64, with the usual C).
    k, c : float
        The constants that the mask was compressed with.

    Returns
    -------
    array of the same shape and precision

    Raises
    ------
    ParameterError
        For NaN in the mask, or constants that are no number above 0.

    Notes
    -----
    Law (tests/laws/test_masks_laws.py): undoes `compress_mask` up to rounding while ``|C x| <= 8`` in single precision
    and ``|C x| <= 20`` in double; beyond, the compressed values are too close to the limit to be told apart.

    Examples
    --------
    >>> decompress_mask(compress_mask([0.5, -3.0])).round(9)
    array([ 0.5, -3. ])
    >>> bool(np.isfinite(decompress_mask([10.0, 99.0])).all())
    True
    """
    _require_constants(k, c)
    values = np.asarray(compressed)
    single = values.dtype in (np.float32, np.complex64, np.float16)
    most = 1.0 - float(np.finfo(np.float32 if single else np.float64).epsneg)
    return _of_parts(values, lambda part: (2.0 / c) * np.arctanh(np.clip(part / k, -most, most)))


def _of_parts(mask: npt.ArrayLike, work: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> MaskArray:
    """Do the work in double precision, on the parts of a complex mask; the precision that was given comes out."""
    values = np.asarray(mask)
    if values.dtype.kind != "c":
        given = require_finite_floats("mask", values)
        return work(given.astype(np.float64)).astype(given.dtype)
    result = np.empty(values.shape, np.complex64 if values.dtype == np.complex64 else np.complex128)
    result.real = work(require_finite_floats("mask", values.real).astype(np.float64))
    result.imag = work(require_finite_floats("mask", values.imag).astype(np.float64))
    return result


def _require_constants(k: float, c: float) -> None:
    require_above_zero("k", k, "10 is usual")
    require_above_zero("c", c, "0.1 is usual")
