"""Losses that compare number with number: squares, differences, yes or no, distributions.

Each is a function of one target t and one prediction p, and its derivative. The loss of a sample is
the mean over its outputs (for the divergence: the sum), that of a batch the mean over its samples.

Legend: N samples, K outputs.
Source: keras/src/losses/losses.py and keras/src/backend/tensorflow/nn.py
"""

from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.losses.base import EPSILON, Loss
from tinycnn.support.arguments import number, positive, truth
from tinycnn.utils import Array

__all__ = [
    "BinaryCrossentropy",
    "Huber",
    "KLDivergence",
    "MeanAbsoluteError",
    "MeanSquaredError",
]


class _Elementwise(Loss):
    """What these losses share; a subclass says `of_each` and `slopes`."""

    sums = False  # True: the outputs of a sample are added, not averaged

    def of_each(self, t: Array, p: Array) -> Array:
        """The loss of every prediction by itself."""
        raise NotImplementedError

    def slopes(self, t: Array, p: Array) -> Array:
        """Its derivative with respect to the prediction."""
        raise NotImplementedError

    def prepared(self, t: Array) -> Array:
        """The targets that are compared."""
        return t

    @np.errstate(all="ignore")
    def of_samples(self, y_true: Array, y_pred: Array) -> Array:
        """The mean, or the sum, over the outputs of each sample."""
        self.check_targets(y_true, y_pred.shape[1:])
        t = self.prepared(y_true.astype(y_pred.dtype, copy=False))
        self.cache = (t, y_pred)
        each = self.of_each(t, y_pred)
        return np.asarray(each.sum(axis=-1) if self.sums else each.mean(axis=-1))

    @np.errstate(all="ignore")
    def backward(self) -> Array:
        """dy_pred: the slopes, over the number of samples, and of outputs where these are averaged.

        The loss is sum_nk f(t_nk, p_nk) / (N * K), so its derivative with respect to one p_nk is
        f'(t_nk, p_nk) / (N * K): no other term holds that p_nk.
        """
        t, p = self.recall()
        averaged = p.size // p.shape[-1] if self.sums else p.size
        return self.slopes(t, p) * (1 / averaged)


class MeanSquaredError(_Elementwise):
    """The mean of (y_true - y_pred)^2 over all samples and outputs.

    Shapes: y_true (N, ...), y_pred the same.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> MeanSquaredError().forward(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]))
        0.5
    """

    name = "mean_squared_error"

    def of_each(self, t: Array, p: Array) -> Array:
        """(p - t)^2."""
        return np.square(p - t)

    def slopes(self, t: Array, p: Array) -> Array:
        """2 (p - t)."""
        return 2 * (p - t)


class MeanAbsoluteError(_Elementwise):
    """The mean of |y_true - y_pred| over all samples and outputs.

    Shapes: y_true (N, ...), y_pred the same.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> MeanAbsoluteError().forward(np.array([[0.0, 2.0]]), np.array([[3.0, 2.0]]))
        1.5
    """

    name = "mean_absolute_error"

    def of_each(self, t: Array, p: Array) -> Array:
        """|p - t|."""
        return np.abs(p - t)

    def slopes(self, t: Array, p: Array) -> Array:
        """The sign of p - t; 0 where they are equal, as in Keras."""
        return np.sign(p - t)


class Huber(_Elementwise):
    """Squares for small errors, distances for large ones, so that outliers pull less.

    Args:
        delta: the error from which on it grows no faster than a distance, > 0.

    With e = y_pred - y_true it is the mean of e^2 / 2 where |e| <= delta, and of
    delta * |e| - delta^2 / 2 elsewhere: a straight line that goes on with the slope of the square.

    Shapes: y_true (N, ...), y_pred the same.

    Raises:
        ValueError: for a `delta` out of range; if the shapes differ.

    Example:
        >>> Huber().forward(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))  # (1/2 + 5/2) / 2
        1.5
    """

    name = "huber_loss"

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = positive(delta, "delta")

    def of_each(self, t: Array, p: Array) -> Array:
        """e^2 / 2, or delta * |e| - delta^2 / 2."""
        e, delta = np.abs(p - t), p.dtype.type(self.delta)
        half = p.dtype.type(0.5)
        return np.where(e <= delta, half * (e * e), delta * e - half * (delta * delta))

    def slopes(self, t: Array, p: Array) -> Array:
        """e, but not beyond delta to either side."""
        delta = p.dtype.type(self.delta)
        return np.clip(p - t, -delta, delta)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"delta": self.delta}


class BinaryCrossentropy(_Elementwise):
    """Cross-entropy for yes or no: -t * log(p) - (1 - t) * log(1 - p), averaged.

    Each output answers a question of its own: one output for two classes, or several that may all
    be true. The usual activation before it is a sigmoid.

    Args:
        from_logits: True takes `y_pred` before the sigmoid (exact for any values). False takes
            probabilities, kept within [1e-7, 1 - 1e-7]. A model that ends in a sigmoid is always
            trained on its logits.
        label_smoothing: how far targets are moved towards 1/2, in [0, 1):
            t * (1 - label_smoothing) + label_smoothing / 2.

    Shapes: y_true (N, ...) of 0 and 1, or of what lies between; y_pred the same.

    Raises:
        ValueError: for a `label_smoothing` out of range; if the shapes differ.

    Example:
        >>> loss = BinaryCrossentropy()
        >>> round(loss.forward(np.array([[1.0]]), np.array([[0.5]])), 4)
        0.6931
    """

    name = "binary_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.from_logits = truth(from_logits, "from_logits")
        self.label_smoothing = number(label_smoothing, "label_smoothing", 0.0, 1.0)

    def on_logits(self) -> Loss:
        """This loss with `from_logits=True`."""
        return type(self)(True, self.label_smoothing)

    def prepared(self, t: Array) -> Array:
        """The targets, moved towards 1/2."""
        if not self.label_smoothing:
            return t
        scalar = t.dtype.type
        return t * scalar(1 - self.label_smoothing) + scalar(0.5 * self.label_smoothing)

    def of_each(self, t: Array, p: Array) -> Array:
        """-t * log(q) - (1 - t) * log(1 - q), q being the probability.

        With q = 1 / (1 + e^-z) of a logit z that is log(1 + e^z) - t * z. As e^z overflows for a
        large z, log(1 + e^z) is taken as max(z, 0) + log(1 + e^-|z|).
        """
        if self.from_logits:
            z, zero = p, p.dtype.type(0)
            return np.maximum(z, zero) - z * t + np.log1p(np.exp(-np.abs(z)))
        q = np.clip(p, EPSILON, 1 - EPSILON)
        return -(t * np.log(q) + (1 - t) * np.log(1 - q))

    def slopes(self, t: Array, p: Array) -> Array:
        """-t / q + (1 - t) / (1 - q), 0 where the clip has changed p; on logits q - t.

        On logits, q' = q * (1 - q), so that
            (-t / q + (1 - t) / (1 - q)) * q * (1 - q) = -t * (1 - q) + (1 - t) * q = q - t.
        """
        if self.from_logits:
            return kernels.sigmoid_forward(p) - t
        q = np.clip(p, EPSILON, 1 - EPSILON)
        return np.where(p == q, (1 - t) / (1 - q) - t / q, np.zeros((), p.dtype))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class KLDivergence(_Elementwise):
    """The Kullback-Leibler divergence of distributions: sum_k y_true_k * log(y_true_k / y_pred_k).

    It is the cross-entropy less what even a perfect prediction would cost: 0 where the two are
    equal. As in Keras all probabilities are kept within [1e-7, 1], and not divided by their sum.

    Shapes: y_true (N, K), y_pred (N, K).

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> loss = KLDivergence()
        >>> round(loss.forward(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])), 4)
        0.1438
    """

    name = "kl_divergence"
    sums = True

    def prepared(self, t: Array) -> Array:
        """The targets, kept within [1e-7, 1]."""
        return np.clip(t, EPSILON, 1)

    def of_each(self, t: Array, p: Array) -> Array:
        """t * log(t / q), q being p within [1e-7, 1]."""
        return t * np.log(t / np.clip(p, EPSILON, 1))

    def slopes(self, t: Array, p: Array) -> Array:
        """-t / q, 0 where the clip has changed p."""
        q = np.clip(p, EPSILON, 1)
        return np.where(p == q, -t / q, np.zeros((), p.dtype))
