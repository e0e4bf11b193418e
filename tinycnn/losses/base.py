"""Loss: what every loss is. The losses are in crossentropy.py and elementwise.py.

Legend: N samples, K classes. A loss is the mean over the samples (over all leading axes, where
there are more), so its gradient carries 1/N, and nothing else in the library does.

Source: keras/src/losses/loss.py (reduction "sum_over_batch_size").
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tinycnn.support.arguments import batch_shape
from tinycnn.support.refusals import Strict
from tinycnn.support.reprs import as_call
from tinycnn.tensors import Tensor, tensor
from tinycnn.utils import Array

__all__ = ["Loss"]

# Keras's epsilon: probabilities are kept within [EPSILON, 1 - EPSILON] before their log is taken.
EPSILON = 1e-7


class Loss(Strict):
    """Base of all losses: `forward(y_true, y_pred)`, then `backward()`.

    A loss of your own overrides these two; or `of_samples`, of which `forward` is the mean, and
    `backward`. Called as a function, a loss takes lists, too, and returns what `forward` does.
    """

    name = "loss"
    never_called: ClassVar[Mapping[str, str]] = {"call": "forward"}

    def __init__(self) -> None:
        self.cache: tuple[Any, ...] | None = None

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The mean loss of a batch, a Tensor of no axes; targets and predictions may be lists.

        Raises:
            ValueError: if they are not of equally many samples, or do not fit each other.
        """
        return tensor(self.forward(*as_arrays(y_true, y_pred)))

    def of_samples(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of each sample (N, ...), without the last axis; it prepares `backward`."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method `forward(self, y_true, y_pred)` that returns "
            "the mean loss of the batch, one number"
        )

    def forward(self, y_true: Array, y_pred: Array) -> float:
        """The mean loss of a batch."""
        return mean_of(self.of_samples(y_true, y_pred))

    def backward(self) -> Array:
        """The gradient of the last `forward` with respect to its `y_pred`, of the same shape."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method `backward(self)` that returns the gradient of "
            "the last forward's loss with respect to its `y_pred`, an array of that shape"
        )

    def check_targets(self, y_true: Array, output_shape: tuple[int, ...]) -> None:
        """Raises ValueError if `y_true` (N, ...) can't be compared with outputs (N, *output_shape).

        It is called by every `forward`, and once for the whole data before training begins.
        """
        if y_true.shape[1:] != output_shape:
            raise ValueError(
                f"{self.name} expects `y` of shape {batch_shape(output_shape)}, like the model's "
                f"output. Received: y of shape {y_true.shape}"
            )

    def on_logits(self) -> "Loss | None":
        """The same loss taken on the logits below a softmax or a sigmoid; None if there is none."""
        return None

    def __repr__(self) -> str:
        return as_call(self, self.get_config())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    def recall(self) -> tuple[Any, ...]:
        """What `forward` left for `backward` in `self.cache`.

        Raises:
            RuntimeError: if there was no forward before.
        """
        if self.cache is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        return self.cache


@np.errstate(all="ignore")
def mean_of(losses: Array) -> float:
    """The mean of some losses, summed in float64."""
    mean = float(losses.sum(dtype=np.float64)) / losses.size
    if math.isinf(mean):  # the sum is; the mean need not be
        mean = float((losses / losses.size).sum(dtype=np.float64))
    return mean


def as_arrays(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Targets and predictions as arrays; predictions that are no floats become float32.

    Raises:
        ValueError: if they are not of equally many samples.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_pred.dtype not in (np.float32, np.float64):
        y_pred = y_pred.astype(np.float32)
    if y_true.shape[:1] != y_pred.shape[:1]:
        raise ValueError(
            "`y_true` and `y_pred` must have equally many samples. "
            f"Received: shapes {y_true.shape} and {y_pred.shape}"
        )
    return y_true, y_pred
