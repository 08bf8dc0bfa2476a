"""What every mask asks of its spectra, and the precision of what it returns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray, require_finite_floats
from specloom.errors import ParameterError

Wide = npt.NDArray[np.float64]
WideComplex = npt.NDArray[np.complex128]


def require_spec(name: str, spec: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a complex spectrum ``(..., n_bins, n_frames)``, or refuse it."""
    values = np.asarray(spec)
    if values.dtype.kind != "c":
        raise ParameterError(
            f"{name} has dtype {values.dtype}: a complex spectrum is needed here, because its phase counts "
            "(specloom.stft gives one)"
        )
    _require_plane(name, values)
    narrow = values.astype(np.complex64 if values.dtype == np.complex64 else np.complex128, copy=False)
    require_finite_floats(name, narrow.real)
    require_finite_floats(name, narrow.imag)
    return narrow


def require_spec_or_magnitude(name: str, spec: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a complex spectrum or a magnitude of at least 0, ``(..., n_bins, n_frames)``, or refuse it."""
    values = np.asarray(spec)
    if values.dtype.kind == "c":
        return require_spec(name, values)
    magnitude = require_finite_floats(name, values)
    _require_plane(name, magnitude)
    if magnitude.size and magnitude.min() < 0:
        raise ParameterError(
            f"{name} holds {magnitude.min():g}: a magnitude is never below 0; give the complex spectrum, or its "
            "absolute value (not decibels, not samples)"
        )
    return magnitude


def _require_plane(name: str, values: npt.NDArray[Any]) -> None:
    if values.ndim < 2:
        raise ParameterError(f"{name} has shape {values.shape}: (..., n_bins, n_frames) is needed")


def require_same_spectra(names: tuple[str, str], left: npt.NDArray[Any], right: npt.NDArray[Any]) -> None:
    """Refuse two spectra whose bins do not lie above one another."""
    if left.shape != right.shape:
        raise ParameterError(
            f"{names[0]} has shape {left.shape}, {names[1]} {right.shape}: they must be the same; "
            "take both with one transform, of sounds of one length"
        )


def is_number(value: object) -> bool:
    """Whether it is a finite real number; True and False are none."""
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def require_above_zero(name: str, value: object, hint: str) -> None:
    """Refuse what is not a finite number above 0."""
    if not is_number(value) or not value > 0:  # type: ignore[operator]
        raise ParameterError(f"{name}={value!r}: a finite number above 0 is needed; {hint}")


def precision_of(*arrays: npt.NDArray[Any]) -> np.dtype[Any]:
    """float32 when every array is single precision, float64 otherwise."""
    single = all(array.dtype in (np.float32, np.complex64) for array in arrays)
    return np.dtype(np.float32 if single else np.float64)


def on_one_scale(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both in double precision, each bin divided by the larger of its parts, so that no square over- or underflows.

    The larger of the two then lies between 1 and the square root of 2; every mask is the same for both scales.
    """
    size = np.maximum(_size(left), _size(right))
    size[size == 0.0] = 1.0
    return _divided(left, size), _divided(right, size)


def with_unit_peak(spec: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """In double precision, the whole divided by its largest part; silence stays silence."""
    size = _size(spec)
    return _divided(spec, np.asarray(size.max(initial=0.0) or 1.0))


def _size(values: npt.NDArray[Any]) -> Wide:
    size: Wide = np.abs(values.real).astype(np.float64)
    return np.maximum(size, np.abs(values.imag)) if values.dtype.kind == "c" else size


def _divided(values: npt.NDArray[Any], size: Wide) -> npt.NDArray[Any]:
    if values.dtype.kind != "c":
        return np.asarray(values / size)
    result = np.empty(values.shape, np.complex128)
    # Part by part: numpy would turn the size into a complex number, and square it.
    np.divide(values.real, size, out=result.real)
    np.divide(values.imag, size, out=result.imag)
    return result


def limited(mask: Wide, dtype: np.dtype[Any]) -> FloatArray:
    """A real mask in its precision, no value beyond the square root of that precision's largest number."""
    most = float(np.sqrt(np.finfo(dtype).max))
    return np.clip(mask, -most, most).astype(dtype)
