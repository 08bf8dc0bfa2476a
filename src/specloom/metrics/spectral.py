"""How far one magnitude spectrogram lies from another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray, require_finite_floats
from specloom.errors import ParameterError
from specloom.metrics.checks import require_same_shape


def spectral_convergence_db(estimate: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Spectral convergence, ``20 log10(||estimate - reference|| / ||reference||)``, lower is better.

    Parameters
    ----------
    estimate, reference : real array, shape ``(..., n_bins, n_frames)``
        Non-negative magnitudes (take ``np.abs`` of a complex spectrum). The norm is Frobenius'.

    Returns
    -------
    float64, shape ``estimate.shape[:-2]``
        Decibels. ``-inf`` when both are equal (two silences too), ``inf`` when only the reference is silent, 0 when
        only the estimate is.

    Raises
    ------
    ParameterError
        For different or wrong shapes, complex, negative or non-finite values.

    Notes
    -----
    Law: scaling both by the same factor changes nothing (tests/laws).

    References
    ----------
    Sturmel, Daudet, "Signal reconstruction from STFT magnitude: a state of the art", DAFx 2011.
    """
    ours, truth = _require_magnitudes(estimate, reference)
    size = _scale(ours, truth)
    error = np.square((ours - truth.astype(np.float64)) / size).sum(axis=(-2, -1))
    whole = np.square(truth / size).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        result: npt.NDArray[np.float64] = np.where(error == 0.0, -np.inf, 10.0 * (np.log10(error) - np.log10(whole)))
    return result[()]


def log_spectral_distance_db(
    estimate: npt.ArrayLike, reference: npt.ArrayLike, *, floor_db: float = -80.0
) -> npt.NDArray[np.float64]:
    """Log-spectral distance: the root mean square over bins of the difference in decibels, mean over frames.

    Parameters
    ----------
    estimate, reference : real array, shape ``(..., n_bins, n_frames)``
        Non-negative magnitudes.
    floor_db : float
        Both are raised to this level below the reference's maximum first, because what lies below is not heard and
        would rule the figure. Below 0.

    Returns
    -------
    float64, shape ``estimate.shape[:-2]``
        Decibels, 0 when equal (two silences too); ``inf`` when only the reference is silent, since it then has no
        maximum to hang a floor on.

    Raises
    ------
    ParameterError
        For different or wrong shapes, complex, negative or non-finite values, or a floor not below 0.

    References
    ----------
    Gray, Markel, "Distance measures for speech processing", IEEE TASSP 24(5), 1976.
    """
    if not -np.inf < floor_db < 0.0:
        raise ParameterError(f"floor_db={floor_db}: finite decibels below 0 are needed (-80 is usual)")
    ours, truth = _require_magnitudes(estimate, reference)
    top = truth.max(axis=(-2, -1), keepdims=True).astype(np.float64)
    silent = top == 0.0
    floor = np.where(silent, 1.0, top) * 10.0 ** (floor_db / 20.0)
    difference = 20.0 * (np.log10(np.maximum(ours, floor)) - np.log10(np.maximum(truth, floor)))
    distance = np.sqrt(np.square(difference).mean(axis=-2)).mean(axis=-1)
    unlike = silent[..., 0, 0] & (ours.max(axis=(-2, -1)) > 0.0)
    result: npt.NDArray[np.float64] = np.where(silent[..., 0, 0], np.where(unlike, np.inf, 0.0), distance)
    return result[()]


def _require_magnitudes(estimate: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    checked = []
    for name, given in (("estimate", estimate), ("reference", reference)):
        if np.iscomplexobj(given):
            raise ParameterError(f"{name} is complex: magnitudes are compared; take numpy.abs of it first")
        values = require_finite_floats(name, given)
        if values.ndim < 2 or 0 in values.shape[-2:]:
            raise ParameterError(f"{name} has shape {values.shape}: (..., n_bins, n_frames), none of them 0, is needed")
        if values.min(initial=0.0) < 0.0:
            raise ParameterError(
                f"{name} holds negative values (least {values.min():.3g}): magnitudes are needed, not decibels"
            )
        checked.append(values)
    ours, truth = checked
    require_same_shape(ours, truth, "take both with one StftConfig from sounds of one length")
    return ours, truth


def _scale(ours: FloatArray, truth: FloatArray) -> npt.NDArray[np.float64]:
    """The largest value of both, so that no square vanishes or overflows; 1 for silence."""
    top = np.maximum(ours.max(axis=(-2, -1), keepdims=True), truth.max(axis=(-2, -1), keepdims=True))
    return np.where(top > 0.0, top, 1.0).astype(np.float64)
