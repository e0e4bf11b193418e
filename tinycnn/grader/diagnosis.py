"""The likely cause of wrong answers: in three stages, and honestly "unknown" after the third.

1. What the results look like before any arithmetic: an exception, None, a wrong order, all zeros.
2. Known mistakes that make the same numbers (matching.py).
3. Facts about the numbers: a turned sign, a constant ratio, exchanged axes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

from tinycnn.grader.answers import Answers, is_float32, same
from tinycnn.grader.calls import Outcome
from tinycnn.grader.matching import known_mistakes, two_mistakes
from tinycnn.grader.signatures import signature
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
    known = known_mistakes(answers)
    wrong = [cell for cell in answers.cells if cell.wrong]
    if known:
        candidates = tuple(mistake.name for mistake, _ in known)
        best, explained = known[0]
        return Diagnosis(best.name, "mistake", best.rule, (explained, len(wrong)), candidates)
    both = two_mistakes(answers)
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


# --- the form -------------------------------------------------------------------------------------


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
        alone = len(names) == 1
        cause = f"it returns None, and not {names[0]}" if alone else "one of the results is None"
        return cause, "form", RETURN
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
        copies = [answers.is_argument(cell, name) for cell in cells]
        if all(copies) and any(cell.wrong for cell in cells):
            rule = f"{FILLED} {MASK}" if answers.exercise.name == "relu_backward" else FILLED
            return f"{tensor} is the argument {name}, unchanged", "form", rule
    return None


FILLED = "The result has to be computed from all that comes in."
MASK = (
    "A mask that lets everything through changes nothing either: y is never negative, so y >= 0 "
    "always holds."
)


def _constant(array: Array) -> bool:
    return bool(array.size == 0 or (array == array.flat[0]).all())
