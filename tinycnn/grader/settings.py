"""What a teacher decides for a class, in one TOML file: weights, limits, and how much is told."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from tinycnn.errors import GraderError
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.report import Level
from tinycnn.grader.submissions import MEMORY, SECONDS

LEVELS: tuple[Level, ...] = get_args(Level)
WEIGHTS = {name: 0.0 if exercise.extra else 1.0 for name, exercise in EXERCISES.items()}

HEAD = """\
# How `python -m tinycnn.grader --config {file}` grades.

# The most that --hint and --explain tell: "found", "hint" (the likely cause) or "explain" (also
# what holds instead).
most = "explain"
# Seconds of work that one function may take, and megabytes that the student's process may take.
seconds = {seconds:g}
megabytes = {megabytes}

# What a function counts. One with the weight 0 is graded, but needs not be done.
[weights]
"""


@dataclass(frozen=True)
class Settings:
    """The settings of a class; the defaults are those of no file at all."""

    most: Level = "explain"
    seconds: float = SECONDS
    megabytes: int = MEMORY // 2**20
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))

    def level(self, asked: Level) -> Level:
        """The level that was asked for, or the most that is allowed."""
        return LEVELS[min(LEVELS.index(asked), LEVELS.index(self.most))]


def default_text(file: str) -> str:
    """A file with the defaults, to be edited."""
    head = HEAD.format(file=file, seconds=SECONDS, megabytes=MEMORY // 2**20)
    return head + "".join(f"{name} = {weight:g}\n" for name, weight in WEIGHTS.items())


def read_settings(file: Path) -> Settings:
    """The settings in a file. What it does not name stays as it is.

    Raises:
        GraderError: if it is no TOML, or has a name or a value that means nothing.
        OSError: if it cannot be read.
    """
    try:
        read = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GraderError(f"{file} is not TOML: {error}") from error
    known = {"most", "seconds", "megabytes", "weights"}
    if unknown := sorted(read.keys() - known):
        names = ", ".join(sorted(known))
        raise GraderError(f"{file} may set {names}. Received: {', '.join(unknown)}")
    weights = read.pop("weights", {})
    if not isinstance(weights, dict):
        raise GraderError(f"{file}: weights must be a table. Received: weights={weights!r}")
    if unknown := sorted(weights.keys() - WEIGHTS.keys()):
        raise GraderError(f"{file}: there is no function of that name. Received: {unknown[0]}")
    for name, value in [*read.items(), *weights.items()]:
        if name != "most" and not _is_amount(value, positive=name in known):
            least = "above 0" if name in known else "0 or above"
            raise GraderError(f"{file}: {name} must be a number {least}. Received: {value!r}")
    if read.get("most", "explain") not in LEVELS:
        allowed = ", ".join(map(repr, LEVELS))
        raise GraderError(f"{file}: most must be one of {allowed}. Received: {read['most']!r}")
    return Settings(**{**read, "weights": {**WEIGHTS, **weights}})


def _is_amount(value: Any, positive: bool) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (0 < value < float("inf") if positive else 0 <= value < float("inf"))
