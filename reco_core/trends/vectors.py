"""Vector instructions of the trend kernels: eight pixels side by side, one in each lane."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable

import numpy as np

from ..deps import need

LANES = 8
FLAGS = ("nnan", "nsz")  # so that a comparison and a choice become one instruction
types = need("numba").types
intrinsic = need("numba.extending").intrinsic
integer, number = types.int64, types.float64


def _compiled(body: Callable[..., None]) -> Callable[..., Any]:
    """Return what makes machine code of `body`, which is given a builder, two helpers and the arguments.

    Spelled out as vector instructions, because the compiler cannot know that the rows of an array
    do not overlap, and would otherwise compute number by number.
    """
    ir = need("llvmlite.ir")
    vector = ir.VectorType(ir.DoubleType(), LANES)

    def codegen(context, builder, signature, args):
        def place(number, offset, wide=True):
            data = context.make_array(signature.args[number])(context, builder, args[number]).data
            element = builder.gep(data, [offset])
            return builder.bitcast(element, vector.as_pointer()) if wide else element

        def spread(value):
            single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)

        body(builder, place, spread, args)
        return context.get_dummy_value()

    return codegen


def _exchange() -> Any:
    """Return `exchange(rows, a, b)`: the smaller of rows[a:a+8] and rows[b:b+8] goes to a, the larger to b."""
    def body(builder, place, spread, args):
        first, second = place(0, args[1]), place(0, args[2])
        one, other = builder.load(first, align=8), builder.load(second, align=8)
        for sign, target in (("<", first), (">", second)):
            chosen = builder.fcmp_ordered(sign, one, other, flags=FLAGS)
            builder.store(builder.select(chosen, one, other, flags=FLAGS), target, align=8)

    codegen = _compiled(body)

    @intrinsic
    def exchange(typing_context, rows, a, b):
        return types.void(rows, integer, integer), codegen

    return exchange


def _gather() -> Any:
    """Return `gather(values, at, block, k, sums)`: copy values[at:at+8] to block[k:k+8]; add to sums (2, 8) how many
    of them are known, and what they are."""
    ir = need("llvmlite.ir")

    def body(builder, place, spread, args):
        row = builder.load(place(0, args[1]), align=8)
        known = builder.fcmp_ordered("ord", row, row)
        builder.store(row, place(2, args[3]), align=8)
        nothing = ir.Constant(row.type, [0.0] * LANES)
        for k, value in enumerate((ir.Constant(row.type, [1.0] * LANES), row)):
            target = place(4, ir.IntType(64)(k * LANES))
            more = builder.select(known, value, nothing)
            builder.store(builder.fadd(builder.load(target, align=8), more), target, align=8)

    codegen = _compiled(body)

    @intrinsic
    def gather(typing_context, values, at, block, k, sums):
        return types.void(values, integer, block, integer, sums), codegen

    return gather


def _slope() -> Any:
    """Return `slope(values, i, j, span, slopes, k, missing)`: fill slopes[k:k+8] with those from i to j."""
    def body(builder, place, spread, args):
        rise = builder.fsub(builder.load(place(0, args[2]), align=8), builder.load(place(0, args[1]), align=8))
        slopes = builder.fdiv(rise, spread(args[3]))
        known = builder.fcmp_ordered("ord", slopes, slopes)
        builder.store(builder.select(known, slopes, spread(args[6])), place(4, args[5]), align=8)

    codegen = _compiled(body)

    @intrinsic
    def slope(typing_context, values, i, j, span, slopes, k, missing):
        return types.void(values, integer, integer, number, slopes, integer, number), codegen

    return slope


def _sweep() -> Any:
    """Return `sweep(values, first, second, spans, begin, size, low, high, slopes, inside, counts)`.

    For `size` pairs from number `begin` on it fills the rows of `slopes` (size, 8), sets those of `inside` to all
    ones where a slope lies from low to high, and adds to counts (3, 8) how many are above 0, below 0, below low.
    One loop, so that the counts stay in registers.
    """
    ir = need("llvmlite.ir")
    helpers = need("numba.core.cgutils")
    numbers = ir.VectorType(ir.IntType(64), LANES)

    def body(builder, place, spread, args):
        start, zero = ir.IntType(64)(0), ir.Constant(ir.VectorType(ir.DoubleType(), LANES), [0.0] * LANES)
        low, high = (builder.load(place(which, start), align=8) for which in (6, 7))
        kept = [builder.bitcast(place(10, ir.IntType(64)(row * LANES)), numbers.as_pointer()) for row in range(3)]
        counts = [helpers.alloca_once_value(builder, builder.load(target, align=8)) for target in kept]
        with helpers.for_range(builder, args[5]) as loop:
            pair = builder.add(args[4], loop.index)
            rows = [builder.sext(builder.load(place(which, pair, wide=False)), ir.IntType(64)) for which in (1, 2)]
            rise = builder.fsub(builder.load(place(0, rows[1]), align=8), builder.load(place(0, rows[0]), align=8))
            slopes = builder.fdiv(rise, spread(builder.load(place(3, pair, wide=False))))
            row = builder.mul(loop.index, ir.IntType(64)(LANES))
            builder.store(slopes, place(8, row), align=8)

            def holds(sign, bound):
                return builder.sext(builder.fcmp_ordered(sign, slopes, bound), numbers)

            for count, found in zip(counts, (holds(">", zero), holds("<", zero), holds("<", low))):
                builder.store(builder.sub(builder.load(count), found), count)
            within = builder.and_(holds(">=", low), holds("<=", high))
            builder.store(within, builder.bitcast(place(9, row), numbers.as_pointer()), align=8)
        for count, target in zip(counts, kept):
            builder.store(builder.load(count), target, align=8)

    codegen = _compiled(body)

    @intrinsic
    def sweep(typing_context, values, first, second, spans, begin, size, low, high, slopes, inside, counts):
        return types.void(values, first, second, spans, integer, integer, low, high, slopes, inside, counts), codegen

    return sweep


exchange, gather, slope, sweep = _exchange(), _gather(), _slope(), _sweep()


@lru_cache(maxsize=32)
def sorting_network(size: int) -> np.ndarray:
    """Return which pairs to exchange, one after the other, to sort `size` rows (Batcher's merge exchange).

    References
    ----------
    Batcher, K. E. (1968). AFIPS Spring Joint Computing Conference 32, 307-314. doi:10.1145/1468075.1468121
    """
    pairs: list[np.ndarray] = []
    highest = 1 << max((size - 1).bit_length() - 1, 0)
    p = highest
    while p > 0 and size > 1:
        q, r, distance = highest, 0, p
        while True:
            first = np.arange(size - distance)
            first = first[(first & p) == r]
            pairs.append(np.stack([first, first + distance], axis=1))
            if q == p:
                break
            distance, q, r = q - p, q >> 1, p
        p >>= 1
    network = np.concatenate(pairs) if pairs else np.empty((0, 2), dtype="int64")
    return np.ascontiguousarray(network * LANES, dtype="int32")
