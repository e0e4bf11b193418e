"""`kernel` makes a launchable kernel of a function of one piece; `run` launches some, in order.

    @kernel
    def _double(piece, x, y): ...

    _double(pieces, (x, y))             # runs pieces 0 to pieces - 1
    run(Launch([step, ...]), arrays)    # several kernels in one launch: see `plans.py`

A kernel's arguments are the number of its piece, then arrays, then numbers:
- arrays are C-contiguous; the kernel sees them flat. A list of arrays is for `array_from`.
- numbers are integers, truth values and tuples of integers. They are laid out in memory once for
  each launch that is prepared. What changes with every launch, and what is no integer, belongs in
  an array.
- If the kernel's second and third argument are `floats` and `ints`, these are scratch memory of
  the thread, as much as `room` says: numbers of the first array's dtype, and int64.
  What is in there at first is arbitrary.

With the JIT off the pieces run one after the other as Python, and every index is checked.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba calls back with has no types to declare)

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.numpy_support import from_dtype

from tinycnn.kernels.compiled import team as team_
from tinycnn.kernels.compiled.jit import JIT_OFF, machine_code, verb
from tinycnn.kernels.compiled.words import I64, array_at, array_of, flat, item_of, word
from tinycnn.utils import Array

Numbers = tuple[int | tuple[int, ...], ...]
Room = tuple[int, int]

# A step's words: how many there are, the kernel's address, the address of the numbers, how many
# floats and ints of room, how many pieces; then which of the launch's arrays its arguments are.
_HEAD = 6
_NUMBERS, _FLOATS, _INTS = 2, 3, 4
_MOST_LAUNCHES = 1024  # that a kernel remembers


class Step(NamedTuple):
    """A kernel as a part of a launch: all that it needs but the arrays themselves.

    Args:
        code: what runs.
        pieces: how many.
        arrays: which of the launch's arrays its arguments are; a range of them for a list.
        numbers: as the kernel takes them.
        room: how many floats and ints of scratch memory.
    """

    code: "Code"
    pieces: int
    arrays: tuple[int | range, ...]
    numbers: Numbers
    room: Room


class Launch:
    """Steps that `run` takes one after the other, on arrays of the dtypes they were made for.

    Args:
        steps: in order.
        plan: whose they are, if a plan made them: see `plans.py`.
    """

    def __init__(self, steps: Sequence[Step], plan: Any = None) -> None:
        self.steps, self.plan = steps, plan
        self.room_size = max([step.code.room_size(step.room) for step in steps], default=0)
        self.block = 0  # the address of its words, once `ready` has laid them out
        self._memory: list[Array] = []

    def ready(self) -> None:
        """Compiles or loads the code, and writes the words that `team.py` and the kernels read."""
        words, numbers = [len(self.steps)], list[int]()
        pointers = []
        for code, pieces, arrays, given, room in self.steps:
            code.ready()
            pointers.append((len(words) + _NUMBERS, len(numbers)))
            which = [array.start if isinstance(array, range) else array for array in arrays]
            words += [_HEAD + len(which), code.address, 0, *room, pieces, *which]
            numbers += [n for number in given for n in _items(number)]
        memory = np.array([*words, *numbers], np.int64)
        for place, number in pointers:
            memory[place] = memory.ctypes.data + 8 * (len(words) + number)
        self._memory.append(memory)  # another thread may be here, too: then both are kept
        self.block = memory.ctypes.data


class Kernel:
    """What `kernel` makes of a function."""

    def __init__(self, function: Callable[..., None]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._launches: dict[Any, Launch] = {}
        self._codes: dict[Any, Code] = {}

    def __call__(
        self, pieces: int, arrays: Sequence[Any], numbers: Numbers = (), room: Room = (0, 0)
    ) -> None:
        """Runs pieces 0 to `pieces` - 1, in a launch that is found again by all but the arrays."""
        lists = [array if type(array) is list else [array] for array in arrays]
        kinds = tuple([(len(items), items[0].dtype) for items in lists])
        key = (pieces, numbers, room, kinds)
        launch = self._launches.get(key)
        if launch is None:
            if len(self._launches) >= _MOST_LAUNCHES:
                self._launches.clear()
            ends = itertools.accumulate(map(len, lists))
            places = tuple(
                range(end - len(array), end) if type(array) is list else end - 1
                for array, end in zip(arrays, ends, strict=True)
            )
            step = self.step(pieces, places, [dtype for _, dtype in kinds], numbers, room)
            launch = self._launches[key] = Launch([step])
        run(launch, tuple([array for items in lists for array in items]))

    def step(
        self,
        pieces: int,
        arrays: tuple[int | range, ...],
        dtypes: Sequence[Any],
        numbers: Numbers = (),
        room: Room = (0, 0),
    ) -> Step:
        """The same as a step of a launch.

        Args:
            pieces: how many.
            arrays: see `Step`.
            dtypes: of each of these, or of the arrays in a list.
            numbers: as the kernel takes them.
            room: how many floats and ints of scratch memory.
        """
        lists = tuple(isinstance(array, range) for array in arrays)
        form = (tuple(dtypes), lists, tuple(_kind(number) for number in numbers))
        code = self._codes.setdefault(form, Code(self.function, *form))
        return Step(code, pieces, arrays, numbers, room)


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
        self.dtype = dtypes[0]
        self._form = (dtypes, lists, kinds)

    def room_size(self, room: Room) -> int:
        """The bytes of so many floats and ints, each of them from the start of a cache line on."""
        return _in_lines(room[0] * self.dtype.itemsize) + _in_lines(room[1] * 8)

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
            piece, own_room, step, arrays = words

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
                item = item_of(builder, arrays, at(_HEAD + index))
                if not is_list:
                    identity = builder.load(word(builder, item, ir.Constant(I64, 0)))
                    item = array_of(context, builder, kind, identity)
                values.append(item)
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

        return machine_code(self.function, argument_types, unpack, 4, compiles)


_INTEGER, _BOOLEAN = -1, -2  # kinds of numbers; a kind from 1 on is the length of a tuple
_TYPES = {_INTEGER: types.int64, _BOOLEAN: types.boolean}


def _tuple_type(length):
    return types.UniTuple(types.int64, length)


def _kind(number: Any) -> int:
    kind = type(number)
    if kind is tuple:
        return len(number)
    return _BOOLEAN if kind is bool else _INTEGER


def _items(number: int | tuple[int, ...]) -> tuple[int, ...]:
    return number if isinstance(number, tuple) else (number,)


def _in_lines(size: int) -> int:
    """The bytes of as many cache lines as `size` bytes take."""
    return (size + 63) // 64 * 64


def run(launch: Launch, arrays: tuple[Any, ...]) -> None:
    """Runs the launch's steps one after the other; each one's pieces are shared out to the team."""
    observer = _observer.get()
    if observer is not None and not observer(launch, arrays):
        return
    if JIT_OFF:
        _run_as_python(launch, arrays)
        return
    if not launch.block:
        launch.ready()
    with team_.turn:
        team = team_.team()
        if launch.room_size > team.room_size:
            team.provide(launch.room_size)
        team.launch(team.control, launch.block, id(arrays))
        team.look_around(len(launch.steps))


Observer = Callable[[Launch, tuple[Any, ...]], bool]
_observer: ContextVar[Observer | None] = ContextVar("tinycnn_observer", default=None)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Inside of it `observer` sees each launch first; only those run to which it says yes."""
    before = _observer.get()
    try:  # Ctrl-C may come at any line: it is set back even if it comes right here
        _observer.set(observer)
        yield
    finally:
        _observer.set(before)


def is_observed() -> bool:
    """Whether somebody observes already."""
    return _observer.get() is not None


@contextmanager
def planning() -> Iterator[dict[Code, None]]:
    """Inside of it nothing runs; kernels are noted instead, and their results are zeros."""
    codes: dict[Code, None] = {}

    def note(launch: Launch, arrays: tuple[Any, ...]) -> bool:
        codes.update(dict.fromkeys([step.code for step in launch.steps]))
        for array in arrays:
            # Also what the kernels would only read, which was made for this purpose.
            if array is not None and array.dtype != np.int64 and array.flags.writeable:
                array.fill(0)
        return False

    with observed(note):
        yield codes


def _run_as_python(launch: Launch, arrays: tuple[Any, ...]) -> None:
    """The same with the JIT off."""
    with np.errstate(all="ignore"):  # machine code has no warnings
        for code, pieces, places, numbers, (floats, ints) in launch.steps:
            given = [
                [arrays[i] for i in place]
                if isinstance(place, range)
                else arrays[place].reshape(-1)
                for place in places
            ]
            for piece in range(pieces):
                room = []
                if code.has_room:
                    # What is read before it is written shows.
                    room = [np.full(floats, np.nan, code.dtype), np.full(ints, -(1 << 40))]
                code.function(piece, *room, *given, *numbers)


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
