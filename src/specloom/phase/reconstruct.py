"""Our best way from a magnitude to sound: phase gradient integration, then accelerated Griffin-Lim iterations.

Everything happens in blocks of frames, so memory stays bounded and a long file costs no more per frame than a short
one. Phases are integrated from chunk to chunk without a seam. A block takes the phases of its frames and of a margin
on both sides, iterates on its own, and is faded into its neighbours inside the margins; as neighbours start from the
same phases they end with nearly the same samples there.

References
----------
Nenov, Nguyen, Balazs, Bot, "Accelerated Griffin-Lim algorithm: a fast and provably converging numerical method for
phase retrieval", IEEE TSP 72, 2024. (For the start, see `specloom.phase.gradient`.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.stft import FloatArray, fit_length, in_safe_range, inverse_envelope, lanes_serve, require_length
from specloom.dsp.windows import in_rows_of_hops, padded_window, squared_window_sum
from specloom.errors import ParameterError
from specloom.phase.griffin_lim import require_magnitude

Quality = Literal["fast", "balanced", "best"]
Floats = npt.NDArray[np.float32]


class _Acceleration(NamedTuple):
    """``gamma``, ``alpha`` and ``beta`` of the accelerated algorithm; see `specloom.dsp.lanes.frames.walk`."""

    gamma: float
    alpha: float
    beta: float


# Nenov et al. 2024 gains most in the first dozens of iterations; the fast algorithm of 2013 goes further in hundreds,
# with a little more momentum than its usual 0.99.
AGLA, FGLA = _Acceleration(1.3, 0.85, 0.56), _Acceleration(1.0, 0.997, 0.0)


@dataclass(frozen=True)
class _Effort:
    """What a quality buys."""

    n_iter: int
    block: int
    """Frames that a block yields."""
    acceleration: _Acceleration


def _effort(quality: str, config: StftConfig) -> _Effort:
    """The more frames there are, and the more of them overlap, the longer it takes until they agree."""
    if quality not in get_args(Quality):
        raise ParameterError(f"quality={quality!r}: allowed are {', '.join(get_args(Quality))}")
    rate, overlap = config.frame_rate_hz, config.n_fft / config.hop_length
    if quality == "best":
        return _Effort(max(200, min(2050, round(0.72 * overlap**2 * rate))), 2048, FGLA)
    n_iter = max(6, min(12, round(0.115 * rate))) if quality == "fast" else 32
    return _Effort(n_iter, 512, AGLA)


# Where frames end few windows reach, and dividing by their sum would turn small errors into clicks. The sum counts as
# at least this share of the usual one: where a block's margin ends, and where an uncentred sound begins or ends.
MARGIN_FLOOR, SOUND_FLOOR = 0.125, 0.02


def reconstruct(
    magnitude: npt.ArrayLike,
    config: StftConfig,
    *,
    quality: Quality = "balanced",
    length: int | None = None,
    threads: int = 1,
) -> FloatArray:
    """Sound from a magnitude whose phase is lost.

    Parameters
    ----------
    magnitude : real array, shape ``(..., n_fft // 2 + 1, n_frames)``
        Non-negative magnitudes (not power, not decibels).
    config : StftConfig
    quality : {"fast", "balanced", "best"}
        6 to 12 iterations after the phase gradient, 32, or 200 to 2050 (the more frames a second and the more they
        overlap, the more).
    length : int, optional
        Samples to return; tell it whenever it is known: a wrong length costs up to 1 dB at the last frame.
    threads : int
        Threads to work with. The result does not depend on it.

    Returns
    -------
    real array, shape ``(..., n_samples)``, of the dtype of ``magnitude``.

    Raises
    ------
    ParameterError
        For negative or non-finite magnitudes, a wrong shape, or a transform that is not invertible.

    Notes
    -----
    Laws: silence stays silence; the same input gives the same output; scaling the magnitude scales the sound, nearly
    (rounding can change the order in which phases spread, and with it single frames).
    float64, and transform lengths that are no power of two, take the slower reference path.
    """
    _require_threads(threads)
    require_length(length)
    magnitude = require_magnitude(magnitude, config)
    n_frames = magnitude.shape[-1]
    wanted = config.n_samples(n_frames) if length is None else length
    channels = [
        np.concatenate([*_sound(iter([channel]), config, _effort(quality, config), wanted, threads)])
        for channel in magnitude.reshape(-1, *magnitude.shape[-2:])
    ]
    # A single channel is not copied once more.
    joined = channels[0] if len(channels) == 1 else np.stack(channels)
    return joined.reshape(*magnitude.shape[:-2], wanted)


def reconstruct_blocks(
    blocks: Iterable[npt.ArrayLike],
    config: StftConfig,
    *,
    quality: Quality = "balanced",
    length: int | None = None,
    threads: int = 1,
) -> Iterator[FloatArray]:
    """The same for magnitudes that arrive in blocks ``(n_bins, n)`` of any size: yields samples, in bounded memory.

    Law: the concatenated samples equal `reconstruct` of the concatenated blocks, bit for bit.
    """
    _require_threads(threads)
    require_length(length)
    checked = (_require_block(block, config) for block in blocks)
    return _sound(checked, config, _effort(quality, config), length, threads)


def _require_block(block: npt.ArrayLike, config: StftConfig) -> FloatArray:
    values = require_magnitude(block, config)
    if values.ndim != 2:
        raise ParameterError(
            f"a block has shape {values.shape}: (n_bins, n_frames) is needed; give each channel its own call"
        )
    return values


def _require_threads(threads: int) -> None:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ParameterError(f"threads={threads!r}: a whole number of at least 1 is needed")


@dataclass(frozen=True)
class _Block:
    """Consecutive frames: ``first … first + n``, of which ``begin … end`` are the block's own, the rest margin."""

    first: int
    begin: int
    end: int
    is_last: bool
    magnitude: npt.NDArray[Any]
    turns: Floats


class _Piece(NamedTuple):
    """Solved samples: which of the sound's is their first, and how many of them no later piece shares."""

    start: int
    samples: FloatArray
    n_alone: int


class _Edges(NamedTuple):
    """What is known of a block's surroundings: samples outside ``begin … end`` are zero; floors at both ends."""

    begin: int
    end: int
    floors: tuple[float, float]


def _margin(config: StftConfig) -> int:
    """Frames on each side of a block: four windows' worth."""
    return 4 * -(-config.win_length // config.hop_length)


def _sound(
    pieces: Iterator[npt.NDArray[Any]], config: StftConfig, effort: _Effort, length: int | None, threads: int
) -> Iterator[FloatArray]:
    """Samples, block by block."""
    blocks = _blocks(pieces, config, effort.block)
    solved = _in_order(blocks, lambda block: _solve(block, config, effort, length), threads)
    yield from _joined(solved, _margin(config) // 2 * config.hop_length)


def _in_order(blocks: Iterator[_Block], work: Callable[[_Block], _Piece], threads: int) -> Iterator[_Piece]:
    """``work(block)`` for every block, in order, on ``threads`` threads, with few blocks in memory."""
    if threads == 1:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[_Piece]] = deque()
        for block in blocks:
            running.append(pool.submit(work, block))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _joined(pieces: Iterator[_Piece], fade: int) -> Iterator[FloatArray]:
    """Fade each piece's last ``2 * fade`` samples into the next one's first, which are the same instants."""
    tail: FloatArray | None = None
    for _, samples, n_alone in pieces:
        if tail is not None:
            n = min(tail.size, samples.size)
            ramp = (np.arange(n, dtype=samples.dtype) + 0.5) / max(1, 2 * fade)
            samples[:n] = tail[:n] * (1 - ramp) + samples[:n] * ramp
            if tail.size > n:
                samples = np.concatenate([samples, tail[n:]])
        yield samples[:n_alone]
        tail = samples[n_alone:]
    if tail is not None:
        yield tail


# --- frames to blocks -------------------------------------------------------------------------------------------


class _Frames:
    """Frames that have come and are still needed, in the arrays in which they came; counted from the sound's first."""

    def __init__(self) -> None:
        self._held: deque[npt.NDArray[Any]] = deque()
        self.begin = 0
        self.end = 0

    def add(self, piece: npt.NDArray[Any]) -> None:
        """Take more frames, ``(n_bins, n)``."""
        self._held.append(piece)
        self.end += piece.shape[1]

    def forget(self, frame: int) -> None:
        """Let go of arrays that lie before ``frame``."""
        while self._held and self.begin + self._held[0].shape[1] <= frame:
            self.begin += self._held.popleft().shape[1]

    def slice(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Frames ``begin … end``; a view where one array holds them all."""
        parts, place = [], self.begin
        for piece in self._held:
            part = piece[:, max(0, begin - place) : max(0, end - place)]
            place += piece.shape[1]
            if part.shape[1]:
                parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _blocks(pieces: Iterator[npt.NDArray[Any]], config: StftConfig, size: int) -> Iterator[_Block]:
    """Blocks of ``size`` frames with margins, as soon as their frames (and one more, to look at) have come."""
    from specloom.phase.gradient import GradientPhase

    margin, begin, phased = _margin(config), 0, 0
    frames, turns = _Frames(), _Frames()
    source: GradientPhase | None = None

    def single(first: int, last: int) -> Floats:
        return frames.slice(first, last).astype(np.float32, copy=False)

    def find_phases(last: int) -> None:
        nonlocal phased, source
        if source is None:
            source = GradientPhase(config, _centre(frames.slice(0, 1).dtype, config))
        before = single(phased - 1, phased)[:, 0] if phased else None
        after = single(last, last + 1)[:, 0] if last < frames.end else None
        turns.add(source.turns(before, single(phased, last), after).T)
        phased = last

    def block(end: int, last: int) -> _Block:
        first = max(0, begin - margin)
        return _Block(first, begin, end, end == last, frames.slice(first, last), turns.slice(first, last).T)

    for piece in pieces:
        frames.add(piece)
        while frames.end > phased + GradientPhase.chunk:
            find_phases(phased + GradientPhase.chunk)
            while phased > begin + size + margin:
                yield block(begin + size, begin + size + margin)
                begin += size
                frames.forget(min(begin - margin, phased - 1))
                turns.forget(begin - margin)
    if frames.end:
        find_phases(frames.end)
        yield block(frames.end, frames.end)


def _centre(dtype: np.dtype[Any], config: StftConfig) -> float:
    """Samples from where a frame's phases are counted to its window's centre; the lanes drop the leading zeros."""
    zeros = 0 if lanes_serve(dtype, config) else (config.n_fft - config.win_length) // 2
    return zeros + config.win_length / 2


# --- one block --------------------------------------------------------------------------------------------------


def _solve(block: _Block, config: StftConfig, effort: _Effort, length: int | None) -> _Piece:
    """The block's samples, with half its margins on both sides."""
    hop, fade = config.hop_length, _margin(config) // 2 * config.hop_length
    origin = block.first * hop
    start = block.begin * hop - fade if block.begin else 0
    end = block.end * hop + fade
    if block.is_last:
        end = config.n_samples(block.end) if length is None else length
    elif length is not None:
        end = min(end, length)
    end = max(start, end)
    n_alone = end - start if block.is_last else min(max(0, block.end * hop - fade - start), end - start)
    magnitude, unit = in_safe_range(block.magnitude)
    if end == start or magnitude.max() == 0:
        return _Piece(start, np.zeros(end - start, dtype=magnitude.dtype), n_alone)
    sound_end = length if length is not None else end if block.is_last else 2**40
    edges = _Edges(
        -config.n_fft if block.begin else 0,
        sound_end - origin,
        (MARGIN_FLOOR if block.begin else SOUND_FLOOR, SOUND_FLOOR if block.is_last else MARGIN_FLOOR),
    )
    solve = _solve_lanes if lanes_serve(magnitude.dtype, config) else _solve_reference
    samples = solve(magnitude, block.turns, config, effort, edges)
    return _Piece(start, fit_length(samples[start - origin :], end - start) * unit, n_alone)


def _solve_lanes(
    magnitude: npt.NDArray[Any], turns: Floats, config: StftConfig, effort: _Effort, edges: _Edges
) -> FloatArray:
    """Samples from the first frame's own instant on, by the lanes."""
    from specloom.dsp.lanes.plan import Plan

    loudest = float(magnitude.max())
    n_frames = magnitude.shape[1]
    plan = Plan(config, narrow=True)
    half = plan.pack(magnitude, 0.5 / loudest)
    envelope = plan.envelope(n_frames, edges.begin, edges.end, floors=edges.floors)
    rows = plan.empty_rows(n_frames)
    plan.start(half, plan.pack_frames(turns), n_frames, rows)
    rows *= envelope.factors
    plan.iterate(half, n_frames, rows, envelope, n_iter=effort.n_iter, **effort.acceleration._asdict())
    return plan.sound_of(rows) * np.float32(loudest)


def _solve_reference(
    magnitude: npt.NDArray[Any], turns: Floats, config: StftConfig, effort: _Effort, edges: _Edges
) -> FloatArray:
    """The same with `scipy.fft`, in the precision of ``magnitude``."""
    import scipy.fft

    n_fft, hop = config.n_fft, config.hop_length
    loudest = magnitude.max()
    target = (magnitude / loudest).T
    window = padded_window(config).astype(magnitude.dtype)
    factors = _factors(config, magnitude.shape[1], edges).astype(magnitude.dtype)

    def add(spectra: npt.NDArray[Any]) -> npt.NDArray[Any]:
        signal = np.zeros(factors.size, dtype=magnitude.dtype)
        for frame, piece in enumerate(scipy.fft.irfft(spectra, n=n_fft, axis=1) * window):
            signal[frame * hop : frame * hop + n_fft] += piece
        return np.asarray(signal * factors)

    def project(signal: npt.NDArray[Any]) -> npt.NDArray[Any]:
        frames = np.lib.stride_tricks.sliding_window_view(signal, n_fft)[::hop] * window
        spectra = scipy.fft.rfft(frames, axis=1)
        return add(spectra * (target / np.maximum(np.abs(spectra), _NOTHING)))

    settled = add(target * np.exp(2j * np.pi * turns))
    looked_at = pushed = settled
    gamma, alpha, beta = effort.acceleration
    for iteration in range(effort.n_iter):
        weight = 1.0 if iteration == effort.n_iter - 1 else gamma
        new = weight * project(looked_at) + (1.0 - weight) * pushed
        looked_at, pushed = new + alpha * (new - settled), new + beta * (new - settled)
        settled = new
    return np.asarray(settled[n_fft // 2 if config.center else 0 :] * loudest)


# A bin below this (the loudest is 1) is nothing, and stays it.
_NOTHING = 1e-15


def _factors(config: StftConfig, n_frames: int, edges: _Edges) -> npt.NDArray[np.float64]:
    """What overlapped sums are multiplied by: one over the sum of squared windows, within the edges."""
    summed = squared_window_sum(config, n_frames)
    usual = in_rows_of_hops(padded_window(config) ** 2, config.hop_length).sum(axis=0).min()
    floors = np.repeat(np.array(edges.floors) * usual, [summed.size // 2, summed.size - summed.size // 2])
    factors = inverse_envelope(np.where(summed > 0, np.maximum(summed, floors), 0.0))
    place = np.arange(summed.size) - (config.n_fft // 2 if config.center else 0)
    return np.where((place >= edges.begin) & (place < edges.end), factors, 0.0)
