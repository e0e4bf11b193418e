"""Where a function is wrong: in which cases, and at which places of a tensor."""

import numpy as np

from tinycnn.grader.answers import Answers
from tinycnn.grader.verdicts import wrong_numbers

IMAGES = ("image", "row", "column", "channel")
KERNEL = ("row", "column", "channel", "filter")


def where(answers: Answers) -> str | None:
    """The trait that the wrong cases share and most of the right ones lack; None if there is none.

    It comes as words that follow "where", such as "windows overlap".
    """
    wrong = [answers.cases[i].traits for i in answers.wrong_cases]
    right = [case.traits for i, case in enumerate(answers.cases) if i not in answers.wrong_cases]
    if not right or not wrong:
        return None
    shared = sorted(frozenset.intersection(*wrong))
    rest = {trait: sum(trait in traits for traits in right) for trait in shared}
    best = min(shared, key=lambda trait: rest[trait], default=None)
    return best if best is not None and 2 * rest[best] < len(right) else None


def places(answers: Answers) -> str | None:
    """Where in the first wrong tensor the wrong numbers are, if that is a place with a name."""
    cell = next((cell for cell in answers.cells if cell.wrong), None)
    if cell is None or cell.got is None or cell.got.shape != cell.expected.shape:
        return None
    wrong = wrong_numbers(answers.exercise, cell.got, cell.expected, cell.float32)
    if wrong.all() or wrong.size < 2:
        return None
    names: tuple[str, ...] = ("row", "column")
    if wrong.ndim == 4:
        names = KERNEL if cell.tensor.endswith("kernel") else IMAGES
    elif wrong.ndim != 2:
        return None
    at = np.argwhere(wrong)
    for axis, name in enumerate(names):
        length = wrong.shape[axis]
        touched = set(at[:, axis].tolist())
        if length > 1 and len(touched) == 1:
            (only,) = touched
            which = {0: "first", length - 1: "last"}.get(only)
            if which:
                return f"in the {which} {name} only"
    return None
