"""The likely cause of wrong answers: in three stages, and honestly "unknown" after the third.

1. What the results look like before any arithmetic: an exception, None, a wrong order, all zeros.
2. Known mistakes. Each is run on the same cases. It counts where it comes out as the student's
   function does, number for number, and is out where it is wrong and the student's is right.
3. Facts about the numbers: a turned sign, a constant ratio, exchanged axes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np

from tinycnn.grader.answers import FEWEST, Answers, Cell, is_float32, same
from tinycnn.grader.calls import Outcome
from tinycnn.grader.mistakes import mistakes_of
from tinycnn.grader.mistakes.base import Mistake, known_function, wrong_function
from tinycnn.grader.signatures import signature
from tinycnn.grader.verdicts import wrong_numbers
from tinycnn.utils import Array

# The least part of the wrong results that a mistake must explain if it is to be named: of two
# mistakes in one function, each often explains less than half.
PART = 0.15
MOST = 45  # mistakes that are tried two by two: a thousand pairs take half a second


@dataclass(frozen=True)
class Diagnosis:
    """A likely cause.

    Attributes:
        cause: in words that follow "the likely cause is that", or None if it is unknown.
        kind: "form", "mistake", "fact" or "unknown".
        rule: what holds instead; empty if that is obvious.
        explained: how many wrong results come out as the cause makes them, and how many there are.
        candidates: the known mistakes that explain something, the best first.
    """

    cause: str | None
    kind: str
    rule: str = ""
    explained: tuple[int, int] = (0, 0)
    candidates: tuple[str, ...] = ()


def diagnose(answers: Answers) -> Diagnosis:
    """The likely cause of a function's wrong answers."""
    first = next(fault for fault in answers.faults if fault is not None)
    outcome = answers.outcomes[answers.wrong_cases[0]]
    form = _of_form(answers, first.kind, outcome)
    if form is not None:
        return Diagnosis(*form)
    known = _known_mistakes(answers)
    wrong = [cell for cell in answers.cells if cell.wrong]
    if known:
        candidates = tuple(mistake.name for mistake, _ in known)
        best, explained = known[0]
        return Diagnosis(best.name, "mistake", best.rule, (explained, len(wrong)), candidates)
    both = _two_mistakes(answers)
    if both is not None:
        a, b = both
        cause = f"{a.name}, and that {b.name}"
        return Diagnosis(cause, "mistake", a.rule, (len(wrong), len(wrong)), (a.name, b.name))
    if first.tensor is not None and wrong:
        fact = signature(answers, wrong[0].tensor)
        if fact is not None:
            return Diagnosis(f"{wrong[0].tensor} {fact}", "fact")
    if first.kind == "failed":
        return Diagnosis(_failure(outcome), "form")
    return Diagnosis(None, "unknown")


# --- 1. the form ----------------------------------------------------------------------------------


def _of_form(answers: Answers, kind: str, outcome: Outcome) -> tuple[str, str, str] | None:
    """Cause, kind and rule of what can be seen without arithmetic."""
    names = answers.exercise.returns
    if kind == "failed" and outcome.failure is not None:
        if "read-only" in outcome.failure.message:
            return "it writes into an array that it was given", "form", COPY
        if outcome.failure.type in (
            "ModuleNotFoundError",
            "ImportError",
            "SystemExit",
            "MemoryError",
        ):
            return _failure(outcome), "form", "NumPy is all that is there, and all that is needed."
        if not any(outcome.results for outcome in answers.outcomes):
            return _failure(outcome), "form", ""
        return None
    if kind == "returned":
        what = " and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]
        return f"it returns {outcome.returned}, and not {what}", "form", RETURN
    if kind == "missing":
        return "one of the results is None", "form", RETURN
    if kind == "dtype":
        return "the results have another dtype than the inputs", "form", DTYPE
    if kind == "changed":
        return "it changes an array that it was given", "form", COPY
    if kind == "unsteady":
        return "a second call with the same arguments gives something else", "form", STEADY
    return _other_order(answers) or _degenerate(answers)


COPY = "An array that comes in belongs to the caller: work on a copy, or make a new array."
RETURN = "What a function prints is lost; its results have to be returned, in the order asked for."
DTYPE = "NumPy makes float64 arrays unless it is told another dtype: take that of the input."
STEADY = "A result may depend on the arguments only, and not on what a call before has left behind."


def _failure(outcome: Outcome) -> str:
    failure = outcome.failure
    if failure is None:
        return "it fails"
    if not failure.type:
        return failure.message
    if failure.type in ("ModuleNotFoundError", "ImportError"):
        return "it imports something that is not there"
    return f"it raises {failure.type}"


def _other_order(answers: Answers) -> tuple[str, str, str] | None:
    """Whether the results came in another order: by their numbers, or else by their shapes."""
    names = answers.exercise.returns
    count = len(names)
    came = [
        (outcome.results[:count], right[:count], is_float32(case))
        for outcome, right, case in zip(
            answers.outcomes, answers.expected, answers.cases, strict=True
        )
        if len(outcome.results) >= count
    ]
    if count < 2 or not came:
        return None

    def fits(order: tuple[int, ...], alike: Callable[[Array | None, Array, bool], bool]) -> bool:
        return all(
            right is None or alike(got[i], right, narrow)
            for got, rights, narrow in came
            for i, right in enumerate(rights[place] for place in order)
        )

    orders = list(permutations(range(count)))
    equal = next((order for order in orders[1:] if fits(order, same)), None)
    shaped = [order for order in orders if fits(order, _of_one_shape)]
    order = equal or (shaped[0] if len(shaped) == 1 else orders[0])
    if order == orders[0]:
        return None
    told = ", ".join(names[place] for place in order)
    return f"the results come in the order {told}", "form", RETURN


def _of_one_shape(a: Array | None, b: Array, _: bool) -> bool:
    return a is None or a.shape == b.shape


def _degenerate(answers: Answers) -> tuple[str, str, str] | None:
    """Whether the first wrong tensor is one number everywhere, or an argument, in every case."""
    tensor = next((cell.tensor for cell in answers.cells if cell.wrong), None)
    cells = [cell for cell in answers.cells if cell.tensor == tensor]
    arrays = [cell.got for cell in cells if cell.got is not None]
    if not arrays or max(array.size for array in arrays) < 2 or tensor is None:
        return None
    numbers = {float(array.flat[0]) for array in arrays if array.size}
    if len(numbers) == 1 and all(_constant(array) for array in arrays):
        (number,) = numbers
        if any(not _constant(cell.expected) for cell in cells):
            return f"{tensor} is {number + 0.0:g} everywhere, whatever comes in", "form", FILLED
    if tensor in answers.exercise.in_place:
        return None
    for name in answers.cases[0].arguments:
        copies = [_is_argument(answers, cell, name) for cell in cells]
        if all(copies) and any(cell.wrong for cell in cells):
            return f"{tensor} is the argument {name}, unchanged", "form", FILLED
    return None


FILLED = "The result has to be computed from all that comes in."


def _constant(array: Array) -> bool:
    return bool(array.size == 0 or (array == array.flat[0]).all())


def _is_argument(answers: Answers, cell: Cell, name: str) -> bool:
    value = answers.argument(cell, name)
    return isinstance(value, np.ndarray) and cell.got is not None and same(cell.got, value)


# --- 2. known mistakes ----------------------------------------------------------------------------


def _known_mistakes(answers: Answers) -> list[tuple[Mistake, int]]:
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


def _two_mistakes(answers: Answers) -> tuple[Mistake, Mistake] | None:
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
    return any(_is_argument(answers, cell, name) for name in answers.cases[cell.case].arguments)


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
