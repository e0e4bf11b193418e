"""Losses: how wrong the predictions are, as one number, and its gradient.

Legend: N samples, K classes. A loss is the mean over the samples (over all leading axes, where
there are more), so its gradient carries 1/N, and nothing else in the library does.

Source: keras/src/losses/losses.py and keras/src/backend/tensorflow/nn.py (reduction
"sum_over_batch_size"; what happens to probabilities before the log).
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tinycnn import kernels
from tinycnn.support.arguments import batch_shape, one_of, truth
from tinycnn.support.refusals import Strict
from tinycnn.support.reprs import as_call
from tinycnn.utils import Array

__all__ = ["CategoricalCrossentropy", "Loss", "MeanSquaredError", "SparseCategoricalCrossentropy"]

# Keras's epsilon: probabilities are kept within [EPSILON, 1 - EPSILON] before their log is taken.
EPSILON = 1e-7


class Loss(Strict):
    """Base of all losses: `forward(y_true, y_pred)`, then `backward()`."""

    name = "loss"
    never_called: ClassVar[Mapping[str, str]] = {"call": "forward"}

    def __init__(self) -> None:
        self.cache: tuple[Any, ...] | None = None

    def forward(self, y_true: Array, y_pred: Array) -> float:
        """The mean loss of a batch."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method `forward(self, y_true, y_pred)` that returns "
            "the mean loss of the batch, one number"
        )

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
        """The same loss taken on the logits below a softmax; None if there is no such loss."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    def __repr__(self) -> str:
        return as_call(self, self.get_config())

    def recall(self) -> tuple[Any, ...]:
        """What `forward` left for `backward` in `self.cache`.

        Raises:
            RuntimeError: if there was no forward before.
        """
        if self.cache is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        return self.cache


class _Crossentropy(Loss):
    """What the two cross-entropies share: the softmax is part of the loss, or already applied."""

    def __init__(self, from_logits: bool = False) -> None:
        super().__init__()
        self.from_logits = truth(from_logits, "from_logits")

    def on_logits(self) -> Loss:
        """This loss with `from_logits=True`."""
        return type(self)(from_logits=True)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"from_logits": self.from_logits}

    def _forward_on_logits(self, targets: Array, logits: Array) -> tuple[float, tuple[Any, ...]]:
        """The loss fused with the softmax, finite for finite logits, never clipped; the cache."""
        shape, K = logits.shape, logits.shape[-1]
        targets = targets.reshape(-1, K)
        losses, probabilities = kernels.softmax_cross_entropy_forward(
            logits.reshape(-1, K), targets
        )
        mean = float(losses.sum(dtype=np.float64)) / len(losses)
        if math.isinf(mean):  # the sum is; the mean need not be
            mean = float((losses / len(targets)).sum(dtype=np.float64))
        return mean, (probabilities, targets, shape)

    def _backward_on_logits(
        self, probabilities: Array, targets: Array, shape: tuple[int, ...]
    ) -> Array:
        """(softmax(logits) * sum(targets) - targets) / N; for one-hot targets the sum is 1."""
        dlogits = kernels.softmax_cross_entropy_backward(probabilities, targets)
        return (dlogits / len(targets)).reshape(shape)


class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for one-hot labels: -sum_k y_true_k * log y_pred_k, averaged over the samples.

    Args:
        from_logits: True takes `y_pred` before the softmax (exact for any values). False takes
            probabilities: as in Keras they are divided by their sum and kept within
            [1e-7, 1 - 1e-7]. A model that ends in a softmax is always trained on its logits.

    Shapes: y_true (N, K), y_pred (N, K).

    Raises:
        ValueError: if `y_true` is not shaped like the predictions.

    Example:
        >>> loss = CategoricalCrossentropy()
        >>> round(loss.forward(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])), 4)
        0.6931
    """

    name = "categorical_crossentropy"

    def check_targets(self, y_true: Array, output_shape: tuple[int, ...]) -> None:
        """Raises ValueError unless the labels are one-hot, as wide as the output."""
        K = output_shape[-1]
        if y_true.shape[1:] in (output_shape[:-1], (*output_shape[:-1], 1)) and K > 1:
            raise ValueError(
                f"{self.name} expects one-hot `y` of shape {batch_shape(output_shape)}: use "
                f"to_categorical(y, {K}), or the loss 'sparse_categorical_crossentropy'. "
                f"Received: y of shape {y_true.shape}"
            )
        super().check_targets(y_true, output_shape)

    @np.errstate(all="ignore")
    def forward(self, y_true: Array, y_pred: Array) -> float:
        """The mean cross-entropy."""
        self.check_targets(y_true, y_pred.shape[1:])
        y_true = y_true.astype(y_pred.dtype, copy=False)
        if self.from_logits:
            mean, self.cache = self._forward_on_logits(y_true, y_pred)
            return mean
        total = y_pred.sum(axis=-1, keepdims=True)
        p = y_pred / total
        q = np.clip(p, EPSILON, 1 - EPSILON)
        N = y_pred.size // y_pred.shape[-1]
        self.cache = (y_true, total, p, q, N)
        return float(-(y_true * np.log(q)).sum(dtype=np.float64)) / N

    @np.errstate(all="ignore")
    def backward(self) -> Array:
        """dy_pred (N, K), back through the log, the clip and the division by the sum.

        The loss is -sum_k y_true_k * log(q_k) / N, with q = clip(p) and p = y_pred / total. So
            dp_k      = -y_true_k / q_k / N,   or 0 where the clip has changed p_k;
            dy_pred_j = dp_j / total  -  sum_k dp_k * y_pred_k / total^2   (y_pred_j is in total)
                      = (dp_j - sum_k dp_k * p_k) / total.
        """
        if self.from_logits:
            return self._backward_on_logits(*self.recall())
        y_true, total, p, q, N = self.recall()
        dp = np.where(p == q, -y_true / q, np.zeros((), q.dtype)) / N
        return (dp - (dp * p).sum(axis=-1, keepdims=True)) / total


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for integer labels: -log y_pred[label], averaged over the samples.

    Args:
        from_logits: as for CategoricalCrossentropy; probabilities are kept within
            [1e-7, 1 - 1e-7] and then, as in Keras, normalised by a softmax of their logs.

    Shapes: y_true (N,) or (N, 1), y_pred (N, K).

    Raises:
        ValueError: if `y_true` has another shape, or a label is not one of 0 to K - 1.

    Example:
        >>> loss = SparseCategoricalCrossentropy()
        >>> round(loss.forward(np.array([1]), np.array([[0.5, 0.5]])), 4)
        0.6931
    """

    name = "sparse_categorical_crossentropy"

    def check_targets(self, y_true: Array, output_shape: tuple[int, ...]) -> None:
        """Raises ValueError unless the labels are integers within the output's last axis."""
        *leading, K = output_shape
        if y_true.shape[1:] not in (tuple(leading), (*leading, 1)):
            raise ValueError(
                f"{self.name} expects integer `y` of shape {batch_shape(leading)}; for one-hot "
                "labels use the loss 'categorical_crossentropy'. "
                f"Received: y of shape {y_true.shape}"
            )
        if y_true.size and (
            y_true.min() < 0 or y_true.max() >= K or not np.all(y_true == y_true.astype(np.int64))
        ):
            raise ValueError(
                f"{self.name} expects labels 0 to {K - 1}, whole numbers. "
                f"Received: y from {y_true.min()} to {y_true.max()}, {y_true.dtype}"
            )

    @np.errstate(all="ignore")
    def forward(self, y_true: Array, y_pred: Array) -> float:
        """The mean cross-entropy."""
        self.check_targets(y_true, y_pred.shape[1:])
        K = y_pred.shape[-1]
        labels = y_true.reshape(-1).astype(np.int64)
        targets = np.zeros((labels.size, K), y_pred.dtype)
        targets[np.arange(labels.size), labels] = 1
        if self.from_logits:
            mean, self.cache = self._forward_on_logits(targets, y_pred)
            return mean
        q = np.clip(y_pred, EPSILON, 1 - EPSILON)
        mean, cache = self._forward_on_logits(targets, np.log(q))
        self.cache = (*cache, y_pred, q)
        return mean

    @np.errstate(all="ignore")
    def backward(self) -> Array:
        """dy_pred (N, K): (softmax - one-hot) / N on logits; else also through the log and clip."""
        if self.from_logits:
            return self._backward_on_logits(*self.recall())
        *cache, y_pred, q = self.recall()
        dlog = self._backward_on_logits(*cache)
        return np.where(y_pred == q, dlog / q, np.zeros((), q.dtype))


class MeanSquaredError(Loss):
    """The mean of (y_true - y_pred)^2 over all samples and outputs.

    Shapes: y_true (N, ...), y_pred the same.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> MeanSquaredError().forward(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]))
        0.5
    """

    name = "mean_squared_error"

    @np.errstate(all="ignore")
    def forward(self, y_true: Array, y_pred: Array) -> float:
        """The mean of the squares."""
        self.check_targets(y_true, y_pred.shape[1:])
        difference = y_pred - y_true.astype(y_pred.dtype, copy=False)
        self.cache = (difference,)
        return float(np.square(difference).mean(dtype=np.float64))

    @np.errstate(all="ignore")
    def backward(self) -> Array:
        """2 * (y_pred - y_true) / number of elements."""
        (difference,) = self.recall()
        return difference * (2 / math.prod(difference.shape))


LOSSES: dict[str, type[Loss]] = {
    loss.__name__: loss
    for loss in (CategoricalCrossentropy, SparseCategoricalCrossentropy, MeanSquaredError)
}
_BY_NAME = {loss.name: loss for loss in LOSSES.values()} | {"mse": MeanSquaredError} | LOSSES


def get(identifier: str | Loss) -> Loss:
    """The loss of that name ("categorical_crossentropy", "mse", ...); a Loss is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if isinstance(identifier, Loss):
        return identifier
    return _BY_NAME[one_of(identifier, [*_BY_NAME], "loss")]()
