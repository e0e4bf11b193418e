"""Compares results with the right ones: which tensor is the first that is wrong, and where."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinycnn.grader.calls import Outcome
from tinycnn.grader.cases import Case
from tinycnn.grader.exercises import TOLERANCE_32, Exercise
from tinycnn.utils import Array

Kind = Literal["failed", "returned", "missing", "shape", "values", "dtype", "changed", "unsteady"]


@dataclass(frozen=True)
class Fault:
    """What is wrong with one outcome.

    Attributes:
        kind: "failed" (an exception), "returned" (something else than the results), "missing" (None
            for a tensor), "shape", "values", "dtype", "changed" (an argument was), "unsteady" (the
            second call gave something else).
        tensor: the result or the argument.
        index: of the first wrong number.
        got: there.
        expected: there.
    """

    kind: Kind
    tensor: str | None = None
    index: tuple[int, ...] | None = None
    got: object = None
    expected: object = None


def wrong_numbers(exercise: Exercise, got: Array, expected: Array, float32: bool) -> Array:
    """Where `got` is not `expected`: an array of bools."""
    if expected.size == 0:
        return np.zeros(expected.shape, bool)
    scale = np.abs(expected).max() or 1.0
    tolerance = TOLERANCE_32 if float32 else exercise.tolerance
    with np.errstate(all="ignore"):
        near: Array = np.abs(got.astype(float) - expected) <= tolerance * scale
    return ~near  # a NaN is not near anything


def judge(
    exercise: Exercise, case: Case, outcome: Outcome, expected: tuple[Array | None, ...]
) -> tuple[Fault | None, set[str]]:
    """The first fault of an outcome, if any, and notes about conventions that are right, too."""
    notes: set[str] = set()
    if outcome.failure is not None:
        return Fault("failed"), notes
    names = exercise.tensors(case)
    if len(outcome.results) != len(names):
        return Fault("returned", got=outcome.returned, expected=", ".join(exercise.returns)), notes
    float32 = any(
        isinstance(value, np.ndarray) and value.dtype == np.float32
        for value in case.arguments.values()
    )
    optional = case.arguments.get("needs_dx") is False
    for name, got, right in zip(names, outcome.results, expected, strict=True):
        if right is None or (got is None and optional and name == "dx"):
            continue
        if got is None:
            return Fault("missing", name, got="None", expected=f"an array {right.shape}"), notes
        if got.shape != right.shape:
            return Fault("shape", name, got=got.shape, expected=right.shape), notes
        if exercise.accepted is not None:
            right, note = exercise.accepted(name, got, right, case)
            notes.update({note} - {""})
        wrong = wrong_numbers(exercise, got, right, float32)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return Fault("values", name, index, got[index].item(), right[index].item()), notes
    for name, got in zip(names, outcome.results, strict=True):
        fine = "iu" if name == "winners" else "f"
        if got is not None and got.ndim and got.dtype.kind not in fine:
            wanted = "integers" if name == "winners" else "float32" if float32 else "float64"
            return Fault("dtype", name, got=str(got.dtype), expected=wanted), notes
        if got is not None and got.ndim and fine == "f":
            wanted = "float32" if float32 else "float64"
            if got.dtype != wanted:
                return Fault("dtype", name, got=str(got.dtype), expected=wanted), notes
    if outcome.changed:
        return Fault("changed", outcome.changed[0]), notes
    if outcome.unsteady:
        return Fault("unsteady"), notes
    return None, notes
