"""Accuracy, and the running mean in which Keras reports an epoch.

Legend: N samples, K classes.
Source: keras/src/metrics/accuracy_metrics.py, keras/src/trainers/compile_utils.py
"""

import numpy as np

from tinycnn.utils import Array

ACCURACY = ("accuracy", "acc")


class Mean:
    """A running mean over samples: batches count by their size, also the partial last one."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, mean: float, count: int) -> None:
        """Add a batch of `count` samples whose mean is `mean`."""
        self.total += mean * count
        self.count += count

    def result(self) -> float:
        """The mean over everything added; 0 if that is nothing."""
        return self.total / self.count if self.count else 0.0


def matches(y_true: Array, y_pred: Array) -> Array:
    """Which predictions are right.

    What "right" means is told, as in Keras, by the shapes: one-hot labels as wide as the
    predictions are compared by argmax (of equal scores the first), integer labels directly, and a
    single output is a yes from 0.5 on upwards, 0.5 itself excluded.

    Args:
        y_true: (N, K) one-hot, or (N,) or (N, 1) integers.
        y_pred: (N, K).

    Returns:
        (N,) of bool.
    """
    if y_pred.shape[-1] == 1:
        return (y_pred > 0.5)[..., 0] == (y_true.reshape(y_pred.shape[:-1]) > 0.5)
    chosen = y_pred.argmax(axis=-1)
    if y_true.shape == y_pred.shape:
        return chosen == y_true.argmax(axis=-1)
    return chosen == y_true.reshape(chosen.shape)


def accuracy(y_true: Array, y_pred: Array) -> float:
    """The share of right predictions. Shapes as for `matches`."""
    return float(np.mean(matches(y_true, y_pred)))


class EpochMeans:
    """The running means of an epoch, in Keras's order of names."""

    def __init__(self, with_accuracy: bool) -> None:
        self.loss = Mean()
        self.accuracy = Mean() if with_accuracy else None

    def add(self, loss: float, y: Array, y_pred: Array) -> dict[str, float]:
        """Add a batch; the means so far."""
        self.loss.add(loss, len(y))
        if self.accuracy is None:
            return {"loss": self.loss.result()}
        self.accuracy.add(accuracy(y, y_pred), len(y))
        return {"accuracy": self.accuracy.result(), "loss": self.loss.result()}
