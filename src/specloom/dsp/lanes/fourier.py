"""The Fourier transform of LANES frames at once, in place.

A real frame of ``n_fft`` samples is seen as ``M = n_fft / 2`` complex points (even samples real, odd samples
imaginary). The forward transform decimates in frequency (natural order in, digits reversed out), the inverse
decimates in time (digits reversed in, natural order out), so no reordering pass exists: whoever works on the
spectrum in between looks its bins up in a table.

Memory decides the speed, not arithmetic. ``M`` points of 16 lanes are 128 KiB at ``n_fft = 2048``: more than a
first-level cache. Therefore the first step is always of radix 8, taken while the frames are read (`split8`), and
leaves eight sub-transforms that each fit; two of them, ``b`` and ``8 - b``, hold between them all the partners
``k`` and ``M - k`` that a real spectrum needs, so a pair is carried forward, worked on and carried back before
the next pair is touched. The last step (`join8`) mirrors the first. One iteration walks three times over the
points, instead of twelve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic

from specloom.dsp.lanes.vector import LANES, Complex, Lane, Memory, constant, plus

FIRST = 8  # radix of the first and last step
LAST = 4  # radix of the middle steps, next to the spectrum
# The eighths lie one point further apart than they are long: at a distance of a power of two their points would
# all fall into the same few sets of the first-level cache.
GAP = 1
SMALLEST_FFT = 256
LARGEST_FFT = 16384


def supports(n_fft: int) -> bool:
    """Whether the lanes know this transform length."""
    return SMALLEST_FFT <= n_fft <= LARGEST_FFT and n_fft & (n_fft - 1) == 0


def sub_radices(n_points: int) -> tuple[int, ...]:
    """Radices of a sub-transform before its `LAST` step: eights, and one or two fours where eights do not fit."""
    exponent = n_points.bit_length() - 3
    fours = (0, 2, 1)[exponent % 3]
    return (8,) * ((exponent - 2 * fours) // 3) + (4,) * fours


@dataclass(frozen=True)
class Tables:
    """What the kernels look up for one transform length; arrays are float32 or int64 and read-only."""

    n_fft: int
    split_twiddles: npt.NDArray[np.float32]
    """For each point of an eighth, the seven factors of the first step."""
    radices: npt.NDArray[np.int64]
    """Radices of the sub-transforms, but for the last."""
    starts: npt.NDArray[np.int64]
    """Which complex number of ``sub_twiddles`` is each radix's first."""
    sub_twiddles: npt.NDArray[np.float32]
    half: int
    """Place of the quad of bin M / 8, which is its own partner (as the quad of bin 0, at place 0, is)."""
    here: npt.NDArray[np.int64]
    """Places of the quads that have a partner, in the order in which they are worked on."""
    there: npt.NDArray[np.int64]
    """Places of their partners."""
    real_twiddles: npt.NDArray[np.float32]
    """exp(-2 pi i k / n_fft) for every bin k of `bins`, in that order."""
    bins: npt.NDArray[np.int64]
    """Row of a packed magnitude -> bin: first the two quads that are their own partners, then the pairs."""
    rows: npt.NDArray[np.int64]
    """Bin -> row. Bin M / 2 has a second one, `TWIN_ROW`, for it is its own partner."""
    phase_ends: npt.NDArray[np.int64]
    """Pairs are grouped by the eighths they live in: ends of the groups (0), (1, 7), (2, 6), (3, 5), (4)."""


@lru_cache(maxsize=16)
def tables(n_fft: int) -> Tables:
    """Build (once) the tables of a transform length."""
    m = n_fft // 2
    eighth = m // FIRST
    radices = sub_radices(eighth)
    subs: list[npt.NDArray[np.float32]] = []
    starts, n = [], eighth
    for radix in radices:
        starts.append(sum(len(factors) for factors in subs) // 2)
        subs.append(_twiddles(n, radix))
        n //= radix
    place = _digit_reversal(m, (FIRST, *radices, LAST))
    place += GAP * (place // eighth)
    first = _quad_order(place, m)
    bins = np.concatenate([_own_bins(m), *(_pair_bins(k, m) for k in first)])
    angle = -2.0 * np.pi * bins / n_fft
    return Tables(
        n_fft=n_fft,
        split_twiddles=_twiddles(m, FIRST),
        radices=np.array(radices, dtype=np.int64),
        starts=np.array(starts, dtype=np.int64),
        sub_twiddles=np.concatenate(subs),
        half=int(place[m // 8]),
        here=place[first],
        there=place[m // LAST - first],
        real_twiddles=np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32).ravel(),
        bins=bins,
        rows=_rows_of_bins(bins),
        phase_ends=np.cumsum(np.bincount(first % FIRST, minlength=5)),
    )


def _quad_order(place: npt.NDArray[np.int64], m: int) -> npt.NDArray[np.int64]:
    """Lowest bins of the quads that have partners, one of each pair: by group, then by place in memory.

    A quad holds the bins k, k + M/4, k + M/2, k + 3M/4 side by side; its partner holds M/4 - k and so on.
    """
    k = np.arange(1, m // LAST)
    k = k[(k % FIRST < FIRST // 2) | (k % FIRST == FIRST // 2)]
    inside = (k % FIRST == 0) | (k % FIRST == FIRST // 2)  # both partners in one eighth: keep the first of them
    k = k[~inside | (k < m // LAST - k)]
    return np.asarray(k[np.lexsort((place[k], k % FIRST))])


def _own_bins(m: int) -> npt.NDArray[np.int64]:
    """Rows of the quads of bins 0 and M/8: bins 0 and M, then low and high bin of each pair."""
    return np.array([0, m, m // 4, m - m // 4, m // 2, m // 2, m // 8, m - m // 8, 3 * m // 8, m - 3 * m // 8])


TWIN_ROW = 5


def _rows_of_bins(bins: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    rows = np.empty(bins.size - 1, dtype=np.int64)
    rows[np.delete(bins, TWIN_ROW)] = np.delete(np.arange(bins.size), TWIN_ROW)
    return rows


def _pair_bins(k: int, m: int) -> npt.NDArray[np.int64]:
    """Rows of a pair of quads: each bin of the first, followed by its partner."""
    low = k + m // LAST * np.arange(LAST)
    return np.stack([low, m - low], axis=-1).ravel()


def _twiddles(n: int, radix: int) -> npt.NDArray[np.float32]:
    """exp(-2 pi i j k / n) for j below n / radix and k = 1 … radix - 1, interleaved."""
    angle = -2.0 * np.pi * np.outer(np.arange(n // radix), np.arange(1, radix)) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32).ravel()


def _digit_reversal(m: int, radices: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Where decimation in frequency leaves bin k."""
    k = np.arange(m)
    place = np.zeros(m, dtype=np.int64)
    n = m
    for radix in radices:
        n //= radix
        place += (k % radix) * n
        k = k // radix
    return place


# --- what is written while numba compiles -----------------------------------------------------------------------


def dft(values: list[Complex], inverse: bool, one: Lane | None = None) -> list[Complex]:
    """Discrete Fourier transform of 2, 4 or 8 values, by halves, with no multiplication that can be avoided."""
    n = len(values)
    if n == 1:
        return values
    even, odd = dft(values[0::2], inverse, one), dft(values[1::2], inverse, one)
    turned = [_turn(value, k, n, inverse) for k, value in enumerate(odd)]
    sums = [e.plus_scaled(t, scale, one) for e, (t, scale) in zip(even, turned)]
    return sums + [e.plus_scaled(t, -scale, one) for e, (t, scale) in zip(even, turned)]


def _turn(value: Complex, k: int, n: int, inverse: bool) -> tuple[Complex, float]:
    """``value`` times exp(-+2 pi i k / n), as a value and a factor that is still to be multiplied."""
    if k == 0:
        return value, 1.0
    quarter = value.times_i() if inverse else value.over_i()
    if 4 * k == n:
        return quarter, 1.0
    if 8 * k == n:
        return value + quarter, math.sqrt(0.5)
    if 8 * k == 3 * n:
        return quarter - value, math.sqrt(0.5)
    raise ValueError(f"no factor for {k} of {n}")


def _step(radix: int, inverse: bool) -> Any:
    """An in-place butterfly on the points ``first, first + stride, …`` of an array."""

    @intrinsic
    def step(typing_context, points, first, stride, twiddles, start):
        signature = types.void(points, types.int64, types.int64, twiddles, types.int64)

        def generate(context, builder, signature, args):
            memory = Memory(context, builder, signature.args[0], args[0])
            table = Memory(context, builder, signature.args[3], args[3])
            places = [args[1]]
            for _ in range(radix - 1):
                places.append(builder.add(places[-1], args[2]))
            factors = [table.spread_complex(plus(builder, args[4], k)) for k in range(radix - 1)]
            values = [memory.point(place) for place in places]
            if inverse:
                values = _weigh(values, factors, conjugate=True)
            values = dft(values, inverse)
            if not inverse:
                values = _weigh(values, factors, conjugate=False)
            for place, value in zip(places, values):
                memory.put_point(place, value)
            return context.get_dummy_value()

        return signature, generate

    return step


def _weigh(values: list[Complex], factors: list[Complex], conjugate: bool) -> list[Complex]:
    """Multiply all but the first by their twiddle factors."""
    chosen = [factor.conjugate() if conjugate else factor for factor in factors]
    return [values[0], *(value * factor for value, factor in zip(values[1:], chosen))]


step8, step8_back = _step(8, False), _step(8, True)
step4, step4_back = _step(4, False), _step(4, True)


def _split(n_filled: int) -> Any:
    """The first step, from a small buffer: only the first ``n_filled`` of the eight inputs are not zero."""

    @intrinsic
    def split(typing_context, buffer, row, points, first, stride, twiddles, start):
        signature = types.void(buffer, types.int64, points, types.int64, types.int64, twiddles, types.int64)

        def generate(context, builder, signature, args):
            source = Memory(context, builder, signature.args[0], args[0])
            target = Memory(context, builder, signature.args[2], args[2])
            table = Memory(context, builder, signature.args[5], args[5])
            zero = Complex(Lane(builder, constant(0.0)), Lane(builder, constant(0.0)))
            values = [
                source.point(plus(builder, args[1], part * (LANES // 2))) if part < n_filled else zero
                for part in range(FIRST)
            ]
            factors = [table.spread_complex(plus(builder, args[6], k)) for k in range(FIRST - 1)]
            place = args[3]
            for value in _weigh(dft(values, False), factors, conjugate=False):
                target.put_point(place, value)
                place = builder.add(place, args[4])
            return context.get_dummy_value()

        return signature, generate

    return split


def _join(n_wanted: int) -> Any:
    """The last step, into a small buffer: only the first ``n_wanted`` of the eight outputs are kept."""

    @intrinsic
    def join(typing_context, points, first, stride, twiddles, start, buffer, row):
        signature = types.void(points, types.int64, types.int64, twiddles, types.int64, buffer, types.int64)

        def generate(context, builder, signature, args):
            source = Memory(context, builder, signature.args[0], args[0])
            table = Memory(context, builder, signature.args[3], args[3])
            target = Memory(context, builder, signature.args[5], args[5])
            place, values = args[1], []
            for _ in range(FIRST):
                values.append(source.point(place))
                place = builder.add(place, args[2])
            factors = [table.spread_complex(plus(builder, args[4], k)) for k in range(FIRST - 1)]
            results = dft(_weigh(values, factors, conjugate=True), True)
            for part, value in enumerate(results[:n_wanted]):
                target.put_point(plus(builder, args[6], part * (LANES // 2)), value)
            return context.get_dummy_value()

        return signature, generate

    return join


split4, split8 = _split(4), _split(8)
join4, join8 = _join(4), _join(8)

# --- what runs --------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, inline="always")
def forward(points, base, size, radices, starts, twiddles):
    """Transform the ``size`` points from ``base`` on, all but the `LAST` step."""
    n = size
    for level in range(len(radices)):
        radix = radices[level]
        stride = n // radix
        for block in range(base, base + size, n):
            if radix == 8:
                for j in range(stride):
                    step8(points, block + j, stride, twiddles, starts[level] + 7 * j)
            else:
                for j in range(stride):
                    step4(points, block + j, stride, twiddles, starts[level] + 3 * j)
        n = stride


@nb.njit(nogil=True, inline="always")
def backward(points, base, size, radices, starts, twiddles):
    """Undo `forward`, but for the factor ``size / LAST``."""
    n = LAST
    for level in range(len(radices) - 1, -1, -1):
        radix = radices[level]
        stride = n
        n = n * radix
        for block in range(base, base + size, n):
            if radix == 8:
                for j in range(stride):
                    step8_back(points, block + j, stride, twiddles, starts[level] + 7 * j)
            else:
                for j in range(stride):
                    step4_back(points, block + j, stride, twiddles, starts[level] + 3 * j)
