"""EpochMeans: the loss and the metrics of an epoch that is under way.

Source: keras/src/backend/tensorflow/trainer.py
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinycnn.metrics.base import Metric
from tinycnn.support.arguments import number
from tinycnn.utils import Array


class EpochMeans:
    """The loss and the metrics over the samples of an epoch so far, in Keras's order of names.

    Batches count by their size, also the partial last one.

    Args:
        metrics: the metrics, in addition to the loss.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = list(metrics)
        # Of each, what its batches add up to; nothing yet. Of the loss: its sum, and the samples.
        self.sums: dict[str, Array] = {
            name: np.zeros(0) for name in (*(m.name for m in metrics), "loss")
        }

    def add(self, loss: float, y_true: Array, y_pred: Array) -> dict[str, Any]:
        """Adds a batch; returns the loss and the metrics so far."""
        return self.add_measured(self.measure(loss, y_true, y_pred))

    def measure(self, loss: float, y_true: Array, y_pred: Array) -> dict[str, Array]:
        """What of a batch adds up over an epoch, by the names of the metrics and "loss"."""
        new = {metric.name: metric.statistics(y_true, y_pred) for metric in self.metrics}
        return new | {"loss": np.array([loss * len(y_true), len(y_true)])}

    def add_measured(self, new: Mapping[str, Array]) -> dict[str, Any]:
        """Adds a batch that was measured already; returns the loss and the metrics so far."""
        for name, statistics in new.items():
            before = self.sums[name]
            if before.size not in (0, statistics.size):
                raise ValueError(
                    f"the sums of {name!r} have changed their size, from {before.size} to "
                    f"{statistics.size} numbers: it was begun with outputs of another shape"
                )
            self.sums[name] = before + statistics if before.size else statistics
        return self.result()

    def result(self) -> dict[str, Any]:
        """The loss and the metrics so far; 0 if there was no batch."""
        results: dict[str, Any] = {
            metric.name: metric.result_of(self.sums[metric.name])
            if self.sums[metric.name].size
            else 0.0
            for metric in self.metrics
        }
        total, count = self.sums["loss"].tolist() or (0.0, 0)
        return results | {"loss": total / count if count else 0.0}

    # --- in a checkpoint --------------------------------------------------------------------------

    def state(self) -> list[list[Any]]:
        """The sums as plain values: [name, numbers...] of each."""
        return [[name, *sums.tolist()] for name, sums in self.sums.items()]

    def set_state(self, state: Sequence[Sequence[Any]]) -> None:
        """Sets the sums to what `state` returned.

        Raises:
            LookupError, TypeError, ValueError: if these are not such sums; then nothing is changed.
        """
        self.sums = self._checked(state)

    def check_state(self, state: Sequence[Sequence[Any]]) -> None:
        """Raises what `set_state` would."""
        self._checked(state)

    def _checked(self, state: Sequence[Sequence[Any]]) -> dict[str, Array]:
        sums = {
            name: np.array([number(value, name) for value in values], np.float64)
            for name, *values in state
        }
        if list(sums) != list(self.sums):
            raise ValueError(f"its means are of {', '.join(sums)}")
        for name, values in sums.items():
            if name == "loss" and values.size not in (0, 2):
                raise ValueError("the loss must have a sum and a number of samples")
            if values.size and not 0 <= values[-1] < 2**53:
                raise ValueError(f"the last of the sums of {name!r} is out of range")
        return sums
