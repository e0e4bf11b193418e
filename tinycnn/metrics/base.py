"""Metric: what every metric is.

A metric says of each batch what adds up over an epoch (`statistics`), and what the sum means
(`result_of`). So an epoch's precision is that of all its samples, and not a mean over batches.

Source: keras/src/metrics/metric.py, reduction_metrics.py
"""

import numbers
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from tinycnn.losses.base import as_arrays
from tinycnn.support.arguments import printable, shown
from tinycnn.support.refusals import Strict
from tinycnn.tensors import Scalar
from tinycnn.utils import Array

__all__ = ["Metric"]


class Metric(Strict):
    """A number that says how good predictions are.

    Args:
        name: its key in the logs and the history.
        function: (y_true, y_pred) -> one number, the mean over the samples of a batch; None in a
            subclass with a `statistics` of its own.
        direction: "max" if larger is better, "min" if smaller is; None if it is not known, and then
            a callback that monitors it needs a `mode`.

    A metric of your own that is no mean over the samples is a subclass with a `statistics` and a
    `result_of`; `metrics/counts.py` has examples. `fit` and `evaluate` call these two. A loop of
    your own may use Keras's `update_state`, `result` and `reset_state` instead.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Metric("error", lambda y_true, y_pred: abs(y_true - y_pred).mean(), "min")([1], [3])
        2.0
    """

    never_called: ClassVar[Mapping[str, str]] = {
        "update_state": "statistics and result_of",
        "result": "result_of and statistics",
    }
    # Whether the result is one number; else it is an array.
    is_number = True
    # Whether class and `get_config` tell all, so that a model file can hold it.
    is_described = False

    def __init__(
        self,
        name: str,
        function: Callable[[Array, Array], Any] | None = None,
        direction: str | None = None,
    ) -> None:
        if not isinstance(name, str) or printable(name) != name or not name:
            raise ValueError(
                f"a metric's name must be printable text. Received: name={shown(name)}"
            )
        counts = function is None and type(self).statistics is not Metric.statistics
        if not counts and not callable(function):
            raise ValueError(
                "a metric's function must be (y_true, y_pred) -> number. "
                f"Received: function={shown(function)}"
            )
        if direction not in ("min", "max", None):
            raise ValueError(
                "a metric's direction must be 'min', 'max' or None. "
                f"Received: direction={shown(direction)}"
            )
        self.name = name
        self.function = function
        self.direction = direction
        self._sum: Array | None = None  # of the batches since `reset_state`

    # --- to be overridden -------------------------------------------------------------------------

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """What of a batch adds up over an epoch: a vector, here (sum over the samples, number).

        Args:
            y_true: targets (N, ...), as the loss takes them.
            y_pred: predictions (N, ...).

        Raises:
            TypeError: if the function does not return one number.
        """
        value: Any = self.function(y_true, y_pred) if self.function else None
        if type(value) is not float:  # as of a user's own function
            value = self._one_number(value)
        return np.array([value * len(y_true), len(y_true)])

    def _one_number(self, value: Any) -> float:
        """What the function returned, as a float."""
        kinds = numbers.Real | np.ndarray
        if isinstance(value, bool) or np.ndim(value) or not isinstance(value, kinds):
            raise TypeError(
                f"the metric {self.name!r} must return one number, the mean over the samples of a "
                f"batch. Received: {shown(value)}"
            )
        return float(value)

    def result_of(self, statistics: Array) -> Any:
        """The metric, given the sum of the statistics of some batches: here their mean."""
        total, count = statistics.tolist()
        return total / count if count else 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values."""
        return {"name": self.name}

    # --- for everybody ----------------------------------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """Adds a batch, whose arrays may be lists, and returns `result`, as in Keras."""
        self.update_state(y_true, y_pred)
        return self.result()

    def update_state(self, y_true: Any, y_pred: Any) -> None:
        """Adds a batch to those since the last `reset_state`."""
        statistics = self.statistics(*as_arrays(y_true, y_pred))
        self._sum = statistics if self._sum is None else self._sum + statistics

    def result(self) -> Any:
        """The metric of all batches since the last `reset_state`; 0 if there was none.

        A number also has Keras's `.numpy()`.
        """
        result = 0.0 if self._sum is None else self.result_of(self._sum)
        return Scalar(result) if isinstance(result, float) else result

    def reset_state(self) -> None:
        """Forgets the batches."""
        self._sum = None

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Metric):
            return False
        same = self.is_described or self.function == other.function
        return same and (self.get_config(), self.direction) == (other.get_config(), other.direction)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
