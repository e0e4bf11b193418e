"""Regularizers: a penalty on large weights, which a model adds to its loss.

The penalty counts in training and in evaluation, as in Keras. The model adds its gradient to the
loss's after the backward: a layer's own backward knows nothing of it.

Source: keras/src/regularizers/regularizers.py
"""

from typing import Any

import numpy as np

from tinycnn.support.arguments import number, one_of
from tinycnn.support.keywords import Named
from tinycnn.utils import Array


class L2(Named):
    """l2 * sum(w^2): pulls every weight towards 0 in proportion to its size.

    There is no factor 1/2, so the gradient is 2 * l2 * w. Textbooks that have this factor need
    twice the `l2` for the same effect.

    Args:
        l2: the factor, at least 0.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> L2(0.5)(np.array([1.0, 2.0]))
        2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = number(l2, "l2", low=0.0)

    @np.errstate(all="ignore")
    def __call__(self, value: Array) -> float:
        """The penalty for a parameter of this value."""
        return self.l2 * float(np.square(value).sum(dtype=np.float64))

    @np.errstate(all="ignore")
    def gradient(self, value: Array) -> Array:
        """The penalty's gradient with respect to `value`, of the same shape: 2 * l2 * value."""
        return (2 * self.l2) * value

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l2": self.l2}


_BY_NAME = {"l2": L2, "L2": L2}


def get(identifier: str | dict[str, Any] | L2 | None) -> L2 | None:
    """The regularizer of that name, with its defaults, or the one that `serialize` described.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if identifier is None or type(identifier) is L2:
        return identifier
    if isinstance(identifier, dict) and identifier.keys() == {"class_name", "config"}:
        name = one_of(identifier["class_name"], [*_BY_NAME], "regularizer")
        return _BY_NAME[name](**identifier["config"])
    return _BY_NAME[one_of(identifier, [*_BY_NAME], "regularizer")]()


def serialize(regularizer: L2 | None) -> dict[str, Any] | None:
    """The regularizer as plain values, in Keras's form."""
    if regularizer is None:
        return None
    return {"class_name": "L2", "config": regularizer.get_config()}
