"""Process CPU time, contestants interleaved, medians of ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Call = Callable[[], object]

# A call that is shorter than this is repeated, so that the clock and the caches' first touch do not rule it.
_LEAST_S = 0.05


@dataclass(frozen=True)
class Spread:
    """A median and the range that holds the middle 80 % of what was seen."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, median, high = np.percentile(values, [10, 50, 90])
        return cls(float(median), float(low), float(high), len(values))


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """CPU time of one call, the mean of as many as fill 50 ms, and what it gave."""
    n, begin = 0, time.process_time()
    while True:
        value = call()
        n += 1
        spent = time.process_time() - begin
        if spent >= _LEAST_S:
            return spent / n, value


def cpu_seconds(call: Call) -> float:
    """The time alone."""
    return timed(call)[0]


def interleaved(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each call, ``rounds`` times, in turn: a, b, a, b, ... so that a slow moment hits both."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(cpu_seconds(call))
    return seconds


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Pairwise ``over / under`` of one round each."""
    return [a / b for a, b in zip(over, under, strict=True)]
