"""`planned` runs a public function's kernels as a plan says that is made once, and then kept.

What a function checks, how its work is cut into pieces, and what memory it needs depends on the
shapes and dtypes of its arrays and on its options, never on the numbers in the arrays. So it is
decided once for each combination of them, by a function that writes a plan:

    def _scaled(plan, x, factor):                 # is given slots, which stand for arrays
        checked(x, 2, "x")
        y = plan.empty(x.shape, x.dtype)          # made anew in every call
        plan.step(_scale, pieces_of(x.size), (x, y), (factor,))
        return y

    y = planned(_scaled, (x,), 3)                 # writes the plan, if there is none; then runs it

All steps of a plan are one launch. A check that fails raises in every call, since no plan is kept.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from tinycnn.kernels.compiled.checks import Shape, contiguous
from tinycnn.kernels.compiled.launch import Kernel, Launch, Numbers, Room, run
from tinycnn.utils import Array

_MOST_PLANS = 2048  # that are kept, some kilobytes each; a network needs a few for each layer


@dataclass(frozen=True, slots=True)
class Slot:
    """What a plan knows of an array.

    Args:
        place: which of the plan's arrays it is; constants are counted from the end, as in Python.
        shape: of the array. Kernels see it flat.
        dtype: of the array.
    """

    place: int
    shape: Shape
    dtype: Any

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    def reshape(self, *shape: int) -> "Slot":
        """The same array in another shape."""
        return replace(self, shape=shape)


class Plan:
    """Steps, and the arrays they work on: those that are given, those it makes, its constants.

    Args:
        kinds: shape and dtype of each array that is given, or None where there is none.
    """

    def __init__(self, kinds: Sequence[tuple[Shape, Any] | None]) -> None:
        self.given = [
            None if kind is None else Slot(place, *kind) for place, kind in enumerate(kinds)
        ]
        self.made: list[tuple[Any, Shape, Any]] = []
        self._constants: tuple[Array, ...] = ()
        self.steps: list[tuple[Kernel, int, Sequence[Slot], Numbers, Room]] = []

    def empty(self, shape: Shape, dtype: Any) -> Slot:
        """An array that is made in every call."""
        return self.make(np.empty, shape, dtype)

    def zeros(self, shape: Shape, dtype: Any) -> Slot:
        """The same, full of zeros."""
        return self.make(np.zeros, shape, dtype)

    def make(self, make: Any, shape: Shape, dtype: Any) -> Slot:
        """An array that `make` makes in every call."""
        self.made.append((make, shape, np.dtype(dtype)))
        return Slot(len(self.given) + len(self.made) - 1, shape, np.dtype(dtype))

    def constant(self, array: Array) -> Slot:
        """An array that is the same in every call, and only read."""
        array.flags.writeable = False
        self._constants = (array, *self._constants)
        return Slot(-len(self._constants), array.shape, array.dtype)

    def step(
        self,
        kernel: Kernel,
        pieces: int,
        arrays: Sequence[Slot],
        numbers: Numbers = (),
        room: Room = (0, 0),
    ) -> None:
        """Adds a step, with arguments as in a call of the kernel."""
        self.steps.append((kernel, pieces, arrays, numbers, room))

    def finish(self, results: Slot | Sequence[Slot]) -> None:
        """Makes the plan ready to run. The results are arrays that it makes, in these shapes."""
        results = [results] if isinstance(results, Slot) else results
        for slot in results:
            index = slot.place - len(self.given)
            self.made[index] = (self.made[index][0], slot.shape, slot.dtype)
        self._results = itemgetter(*[slot.place for slot in results])
        count = len(self.given) + len(self.made) + len(self._constants)
        self._launch = Launch(
            [
                kernel.step(
                    pieces,
                    tuple(slot.place % count for slot in arrays),
                    [slot.dtype for slot in arrays],
                    numbers,
                    room,
                )
                for kernel, pieces, arrays, numbers, room in self.steps
            ],
            self,
        )

    def run(self, given: Sequence[Array | None]) -> Any:
        """Runs the steps on these arrays, and gives back the results."""
        made = [make(shape, dtype) for make, shape, dtype in self.made]
        return self._results(self.run_with(given, made))

    def run_with(self, given: Sequence[Array | None], made: Sequence[Array]) -> tuple[Any, ...]:
        """The same with arrays that were made already; gives back all arrays that it worked on."""
        arrays = (
            *[a if a is None or a.flags.carray else contiguous(a) for a in given],
            *made,
            *self._constants,
        )
        run(self._launch, arrays)
        return arrays


def planned(write: Callable[..., Any], arrays: Sequence[Array | None], *options: Any) -> Any:
    """What `write` says is done with these arrays, by the plan for such arrays and options.

    Args:
        write: (plan, a slot or None for each array, options) -> the slots of the results. It checks
            what it is given, and adds steps to the plan. Where it returns None there is no plan.
        arrays: ndarrays of any strides, or None.
        options: hashable.

    Returns:
        an array for each of the results, or the only one; None if there is no plan.
    """
    kinds = tuple([None if a is None else (a.shape, a.dtype) for a in arrays])
    plan = plan_for(write, kinds, *options)
    return None if plan is None else plan.run(arrays)


@functools.lru_cache(_MOST_PLANS)
def plan_for(
    write: Callable[..., Any], kinds: tuple[tuple[Shape, Any] | None, ...], *options: Any
) -> Plan | None:
    """The plan for arrays of these shapes and dtypes."""
    plan = Plan(kinds)
    results = write(plan, *plan.given, *options)
    if results is None:
        return None
    plan.finish(results)
    return plan


_age = 0


def age() -> int:
    """How often all plans were forgotten; what is built on plans is as old as they are."""
    return _age


def forget() -> None:
    """Forgets all plans: after a change of what they were made by."""
    global _age
    _age += 1
    plan_for.cache_clear()
