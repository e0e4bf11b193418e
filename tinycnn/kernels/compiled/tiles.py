"""Tiles: sums that stay in registers, and the verbs that work on them.

A fast matrix product needs its sums in registers, and enough of them that no multiply-add has to
wait for the one before. The compiler does not achieve that with plain loops: they stayed below a
quarter of the machine's peak, while tiles of vectors reach nine tenths of it. A kernel uses these
verbs in its loops; each becomes a handful of LLVM's instructions in the kernel, not a call.

Legend: a row is a tuple of V vectors; a tile is P rows, a tuple of P*V vectors; `places` and
`origins` are tuples of P indices. All arrays are flat and C-contiguous. Where a verb only needs to
know how many vectors or indices to handle, it takes a tuple of that length as `like`: the length of
a tuple is part of its type, so it is known when the kernel is compiled.

With NUMBA_DISABLE_JIT=1 the plain Python functions run instead of the generated code. They say what
a verb means, and check every index, which LLVM's loads and stores do not.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba and llvmlite call back with, and what Numba compiles, has no types to declare)

import numpy as np
from llvmlite import ir
from numba import types

from tinycnn.kernels.compiled.jit import verb
from tinycnn.kernels.compiled.simd import LANES, Vector, address, neighbours, splat, unpacked

# How many rows P a tile has, by its V. P*V sums, a row of V and (AVX2) one broadcast fit the
# registers: AVX2 has 16, AVX-512 and NEON have 32. There are at least 8 sums, because a
# multiply-add takes 4 cycles and 2 start in each; 12 are a tenth faster on AVX2. P is small,
# because every row of a tile keeps an address in one of 16 general registers. A tile that is whole
# windows of a 2x2 max-pool has a multiple of 4 rows.
ROWS = {1: 8, 2: 6 if LANES == 8 else 8}
POOL_ROWS = {1: 8, 2: 4 if LANES == 8 else 8}


def width(F: int) -> int:
    """The V of the tile that is cheapest for F filters.

    Each panel of V*LANES filters costs V and a little more; the last panel may be partly empty.
    """
    return min(ROWS, key=lambda V: -(-F // (V * LANES)) * (V + 0.2))


# --- the verbs: for each, the code that it stands for, and then what it means ---------------------


def _inside(array, index, count):
    if not 0 <= index <= array.size - count:
        raise IndexError(f"{count} elements at {index} of {array.size}")
    return slice(index, index + count)


def _get(typingctx, array, index):
    def codegen(context, builder, sig, args):
        return builder.load(address(context, builder, sig.args[0], args[0], args[1]))

    return array.dtype(array, types.intp), codegen


@verb(_get)
def get(array, index):
    """array[index], where an index below 0 does not count from the end.

    That Python's does costs a comparison and a choice, several times what the load itself takes.
    """
    return array[_inside(array, index, 1)][0]


def _put(typingctx, array, index, value):
    def codegen(context, builder, sig, args):
        stored = context.cast(builder, args[2], sig.args[2], array.dtype)
        builder.store(stored, address(context, builder, sig.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@verb(_put)
def put(array, index, value):
    """array[index] = value, with an index as `get` takes it."""
    array[_inside(array, index, 1)] = value


def _indices(typingctx, array, index, like):
    def codegen(context, builder, sig, args):
        first = address(context, builder, sig.args[0], args[0], args[1])
        steps = (ir.Constant(ir.IntType(64), p) for p in range(len(like)))
        values = [builder.load(builder.gep(first, [p])) for p in steps]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(types.intp, len(like))(array, types.intp, like), codegen


@verb(_indices)
def indices(array, index, like):
    """As many neighbouring integers as `like` has items, as a tuple."""
    return tuple(array[_inside(array, index, len(like))])


def _load_row(typingctx, array, index, like):
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        element = address(context, builder, sig.args[0], args[0], args[1])
        pointers = neighbours(builder, element, vector, len(like))
        values = [builder.load(pointer, align=vector.align) for pointer in pointers]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(vector, len(like))(array, types.intp, like), codegen


@verb(_load_row)
def load_row(array, index, like):
    """As many neighbouring vectors as `like` has items."""
    return tuple(array[_inside(array, index, len(like) * LANES)].reshape(-1, LANES).copy())


def _load_tile(typingctx, array, places, like):
    vector, P, V = Vector(array.dtype), len(places), len(like)

    def codegen(context, builder, sig, args):
        values = []
        for place in unpacked(builder, args[1], P):
            element = address(context, builder, sig.args[0], args[0], place)
            pointers = neighbours(builder, element, vector, V)
            values += [builder.load(pointer, align=vector.align) for pointer in pointers]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(vector, P * V)(array, places, like), codegen


@verb(_load_tile)
def load_tile(array, places, like):
    """A row of vectors from each of `places`."""
    return tuple(vector for place in places for vector in load_row(array, place, like))


def _store_tile(typingctx, array, places, offset, tile):
    vector, P = tile.dtype, len(places)
    V = len(tile) // P

    def codegen(context, builder, sig, args):
        for p, place in enumerate(unpacked(builder, args[1], P)):
            index = builder.add(place, args[2])
            element = address(context, builder, sig.args[0], args[0], index)
            for v, pointer in enumerate(neighbours(builder, element, vector, V)):
                value = builder.extract_value(args[3], p * V + v)
                builder.store(value, pointer, align=vector.align)
        return context.get_dummy_value()

    return types.void(array, places, types.intp, tile), codegen


@verb(_store_tile)
def store_tile(array, places, offset, tile):
    """Writes each row of a tile to array[place + offset]."""
    V = len(tile) // len(places)
    for p, place in enumerate(places):
        where = _inside(array, place + offset, V * LANES)
        array[where] = np.concatenate(tile[p * V : (p + 1) * V])


def _repeat(typingctx, row, like):
    def codegen(context, builder, sig, args):
        values = unpacked(builder, args[0], len(row)) * len(like)
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(row.dtype, len(row) * len(like))(row, like), codegen


@verb(_repeat)
def repeat(row, like):
    """The tile whose every row is `row`, one for each item of `like`."""
    return row * len(like)


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


def _multiply_add(typingctx, tile, array, origins, offset, row):
    vector, V = row.dtype, len(row)

    def codegen(context, builder, sig, args):
        row_ = unpacked(builder, args[4], V)
        base = address(context, builder, sig.args[1], args[1], args[3])
        # "fmuladd" is one instruction where the host has it.
        kind = ir.FunctionType(vector.ir, [vector.ir] * 3)
        name = f"llvm.fmuladd.v{LANES}{vector.suffix}"
        fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        values = []
        for p, origin in enumerate(unpacked(builder, args[2], len(origins))):
            scalar = splat(builder, builder.load(builder.gep(base, [origin])), vector)
            for v in range(V):
                old = builder.extract_value(args[0], p * V + v)
                values.append(builder.call(fma, [scalar, row_[v], old]))
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile, array, origins, types.intp, row), codegen


@verb(_multiply_add)
def multiply_add(tile, array, origins, offset, row):
    """tile[p, v] + array[origins[p] + offset] * row[v]: one step of an outer product."""
    scalars = [array[_inside(array, origin + offset, 1)] for origin in origins]
    products = [scalar * vector for scalar in scalars for vector in row]
    return tuple(old + product for old, product in zip(tile, products, strict=True))


# --- arithmetic, vector by vector -----------------------------------------------------------------


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
