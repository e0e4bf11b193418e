"""What a case is, and its numbers: from one to work by hand to everything at once.

The cases of a function stand in order: the first has few numbers, and each of the next has one
thing more that can go wrong. So the first case that fails is the smallest. Their numbers are whole
and below ten, except in the last ones, which have any numbers. All are drawn anew from `rng`.

A case has traits: what is special about it, in words. They tell where a function is wrong.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.utils import Array

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of a function.

    Attributes:
        title: what it is, such as "a 3x3 image, a 2x2 kernel, strides (2, 1)".
        arguments: by name, in their order.
        traits: what is special, in words that follow "where".
        strict: whether the arrays come read-only, and with gaps between their numbers.
    """

    title: str
    arguments: Arguments
    traits: frozenset[str] = field(default_factory=frozenset)
    strict: bool = False


# --- numbers --------------------------------------------------------------------------------------


def whole(rng: np.random.Generator, *shape: int) -> Array:
    """Whole numbers from -9 to 9 without 0, as float64; no number twice among eighteen."""
    size = int(np.prod(shape))
    values = np.array([*range(-9, 0), *range(1, 10)], float)
    runs = [rng.permutation(values) for _ in range(size // len(values) + 1)]
    return np.concatenate(runs)[:size].reshape(shape)


def real(rng: np.random.Generator, *shape: int) -> Array:
    """Any numbers, float64."""
    return rng.normal(size=shape)


def numbers(rng: np.random.Generator, kind: str, *shape: int) -> Array:
    """Numbers of a kind: "whole", "real", "float32" or, read-only and with gaps, "strict"."""
    if kind == "whole":
        return whole(rng, *shape)
    return real(rng, *shape).astype("float32" if kind == "float32" else "float64")


def shape_traits(shape: tuple[int, ...], kind: str) -> set[str]:
    """What is special about arrays of a shape and a kind."""
    holds = {
        "there are more than two axes": len(shape) > 2,
        "the numbers are float32": kind == "float32",
        "arrays are read-only and have gaps in memory": kind == "strict",
        "numbers are not whole": kind != "whole",
    }
    return {name for name, true in holds.items() if true}


def one_hot(rng: np.random.Generator, N: int, K: int, dtype: Any) -> Array:
    """N targets of K classes, one-hot, no two neighbours alike."""
    classes = (np.arange(N) + rng.integers(K)) % K
    one_hot: Array = np.eye(K, dtype=dtype)[classes]
    return one_hot
