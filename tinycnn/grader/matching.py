"""Which known mistakes make the same numbers as a student's function.

Each is run on the same cases. It counts in the cells in which it comes out as the student's
function does, number for number, and is out if it is wrong where the student's is right.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from tinycnn.grader.answers import FEWEST, Answers, Cell, same
from tinycnn.grader.calls import Outcome
from tinycnn.grader.mistakes import mistakes_of
from tinycnn.grader.mistakes.base import Mistake, known_function, wrong_function
from tinycnn.grader.verdicts import wrong_numbers
from tinycnn.utils import Array

# The least part of the wrong results that a mistake must explain if it is to be named: of two
# mistakes in one function, each often explains less than half.
PART = 0.15
MOST = 45  # mistakes that are tried two by two: a thousand pairs take half a second


def known_mistakes(answers: Answers) -> list[tuple[Mistake, int]]:
    """The mistakes that explain something and contradict nothing, with how many cells they explain.

    First comes the one that explains the most; of equals, the one that fails where the student's
    function fails.
    """
    wrong = [cell for cell in answers.cells if cell.wrong]
    if not wrong:
        return []
    ranked = []
    for place, mistake in enumerate(mistakes_of(answers.exercise.name)):
        explained = _explained(answers, mistake, wrong)
        if explained is not None:
            cells, shared_failures = explained
            ranked.append((-len(cells), -shared_failures, place, mistake, cells))
    ranked.sort(key=lambda entry: entry[:3])
    return [(mistake, len(cells)) for *_, mistake, cells in ranked]


def two_mistakes(answers: Answers) -> tuple[Mistake, Mistake] | None:
    """Two mistakes that explain all wrong cells together, where none explains some alone."""
    wrong = sorted((c for c in answers.cells if c.wrong), key=lambda cell: -cell.differing)
    if len(wrong) < 2 or len({cell.case for cell in wrong}) < len(answers.wrong_cases):
        return None
    if all(_plain(answers, cell) for cell in wrong):
        return None
    right = [cell for cell in answers.cells if not cell.wrong]
    known = _of_the_same_tensors(answers, wrong)
    for a, b in combinations(known if len(known) <= MOST else (), 2):
        try:
            function = wrong_function(a.exercise, a.edits + b.edits)
        except (ValueError, SyntaxError):  # they change the same piece
            continue
        if all(
            _made_alike(answers, c, _predicted(answers, c, function)) for c in wrong
        ) and not any(
            _is_wrong(answers, cell, _predicted(answers, cell, function)) for cell in right
        ):
            return a, b
    return None


def _of_the_same_tensors(answers: Answers, wrong: list[Cell]) -> list[Mistake]:
    """The mistakes that do nothing to a tensor in which nothing is wrong."""
    tensors = {cell.tensor for cell in wrong}
    alike = [c for c in answers.cells if c.case == wrong[0].case and c.tensor not in tensors]
    return [
        mistake
        for mistake in mistakes_of(answers.exercise.name)
        if not any(
            _is_wrong(answers, cell, _predicted(answers, cell, known_function(mistake)))
            for cell in alike
        )
    ]


def _predicted(answers: Answers, cell: Cell, function: Callable[..., Any]) -> Array | None:
    """What another function makes of a cell."""
    case = answers.cases[cell.case]
    results = answers.exercise.run(function, case).results
    names = answers.exercise.tensors(case)
    return results[names.index(cell.tensor)] if len(results) == len(names) else None


def _made_alike(answers: Answers, cell: Cell, made: Array | None) -> bool:
    near = answers.exercise.tolerance
    return made is not None and cell.got is not None and same(cell.got, made, cell.float32, near)


def _plain(answers: Answers, cell: Cell) -> bool:
    """Whether a student's result is 0 everywhere, an argument, or not finite."""
    got = cell.got
    if got is None or not np.isfinite(got).all() or not got.any():
        return True
    return any(answers.is_argument(cell, name) for name in answers.cases[cell.case].arguments)


def _sample(wrong: list[Cell]) -> Iterator[Cell]:
    """Some wrong cells of each tensor: most mistakes explain none of them, and are done with."""
    for tensor in dict.fromkeys(cell.tensor for cell in wrong):
        its = [cell for cell in wrong if cell.tensor == tensor]
        yield from {id(cell): cell for cell in [*its[:2], its[len(its) // 2], *its[-2:]]}.values()


def _is_wrong(answers: Answers, cell: Cell, made: Array | None) -> bool:
    """Whether what a mistake makes of a cell would be marked wrong."""
    if made is None or made.shape != cell.expected.shape:
        return True
    right, exercise = cell.expected, answers.exercise
    if exercise.accepted is not None:  # another convention than the student's is no mistake
        case = answers.cases[cell.case]
        own = answers.expected[cell.case][exercise.tensors(case).index(cell.tensor)]
        right, _ = exercise.accepted(cell.tensor, made, right if own is None else own, case)
    return bool(wrong_numbers(exercise, made, right, cell.float32).any())


def _explained(
    answers: Answers, mistake: Mistake, wrong: list[Cell]
) -> tuple[list[Cell], int] | None:
    """The wrong cells that a mistake explains; None if they prove nothing or it is contradicted."""
    outcomes: dict[int, Outcome] = {}

    def predicted(cell: Cell) -> Array | None:
        if cell.case not in outcomes:
            case = answers.cases[cell.case]
            outcomes[cell.case] = answers.exercise.run(known_function(mistake), case)
        results = outcomes[cell.case].results
        names = answers.exercise.tensors(answers.cases[cell.case])
        return results[names.index(cell.tensor)] if len(results) == len(names) else None

    def explains(cell: Cell) -> bool:
        return _made_alike(answers, cell, predicted(cell))

    if not any(map(explains, _sample(wrong))):
        return None
    cells = [cell for cell in wrong if explains(cell)]
    telling = [cell for cell in cells if cell.differing > 1 or cell.expected.size == 1]
    if len(cells) < len(wrong):
        # A part of them may agree by chance: in numbers that are alike, or in a few cells.
        telling = [cell for cell in telling if not _plain(answers, cell)]
        if len(cells) < PART * len(wrong):
            return None
    if len(telling) < 2 and all(cell.differing < FEWEST for cell in telling):
        return None
    if any(_is_wrong(answers, cell, predicted(cell)) for cell in answers.cells if not cell.wrong):
        return None
    failing = [i for i, outcome in enumerate(answers.outcomes) if outcome.failure is not None]
    shared = 0
    for i in failing:
        outcome = answers.exercise.run(known_function(mistake), answers.cases[i])
        shared += outcome.failure is not None
    return cells, shared
