"""Metrics: numbers that say how good predictions are, and the running means of an epoch.

A metric is an object with a name, a function and a direction. `METRICS` lists those that
`compile(metrics=[...])` takes by name. History, progress, monitors and pictures work with these
objects. To add one, write a function here and a line in that list.

Legend: N samples, K classes.
Source: keras/src/metrics/accuracy_metrics.py, keras/src/trainers/compile_utils.py
"""

import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.support.arguments import printable, shown
from tinycnn.utils import Array


def matches(y_true: Array, y_pred: Array) -> Array:
    """Which predictions are right.

    As in Keras, the shapes decide what "right" means. One-hot labels as wide as the predictions are
    compared by argmax (the first of equal scores), integer labels directly. A single output means
    1 above 0.5 and 0 up to it, so any other label is never matched.

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


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Args:
        name: its key in the logs and the history.
        function: (y_true, y_pred) -> one number, the mean over the samples of a batch.
        direction: "max" if larger is better, "min" if smaller is; None if it is not known, and then
            a callback that monitors it needs a `mode`.

    Example:
        >>> Metric("error", lambda y_true, y_pred: 1 - accuracy(y_true, y_pred), "min").direction
        'min'
    """

    name: str
    function: Callable[[Array, Array], Any]
    direction: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or printable(self.name) != self.name or not self.name:
            raise ValueError(
                f"a metric's name must be printable text. Received: name={shown(self.name)}"
            )
        if not callable(self.function):
            raise ValueError(
                "a metric's function must be (y_true, y_pred) -> number. "
                f"Received: function={shown(self.function)}"
            )
        if self.direction not in ("min", "max", None):
            raise ValueError(
                "a metric's direction must be 'min', 'max' or None. "
                f"Received: direction={shown(self.direction)}"
            )

    def __call__(self, y_true: Array, y_pred: Array) -> float:
        """The metric of a batch.

        Raises:
            TypeError: if the function does not return one number.
        """
        value = self.function(y_true, y_pred)
        kinds = numbers.Real | np.ndarray
        if isinstance(value, bool) or np.ndim(value) or not isinstance(value, kinds):
            raise TypeError(
                f"the metric {self.name!r} must return one number, the mean over the samples of a "
                f"batch. Received: {shown(value)}"
            )
        return float(value)


METRICS = {
    metric.name: metric
    for metric in (Metric("accuracy", accuracy, "max"), Metric("acc", accuracy, "max"))
}


def get(identifiers: Any) -> list[Metric]:
    """The metrics that `compile` was given: names of `METRICS`, Metric objects, or functions.

    A function (y_true, y_pred) -> number is logged under its own name.

    Raises:
        ValueError: for anything but a list, an unknown name, or two metrics of one name.
    """
    if identifiers is None:
        return []
    if not isinstance(identifiers, list | tuple):
        raise ValueError(
            f"`metrics` must be a list such as ['accuracy']. Received: metrics={shown(identifiers)}"
        )
    metrics = [_get(identifier) for identifier in identifiers]
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1 or name == "loss" or name.startswith("val_"):
            raise ValueError(
                "each metric needs a name of its own, which is not 'loss' and does not begin with "
                f"'val_'. Received: {', '.join(names)}"
            )
    return metrics


def _get(identifier: Any) -> Metric:
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str) and identifier in METRICS:
        return METRICS[identifier]
    if callable(identifier) and isinstance(getattr(identifier, "__name__", None), str):
        return Metric(identifier.__name__, identifier)
    raise ValueError(
        f"unknown metrics; known are {', '.join(METRICS)}, functions (y_true, y_pred) -> number, "
        f"and metrics.Metric objects. Received: {shown(identifier)}"
    )


def direction_of(name: str, metrics: Iterable[Metric] = ()) -> str | None:
    """Whether the logged number `name` should fall ("min") or rise ("max"); None if not known.

    Args:
        name: with or without "val_".
        metrics: those of a model, which need not be in `METRICS`.
    """
    directions = {"loss": "min", **{m.name: m.direction for m in (*METRICS.values(), *metrics)}}
    return directions.get(name.removeprefix("val_"))


class EpochMeans:
    """The running means of an epoch over its samples, in Keras's order of names.

    Batches are weighted by their size, also the partial last one.

    Args:
        metrics: the metrics, in addition to the loss.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = list(metrics)
        # name: sum over the samples, their number
        self.sums = {name: [0.0, 0] for name in (*(m.name for m in metrics), "loss")}

    def add(self, loss: float, y_true: Array, y_pred: Array) -> dict[str, float]:
        """Adds a batch; returns the means so far."""
        return self.add_measured(self.measure(loss, y_true, y_pred), len(y_true))

    def measure(self, loss: float, y_true: Array, y_pred: Array) -> dict[str, float]:
        """Metrics and loss of a batch, by name."""
        return {metric.name: metric(y_true, y_pred) for metric in self.metrics} | {"loss": loss}

    def add_measured(self, values: Mapping[str, float], count: int) -> dict[str, float]:
        """Adds a batch of `count` samples that was measured already; returns the means so far."""
        for name, sums in self.sums.items():
            sums[0] += values[name] * count
            sums[1] += count
        return self.result()

    def result(self) -> dict[str, float]:
        """The means so far; 0 if there was no batch."""
        return {name: total / count if count else 0.0 for name, (total, count) in self.sums.items()}
