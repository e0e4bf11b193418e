"""A parameter: an array that a layer learns, with its gradient beside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.regularizers import L1L2
from tinycnn.support.keywords import Named
from tinycnn.utils import Array


@dataclass(eq=False)
class Parameter(Named):
    """An array of a layer, and the gradient of the loss with respect to it.

    Args:
        name: such as "kernel" or "bias".
        value: the array; it is changed in place, by the optimizer if it is trainable.
        grad: its gradient, of the same shape; assigned anew by each `backward`, None before.
        trainable: False for what the layer itself updates, such as moving statistics.
        regularizer: a penalty on its value, which the model adds to the loss.
        frozen: True while its layer is frozen, see `Layer.trainable`.
    """

    name: str
    value: Array
    grad: Array | None = None
    trainable: bool = True
    regularizer: L1L2 | None = None
    frozen: bool = False

    @property
    def learns(self) -> bool:
        """Whether an optimizer should update it."""
        return self.trainable and not self.frozen

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The value: `np.asarray(parameter)`."""
        return np.array(self.value, dtype=dtype, copy=copy)
