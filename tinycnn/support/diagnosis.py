"""Finds where a number that is not finite came from, in the tensors of one batch run again."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tinycnn.utils import Array

# No number in a healthy training is as large as this; float32 overflows at 3e38.
HUGE = 1e6


class Tensor(NamedTuple):
    """An array of a training step, with its place there.

    Args:
        kind: "data", "weights", "output", "loss" or "gradient".
        name: such as "the output of layer 2 of 5, Dense(dense)".
        value: the array.
    """

    kind: str
    name: str
    value: Array


def diagnose(tensors: Iterable[Tensor], before_first_step: bool) -> str:
    """Which tensor of a training step is the first that is not finite, and why, if that is clear.

    Args:
        tensors: the step's tensors, in the order in which they are computed; only as many as
            needed are taken.
        before_first_step: whether the model had not been trained yet.

    Returns:
        A sentence or two.
    """
    data_size = largest = 0.0
    for kind, name, value in tensors:
        finite = np.isfinite(value)
        largest = max(largest, float(np.abs(value[finite]).max(initial=0)))
        if kind == "data":
            data_size = largest
        if finite.all():
            continue
        found = (
            f"The first tensor that is not finite: {name}, in "
            f"{value.size - np.count_nonzero(finite)} of {value.size} numbers; the "
            f"largest finite number up to there is {largest:.2g}."
        )
        if kind == "data" or data_size > HUGE:
            return f"{found} The data are too large: scale them to about 1."
        if before_first_step:
            return found + " It was so before the first step." * (kind == "weights")
        if largest > HUGE or (kind == "weights" and np.isinf(value).any()):
            return f"{found} Most likely the learning rate is too high."
        return found
    return "Run again, layer by layer, the batch gives finite numbers only."
