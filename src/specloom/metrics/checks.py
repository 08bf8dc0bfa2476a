"""What every figure asks of its inputs, said in one place so that every refusal reads alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray, require_finite_floats
from specloom.errors import ParameterError


def require_sound(name: str, samples: npt.ArrayLike) -> FloatArray:
    """Return ``(..., n_samples)`` with at least one sample, or refuse it."""
    values = require_finite_floats(name, samples)
    if values.ndim < 1 or values.shape[-1] == 0:
        raise ParameterError(f"{name} has shape {values.shape}: at least one sample is needed, time as the last axis")
    return values


def require_one_channel(name: str, samples: npt.ArrayLike) -> FloatArray:
    """Return ``(n_samples,)`` with at least one sample, or refuse it."""
    values = require_sound(name, samples)
    if values.ndim != 1:
        raise ParameterError(
            f"{name} has shape {values.shape}: one channel, (n_samples,), is needed; "
            "measure the channels one by one, or mix them first (Audio.mono)"
        )
    return values


def require_same_sounds(estimate: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two sounds of one shape, or refuse them."""
    ours, truth = require_sound("estimate", estimate), require_sound("reference", reference)
    require_same_shape(ours, truth, "cut the longer one (align finds the offset) and use the same channels")
    return ours, truth


def require_same_shape(estimate: FloatArray, reference: FloatArray, remedy: str) -> None:
    """Refuse two arrays that cannot be compared value by value."""
    if estimate.shape != reference.shape:
        raise ParameterError(
            f"estimate has shape {estimate.shape}, reference {reference.shape}: they must be the same; {remedy}"
        )


def require_rate(name: str, sample_rate: int) -> int:
    """Return a rate in hertz as an int, or refuse it."""
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | np.integer) or sample_rate < 1:
        raise ParameterError(f"{name}={sample_rate!r}: a whole number of hertz of at least 1 is needed")
    return int(sample_rate)
