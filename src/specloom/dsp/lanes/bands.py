"""Richardson-Lucy over a banded filterbank, LANES frames at once.

Between two neighbouring filter centres every bin lies under the falling side of one filter and the rising side of the
next. With each bin's two weights scaled to a sum of one (which only rescales the unknown), an iteration needs one
number a bin: the share ``a`` of the lower filter. A single sweep over the bins applies the last ratios and sums up the
next estimate: ``x *= r_high + a (r_low - r_high)``, ``low += a x``, ``both += x``.
"""

from __future__ import annotations

from numba.core import cgutils, types
from numba.extending import intrinsic

from specloom.dsp.lanes.compiled import kernel
from specloom.dsp.lanes.vector import LANES, VECTOR, Lane, Memory, constant, plus

# Added to what is divided by: far below any magnitude that float32 sound can have after scaling.
_NOTHING = 1e-30


@intrinsic
def sweep_band(typing_context, x, shares, begin, end, band, ratios, sums):
    """One band of bins: apply the ratios of its two filters (rows ``band`` and ``band + 1``), add to their sums."""
    signature = types.void(x, shares, types.int64, types.int64, types.int64, ratios, sums)

    def generate(context, builder, signature, args):
        kinds = signature.args
        bins, share = Memory(context, builder, kinds[0], args[0]), Memory(context, builder, kinds[1], args[1])
        ratio, total = Memory(context, builder, kinds[5], args[5]), Memory(context, builder, kinds[6], args[6])
        high_row = plus(builder, args[4], 1)
        high = ratio.row(high_row)
        rise = ratio.row(args[4]) - high
        low_sum, both_sum = (cgutils.alloca_once(builder, VECTOR) for _ in range(2))
        for place in (low_sum, both_sum):
            builder.store(constant(0.0), place)
        with cgutils.for_range(builder, builder.sub(args[3], args[2])) as loop:
            row = builder.add(args[2], loop.index)
            a = share.spread(row)
            new = bins.row(row) * (high + a * rise)
            bins.put_row(row, new)
            builder.store((Lane(builder, builder.load(low_sum)) + a * new).value, low_sum)
            builder.store((Lane(builder, builder.load(both_sum)) + new).value, both_sum)
        low = Lane(builder, builder.load(low_sum))
        both = Lane(builder, builder.load(both_sum))
        total.put_row(args[4], total.row(args[4]) + low)
        total.put_row(high_row, total.row(high_row) + (both - low))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def renew_ratio(typing_context, row, target, sums, ratios):
    """``ratio = target / sum``, and the sum is left at zero."""
    signature = types.void(types.int64, target, sums, ratios)

    def generate(context, builder, signature, args):
        wanted, total, ratio = (Memory(context, builder, signature.args[i], args[i]) for i in (1, 2, 3))
        below = total.row(args[0]) + _NOTHING
        quotient = builder.fdiv(wanted.row(args[0]).value, below.value, flags=("fast",))
        ratio.put_row(args[0], Lane(builder, quotient))
        total.put_row(args[0], Lane(builder, constant(0.0)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def put_scaled(typing_context, source, row, scales, target, place):
    """``target[place …] = source[row] * scales[row]``."""
    signature = types.void(source, types.int64, scales, target, types.int64)

    def generate(context, builder, signature, args):
        values, factors, result = (Memory(context, builder, signature.args[i], args[i]) for i in (0, 2, 3))
        result.put(args[4], values.row(args[1]) * factors.spread(args[1]))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def take(typing_context, source, place, target, row):
    """``target[row] = source[place …]``."""
    signature = types.void(source, types.int64, target, types.int64)

    def generate(context, builder, signature, args):
        values, rows = (Memory(context, builder, signature.args[i], args[i]) for i in (0, 2))
        rows.put_row(args[3], values.at(args[1]))
        return context.get_dummy_value()

    return signature, generate


@kernel
def richardson_lucy(mel, n_frames, starts, shares, totals, areas, scales, n_iter, out, x, target, ratios, sums):
    """``mel`` and ``out`` are flat ``(n_mels, n_frames)`` and ``(n_bins, n_frames)``; ``n_frames`` at least LANES.

    Band ``b`` holds the bins ``starts[b] … starts[b + 1]``, between the centres of filters ``b - 1`` and ``b``. Bins
    outside all bands are left as they are. ``x`` holds a row a bin, the other three (zeros) a row a filter and one more
    on both sides.
    """
    n_bands = starts.size - 1
    for begin in range(0, n_frames, LANES):
        frame = min(begin, n_frames - LANES)
        for m in range(n_bands - 1):
            take(mel, m * n_frames + frame, target, m + 1)
        # The first sweep gives every bin the mean of what its two filters have seen.
        for k in range(shares.size):
            for lane in range(LANES):
                x[k * LANES + lane] = totals[k]
        for m in range(n_bands + 1):
            for lane in range(LANES):
                ratios[m * LANES + lane] = target[m * LANES + lane] * areas[m]
        for _ in range(n_iter + 1):
            for band in range(n_bands):
                sweep_band(x, shares, starts[band], starts[band + 1], band, ratios, sums)
            for row in range(1, n_bands):
                renew_ratio(row, target, sums, ratios)
        for band in range(n_bands):
            for k in range(starts[band], starts[band + 1]):
                put_scaled(x, k, scales, out, k * n_frames + frame)
