"""Facts about wrong results that need no known mistake: "its sign is turned", "it is 1/N of ...".

A fact is told only if it holds in all cells in which the tensor is wrong, and takes nothing away
from those in which it is right.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

import numpy as np

from tinycnn.grader.answers import FEWEST, Answers, Cell, same
from tinycnn.utils import Array

Change = Callable[[Array], Array]


def signature(answers: Answers, tensor: str) -> str | None:
    """The first fact that holds for a tensor, as a sentence's end after its name; None if none."""
    cells = [cell for cell in answers.cells if cell.tensor == tensor]
    wrong = [cell for cell in cells if cell.wrong]
    right = [cell for cell in cells if not cell.wrong]
    if any(cell.got is None or cell.got.shape != cell.expected.shape for cell in wrong):
        return _about_shapes(wrong)
    if not _enough(wrong):
        return None
    for text, change in _changes(max(cell.expected.ndim for cell in wrong)):
        if all(_fits(cell, change) for cell in wrong) and all(_still(c, change) for c in right):
            return text
    return _about_scale(answers, wrong, right) or _about_places(wrong)


def _enough(cells: list[Cell]) -> bool:
    telling = [cell for cell in cells if cell.expected.size > 1 and np.ptp(cell.expected) > 0]
    return len(telling) >= 2 or any(cell.differing >= FEWEST for cell in telling)


def _fits(cell: Cell, change: Change) -> bool:
    try:
        return same(cell.got, change(cell.expected), cell.float32)
    except (ValueError, IndexError):  # fewer axes
        return False


def _still(cell: Cell, change: Change) -> bool:
    try:
        return same(cell.expected, change(cell.expected), cell.float32)
    except (ValueError, IndexError):
        return True


def _changes(axes: int) -> Iterator[tuple[str, Change]]:
    """What can happen to a right result, with the words for it."""
    yield "has the opposite sign", lambda a: -a
    if axes >= 2:
        rows, columns = (0, 1) if axes == 2 else (1, 2)
        if axes == 4:
            yield "is rotated by 180 degrees in its first two axes", lambda a: a[::-1, ::-1]
            yield "is rotated by 180 degrees in each image", lambda a: a[:, ::-1, ::-1]
        yield "is turned upside down", lambda a: np.flip(a, rows)
        yield "is reversed from left to right", lambda a: np.flip(a, columns)
    yield "is reversed along its last axis", lambda a: np.flip(a, -1)
    yield "is reversed along its first axis", lambda a: np.flip(a, 0)
    for axis in range(axes):
        for by in (1, -1):
            yield f"is shifted by one along axis {axis}", partial(_shifted, by=by, axis=axis)
    for order in list(permutations(range(axes)))[1:]:
        yield f"has its axes in the order {order}", partial(_in_order, order=order)


def _in_order(array: Array, order: tuple[int, ...]) -> Array:
    return array.transpose(order).reshape(array.shape)


def _shifted(array: Array, by: int, axis: int) -> Array:
    moved = np.roll(array, by, axis)
    edge = [slice(None)] * array.ndim
    edge[axis] = slice(0, 1) if by > 0 else slice(-1, None)
    moved[tuple(edge)] = 0
    return moved


def _about_scale(answers: Answers, wrong: list[Cell], right: list[Cell]) -> str | None:
    """A constant ratio of got and expected, named if it is a size that everybody knows."""
    ratios = [_ratio(cell) for cell in wrong]
    if any(ratio is None for ratio in ratios):
        return None
    known: dict[str, Callable[[dict[str, float]], float]] = {
        "twice": lambda s: 2.0,
        "half of": lambda s: 0.5,
        "1/N of": lambda s: 1 / s["N"],
        "N times": lambda s: s["N"],
        "1/N^2 of": lambda s: 1 / s["N"] ** 2,
        "1/(OH*OW) of": lambda s: 1 / s["places"],
        "1/(N*OH*OW) of": lambda s: 1 / (s["N"] * s["places"]),
        "1/C of": lambda s: 1 / s["last"],
        "as often as there are channels": lambda s: s["last"],
    }
    for words, size in known.items():
        fits = [
            abs(ratio / size(_sizes(answers, cell)) - 1) < 1e-6
            for cell, ratio in zip(wrong, ratios, strict=True)
            if ratio is not None
        ]
        stays = [
            abs(size(_sizes(answers, cell)) - 1) < 1e-6 or not cell.expected.any() for cell in right
        ]
        if all(fits) and all(stays):
            return f"is {words} what it should be"
    first = ratios[0]
    if first is not None and all(r is not None and abs(r / first - 1) < 1e-6 for r in ratios):
        return f"is {first:.4g} times what it should be, everywhere"
    return "is what it should be times a number, which is another one in each case"


def _ratio(cell: Cell) -> float | None:
    """got / expected, if it is the same number everywhere and no accident."""
    if cell.got is None or not cell.expected.any():
        return None
    at = np.unravel_index(np.abs(cell.expected).argmax(), cell.expected.shape)
    ratio = float(cell.got[at]) / float(cell.expected[at])
    if not np.isfinite(ratio) or ratio == 0:
        return None
    if cell.expected.size == 1:
        return ratio
    return ratio if same(cell.got, ratio * cell.expected, cell.float32) else None


def _sizes(answers: Answers, cell: Cell) -> dict[str, float]:
    arguments = answers.cases[cell.case].arguments
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    first = arrays[0].shape
    places = float(np.prod(first[1:-1])) if len(first) > 2 else 1.0
    return {"N": float(first[0]), "places": places, "last": float(first[-1])}


def _about_places(wrong: list[Cell]) -> str | None:
    sorted_alike = all(
        cell.got is not None
        and same(np.sort(cell.got.ravel()), np.sort(cell.expected.ravel()), cell.float32)
        for cell in wrong
    )
    return "has the right numbers in the wrong places" if sorted_alike else None


def _about_shapes(wrong: list[Cell]) -> str | None:
    """The right numbers in another shape."""
    for cell in wrong:
        if cell.got is None or cell.got.shape == cell.expected.shape:
            return None
    squeezed = all(
        cell.got is not None and same(np.squeeze(cell.got), np.squeeze(cell.expected), cell.float32)
        for cell in wrong
    )
    if squeezed:
        return "has the right numbers, but an axis of length 1 too many or too few"
    flat = all(
        cell.got is not None and same(cell.got.ravel(), cell.expected.ravel(), cell.float32)
        for cell in wrong
    )
    if flat:
        return "has the right numbers in their order, but in another shape"
    turned = all(
        cell.got is not None
        and any(
            same(cell.got, cell.expected.transpose(order), cell.float32)
            for order in permutations(range(cell.expected.ndim))
        )
        for cell in wrong
    )
    return "has the right numbers with its axes in another order" if turned else None
