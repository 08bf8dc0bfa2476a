"""A mask laid over a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import require_finite_floats
from specloom.errors import ParameterError
from specloom.masks.checks import require_spec, require_spec_or_magnitude


def apply_mask(mask: npt.ArrayLike, spec: npt.ArrayLike) -> npt.NDArray[Any]:
    """Multiply a spectrum by a mask, bin by bin.

    Parameters
    ----------
    mask : real or complex array, shape ``(..., n_bins, n_frames)``
        A real mask keeps the phase of the spectrum (below 0 it turns it round). A compressed mask is none: undo it
        first (`specloom.masks.decompress_mask`).
    spec : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
        With further axes in front, such as channels, a mask without them is used for all of them.

    Returns
    -------
    array, shape of ``spec``
        In the precision of ``spec``: complex64 for complex64, float32 for a magnitude of float32 (a complex mask needs
        a complex spectrum).

    Raises
    ------
    ParameterError
        For shapes that do not fit, NaN, or a complex mask on a magnitude.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): linear in the spectrum; a mask of ones changes nothing; silence stays silence.

    Examples
    --------
    >>> apply_mask([[0.5, 0.0]], np.array([[2.0 + 2.0j, 1.0]]))
    array([[1.+1.j, 0.+0.j]])
    """
    over = require_spec_or_magnitude("spec", spec)
    gains = np.asarray(mask)
    is_complex = gains.dtype.kind == "c"
    gains = require_spec("mask", gains) if is_complex else require_finite_floats("mask", gains)
    if is_complex and over.dtype.kind != "c":
        raise ParameterError("mask is complex and spec a magnitude: give the complex spectrum, whose phase it corrects")
    _require_fit(gains, over)
    return np.asarray(np.multiply(gains, over)).astype(over.dtype, copy=False)


def _require_fit(mask: npt.NDArray[Any], spec: npt.NDArray[Any]) -> None:
    if mask.ndim < 2 or mask.shape != spec.shape[spec.ndim - mask.ndim :]:
        more = ""
        if mask.ndim >= 2 and mask.shape[-2:-1] == spec.shape[-2:-1]:
            more = (
                "; masks with fewer frames had their edges cut: cut the spectrum alike, or take the mask without that"
            )
        raise ParameterError(
            f"mask has shape {mask.shape}, spec {spec.shape}: (..., n_bins, n_frames) must be the same for both{more}"
        )
