"""Grades a student's file: its functions run in a process of their own, with limits."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinycnn.grader import worker
from tinycnn.grader.calls import Failure, Outcome
from tinycnn.grader.exercises import EXERCISES, Exercise
from tinycnn.grader.grading import grade, questions, undone
from tinycnn.grader.report import Level, Report
from tinycnn.grader.wire import pack, unpack

SECONDS = 5.0  # of work for each function; a right one in slow loops takes a tenth of one
MEMORY = 4 * 2**30  # bytes of address space, of which NumPy itself takes half a gigabyte
STARTING = 30.0  # seconds that Python and NumPy may take on a busy machine


@dataclass(frozen=True)
class Submission:
    """The grades of one file.

    Attributes:
        file: where it is.
        seed: of the questions.
        reports: one for each function, in the order of dependence.
        failure: why the file could not be loaded, in words; then nothing is done.
    """

    file: Path
    seed: int
    reports: list[Report] = field(default_factory=list)
    failure: str = ""

    def count(self, status: str) -> int:
        """How many functions are "right", "wrong" or "not done"."""
        return sum(report.status == status for report in self.reports)

    @property
    def first_wrong(self) -> Report | None:
        """The first function that is wrong, and not only because it calls one that is."""
        wrong = [report for report in self.reports if report.status == "wrong"]
        own = [report for report in wrong if report.kind != "follows"]
        return next(iter([*own, *wrong]), None)


def grade_file(
    file: Path,
    seed: int,
    level: Level = "hint",
    names: Sequence[str] = tuple(EXERCISES),
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Submission:
    """Grades the functions of a file.

    Args:
        file: a Python file.
        seed: of the questions.
        level: how much each report tells.
        names: the functions that are asked for.
        seconds: the processor's time that one function may take for all its cases.
        memory: bytes of address space that the process may take.

    Returns:
        The grades. A file that cannot be loaded has no function done.

    Raises:
        OSError: if the file cannot be read.
    """
    file = file.resolve()
    file.read_bytes()
    exercises = [EXERCISES[name] for name in names]
    asked = {exercise.name: questions(exercise, seed) for exercise in exercises}
    answered: dict[str, list[Outcome] | None] = {}
    called: dict[str, list[str]] = {}  # the functions that each of them calls
    failure = ""
    waiting = exercises
    while waiting:
        tasks = [_task(exercise, asked[exercise.name]) for exercise in waiting]
        work: dict[str, Any] = {"file": str(file), "tasks": tasks, "names": list(EXERCISES)}
        work |= {"seconds": seconds, "bytes": memory}
        replies, ended = _run(work, STARTING + worker.PATIENCE * seconds * (len(tasks) + 1))
        try:
            loaded = [reply["file"] for reply in replies if "file" in reply]
            if not loaded or loaded[0] is not None:
                failure = _words(loaded[0]) if loaded else ended
                break
            for reply in replies:
                if "begin" in reply:
                    called[reply["begin"]] = reply["calls"]
                if "done" in reply:
                    answered[reply["done"]] = _outcomes(reply)
        except (TypeError, KeyError, ValueError) as error:  # it was written by hand
            failure = f"it sends something that is no answer: {error}"
            break
        left = [exercise for exercise in waiting if exercise.name not in answered]
        if left:
            stuck, *left = left
            lost = Outcome(failure=Failure("", ended, "", 0, ""))
            answered[stuck.name] = [lost] * len(asked[stuck.name])
        waiting = left
    reports = list(_reports(exercises, asked, answered, called, seed, level))
    return Submission(file, seed, reports, failure)


def _reports(
    exercises: list[Exercise],
    asked: dict[str, Any],
    answered: dict[str, list[Outcome] | None],
    called: dict[str, list[str]],
    seed: int,
    level: Level,
) -> Iterator[Report]:
    bad: set[str] = set()
    for exercise in exercises:
        outcomes = answered.get(exercise.name)
        if outcomes is None:
            text = f"{exercise.name} is not done yet."
            yield Report(exercise.name, "not done", seed=seed, level=level, found=text)
            continue
        if undone(outcomes):
            outcomes = outcomes[:1] * len(asked[exercise.name])
        wrong = next((name for name in called.get(exercise.name, []) if name in bad), "")
        report = grade(exercise, asked[exercise.name], outcomes, seed, level, wrong)
        if report.status == "wrong":
            bad.add(exercise.name)
        yield report


def _task(exercise: Exercise, asked: Sequence[Any]) -> dict[str, Any]:
    return {
        "name": exercise.name,
        "count": len(exercise.returns),
        "in_place": exercise.in_place,
        "cases": [{"arguments": case.arguments, "strict": case.strict} for case in asked],
    }


def _outcomes(reply: dict[str, Any]) -> list[Outcome] | None:
    if reply["outcomes"] is None:
        return None
    return [
        Outcome(**{**one, "failure": one["failure"] and Failure(*one["failure"])})
        for one in reply["outcomes"]
    ]


def _words(failure: Sequence[Any]) -> str:
    kind, message, _, line, text = failure
    at = f" in line {line}" if line else ""
    return f"{kind}{at}: {message}" + (f"\n    {text}" if text else "")


def _run(work: dict[str, Any], seconds: float) -> tuple[list[Any], str]:
    """Runs the student's process: its messages, and how it ended, in words."""
    # One thread: the arrays are small. -P: what lies beside worker.py cannot be imported.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-B", worker.__file__]
    try:
        done = subprocess.run(
            command,
            input=pack(work),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},
            timeout=seconds,
            check=False,
        )
        out, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as expired:
        out, code = expired.stdout or b"", worker.TIME_IS_UP
    ended = f"it works for more than {work['seconds']:g} seconds, as if a loop never ended"
    if code != worker.TIME_IS_UP:
        ended = f"it ends the process, with exit code {code}"
    try:
        return unpack(out), ended
    except ValueError:
        return [], "it sends something that is no answer"
