"""Short-time Fourier transform and its inverse.

Two paths give the same answer: the lanes (`specloom.dsp.lanes`), sixteen frames in one vector, for float32 and
sizes that are powers of two; and the plain reference below, for everything else.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.windows import padded_window, require_invertible, squared_window_sum
from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.floating[Any]]
ComplexArray = npt.NDArray[np.complexfloating[Any, Any]]


def require_finite_floats(name: str, array: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return ``array`` as float32 or float64 (integers become float64), or refuse it.

    Raises
    ------
    ParameterError
        When it holds NaN or infinity, or is not numeric.
    """
    values = as_floats(name, array)
    require_finite_extremes(name, values)
    return values


def as_floats(name: str, array: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return ``array`` as float32 or float64 (integers become float64), or refuse what is not real numbers."""
    values = np.asarray(array)
    if values.dtype.kind in "iub":
        values = values.astype(np.float64)
    if values.dtype.kind != "f":
        raise ParameterError(f"{name} has dtype {values.dtype}: real numbers are needed")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32 if values.dtype == np.float16 else np.float64)
    return values


def require_finite_extremes(name: str, values: npt.NDArray[Any]) -> float:
    """Refuse NaN and infinity, which the extremes show without a mask as large as the array; return the least value."""
    if not values.size:
        return 0.0
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise ParameterError(f"{name} holds NaN or infinity: clean it (numpy.nan_to_num) or cut it out first")
    return least


def stft(samples: npt.ArrayLike, config: StftConfig) -> ComplexArray:
    """Short-time Fourier transform.

    Parameters
    ----------
    samples : real array, shape ``(..., n_samples)``
    config : StftConfig

    Returns
    -------
    complex array, shape ``(..., n_fft // 2 + 1, n_frames)``
        complex64 for float32 (and narrower) input, complex128 for float64. Equal to ``librosa.stft``.

    Raises
    ------
    ParameterError
        For non-finite or empty input, or, uncentred, when the sound is shorter than ``n_fft``.

    Notes
    -----
    Law: ``istft(stft(x), length=len(x)) == x`` at every sample that a window sees, whenever the config is invertible
    (tests/laws). With few overlapping windows the last samples may lie behind the last window.
    """
    samples = require_finite_floats("samples", samples)
    require_frames(samples, config)
    if lanes_serve(samples.dtype, config):
        return _each_channel(samples, lambda channel: _lanes_stft(channel, config))
    return reference_stft(samples, config)


def istft(spec: npt.ArrayLike, config: StftConfig, length: int | None = None) -> FloatArray:
    """Inverse short-time Fourier transform: the least-squares estimate of Griffin and Lim (1984).

    Parameters
    ----------
    spec : complex array, shape ``(..., n_fft // 2 + 1, n_frames)``
    config : StftConfig
    length : int, optional
        Samples to return; ``config.n_samples(n_frames)`` if not given. Longer is filled with zeros.

    Returns
    -------
    real array, shape ``(..., n_samples)``; float32 for complex64, float64 for complex128.

    Raises
    ------
    ParameterError
        For a wrong number of bins, a config that is not invertible, or non-finite values.
    """
    spec = np.asarray(spec)
    if spec.dtype.kind != "c":
        raise ParameterError(f"spec has dtype {spec.dtype}: complex values are needed (a magnitude needs a phase)")
    require_bins("spec", spec, config)
    require_invertible(config)
    require_length(length)
    parts = np.ascontiguousarray(spec).view(spec.real.dtype)
    require_finite_floats("spec", parts)
    if spec.dtype == np.complex64 and lanes_serve(np.dtype(np.float32), config):
        return _each_channel(spec, lambda channel: _lanes_istft(channel, config, length), n_inner=2)
    return reference_istft(spec, config, length)


def require_length(length: int | None) -> None:
    """Refuse a number of samples that is none."""
    if length is None:
        return
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
        raise ParameterError(f"length={length!r}: a whole number of samples, or None, is needed")


def in_safe_range(values: FloatArray) -> tuple[FloatArray, Any]:
    """``values`` scaled so that one over the largest can be counted, and the number that undoes it.

    Only values next to the smallest that the dtype knows are scaled; a power of two, so nothing is rounded.
    """
    one = values.dtype.type(1.0)
    if values.size == 0 or values.max() >= np.finfo(values.dtype).tiny * 2.0**20:
        return values, one
    unit = values.dtype.type(2.0**80)
    return values * unit, one / unit


def lanes_enabled() -> bool:
    """Whether the fast path may be used at all: ``SPECLOOM_LANES=0`` in the environment switches it off."""
    return os.environ.get("SPECLOOM_LANES") != "0"


def lanes_serve(dtype: np.dtype[Any], config: StftConfig) -> bool:
    """Whether the fast path takes this: float32, and a transform length that is a power of two."""
    if dtype != np.float32 or not lanes_enabled():
        return False
    from specloom.dsp.lanes.fourier import supports

    return supports(config.n_fft)


def _each_channel(array: npt.NDArray[Any], work: Any, n_inner: int = 1) -> npt.NDArray[Any]:
    """Apply ``work`` over all leading axes and stack the results."""
    leading = array.shape[:-n_inner]
    if not leading:
        return np.asarray(work(array))
    flat = array.reshape(-1, *array.shape[-n_inner:])
    results = np.stack([work(channel) for channel in flat])
    return results.reshape(*leading, *results.shape[1:])


# Frames that are laid out at a time: what they need stays in the second-level cache.
_BATCH = 256


def _lanes_stft(samples: npt.NDArray[np.float32], config: StftConfig) -> ComplexArray:
    from specloom.dsp.lanes.plan import Plan

    plan = Plan(config, narrow=False)
    n_frames = config.n_frames(samples.size)
    spec = np.empty((config.n_bins, n_frames), dtype=np.complex64)
    for first in range(0, n_frames, _BATCH):
        n = min(_BATCH, n_frames - first)
        plan.emit(plan.rows_of(samples, n, first), n, spec, first)
    return spec


def _lanes_istft(spec: npt.NDArray[np.complex64], config: StftConfig, length: int | None) -> FloatArray:
    from specloom.dsp.lanes.plan import Plan

    plan = Plan(config, narrow=False)
    n_frames = spec.shape[-1]
    wanted = config.n_samples(n_frames) if length is None else length
    rows = plan.empty_rows(n_frames)
    plan.absorb(np.ascontiguousarray(spec), rows)
    rows *= plan.envelope(n_frames, 0, wanted).factors
    return fit_length(plan.sound_of(rows), wanted)


def require_bins(name: str, array: npt.NDArray[Any], config: StftConfig) -> None:
    """Refuse an array that is not ``(..., n_fft // 2 + 1, n_frames)`` with at least one frame."""
    if array.ndim < 2 or array.shape[-2] != config.n_bins or array.size == 0:
        raise ParameterError(
            f"{name} has shape {array.shape}: (..., {config.n_bins}, n_frames) is needed for n_fft={config.n_fft}"
            + ("; it looks transposed" if array.ndim >= 2 and array.shape[-1] == config.n_bins else "")
        )


def require_frames(samples: npt.NDArray[Any], config: StftConfig) -> None:
    """Refuse a sound that gives no frame."""
    if samples.ndim < 1 or samples.size == 0:
        raise ParameterError("samples are empty: at least one sample is needed")
    if not config.center and samples.shape[-1] < config.n_fft:
        raise ParameterError(
            f"{samples.shape[-1]} samples are fewer than n_fft={config.n_fft}: "
            "use center=True, a smaller n_fft, or pad the sound with zeros"
        )


def reference_stft(samples: FloatArray, config: StftConfig) -> ComplexArray:
    """The transform written with `scipy.fft`: what every faster path is tested against."""
    import scipy.fft

    edge = config.n_fft // 2 if config.center else 0
    padded = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(edge, edge)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft, axis=-1)[..., :: config.hop_length, :]
    windowed = frames * padded_window(config).astype(samples.dtype)
    return np.ascontiguousarray(np.swapaxes(scipy.fft.rfft(windowed, axis=-1), -1, -2))


def reference_istft(spec: ComplexArray, config: StftConfig, length: int | None = None) -> FloatArray:
    """The inverse written with `scipy.fft`: overlap-add, divided by the envelope of the squared windows."""
    import scipy.fft

    n_frames = spec.shape[-1]
    real = np.float32 if spec.dtype == np.complex64 else np.float64
    frames = scipy.fft.irfft(np.swapaxes(spec, -1, -2), n=config.n_fft, axis=-1)
    frames = frames * padded_window(config).astype(real)
    total = (n_frames - 1) * config.hop_length + config.n_fft
    added = np.zeros((*spec.shape[:-2], total), dtype=real)
    for frame in range(n_frames):
        start = frame * config.hop_length
        added[..., start : start + config.n_fft] += frames[..., frame, :]
    envelope = squared_window_sum(config, n_frames)
    added *= inverse_envelope(envelope).astype(real)
    edge = config.n_fft // 2 if config.center else 0
    wanted = config.n_samples(n_frames) if length is None else length
    return fit_length(added[..., edge:], wanted)


def inverse_envelope(envelope: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One over the envelope; one where it vanishes (there the overlap-add is zero as well)."""
    seen = envelope > np.finfo(np.float32).tiny
    return np.divide(1.0, envelope, out=np.ones_like(envelope), where=seen)


def fit_length(samples: FloatArray, length: int) -> FloatArray:
    """Cut the last axis to ``length`` or fill it up with zeros."""
    missing = length - samples.shape[-1]
    if missing <= 0:
        return np.ascontiguousarray(samples[..., :length])
    return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])
