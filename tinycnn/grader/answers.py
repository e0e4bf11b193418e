"""The answers to all questions about one function, beside the right ones, cell by cell.

A cell is one tensor of one case. Diagnosis looks at cells and not at whole outputs: two mistakes in
one function never come out as either of them, but in many a cell only one of the two shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinycnn.grader.calls import Outcome
from tinycnn.grader.cases import Case
from tinycnn.grader.exercises import Exercise
from tinycnn.grader.verdicts import Fault, judge, wrong_numbers
from tinycnn.utils import Array

# Results that agree by this much, relative to the largest number, are made in the same way: a sum
# in another order differs by some 1e-16 for each of its terms. In float32, by some 1e-7.
SAME = 1e-9
SAME_32 = 1e-5
FEWEST = (
    12  # as many numbers as must differ from the right ones if a single cell is to prove a match
)


def same(a: Array | None, b: Array | None, float32: bool = False, tolerance: float = SAME) -> bool:
    """Whether two results are equal but for rounding; infinities and NaN at the same places."""
    if a is None or b is None or a.shape != b.shape:
        return a is None and b is None
    a, b = a.astype(float), b.astype(float)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    if not finite.any():
        return True
    scale = np.abs(b[finite]).max() or 1.0
    return bool(np.all(np.abs(a[finite] - b[finite]) <= max(SAME_32 * float32, tolerance) * scale))


@dataclass(frozen=True)
class Cell:
    """One tensor of one case; `got` is None where nothing came. In `wrong` cells they differ."""

    case: int
    tensor: str
    got: Array | None
    expected: Array
    wrong: bool
    float32: bool

    @property
    def differing(self) -> int:
        """How many numbers are wrong; all of them if the shape is."""
        if self.got is None or self.got.shape != self.expected.shape:
            return self.expected.size
        limit = SAME_32 if self.float32 else SAME
        scale = np.abs(self.expected).max(initial=0) or 1.0
        with np.errstate(all="ignore"):
            near = np.abs(self.got.astype(float) - self.expected) <= limit * scale
        return int(np.count_nonzero(~near))


@dataclass(frozen=True)
class Answers:
    """What a function made of all its cases.

    Attributes:
        exercise: the function.
        cases: its cases, in order.
        outcomes: one for each.
    """

    exercise: Exercise
    cases: Sequence[Case]
    outcomes: Sequence[Outcome]

    @cached_property
    def expected(self) -> list[tuple[Array | None, ...]]:
        """The right results of each case."""
        return [self.exercise.expected(case) for case in self.cases]

    @cached_property
    def _judged(self) -> list[tuple[Fault | None, set[str]]]:
        triples = zip(self.cases, self.outcomes, self.expected, strict=True)
        return [judge(self.exercise, *triple) for triple in triples]

    @property
    def faults(self) -> list[Fault | None]:
        """The first fault of each case."""
        return [fault for fault, _ in self._judged]

    @property
    def notes(self) -> tuple[str, ...]:
        """Conventions that are right but not tinycnn's."""
        return tuple(sorted(set().union(*(notes for _, notes in self._judged))))

    @property
    def wrong_cases(self) -> list[int]:
        """The places of the cases that have a fault."""
        return [i for i, fault in enumerate(self.faults) if fault is not None]

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells of the cases that returned something."""
        made = []
        for i, (case, outcome) in enumerate(zip(self.cases, self.outcomes, strict=True)):
            names = self.exercise.tensors(case)
            if len(outcome.results) != len(names):
                continue
            narrow = is_float32(case)
            for name, got, right in zip(names, outcome.results, self.expected[i], strict=True):
                if right is None:
                    continue
                wrong = got is None or got.shape != right.shape
                if got is not None and not wrong:
                    if self.exercise.accepted is not None:
                        right, _ = self.exercise.accepted(name, got, right, case)
                    wrong = bool(wrong_numbers(self.exercise, got, right, narrow).any())
                made.append(Cell(i, name, got, right, wrong, narrow))
        return made

    def is_argument(self, cell: Cell, name: str) -> bool:
        """Whether the student's tensor is an argument of its case, unchanged."""
        value = self.cases[cell.case].arguments.get(name)
        return isinstance(value, np.ndarray) and cell.got is not None and same(cell.got, value)


def is_float32(case: Case) -> bool:
    """Whether any array of the case is float32."""
    values = case.arguments.values()
    return any(isinstance(value, np.ndarray) and value.dtype == np.float32 for value in values)
