"""The words of a report: what was found, the numbers of the case, why, and how to go on."""

from textwrap import fill
from typing import Any

import numpy as np

from tinycnn.grader.answers import Answers
from tinycnn.grader.calls import Outcome
from tinycnn.grader.cases import Case
from tinycnn.grader.diagnosis import Diagnosis
from tinycnn.grader.slopes import slope
from tinycnn.grader.verdicts import Fault
from tinycnn.grader.whereabouts import places, where
from tinycnn.utils import Array

WIDTH = 88
MAPS = 4  # as many matrices of one array as are printed
NUMBERS = 40  # as many numbers of one array


def found(answers: Answers, place: int, fault: Fault) -> str:
    """The case and what is wrong in it."""
    name, case, outcome = answers.exercise.name, answers.cases[place], answers.outcomes[place]
    wrong, asked = len(answers.wrong_cases), len(answers.cases)
    head = f"{name} is wrong in {wrong} of {asked} cases. The smallest of them: {case.title}."
    line = outcome.failure.text if outcome.failure is not None else ""
    below = f"\n    {line}" if line else ""
    return f"{fill(head, WIDTH)}\n{fill(_fault(outcome, fault), WIDTH)}{below}"


def _fault(outcome: Outcome, fault: Fault) -> str:
    match fault.kind:
        case "values":
            at = f"[{', '.join(map(str, fault.index))}]" if fault.index else ""
            got, right = number(fault.got), number(fault.expected)
            return f"{fault.tensor}{at} is {got}, and should be {right}."
        case "shape":
            return f"{fault.tensor} has the shape {fault.got}, and should have {fault.expected}."
        case "missing":
            return f"{fault.tensor} is None, and should be {fault.expected}."
        case "dtype":
            return f"{fault.tensor} is {fault.got}, and should be {fault.expected}."
        case "changed":
            return f"The argument {fault.tensor} has other numbers after the call than before."
        case "unsteady":
            return "A second call with the same arguments gives something else."
        case "returned":
            return f"It returns {fault.got}, and should return {fault.expected}."
    failure = outcome.failure
    if failure is None:
        return "It fails."
    if not failure.type:  # of the process
        return f"There is no answer: {failure.message}."
    at = f" in line {failure.line}, in {failure.function}" if failure.line else ""
    text = f"It raises {failure.type}{at}: {failure.message or 'without a message'}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def number(value: object) -> str:
    """A number with as many digits as a hand needs."""
    # Adding 0 makes a 0 of -0.0.
    return f"{value + 0:.7g}" if isinstance(value, (int, float)) else str(value)


# --- the numbers of a case ------------------------------------------------------------------------


def numbers(answers: Answers, place: int, fault: Fault) -> str:
    """The arguments of a case, the student's tensor and the right one, as far as they are small."""
    case = answers.cases[place]
    lines = [line for name, value in case.arguments.items() for line in _shown(name, value)]
    cell = next(
        (c for c in answers.cells if c.case == place and c.tensor == fault.tensor and c.wrong), None
    )
    if cell is not None and fault.kind == "values" and cell.got is not None:
        lines += _shown(f"your {cell.tensor}", cell.got, fault.index)
        lines += _shown(f"right {cell.tensor}", cell.expected, fault.index)
    return "\n".join(f"    {line}" for line in lines)


def _shown(name: str, value: Any, index: tuple[int, ...] | None = None) -> list[str]:
    """Lines that show an array, or its shape if it is large; of results the map with `index`."""
    if not isinstance(value, np.ndarray):
        return [f"{name} = {value!r}"]
    if value.ndim <= 2:
        return _matrix(name, value) if value.size <= NUMBERS else [f"{name} of shape {value.shape}"]
    if value.ndim != 4 or value.size > NUMBERS:
        return [f"{name} of shape {value.shape}"]
    # The two axes of pixels stay together: the first two of a kernel, the middle ones of images.
    kernel = name.split()[-1].removeprefix("d").endswith("kernel")
    axes = (2, 3) if kernel else (0, 3)
    maps = list(np.ndindex(*(value.shape[axis] for axis in axes)))
    if index is not None:
        maps = [(index[axes[0]], index[axes[1]])]
    if len(maps) > MAPS:
        return [f"{name} of shape {value.shape}"]
    lines = []
    for a, b in maps:
        at = f":, :, {a}, {b}" if kernel else f"{a}, :, :, {b}"
        lines += _matrix(f"{name}[{at}]", value[:, :, a, b] if kernel else value[a, :, :, b])
    return lines


def _matrix(name: str, value: Array) -> list[str]:
    if np.isfinite(value).all() and (value == np.floor(value)).all() and np.abs(value).max() < 1e9:
        value = value.astype(int)
    text = np.array2string(value, precision=4, suppress_small=True, max_line_width=70)
    first, *rest = text.split("\n")
    indent = " " * (len(name) + 3)
    return [f"{name} = {first}", *(indent + line for line in rest)]


# --- why, and how to go on ------------------------------------------------------------------------


def why(answers: Answers, place: int, fault: Fault, diagnosis: Diagnosis, called: str) -> str:
    """The likely cause, where it shows, and what the difference quotient says."""
    sentences = [_cause(diagnosis, called)]
    wrong, asked = len(answers.wrong_cases), len(answers.cases)
    trait = where(answers)
    if trait is not None:
        sentences.append(f"It goes wrong only where {trait}.")
    elif wrong == asked and asked > 1:
        sentences.append(f"It goes wrong in all {asked} cases.")
    part = places(answers)
    if part is not None and fault.kind == "values":
        sentences.append(f"In the case above the wrong numbers are {part}.")
    sentences += _slope(answers.exercise.name, answers.cases[place], fault)
    return fill(" ".join(sentences), WIDTH)


def _cause(diagnosis: Diagnosis, called: str) -> str:
    if called:
        return f"It calls your {called}, which is wrong itself: mend that first."
    explained, of = diagnosis.explained
    these = "both mistakes" if ", and that " in str(diagnosis.cause) else "this mistake"
    if diagnosis.kind == "mistake" and explained == of:
        return (
            f"The likely cause is that {diagnosis.cause}: with {these} all {of} wrong results come "
            "out exactly as yours do."
        )
    if diagnosis.kind == "mistake":
        return (
            f"The likely cause is that {diagnosis.cause}: with this mistake {explained} of the "
            f"{of} wrong results come out exactly as yours do. The others have another cause, so "
            "mend this one first."
        )
    if diagnosis.kind == "form":
        return f"The cause is that {diagnosis.cause}."
    if diagnosis.kind == "fact":
        return f"No known mistake gives these numbers, but they have a pattern: {diagnosis.cause}."
    return "The cause is unknown: no known mistake gives these numbers, and no pattern is plain."


def _slope(name: str, case: Case, fault: Fault) -> list[str]:
    if fault.kind != "values" or fault.tensor is None or fault.index is None:
        return []
    value = slope(name, case, fault.tensor, fault.index)
    if value is None:
        return []
    return [
        f"A difference quotient of the forward alone gives {value:.5g} at this place, which agrees "
        "with the expected number."
    ]


def advice(seed: int, fault: Fault, small: bool) -> str:
    """How to go on without being told the answer."""
    if fault.kind == "values" and small:
        text = (
            "Work the case above by hand, with the shape of each array beside it, and let your "
            "function print what it has after every line. The first line that differs from your "
            f"own calculation is the one to mend. seed={seed} brings the same numbers back."
        )
    elif fault.kind == "values":
        text = (
            "The smaller cases are right, so look at what this one has and they have not. Let your "
            "function print its shapes and its first numbers after every line, for this case and "
            f"for a smaller one. seed={seed} brings the same numbers back; the report's "
            "`arguments` hold them."
        )
    else:
        text = (
            "Read the docstring of the function once more: it says which shapes come in, which "
            "results go out, in which order and of which dtype. Then call your function with the "
            "case above, and print the shape and the dtype of every array on the way. "
            f"seed={seed} brings the same numbers back; the report's `arguments` hold them."
        )
    return fill(text, WIDTH)


def rule(diagnosis: Diagnosis, seed: int) -> str:
    """What holds instead of the mistake, or nothing if no rule is known."""
    if not diagnosis.rule:
        return ""
    text = (
        f"What holds: {diagnosis.rule} Go through your function with this in mind, write the "
        f"shapes of the arrays beside each line, and find the line that does something else. "
        f"seed={seed} brings the same numbers back."
    )
    return fill(text, WIDTH)
