"""The lanes for one transform: its tables, windows and scratch memory, and what can be done with them.

A `Plan` holds scratch memory, so each thread makes its own; making one costs microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.lanes import frames
from specloom.dsp.lanes.fourier import FIRST, GAP, TWIN_ROW, Tables, supports, tables
from specloom.dsp.lanes.vector import LANES
from specloom.dsp.windows import in_rows_of_hops, padded_window, window_of

Floats = npt.NDArray[np.float32]
Complexes = npt.NDArray[np.complex64]

__all__ = ["LANES", "Plan", "supports"]


def _aligned(n_floats: int) -> Floats:
    """Zeros that begin at a cache line."""
    room = np.zeros(n_floats + 16, dtype=np.float32)
    skip = (-room.ctypes.data % 64) // 4
    return room[skip : skip + n_floats]


@lru_cache(maxsize=32)
def _windows(config: StftConfig, narrow: bool) -> tuple[Floats, Floats]:
    """The window, filled up to whole vectors: as it is, and with the transform's 1 / n_fft in it."""
    samples = window_of(config) if narrow else padded_window(config)
    window = np.zeros(-(-samples.size // LANES) * LANES, dtype=np.float32)
    window[: samples.size] = samples
    return window, (window / np.float32(config.n_fft)).astype(np.float32)


_NO_PLACES = np.zeros(0, dtype=np.int64)


def once(source: Floats, target: Floats) -> tuple[Any, ...]:
    """How `frames.walk` is told to walk once: no iterations, no steps, nothing settled, no envelope."""
    still = np.float32(0.0)
    return 0, still, still, still, source, target, target, target, _NO_PLACES


def for_kernels(values: Floats) -> Floats:
    """The same numbers, contiguous and writeable: other layouts would each have every kernel compiled again."""
    return np.require(values, dtype=np.float32, requirements=["C", "W"])


class Envelope(NamedTuple):
    """Factors for overlapped sums, a row layout like a signal's, and where each group's (and the rest's) begin."""

    factors: Floats
    places: npt.NDArray[np.int64]


def _inverse(summed: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.float64]:
    """One over the sum, which is taken as at least ``least``; zero where no window reaches."""
    return np.divide(1.0, np.maximum(summed, least), where=summed > 0, out=np.zeros_like(summed))


class Plan:
    """How the lanes walk over signals of one `StftConfig`.

    Signals are laid out in rows of ``hop_length`` samples, with a gap after each where the hop would otherwise set the
    frames a power of two apart (they would fight for the same few sets of the cache). Frame ``f``'s window begins at
    row ``f``. `rows_of` and `samples_of` translate.

    ``narrow`` leaves the zeros beside a window shorter than ``n_fft`` away. Projections do not notice; the phases of a
    spectrum turn by ``bin * shift / n_fft`` turns, which whoever gives or takes phases must add.
    """

    def __init__(self, config: StftConfig, *, narrow: bool, gapped: bool = True) -> None:
        self.config = config
        self.tables: Tables = tables(config.n_fft)
        self.gap = 16 if gapped and config.hop_length % 64 == 0 else 0
        self.pitch = config.hop_length + self.gap
        self.n_window = config.win_length if narrow else config.n_fft
        self.window_in, self.window_out = _windows(config, narrow)
        self.points = _aligned(2 * LANES * (config.n_fft // 2 + FIRST * GAP))
        self.buffer = _aligned(FIRST * LANES * LANES)
        self.shift = (config.n_fft - config.win_length) // 2 if narrow else 0
        # Sample 0 of the sound lies this many samples after the begin of frame 0's window (negative: before it).
        self.lead = (config.n_fft // 2 if config.center else 0) - self.shift

    # --- layout ---

    def n_groups(self, n_frames: int) -> int:
        """Groups of LANES frames."""
        return -(-n_frames // LANES)

    def n_rows(self, n_frames: int) -> int:
        """Rows of a signal array that the frames (filled up to whole groups) can reach."""
        reach = self.n_groups(n_frames) * LANES * self.config.hop_length + self.window_in.size + LANES
        return -(-(reach // self.config.hop_length + 1) // LANES) * LANES

    def rows_of(self, samples: Floats, n_frames: int, first_frame: int = 0) -> Floats:
        """Lay out the part of ``samples (n_samples,)`` that frames ``first_frame … + n_frames`` see."""
        hop = self.config.hop_length
        n_rows = self.n_rows(n_frames)
        rows = _aligned(n_rows * self.pitch)
        line = np.zeros(n_rows * hop, dtype=np.float32)
        begin = first_frame * hop - self.lead
        source = samples[max(0, begin) : begin + line.size]
        into = max(0, -begin)
        line[into : into + source.size] = source
        rows.reshape(n_rows, self.pitch)[:, :hop] = line.reshape(n_rows, hop)
        return rows

    def samples_of(self, rows: Floats) -> Floats:
        """Undo `rows_of`: the samples from the begin of the first window on."""
        grid = rows.reshape(-1, self.pitch)
        return np.ascontiguousarray(grid[:, : self.config.hop_length]).reshape(-1)

    def sound_of(self, rows: Floats) -> Floats:
        """The samples from the sound's first on; those before the first window, if any, are zero."""
        samples = self.samples_of(rows)
        return samples[self.lead :] if self.lead >= 0 else np.pad(samples, (-self.lead, 0))

    def empty_rows(self, n_frames: int) -> Floats:
        """A signal array of zeros."""
        return _aligned(self.n_rows(n_frames) * self.pitch)

    def pack(self, values: Floats, scale: float = 1.0) -> Floats:
        """``(n_bins, n_frames)`` as the rows that START and PROJECT read."""
        packed = _aligned(self.n_groups(values.shape[1]) * self.tables.bins.size * LANES)
        frames.pack_rows(for_kernels(values), self.tables.bins, np.float32(scale), packed)
        return packed

    def pack_frames(self, turns: Floats) -> Floats:
        """Phases ``(n_frames, n_bins)`` in turns, counted from the frame's begin, as the rows that START reads."""
        t = self.tables
        n_groups = self.n_groups(turns.shape[0])
        missing = n_groups * LANES - turns.shape[0]
        whole = np.pad(turns, ((0, missing), (0, 0))) if missing else for_kernels(turns)
        packed = _aligned(n_groups * t.bins.size * LANES)
        frames.pack_frames(whole, t.rows, t.bins.size, TWIN_ROW, packed)
        return packed

    # --- what the lanes do ---

    def emit(self, rows: Floats, n_frames: int, spec: Complexes, first: int) -> None:
        """Write the spectra of the frames into ``spec (n_bins, all frames)`` from frame ``first`` on."""
        whole = n_frames // LANES
        self._walk(frames.EMIT, rows, spec, first, whole)
        left = n_frames - whole * LANES
        if left:
            rest = np.empty((self.config.n_bins, LANES), dtype=np.complex64)
            self._walk(frames.EMIT, rows[whole * LANES * self.pitch :], rest, 0, 1)
            spec[:, first + whole * LANES : first + n_frames] = rest[:, :left]

    def absorb(self, spec: Complexes, rows: Floats) -> None:
        """Add the windowed inverses of ``spec (n_bins, n_frames)`` onto ``rows``."""
        whole = spec.shape[1] // LANES
        self._walk(frames.ABSORB, rows, spec, 0, whole)
        left = spec.shape[1] - whole * LANES
        if left:
            rest = np.zeros((self.config.n_bins, LANES), dtype=np.complex64)
            rest[:, :left] = spec[:, whole * LANES :]
            self._walk(frames.ABSORB, rows[whole * LANES * self.pitch :], rest, 0, 1)

    def start(self, half_magnitude: Floats, turns: Floats, n_frames: int, rows: Floats) -> None:
        """Add the windowed inverses of packed magnitudes (halved) and phases (in turns) onto ``rows``."""
        frames.walk(
            frames.START, *once(rows, rows), half_magnitude, turns, self.n_groups(n_frames), 0, *self.arguments()
        )

    def envelope(self, n_frames: int, begin: int, end: int, *, floors: tuple[float, float] = (0.0, 0.0)) -> Envelope:
        """What sums of ``n_frames`` windowed inverses are multiplied by; zero outside samples ``begin … end``.

        Samples count from the sound's first. The two ``floors`` bound the factors near the first and the last frames,
        where few windows reach: shares of the least sum of squared windows inside.
        """
        hop = self.config.hop_length
        pieces = in_rows_of_hops(self.window_in.astype(np.float64) ** 2, hop)
        whole = pieces.sum(axis=0)
        least = [max(floor * whole.min(), float(np.finfo(np.float32).tiny)) for floor in floors]
        grid = _aligned(self.n_rows(n_frames) * self.pitch).reshape(-1, self.pitch)
        # Inside, every row is the same; only the first and the last few rows miss frames.
        grid[:n_frames, :hop] = _inverse(whole, least[0])
        n_edge = len(pieces) - 1
        for row in (*range(min(n_edge, n_frames)), *range(n_frames, n_frames + n_edge)):
            there = pieces[max(0, row - n_frames + 1) : row + 1]
            grid[row, :hop] = _inverse(there.sum(axis=0), least[row >= n_frames])
        self._silence(grid, 0, begin + self.lead)
        self._silence(grid, end + self.lead, len(grid) * hop)
        return Envelope(grid.reshape(-1), np.arange(self.n_groups(n_frames) + 1) * LANES * self.pitch)

    def _silence(self, grid: Floats, begin: int, end: int) -> None:
        """Set samples ``begin … end`` (counted from the first window's begin) to zero."""
        hop = self.config.hop_length
        begin, end = max(begin, 0), min(end, len(grid) * hop)
        if begin >= end:
            return
        first, last = begin // hop, (end - 1) // hop
        for row in {first, last}:
            grid[row, max(0, begin - row * hop) : min(hop, end - row * hop)] = 0.0
        grid[first + 1 : last] = 0.0

    def iterate(
        self,
        half_magnitude: Floats,
        n_frames: int,
        settled: Floats,
        envelope: Envelope,
        *,
        n_iter: int,
        gamma: float,
        alpha: float,
        beta: float,
    ) -> None:
        """Run accelerated Griffin-Lim on the signal ``settled``, in place; see `frames.walk`."""
        if n_iter == 0:
            return
        beyond = settled.size - self.n_groups(n_frames) * LANES * self.pitch
        sums = _aligned(LANES * self.pitch + beyond)
        push = np.float32(beta / alpha if alpha else 0.0)
        frames.walk(
            frames.PROJECT, n_iter, np.float32(gamma), np.float32(alpha), push,
            settled.copy(), sums, settled, *envelope, half_magnitude, half_magnitude, self.n_groups(n_frames), 0,
            *self.arguments(),
        )  # fmt: skip

    def _walk(self, mode: int, rows: Floats, spec: Complexes, first: int, n_groups: int) -> None:
        flat = cast("Floats", spec.view(np.float32).reshape(-1))[2 * first :]
        frames.walk(mode, *once(rows, rows), flat, flat, n_groups, 2 * spec.shape[1], *self.arguments())

    def arguments(self) -> tuple[Any, ...]:
        """What `frames.walk` and its like are told about the transform."""
        t = self.tables
        return (
            self.config.hop_length, self.gap, self.n_window, self.window_in, self.window_out,
            t.split_twiddles, t.radices, t.starts, t.sub_twiddles, t.half, t.here, t.there, t.real_twiddles,
            t.bins, t.phase_ends, self.points, self.buffer,
        )  # fmt: skip


def natural_logs(magnitude: Floats, logs: Floats, row: int, column: int) -> None:
    """Write ln(``magnitude (n_bins, n_frames)``), transposed, into ``logs`` from ``row`` and ``column`` on.

    Magnitudes count as at least 1e-30; the error is below 1e-4.
    """
    n_bins, n_frames = magnitude.shape
    if n_bins < LANES or n_frames < LANES:
        least = np.float32(frames.LEAST_MAGNITUDE)
        logs[row : row + n_frames, column : column + n_bins] = np.log(np.maximum(magnitude.T, least))
        return
    pitch = logs.shape[1]
    frames.log_frames(for_kernels(magnitude), logs.reshape(-1), row * pitch + column, pitch)
