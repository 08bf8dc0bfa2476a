"""What a JPEG does to a picture of a spectrogram, and how much of it can be undone.

JPEG cuts the picture into blocks of 8 x 8 pixels, takes each block's cosine transform and rounds every coefficient to
a multiple of a step from its quantisation table. The error that is left hardly matters by itself (with the true phase
the sound is nearly the same), but phase retrieval lives on how the magnitudes of overlapping frames fit each other.

*Writing.* What matters is how fine the rounding is beside the contrast of a row, and half of what is lost is lost
below 1 kHz. Each row is therefore stretched first, from its own floor and level to the whole range (`row_levels`,
`levelled`); floors and levels travel with the settings.

*Reading.* The coefficients can be found again exactly, from the decoded pixels: the true picture lies within half a
step of each, in a convex *cell*. The magnitudes also have to be those of a sound. `refined` looks for both: it finds a
sound for the decoded picture and then alternates between the sound's own spectrum and the nearest picture in the cell
that stays within a decibel or two of the decoded one (projections, accelerated as in the fast Griffin-Lim algorithm).

References
----------
Zakhor, "Iterative procedures for reduction of blocking effects in transform image coding", IEEE TCSVT 2(1), 1992.
Perraudin, Balazs, Soendergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.stft import istft, stft
from specloom.errors import ParameterError
from specloom.phase.reconstruct import reconstruct
from specloom.recipes.scales import Scale

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

BLOCK = 8
_WHITE = np.float32(255.0)
_MIDDLE = np.float32(128.0)

# --- rows and their levels --------------------------------------------------------------------------------------

# Rows between two levels, and the least level: a row that never sounds is not blown up to noise.
_KNOT_ROWS = 16
_LEAST_LEVEL = 1.0 / 32.0
# The share of a row's values that may be cut off below its floor, and the most that a floor may be of the level.
_BELOW = 0.05
_HIGHEST_FLOOR = 0.5


def row_levels(values: npt.ArrayLike) -> tuple[float, ...]:
    """Floors and levels of the rows of a picture, between which each row can use the whole range.

    Parameters
    ----------
    values : float array, shape ``(n_rows, n_frames)`` or ``(n_channels, n_rows, n_frames)``
        Stored values of a power scale, 0..1, lowest frequency first.

    Returns
    -------
    tuple of float
        Floors every 16 rows, from 0, then as many levels, from 1/32 to 1, four decimals; in between they lie on lines.
        No value is above the level of its row, and a twentieth of a row at most is below its floor. All channels share
        them.
    """
    stored = np.asarray(values, dtype=np.float32)
    if stored.ndim < 2 or stored.size == 0:
        raise ParameterError(
            f"values have shape {stored.shape}: (..., n_rows, n_frames) with something in it is needed"
        )
    rows = np.moveaxis(stored, -2, 0).reshape(stored.shape[-2], -1)
    loudest = rows.max(axis=1)
    if not loudest.any():
        loudest = np.ones_like(loudest)
    n_cut = int(_BELOW * rows.shape[1])
    softest = np.partition(rows, n_cut, axis=1)[:, n_cut]
    levels = np.clip(np.ceil(_knots(loudest) * 1e4) / 1e4, _LEAST_LEVEL, 1.0)
    floors = np.clip(np.floor(-_knots(-softest) * 1e4) / 1e4, 0.0, _HIGHEST_FLOOR * levels)
    return tuple(float(knot) for knot in (*floors, *levels))


def levelled(values: npt.ArrayLike, levels: tuple[float, ...]) -> FloatArray:
    """Values ``(..., n_rows, n_frames)`` with each row stretched to 0..1 from between its floor and its level."""
    stored = np.asarray(values, dtype=np.float32)
    floor, height = _stretch(levels, stored.shape[-2])
    return np.asarray(np.clip((stored - floor) / height, np.float32(0.0), np.float32(1.0)))


def unlevelled(values: npt.ArrayLike, levels: tuple[float, ...]) -> FloatArray:
    """The inverse of `levelled`; what was below a floor comes back as the floor."""
    stored = np.asarray(values, dtype=np.float32)
    floor, height = _stretch(levels, stored.shape[-2])
    return np.asarray(floor + stored * height, dtype=np.float32)


def _knots(loudest: FloatArray) -> npt.NDArray[np.float64]:
    """A knot every 16 rows, as high as any row on either side: the line between two is above all rows between them."""
    n_between = -(-loudest.size // _KNOT_ROWS)
    padded = np.pad(loudest, (0, n_between * _KNOT_ROWS - loudest.size), mode="edge")
    between = padded.reshape(n_between, _KNOT_ROWS).max(axis=1).astype(np.float64)
    return np.asarray(np.maximum(np.append(between, between[-1]), np.insert(between, 0, between[0])))


def _stretch(levels: tuple[float, ...], n_rows: int) -> tuple[FloatArray, FloatArray]:
    """Floor and height of each row, as columns."""
    wanted = -(-n_rows // _KNOT_ROWS) + 1
    knots = np.asarray(levels, dtype=np.float32)
    if knots.shape != (2 * wanted,):
        raise ParameterError(
            f"{knots.size} row levels for {n_rows} rows: {2 * wanted} are needed, a floor and a level every "
            f"{_KNOT_ROWS} rows"
        )
    floors, heights = knots[:wanted], knots[wanted:] - knots[:wanted]
    if not (np.isfinite(knots).all() and (knots >= 0.0).all() and (heights > 0.0).all()):
        raise ParameterError("row levels must be finite and above their floors: the picture's settings are damaged")
    place = np.arange(n_rows) / _KNOT_ROWS
    floor, height = (np.interp(place, np.arange(wanted), line).astype(np.float32) for line in (floors, heights))
    return floor[:, None], height[:, None]


# --- what is known from the file --------------------------------------------------------------------------------

# Decoded pixels are whole numbers, so a coefficient found again is off by a few tenths. One that is further from every
# multiple of its step was clipped at black or white, lies in a block beyond the edge, or the table is not this file's.
_FOUND = np.float32(1.5)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cosine coefficients of a JPEG and how far the picture's own may lie from them.

    Parameters
    ----------
    centre : float32 array, shape ``(height, width)``, both multiples of 8
        Coefficients, each 8 x 8 block in its place.
    reach : float32 array, shape ``(8, 8)``
        Half of the quantisation steps.
    shape : (int, int)
        Height and width of the picture.
    """

    centre: FloatArray
    reach: FloatArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, pixels: Pixels, quantisation: npt.ArrayLike) -> Cells:
        """Of a decoded picture, ``(height, width)``, and its quantisation table, ``(8, 8)`` in natural order.

        Raises
        ------
        ParameterError
            For a picture that is not two-dimensional, or a table of another shape or with steps that are not positive.
        """
        steps = np.asarray(quantisation, dtype=np.float32)
        if steps.shape != (BLOCK, BLOCK) or not (steps >= 1.0).all():
            raise ParameterError(f"quantisation has shape {steps.shape}: 8 x 8 whole steps of at least 1 are needed")
        decoded = np.asarray(pixels)
        if decoded.ndim != 2 or decoded.size == 0:
            raise ParameterError(f"pixels have shape {decoded.shape}: a gray picture (height, width) is needed")
        found = _cosines(decoded.astype(np.float32) - _MIDDLE)
        step = _over_blocks(steps, found.shape)
        multiple = np.round(found / step) * step
        centre = np.where(np.abs(found - multiple) <= _FOUND, multiple, found)
        return cls(centre, steps * np.float32(0.5), (decoded.shape[0], decoded.shape[1]))

    def nearest(self, picture: FloatArray) -> FloatArray:
        """The picture in the cells, codes with fractions, that is nearest to ``picture``, shape ``(height, width)``.

        Of blocks that the edge cuts, only the decoded part is known; there it is nearly the nearest.
        """
        reach = _over_blocks(self.reach, self.centre.shape)
        off = _cosines(picture - _MIDDLE)
        off -= self.centre
        np.clip(off, -reach, reach, out=off)
        off += self.centre
        height, width = self.shape
        return np.asarray(_pixels(off)[:height, :width] + _MIDDLE)


@lru_cache(maxsize=1)
def _cosine_matrix() -> FloatArray:
    """Orthonormal cosine transform of 8 numbers."""
    k = np.arange(BLOCK)
    matrix = np.sqrt(2.0 / BLOCK) * np.cos(np.pi * np.outer(k, 2 * k + 1) / (2 * BLOCK))
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix, dtype=np.float32)


def _cosines(picture: FloatArray) -> FloatArray:
    """Coefficients of all blocks; the last row and column are repeated until the blocks are full, as encoders do."""
    height, width = picture.shape
    full = np.pad(picture, ((0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    return _transformed(full, _cosine_matrix())


def _pixels(coefficients: FloatArray) -> FloatArray:
    """The inverse of `_cosines`, with the repeated rows and columns."""
    return _transformed(coefficients, _cosine_matrix().T)


def _transformed(blocks: FloatArray, matrix: FloatArray) -> FloatArray:
    """``matrix @ block @ matrix.T`` for every block."""
    height, width = blocks.shape
    down = np.matmul(matrix, blocks.reshape(-1, BLOCK, width))
    across: FloatArray = np.matmul(down.reshape(-1, BLOCK), np.ascontiguousarray(matrix.T))
    return across.reshape(height, width)


def _over_blocks(table: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """A value for each coefficient of all blocks."""
    return np.tile(table, (shape[0] // BLOCK, shape[1] // BLOCK))


# --- looking for the sound --------------------------------------------------------------------------------------

# The fewer frames a second, the less they overlap, the longer the search takes and the less an iteration costs.
_FEWEST_ITERATIONS, _MOST_ITERATIONS, _ITERATIONS_AT_1_HZ = 16, 40, 1600.0
_MOMENTUM = np.float32(0.99)
# Frames that are worked on at a time, and how many more on both sides; multiples of a block's 8.
_CHUNK_FRAMES = 1024
_MARGIN_FRAMES = 32
_FEWEST_FRAMES = 4


def refined(
    pixels: Pixels,
    *,
    quantisation: npt.ArrayLike,
    scale: Scale,
    peak: float,
    config: StftConfig,
    row_levels: tuple[float, ...] | None = None,
    n_channels: int = 1,
    length: int | None = None,
) -> FloatArray:
    """Values of a linear spectrogram from a JPEG of it, nearer to a sound's than the decoded pixels are.

    Parameters
    ----------
    pixels : uint8 array, shape ``(n_channels * n_bins, n_frames)``
        As the file is decoded: the highest frequency on top, the first channel on top of the next.
    quantisation : array, shape ``(8, 8)``
        The luminance table of the file, natural order.
    scale : Scale
        The scale of the stored values.
    peak : float
        The magnitude that the scale was divided by.
    config : StftConfig
    row_levels : tuple of float, optional
        What `levelled` was given.
    n_channels : int
    length : int, optional
        Samples of the sound that the frames come from, if known.

    Returns
    -------
    float32 array, shape ``(n_bins, n_frames)``, or ``(n_channels, n_bins, n_frames)`` of more than one channel
        Stored values of ``scale``, 0..1, lowest frequency first.

    Raises
    ------
    ParameterError
        For a picture of another height, a damaged table or levels, or a transform that is not invertible.

    Notes
    -----
    Laws: the levelled result lies in the JPEG's cells (to a code at most, where black or white is clipped); silence
    stays silence; the same picture gives the same values (tests/laws/test_picture_jpeg.py). Memory is bounded but for
    the picture and the result.
    """
    decoded = np.asarray(pixels)
    if decoded.ndim != 2 or decoded.shape[0] != n_channels * config.n_bins or decoded.size == 0:
        raise ParameterError(
            f"pixels have shape {decoded.shape}: ({n_channels * config.n_bins}, n_frames) is needed for "
            f"{n_channels} channel(s) of n_fft={config.n_fft}"
        )
    unstretched = np.zeros((config.n_bins, 1), np.float32), np.ones((config.n_bins, 1), np.float32)
    stretch = unstretched if row_levels is None else _stretch(row_levels, config.n_bins)
    search = _Search(scale, peak or 1.0, config, *stretch, n_channels, np.asarray(quantisation, np.float32))
    n_frames = decoded.shape[1]
    values = np.empty((n_channels, config.n_bins, n_frames), dtype=np.float32)
    for begin in range(0, n_frames, _CHUNK_FRAMES):
        end = min(begin + _CHUNK_FRAMES, n_frames)
        first, last = max(0, begin - _MARGIN_FRAMES), min(end + _MARGIN_FRAMES, n_frames)
        rest = None if length is None or last < n_frames else length - first * config.hop_length
        values[..., begin:end] = search.of(decoded[:, first:last], rest)[..., begin - first : end - first]
    return values if n_channels > 1 else values[0]


@dataclass(frozen=True, eq=False)
class _Search:
    """The search for the values of some frames."""

    scale: Scale
    peak: float
    config: StftConfig
    floor: FloatArray
    height: FloatArray
    n_channels: int
    quantisation: FloatArray

    def of(self, pixels: Pixels, length: int | None) -> FloatArray:
        """Values of all channels, shape ``(n_channels, n_bins, n_frames)``."""
        cells = Cells.of(pixels, self.quantisation)
        picture = pixels.astype(np.float32)
        decoded = self._magnitude(picture)
        n_samples = self.config.n_samples(pixels.shape[1]) if length is None else length
        if pixels.shape[1] < _FEWEST_FRAMES or n_samples < self.config.n_fft or not decoded.any():
            return self._values(picture)
        reach = self._reach()
        least, most = decoded / reach, decoded * reach

        def allowed(magnitude: FloatArray) -> FloatArray:
            return cells.nearest(self._picture(np.clip(magnitude, least, most)))

        sound = reconstruct(decoded, self.config, quality="fast", length=n_samples)
        seen = before = _spectrum(sound, self.config, pixels.shape[1])
        for _ in range(_n_iterations(self.config)):
            size = np.abs(seen)
            seen *= self._magnitude(allowed(size)) / np.maximum(size, np.float32(1e-9 * self.peak))
            now = _spectrum(istft(seen, self.config, n_samples), self.config, pixels.shape[1])
            seen, before = now + _MOMENTUM * (now - before), now
        return self._values(allowed(np.abs(before)))

    def _reach(self) -> np.float32:
        """How far, as a factor, a magnitude may lie from the decoded one: 2 dB for Pillow's quality 75, 1 dB for 95."""
        mean_step = float(np.mean(self.quantisation))
        return np.float32(10.0 ** (min(4.0, 2.0 * np.sqrt(mean_step / 29.0)) / 20.0))

    def _values(self, picture: FloatArray) -> FloatArray:
        """Stored values of a picture: turned over, its channels apart, its rows at their own level."""
        channels = picture.reshape(self.n_channels, self.config.n_bins, -1)[:, ::-1]
        values: FloatArray = np.clip(channels / _WHITE, np.float32(0.0), np.float32(1.0)) * self.height
        values += self.floor
        return values

    def _magnitude(self, picture: FloatArray) -> FloatArray:
        return self.scale.undo(self._values(picture), self.peak)

    def _picture(self, magnitude: FloatArray) -> FloatArray:
        stored = (self.scale.apply(magnitude, self.peak) - self.floor) / self.height
        np.clip(stored, np.float32(0.0), np.float32(1.0), out=stored)
        stored *= _WHITE
        return stored[:, ::-1].reshape(-1, stored.shape[-1])


def _n_iterations(config: StftConfig) -> int:
    return max(_FEWEST_ITERATIONS, min(_MOST_ITERATIONS, round(_ITERATIONS_AT_1_HZ / config.frame_rate_hz)))


def _spectrum(samples: npt.NDArray[np.floating], config: StftConfig, n_frames: int) -> npt.NDArray[np.complex64]:
    """The transform of a sound, with as many frames as the picture has."""
    spectrum = stft(samples.astype(np.float32, copy=False), config)[..., :n_frames]
    missing = n_frames - spectrum.shape[-1]
    return np.pad(spectrum, ((0, 0), (0, 0), (0, missing))) if missing else np.ascontiguousarray(spectrum)
