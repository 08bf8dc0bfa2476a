"""How the levels of a spectrogram picture are rounded to a JPEG, so that it can be heard.

JPEG cuts a picture into blocks of 8 x 8 pixels, takes each block's cosine transform and rounds every coefficient to a
multiple of its step. How coarse the steps are, and which multiple is taken, is up to whoever writes the file, and
what is usual is made for eyes and photographs: fine steps for what changes slowly, coarse ones for what changes from
pixel to pixel, and always the nearest multiple. A spectrogram is heard. So, here:

- All steps of a block are equal, since an error in one coefficient is heard as much as in another.
- An error counts as much as the level of its pixel, to the power of 1.5: the loud parts are what is heard, and what
  phase retrieval goes by. In each block the multiples are looked for whose error, so weighted, *and* whose cost in
  bits is the least, by changing one coefficient after the other (as in "trellis" quantisation). The bits that soft
  parts would have taken buy finer steps everywhere.

The file is an ordinary JPEG, 6 to 30 % larger than one of the usual tables and the same quality, and nothing has to be
known to read it.

Reference: Ortega, Ramchandran, "Rate-distortion methods for image and video compression", IEEE SPM 15(6), 1998.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from specloom.dsp.lanes.compiled import kernel
from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

BLOCK = 8
_SIZE = BLOCK * BLOCK

# A quality's step, and what a bit may cost in weighted squared error, chosen so that speech takes hardly more bytes
# than with Pillow's own tables of the same quality: a fifth more at 75, a twentieth at 95.
_STEP_AT_50 = 16.0
_BIT_COST_OF_STEP_1, _BIT_COST_POWER = 0.029, 1.53
# Where there is silence an error counts next to nothing.
_LEAST_WEIGHT = 1e-6
# Roughly the bits of a coefficient: the code for its size and the zeros before it, and the number itself.
_BITS_OF_ONE, _BITS_A_DOUBLING = 4.5, 2.0
_LARGEST = 2048


def quantisation(quality: int) -> npt.NDArray[np.uint8]:
    """The quantisation table of a quality: the same step for every coefficient.

    Parameters
    ----------
    quality : int
        1 to 100.

    Returns
    -------
    uint8 array, shape ``(8, 8)``
    """
    return np.full((BLOCK, BLOCK), round(min(255.0, max(1.0, _exact_step(quality)))), dtype=np.uint8)


def rounded(levels: npt.ArrayLike, quality: int) -> Pixels:
    """Pixels that a JPEG of `quantisation` holds nearly as they are, rounded where it is heard least.

    Parameters
    ----------
    levels : float array, shape ``(height, width)``
        Between 0 and 1, from silence to the loudest.
    quality : int
        1 to 100.

    Returns
    -------
    uint8 array, shape ``(height, width)``

    Raises
    ------
    ParameterError
        When ``levels`` are not two-dimensional, or the quality is not allowed.

    Notes
    -----
    Laws: weighted error and cost in bits together are never more than by plain rounding; what is all black or all
    white stays so (tests/laws/test_picture_jpeg.py).
    """
    step = float(quantisation(quality)[0, 0])
    return rounded_to(levels, step=step, bit_cost=_BIT_COST_OF_STEP_1 * _exact_step(quality) ** _BIT_COST_POWER)


def rounded_to(levels: npt.ArrayLike, *, step: float, bit_cost: float) -> Pixels:
    """The same for any step, and any cost of a bit in squared error of a pixel (0..255) of the loudest level."""
    # A copy, which can be written to: numba compiles once more for arrays that cannot.
    wanted = np.array(levels, dtype=np.float32, order="C")
    if wanted.ndim != 2 or wanted.size == 0:
        raise ParameterError(f"levels have shape {wanted.shape}: (height, width) with something in it is needed")
    # Blocks that the edge cuts are left to the encoder, which fills them up as it likes.
    pixels: Pixels = np.rint(wanted * np.float32(255.0)).astype(np.uint8)
    _round_blocks(wanted, np.float32(step), np.float32(bit_cost), _cosines(), _patterns(), _bits(), pixels)
    return pixels


def _exact_step(quality: int) -> float:
    """The qualities of the Independent JPEG Group, which everybody means: 50 is the table, 100 a hundredth of it."""
    if not 1 <= quality <= 100:
        raise ParameterError(f"quality={quality!r}: 1 to 100 are allowed")
    return _STEP_AT_50 * (50.0 / quality if quality < 50 else 2.0 - quality / 50.0)


@lru_cache(maxsize=1)
def _cosines() -> FloatArray:
    """Orthonormal cosine transform of 8 numbers."""
    k = np.arange(BLOCK)
    matrix = np.sqrt(2.0 / BLOCK) * np.cos(np.pi * np.outer(k, 2 * k + 1) / (2 * BLOCK))
    matrix[0] /= np.sqrt(2.0)
    return np.ascontiguousarray(matrix, dtype=np.float32)


@lru_cache(maxsize=1)
def _patterns() -> FloatArray:
    """The pixels of each coefficient, shape ``(64, 64)``."""
    return np.kron(_cosines(), _cosines())


@lru_cache(maxsize=1)
def _bits() -> FloatArray:
    """What a coefficient costs, by its multiple of the step."""
    multiples = np.arange(1, _LARGEST)
    return np.append(0.0, _BITS_OF_ONE + _BITS_A_DOUBLING * np.log2(multiples)).astype(np.float32)


# --- compiled ---------------------------------------------------------------------------------------------------

_compiled: Any = nb.njit(nogil=True, fastmath=True)


@kernel
def _round_blocks(levels, step, bit_cost, cosines, patterns, bits, pixels):
    """Fill the whole blocks of ``pixels`` with ``levels``."""
    height, width = levels.shape
    inverse = np.ascontiguousarray(cosines.T)
    squares = cosines * cosines
    picture, weights, error, multiples, stiffness, scratch = np.empty((6, _SIZE), np.float32)
    for top in range(0, height - BLOCK + 1, BLOCK):
        for left in range(0, width - BLOCK + 1, BLOCK):
            _load(levels, top, left, picture, weights)
            _transform(picture, cosines, scratch, multiples)
            for k in range(_SIZE):
                multiples[k] = np.rint(multiples[k] / step)
            _back(multiples, step, inverse, scratch, error)
            for i in range(_SIZE):
                error[i] = weights[i] * (picture[i] - error[i])
            # How fast the error grows with the square of a coefficient.
            _transform(weights, squares, scratch, stiffness)
            _improve(error, weights, stiffness, step, bit_cost, cosines, patterns, bits, scratch, multiples)
            _back(multiples, step, inverse, scratch, picture)
            for i in range(BLOCK):
                for j in range(BLOCK):
                    pixels[top + i, left + j] = np.rint(min(max(picture[BLOCK * i + j] + 128.0, 0.0), 255.0))


@_compiled
def _load(levels, top, left, picture, weights):
    """A block and its weights."""
    for i in range(BLOCK):
        for j in range(BLOCK):
            level = levels[top + i, left + j]
            picture[BLOCK * i + j] = np.float32(255.0) * level - np.float32(128.0)
            weights[BLOCK * i + j] = level * np.sqrt(level) + np.float32(_LEAST_WEIGHT)


@_compiled
def _transform(block, matrix, scratch, transformed):
    """``matrix @ block @ matrix.T``, written so that rows are vectors."""
    for k in range(BLOCK):
        for j in range(BLOCK):
            scratch[BLOCK * k + j] = 0.0
        for i in range(BLOCK):
            factor = matrix[k, i]
            for j in range(BLOCK):
                scratch[BLOCK * k + j] += factor * block[BLOCK * i + j]
    for k in range(BLOCK):
        for m in range(BLOCK):
            total = np.float32(0.0)
            for j in range(BLOCK):
                total += scratch[BLOCK * k + j] * matrix[m, j]
            transformed[BLOCK * k + m] = total


@_compiled
def _back(multiples, step, inverse, scratch, picture):
    """The pixels, 128 less, of multiples of the step."""
    _transform(multiples, inverse, scratch, picture)
    for i in range(_SIZE):
        picture[i] *= step


@_compiled
def _improve(error, weights, stiffness, step, bit_cost, cosines, patterns, bits, slopes, multiples):
    """Change multiples one after the other, the finest pattern first. A second round would hardly be heard.

    ``error`` is that of the pixels times their weights, and is kept so. Nothing ever becomes worse.
    """
    passed = np.empty(_SIZE, np.float32)
    _transform(error, cosines, passed, slopes)
    for k in range(_SIZE - 1, -1, -1):
        curve = step * stiffness[k]
        # The constant of a block is coded as a difference from that of the block before.
        cost = bit_cost if k > 0 else np.float32(0.0)
        # Most coefficients are 0 and stay so: to tell, the slope before all changes is good enough.
        if multiples[k] == 0.0 and _stays_silent(slopes[k], curve, step, cost):
            continue
        pattern = patterns[k]
        slope = _product(pattern, error)
        multiple = _cheapest(multiples[k], slope, curve, step, cost, bits)
        if multiple != multiples[k]:
            shift = step * (multiple - multiples[k])
            for i in range(_SIZE):
                error[i] -= shift * pattern[i] * weights[i]
            multiples[k] = multiple


@_compiled
def _stays_silent(slope, curve, step, bit_cost):
    """Whether 0 is the nearest, or all that could be gained is less than the bits of a 1."""
    half = np.float32(0.5)
    return abs(slope) < half * curve or step * slope * slope < np.float32(_BITS_OF_ONE) * bit_cost * curve


@_compiled
def _product(first, second):
    total = np.float32(0.0)
    for i in range(_SIZE):
        total += first[i] * second[i]
    return total


@_compiled
def _cheapest(old, slope, curve, step, bit_cost, bits):
    """The multiple of least cost: the one of least error, 0, or the one there is."""
    nearest = old + np.rint(slope / curve)
    best, least = old, bit_cost * _bits_of(old, bits)
    for multiple in (nearest, np.float32(0.0)):
        by = multiple - old
        cost = by * step * (by * curve - np.float32(2.0) * slope) + bit_cost * _bits_of(multiple, bits)
        if cost < least:
            best, least = multiple, cost
    return best


@_compiled
def _bits_of(multiple, bits):
    return bits[min(int(abs(multiple)), bits.size - 1)]
