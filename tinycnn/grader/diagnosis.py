"""The likely cause of wrong answers: in three stages, and honestly "unknown" after the third.

1. What the results look like before any arithmetic: an exception, None, a wrong order, all zeros.
2. Known mistakes. Each is run on the same cases. It counts where it comes out as the student's
   function does, number for number, and is out where it is wrong and the student's is right.
3. Facts about the numbers: a turned sign, a constant ratio, exchanged axes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from tinycnn.grader.answers import FEWEST, Answers, Cell, same
from tinycnn.grader.calls import Outcome
from tinycnn.grader.mistakes import mistakes_of
from tinycnn.grader.mistakes.base import Mistake, known_function
from tinycnn.grader.signatures import signature
from tinycnn.grader.verdicts import wrong_numbers
from tinycnn.utils import Array


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
    """Whether the right results came in another order, in every case."""
    names = answers.exercise.returns
    if len(names) < 2:
        return None
    for order in list(permutations(range(len(names))))[1:]:
        if all(
            len(outcome.results) >= len(names)
            and all(
                right[place] is None or same(outcome.results[i], right[place])
                for i, place in enumerate(order)
            )
            for outcome, right, case in zip(
                answers.outcomes, answers.expected, answers.cases, strict=True
            )
            if "the numbers are float32" not in case.traits
        ):
            came = ", ".join(names[place] for place in order)
            return f"the results come in the order {came}", "form", RETURN
    return None


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
        made = predicted(cell)
        near = answers.exercise.tolerance
        return (
            made is not None and cell.got is not None and same(cell.got, made, cell.float32, near)
        )

    if not any(map(explains, _sample(wrong))):
        return None
    cells = [cell for cell in wrong if explains(cell)]
    telling = [cell for cell in cells if cell.differing > 1 or cell.expected.size == 1]
    proof = len(telling) >= 2 or any(cell.differing >= FEWEST for cell in cells)
    if not proof:
        return None
    if any(_is_wrong(answers, cell, predicted(cell)) for cell in answers.cells if not cell.wrong):
        return None
    failing = [i for i, outcome in enumerate(answers.outcomes) if outcome.failure is not None]
    shared = 0
    for i in failing:
        outcome = answers.exercise.run(known_function(mistake), answers.cases[i])
        shared += outcome.failure is not None
    return cells, shared
