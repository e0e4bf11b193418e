"""Calls one function of a student's with one set of arguments, and writes down what came of it.

This file runs in the student's process as well as in the grader's. It needs NumPy alone, and takes
nothing from the rest of tinycnn.
"""

import inspect
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Failure(NamedTuple):
    """An exception: its type, its message, the function and the line that raised it."""

    type: str
    message: str
    function: str
    line: int
    text: str


class Outcome(NamedTuple):
    """What one call did.

    Attributes:
        results: one array for each expected result, None where None came; empty if the call failed
            or returned something else than so many results.
        returned: what came back instead of the results, in words.
        failure: the exception, if any.
        changed: names of the arguments that were changed and should not have been.
        unsteady: whether a second call with the same arguments gave something else.
    """

    results: tuple[Array | None, ...] = ()
    returned: str = ""
    failure: Failure | None = None
    changed: tuple[str, ...] = ()
    unsteady: bool = False


def call(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    count: int,
    in_place: Sequence[str] = (),
    strict: bool = False,
    twice: bool = True,
) -> Outcome:
    """Calls `function` with copies of the arguments.

    Args:
        function: of the student's.
        arguments: by name, in the order in which they are passed.
        count: how many results it returns; 0 for none.
        in_place: names of the arguments that it changes: these are results, too, after the
            returned ones.
        strict: whether the arrays are read-only, and have gaps between their numbers.
        twice: whether a second call must give the same.

    Returns:
        The outcome of the first call.
    """
    first, given = _once(function, arguments, count, in_place, strict)
    if first.failure is not None:
        return first
    changed = tuple(
        name
        for name, value in arguments.items()
        if name not in in_place and not _same(given[name], value)
    )
    if not twice:
        return first._replace(changed=changed)
    second, _ = _once(function, arguments, count, in_place, strict)
    unsteady = second.failure is not None or not (
        len(first.results) == len(second.results)
        and all(_same(a, b) for a, b in zip(first.results, second.results, strict=True))
    )
    return first._replace(changed=changed, unsteady=unsteady)


def _once(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    count: int,
    in_place: Sequence[str],
    strict: bool,
) -> tuple[Outcome, dict[str, Any]]:
    given = {
        name: _copy(value, strict, name in in_place) if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }
    try:
        with np.errstate(all="ignore"):
            value = function(*given.values())
    except (Exception, SystemExit) as error:
        return Outcome(failure=failure_of(error)), given
    values = () if count == 0 else (value,) if count == 1 else value
    if not isinstance(values, (tuple, list)) or len(values) != count:
        return Outcome(returned=describe(value)), given
    results = [plain(one) for one in values]
    if any(array is None and one is not None for array, one in zip(results, values, strict=True)):
        return Outcome(returned=describe(value)), given
    results += [plain(given[name]) for name in in_place if given[name] is not None]
    return Outcome(tuple(results)), given


def plain(value: Any) -> Array | None:
    """A copy of an array or a number as a plain array; None for anything else."""
    if isinstance(value, (np.ndarray, np.generic, bool, int, float)):
        array = np.array(value, copy=True, subok=False)
        return array if array.dtype.kind in "biuf" else None
    return None


def describe(value: Any) -> str:
    """What came back, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        inside = ", ".join(describe(one) for one in value[:4]) + (", ..." if value[4:] else "")
        return f"a {type(value).__name__} of {len(value)}: {inside}"
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    if isinstance(value, (bool, int, float, np.generic)):
        return f"the number {value!r}"
    return f"an object of type {type(value).__name__}"


def failure_of(error: BaseException, file: str | None = None) -> Failure:
    """What is kept of an exception: the deepest line that belongs to the student's file.

    Args:
        error: the exception.
        file: the student's; None takes that of the function that was called.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    own = [f for f in frames if f.filename == (file or frames[0].filename)] if frames else []
    where = own[-1] if own else None
    try:
        message = str(error)
    except Exception:  # a __str__ of the student's
        message = ""
    name, line, text = (where.name, where.lineno or 0, where.line or "") if where else ("", 0, "")
    if isinstance(error, SyntaxError):
        message, line, text = error.msg, error.lineno or 0, (error.text or "").strip()
    return Failure(type(error).__name__, message[:300], name, line, text[:200])


def calls_of(function: Callable[..., Any], names: Sequence[str]) -> list[str]:
    """Which of `names` the function's code mentions, its inner functions' included."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    found: set[str] = set()
    waiting = [code] if code is not None else []
    while waiting:
        one = waiting.pop()
        found.update(one.co_names)
        waiting += [constant for constant in one.co_consts if inspect.iscode(constant)]
    return [name for name in names if name in found and name != function.__name__]


def _copy(array: Array, strict: bool, writable: bool) -> Array:
    """A copy; if `strict`, with gaps between its numbers, and read-only unless `writable`."""
    if not strict:
        return array.copy()
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    copy = wide[..., 0]
    copy.flags.writeable = writable
    return copy


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal to the bit, or no arrays."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return isinstance(a, np.ndarray) == isinstance(b, np.ndarray)
