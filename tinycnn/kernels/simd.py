"""SIMD vectors for Numba kernels, and `jit`, which compiles and caches a kernel.

Numba compiles through LLVM, and LLVM has vector types. This file teaches Numba one: LANES numbers
of the dtype of the array it is loaded from (float32 to run, float64 to check gradients; LLVM
splits a vector that is wider than a register). A kernel keeps a *tile* of sums in vectors that LLVM
holds in registers, which is what a fast matrix product needs and plain loops do not get: loops
stayed below a quarter of the machine's peak, tiles of these vectors reach nine tenths.

Legend: a tile is P rows of V vectors, a tuple of P*V; a row is a tuple of V vectors; `places` and
`origins` are tuples of P indices. All arrays are flat and C-contiguous. Where a verb only needs to
know how many vectors or indices to handle, it takes a tuple of that length as `like`.

LANES is the width of the host's registers as LLVM sees it. The environment variable TINYCNN_LANES
(16, 8 or 4) overrides it, so that every size can be tested on any machine.

With NUMBA_DISABLE_JIT=1 the plain Python functions at the end run instead of the generated code.
They check every index, which LLVM's loads and stores do not.

Only this file imports llvmlite or Numba's private names.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# (what Numba and llvmlite call back with, and what Numba compiles, has no types to declare)

import functools
import hashlib
import os
import pickle
import platform
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps
from numba.extending import intrinsic, models, register_model
from numba.np.ufunc.parallel import _launch_threads

from tinycnn import console

_DISABLE_JIT = bool(vars(numba.config)["DISABLE_JIT"])

# --- the size of a tile ---------------------------------------------------------------------------


def _lanes_of_host() -> int:
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and platform.machine() not in ("arm64", "aarch64") else 4


def _chosen_lanes() -> int:
    text = os.environ.get("TINYCNN_LANES") or str(_lanes_of_host())
    if text not in ("16", "8", "4"):
        raise ValueError(f"`TINYCNN_LANES` must be 16, 8 or 4. Received: TINYCNN_LANES={text!r}")
    return int(text)


LANES = _chosen_lanes()

# (P, V) by rising width. P*V sums, a row of V and (AVX2) one broadcast fit the registers: AVX2 has
# 16, AVX-512 and NEON have 32. At least 8 sums, as a multiply-add takes 4 cycles and 2 start in
# each; P is small, as every row of a tile keeps an address in one of 16 general registers, and a
# multiple of 4, so that a tile can be whole windows of a 2x2 max-pool.
TILES = ((8, 1), (4, 2)) if LANES == 8 else ((8, 1), (8, 2))


# --- compiling and caching ------------------------------------------------------------------------


def _announce() -> None:
    words = "compiling kernels that this machine has not run before; each takes some seconds, once"
    console.notice(words, once=True)


# Called just before a kernel is compiled, not when it comes from the cache; `warm_up` replaces it.
before_compile: Callable[[], None] = _announce

# Numba's "workqueue" threads abort the process when two Python threads start parallel kernels.
_one_kernel_at_a_time = threading.Lock()

_has_run = False  # whether this process, or one that it was forked from, has run kernels
_threads_lost = False  # whether it was forked after that


if vars(numba.config)["THREADING_LAYER"] not in ("default", "safe", "forksafe", "threadsafe"):
    # A layer that was named and is not there ends in an error of Numba's inside the first kernel;
    # here it ends on the reference rung, with a notice. To look for it starts its threads.
    _launch_threads()


def _after_fork() -> None:
    global _threads_lost
    _threads_lost = _has_run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def jit(parallel: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compiles a kernel on its first call with new types, or loads it from the cache.

    A kernel may close over plain numbers only: they are part of the cache's key. (A closed-over
    jitted helper would never be found again; helpers belong at module level.)

    Args:
        parallel: run its `prange` loops on all threads. Numba then does so with every np.zeros and
            every `array[a:b] = ...` outside of them too, at half a second of compilation each:
            kernels keep those inside, or in a helper.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        if _DISABLE_JIT:
            return function
        kernel: Any = numba.njit(parallel=parallel)(function)
        kernel._cache = _Cache(function)

        @functools.wraps(function)
        def launch(*arguments: Any) -> None:
            """The kernel; an error in a forked child, which OpenMP would kill without a word."""
            global _has_run
            if _threads_lost:
                raise RuntimeError(
                    "this process was forked after compiled kernels had run, and their threads "
                    "did not come along: start it with multiprocessing.get_context('spawn'), or "
                    "compute in it with tinycnn.kernels.use('numpy')"
                )
            _has_run = True
            with _one_kernel_at_a_time:
                kernel(*arguments)

        return launch

    return decorate


@functools.cache
def _sources() -> bytes:
    """A hash of every file of this folder: a kernel contains the code of its helpers."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


class _Cache(FunctionCache):
    """Numba's cache with a stricter key, one checksummed file for each key, and no way to fail.

    Numba's own looks at the source file of the kernel only, lets a damaged file stop the program,
    and numbers the files of a kernel's variants in an index, where two processes that compile
    different variants at once can end up with each other's code.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        try:
            super().__init__(function)
        except RuntimeError:  # no folder to write to: compile in every process
            self._cache_path = None

    def _file(self, signature, codegen) -> Path:
        key = repr((self._index_key(signature, codegen), LANES, numba.__version__))
        name = f"{self._impl.filename_base}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"
        return Path(self._cache_path, name)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        try:
            content = self._file(sig, target_context.codegen()).read_bytes()
            if content[:32] == hashlib.sha256(_sources() + content[32:]).digest():
                return self._impl.rebuild(target_context, pickle.loads(content[32:]))
        except Exception:  # whatever is wrong with the file: compile
            pass
        before_compile()
        return None

    def save_overload(self, sig, data):
        try:
            if not self._impl.check_cachable(data):
                return
            file = self._file(sig, data.codegen)
            content = dumps(self._impl.reduce(data))
            unfinished = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}")
            unfinished.write_bytes(hashlib.sha256(_sources() + content).digest() + content)
            unfinished.replace(file)
        except Exception:  # no folder, disk full, ...: the next process compiles again
            pass


# --- the vector type ------------------------------------------------------------------------------


class Vector(types.Type):
    """LANES numbers of one dtype: float32, float64 or uint8."""

    def __init__(self, dtype) -> None:
        kinds = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
        element = kinds.get(dtype) or ir.IntType(8)
        self.suffix, self.align = f"f{dtype.bitwidth}", dtype.bitwidth // 8
        self.ir = ir.VectorType(element, LANES)
        super().__init__(name=f"{dtype}x{LANES}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type) -> None:
        super().__init__(manager, fe_type, fe_type.ir)


def _element(context, builder, array_type, array, index):
    """A pointer to array[index]."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _neighbours(builder, element, vector, count):
    """Pointers to `count` vectors side by side, the first one at `element`."""
    first = builder.bitcast(element, vector.ir.as_pointer())
    return [builder.gep(first, [ir.Constant(ir.IntType(64), v)]) for v in range(count)]


def _splat(builder, scalar, vector):
    undefined = ir.Constant(vector.ir, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, everywhere)


def _items(builder, values, count):
    return [builder.extract_value(values, i) for i in range(count)]


# --- the verbs: types and code, as Numba wants them -----------------------------------------------


def _indices(typingctx, array, index, like):
    def codegen(context, builder, sig, args):
        first = _element(context, builder, sig.args[0], args[0], args[1])
        steps = (ir.Constant(ir.IntType(64), p) for p in range(len(like)))
        values = [builder.load(builder.gep(first, [p])) for p in steps]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(types.intp, len(like))(array, types.intp, like), codegen


def _load_row(typingctx, array, index, like):
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        element = _element(context, builder, sig.args[0], args[0], args[1])
        pointers = _neighbours(builder, element, vector, len(like))
        values = [builder.load(pointer, align=vector.align) for pointer in pointers]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(vector, len(like))(array, types.intp, like), codegen


def _load_tile(typingctx, array, places, like):
    vector, P, V = Vector(array.dtype), len(places), len(like)

    def codegen(context, builder, sig, args):
        values = []
        for place in _items(builder, args[1], P):
            element = _element(context, builder, sig.args[0], args[0], place)
            pointers = _neighbours(builder, element, vector, V)
            values += [builder.load(pointer, align=vector.align) for pointer in pointers]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(vector, P * V)(array, places, like), codegen


def _store_tile(typingctx, array, places, offset, tile):
    vector, P = tile.dtype, len(places)
    V = len(tile) // P

    def codegen(context, builder, sig, args):
        for p, place in enumerate(_items(builder, args[1], P)):
            index = builder.add(place, args[2])
            element = _element(context, builder, sig.args[0], args[0], index)
            for v, pointer in enumerate(_neighbours(builder, element, vector, V)):
                value = builder.extract_value(args[3], p * V + v)
                builder.store(value, pointer, align=vector.align)
        return context.get_dummy_value()

    return types.void(array, places, types.intp, tile), codegen


def _repeat(typingctx, row, like):
    def codegen(context, builder, sig, args):
        values = _items(builder, args[0], len(row)) * len(like)
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(row.dtype, len(row) * len(like))(row, like), codegen


def _rectify(typingctx, tile):
    def codegen(context, builder, sig, args):
        zero = ir.Constant(tile.dtype.ir, None)
        values = [
            builder.select(builder.fcmp_ordered("<", value, zero), zero, value)
            for value in _items(builder, args[0], len(tile))
        ]
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile), codegen


def _where_positive(typingctx, row, values):
    def codegen(context, builder, sig, args):
        zero = ir.Constant(row.dtype.ir, None)
        pairs = zip(*(_items(builder, arg, len(row)) for arg in args), strict=True)
        chosen = [
            builder.select(builder.fcmp_ordered(">", y, zero), value, zero) for y, value in pairs
        ]
        return context.make_tuple(builder, sig.return_type, chosen)

    return values(row, values), codegen


def _pool_fours(typingctx, tile, row):
    vector, V = tile.dtype, len(row)
    small = Vector(types.uint8)
    best_type = types.UniTuple(vector, len(tile) // 4)
    winner_type = types.UniTuple(small, len(tile) // 4)

    def constant(number):
        return ir.Constant(small.ir, [number] * LANES)

    def codegen(context, builder, sig, args):
        zero, items = ir.Constant(vector.ir, None), _items(builder, args[0], len(tile))
        best, winners = [], []
        for start in range(0, len(tile), 4 * V):
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


def _where_equal(typingctx, codes, code, values):
    vector = codes.dtype

    def codegen(context, builder, sig, args):
        zero = ir.Constant(values.dtype.ir, None)
        wanted = _splat(builder, builder.trunc(args[1], ir.IntType(8)), vector)
        pairs = zip(*(_items(builder, args[i], len(codes)) for i in (0, 2)), strict=True)
        chosen = [
            builder.select(builder.icmp_unsigned("==", code_, wanted), value, zero)
            for code_, value in pairs
        ]
        return context.make_tuple(builder, sig.return_type, chosen)

    return values(codes, types.intp, values), codegen


def _multiply_add(typingctx, tile, array, origins, offset, row):
    vector, V = row.dtype, len(row)

    def codegen(context, builder, sig, args):
        row_ = _items(builder, args[4], V)
        base = _element(context, builder, sig.args[1], args[1], args[3])
        # "fmuladd" is one instruction where the host has it.
        kind = ir.FunctionType(vector.ir, [vector.ir] * 3)
        name = f"llvm.fmuladd.v{LANES}{vector.suffix}"
        fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        values = []
        for p, origin in enumerate(_items(builder, args[2], len(origins))):
            scalar = _splat(builder, builder.load(builder.gep(base, [origin])), vector)
            for v in range(V):
                old = builder.extract_value(args[0], p * V + v)
                values.append(builder.call(fma, [scalar, row_[v], old]))
        return context.make_tuple(builder, sig.return_type, values)

    return tile(tile, array, origins, types.intp, row), codegen


# --- the verbs: what they mean, and run with the JIT off ------------------------------------------


def _verb(generator: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A Numba intrinsic of this name; with the JIT off, the plain function that it decorates."""

    def choose(twin: Callable[..., Any]) -> Callable[..., Any]:
        verb: Callable[..., Any] = twin if _DISABLE_JIT else intrinsic(generator)
        return verb

    return choose


def _inside(array, index, count):
    if not 0 <= index <= array.size - count:
        raise IndexError(f"{count} elements at {index} of {array.size}")
    return slice(index, index + count)


@_verb(_indices)
def indices(array, index, like):
    """As many neighbouring integers as `like` has items, as a tuple."""
    return tuple(array[_inside(array, index, len(like))])


@_verb(_load_row)
def load_row(array, index, like):
    """As many neighbouring vectors as `like` has items."""
    return tuple(array[_inside(array, index, len(like) * LANES)].reshape(-1, LANES).copy())


@_verb(_load_tile)
def load_tile(array, places, like):
    """A row of vectors from each of `places`."""
    return tuple(vector for place in places for vector in load_row(array, place, like))


@_verb(_store_tile)
def store_tile(array, places, offset, tile):
    """Writes each row of a tile to array[place + offset]."""
    V = len(tile) // len(places)
    for p, place in enumerate(places):
        where = _inside(array, place + offset, V * LANES)
        array[where] = np.concatenate(tile[p * V : (p + 1) * V])


@_verb(_repeat)
def repeat(row, like):
    """The tile whose every row is `row`, one for each item of `like`."""
    return row * len(like)


@_verb(_rectify)
def rectify(tile):
    """max(tile, 0); NaN stays NaN."""
    return tuple(np.where(value < 0, value.dtype.type(0), value) for value in tile)


@_verb(_where_positive)
def where_positive(row, values):
    """The values where `row` is positive, else 0: the derivative of relu."""
    return tuple(np.where(y > 0, v, v.dtype.type(0)) for y, v in zip(row, values, strict=True))


@_verb(_multiply_add)
def multiply_add(tile, array, origins, offset, row):
    """tile[p, v] + array[origins[p] + offset] * row[v]: one step of an outer product."""
    scalars = [array[_inside(array, origin + offset, 1)] for origin in origins]
    products = [scalar * vector for scalar in scalars for vector in row]
    return tuple(old + product for old, product in zip(tile, products, strict=True))


@_verb(_pool_fours)
def pool_fours(tile, row):
    """Relu and 2x2 max-pool of every four rows of a tile, `row` long: the tile of the largest...

    ... and the tile of which row they came from (of equals the first; the first NaN wins): 0 to 3,
    or 4 where relu makes it 0 and nothing goes back.
    """
    V = len(row)
    best, winners = [], []
    for start in range(0, len(tile), 4 * V):
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


@_verb(_where_equal)
def where_equal(codes, code, values):
    """The values where `codes` is `code`, else 0."""
    pairs = zip(codes, values, strict=True)
    return tuple(np.where(c == code, value, value.dtype.type(0)) for c, value in pairs)
