"""What the grader says about one function."""

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["right", "wrong", "not done"]


@dataclass(frozen=True, repr=False)
class Report:
    """The verdict on one function.

    Attributes:
        name: the function's.
        status: "right", "wrong" or "not done".
        tensor: the first result that is wrong, or the argument that was changed.
        index: the index of its first wrong number.
        got: that number.
        expected: what it should be.
        cause: the likely mistake, in a few words; None if it is unknown.
        text: all that is told about it.
        notes: conventions that are right but not tinycnn's.
        seed: the seed of the questions, with which they can be asked again.
    """

    name: str
    status: Status
    tensor: str | None = None
    index: tuple[int, ...] | None = None
    got: Any = None
    expected: Any = None
    cause: str | None = None
    text: str = ""
    notes: tuple[str, ...] = field(default=())
    seed: int = 0

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        escaped = self.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"<pre>{escaped}</pre>"
