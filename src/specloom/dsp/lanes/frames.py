"""One walk over the frames of a signal: read, transform, do one thing to the spectrum, transform back, add up.

The thing to do is the ``mode``: put a spectrum out (`EMIT`), take one in (`ABSORB`), build one from magnitude and
phase (`START`), or keep the phase and set the magnitude (`PROJECT`, a Griffin-Lim iteration). All four share one
compiled kernel. Signals are laid out so that frame ``f``'s window begins at sample ``f * hop`` of the array.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from specloom.dsp.lanes.compiled import kernel
from specloom.dsp.lanes.fourier import (
    FIRST,
    GAP,
    LAST,
    backward,
    dft,
    forward,
    join4,
    join8,
    split4,
    split8,
)
from specloom.dsp.lanes.vector import (
    INTS,
    LANES,
    VECTOR,
    Complex,
    Lane,
    Memory,
    constant,
    plus,
    spread,
    times,
    transpose,
    twice_reciprocal_roots,
)

EMIT, ABSORB, START, PROJECT = 0, 1, 2, 3
OWN_ROWS = 10  # rows of the quads that are their own partners

# Added to a power before its root is taken, so that nothing divided by nothing is nothing. Magnitudes are scaled
# to at most 1 before they come here.
_NOTHING = 1e-30
LEAST_MAGNITUDE = 1e-30  # what logarithms are taken of at least


# --- samples to lanes and back ----------------------------------------------------------------------------------


@intrinsic
def gather(typing_context, signal, start, hop, window, place, buffer, row):
    """Rows ``row …`` of the buffer = LANES samples of LANES frames, weighed by the window."""
    signature = types.void(signal, types.int64, types.int64, window, types.int64, buffer, types.int64)

    def generate(context, builder, signature, args):
        source = Memory(context, builder, signature.args[0], args[0])
        weight = Memory(context, builder, signature.args[3], args[3]).at(args[4])
        target = Memory(context, builder, signature.args[5], args[5])
        offset, rows = args[1], []
        for _ in range(LANES):
            rows.append((source.at(offset) * weight).value)
            offset = builder.add(offset, args[2])
        for index, value in enumerate(transpose(builder, rows)):
            target.put_row(plus(builder, args[6], index), Lane(builder, value))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def scatter(typing_context, buffer, row, signal, start, hop, window, place):
    """Add what `gather` would have read back onto the signal, weighed by the window."""
    signature = types.void(buffer, types.int64, signal, types.int64, types.int64, window, types.int64)

    def generate(context, builder, signature, args):
        source = Memory(context, builder, signature.args[0], args[0])
        target = Memory(context, builder, signature.args[2], args[2])
        weight = Memory(context, builder, signature.args[5], args[5]).at(args[6])
        rows = [source.row(plus(builder, args[1], index)).value for index in range(LANES)]
        offset = args[3]
        for value in transpose(builder, rows):
            target.put(offset, target.at(offset) + Lane(builder, value) * weight)
            offset = builder.add(offset, args[4])
        return context.get_dummy_value()

    return signature, generate


# --- the spectrum of a real frame, two bins at a time -----------------------------------------------------------


def unpack(here: Complex, there: Complex, turn: Complex) -> tuple[Complex, Complex]:
    """Twice the bins k and M - k from the points k and M - k."""
    even = here + there.conjugate()
    odd = (here - there.conjugate()).over_i() * turn
    return even + odd, (even - odd).conjugate()


def pack(low: Complex, high: Complex, turn: Complex) -> tuple[Complex, Complex]:
    """Twice the points k and M - k from the bins k and M - k."""
    even = low + high.conjugate()
    odd = ((low - high.conjugate()) * turn.conjugate()).times_i()
    return even + odd, (even - odd).conjugate()


def set_magnitudes(values: list[Complex], halves: list[Lane]) -> list[Complex]:
    """Keep the directions of ``values``, take twice ``halves`` as their lengths."""
    powers = [value.power() + _NOTHING for value in values]
    factors = [root * half for root, half in zip(twice_reciprocal_roots(powers), halves)]
    return [value * factor for value, factor in zip(values, factors)]


def cosine_and_sine(turns: Lane) -> Complex:
    """exp(2 pi i turns): error below 2e-7 for any number of turns that float32 can count."""
    b = turns.builder
    kind = ir.FunctionType(VECTOR, [VECTOR])
    name = f"llvm.nearbyint.v{LANES}f32"
    nearest = b.module.globals.get(name)
    if nearest is None:
        nearest = ir.Function(b.module, kind, name)
    # Quarter turns: an even polynomial and an odd one on +-1/8 of a turn, swapped and signed by the quarter.
    quarters = turns * 4.0
    whole = Lane(b, b.call(nearest, [quarters.value]))
    angle = (quarters - whole) * (math.pi / 2)
    square = angle * angle
    sine = angle * (1.0 + square * (-1.6666654611e-1 + square * (8.3321608736e-3 + square * -1.9515295891e-4)))
    cosine = 1.0 + square * (
        -0.5 + square * (4.166664568298827e-2 + square * (-1.388731625493765e-3 + square * 2.443315711809948e-5))
    )
    quarter = b.fptosi(whole.value, INTS)
    one = ir.Constant(INTS, [1] * LANES)
    swapped = b.icmp_signed("==", b.and_(quarter, one), one)
    real = b.select(swapped, sine.value, cosine.value)
    imaginary = b.select(swapped, cosine.value, sine.value)
    sign = ir.Constant(INTS, [-(2**31)] * LANES)
    thirty = ir.Constant(INTS, [30] * LANES)
    flip_real = b.and_(b.shl(b.add(quarter, one), thirty), sign)
    flip_imaginary = b.and_(b.shl(quarter, thirty), sign)
    real = b.bitcast(b.xor(b.bitcast(real, INTS), flip_real), VECTOR)
    imaginary = b.bitcast(b.xor(b.bitcast(imaginary, INTS), flip_imaginary), VECTOR)
    return Complex(Lane(b, real), Lane(b, imaginary))


def put_bin(memory: Memory, offset: ir.Value, value: Complex) -> None:
    """Store LANES complex numbers, parts alternating, as numpy has them."""
    b = memory.builder
    half = LANES // 2
    for part, first in ((0, 0), (1, half)):
        mask = ir.Constant(INTS, [x for i in range(first, first + half) for x in (i, i + LANES)])
        mixed = b.shuffle_vector(value.re.value, value.im.value, mask)
        memory.put(plus(b, offset, part * LANES), Lane(b, mixed))


def take_bin(memory: Memory, offset: ir.Value) -> Complex:
    """Load LANES complex numbers, parts alternating."""
    b = memory.builder
    low, high = memory.at(offset).value, memory.at(plus(b, offset, LANES)).value
    real = b.shuffle_vector(low, high, ir.Constant(INTS, list(range(0, 2 * LANES, 2))))
    imaginary = b.shuffle_vector(low, high, ir.Constant(INTS, list(range(1, 2 * LANES, 2))))
    return Complex(Lane(b, real), Lane(b, imaginary))


class Operand:
    """What a mode works with, while code is being written: packed rows, or a spectrum with a stride per bin."""

    def __init__(self, memory: Memory, start: ir.Value, stride: ir.Value, bins: Memory) -> None:
        self.memory = memory
        self.start = start
        self.stride = stride
        self.bins = bins

    def packed(self, row: int, base: ir.Value) -> Lane:
        """Row ``base + row`` of a packed array."""
        builder = self.memory.builder
        return self.memory.row(builder.add(plus(builder, base, row), self.start))

    def place(self, row: int, base: ir.Value) -> ir.Value:
        """Where the bin of row ``base + row`` begins in a spectrum."""
        builder = self.memory.builder
        number = builder.load(builder.gep(self.bins.data, [plus(builder, base, row)]))
        return builder.add(builder.mul(number, self.stride), self.start)


def _emit(values, first, second, rows, base):
    for value, row in zip(values, rows):
        put_bin(first.memory, first.place(row, base), value * 0.5)
    return values


def _absorb(values, first, second, rows, base):
    return [take_bin(first.memory, first.place(row, base)) for row in rows]


def _start(values, first, second, rows, base):
    return [cosine_and_sine(second.packed(row, base)) * (first.packed(row, base) * 2.0) for row in rows]


def _project(values, first, second, rows, base):
    return set_magnitudes(values, [first.packed(row, base) for row in rows])


def _edge_bins(point: Complex) -> tuple[Complex, Complex]:
    """Twice bins 0 and M, which are real, from point 0."""
    zero = Lane(point.re.builder, constant(0.0))
    doubled = point * 2.0
    return Complex(doubled.re + doubled.im, zero), Complex(doubled.re - doubled.im, zero)


def _edge_point(low: Complex, high: Complex) -> Complex:
    """Twice point 0 from bins 0 and M."""
    return Complex(low.re + high.re, low.re - high.re)


# Which points of the two quads are partners, pair by pair: (quad, place), (quad, place). Of the quads that are their
# own partners the first pair, bins 0 and M, share one point.
_PARTNERS = [((0, d), (1, LAST - 1 - d)) for d in range(LAST)]
_OWN_PARTNERS = [((0, 0), (0, 0)), ((0, 1), (0, 3)), ((0, 2), (0, 2)), ((1, 0), (1, 3)), ((1, 1), (1, 2))]


def _quad_step(reads: bool, writes: bool, treat: Any, own: bool) -> Any:
    """Last step forward, treatment and first step back, all in registers, for two quads of points.

    ``own`` False: a quad and its partner. True: the quad of bin 0 and that of bin M / 8, which are their own partners.
    """

    @intrinsic
    def quads(typing_context, points, here, there, twiddles, base, first, second, start, stride, bins):
        ints = types.int64
        signature = types.void(points, ints, ints, twiddles, ints, first, second, ints, ints, bins)

        def generate(context, builder, signature, args):
            kinds = signature.args
            memory = Memory(context, builder, kinds[0], args[0])
            table = Memory(context, builder, kinds[3], args[3])
            rows = Memory(context, builder, kinds[9], args[9])
            operands = [Operand(Memory(context, builder, kinds[i], args[i]), args[7], args[8], rows) for i in (5, 6)]
            one = table.one()
            base, partners = args[4], _OWN_PARTNERS if own else _PARTNERS
            turns = [table.spread_complex(plus(builder, base, 2 * i)) for i in range(len(partners))]
            points: list[list[Any]] = [[None] * LAST, [None] * LAST]
            values: list[Complex] = []
            if reads:
                points = [
                    dft([memory.point(plus(builder, start, d)) for d in range(LAST)], False, one) for start in args[1:3]
                ]
                for (p, q), turn in zip(partners, turns):
                    edge = own and not values
                    bins = _edge_bins(points[0][0]) if edge else unpack(points[p[0]][p[1]], points[q[0]][q[1]], turn)
                    values.extend(bins)
            values = treat(values, *operands, range(2 * len(partners)), base)
            if writes:
                for i, ((p, q), turn) in enumerate(zip(partners, turns)):
                    low, high = values[2 * i : 2 * i + 2]
                    if own and i == 0:
                        points[0][0] = _edge_point(low, high)
                    else:
                        points[q[0]][q[1]], points[p[0]][p[1]] = pack(low, high, turn)[::-1]
                for start, quad in zip(args[1:3], points):
                    for d, value in enumerate(dft(quad, True, one)):
                        memory.put_point(plus(builder, start, d), value)
            return context.get_dummy_value()

        return signature, generate

    return quads


emit_quads, emit_own = (_quad_step(True, False, _emit, own) for own in (False, True))
absorb_quads, absorb_own = (_quad_step(False, True, _absorb, own) for own in (False, True))
start_quads, start_own = (_quad_step(False, True, _start, own) for own in (False, True))
project_quads, project_own = (_quad_step(True, True, _project, own) for own in (False, True))


# --- the walk ---------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, inline="always")
def read_frames(signal, start, hop, gap, window, n_window, points, buffer, twiddles):
    """Window LANES frames, turn them into lanes and take the first step of the transform."""
    eighth = points.size // (16 * LANES) - GAP
    half = LANES // 2
    for j in range(0, eighth, half):
        filled = 0
        while filled < 8 and 2 * (filled * eighth + j) < n_window:
            place = 2 * (filled * eighth + j)
            gather(signal, start + place + gap * (place // hop), hop + gap, window, place, buffer, filled * LANES)
            filled += 1
        wide = 4 if filled <= 4 else 8
        buffer[filled * LANES * LANES : wide * LANES * LANES] = np.float32(0.0)
        if wide == 4:
            for i in range(half):
                split4(buffer, i, points, j + i, eighth + GAP, twiddles, 7 * (j + i))
        else:
            for i in range(half):
                split8(buffer, i, points, j + i, eighth + GAP, twiddles, 7 * (j + i))


@nb.njit(nogil=True, inline="always")
def write_frames(points, twiddles, buffer, signal, start, hop, gap, window, n_window):
    """Take the last step back, turn lanes into frames and add them onto the signal."""
    eighth = points.size // (16 * LANES) - GAP
    half = LANES // 2
    for j in range(0, eighth, half):
        if 2 * (4 * eighth + j) >= n_window:
            for i in range(half):
                join4(points, j + i, eighth + GAP, twiddles, 7 * (j + i), buffer, i)
        else:
            for i in range(half):
                join8(points, j + i, eighth + GAP, twiddles, 7 * (j + i), buffer, i)
        part = 0
        while part < 8 and 2 * (part * eighth + j) < n_window:
            place = 2 * (part * eighth + j)
            scatter(buffer, part * LANES, signal, start + place + gap * (place // hop), hop + gap, window, place)
            part += 1


@nb.njit(nogil=True, inline="always")
def treat_pairs(mode, points, begin, end, here, there, turns, first, second, start, stride, bins):
    """Do the mode's one thing to the pairs of quads ``begin … end``.

    EMIT, ABSORB: ``first`` is a spectrum of complex numbers, ``stride`` floats from bin to bin, of which the group
    begins at float ``start``. START, PROJECT: ``first`` holds half the magnitudes (and ``second`` the phases in turns)
    as rows of LANES numbers in the order of ``bins``, of which the group begins at row ``start``.
    """
    for k in range(begin, end):
        base = OWN_ROWS + 2 * LAST * k
        if mode == PROJECT:
            project_quads(points, here[k], there[k], turns, base, first, second, start, stride, bins)
        elif mode == START:
            start_quads(points, here[k], there[k], turns, base, first, second, start, stride, bins)
        elif mode == EMIT:
            emit_quads(points, here[k], there[k], turns, base, first, second, start, stride, bins)
        else:
            absorb_quads(points, here[k], there[k], turns, base, first, second, start, stride, bins)


@nb.njit(nogil=True, inline="always")
def treat_own(mode, points, half, turns, first, second, start, stride, bins):
    """Do the mode's one thing to the two quads that are their own partners."""
    if mode == PROJECT:
        project_own(points, 0, half, turns, 0, first, second, start, stride, bins)
    elif mode == START:
        start_own(points, 0, half, turns, 0, first, second, start, stride, bins)
    elif mode == EMIT:
        emit_own(points, 0, half, turns, 0, first, second, start, stride, bins)
    else:
        absorb_own(points, 0, half, turns, 0, first, second, start, stride, bins)


@intrinsic
def settle_lanes(
    typing_context, place, gamma, alpha, push, sums, from_place, envelope, envelope_place, looked_at, settled
):
    """The linear part of an iteration on LANES samples; the sums are left at zero."""
    f32, i64 = types.float32, types.int64
    signature = types.void(i64, f32, f32, f32, sums, i64, envelope, i64, looked_at, settled)

    def generate(context, builder, signature, args):
        gamma, alpha, push = (spread(builder, number) for number in args[1:4])
        sums, envelope, looked_at, settled = (
            Memory(context, builder, signature.args[i], args[i]) for i in (4, 6, 8, 9)
        )
        before = settled.at(args[0])
        pushed = before + push * (looked_at.at(args[0]) - before)
        projected = sums.at(args[5]) * envelope.at(args[7])
        new = pushed + gamma * (projected - pushed)
        looked_at.put(args[0], new + alpha * (new - before))
        settled.put(args[0], new)
        sums.put(args[5], Lane(builder, constant(0.0)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def move_lanes(typing_context, array, source, target):
    """Move LANES numbers inside an array and leave zeros behind."""
    signature = types.void(array, types.int64, types.int64)

    def generate(context, builder, signature, args):
        memory = Memory(context, builder, signature.args[0], args[0])
        moved = memory.at(args[1])
        memory.put(args[1], Lane(builder, constant(0.0)))
        memory.put(args[2], moved)
        return context.get_dummy_value()

    return signature, generate


@nb.njit(nogil=True, inline="always")
def walk_group(
    mode, source, at, target, into, first, second, start, stride,
    hop, gap, n_window, window_in, window_out,
    split_twiddles, radices, starts, sub_twiddles, half, here, there, real_twiddles, bins, phase_ends,
    points, buffer,
):  # fmt: skip
    """One group of LANES frames: read from sample ``at`` of ``source``, added onto ``target`` from ``into`` on."""
    reads, writes = mode in (PROJECT, EMIT), mode != EMIT
    eighth = points.size // (2 * FIRST * LANES) - GAP
    if reads:
        read_frames(source, at, hop, gap, window_in, n_window, points, buffer, split_twiddles)
    begin = 0
    for phase in range(5):
        both = (phase * (eighth + GAP), (FIRST - phase) * (eighth + GAP))
        sides = 2 if 0 < phase < 4 else 1
        if reads:
            for side in range(sides):
                forward(points, both[side], eighth, radices, starts, sub_twiddles)
        if phase == 0:
            treat_own(mode, points, half, real_twiddles, first, second, start, stride, bins)
        end = phase_ends[phase]
        treat_pairs(mode, points, begin, end, here, there, real_twiddles, first, second, start, stride, bins)
        begin = end
        if writes:
            for side in range(sides):
                backward(points, both[side], eighth, radices, starts, sub_twiddles)
    if writes:
        write_frames(points, split_twiddles, buffer, target, into, hop, gap, window_out, n_window)


@kernel
def walk(
    mode, n_iter, gamma, alpha, push,
    source, target, settled, envelope, envelope_places, first, second, n_groups, stride,
    hop, gap, n_window, window_in, window_out,
    split_twiddles, radices, starts, sub_twiddles, half, here, there, real_twiddles, bins, phase_ends,
    points, buffer,
):  # fmt: skip
    """Walk over ``n_groups`` groups of LANES frames; see the module's text for the modes.

    With ``n_iter > 0`` (PROJECT only) whole iterations are run, and every state is a signal. All the accelerations of
    Griffin-Lim that are published are linear in the spectrum but for the projection, so they can be carried over to the
    signals: ``t = gamma G(c) + (1 - gamma) d``, ``c = t + alpha (t - t')``, ``d = t + beta (t - t')``, where G projects
    one signal. ``c`` is ``source``, ``t`` is ``settled``, and ``d`` follows from both: ``d = t + push (c - t)`` with
    ``push = beta / alpha``. Samples are settled as soon as the last frame that touches them is done, while they are
    still in the cache; ``target`` holds the sums of one group and of what reaches beyond it.
    """
    settles = n_iter > 0
    reach = LANES * (hop + gap)
    rows = bins.size if mode in (PROJECT, START) else 2 * LANES
    for iteration in range(max(n_iter, 1)):
        weight = np.float32(1.0) if iteration == n_iter - 1 else gamma
        for group in range(n_groups):
            at = group * reach
            walk_group(
                mode, source, at, target, 0 if settles else at, first, second, group * rows, stride,
                hop, gap, n_window, window_in, window_out,
                split_twiddles, radices, starts, sub_twiddles, half, here, there, real_twiddles, bins, phase_ends,
                points, buffer,
            )  # fmt: skip
            if settles:
                last = group == n_groups - 1
                place = envelope_places[group]
                for i in range(0, target.size if last else reach, LANES):
                    settle_lanes(at + i, weight, alpha, push, target, i, envelope, place + i, source, settled)
                for i in range(0, 0 if last else target.size - reach, LANES):
                    move_lanes(target, reach + i, i)


@kernel
def pack_rows(values, bins, scale, packed):
    """``values (n_bins, n_frames)`` -> rows of LANES frames in the order of ``bins``; frames that miss are zero."""
    n_frames = values.shape[1]
    n_rows = bins.size
    for group in range((n_frames + LANES - 1) // LANES):
        first = group * LANES
        width = min(LANES, n_frames - first)
        for row in range(n_rows):
            to = (group * n_rows + row) * LANES
            line = values[bins[row]]
            for lane in range(width):
                packed[to + lane] = scale * line[first + lane]
            for lane in range(width, LANES):
                packed[to + lane] = np.float32(0.0)


@intrinsic
def turn_block(typing_context, source, offset, stride, target, places, first_place, base):
    """A square, ``source[offset + lane * stride + column]``, to the rows ``base + places[first_place + column]``."""
    signature = types.void(source, types.int64, types.int64, target, places, types.int64, types.int64)

    def generate(context, builder, signature, args):
        values = Memory(context, builder, signature.args[0], args[0])
        rows = Memory(context, builder, signature.args[3], args[3])
        table = Memory(context, builder, signature.args[4], args[4])
        square = [values.at(builder.add(args[1], times(builder, args[2], lane))).value for lane in range(LANES)]
        for column, value in enumerate(transpose(builder, square)):
            place = builder.load(builder.gep(table.data, [plus(builder, args[5], column)]))
            rows.put_row(builder.add(place, args[6]), Lane(builder, value))
        return context.get_dummy_value()

    return signature, generate


@kernel
def pack_frames(values, places, n_rows, twin, packed):
    """``values (n_frames, n_bins)`` -> rows as `pack_rows` makes them; ``places`` is the row of each bin.

    Row ``twin`` repeats the row of the middle bin. The frames must fill whole groups.
    """
    n_frames, n_bins = values.shape
    flat = values.reshape(-1)
    middle = places[n_bins // 2]
    for group in range(n_frames // LANES):
        for begin in range(0, n_bins, LANES):
            first = min(begin, n_bins - LANES)
            turn_block(flat, group * LANES * n_bins + first, n_bins, packed, places, first, group * n_rows)
        at = group * n_rows * LANES
        for lane in range(LANES):
            packed[at + twin * LANES + lane] = packed[at + middle * LANES + lane]


def natural_logarithm(value: Lane) -> Lane:
    """ln(value) for positive numbers, error below 1e-4: the exponent's bits, and a polynomial for the mantissa."""
    b = value.builder

    def every(number: int) -> ir.Constant:
        return ir.Constant(INTS, [number] * LANES)

    bits = value.bits()
    exponent = Lane(b, b.sitofp(b.sub(b.lshr(bits, every(23)), every(127)), VECTOR))
    m = Lane(b, b.bitcast(b.or_(b.and_(bits, every(0x7FFFFF)), every(0x3F800000)), VECTOR))
    # log2 on [1, 2), interpolated at the Chebyshev nodes.
    p = m * -0.07844068 + 0.62603218
    for coefficient in (-2.07833517, 4.02921139, -2.49835315):
        p = p * m + coefficient
    return (exponent + p) * math.log(2.0)


@intrinsic
def log_block(typing_context, source, offset, stride, target, place, pitch):
    """Logarithms of a square ``source[offset + row * stride + lane]`` to ``target[place + lane * pitch + row]``."""
    signature = types.void(source, types.int64, types.int64, target, types.int64, types.int64)

    def generate(context, builder, signature, args):
        values = Memory(context, builder, signature.args[0], args[0])
        logs = Memory(context, builder, signature.args[3], args[3])
        least = constant(LEAST_MAGNITUDE)
        square = []
        for row in range(LANES):
            value = values.at(builder.add(args[1], times(builder, args[2], row)))
            raised = builder.select(builder.fcmp_ordered(">", value.value, least), value.value, least)
            square.append(natural_logarithm(Lane(builder, raised)).value)
        for lane, value in enumerate(transpose(builder, square)):
            logs.put(builder.add(args[4], times(builder, args[5], lane)), Lane(builder, value))
        return context.get_dummy_value()

    return signature, generate


@kernel
def log_frames(magnitude, logs, first_place, pitch):
    """``logs[first_place + frame * pitch + bin]`` = ln(magnitude (n_bins, n_frames)); error below 1e-4.

    ``n_bins`` and ``n_frames`` are at least LANES; squares at the ends overlap.
    """
    n_bins, n_frames = magnitude.shape
    flat = magnitude.reshape(-1)
    for begin in range(0, n_frames, LANES):
        t = min(begin, n_frames - LANES)
        for start in range(0, n_bins, LANES):
            k = min(start, n_bins - LANES)
            log_block(flat, k * n_frames + t, n_frames, logs, first_place + t * pitch + k, pitch)
