"""The two numbers of an optimizer, as Keras's scripts read and set them.

In Keras they are variables. Here they are plain numbers with the methods that scripts call:

    model.optimizer.learning_rate.numpy()
    model.optimizer.learning_rate.assign(0.01)       # or: model.optimizer.learning_rate = 0.01
    float(model.optimizer.learning_rate)

Source: `Variable` in keras/src/backend/common/variables.py.
"""

from typing import Any, Self

import numpy as np

from tinycnn.tensors import Scalar


class Rate(Scalar):
    """The learning rate at the moment it is asked for.

    Args:
        value: the number.
        optimizer: whose it is; `assign` sets it there.

    Example:
        >>> optimizer = SGD(0.5)
        >>> optimizer.learning_rate.assign(0.25)
        >>> optimizer.learning_rate, optimizer.learning_rate.numpy()
        (0.25, np.float32(0.25))
    """

    def __new__(cls, value: float, optimizer: Any) -> Self:
        """A float that knows whose it is."""
        self = super().__new__(cls, value)
        self._optimizer = optimizer
        return self

    _optimizer: Any

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is a plain float: it is nobody's."""
        return float, (float(self),)

    def assign(self, value: float) -> None:
        """Sets the optimizer's learning rate; see `Optimizer.learning_rate`."""
        self._optimizer.learning_rate = value

    def assign_add(self, value: float) -> None:
        """Sets it to this number plus `value`."""
        self.assign(self + value)

    def assign_sub(self, value: float) -> None:
        """Sets it to this number less `value`."""
        self.assign(self - value)


class Count(int):
    """How many steps an optimizer has made: an int with Keras's `numpy()`."""

    def numpy(self) -> np.int64:
        """The same number as int64."""
        return np.int64(self)
