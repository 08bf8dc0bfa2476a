"""What spoils a picture: salt and pepper, Gaussian noise, lost rows and columns.

Plain array functions on values between 0 and 1. A spectrogram is treated like a digit: in the stored values of a scale
that is bounded (decibels below the loudest value), not in magnitudes, where noise of 0.2 would be nothing beside the
loud bins and everything beside the soft ones.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.floating[Any]]

Axis = Literal["rows", "columns"]


def salt_and_pepper(
    values: npt.ArrayLike, amount: float = 0.2, *, rng: np.random.Generator, salt_share: float = 0.5
) -> FloatArray:
    """Set single values to 1 (salt) or 0 (pepper).

    Parameters
    ----------
    values : floating-point array, any shape
        Between 0 and 1; not changed.
    amount : float
        The share of values that are hit, 0 to 1; each by itself.
    rng : numpy.random.Generator
    salt_share : float
        Of those that are hit, how many become 1.

    Returns
    -------
    array of the same shape and dtype

    Raises
    ------
    ParameterError
        For a share outside 0 to 1, or values that are no floating-point numbers.

    Notes
    -----
    What scikit-image calls ``random_noise(values, mode="s&p", amount=amount, salt_vs_pepper=salt_share)``. Law: what is
    not hit stays to the bit (tests/laws/test_damage_laws.py).

    Examples
    --------
    >>> spoilt = salt_and_pepper(np.full((200, 50), 0.5), 0.2, rng=np.random.default_rng(0))
    >>> [round(float(np.mean(spoilt == value)), 1) for value in (0.0, 0.5, 1.0)]
    [0.1, 0.8, 0.1]
    """
    plain = _floats(values)
    _require_share("amount", amount)
    _require_share("salt_share", salt_share)
    hit = rng.random(plain.shape) < amount
    salt = rng.random(plain.shape) < salt_share
    return np.where(hit, salt.astype(plain.dtype), plain)


def gaussian_noise(values: npt.ArrayLike, deviation: float = 0.2, *, rng: np.random.Generator) -> FloatArray:
    """Add normally distributed noise, and cut off what leaves 0 to 1.

    Parameters
    ----------
    values : floating-point array, any shape
    deviation : float
        Standard deviation before the cutting, at least 0. 0.2 is the article's.
    rng : numpy.random.Generator

    Returns
    -------
    array of the same shape and dtype
    """
    plain = _floats(values)
    if not 0.0 <= deviation < np.inf:
        raise ParameterError(f"deviation={deviation!r}: a number of at least 0 is needed")
    noise = rng.standard_normal(plain.shape).astype(plain.dtype)
    spoilt: FloatArray = np.clip(plain + plain.dtype.type(deviation) * noise, 0.0, 1.0)
    return spoilt


def lost_lines(
    values: npt.ArrayLike, share: float = 0.1, *, rng: np.random.Generator, axis: Axis = "columns", most: int = 3
) -> FloatArray:
    """Set whole rows (bands) or columns (frames) to 0, several neighbours at a time.

    Parameters
    ----------
    values : floating-point array, shape ``(..., n_rows, n_columns)``
    share : float
        About so many of the lines are lost, 0 to 1.
    rng : numpy.random.Generator
    axis : {"rows", "columns"}
    most : int
        Up to so many neighbours at a time.

    Returns
    -------
    array of the same shape and dtype
    """
    plain = _floats(values)
    _require_share("share", share)
    if axis not in ("rows", "columns"):
        raise ParameterError(f"axis={axis!r}: allowed are 'rows' and 'columns'")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ParameterError(f"most={most!r}: a whole number of at least 1 is needed")
    if plain.ndim < 2:
        raise ParameterError(f"values of shape {plain.shape}: (..., n_rows, n_columns) is needed")
    n_lines = plain.shape[-2 if axis == "rows" else -1]
    widths = rng.integers(1, most + 1, size=(n_lines,))
    # A line is lost with the chance `share`: some gap, of this mean width, covers it.
    begins = rng.random(n_lines) < 1.0 - (1.0 - share) ** (2.0 / (1 + most))
    lost = np.zeros(n_lines, dtype=bool)
    for begin in np.flatnonzero(begins):
        lost[begin : begin + widths[begin]] = True
    kept = ~lost[:, np.newaxis] if axis == "rows" else ~lost
    return np.where(kept, plain, plain.dtype.type(0))


def _floats(values: npt.ArrayLike) -> FloatArray:
    plain = np.asarray(values)
    if plain.dtype.kind != "f":
        raise ParameterError(f"values of dtype {plain.dtype}: floating-point numbers between 0 and 1 are needed")
    return plain


def _require_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ParameterError(f"{name}={value!r}: a share from 0 to 1 is needed")
