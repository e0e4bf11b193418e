"""`kernel` makes a launchable kernel of a function of one piece; `run` launches some, in order.

    @kernel
    def _double(piece, x, y): ...

    _double(pieces, (x, y))                       # runs pieces 0 to pieces - 1
    run(_pack.step(...), _forward.step(...))      # one after the other, in one launch

A kernel's arguments are the number of its piece, then arrays, then numbers:
- arrays are C-contiguous; the kernel sees them flat. A list of arrays is for `array_from`.
- numbers are integers, truth values and tuples of integers. They are laid out in memory once for
  each combination, and found again by their values, so that launching takes a few microseconds.
  What changes with every launch, and what is no integer, belongs in an array.
- If the kernel's second and third argument are `floats` and `ints`, these are scratch memory of
  the thread, as much as `room` says: numbers of the first array's dtype, and int64.
  What is in there at first is arbitrary.

With the JIT off the pieces run one after the other as Python, and every index is checked.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba calls back with has no types to declare)

import functools
import inspect
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.numpy_support import from_dtype

from tinycnn.kernels.compiled import team as team_
from tinycnn.kernels.compiled.jit import JIT_OFF, machine_code, verb
from tinycnn.kernels.compiled.words import I64, array_at, array_of, flat, word
from tinycnn.utils import Array

Numbers = tuple[int | tuple[int, ...], ...]
Room = tuple[int, int]

# A step's words: how many there are, the kernel's address, the address of the numbers, how many
# floats and ints of room, how many pieces; then the arrays, and what is in lists of arrays.
_HEAD = 6
_NUMBERS, _FLOATS, _INTS = 2, 3, 4
_MOST_PLANS = 1024  # that a kernel remembers


class _Plan:
    """What is the same whenever a kernel is launched with these numbers and dtypes.

    Args:
        code: what runs.
        dtypes: of the arrays.
        lists: for each of them whether it is a list of arrays.
        numbers: as they were given.
        room: how many floats and ints of scratch memory.
    """

    __slots__ = ("_memory", "_pack", "code", "head", "numbers", "room", "room_size")

    def __init__(self, code: "Code", dtypes: Any, lists: Any, numbers: Numbers, room: Room) -> None:
        self.code, self.numbers, self.room = code, numbers, room
        self.room_size = _in_lines(room[0] * dtypes[0].itemsize) + _in_lines(room[1] * 8)
        words = [w for n in numbers for w in (n if isinstance(n, tuple) else (n,))]
        self._memory = np.array(words or [0], np.int64)
        self._pack = None if any(lists) else struct.Struct(f"{1 + len(lists)}q").pack
        self.head = b""  # the first words, once there is an address

    def ready(self, arrays: Sequence[Any]) -> None:
        """Compiles or loads the code, after which `words` can be asked for."""
        self.code.ready()
        length = _HEAD + len(arrays)
        head = (length, self.code.address, self._memory.ctypes.data, *self.room)
        self.head = struct.pack("5q", *head)

    def words(self, pieces: int, arrays: Sequence[Any]) -> bytes:
        """A step as `team.py` and the kernel's entry read it."""
        if self._pack is not None:
            return self.head + self._pack(pieces, *map(id, arrays))
        length = _HEAD + len(arrays)
        fixed: list[int] = []
        more: list[int] = []
        for array in arrays:
            if isinstance(array, list):
                fixed.append(length + len(more))
                more += map(id, array)
            else:
                fixed.append(id(array))
        words = [pieces, *fixed, *more]
        return (
            struct.pack("q", length + len(more))
            + self.head[8:]
            + struct.pack(f"{len(words)}q", *words)
        )


# A kernel with all that it needs to run: its plan, how many pieces, the arrays.
Step = tuple[_Plan, int, Sequence[Any]]


class Kernel:
    """What `kernel` makes of a function."""

    def __init__(self, function: Callable[..., None]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._plans: dict[Any, _Plan] = {}
        self._codes: dict[Any, Code] = {}

    def __call__(
        self, pieces: int, arrays: Sequence[Any], numbers: Numbers = (), room: Room = (0, 0)
    ) -> None:
        """Runs pieces 0 to `pieces` - 1."""
        run(self.step(pieces, arrays, numbers, room))

    def step(
        self, pieces: int, arrays: Sequence[Any], numbers: Numbers = (), room: Room = (0, 0)
    ) -> Step:
        """The same as a step, for `run`."""
        key = (numbers, room, *[a.dtype if type(a) is np.ndarray else _dtype(a) for a in arrays])
        return self._plans.get(key) or self._plan(key, arrays, numbers, room), pieces, arrays

    def _plan(self, key: Any, arrays: Sequence[Any], numbers: Numbers, room: Room) -> _Plan:
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        dtypes = tuple(_dtype(array) for array in arrays)
        lists = tuple(isinstance(array, list) for array in arrays)
        form = (dtypes, lists, tuple(_kind(number) for number in numbers))
        code = self._codes.setdefault(form, Code(self.function, *form))
        plan = self._plans[key] = _Plan(code, dtypes, lists, numbers, room)
        return plan


class Code:
    """A kernel's machine code for one combination of types.

    Args:
        function: of one piece.
        dtypes: of the arrays, or of the arrays in a list.
        lists: for each of them whether it is a list of arrays.
        kinds: of the numbers.
    """

    def __init__(self, function: Callable[..., None], dtypes: Any, lists: Any, kinds: Any) -> None:
        self.function = function
        self.name = function.__name__
        self.has_room = list(inspect.signature(function).parameters)[1:3] == ["floats", "ints"]
        self.address = 0  # until it is compiled, or loaded
        self._form = (dtypes, lists, kinds)

    def ready(self, compiles: bool = True) -> bool:
        """Compiles it or, if it was compiled before, loads it; whether it can run."""
        if not self.address and not JIT_OFF:
            self.address = self._made(*self._form, compiles)
        return bool(self.address) or JIT_OFF

    def _made(self, dtypes: Any, lists: Any, kinds: Any, compiles: bool) -> int:
        element = from_dtype(dtypes[0])
        room = [flat(element), flat(types.int64)] if self.has_room else []
        array_types = [
            types.int64 if is_list else flat(from_dtype(dtype))
            for dtype, is_list in zip(dtypes, lists, strict=True)
        ]
        number_types = [_TYPES[kind] if kind < 0 else _tuple_type(kind) for kind in kinds]
        argument_types = (types.int64, *room, *array_types, *number_types)

        def unpack(context, builder, words):
            piece, own_room, step = words

            def at(index):
                return builder.load(word(builder, step, ir.Constant(I64, index)))

            values = [piece]
            if room:
                size = builder.mul(at(_FLOATS), ir.Constant(I64, dtypes[0].itemsize))
                mask = ir.Constant(I64, -64)
                lines = builder.and_(builder.add(size, ir.Constant(I64, 63)), mask)
                ints = builder.add(own_room, lines)
                values.append(array_at(context, builder, room[0], own_room, at(_FLOATS)))
                values.append(array_at(context, builder, room[1], ints, at(_INTS)))
            for index, (kind, is_list) in enumerate(zip(array_types, lists, strict=True)):
                value = at(_HEAD + index)
                if is_list:  # how many words after the step's first the list's are
                    value = builder.add(step, builder.shl(value, ir.Constant(I64, 3)))
                else:
                    value = array_of(context, builder, kind, value)
                values.append(value)
            place, memory = 0, at(_NUMBERS)
            for kind, number_type in zip(kinds, number_types, strict=True):
                items = []
                for _ in range(max(1, kind)):
                    pointer = word(builder, memory, ir.Constant(I64, place))
                    items.append(builder.load(pointer))
                    place += 1
                if kind >= 0:
                    values.append(context.make_tuple(builder, number_type, items))
                elif kind == _BOOLEAN:
                    values.append(builder.trunc(items[0], ir.IntType(1)))
                else:
                    values.append(items[0])
            return values

        return machine_code(self.function, argument_types, unpack, compiles)


_INTEGER, _BOOLEAN = -1, -2  # kinds of numbers; a kind from 1 on is the length of a tuple
_TYPES = {_INTEGER: types.int64, _BOOLEAN: types.boolean}


def _tuple_type(length):
    return types.UniTuple(types.int64, length)


def _kind(number: Any) -> int:
    kind = type(number)
    if kind is tuple:
        return len(number)
    return _BOOLEAN if kind is bool else _INTEGER


def _dtype(array: Any) -> Any:
    return array[0].dtype if isinstance(array, list) else array.dtype


def _in_lines(size: int) -> int:
    """The bytes of as many cache lines as `size` bytes take."""
    return (size + 63) // 64 * 64


def run(*steps: Step) -> None:
    """Launches the steps one after the other; each one's pieces are shared out to the team."""
    planned = _planned.get()
    if planned is not None:
        _plan_for_later(steps, planned)
        return
    block, room = b"", 0
    for plan, pieces, arrays in steps:
        if not plan.head:
            plan.ready(arrays)
        block += plan.words(pieces, arrays)
        if plan.room_size > room:
            room = plan.room_size
    with team_.turn:
        team = team_.team()
        if room > team.room_size:
            team.provide(room)
        team.launch(team.control, len(steps), block)
        team.look_around()


# While `planning`, what would have to be ready to run.
_planned: ContextVar[dict[Code, None] | None] = ContextVar("tinycnn_planned", default=None)


@contextmanager
def planning() -> Iterator[dict[Code, None]]:
    """Inside of it nothing runs; kernels are noted instead, and their results are zeros."""
    codes: dict[Code, None] = {}
    token = _planned.set(codes)
    try:
        yield codes
    finally:
        _planned.reset(token)


def _plan_for_later(steps: Sequence[Step], planned: dict[Code, None]) -> None:
    for plan, _, given_arrays in steps:
        planned[plan.code] = None
        for given in given_arrays:
            arrays: Any = given if isinstance(given, list) else [given]
            for array in arrays:
                # Also what the kernels would only read, which was made for this purpose.
                if array.dtype != np.int64 and array.flags.writeable:
                    array.fill(0)


def _run_as_python(*steps: Step) -> None:
    """The same with the JIT off."""
    for plan, pieces, given in steps:
        floats, ints = plan.room
        arrays = [a if isinstance(a, list) else a.reshape(-1) for a in given]
        for piece in range(pieces):
            room = []
            if plan.code.has_room:
                # What is read before it is written shows.
                room = [np.full(floats, np.nan, _dtype(given[0])), np.full(ints, -(1 << 40))]
            plan.code.function(piece, *room, *arrays, *plan.numbers)


if JIT_OFF:
    run = _run_as_python


def kernel(function: Callable[..., None]) -> Kernel:
    """Makes a kernel of a function of one piece: see above."""
    return Kernel(function)


def _array_from(typingctx, arrays, index, like):
    def codegen(context, builder, sig, args):
        identity = builder.load(word(builder, args[0], args[1]))
        return array_of(context, builder, sig.return_type, identity)

    return like(types.int64, types.intp, like), codegen


@verb(_array_from)
def array_from(arrays: Any, index: int, like: Array) -> Array:
    """The array number `index` of a list of arrays, flat; its dtype is that of `like`."""
    found: Array = arrays[index].reshape(-1)
    return found
