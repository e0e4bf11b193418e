"""Accuracy, and the running mean in which Keras reports an epoch.

Legend: N samples, K classes.
Source: keras/src/metrics/accuracy_metrics.py, keras/src/trainers/compile_utils.py
"""

from collections.abc import Sequence

import numpy as np

from tinycnn.utils import Array

ACCURACY = ("accuracy", "acc")  # its names in Keras; the logs use the one that was given


def matches(y_true: Array, y_pred: Array) -> Array:
    """Which predictions are right.

    What "right" means is told, as in Keras, by the shapes: one-hot labels as wide as the
    predictions are compared by argmax (of equal scores the first), integer labels directly, and a
    single output says 1 above 0.5 and 0 up to it: what else y_true may hold is never right.

    Args:
        y_true: (N, K) one-hot, or (N,) or (N, 1) integers.
        y_pred: (N, K).

    Returns:
        (N,) of bool.
    """
    if y_pred.shape[-1] == 1:
        return (y_pred > 0.5)[..., 0] == y_true.reshape(y_pred.shape[:-1])
    chosen = y_pred.argmax(axis=-1)
    if y_true.shape == y_pred.shape:
        return chosen == y_true.argmax(axis=-1)
    return chosen == y_true.reshape(chosen.shape)


def accuracy(y_true: Array, y_pred: Array) -> float:
    """The share of right predictions. Shapes as for `matches`."""
    right = matches(y_true, y_pred)
    return float(np.count_nonzero(right) / right.size)


class EpochMeans:
    """The running means of an epoch over its samples, in Keras's order of names.

    Batches count by their size, also the partial last one.

    Args:
        metrics: the names, of ACCURACY, of what is taken beside the loss.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        self.metrics = list(metrics)
        # name: sum over the samples, their number
        self.sums = {name: [0.0, 0] for name in (*self.metrics, "loss")}

    def add(self, loss: float, y: Array, y_pred: Array) -> dict[str, float]:
        """Add a batch; the means so far."""
        for name, sums in self.sums.items():
            sums[0] += (loss if name == "loss" else accuracy(y, y_pred)) * len(y)
            sums[1] += len(y)
        return self.result()

    def result(self) -> dict[str, float]:
        """The means so far; 0 if there was no batch."""
        return {name: total / count if count else 0.0 for name, (total, count) in self.sums.items()}
