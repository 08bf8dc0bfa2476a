"""Vectors of float32 lanes inside numba: one lane a frame.

numba has no vector type, and its loops do not vectorise across frames. LLVM, underneath, does have one, so the
functions here are numba *intrinsics*: Python that runs while numba compiles and writes LLVM instructions on
``<LANES x float>``. `Lane` and `Complex` overload ``+ - *`` so that the code which writes a butterfly reads like
the butterfly.

How many lanes: one full register of the machine that compiles (16 with AVX-512, else 8, which LLVM splits in two
where registers hold four).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.binding
import numba.core.config
from llvmlite import ir

FAST = ("fast",)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
F32 = ir.FloatType()


def cpu_features() -> frozenset[str]:
    """Features of the processor that numba compiles for (its environment variables are heeded)."""
    chosen = getattr(numba.core.config, "CPU_FEATURES", None)
    if chosen is None:
        return frozenset(name for name, there in llvmlite.binding.get_host_cpu_features().items() if there)
    return frozenset(part[1:] for part in chosen.split(",") if part.startswith("+"))


FEATURES = cpu_features()
LANES = 16 if "avx512f" in FEATURES and "avx512dq" in FEATURES else 8
VECTOR = ir.VectorType(F32, LANES)
INTS = ir.VectorType(I32, LANES)


class Lane:
    """One vector value while code is being written."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def _other(self, other: Lane | float) -> ir.Value:
        return other.value if isinstance(other, Lane) else constant(float(other))

    def __add__(self, other: Lane | float) -> Lane:
        return Lane(self.builder, self.builder.fadd(self.value, self._other(other), flags=FAST))

    def __sub__(self, other: Lane | float) -> Lane:
        return Lane(self.builder, self.builder.fsub(self.value, self._other(other), flags=FAST))

    def __mul__(self, other: Lane | float) -> Lane:
        return Lane(self.builder, self.builder.fmul(self.value, self._other(other), flags=FAST))

    __rmul__ = __mul__
    __radd__ = __add__

    def plus_scaled(self, other: Lane, scale: float, one: Lane | None = None) -> Lane:
        """``self + scale * other`` in one instruction where there is one.

        With ``one`` (a register that holds 1, unknown to the compiler) sums are multiply-adds too.
        """
        if one is None and scale == 1.0:
            return self + other
        if one is None and scale == -1.0:
            return self - other
        factor = constant(scale) if one is None or abs(scale) != 1.0 else one.value
        value = -other if factor is not None and one is not None and scale == -1.0 else other
        fused = _external(self.builder, f"llvm.fmuladd.v{LANES}f32", ir.FunctionType(VECTOR, [VECTOR] * 3))
        return Lane(self.builder, self.builder.call(fused, [value.value, factor, self.value], fastmath=FAST))

    def __neg__(self) -> Lane:
        return Lane(self.builder, self.builder.fneg(self.value, flags=FAST))

    def bits(self) -> ir.Value:
        """The same bits as integers."""
        return self.builder.bitcast(self.value, INTS)

    def __rsub__(self, other: float) -> Lane:
        return Lane(self.builder, self.builder.fsub(constant(other), self.value, flags=FAST))


def constant(value: float) -> ir.Constant:
    """The same number in every lane."""
    return ir.Constant(VECTOR, [ir.Constant(F32, value)] * LANES)


def twice_reciprocal_roots(values: Sequence[Lane]) -> list[Lane]:
    """2 / sqrt(value) to about one unit in the last place, for positive values.

    All values take each step together: a processor looks only some sixty instructions ahead, and one value's steps wait
    for each other. The last Newton step leaves its halving to the caller, who can mostly have it for nothing.
    """
    pairs = [_root_guess(value) for value in values]
    guesses = [guess for guess, _ in pairs]
    for _ in range(pairs[0][1] - 1):
        guesses = [guess * (1.5 - value * (guess * guess) * 0.5) for value, guess in zip(values, guesses)]
    squares = [guess * guess for guess in guesses]
    misses = [3.0 - value * square for value, square in zip(values, squares)]
    return [guess * miss for guess, miss in zip(guesses, misses)]


def _root_guess(x: Lane) -> tuple[Lane, int]:
    """A first value of 1 / sqrt(x) and the Newton steps that it needs.

    A division and a root together cost more than the rest of a projection; the estimate instructions do not.
    """
    b = x.builder
    if LANES == 16:
        kind = ir.FunctionType(VECTOR, [VECTOR, VECTOR, ir.IntType(16)])
        call = _external(b, "llvm.x86.avx512.rsqrt14.ps.512", kind)
        every = ir.Constant(ir.IntType(16), -1)
        return Lane(b, b.call(call, [x.value, constant(0.0), every])), 1
    if "avx" in FEATURES:
        call = _external(b, "llvm.x86.avx.rsqrt.ps.256", ir.FunctionType(VECTOR, [VECTOR]))
        return Lane(b, b.call(call, [x.value])), 1
    # Lomont, "Fast inverse square root" (2003): halve and negate the exponent with integer arithmetic.
    magic = ir.Constant(INTS, [0x5F375A86] * LANES)
    halved = b.lshr(x.bits(), ir.Constant(INTS, [1] * LANES))
    return Lane(b, b.bitcast(b.sub(magic, halved), VECTOR)), 3


def _external(builder: ir.IRBuilder, name: str, kind: ir.FunctionType) -> ir.Function:
    existing = builder.module.globals.get(name)
    return existing if existing is not None else ir.Function(builder.module, kind, name)


class Complex:
    """A complex vector value, real and imaginary parts apart."""

    def __init__(self, re: Lane, im: Lane) -> None:
        self.re = re
        self.im = im

    def __add__(self, other: Complex) -> Complex:
        return Complex(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Complex) -> Complex:
        return Complex(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Complex | Lane | float) -> Complex:
        if isinstance(other, Complex):
            return Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
        return Complex(self.re * other, self.im * other)

    def plus_scaled(self, other: Complex, scale: float, one: Lane | None = None) -> Complex:
        """``self + scale * other``; see `Lane.plus_scaled`, where ``one`` serves the imaginary part."""
        return Complex(self.re.plus_scaled(other.re, scale), self.im.plus_scaled(other.im, scale, one))

    def times_i(self) -> Complex:
        """Times the imaginary unit: no multiplication."""
        return Complex(-self.im, self.re)

    def over_i(self) -> Complex:
        """Divided by the imaginary unit."""
        return Complex(self.im, -self.re)

    def conjugate(self) -> Complex:
        """The complex conjugate."""
        return Complex(self.re, -self.im)

    def power(self) -> Lane:
        """Squared magnitude."""
        return self.re * self.re + self.im * self.im


class Memory:
    """A float32 array seen as vectors, while code is being written."""

    def __init__(self, context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value) -> None:
        self.builder = builder
        self.data = context.make_array(array_type)(context, builder, array).data

    def _address(self, offset: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(self.data, [offset]), kind.as_pointer())

    def at(self, offset: ir.Value) -> Lane:
        """Load the vector that begins at element ``offset``, wherever that lies."""
        return Lane(self.builder, self.builder.load(self._address(offset, VECTOR), align=4))

    def put(self, offset: ir.Value, lane: Lane) -> None:
        """Store a vector at element ``offset``, wherever that lies."""
        self.builder.store(lane.value, self._address(offset, VECTOR), align=4)

    def spread(self, offset: ir.Value) -> Lane:
        """Load one number into every lane."""
        number = self.builder.load(self.builder.gep(self.data, [offset]))
        return spread(self.builder, number)

    def row(self, index: ir.Value) -> Lane:
        """Load row ``index`` of an array whose rows are one vector each."""
        return self.at(times(self.builder, index, LANES))

    def put_row(self, index: ir.Value, lane: Lane) -> None:
        """Store row ``index``."""
        self.put(times(self.builder, index, LANES), lane)

    def point(self, index: ir.Value) -> Complex:
        """Load complex point ``index``: two rows."""
        start = times(self.builder, index, 2 * LANES)
        return Complex(self.at(start), self.at(plus(self.builder, start, LANES)))

    def put_point(self, index: ir.Value, value: Complex) -> None:
        """Store complex point ``index``."""
        start = times(self.builder, index, 2 * LANES)
        self.put(start, value.re)
        self.put(plus(self.builder, start, LANES), value.im)

    def one(self) -> Lane | None:
        """The first number of a table of twiddle factors, which is one; None where it would not help."""
        zero = ir.Constant(I64, 0)
        return self.spread(zero) if "fma" in FEATURES else None

    def spread_complex(self, index: ir.Value) -> Complex:
        """Load one complex number (two neighbours) into every lane."""
        start = times(self.builder, index, 2)
        return Complex(self.spread(start), self.spread(plus(self.builder, start, 1)))


def spread(builder: ir.IRBuilder, number: ir.Value) -> Lane:
    """One number in every lane."""
    empty = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(I32, 0))
    return Lane(builder, builder.shuffle_vector(first, empty, ir.Constant(INTS, [0] * LANES)))


def plus(builder: ir.IRBuilder, index: ir.Value, number: int) -> ir.Value:
    """``index + number``."""
    return builder.add(index, ir.Constant(index.type, number)) if number else index


def times(builder: ir.IRBuilder, index: ir.Value, number: int) -> ir.Value:
    """``index * number``."""
    return builder.mul(index, ir.Constant(index.type, number))


def transpose(builder: ir.IRBuilder, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """Transpose LANES vectors as a square matrix.

    First inside blocks of four by four, with the shuffles that stay inside 128 bits (the fastest there are), then
    whole blocks change places.
    """
    inside: list[ir.Value] = []
    for first in range(0, LANES, 4):
        inside += _transpose_inside(builder, rows[first : first + 4])
    return _transpose_blocks(builder, inside)


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, pattern: Sequence[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(INTS, list(pattern)))


def _transpose_inside(builder: ir.IRBuilder, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """Four rows: transpose each of their blocks of four columns."""
    starts = range(0, LANES, 4)
    low = [x for s in starts for x in (s, s + LANES, s + 1, s + 1 + LANES)]
    high = [x + 2 for x in low]
    pair_low = [x for s in starts for x in (s, s + 1, s + LANES, s + 1 + LANES)]
    pair_high = [x + 2 for x in pair_low]
    a, b, c, d = rows
    ab, cd = _shuffle(builder, a, b, low), _shuffle(builder, c, d, low)
    ab2, cd2 = _shuffle(builder, a, b, high), _shuffle(builder, c, d, high)
    return [_shuffle(builder, x, y, pattern) for x, y in ((ab, cd), (ab2, cd2)) for pattern in (pair_low, pair_high)]


def _transpose_blocks(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Rows ``s, s + 4, …``: transpose the matrix of their blocks."""
    n_blocks = LANES // 4

    def blocks(*numbers: int) -> list[int]:
        return [4 * number + i for number in numbers for i in range(4)]

    result: list[ir.Value] = [None] * LANES
    for s in range(4):
        if n_blocks == 2:
            a, b = rows[s], rows[s + 4]
            result[s] = _shuffle(builder, a, b, blocks(0, 2))
            result[s + 4] = _shuffle(builder, a, b, blocks(1, 3))
            continue
        a, b, c, d = rows[s::4]
        even, odd = blocks(0, 2, 4, 6), blocks(1, 3, 5, 7)
        for first, pattern in enumerate((even, odd)):
            ab, cd = _shuffle(builder, a, b, pattern), _shuffle(builder, c, d, pattern)
            result[s + 4 * first] = _shuffle(builder, ab, cd, even)
            result[s + 4 * first + 8] = _shuffle(builder, ab, cd, odd)
    return result
