"""Arrays of a spectrogram as rows of a picture, and back."""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from specloom.pictures.settings import LogRows, PictureSettings
from specloom.pixels.depth import Codes, to_codes
from specloom.recipes.scales import FloatArray

AnyArray = TypeVar("AnyArray", bound=npt.NDArray[Any])

_TURN = 65536


def laid_out(stored: FloatArray, phase: FloatArray | None, settings: PictureSettings) -> Codes:
    """Values of the array, ``(..., n_bins, n)`` between 0 and 1, as codes ``(n_rows, n)`` of the whole picture.

    ``phase``, of the same shape, is needed for exact pictures.
    """
    if isinstance(settings.rows, LogRows):
        from specloom.pixels.rows import bins_to_rows

        stored = bins_to_rows(stored, settings.origin.analysis_rate, settings.recipe.frames.n_fft, _row_hz(settings))
    levels = _stacked(to_codes(stored, settings.bits))
    return levels if phase is None else np.concatenate([levels, _stacked(_phase_codes(phase))])


def array_of(values: FloatArray, settings: PictureSettings) -> FloatArray:
    """Values ``(n_rows, n)`` of all rows of a picture as the stored array ``(..., n_bins, n)``."""
    planes = _planes(values, settings)[: settings.n_channels]
    if isinstance(settings.rows, LogRows):
        from specloom.pixels.rows import rows_to_bins

        rate, n_fft = settings.origin.analysis_rate, settings.recipe.frames.n_fft
        planes = rows_to_bins(planes, _row_hz(settings), rate, n_fft, rounds=2)
        # The corrections may overshoot the loudest value.
        np.minimum(planes, np.float32(1.0), out=planes)
    return planes.reshape(*settings.array_shape[:-1], values.shape[-1])


def phase_of(values: FloatArray, settings: PictureSettings) -> FloatArray:
    """The phases of an exact picture, radians, shape as of `array_of`."""
    planes = _planes(values, settings)[settings.n_channels :]
    # The values are codes / 65535; a code is a part of a turn.
    radians = planes * np.float32(2.0 * math.pi * (_TURN - 1) / _TURN) - np.float32(math.pi)
    return radians.reshape(*settings.array_shape[:-1], values.shape[-1])


def _phase_codes(phase: FloatArray) -> npt.NDArray[np.uint16]:
    """Phases as 65536ths of a turn, counted from -pi."""
    parts = phase * np.float32(_TURN / (2.0 * math.pi))
    parts += np.float32(_TURN / 2)
    # The cast wraps a whole turn round to 0.
    codes: npt.NDArray[np.uint16] = np.rint(parts, out=parts).astype(np.int32).astype(np.uint16)
    return codes


def _stacked(planes: AnyArray) -> AnyArray:
    """Channels below each other, the lowest frequency of each at the bottom."""
    rows = planes[..., ::-1, :].reshape(-1, planes.shape[-1])
    return cast("AnyArray", rows)


def _planes(values: FloatArray, settings: PictureSettings) -> FloatArray:
    """``(n_rows, n)`` as ``(n_planes, plane_rows, n)``, the lowest frequency first."""
    return values.reshape(settings.n_planes, settings.plane_rows, values.shape[-1])[:, ::-1]


def _row_hz(settings: PictureSettings) -> npt.NDArray[np.float64]:
    from specloom.pixels.rows import log_rows_hz

    assert isinstance(settings.rows, LogRows)
    return log_rows_hz(settings.rows.n_rows, settings.rows.min_hz, settings.rows.max_hz)
