"""The known mistakes, by the function in which they are made."""

from functools import cache

from tinycnn.grader.mistakes import convolution, dense, extras, optimizers, pooling, softmax
from tinycnn.grader.mistakes.base import Mistake

__all__ = ["MISTAKES", "mistakes_of"]

MISTAKES = [
    *convolution.MISTAKES,
    *pooling.MISTAKES,
    *dense.MISTAKES,
    *softmax.MISTAKES,
    *optimizers.MISTAKES,
    *extras.MISTAKES,
]


@cache
def mistakes_of(exercise: str) -> list[Mistake]:
    """Those of one function."""
    return [mistake for mistake in MISTAKES if mistake.exercise == exercise]
