"""Values between 0 and 1 as whole numbers of 8 or 16 bits, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

# Rows are worked through in pieces of about this many values, so that the numbers in between stay in the cache.
_PIECE = 1 << 18


def to_codes(stored: npt.NDArray[np.floating[Any]], bits: int) -> Codes:
    """Round values between 0 and 1 to the nearest of ``2 ** bits`` codes.

    Parameters
    ----------
    stored : array of floats, any shape
        What lies outside 0..1 is clipped.
    bits : {8, 16}
        Bits of a code.

    Returns
    -------
    uint8 or uint16 array of the same shape
        ``round(stored * (2 ** bits - 1))``.

    Raises
    ------
    ParameterError
        When `bits` is neither 8 nor 16, or a value is not a number.

    Notes
    -----
    Law: ``from_codes(to_codes(x, bits)) == recipes.scales.quantise(x, bits)``, to the last bit.

    Examples
    --------
    >>> to_codes(np.float32([0.0, 0.5, 1.0, 1.2]), 8)
    array([  0, 128, 255, 255], dtype=uint8)
    """
    if bits not in (8, 16):
        raise ParameterError(f"bits={bits!r}: a picture has 8 or 16 bits per pixel")
    dtype = np.uint8 if bits == 8 else np.uint16
    levels = np.float32(2**bits - 1)
    values = np.ascontiguousarray(stored, dtype=np.float32)
    codes = np.empty(values.shape, dtype=dtype)
    flat, flat_codes = values.reshape(-1), codes.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        scaled = flat[start : start + _PIECE] * levels
        if np.isnan(scaled.sum(dtype=np.float64)) and np.isnan(scaled).any():
            raise ParameterError("stored holds values that are not numbers (NaN); a picture cannot show them")
        np.round(scaled, out=scaled)
        np.clip(scaled, np.float32(0.0), levels, out=scaled)
        flat_codes[start : start + _PIECE] = scaled
    return codes


def from_codes(codes: Codes) -> FloatArray:
    """Codes of 8 or 16 bits as values between 0 and 1: the exact inverse of `to_codes`.

    Parameters
    ----------
    codes : uint8 or uint16 array, any shape

    Returns
    -------
    float32 array of the same shape
        ``codes / (2 ** bits - 1)``.

    Raises
    ------
    ParameterError
        When the codes are of another type.

    Notes
    -----
    Law: ``to_codes(from_codes(codes), bits)`` gives the codes back, all 65,536 of them.

    Examples
    --------
    >>> from_codes(np.uint8([0, 51, 255]))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    bits = bits_of(codes)
    return codes.astype(np.float32) / np.float32(2**bits - 1)


def bits_of(codes: npt.NDArray[Any]) -> int:
    """Bits of each code, 8 or 16.

    Raises
    ------
    ParameterError
        When the array holds something else.
    """
    if codes.dtype not in (np.uint8, np.uint16):
        raise ParameterError(f"codes of type {codes.dtype}: uint8 or uint16 is needed")
    return 8 * codes.dtype.itemsize
