"""Dropout: a random share of the inputs is set to 0.

The layer draws the random numbers; this file has the arithmetic.

Legend: arrays of any shape, element by element.

Source: Srivastava et al. 2014, in the form of Keras 3: scaled in training, not in inference.
"""

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "dropout",
]


def dropout(x: Array, kept: Array, rate: float) -> Array:
    """y = x / (1 - rate) where `kept`, else 0; over many draws, the mean of y is x.

    It is its own backward, too. Element by element y is linear in x, with the factor 1 / (1 - rate)
    or 0. So dx = dropout(dy, kept, rate), with the forward's `kept`.

    Args:
        x: any shape.
        kept: bool, the same shape, each True with probability 1 - rate.
        rate: the share that is dropped, in [0, 1]; 1 drops everything.

    Returns:
        y, the shape of `x`.
    """
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    return np.where(kept, x * scale, np.zeros((), x.dtype))
