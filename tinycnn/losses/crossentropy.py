"""The cross-entropies of classes: how unlikely the right class is to the model.

Legend: N samples, K classes; targets are one-hot or integers, predictions probabilities or logits.

Source: keras/src/losses/losses.py and keras/src/backend/tensorflow/nn.py (what happens to
probabilities before the log).
"""

from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.losses.base import EPSILON, Loss
from tinycnn.support.arguments import batch_shape, number, truth
from tinycnn.utils import Array

__all__ = ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


class _Crossentropy(Loss):
    """What the two cross-entropies share: the softmax is part of the loss, or already applied."""

    def __init__(self, from_logits: bool = False) -> None:
        super().__init__()
        self.from_logits = truth(from_logits, "from_logits")

    def on_logits(self) -> Loss:
        """This loss with `from_logits=True`."""
        return type(self)(**{**self.get_config(), "from_logits": True})

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"from_logits": self.from_logits}

    def _forward_on_logits(self, targets: Array, logits: Array) -> tuple[Array, tuple[Any, ...]]:
        """The losses fused with the softmax, finite for finite logits, not clipped; the cache."""
        shape, K = logits.shape, logits.shape[-1]
        targets = targets.reshape(-1, K)
        losses, probabilities = kernels.softmax_cross_entropy_forward(
            logits.reshape(-1, K), targets
        )
        return losses.reshape(shape[:-1]), (probabilities, targets, shape)

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
        label_smoothing: the share of each target that is spread evenly over the K classes, in
            [0, 1): y_true * (1 - label_smoothing) + label_smoothing / K.

    Shapes: y_true (N, K), y_pred (N, K).

    Raises:
        ValueError: for a `label_smoothing` out of range; if `y_true` is not shaped like the
            predictions.

    Example:
        >>> loss = CategoricalCrossentropy()
        >>> round(loss.forward(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])), 4)
        0.6931
    """

    name = "categorical_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        super().__init__(from_logits)
        self.label_smoothing = number(label_smoothing, "label_smoothing", 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}

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
    def of_samples(self, y_true: Array, y_pred: Array) -> Array:
        """The cross-entropy of each sample."""
        self.check_targets(y_true, y_pred.shape[1:])
        y_true = y_true.astype(y_pred.dtype, copy=False)
        if self.label_smoothing:
            scalar, K = y_pred.dtype.type, y_pred.shape[-1]
            y_true = y_true * scalar(1 - self.label_smoothing)
            y_true = y_true + scalar(self.label_smoothing) / scalar(K)
        losses: Array
        if self.from_logits:
            losses, self.cache = self._forward_on_logits(y_true, y_pred)
            return losses
        total = y_pred.sum(axis=-1, keepdims=True)
        p = y_pred / total
        q = np.clip(p, EPSILON, 1 - EPSILON)
        N = y_pred.size // y_pred.shape[-1]
        self.cache = (y_true, total, p, q, N)
        losses = -(y_true * np.log(q)).sum(axis=-1)
        return losses

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
    def of_samples(self, y_true: Array, y_pred: Array) -> Array:
        """The cross-entropy of each sample."""
        self.check_targets(y_true, y_pred.shape[1:])
        K = y_pred.shape[-1]
        labels = y_true.reshape(-1).astype(np.int64)
        targets = np.zeros((labels.size, K), y_pred.dtype)
        targets[np.arange(labels.size), labels] = 1
        if self.from_logits:
            losses, self.cache = self._forward_on_logits(targets, y_pred)
            return losses
        q = np.clip(y_pred, EPSILON, 1 - EPSILON)
        losses, cache = self._forward_on_logits(targets, np.log(q))
        self.cache = (*cache, y_pred, q)
        return losses

    @np.errstate(all="ignore")
    def backward(self) -> Array:
        """dy_pred (N, K): (softmax - one-hot) / N on logits; else also through the log and clip."""
        if self.from_logits:
            return self._backward_on_logits(*self.recall())
        *cache, y_pred, q = self.recall()
        dlog = self._backward_on_logits(*cache)
        return np.where(y_pred == q, dlog / q, np.zeros((), q.dtype))
