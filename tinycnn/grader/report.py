"""What the grader says about one function."""

from dataclasses import dataclass, replace
from typing import Any, Literal

Status = Literal["right", "wrong", "not done"]
Level = Literal["found", "hint", "explain"]


@dataclass(frozen=True, repr=False)
class Report:
    """The verdict on one function. Its text is as long as was asked for.

    Attributes:
        name: the function's.
        status: "right", "wrong" or "not done".
        tensor: the first result that is wrong, or the argument that was changed.
        index: the index of its first wrong number.
        got: that number, or what came instead of the result.
        expected: what it should be.
        cause: the likely mistake, in words that follow "the likely cause is that"; None if it is
            unknown, or was not looked for.
        candidates: the known mistakes that explain something, the best first.
        kind: how the cause was found: "form", "mistake", "fact", "follows" (from another function)
            or "unknown".
        notes: conventions that are right but not tinycnn's.
        arguments: those of the smallest case that fails, by name.
        seed: of the questions: with it they can be asked again.
        level: "found" tells what is wrong, "hint" also why, "explain" also what holds instead.
        found: the case, and what is wrong in it.
        numbers: the case's arguments and results, as far as they are small.
        why: the likely cause, and where it shows.
        advice: how to go on.
        rule: what holds instead, and how to go on; empty if no rule is known.
    """

    name: str
    status: Status
    tensor: str | None = None
    index: tuple[int, ...] | None = None
    got: Any = None
    expected: Any = None
    cause: str | None = None
    candidates: tuple[str, ...] = ()
    kind: str = "unknown"
    notes: tuple[str, ...] = ()
    arguments: dict[str, Any] | None = None
    seed: int = 0
    level: Level = "found"
    found: str = ""
    numbers: str = ""
    why: str = ""
    advice: str = ""
    rule: str = ""

    @property
    def prose(self) -> str:
        """The text without the numbers of the case."""
        return self._text("")

    @property
    def text(self) -> str:
        """All that was asked for."""
        return self._text(self.numbers)

    def _text(self, numbers: str) -> str:
        parts = [self.found, numbers, *self.notes]
        if self.status == "wrong":
            if self.level == "found":
                parts.append("hint=True, or --hint on the command line, tells the likely cause.")
            else:
                parts.append(self.why)
                parts.append((self.level == "explain" and self.rule) or self.advice)
        return "\n".join(part for part in parts if part)

    def at(self, level: Level) -> "Report":
        """The same report with a longer or shorter text."""
        return replace(self, level=level)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        text = self.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"<pre>{text}</pre>"
