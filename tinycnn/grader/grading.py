"""Asks one function all its questions, and makes a report of the answers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn.grader.calls import Outcome
from tinycnn.grader.cases import Case
from tinycnn.grader.exercises import EXERCISES, Exercise
from tinycnn.grader.report import Report
from tinycnn.grader.verdicts import judge


def questions(exercise: Exercise, seed: int) -> list[Case]:
    """The cases of a function; the same for the same seed, whatever else is graded."""
    place = list(EXERCISES).index(exercise.name)
    return list(exercise.cases(np.random.default_rng((seed, place))))


def grade(
    exercise: Exercise, asked: Sequence[Case], outcomes: Sequence[Outcome], seed: int
) -> Report:
    """The report on one function's outcomes, one for each case."""
    name = exercise.name
    first = outcomes[0].failure
    if first is not None and first.type == "NotImplementedError":
        return Report(name, "not done", text=f"{name}: not done yet", seed=seed)
    notes: set[str] = set()
    for case, outcome in zip(asked, outcomes, strict=True):
        fault, told = judge(exercise, case, outcome, exercise.expected(case))
        notes |= told
        if fault is not None:
            text = f"{name}: WRONG for {case.title}: {fault.tensor}{list(fault.index or ())} is "
            text += f"{fault.got}, expected {fault.expected}"
            return Report(
                name,
                "wrong",
                fault.tensor,
                fault.index,
                fault.got,
                fault.expected,
                None,
                text,
                tuple(sorted(notes)),
                seed,
            )
    text = f"{name}: right"
    return Report(name, "right", text=text, notes=tuple(sorted(notes)), seed=seed)


def ask_all(function: Callable[..., Any], exercise: Exercise, seed: int) -> Report:
    """Grades a function in this process."""
    asked = questions(exercise, seed)
    return grade(exercise, asked, [exercise.ask(function, case) for case in asked], seed)
