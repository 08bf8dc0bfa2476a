"""Our best way from a magnitude to sound (temporary body: replaced by the phase-gradient start)."""

from __future__ import annotations

from typing import Literal

import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.stft import FloatArray
from specloom.phase.griffin_lim import griffin_lim

Quality = Literal["fast", "balanced", "best"]


def reconstruct(
    magnitude: npt.ArrayLike, config: StftConfig, *, quality: Quality = "balanced", length: int | None = None
) -> FloatArray:
    """Sound from a magnitude, shape ``(..., n_bins, n_frames)`` -> ``(..., n_samples)``."""
    return griffin_lim(magnitude, config, n_iter=32, length=length, rng=0)
