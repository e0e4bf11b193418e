"""Verbs that compute with the vectors of a tile one by one: relu, 2x2 max-pool, sums, differences.

Legend and ways: as in `tiles.py`.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba and llvmlite call back with, and what Numba compiles, has no types to declare)

import numpy as np
from llvmlite import ir
from numba import types

from tinycnn.kernels.compiled.jit import verb
from tinycnn.kernels.compiled.simd import LANES, Vector, splat, unpacked


def _rectify(typingctx, tile):
    def codegen(context, builder, sig, args):
        zero = ir.Constant(tile.dtype.ir, None)
        values = [
            builder.select(builder.fcmp_ordered("<", value, zero), zero, value)
            for value in unpacked(builder, args[0], len(tile))
        ]
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile), codegen


@verb(_rectify)
def rectify(tile):
    """max(tile, 0); NaN stays NaN."""
    return tuple(np.where(value < 0, value.dtype.type(0), value) for value in tile)


def _where_positive(typingctx, row, values):
    def codegen(context, builder, sig, args):
        zero = ir.Constant(row.dtype.ir, None)
        pairs = zip(*(unpacked(builder, arg, len(row)) for arg in args), strict=True)
        chosen = [
            builder.select(builder.fcmp_ordered(">", y, zero), value, zero) for y, value in pairs
        ]
        return context.make_tuple(builder, sig.return_type, chosen)

    return values(row, values), codegen


@verb(_where_positive)
def where_positive(row, values):
    """The values where `row` is positive, else 0: the derivative of relu."""
    return tuple(np.where(y > 0, v, v.dtype.type(0)) for y, v in zip(row, values, strict=True))


def _where_equal(typingctx, codes, code, values):
    vector = codes.dtype

    def codegen(context, builder, sig, args):
        zero = ir.Constant(values.dtype.ir, None)
        wanted = splat(builder, builder.trunc(args[1], ir.IntType(8)), vector)
        pairs = zip(*(unpacked(builder, args[i], len(codes)) for i in (0, 2)), strict=True)
        chosen = [
            builder.select(builder.icmp_unsigned("==", code_, wanted), value, zero)
            for code_, value in pairs
        ]
        return context.make_tuple(builder, sig.return_type, chosen)

    return values(codes, types.intp, values), codegen


@verb(_where_equal)
def where_equal(codes, code, values):
    """The values where `codes` is `code`, else 0."""
    pairs = zip(codes, values, strict=True)
    return tuple(np.where(c == code, value, value.dtype.type(0)) for c, value in pairs)


def _pool_fours(typingctx, tile, row):
    vector, V = tile.dtype, len(row)
    small = Vector(types.uint8)
    count = len(tile) // (4 * V)
    best_type = types.UniTuple(vector, count * V)
    winner_type = types.UniTuple(small, count * V)

    def constant(number):
        return ir.Constant(small.ir, [number] * LANES)

    def codegen(context, builder, sig, args):
        zero, items = ir.Constant(vector.ir, None), unpacked(builder, args[0], len(tile))
        best, winners = [], []
        for start in range(0, count * 4 * V, 4 * V):
            for v in range(V):
                top, winner = items[start + v], constant(0)
                for place in (1, 2, 3):
                    value = items[start + place * V + v]
                    larger = builder.fcmp_unordered(">", value, top)
                    wins = builder.and_(larger, builder.fcmp_ordered("ord", top, top))
                    top = builder.select(wins, value, top)
                    winner = builder.select(wins, constant(place), winner)
                positive = builder.fcmp_ordered(">", top, zero)
                winners.append(builder.select(positive, winner, constant(4)))
                best.append(builder.select(builder.fcmp_ordered("<", top, zero), zero, top))
        tuples = (
            context.make_tuple(builder, kind, values)
            for kind, values in ((best_type, best), (winner_type, winners))
        )
        return context.make_tuple(builder, sig.return_type, list(tuples))

    return types.Tuple((best_type, winner_type))(tile, row), codegen


@verb(_pool_fours)
def pool_fours(tile, row):
    """Relu and 2x2 max-pool over every four rows of a tile, each as long as `row`.

    Rows that are left over when four do not divide them belong to no window.

    Returns the tile of the largest numbers, and the tile of which row each came from: 0 to 3 (the
    first of equals; the first NaN wins), or 4 where relu makes it 0 and no gradient goes back.
    """
    V = len(row)
    best, winners = [], []
    for start in range(0, len(tile) // (4 * V) * 4 * V, 4 * V):
        for v in range(V):
            top, winner = tile[start + v], np.zeros(LANES, np.uint8)
            for place in (1, 2, 3):
                value = tile[start + place * V + v]
                wins = ~(value <= top) & (top == top)
                top = np.where(wins, value, top)
                winner = np.where(wins, np.uint8(place), winner)
            winners.append(np.where(top > 0, winner, np.uint8(4)))
            best.append(np.where(top < 0, top.dtype.type(0), top))
    return tuple(best), tuple(winners)


def _transposed(typingctx, tile):
    def codegen(context, builder, sig, args):
        values, step = unpacked(builder, args[0], LANES), 1
        lanes, vector = range(LANES), ir.VectorType(ir.IntType(32), LANES)
        while step < LANES:
            # Rows i and i + step trade the lanes whose number has the bit `step` in one of them.
            low = [lane if not lane & step else lane - step + LANES for lane in lanes]
            high = [lane + LANES if lane & step else lane + step for lane in lanes]
            for i in lanes:
                if not i & step:
                    pair = values[i], values[i + step]
                    values[i], values[i + step] = (
                        builder.shuffle_vector(*pair, ir.Constant(vector, mask))
                        for mask in (low, high)
                    )
            step *= 2
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile), codegen


@verb(_transposed)
def transposed(tile):
    """Lane j of vector i becomes lane i of vector j, in a tile of LANES vectors."""
    return tuple(np.stack(tile).T.copy())


def _each(operation):
    """Generates code that applies one of LLVM's operations to the vectors of two tiles."""

    def generator(typingctx, tile, other):
        def codegen(context, builder, sig, args):
            pairs = zip(*(unpacked(builder, arg, len(tile)) for arg in args), strict=True)
            values = [getattr(builder, operation)(a, b) for a, b in pairs]
            return context.make_tuple(builder, sig.return_type, values)

        return tile(tile, other), codegen

    return generator


@verb(_each("fadd"))
def plus(tile, other):
    """tile + other."""
    return tuple(a + b for a, b in zip(tile, other, strict=True))


@verb(_each("fsub"))
def minus(tile, other):
    """tile - other."""
    return tuple(a - b for a, b in zip(tile, other, strict=True))


def _times(typingctx, tile, number):
    vector = tile.dtype

    def codegen(context, builder, sig, args):
        scalar = context.cast(builder, args[1], sig.args[1], vector.number)
        factor = splat(builder, scalar, vector)
        values = [builder.fmul(value, factor) for value in unpacked(builder, args[0], len(tile))]
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile, number), codegen


@verb(_times)
def times(tile, number):
    """tile * number."""
    return tuple(value * value.dtype.type(number) for value in tile)
