"""Which transform a picture shows: its bins and frames where pixels repeat, its window by what fits together best.

A program that draws one cell per bin and frame onto more pixels than cells repeats pixels, and never mixes two cells in
one pixel. Where neighbouring rows differ at all, a cell ends; so the number of cells can be counted, and each cell read
back as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.phase.reconstruct import reconstruct

Floats = npt.NDArray[np.float32]

_LEAST_EVIDENCE = 8
"""Pixels that must repeat their neighbour before cells are believed."""
_FITS_DB = -25.0
"""A reconstruction that fits as well as this has the right window."""
_SHIFTS = np.array([0.0, -0.25, 0.25, -0.5, 0.5, -0.75, 0.75, -1.0, 1.0])
"""How far an edge of the panel may lie from where it was read, in pixels."""
_FIRST, _LAST = (shift.reshape(-1, 1) for shift in np.meshgrid(_SHIFTS, _SHIFTS))
_EVER_FINER = (np.linspace(-1.0, 1.0, 41).reshape(-1, 1), np.linspace(-0.04, 0.04, 9).reshape(-1, 1))
_CLEAR_T, _CLEAR_RATIO = 12.0, 0.72
"""Figures saved as JPEG (quality 75 and 95) reach 18 to 31 and 0.15 to 0.62; figures made smaller 14 and 0.82."""


_Attempt = tuple[float, npt.NDArray[np.int64], int, int, int, int]
"""Cost, the cell of each pixel, the number of cells, disagreements, quiet pixels, and which shift."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """The cells along one axis of a panel.

    Parameters
    ----------
    pixels : int array, shape ``(n_cells,)``
        For each cell a pixel that shows it; for a cell that no pixel shows, the nearest.
    sure : float
        The share of all pixels that agree.
    """

    pixels: npt.NDArray[np.int64]
    sure: float

    @property
    def count(self) -> int:
        """How many."""
        return int(self.pixels.size)


def differences(panel: npt.NDArray[Any], axis: int) -> npt.NDArray[np.float64]:
    """How much neighbouring rows (``axis=0``) or columns (1) of ``(height, width[, 3])`` pixels differ, in the mean."""
    others = tuple(other for other in range(panel.ndim) if other != axis)
    return np.asarray(np.abs(np.diff(panel.astype(np.float32), axis=axis)).mean(axis=others, dtype=np.float64))


def find_cells(
    difference: npt.NDArray[np.float64], places: npt.NDArray[np.float64] | None = None, *, noise: bool = False
) -> Cells | None:
    """Count the cells along an axis.

    Parameters
    ----------
    difference : float64 array, shape ``(n_pixels - 1,)``
        Of `differences`.
    places : float64 array, shape ``(n_pixels,)``, optional
        Where the middle of each pixel lies on the axis, 0 (its beginning) to 1 (its end), in the coordinate in which
        the cells are evenly spaced; even steps if not given.
    noise : bool
        Whether pixels of one cell may differ a little (JPEG).

    Returns
    -------
    Cells or None
        None when there are no more pixels than cells, or when pixels do not repeat in a regular way.
    """
    n_pixels = difference.size + 1
    if places is None:
        places = (np.arange(n_pixels) + 0.5) / n_pixels
    if noise:
        return _find_noisy_cells(difference, places)
    changes = difference > 0.0
    least = 1 + int(changes.sum())
    if n_pixels - least < _LEAST_EVIDENCE or least < 4:
        return None
    attempts = chain(_attempts(changes, places, least), _usual_attempts(changes, places, least))
    best = min(attempts, key=lambda attempt: attempt[0])
    cost, index, n_cells, bad, still, _ = best
    if bad > 0.1 * still or still < _LEAST_EVIDENCE or cost > 0.5 * n_cells:
        return None
    return Cells(pixels=_pixel_of_cells(index, n_cells), sure=1.0 - bad / still)


def _attempts(changes: npt.NDArray[np.bool_], places: npt.NDArray[np.float64], least: int) -> Iterable[_Attempt]:
    """The best for each possible number of cells."""
    penalty = 0.05 * (np.abs(_FIRST) + np.abs(_LAST)).ravel()
    places = _shifted(places, _FIRST, _LAST)
    for n_cells in range(max(4, int(0.98 * least) - 1), changes.size + 1 - _LEAST_EVIDENCE // 2):
        yield _attempt(changes, places, n_cells, penalty)


def _attempt(
    changes: npt.NDArray[np.bool_],
    places: npt.NDArray[np.float64],
    n_cells: int,
    penalty: npt.NDArray[np.float64],
) -> _Attempt:
    """The best of all shifts ``(n_shifts, n_pixels)``, and which of them it is."""
    cells = np.clip(np.floor(places * n_cells), 0, n_cells - 1).astype(np.int64)
    borders = cells[:, 1:] != cells[:, :-1]
    bad = (changes & ~borders).sum(axis=1)
    missing = (borders & ~changes).sum(axis=1)
    cost = 3.0 * bad + missing + penalty  # a change that is not seen may be silence; one too many cannot be
    at = int(np.argmin(cost))
    return float(cost[at]), cells[at], n_cells, int(bad[at]), int((~borders[at]).sum()), at


def _usual_attempts(changes: npt.NDArray[np.bool_], places: npt.NDArray[np.float64], least: int) -> Iterable[_Attempt]:
    """The same for usual numbers of bins, more finely: with hardly more pixels than cells a tenth of a pixel counts."""
    for n_cells in (n_fft // 2 + 1 for n_fft in (256, 512, 1024, 2048, 4096)):
        if not max(0.98 * least - 1, changes.size / 1.5) <= n_cells <= changes.size - _LEAST_EVIDENCE // 2:
            continue
        first = last = np.zeros((1, 1))
        for steps in _EVER_FINER:
            tried = []
            for begin in first + steps:
                penalty = 0.05 * (np.abs(begin) + np.abs(last + steps)).ravel()
                attempt = _attempt(changes, _shifted(places, begin, last + steps), n_cells, penalty)
                tried.append((attempt, begin, last + steps[attempt[-1]]))
            best, first, last = min(tried, key=lambda one: one[0][0])
        yield best


def _shifted(
    places: npt.NDArray[np.float64], first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The same places if both edges lie a little elsewhere, ``(n_shifts, n_pixels)``."""
    begin = first * (places[1] - places[0])
    end = 1.0 + last * (places[-1] - places[-2])
    return np.asarray((places - begin) / (end - begin))


def _find_noisy_cells(difference: npt.NDArray[np.float64], places: npt.NDArray[np.float64]) -> Cells | None:
    """The number of cells at whose borders pixels differ most clearly more than elsewhere (Student's t)."""
    n_pixels = places.size
    width = min(51, n_pixels // 4 * 2 + 1)
    local = np.convolve(np.pad(difference, width // 2, mode="edge"), np.ones(width) / width, "valid")
    excess = difference - local
    spread = float(excess.std())
    if n_pixels < 32 or spread == 0.0:
        return None
    places, best, t_best, ratio = _shifted(places, _FIRST, _LAST), None, 0.0, 1.0
    for n_cells in range(max(4, n_pixels // 8), n_pixels - _LEAST_EVIDENCE // 2):
        cells = np.clip(np.floor(places * n_cells), 0, n_cells - 1).astype(np.int64)
        borders = cells[:, 1:] != cells[:, :-1]
        n_borders = np.maximum(borders.sum(axis=1), 1)
        n_still = np.maximum(difference.size - n_borders, 1)
        at_borders, total = borders @ excess, excess.sum()
        gain = at_borders / n_borders - (total - at_borders) / n_still
        t = gain / spread * np.sqrt(n_borders * n_still / difference.size)
        at = int(np.argmax(t))
        if t[at] > t_best:
            t_best, best = float(t[at]), (cells[at], n_cells)
            ratio = float(difference[~borders[at]].mean() / difference[borders[at]].mean())
    if best is None or t_best < _CLEAR_T or ratio > _CLEAR_RATIO:
        return None
    return Cells(pixels=_pixel_of_cells(*best), sure=1.0 - ratio / 2)


def _pixel_of_cells(index: npt.NDArray[np.int64], n_cells: int) -> npt.NDArray[np.int64]:
    """The middle pixel of each cell."""
    first = np.searchsorted(index, np.arange(n_cells), side="left")
    last = np.searchsorted(index, np.arange(n_cells), side="right") - 1
    return np.clip((first + np.maximum(first, last)) // 2, 0, index.size - 1)


# --- hop -----------------------------------------------------------------------------------------------------------


def hop_of(n_samples: int, n_frames: int, n_fft: int | None, sample_rate: int) -> tuple[int, float]:
    """The hop of ``n_frames`` centred frames over ``n_samples``, and how sure.

    ``n_frames == 1 + n_samples // hop`` leaves mostly one whole number, sometimes some: then the most usual is taken.
    """
    low, high = n_samples / n_frames, n_samples / max(1, n_frames - 1)
    allowed = [hop for hop in range(max(1, int(np.floor(low))), int(np.ceil(high)) + 1) if low < hop <= high]
    if not allowed:
        return max(1, round(n_samples / max(1, n_frames - 0.5))), 0.6
    if len(allowed) == 1:
        return allowed[0], 0.97
    usual = {round(sample_rate * ms / 1000.0) for ms in (5, 8, 10, 11.5, 12.5, 16, 20)} | {64, 128, 256, 512, 1024}
    usual |= {n_fft // share for share in (2, 4, 8, 16)} if n_fft else set()
    found = [hop for hop in allowed if hop in usual]
    return (found[0], 0.9) if found else (allowed[len(allowed) // 2], 0.6)


# --- which transform fits ------------------------------------------------------------------------------------------


def misfit_db(magnitude: Floats, config: StftConfig) -> float:
    """How far the magnitude of a quick reconstruction lies from what it was made of (spectral convergence), in dB.

    The loudest part of it is tried, some hundred frames; its ends do not count.
    """
    from specloom.dsp.stft import stft
    from specloom.metrics.spectral import spectral_convergence_db

    part = _loudest_part(magnitude, max(96, round(1.5 * config.frame_rate_hz)))
    if part.shape[1] < 8 or not part.any():
        return 0.0
    centred = replace(config, center=True)
    sound = reconstruct(part, centred, quality="fast", length=centred.n_samples(part.shape[1]))
    again = np.abs(stft(sound, centred))[:, : part.shape[1]]
    edge = min(part.shape[1] // 4, -(-config.win_length // config.hop_length))
    inner = slice(edge, part.shape[1] - edge)
    return float(spectral_convergence_db(again[:, inner], part[:, inner]))


def _loudest_part(magnitude: Floats, n_frames: int) -> Floats:
    """The ``n_frames`` frames with the most energy."""
    if magnitude.shape[1] <= n_frames:
        return np.ascontiguousarray(magnitude)
    energy = np.concatenate([[0.0], np.cumsum(np.square(magnitude, dtype=np.float64).sum(axis=0))])
    begin = int(np.argmax(energy[n_frames:] - energy[:-n_frames]))
    return np.ascontiguousarray(magnitude[:, begin : begin + n_frames])


def window_lengths(sample_rate: int, n_fft: int, hop_length: int) -> list[int]:
    """Window lengths that people use with a transform."""
    seconds = (0.02, 0.025, 0.032, 0.04, 0.046, 0.05, 0.064, 0.1)
    lengths = {n_fft, n_fft // 2, 4 * hop_length, *(round(sample_rate * s) for s in seconds)}
    lengths |= {int(sample_rate * s) for s in seconds}
    # What is hardly shorter than n_fft is n_fft.
    fitting = (length for length in lengths if 2 * hop_length <= length <= n_fft and not 0.95 < length / n_fft < 1)
    return sorted(fitting) or [n_fft]


def best_window(magnitude: Floats, config: StftConfig) -> tuple[StftConfig, float, float]:
    """Try the usual window lengths.

    Returns
    -------
    The config whose reconstruction fits best, its misfit in dB, and by how many dB the next one, at least an eighth
    longer or shorter, fits less.
    """
    misfits: dict[int, float] = {}

    def tried(lengths: Iterable[int]) -> int:
        for length in lengths:
            if length not in misfits and config.hop_length < length <= config.n_fft:
                misfits[length] = misfit_db(magnitude, replace(config, win_length=length))
        return min(misfits, key=lambda length: misfits[length])

    best = tried(window_lengths(config.sample_rate, config.n_fft, config.hop_length))
    if misfits[best] > _FITS_DB and best != config.n_fft:
        best = tried(round(best * share) for share in (0.9, 0.95, 1.05, 1.1))
    others = [misfit for length, misfit in misfits.items() if not 8 / 9 < length / best < 9 / 8]
    return replace(config, win_length=best), misfits[best], (min(others) - misfits[best]) if others else 0.0
