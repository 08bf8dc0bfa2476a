"""What a row of the benchmark gives back, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

import specloom
from peers import librosa_magnitude
from recordings import PESQ_RATE, Clip, Samples
from specloom.config import StftConfig
from specloom.metrics.perceptual import pesq_available, pesq_score
from specloom.metrics.spectral import spectral_convergence_db
from timing import Spread


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a row's table."""

    what: str
    ours: str
    peer: str = ""
    ratio: Spread | None = None
    bar: str = ""
    met: bool | None = None
    """None: for information, no bar hangs on it."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the bar table."""

    name: str
    title: str
    measured: str
    """The row in one phrase."""
    bar: str
    lines: tuple[Line, ...]
    audio: str = ""
    peer: str = ""
    notes: tuple[str, ...] = ()
    numbers: dict[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return all(line.met for line in self.lines if line.met is not None)


@dataclass(frozen=True)
class Scores:
    """What an estimate is worth."""

    convergence_db: float
    pesq: float
    """NaN for music, and where the package pesq is not installed."""


def score(clip: Clip, estimate: Samples, magnitude: npt.NDArray[np.float32], config: StftConfig) -> Scores:
    """Judged by librosa's transform, not by ours."""
    rebuilt = librosa_magnitude(estimate, config)
    return Scores(float(spectral_convergence_db(rebuilt, magnitude)), pesq(clip, estimate))


def pesq(clip: Clip, estimate: Samples) -> float:
    if not clip.is_speech or not pesq_available():
        return float("nan")
    truth, ours = (specloom.resample(x, clip.sample_rate, PESQ_RATE) for x in (clip.samples, estimate))
    return pesq_score(truth, ours, PESQ_RATE, mode="wb")


def mean_score(scores: Sequence[Scores]) -> Scores:
    """Means over clips; of PESQ over those that have one."""
    return Scores(float(np.mean([s.convergence_db for s in scores])), mean_pesq([s.pesq for s in scores]))


def mean_pesq(values: Sequence[float]) -> float:
    heard = [value for value in values if not np.isnan(value)]
    return float(np.mean(heard)) if heard else float("nan")


def no_worse(ours: float, theirs: float) -> bool:
    """Higher is better; what could not be measured hinders nothing."""
    return bool(np.isnan(ours) or np.isnan(theirs) or ours >= theirs)


def number(value: float) -> str:
    """Three figures."""
    if np.isnan(value):
        return "–"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def microseconds(seconds: float) -> str:
    return f"{number(seconds * 1e6)} µs"


def milliseconds(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms"


def times(value: float) -> str:
    return f"{number(value)} ×"


def quality(scores: Scores) -> str:
    """SC and PESQ in one cell."""
    return f"SC {scores.convergence_db:.2f} dB, PESQ {three_decimals(scores.pesq)}"


def three_decimals(score: float) -> str:
    return "–" if np.isnan(score) else f"{score:.3f}"


def slashed(values: Sequence[float]) -> str:
    """The settings' figures in one phrase."""
    return " / ".join(number(value) for value in values)
