"""Metrics that are means over the samples: accuracies, and the losses as metrics.

Each is a function (y_true, y_pred) -> a value for each sample, and a class that averages it.

Legend: N samples, K classes.
Source: keras/src/metrics/accuracy_metrics.py, probabilistic_metrics.py, regression_metrics.py and
keras/src/trainers/compile_utils.py
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.losses import functions as losses
from tinycnn.losses.base import as_arrays
from tinycnn.metrics.base import Metric
from tinycnn.support.arguments import batch_shape, integer, number, truth
from tinycnn.utils import Array

__all__ = [
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "matches",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

# --- which predictions are right ------------------------------------------------------------------


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


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 for each sample whose highest score is that of its one-hot target, else 0: (N,).

    Example:
        >>> categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.3, 0.7]])
        array([1., 0.])
    """
    y_true, y_pred = alike(y_true, y_pred)
    return (y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)).astype(y_pred.dtype)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 for each sample whose highest score is that of its integer target, else 0: (N,)."""
    y_true, y_pred = labels(y_true, y_pred)
    return (y_true == y_pred.argmax(axis=-1)).astype(y_pred.dtype)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """1 for each output that is above the threshold just if its target is 1, else 0: (N, ...)."""
    y_true, y_pred = alike(y_true, y_pred)
    return (y_true == (y_pred > threshold)).astype(y_pred.dtype)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """1 for each sample with fewer than `k` scores above that of its one-hot target, else 0."""
    y_true, y_pred = alike(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(y_true.argmax(axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """1 for each sample with fewer than `k` scores above that of its integer target, else 0.

    As in TensorFlow a tie counts for the target, and no score may be NaN or infinite.

    Example:
        >>> sparse_top_k_categorical_accuracy([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]], k=2)
        array([1., 1.])
    """
    y_true, y_pred = labels(y_true, y_pred)
    known = (y_true >= 0) & (y_true < y_pred.shape[-1])
    label = np.where(known, y_true, 0).astype(np.int64)[..., None]
    above = (y_pred > np.take_along_axis(y_pred, label, axis=-1)).sum(axis=-1)
    right = known & (above < k) & np.isfinite(y_pred).all(axis=-1)
    return right.astype(y_pred.dtype)


def alike(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Both as arrays of one shape; targets (N,) of one output become (N, 1)."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    if y_true.shape == y_pred.shape[:-1] and y_pred.shape[-1:] == (1,):
        y_true = y_true[..., None]
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"this metric expects `y_true` of shape {batch_shape(y_pred.shape[1:])}, like "
            "`y_pred`; make one-hot targets of class numbers with to_categorical. "
            f"Received: y_true of shape {y_true.shape}"
        )
    return y_true, y_pred


def labels(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Both as arrays; targets without the classes' axis."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    if y_true.shape == (*y_pred.shape[:-1], 1):
        y_true = y_true[..., 0]
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            "this metric expects class numbers, `y_true` of shape "
            f"{batch_shape(y_pred.shape[1:-1])}. Received: y_true of shape {y_true.shape}"
        )
    return y_true, y_pred


# --- the metrics ----------------------------------------------------------------------------------


class Mean(Metric):
    """The mean over all samples of a function that gives each sample a value.

    Args:
        name: its key in the logs and the history.
        function: (y_true, y_pred) -> an array, such as those of this file and of `losses`. None
            makes what Keras calls a Mean, for a loop of your own: it takes the values themselves.
        direction: "max", "min" or None; see `Metric`.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Mean("mae", lambda y_true, y_pred: abs(y_true - y_pred), "min")([1, 2], [3, 2])
        1.0
        >>> mean = Mean("loss")
        >>> mean.update_state([1.0, 2.0])
        >>> mean(6.0)
        3.0
    """

    def __init__(
        self,
        name: str = "mean",
        function: Callable[..., Any] | None = None,
        direction: str | None = None,
    ) -> None:
        super().__init__(name, function, direction)

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """The sum of the values, and their number.

        Raises:
            TypeError: if there is no function.
        """
        if self.function is None:
            raise TypeError(
                f"{self!r} takes the values themselves, in a loop of your own; for compile give it "
                "a function (y_true, y_pred) -> an array"
            )
        values = np.asarray(self.function(y_true, y_pred))
        return np.array([values.sum(dtype=np.float64), values.size])

    def update_state(self, y_true: Any, y_pred: Any = None) -> None:
        """Adds a batch; without a function `y_true` are the values to be averaged."""
        if self.function is not None:
            super().update_state(y_true, y_pred)
            return
        values = np.asarray(y_true, np.float64)
        found = np.array([values.sum(), values.size])
        self._sum = found if self._sum is None else self._sum + found

    def __call__(self, y_true: Any, y_pred: Any = None) -> Any:
        """See `update_state`; returns `result`."""
        self.update_state(y_true, y_pred)
        return self.result()


def _with(function: Callable[..., Array], **arguments: Any) -> Callable[[Array, Array], Array]:
    return lambda y_true, y_pred: function(y_true, y_pred, **arguments)


class _Named(Mean):
    """A mean whose function follows from its class and arguments."""

    is_described = True


class CategoricalAccuracy(_Named):
    """The share of samples whose highest score is that of their one-hot target.

    Example:
        >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.3, 0.7]])
        0.5
    """

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name, categorical_accuracy, "max")


class SparseCategoricalAccuracy(_Named):
    """The share of samples whose highest score is that of their integer target.

    Example:
        >>> SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.3, 0.7]])
        0.5
    """

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name, sparse_categorical_accuracy, "max")


class BinaryAccuracy(_Named):
    """The share of outputs that are above the threshold just if their target is 1.

    Args:
        name: its key in the logs and the history.
        threshold: a number in [0, 1).

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> BinaryAccuracy()([[1], [0], [0], [1]], [[0.9], [0.6], [0.1], [0.8]])
        0.75
    """

    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5) -> None:
        self.threshold = number(threshold, "threshold", 0.0, 1.0)
        super().__init__(name, _with(binary_accuracy, threshold=self.threshold), "max")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "threshold": self.threshold}


class TopKCategoricalAccuracy(_Named):
    """The share of samples with fewer than `k` scores above that of their one-hot target.

    Args:
        k: how many guesses a sample has.
        name: its key in the logs and the history.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 1, 0]], [[0.7, 0.1, 0.2], [0.9, 0, 0.1]])
        0.5
    """

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        self.k = integer(k, "k")
        super().__init__(name, _with(top_k_categorical_accuracy, k=self.k), "max")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"k": self.k, "name": self.name}


class SparseTopKCategoricalAccuracy(_Named):
    """The share of samples with fewer than `k` scores above that of their integer target.

    Args:
        k: how many guesses a sample has.
        name: its key in the logs and the history.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> SparseTopKCategoricalAccuracy(k=2)([2, 1], [[0.7, 0.1, 0.2], [0.9, 0.0, 0.1]])
        0.5
    """

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> None:
        self.k = integer(k, "k")
        super().__init__(name, _with(sparse_top_k_categorical_accuracy, k=self.k), "max")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"k": self.k, "name": self.name}


# --- losses as metrics ----------------------------------------------------------------------------


class MeanSquaredError(_Named):
    """The mean square of the errors, as a metric; see `losses.MeanSquaredError`."""

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name, losses.mean_squared_error, "min")


class MeanAbsoluteError(_Named):
    """The mean size of the errors, as a metric; see `losses.MeanAbsoluteError`."""

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(name, losses.mean_absolute_error, "min")


class KLDivergence(_Named):
    """The Kullback-Leibler divergence, as a metric; see `losses.KLDivergence`."""

    def __init__(self, name: str = "kl_divergence") -> None:
        super().__init__(name, losses.kl_divergence, "min")


class _CrossentropyMetric(_Named):
    """What the three cross-entropies share."""

    def __init__(
        self, name: str, function: Callable[..., Array], from_logits: bool, **others: Any
    ) -> None:
        self.arguments = {"from_logits": truth(from_logits, "from_logits"), **others}
        super().__init__(name, _with(function, **self.arguments), "min")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, **self.arguments}


class BinaryCrossentropy(_CrossentropyMetric):
    """The cross-entropy of yes and no, as a metric; see `losses.BinaryCrossentropy`.

    A metric sees what the model predicts: clipped probabilities, of which it is never above 16.2.
    In Keras it is taken on the logits below a sigmoid or softmax, as the loss is here, too.

    Args:
        name: its key in the logs and the history.
        from_logits: whether the model predicts logits.
        label_smoothing: how far targets are moved towards 1/2, in [0, 1).

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        smoothing = number(label_smoothing, "label_smoothing", 0.0, 1.0)
        super().__init__(name, losses.binary_crossentropy, from_logits, label_smoothing=smoothing)


class CategoricalCrossentropy(_CrossentropyMetric):
    """The cross-entropy of one-hot targets, as a metric; see `losses.CategoricalCrossentropy`.

    As for `BinaryCrossentropy`, it is that of clipped probabilities.

    Args:
        name: its key in the logs and the history.
        from_logits: whether the model predicts logits.
        label_smoothing: the share of each target that is spread over the classes, in [0, 1).

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        smoothing = number(label_smoothing, "label_smoothing", 0.0, 1.0)
        function = losses.categorical_crossentropy
        super().__init__(name, function, from_logits, label_smoothing=smoothing)


class SparseCategoricalCrossentropy(_CrossentropyMetric):
    """The cross-entropy of integer targets; see `losses.SparseCategoricalCrossentropy`.

    As for `BinaryCrossentropy`, it is that of clipped probabilities.

    Args:
        name: its key in the logs and the history.
        from_logits: whether the model predicts logits.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, name: str = "sparse_categorical_crossentropy", from_logits: bool = False
    ) -> None:
        super().__init__(name, losses.sparse_categorical_crossentropy, from_logits)
