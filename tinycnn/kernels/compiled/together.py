"""`repeated` runs work that calls many kernels; when it comes again, they all are a single launch.

Between two launches Python looks up, checks and makes arrays. In a training step of a small network
that takes as long as some of the kernels do. But all it finds out follows from the shapes. So the
first time, the work runs as it is, and each plan that is run is noted with its arrays (`plans.py`).
From then on, what was noted is one plan:

- An array that a plan was given is one of those that the work was given, or that a plan before it
  had made. It is recognized by where it is in memory: a reshaped array is the same one.
- An array that is neither came from somewhere else, say from NumPy. What NumPy would do the next
  time is not known, so such work runs as it is, each time.
- Arrays are made anew each time, as the plans would have made them. Those that are no results are
  parts of one array. Two of them share a part, if one is no longer used when the other one is made;
  so it is still in the processor's cache.
"""

import math
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterator,
    MutableMapping,
    Sequence,
)
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinycnn.kernels.compiled import plans
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.launch import Launch, is_observed, observed
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.utils import Array

# How often work is noted that others than kernels have a part in, before that is taken for granted:
# once it may have been a copy of an x that was not contiguous.
_TRIES = 3
_MOST = 64  # pieces of work that are remembered in one memory; a network needs a few
# Bytes of arrays that one launch may make. They are there until it ends, and Ctrl-C has to wait for
# it. Where there are more of them, Python's time is not worth mentioning.
_MOST_BYTES = 64 << 20
_LINE = 16  # numbers: where parts of an array begin

Items = tuple[Any, ...]
# What is noted of a launch: its plan, or None if it had none, and its arrays.
_Noted = tuple[Plan | None, tuple[Any, ...]]


def repeated(
    memory: MutableMapping[Hashable, Any],
    key: Hashable,
    given: Sequence[Array],
    work: Callable[[], list[Items]],
    kept: Sequence[Array] = (),
) -> list[Items]:
    """What `work` returns: from the second time on in one launch, if kernels alone do it.

    No other thread may be at the same work (`team.taking_turns`).

    Args:
        memory: where it is noted how that is done.
        key: says what is done, and the shapes and dtypes of `given` and `kept`.
        given: the arrays that the work starts from. It changes none of them, nor any other.
        work: calls kernels. What else it does depends on nothing but `key`, and must not be missed
            when it is left out. It returns some tuples; arrays in them are among those given, or
            made by kernels, perhaps in another shape; all else in them follows from `key`.
        kept: more arrays that it starts from, which work before it has left. Two of them may be
            the same array if they are in every call. None of them is one of `given`.
    """
    age, together, tries = memory.get(key, (None, None, 0))
    if age != plans.age():
        together, tries = None, 0
    if together is not None:
        return together.run((*given, *kept))
    if tries == _TRIES or is_observed():
        return work()
    with _noting() as noted:
        results = work()
    if len(memory) >= _MOST:
        memory.clear()
    memory[key] = plans.age(), _together(given, kept, noted, results), tries + 1
    return results


@contextmanager
def _noting() -> Iterator[list[_Noted]]:
    """Inside of it, launches are noted; so their arrays stay where they are until it ends."""
    noted: list[_Noted] = []

    def note(launch: Launch, arrays: tuple[Any, ...]) -> bool:
        noted.append((launch.plan, arrays))
        return True

    with observed(note):
        yield noted


class _Together:
    """A plan for some work, and where in its arrays the results are.

    Args:
        plan: of all steps.
        items: for each item of the results the number of the array, and the shape to give it, if
            any; or None, and what else the item is.
        ends: of each of the result's tuples among the items.
    """

    def __init__(self, plan: Plan, items: list[tuple[int | None, Any]], ends: list[int]) -> None:
        self._plan, self._items = plan, items
        self._slices = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        parts = _parts(plan, {place for place, _ in items})
        self._made = [
            (*made, parts.get(place)) for place, made in enumerate(plan.made, len(plan.given))
        ]
        self._size = max([part.stop for part in parts.values()], default=0)
        self._dtype = plan.given[0].dtype if plan.given[0] else None

    def run(self, given: Sequence[Array]) -> list[Items]:
        """The results for these arrays."""
        shared = np.empty(self._size, self._dtype)
        made = [
            shared[part] if part else make(shape, dtype) for make, shape, dtype, part in self._made
        ]
        arrays = (*given, *self._plan.run_with(given, made)[len(given) :])
        items = [
            other if i is None else arrays[i] if other is None else arrays[i].reshape(other)
            for i, other in self._items
        ]
        return [tuple(items[part]) for part in self._slices]


def _together(
    given: Sequence[Array],
    kept: Sequence[Array],
    noted: list[_Noted],
    results: list[Items],
) -> _Together | None:
    """All that was noted as one plan, if it can be one."""
    arrays = (*given, *kept)
    plan = Plan([(array.shape, array.dtype) for array in arrays])
    slots: dict[Any, Slot] = {}
    for slot, array in zip(plan.given, arrays, strict=True):
        if slot is not None and slots.setdefault(_where(array), slot).place < len(given):
            if slots[_where(array)] is not slot:
                return None  # perhaps another one the next time
    made: list[Slot] = []
    for part, arrays in noted:
        if part is None:
            return None
        mine: list[Slot | None] = []
        for place, array in enumerate(arrays):
            if array is None:
                mine.append(None)
            elif place < len(part.given):
                if array.size == 0 or _where(array) not in slots:
                    return None
                mine.append(slots[_where(array)])
            elif place < len(part.given) + len(part.made):
                make, shape, dtype = part.made[place - len(part.given)]
                made.append(plan.make(make, shape, dtype))
                slots[_where(array)] = made[-1]
                mine.append(made[-1])
            else:
                mine.append(plan.constant(array))
        for kernel, pieces, used, numbers, room in part.steps:
            plan.step(kernel, pieces, [mine[slot.place] for slot in used], numbers, room)  # type: ignore[misc]
    if not made or sum(slot.size * slot.dtype.itemsize for slot in made) > _MOST_BYTES:
        return None
    items: list[tuple[int | None, Any]] = []
    for item in [item for items in results for item in items]:
        if not isinstance(item, np.ndarray):
            items.append((None, item))
        elif item.size and item.flags.carray and _where(item) in slots:
            slot = slots[_where(item)]
            items.append((slot.place, None if slot.shape == item.shape else item.shape))
        else:
            return None
    plan.finish(made)
    ends = np.cumsum([len(items) for items in results]).tolist()
    return _Together(plan, items, ends)


def _parts(plan: Plan, results: Collection[int | None]) -> dict[int, slice]:
    """Which part of one array each array is that the plan makes and that is no result.

    Only arrays of the dtype of the first one that is given are among them, and none that has to be
    full of zeros at first.
    """
    first = plan.given[0]
    used: dict[int, list[int]] = {}  # by which steps
    for number, (_, _, slots, _, _) in enumerate(plan.steps):
        for slot in slots:
            used.setdefault(slot.place, []).append(number)
    parts: dict[int, slice] = {}
    for place, (make, shape, dtype) in enumerate(plan.made, len(plan.given)):
        if make is not np.empty or place in results or place not in used:
            continue
        if first is None or dtype != first.dtype:
            continue
        start, size = 0, math.prod(shape)
        for other, part in sorted(parts.items(), key=lambda item: item[1].start):
            meet = used[other][0] <= used[place][-1] and used[place][0] <= used[other][-1]
            if meet and start < part.stop and part.start < start + size:
                start = part.stop + -part.stop % _LINE
        parts[place] = slice(start, start + size)
    return parts


def _where(array: Array) -> tuple[int, int, Any, Shape | None]:
    """What is equal for two arrays only if they are the same numbers in memory, in one order."""
    place: int = array.__array_interface__["data"][0]
    return place, array.nbytes, array.dtype, None if array.flags.carray else array.strides
