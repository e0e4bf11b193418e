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


class L1L2(Named):
    """l1 * sum(abs(w)) + l2 * sum(w^2): pulls every weight towards 0.

    L1 pulls all weights equally hard, so that many become 0, and L2 in proportion to their size.
    There is no factor 1/2 in L2, so its gradient is 2 * l2 * w. Textbooks that have this factor
    need twice the `l2` for the same effect.

    Args:
        l1: the factor of the absolute values, at least 0.
        l2: the factor of the squares, at least 0.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> L1L2(l1=1.0, l2=0.5)(np.array([1.0, -2.0]))
        5.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = number(l1, "l1", low=0.0)
        self.l2 = number(l2, "l2", low=0.0)

    @np.errstate(all="ignore")
    def __call__(self, value: Array) -> float:
        """The penalty for a parameter of this value."""
        penalty = self.l2 * float(np.square(value).sum(dtype=np.float64)) if self.l2 else 0.0
        return (
            penalty + self.l1 * float(np.abs(value).sum(dtype=np.float64)) if self.l1 else penalty
        )

    @np.errstate(all="ignore")
    def gradient(self, value: Array) -> Array:
        """The gradient with respect to `value`, of the same shape: l1 * sign(w) + 2 * l2 * w.

        The sign of 0 is 0, so a weight of 0 is left alone by L1.
        """
        gradient = (2 * self.l2) * value
        return gradient + self.l1 * np.sign(value) if self.l1 else gradient

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """l1 * sum(abs(w)), see L1L2.

    Args:
        l1: the factor, at least 0.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> L1(0.5)(np.array([1.0, -2.0]))
        1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l1": self.l1}


class L2(L1L2):
    """l2 * sum(w^2), see L1L2.

    Args:
        l2: the factor, at least 0.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> L2(0.5)(np.array([1.0, 2.0]))
        2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l2": self.l2}


REGULARIZERS: dict[str, type[L1L2]] = {"L1": L1, "L2": L2, "L1L2": L1L2}
_BY_NAME = {"l1": L1, "l2": L2, "l1_l2": L1L2} | REGULARIZERS


def get(identifier: str | dict[str, Any] | L1L2 | None) -> L1L2 | None:
    """The regularizer of that name, with its defaults, or the one that `serialize` described.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if identifier is None or type(identifier) in REGULARIZERS.values():
        return identifier  # type: ignore[return-value]
    if isinstance(identifier, dict) and identifier.keys() == {"class_name", "config"}:
        name = one_of(identifier["class_name"], [*_BY_NAME], "regularizer")
        return _BY_NAME[name](**identifier["config"])
    return _BY_NAME[one_of(identifier, [*_BY_NAME], "regularizer")]()


def serialize(regularizer: L1L2 | None) -> dict[str, Any] | None:
    """The regularizer as plain values, in Keras's form."""
    if regularizer is None:
        return None
    return {"class_name": type(regularizer).__name__, "config": regularizer.get_config()}
