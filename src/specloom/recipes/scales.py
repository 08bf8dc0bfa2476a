"""How a magnitude is written down: as it is, as a power of its share of the peak, or in decibels.

Each scale knows its inverse. What the forward direction divides by (the peak) is handed to both directions, so that
the spectrogram can remember it and the level comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Linear:
    """The magnitude itself."""

    kind: ClassVar[str] = "linear"
    needs_peak: ClassVar[bool] = False
    bounded: ClassVar[bool] = False

    def apply(self, magnitude: FloatArray, peak: float) -> FloatArray:
        """Magnitude to stored values."""
        return magnitude

    def undo(self, stored: FloatArray, peak: float) -> FloatArray:
        """Stored values to magnitude."""
        return stored


@dataclass(frozen=True, kw_only=True)
class PeakPower:
    """``(magnitude / peak) ** exponent``, between 0 and 1: the article's first recipe, with 0.6.

    Parameters
    ----------
    exponent : float
        Above 0. Below 1 it lifts the soft parts.
    """

    kind: ClassVar[str] = "peak-power"
    needs_peak: ClassVar[bool] = True
    bounded: ClassVar[bool] = True

    exponent: float = 0.6

    def __post_init__(self) -> None:
        _require_positive("exponent", self.exponent)

    def apply(self, magnitude: FloatArray, peak: float) -> FloatArray:
        """Magnitude to stored values; silence (a peak of 0) stays 0."""
        return np.asarray((magnitude / np.float32(peak or 1.0)) ** np.float32(self.exponent))

    def undo(self, stored: FloatArray, peak: float) -> FloatArray:
        """Stored values to magnitude."""
        return np.asarray(stored ** np.float32(1.0 / self.exponent) * np.float32(peak))


@dataclass(frozen=True, kw_only=True)
class Decibels:
    """Decibels of a fixed range, mapped to 0..1: the article's second recipe.

    Stored is ``clip((20 log10(max(floor, magnitude)) - reference_db + range_db) / range_db, clip_least, 1)``.

    Parameters
    ----------
    reference_db : float or None
        The level that becomes 1. What lies above is clipped and lost. None takes the loudest value, so that nothing
        is clipped and a soft recording keeps its whole range; the magnitude is then divided by its peak first, and
        the spectrogram remembers the peak.
    range_db : float
        Decibels from 0 to 1. What lies below is lost.
    floor : float
        The least magnitude (of the peak, with ``reference_db=None``) that a logarithm is taken of.
    clip_least : float
        The least stored value. The article's 1e-8 is 1e-6 dB above the bottom of the range.
    lowest_is_silence : bool
        Whether the inverse takes the lowest value for "nothing" (0) instead of for the bottom of the range; the
        bottom would come back as faint noise.
    """

    kind: ClassVar[str] = "decibels"
    bounded: ClassVar[bool] = True

    reference_db: float | None = 20.0
    range_db: float = 100.0
    floor: float = 1e-5
    clip_least: float = 1e-8
    lowest_is_silence: bool = True

    def __post_init__(self) -> None:
        _require_positive("range_db", self.range_db)
        _require_positive("floor", self.floor)
        if not 0.0 <= self.clip_least < 1.0:
            raise ParameterError(f"clip_least={self.clip_least}: 0 <= clip_least < 1 is needed; the article has 1e-8")
        if self.reference_db is not None and not abs(self.reference_db) < np.inf:
            raise ParameterError(f"reference_db={self.reference_db}: a finite level, or None for the loudest value")

    @property
    def needs_peak(self) -> bool:
        """Whether the magnitude is divided by its peak."""
        return self.reference_db is None

    def apply(self, magnitude: FloatArray, peak: float) -> FloatArray:
        """Magnitude to stored values."""
        if self.reference_db is None:
            magnitude = magnitude / np.float32(peak or 1.0)
        level_db = np.log10(np.maximum(np.float32(self.floor), magnitude))
        level_db *= np.float32(20.0)
        level_db += np.float32(self.range_db - (self.reference_db or 0.0))
        level_db /= np.float32(self.range_db)
        return np.clip(level_db, np.float32(self.clip_least), np.float32(1.0), out=level_db)

    def undo(self, stored: FloatArray, peak: float) -> FloatArray:
        """Stored values to magnitude."""
        level_db = np.clip(stored, np.float32(0.0), np.float32(1.0))
        level_db *= np.float32(self.range_db)
        level_db += np.float32((self.reference_db or 0.0) - self.range_db)
        level_db *= np.float32(0.05)
        magnitude = np.power(np.float32(10.0), level_db, out=level_db)
        if self.lowest_is_silence:
            magnitude[stored <= np.float32(self.clip_least)] = 0.0
        return magnitude * np.float32(peak) if self.reference_db is None else magnitude


Scale = Linear | PeakPower | Decibels


def quantise(stored: FloatArray, bits: int) -> FloatArray:
    """Round values between 0 and 1 to ``2 ** bits`` levels, as a picture of that depth would."""
    levels = np.float32(2**bits - 1)
    return np.asarray(np.round(stored * levels) / levels, dtype=np.float32)


def _require_positive(name: str, value: float) -> None:
    if not 0.0 < value < np.inf:
        raise ParameterError(f"{name}={value}: a number above 0 is needed")
