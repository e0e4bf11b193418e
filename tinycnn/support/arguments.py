"""Checks of arguments: each returns the value in its plain form, or an error says what is wrong.

A message names the argument as the user wrote it: "`filters` must be a positive integer. Received:
filters=0".
"""

import difflib
import math
import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LARGEST_SIZE = 2**31 - 1  # of an axis, a window, a stride: what the kernels can count


def integer(value: Any, name: str, least: int = 1, most: float = math.inf) -> int:
    """`value` as an int from `least` to `most`; NumPy's integers count, truth values do not.

    Raises:
        ValueError: for anything else.
    """
    try:
        number = least - 1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        kind = "a positive integer" if least == 1 else f"an integer >= {least}"
        limit = f" up to {most:,}" if number > most else ""
        raise ValueError(f"`{name}` must be {kind}{limit}. Received: {name}={shown(value)}")
    return number


def size(value: Any, name: str) -> int:
    """`value` as an int from 1 to LARGEST_SIZE.

    Raises:
        ValueError: for anything else.
    """
    return integer(value, name, most=LARGEST_SIZE)


def masked_numbers(values: Any) -> int:
    """How many numbers of a NumPy array are masked; of anything else, none."""
    if "numpy.ma" not in sys.modules:  # nobody has made a masked array: not worth loading it
        return 0
    return int(np.count_nonzero(np.ma.getmaskarray(values))) if np.ma.is_masked(values) else 0


def shown(value: Any) -> str:
    """A value as an error shows it: its `repr`, cut short if it is long."""
    if isinstance(value, int) and abs(value) > 10**30:
        return f"an integer of {value.bit_length() * 302 // 1000 + 1} digits or so"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """`value` as a pair of positive integers (height, width): 3 means (3, 3).

    Raises:
        ValueError: for anything else.
    """
    try:
        height, width = value if hasattr(value, "__len__") else (value, value)  # type: ignore[misc]
        return size(height, name), size(width, name)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them, up to {LARGEST_SIZE:,}. "
            f"Received: {name}={shown(value)}"
        ) from None


def shape(value: Sequence[int | None], name: str) -> tuple[int, ...]:
    """`value` as a tuple of positive integers, without the batch axis.

    Raises:
        ValueError: for anything else.
    """
    try:
        if len(value) < 64:  # NumPy has up to 64 axes, and one is the batch's
            return tuple(size(length, name) for length in value)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"`{name}` must be a tuple of positive integers, the shape of one sample without the "
        f"batch axis. Received: {name}={shown(value)}"
    )


def batch_shape(sample: Sequence[int] | None, N: int | str = "N") -> str:
    """The shape of a batch as errors write it: "(N, 28, 28, 1)", "(N,)".

    Args:
        sample: shape of one sample; None means one number.
        N: how many samples, if that matters.
    """
    return f"({N}, {', '.join(map(str, sample))})" if sample else f"({N},)"


def number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a finite float, low <= value < high.

    Raises:
        ValueError: for anything else.
    """
    try:
        # Newer versions of NumPy refuse an array of one number, older ones accept it.
        odd = isinstance(value, str | bytes) or np.ndim(value) > 0
        result = math.nan if odd else float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not (low <= result < high and math.isfinite(result)):
        limits = "a finite number" + (f" >= {low:g}" if low > -math.inf else "")
        if high < math.inf:
            limits = f"in [{low:g}, {high:g})"
        raise ValueError(f"`{name}` must be {limits}. Received: {name}={shown(value)}")
    return result


def truth(value: Any, name: str) -> bool:
    """`value` as True or False; no other value is accepted, because "False" would count as True.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")
    return bool(value)


def positive(value: Any, name: str) -> float:
    """`value` as a finite float > 0.

    Raises:
        ValueError: for anything else.
    """
    try:
        result = number(value, name)
    except ValueError:
        result = 0.0
    if result <= 0:
        raise ValueError(f"`{name}` must be a finite number > 0. Received: {name}={shown(value)}")
    return result


def printable(text: str, most: int = 300) -> str:
    """Text from a file, made safe for a terminal: no control characters, and not too long."""
    return "".join(character if character.isprintable() else "?" for character in text[:most])


def name_or_none(value: Any) -> str | None:
    """`value` as a name of a layer or a model that a model file can hold; None for no name.

    Raises:
        ValueError: if it is not text, is empty, is longer than 200 characters, or has a '/' or an
            unprintable character (control characters would act on the terminal).
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"`name` must be text. Received: name={value!r:.100}")
    if not value or len(value) > 200 or "/" in value or not value.isprintable():
        raise ValueError(
            "`name` must have 1 to 200 printable characters and no '/'. "
            f"Received: name={value!a:.100}"
        )
    return value


def one_of(value: Any, known: Sequence[str], what: str) -> str:
    """`value` if it is one of the names `known`.

    Raises:
        ValueError: "unknown `what`; known are ...".
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(
            f"unknown {what}; known are {', '.join(known)}. "
            f"Received: {shown(value)}{did_you_mean(value, known)}"
        )
    return value


def closest(name: Any, known: Iterable[str]) -> str | None:
    """The one of the names `known` that `name` may be a slip of the pen for; None if none is."""
    if not isinstance(name, str) or len(name) > 100:
        return None
    return next(iter(difflib.get_close_matches(name, list(known), 1, 0.75)), None)


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: ". Did you mean 'adam'?", or nothing."""
    near = closest(name, known)
    return "" if near is None else f". Did you mean {near!r}?"
