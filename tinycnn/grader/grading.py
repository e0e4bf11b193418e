"""Asks one function all its questions, and makes a report of the answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinycnn.grader import wording
from tinycnn.grader.answers import Answers
from tinycnn.grader.calls import Outcome, calls_of
from tinycnn.grader.cases import Case
from tinycnn.grader.diagnosis import diagnose
from tinycnn.grader.exercises import EXERCISES, Exercise
from tinycnn.grader.report import Level, Report


def questions(exercise: Exercise, seed: int) -> list[Case]:
    """The cases of a function; the same for the same seed, whatever else is graded."""
    place = list(EXERCISES).index(exercise.name)
    return list(exercise.cases(np.random.default_rng((seed, place))))


def grade(
    exercise: Exercise,
    asked: Sequence[Case],
    outcomes: Sequence[Outcome],
    seed: int,
    level: Level = "found",
    called: str = "",
) -> Report:
    """The report on one function.

    Args:
        exercise: the function.
        asked: its cases.
        outcomes: what it made of each.
        seed: the seed of the cases.
        level: how much is told. The cause is looked for only if it is.
        called: a function of the student's own that this one calls and that is wrong.

    Returns:
        The report.
    """
    name = exercise.name
    if undone(outcomes):
        return Report(name, "not done", seed=seed, level=level, found=f"{name} is not done yet.")
    answers = Answers(exercise, asked, outcomes)
    notes = answers.notes
    if not answers.wrong_cases:
        text = f"{name} is right in all {len(asked)} cases."
        return Report(name, "right", seed=seed, level=level, found=text, notes=notes)
    place = answers.wrong_cases[0]
    fault = answers.faults[place]
    if fault is None:
        raise ValueError("a wrong case has a fault")
    report = Report(
        name,
        "wrong",
        fault.tensor,
        fault.index,
        fault.got,
        fault.expected,
        notes=notes,
        arguments=asked[place].arguments,
        seed=seed,
        level=level,
        found=wording.found(answers, place, fault),
        numbers=wording.numbers(answers, place, fault),
    )
    if level == "found":
        return report
    diagnosis = diagnose(answers)
    small = "of shape" not in report.numbers
    return replace(
        report,
        cause=f"it calls {called}, which is wrong" if called else diagnosis.cause,
        candidates=diagnosis.candidates,
        kind="follows" if called else diagnosis.kind,
        why=wording.why(answers, place, fault, diagnosis, called),
        advice=wording.advice(seed, fault, small),
        rule="" if called else wording.rule(diagnosis, seed),
    )


def undone(outcomes: Sequence[Outcome]) -> bool:
    """Whether the function is not written yet."""
    first = outcomes[0].failure
    return first is not None and first.type == "NotImplementedError"


def ask(exercise: Exercise, function: Callable[..., Any], asked: Sequence[Case]) -> list[Outcome]:
    """What a function makes of each case; after NotImplementedError the others are not asked."""
    outcomes: list[Outcome] = []
    for case in asked:
        outcomes.append(
            outcomes[0] if outcomes and undone(outcomes) else exercise.ask(function, case)
        )
    return outcomes


def check_here(
    function: Callable[..., Any], exercise: Exercise, seed: int, level: Level = "found"
) -> Report:
    """Grades a function in this process."""
    asked = questions(exercise, seed)
    outcomes = ask(exercise, function, asked)
    report = grade(exercise, asked, outcomes, seed, "found")
    if report.status != "wrong" or level == "found":
        return report.at(level)
    return grade(exercise, asked, outcomes, seed, level, _wrong_helper(function, seed))


def _wrong_helper(function: Callable[..., Any], seed: int) -> str:
    """The first exercise that `function` calls, in its own module, and that is wrong itself."""
    around = getattr(function, "__globals__", {})
    for name in calls_of(function, list(EXERCISES)):
        helper = around.get(name)
        if callable(helper):
            exercise = EXERCISES[name]
            asked = questions(exercise, seed)
            answers = Answers(exercise, asked, ask(exercise, helper, asked))
            if answers.wrong_cases:
                return name
    return ""
