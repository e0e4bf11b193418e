"""Words of memory that threads share, and arrays that kernels find by a word.

A word is 8 bytes. The threads of `team.py` agree on who does what through words, with operations
that no other thread can get in between (atomic ones). A kernel gets its arguments by a word, too,
the `id` of a tuple of arrays. Python keeps the items' `id`s side by side in the tuple, and NumPy an
array's data, axes and lengths at fixed places behind the address that `id(array)` is, so that no
argument has to be taken apart in Python.

Legend: `base` is the address of a block of words, `index` counts words from there.
Source: NumPy's `PyArrayObject_fields` (numpy/_core/include/numpy/ndarraytypes.h), whose order is
part of its binary interface; `object.__basicsize__` is what Python keeps in front of it, and
`tuple.__basicsize__` what it keeps in front of a tuple's items.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba and llvmlite call back with has no types to declare)

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I64, I32, I8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_ORDER = "seq_cst"  # all threads see all of these operations in one order


def word(builder, base, index):
    """A pointer to word `index`."""
    return builder.gep(builder.inttoptr(base, I64.as_pointer()), [index])


# --- verbs of the threads -------------------------------------------------------------------------


def _operation(generator: Callable[..., Any]) -> Callable[..., Any]:
    """What Numba calls where kernels call a function of this name: it generates the code."""
    made: Callable[..., Any] = intrinsic(generator)
    return made


@_operation
def load(typingctx, base, index):
    """The word."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(word(builder, *args), _ORDER, 8)

    return types.int64(types.int64, types.int64), codegen


@_operation
def store(typingctx, base, index, value):
    """Writes the word."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[2], word(builder, *args[:2]), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@_operation
def exchange(typingctx, base, index, value):
    """Writes the word, and returns what was there."""

    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("xchg", word(builder, *args[:2]), args[2], _ORDER)

    return types.int64(types.int64, types.int64, types.int64), codegen


@_operation
def increment(typingctx, base, index):
    """Adds 1 to the word, and returns the sum."""

    def codegen(context, builder, sig, args):
        one = ir.Constant(I64, 1)
        return builder.add(builder.atomic_rmw("add", word(builder, *args), one, _ORDER), one)

    return types.int64(types.int64, types.int64), codegen


@_operation
def swap_if(typingctx, base, index, old, new):
    """Whether the word was `old`; then it is `new` now."""

    def codegen(context, builder, sig, args):
        pair = builder.cmpxchg(word(builder, *args[:2]), args[2], args[3], _ORDER, _ORDER)
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64, types.int64), codegen


@_operation
def pause(typingctx):
    """Tells the processor that this is a loop that waits."""

    def codegen(context, builder, sig, args):
        machine = platform.machine().lower()
        if machine in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        elif machine in ("arm64", "aarch64"):
            kind = ir.FunctionType(ir.VoidType(), [I32])
            hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
            builder.call(hint, [ir.Constant(I32, 1)])
        return context.get_dummy_value()

    return types.void(), codegen


@_operation
def call(typingctx, function, piece, room, step, arrays):
    """Calls the machine code at the address `function`."""

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.VoidType(), [I64] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


# Python's own locks, which may be used without its interpreter lock: sleep and wake on any system.
_acquire = types.int32(types.int64, types.int32)
acquire_lock: Any = types.ExternalFunction("PyThread_acquire_lock", _acquire)
release_lock: Any = types.ExternalFunction("PyThread_release_lock", types.void(types.int64))

# --- arrays ---------------------------------------------------------------------------------------


def flat(dtype):
    """Numba's type of a flat, contiguous array."""
    return types.Array(dtype, 1, "C")


def array_at(context, builder, array_type, data, size):
    """The flat array of `size` numbers whose data start at the address `data`."""
    from numba.np.arrayobj import populate_array  # loads much, and is needed to compile only

    kind = array_type.dtype
    array = context.make_array(array_type)(context, builder)
    itemsize = ir.Constant(I64, kind.bitwidth // 8 if kind is not types.boolean else 1)
    pointer = builder.inttoptr(data, context.get_data_type(kind).as_pointer())
    populate_array(
        array, data=pointer, shape=[size], strides=[itemsize], itemsize=itemsize, meminfo=None
    )
    return array._getvalue()


def item_of(builder, identity, index):
    """Where the tuple whose `id` this is keeps the `id` of its item `index`."""
    items = builder.add(identity, ir.Constant(I64, tuple.__basicsize__))
    return builder.add(items, builder.shl(index, ir.Constant(I64, 3)))


def array_of(context, builder, array_type, identity):
    """The contiguous NumPy array whose `id` this is, as a flat one."""
    head = ir.Constant(I64, object.__basicsize__)
    fields = builder.add(identity, head)  # data, number of axes, lengths of the axes

    def field(index):
        return builder.load(word(builder, fields, ir.Constant(I64, index)))

    size = cgutils.alloca_once_value(builder, ir.Constant(I64, 1))
    axes = builder.and_(field(1), ir.Constant(I64, 0xFFFFFFFF))  # a C int
    with cgutils.for_range(builder, axes) as loop:
        length = builder.load(word(builder, field(2), loop.index))
        builder.store(builder.mul(builder.load(size), length), size)
    return array_at(context, builder, array_type, field(0), builder.load(size))
