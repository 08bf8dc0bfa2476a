"""The figures of a sound against its clean speech."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.metrics import pesq_score, si_sdr_db, stoi_score

_MOST_DB = 300.0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The figures of one sound, or their means; None where a figure was not taken or has no meaning.

    Parameters
    ----------
    pesq : float or None
        Wide band at 16 kHz, narrow band at 8 kHz.
    stoi, estoi : float or None
    si_sdr_db : float or None
    """

    pesq: float | None
    stoi: float | None
    estoi: float | None
    si_sdr_db: float | None


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Which figures are taken.

    Parameters
    ----------
    pesq, stoi : bool
        STOI brings ESTOI with it; SI-SDR is always taken.
    """

    pesq: bool
    stoi: bool

    def scores(self, estimate: npt.NDArray[np.float32], clean: npt.NDArray[np.float32], rate: int) -> Scores:
        """All that were asked for, shape ``(n_samples,)`` each; None for what has no meaning for this sound."""
        mode: Literal["wb", "nb"] = "wb" if rate == 16000 else "nb"
        return Scores(
            pesq=number_or_none(lambda: pesq_score(clean, estimate, rate, mode=mode)) if self.pesq else None,
            stoi=number_or_none(lambda: stoi_score(clean, estimate, rate)) if self.stoi else None,
            estoi=number_or_none(lambda: stoi_score(clean, estimate, rate, extended=True)) if self.stoi else None,
            si_sdr_db=number_or_none(lambda: si_sdr_db(estimate, clean)),
        )


def number_or_none(figure: Callable[[], Any]) -> float | None:
    """The figure as a plain number, None when it has no meaning here (refused, or NaN).

    Infinite decibels are taken for 300, where rounding puts most of them.
    """
    try:
        value = float(figure())
    except ParameterError:
        return None
    return None if math.isnan(value) else max(-_MOST_DB, min(_MOST_DB, value))
