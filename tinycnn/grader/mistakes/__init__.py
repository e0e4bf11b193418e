"""The known mistakes, by the function in which they are made."""

from functools import cache

from tinycnn.grader.mistakes import (
    adding,
    average_pooling,
    convolution_backward,
    convolution_forward,
    dense,
    extras,
    max_pooling,
    optimizers,
    reading,
    softmax,
)
from tinycnn.grader.mistakes.base import Mistake

__all__ = ["MISTAKES", "mistakes_of"]

MISTAKES = [
    *reading.MISTAKES,
    *adding.MISTAKES,
    *convolution_forward.MISTAKES,
    *convolution_backward.MISTAKES,
    *max_pooling.MISTAKES,
    *average_pooling.MISTAKES,
    *dense.MISTAKES,
    *softmax.MISTAKES,
    *optimizers.MISTAKES,
    *extras.MISTAKES,
]


@cache
def mistakes_of(exercise: str) -> list[Mistake]:
    """Those of one function."""
    return [mistake for mistake in MISTAKES if mistake.exercise == exercise]
