"""The Griffin-Lim algorithm and its fast form, exactly as published and as librosa runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.stft import (
    FloatArray,
    as_floats,
    fit_length,
    in_safe_range,
    lanes_serve,
    reference_istft,
    reference_stft,
    require_bins,
    require_finite_extremes,
    require_finite_floats,
    require_length,
)
from specloom.dsp.windows import require_invertible
from specloom.errors import ParameterError


def require_magnitude(magnitude: npt.ArrayLike, config: StftConfig) -> FloatArray:
    """Return a magnitude that can be inverted as a float array, or refuse it with the reason."""
    values = as_floats("magnitude", magnitude)
    require_bins("magnitude", values, config)
    least = require_finite_extremes("magnitude", values)
    if least < 0:
        raise ParameterError(
            f"magnitude holds negative values (least {least:.3g}): undo the logarithm or the normalisation "
            "first; if it is a complex spectrum, use istft"
        )
    require_invertible(config)
    return values


def griffin_lim(
    magnitude: npt.ArrayLike,
    config: StftConfig,
    *,
    n_iter: int = 32,
    momentum: float = 0.99,
    initial_phase: npt.ArrayLike | None = None,
    length: int | None = None,
    rng: np.random.Generator | int | None = None,
) -> FloatArray:
    """Griffin-Lim phase retrieval (fast form with ``momentum > 0``).

    Parameters
    ----------
    magnitude : real array, shape ``(..., n_fft // 2 + 1, n_frames)``
        Non-negative magnitudes (not power, not decibels).
    config : StftConfig
    n_iter : int
        Iterations; 0 is the inverse from the initial phase.
    momentum : float
        0 is the algorithm of 1984, 0.99 the fast one of 2013. At most 1: above, it diverges.
    initial_phase : array, shape of ``magnitude``, optional
        Radians; or complex numbers, of which the angle is taken. Drawn uniformly from ``rng`` if not given.
    length : int, optional
        Samples to return; tell it whenever it is known: a wrong length costs up to 1 dB at the last frame.
    rng : numpy Generator, seed or None

    Returns
    -------
    real array, shape ``(..., n_samples)``, of the dtype of ``magnitude``.

    Notes
    -----
    Law: from the same initial phase the result equals ``librosa.griffinlim`` (tests/references).

    References
    ----------
    Griffin, Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP 32(2), 1984.
    Perraudin, Balazs, Soendergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
    """
    require_length(length)
    magnitude, unit = in_safe_range(require_magnitude(magnitude, config))
    if isinstance(n_iter, bool) or not isinstance(n_iter, int) or n_iter < 0:
        raise ParameterError(f"n_iter={n_iter!r}: a whole number of at least 0 is needed")
    if not isinstance(momentum, float | int) or not 0.0 <= momentum <= 1.0:
        raise ParameterError(f"momentum={momentum!r}: 0 <= momentum <= 1 is needed; above 1 it diverges")
    phase = _initial_phase(magnitude, initial_phase, rng)
    if lanes_serve(magnitude.dtype, config):
        wanted = config.n_samples(magnitude.shape[-1]) if length is None else length
        results = [
            _lanes_griffin_lim(m, p, config, n_iter, momentum, wanted)
            for m, p in zip(_channels(magnitude), _channels(phase))
        ]
        return np.asarray(np.stack(results).reshape(*magnitude.shape[:-2], wanted) * unit)
    return np.asarray(reference_griffin_lim(magnitude, phase, config, n_iter, momentum, length) * unit)


def _initial_phase(
    magnitude: FloatArray, given: npt.ArrayLike | None, rng: np.random.Generator | int | None
) -> npt.NDArray[Any]:
    if given is None:
        return 2.0 * np.pi * np.random.default_rng(rng).random(size=magnitude.shape)
    values = np.asarray(given)
    phase = require_finite_floats("initial_phase", np.angle(values) if values.dtype.kind == "c" else values)
    if phase.shape != magnitude.shape:
        raise ParameterError(
            f"initial_phase has shape {phase.shape}, magnitude {magnitude.shape}: they must be the same"
        )
    return phase


def _channels(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(-1, *array.shape[-2:])


def _lanes_griffin_lim(
    magnitude: npt.NDArray[np.float32],
    phase: npt.NDArray[Any],
    config: StftConfig,
    n_iter: int,
    momentum: float,
    length: int,
) -> npt.NDArray[np.float32]:
    """The same with two signals as its state; see `specloom.dsp.lanes.frames.walk`."""
    from specloom.dsp.lanes.plan import Plan

    loudest = float(magnitude.max())
    if loudest == 0.0 or length == 0:
        return np.zeros(length, dtype=np.float32)
    plan = Plan(config, narrow=True)
    n_frames = magnitude.shape[1]
    turns = phase / (2.0 * np.pi) + plan.shift / config.n_fft * np.arange(config.n_bins)[:, None]
    half = plan.pack(magnitude, 0.5 / loudest)
    envelope = plan.envelope(n_frames, 0, length)
    rows = plan.empty_rows(n_frames)
    plan.start(half, plan.pack((turns - np.rint(turns)).astype(np.float32)), n_frames, rows)
    rows *= envelope.factors
    plan.iterate(half, n_frames, rows, envelope, n_iter=n_iter, gamma=1.0, alpha=momentum, beta=0.0)
    return fit_length(plan.sound_of(rows), length) * np.float32(loudest)


def reference_griffin_lim(
    magnitude: npt.NDArray[Any],
    phase: npt.NDArray[Any],
    config: StftConfig,
    n_iter: int,
    momentum: float,
    length: int | None,
) -> FloatArray:
    """The algorithm in its textbook form, with the complex spectrogram as its state."""
    cdtype = np.complex64 if magnitude.dtype == np.float32 else np.complex128
    tiny = np.finfo(magnitude.dtype).tiny
    angles = np.exp(1j * phase).astype(cdtype)
    before: npt.NDArray[Any] | None = None
    share = momentum / (1.0 + momentum)
    n_frames = magnitude.shape[-1]
    wanted = config.n_samples(n_frames) if length is None else length
    for _ in range(n_iter):
        estimate = reference_istft(magnitude * angles, config, wanted)
        # A sound that is told to end earlier is silent in the frames behind its end.
        rebuilt = reference_stft(fit_length(estimate, max(wanted, config.n_samples(n_frames))), config)[..., :n_frames]
        angles = rebuilt if before is None else rebuilt - np.asarray(share, cdtype) * before
        angles = angles / (np.abs(angles) + tiny)
        before = rebuilt
    return reference_istft(magnitude * angles, config, length)
