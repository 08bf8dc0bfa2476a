"""Phase from the slopes of the magnitude: phase gradient integration, offline and in real time.

For a Gaussian window the phase's slopes follow from the log-magnitude's: along time from the slope over frequency,
along frequency from the slope over time. PGHI integrates them from the loudest bin outward: of all bins whose phase is
known the loudest is taken, and its unknown neighbours get their phase from it.

*Offline* (`GradientPhase`) the order is kept by buckets of a quarter of a decibel instead of a heap: taking and adding
are a few instructions. Bins further than 69 dB below the loudest around them get random phases; walking through them
costs half of the time and cannot be heard.

*In real time* (`next_frame`) only the past frame is known. Inside one frame the bins lie on a line, and every
bin of the frame before is a source, so which neighbour a heap would have served a bin from is a *widest path* question:
bin ``k`` is reached from its own past with strength ``P[k]``, or from a neighbour with the weaker of that neighbour's
own strength and its magnitude. One sweep up and one sweep down the line answer it exactly, without any queue.

References
----------
Prusa, Balazs, Soendergaard, "A noniterative method for reconstruction of phase from STFT magnitude", IEEE/ACM TASLP
25(5), 2017. Prusa, Soendergaard, "Real-time spectrogram inversion using phase gradient heap integration", DAFx 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.lanes.compiled import kernel
from specloom.dsp.lanes.plan import natural_logs
from specloom.dsp.windows import window_of

Floats = npt.NDArray[np.float32]


@lru_cache(maxsize=32)
def gaussian_spread(config: StftConfig) -> float:
    """Gamma of the Gaussian ``exp(-pi t^2 / gamma)`` nearest to the window (least squares), in samples squared.

    0.2565 win_length^2 for Hann.
    """
    from scipy.optimize import minimize_scalar

    window = window_of(config)
    length = config.win_length
    centred = (np.arange(length) - length / 2) ** 2

    def misfit(share: float) -> float:
        return float(np.sum((window / window.max() - np.exp(-np.pi * centred / (share * length**2))) ** 2))

    return float(minimize_scalar(misfit, bounds=(0.01, 2.0), method="bounded").x) * length**2


@dataclass(frozen=True)
class Slopes:
    """Factors that turn differences of the log-magnitude into turns of phase."""

    per_hop: float
    """From the difference over two bins, per hop."""
    advance: float
    """Turns per hop and bin of a steady tone."""
    per_bin: float
    """From the difference over two frames, per bin."""
    centre: float
    """Turns per bin that the window's centre, seen from the frame's begin, adds."""

    def values(self) -> tuple[float, float, float, float]:
        """In the order in which the compiled functions take them."""
        return self.per_hop, self.advance, self.per_bin, self.centre


def slopes(config: StftConfig, centre: float) -> Slopes:
    """The factors of a transform whose phases count from ``centre`` samples before the window's centre."""
    spread = gaussian_spread(config)
    hop, n_fft = config.hop_length, config.n_fft
    return Slopes(
        per_hop=hop * n_fft / spread / (4.0 * np.pi),
        advance=hop / n_fft,
        per_bin=-spread / (hop * n_fft) / (4.0 * np.pi),
        centre=-centre / n_fft,
    )


# Levels are quarters of a decibel above the audible floor; level 0 is below it, or already done.
_LEVELS = 278
_LEVELS_PER_NEPER = 4.0 * 20.0 / float(np.log(10.0))
_FLOOR = -8.0  # nepers below the loudest bin around: 69 dB


@nb.njit(nogil=True, inline="always")
def _set_levels(logs, floor, level):
    """Levels of the inner rows and columns of a chunk (rows and columns 0 and last are a margin)."""
    n_rows, n_columns = logs.shape
    per_neper = np.float32(_LEVELS_PER_NEPER)
    for t in range(1, n_rows - 1):
        for k in range(1, n_columns - 1):
            height = (logs[t, k] - floor) * per_neper
            level[t, k] = np.int16(min(max(height + np.float32(1.0), np.float32(0.0)), np.float32(_LEVELS - 1)))


@nb.njit(nogil=True, inline="always")
def _flood(logs, level, turns, heads, following, top, width, per_hop, advance, per_bin, centre):
    """Serve the bins in the buckets, loudest first, until none is left. All arrays are flat, rows of ``width``."""
    half_hop, half_bin = np.float32(0.5) * per_hop, np.float32(0.5) * per_bin
    while top > 0:
        node = heads[top]
        if node < 0:
            top -= 1
            continue
        heads[top] = following[node]
        phase = turns[node]
        for side in range(4):
            if side == 0:
                other = node + 1
            elif side == 1:
                other = node - 1
            elif side == 2:
                other = node + width
            else:
                other = node - width
            rank = level[other]
            if rank == 0:
                continue
            if side < 2:
                a = logs[node + width] - logs[node - width]
                b = logs[other + width] - logs[other - width]
                step = half_bin * (a + b) + centre
                turns[other] = phase + step if side == 0 else phase - step
            else:
                a = logs[node + 1] - logs[node - 1]
                b = logs[other + 1] - logs[other - 1]
                step = half_hop * (a + b) + advance * np.float32(node % width - 1)
                turns[other] = phase + step if side == 2 else phase - step
            turns[other] -= np.rint(turns[other])
            level[other] = 0
            following[other] = heads[rank]
            heads[rank] = other
            top = max(top, rank)


@kernel
def integrate_chunk(logs, floor, per_hop, advance, per_bin, centre, known, turns, level, heads, following):
    """Phases of a chunk, in turns.

    Row 0 of ``logs`` is the frame before the chunk, the last row the frame after it; columns 0 and last repeat their
    neighbours. Bins below ``floor`` keep what ``turns`` holds. ``known`` says that row 0 of ``turns`` holds phases:
    those that the chunk continues from. ``heads`` holds -1 everywhere, and does so again afterwards.
    """
    n_rows, width = logs.shape
    _set_levels(logs, floor, level)
    flat_logs, flat_level, flat_turns = logs.reshape(-1), level.reshape(-1), turns.reshape(-1)
    top = 0
    if known:
        for k in range(1, width - 1):
            rank = min(int((flat_logs[k] - floor) * np.float32(_LEVELS_PER_NEPER)) + 1, _LEVELS - 1)
            if rank > 0:
                following[k] = heads[rank]
                heads[rank] = k
                top = max(top, rank)
    # What is not connected with the past starts anew, louder islands first.
    end = (n_rows - 1) * width
    for part in range(3, -1, -1):
        least = 1 + part * (_LEVELS // 4)
        node = width
        while True:
            if top > 0:
                _flood(
                    flat_logs, flat_level, flat_turns, heads, following, top, width, per_hop, advance, per_bin, centre
                )
                top = 0
            while node < end and flat_level[node] < least:
                node += 1
            if node == end:
                break
            top = flat_level[node]
            flat_level[node] = 0
            heads[top] = node
            following[node] = -1


@lru_cache(maxsize=4)
def _random_turns(n_frames: int, n_bins: int) -> Floats:
    """Phases of bins that nobody hears; always the same, so that results repeat."""
    return np.random.default_rng(0).random((n_frames, n_bins), dtype=np.float32) - np.float32(0.5)


class GradientPhase:
    """Phases of chunks of frames that follow each other; each continues from the one before."""

    chunk = 128

    def __init__(self, config: StftConfig, centre: float) -> None:
        self.slopes = slopes(config, centre)
        width = config.n_bins + 2
        self._last: Floats | None = None
        self._logs = np.zeros((self.chunk + 2, width), dtype=np.float32)
        self._level = np.zeros((self.chunk + 2, width), dtype=np.int16)
        self._heads = np.full(_LEVELS, -1, dtype=np.int32)  # always left empty
        self._following = np.zeros((self.chunk + 2) * width, dtype=np.int32)
        self._random = _random_turns(self.chunk, config.n_bins)

    def turns(self, before: Floats | None, magnitude: Floats, after: Floats | None) -> Floats:
        """Phases ``(n_frames, n_bins)`` in turns of ``magnitude (n_bins, n_frames)``, at most `chunk` frames.

        ``before`` and ``after`` are the magnitudes of the neighbouring frames, ``(n_bins,)``, where there are any.
        """
        n = magnitude.shape[1]
        logs = self._logs[: n + 2]
        natural_logs(magnitude, logs, 1, 1)
        for row, line, edge in ((0, before, 1), (n + 1, after, n)):
            if line is None:
                logs[row] = logs[edge]
            else:
                natural_logs(line[:, None], logs, row, 1)
        logs[:, 0], logs[:, -1] = logs[:, 1], logs[:, -2]
        turns, level = np.empty_like(logs), self._level[: n + 2]
        level[...] = 0
        turns[1:-1, 1:-1] = self._random[:n]
        if self._last is not None:
            turns[0] = self._last
        integrate_chunk(
            logs, np.float32(logs.max() + _FLOOR), *(np.float32(value) for value in self.slopes.values()),
            self._last is not None, turns, level, self._heads, self._following,
        )  # fmt: skip
        self._last = turns[n].copy()
        return turns[1:-1, 1:-1]


@nb.njit(nogil=True)
def _time_slope(logs, per_hop, advance, out):
    """Turns per hop at each bin of one frame."""
    n = logs.size
    for k in range(1, n - 1):
        out[k] = per_hop * (logs[k + 1] - logs[k - 1])
    out[0] = np.float32(0.0)
    out[n - 1] = np.float32(0.0)
    for k in range(n):
        out[k] += advance * np.float32(k)


@nb.njit(nogil=True)
def _sweep(known, logs, from_past, across, strength, turns):
    """Phases of one frame from its past (strength ``known``, phase ``from_past``) and its neighbours.

    ``across[k]`` is the turn from bin k to bin k + 1.
    """
    n = logs.size
    reach = known[0]
    phase = from_past[0]
    strength[0] = reach
    turns[0] = phase
    for k in range(1, n):
        offered = min(reach, logs[k - 1])
        if offered > known[k]:
            reach = offered
            phase = phase + across[k - 1]
        else:
            reach = known[k]
            phase = from_past[k]
        strength[k] = reach
        turns[k] = phase
    reach = strength[n - 1]
    phase = turns[n - 1]
    for k in range(n - 2, -1, -1):
        offered = min(reach, logs[k + 1])
        if offered > strength[k]:
            reach = offered
            phase = phase - across[k]
            turns[k] = phase
        else:
            reach = strength[k]
            phase = turns[k]


@kernel
def next_frame(per_hop, advance, per_bin, centre, fresh, past_logs, past_slope, past_turns, logs, slope, turns):
    """Phases ``turns (n_bins,)`` of the frame ``logs`` from the frame before it; ``slope`` is left for the next call.

    Nothing later is known, so the slope over time is that from the past frame. ``fresh`` says that there is none.
    """
    n_bins = logs.size
    _time_slope(logs, per_hop, advance, slope)
    from_past = np.zeros(n_bins, np.float32)
    across = np.full(n_bins, centre)
    strength = np.empty(n_bins, np.float32)
    if fresh:
        known = np.full(n_bins, np.float32(-1e30))
        loudest = np.argmax(logs)
        known[loudest] = logs[loudest]
        _sweep(known, logs, from_past, across, strength, turns)
        return
    for k in range(n_bins):
        from_past[k] = past_turns[k] + np.float32(0.5) * (slope[k] + past_slope[k])
    for k in range(n_bins - 1):
        across[k] += per_bin * (logs[k] - past_logs[k] + logs[k + 1] - past_logs[k + 1])
    _sweep(past_logs, logs, from_past, across, strength, turns)
