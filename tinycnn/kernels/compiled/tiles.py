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
from tinycnn.kernels.compiled.simd import (
    LANES,
    Vector,
    address,
    neighbours,
    shuffled,
    spread,
    unpacked,
)

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


def _evenly(typingctx, start, step):
    def codegen(context, builder, sig, args):
        values = [args[0]]
        while len(values) < LANES:
            values.append(builder.add(values[-1], args[1]))
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(types.intp, LANES)(types.intp, types.intp), codegen


@verb(_evenly)
def evenly(start, step):
    """LANES indices from `start` on, each a `step` further, as a tuple."""
    return tuple(start + lane * step for lane in range(LANES))


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


def _store_part(typingctx, array, places, offset, tile, count):
    vector, P = tile.dtype, len(places)
    V = len(tile) // P

    def codegen(context, builder, sig, args):
        rows = [
            address(context, builder, sig.args[0], args[0], builder.add(place, args[2]))
            for place in unpacked(builder, args[1], P)
        ]
        for v in range(V):
            values = [builder.extract_value(args[3], p * V + v) for p in range(P)]
            _store_lanes(builder, rows, values, vector, v * LANES, args[4])
        return context.get_dummy_value()

    return types.void(array, places, types.intp, tile, types.intp), codegen


def _store_lanes(builder, rows, values, vector, start, count):
    """Stores the lanes from `start` to `count` of each row, halving the vectors.

    No lane is stored that is not asked for, and no processor is slow at it, as some are at stores
    with a mask.
    """

    def constant(number):
        return ir.Constant(ir.IntType(64), number)

    def store(at, values):
        for row, value in zip(rows, values, strict=True):
            pointer = builder.bitcast(builder.gep(row, [at]), value.type.as_pointer())
            builder.store(value, pointer, align=vector.align)

    all_of_them = builder.icmp_signed(">=", count, constant(start + LANES))
    with builder.if_else(all_of_them) as (whole, parts):
        with whole:
            store(constant(start), values)
        with parts, builder.if_then(builder.icmp_signed(">", count, constant(start))):
            at, size = constant(start), LANES // 2
            while size:
                low = [shuffled(builder, value, range(size)) for value in values]
                bit = builder.and_(count, constant(size))
                before = builder.block
                with builder.if_then(builder.icmp_signed("!=", bit, constant(0))):
                    store(at, low)
                    high = [shuffled(builder, v, range(size, 2 * size)) for v in values]
                    inside = builder.block
                values = []
                for if_not, if_so in zip(low, high, strict=True):
                    values.append(builder.phi(if_not.type))
                    values[-1].add_incoming(if_not, before)
                    values[-1].add_incoming(if_so, inside)
                at, size = builder.add(at, bit), size // 2


@verb(_store_part)
def store_part(array, places, offset, tile, count):
    """Writes the first `count` numbers of each row of a tile, or all if there are fewer."""
    V = len(tile) // len(places)
    count = min(count, V * LANES)
    for p, place in enumerate(places):
        where = _inside(array, place + offset, count)
        array[where] = np.concatenate(tile[p * V : (p + 1) * V])[:count]


def _repeat(typingctx, row, like):
    def codegen(context, builder, sig, args):
        values = unpacked(builder, args[0], len(row)) * len(like)
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(row.dtype, len(row) * len(like))(row, like), codegen


@verb(_repeat)
def repeat(row, like):
    """The tile whose every row is `row`, one for each item of `like`."""
    return row * len(like)


def _multiply_add(typingctx, tile, array, origins, offset, row):
    return tile(tile, array, origins, types.intp, row), _adding_products(tile, row, 1, 1)


@verb(_multiply_add)
def multiply_add(tile, array, origins, offset, row):
    """tile[p, v] + array[origins[p] + offset] * row[v]: one step of an outer product."""
    scalars = [array[_inside(array, origin + offset, 1)] for origin in origins]
    products = [scalar * vector for scalar in scalars for vector in row]
    return tuple(old + product for old, product in zip(tile, products, strict=True))


def _multiply_add_parts(typingctx, tile, array, origins, offset, row, parts):
    codegen = _adding_products(tile, row, len(parts), len(parts))
    return tile(tile, array, origins, types.intp, row, parts), codegen


@verb(_multiply_add_parts)
def multiply_add_parts(tile, array, origins, offset, row, parts):
    """As many steps at once as there are `parts`: D lanes of each vector are one output's.

    Of every D lanes, lane d is multiplied by array[origins[p] + offset + d]. At the end
    `add_parts` adds them up.
    """
    D = len(parts)
    inputs = [np.tile(array[_inside(array, at + offset, D)], LANES // D) for at in origins]
    products = [some * vector for some in inputs for vector in row]
    return tuple(old + product for old, product in zip(tile, products, strict=True))


def _multiply_add_first(typingctx, tile, array, origins, offset, row, parts):
    codegen = _adding_products(tile, row, len(parts), 1)
    return tile(tile, array, origins, types.intp, row, parts), codegen


@verb(_multiply_add_first)
def multiply_add_first(tile, array, origins, offset, row, parts):
    """One step, in the first of every D lanes; the others stay as they are, whatever `row` has."""
    new = multiply_add(tile, array, origins, offset, row)
    first = np.arange(LANES) % len(parts) == 0
    return tuple(np.where(first, some, old) for some, old in zip(new, tile, strict=True))


def _adding_products(tile, row, parts, taken):
    """The code of `multiply_add` in the first `taken` of every `parts` lanes."""
    vector, V = row.dtype, len(row)

    def codegen(context, builder, sig, args):
        row_ = unpacked(builder, args[4], V)
        base = address(context, builder, sig.args[1], args[1], args[3])
        # "fmuladd" is one instruction where the host has it.
        kind = ir.FunctionType(vector.ir, [vector.ir] * 3)
        name = f"llvm.fmuladd.v{LANES}{vector.suffix}"
        fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        lanes = [lane % parts < taken for lane in range(LANES)]
        chosen = ir.Constant(ir.VectorType(ir.IntType(1), LANES), lanes)
        values = []
        for p, origin in enumerate(unpacked(builder, args[2], len(sig.args[2]))):
            inputs = spread(builder, builder.gep(base, [origin]), vector, taken)
            for v in range(V):
                old = builder.extract_value(args[0], p * V + v)
                new = builder.call(fma, [inputs, row_[v], old])
                values.append(new if taken == parts else builder.select(chosen, new, old))
        return context.make_tuple(builder, sig.return_type, values)

    return codegen


def _add_parts(typingctx, tile, parts):
    def codegen(context, builder, sig, args):
        if len(parts) == 1:
            return args[0]
        D, sums = len(parts), []
        for value in unpacked(builder, args[0], len(tile)):
            step = 1
            while step < D:
                other = shuffled(builder, value, [lane ^ step for lane in range(LANES)])
                value, step = builder.fadd(value, other), 2 * step
            every = [min(lane * D, LANES) for lane in range(LANES)]
            sums.append(shuffled(builder, value, every))
        return context.make_tuple(builder, sig.return_type, sums)

    return tile(tile, parts), codegen


@verb(_add_parts)
def add_parts(tile, parts):
    """The sum of every D lanes, in the first LANES/D lanes of each vector; the others are waste."""
    sums = []
    for vector in tile:
        while vector.size > LANES // len(parts):
            vector = vector[::2] + vector[1::2]
        sums.append(np.resize(vector, LANES))
    return tuple(sums)


def _prefetch(typingctx, array, origins, offset):
    def codegen(context, builder, sig, args):
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        name = "llvm.prefetch.p0"
        fetch = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        base = address(context, builder, sig.args[0], args[0], args[2])
        for origin in unpacked(builder, args[1], len(sig.args[1])):
            line = builder.bitcast(builder.gep(base, [origin]), byte)
            builder.call(fetch, [line, integer(0), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.void(array, origins, types.intp), codegen


@verb(_prefetch)
def prefetch(array, origins, offset):
    """Has the cache lines with array[origins[p] + offset] fetched, which will be read soon."""
