"""Metrics that are made of counts: precision, recall, F1, the confusion matrix.

A mean over batches would be wrong for them: their counts are added up over an epoch, and divided at
its end.

Legend: N samples, K classes. Of outputs that are 1 or 0, and said to be 1 or 0, TP, FP and FN are
the true and the false positives, and the false negatives.
Source: keras/src/metrics/confusion_metrics.py, f_score_metrics.py, metrics_utils.py
"""

import math
from typing import Any

import numpy as np

from tinycnn.metrics.base import Metric
from tinycnn.metrics.means import alike
from tinycnn.support.arguments import integer, number, shown
from tinycnn.utils import Array

__all__ = ["ConfusionMatrix", "F1Score", "Precision", "Recall"]

EPSILON = 1e-7  # Keras's, which keeps the F1 of a class that never occurs from being 0 / 0


class _Share(Metric):
    """What precision and recall share: which outputs are 1, and which are said to be."""

    is_described = True

    def __init__(
        self, thresholds: float | None, top_k: int | None, class_id: int | None, name: str
    ) -> None:
        super().__init__(name, direction="max")
        self.thresholds = None if thresholds is None else _chance(thresholds, "thresholds")
        self.top_k = None if top_k is None else integer(top_k, "top_k")
        self.class_id = None if class_id is None else integer(class_id, "class_id", least=0)

    def positives(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Of every output that counts, whether it is 1 and whether it is said to be: two of bool.

        Raises:
            ValueError: if targets and predictions differ in shape, or have no class `class_id`.
        """
        y_true, y_pred = alike(y_true, y_pred)
        said = np.ones(y_pred.shape, bool)
        if self.top_k is not None:  # the first of equal scores
            order = np.argsort(-y_pred, axis=-1, kind="stable")[..., : self.top_k]
            said = np.zeros(y_pred.shape, bool)
            np.put_along_axis(said, order, True, axis=-1)
        if self.thresholds is not None or self.top_k is None:
            said &= y_pred > (0.5 if self.thresholds is None else self.thresholds)
        if self.class_id is None:
            return y_true != 0, said
        if self.class_id >= y_pred.shape[-1]:
            raise ValueError(
                f"`class_id` must be below the {y_pred.shape[-1]} classes of the predictions. "
                f"Received: class_id={self.class_id}"
            )
        return y_true[..., self.class_id] != 0, said[..., self.class_id]

    def result_of(self, statistics: Array) -> float:
        """TP over the second count; 0 if that is 0."""
        true_positives, all_of_them = statistics.tolist()
        return float(true_positives / all_of_them) if all_of_them else 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("thresholds", "top_k", "class_id", "name")
        return {name: getattr(self, name) for name in names}


class Precision(_Share):
    """Of the outputs that are said to be 1, the share that is: TP / (TP + FP).

    All outputs of all samples count alike, so of a softmax's K outputs at most one is above 0.5.

    Args:
        thresholds: an output above it is said to be 1; in [0, 1]. None is 0.5, unless there is a
            `top_k`.
        top_k: only the `top_k` highest outputs of a sample are said to be 1.
        class_id: only the outputs for this class count.
        name: its key in the logs and the history.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Precision()([[1, 0], [1, 0]], [[0.9, 0.6], [0.7, 0.1]])  # 2 of 3
        0.6666666666666666
    """

    def __init__(
        self,
        thresholds: float | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "precision",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """TP, and TP + FP."""
        are, said = self.positives(y_true, y_pred)
        return np.array([np.count_nonzero(are & said), np.count_nonzero(said)], np.float64)


class Recall(_Share):
    """Of the outputs that are 1, the share that is said to be: TP / (TP + FN).

    Args:
        thresholds: as for `Precision`.
        top_k: as for `Precision`.
        class_id: as for `Precision`.
        name: its key in the logs and the history.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Recall()([[1, 1], [1, 0]], [[0.9, 0.2], [0.4, 0.6]])  # 1 of 3
        0.3333333333333333
    """

    def __init__(
        self,
        thresholds: float | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "recall",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """TP, and TP + FN."""
        are, said = self.positives(y_true, y_pred)
        return np.array([np.count_nonzero(are & said), np.count_nonzero(are)], np.float64)


class F1Score(Metric):
    """The harmonic mean of precision and recall: 2 P R / (P + R), for each class or as one number.

    Args:
        average: None gives an array (K,), the score of each class. "macro" is the mean of these,
            "weighted" their mean weighted by the samples of each class, and "micro" the score of
            the counts of all classes together.
        threshold: an output above it is said to be 1; in (0, 1]. None says so of the highest output
            of each sample.
        name: its key in the logs and the history.

    Shapes: y_true (N, K) of 0 and 1, y_pred (N, K).

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> scores = F1Score()([[1, 0], [0, 1], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> scores.round(4)  # TP, FP, FN are 1, 1, 0 of the first class, and 1, 0, 1
        array([0.6667, 0.6667])
    """

    is_described = True

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score"
    ) -> None:
        super().__init__(name, direction="max")
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "`average` must be 'micro', 'macro', 'weighted' or None. "
                f"Received: average={shown(average)}"
            )
        self.average = average
        self.threshold = None if threshold is None else _chance(threshold, "threshold")
        self.is_number = average is not None

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """TP, FP and FN of each class, one after the other: (3 * K,)."""
        y_true, y_pred = alike(y_true, y_pred)
        if y_pred.ndim != 2:
            raise ValueError(
                f"F1Score expects predictions of shape (N, K). Received: shape {y_pred.shape}"
            )
        if self.threshold is None:
            # As in Keras equal highest outputs are all said to be 1, and outputs of 0 are not.
            said = (y_pred >= y_pred.max(axis=-1, keepdims=True)) & (np.abs(y_pred) > 1e-9)
        else:
            said = y_pred > self.threshold
        said, t = said.astype(np.float64), y_true.astype(np.float64)
        counts = [said * t, said * (1 - t), (1 - said) * t]
        return np.concatenate([each.sum(axis=0) for each in counts])

    def result_of(self, statistics: Array) -> Any:
        """The score, or the scores, of these counts."""
        counts = statistics.reshape(3, -1)
        if self.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        true_positives, false_positives, false_negatives = counts
        precision = true_positives / (true_positives + false_positives + EPSILON)
        recall = true_positives / (true_positives + false_negatives + EPSILON)
        scores = precision * recall / (precision + recall + EPSILON) * 2
        if self.average is None:
            return scores
        if self.average != "weighted":
            return float(scores.mean())
        weights = true_positives + false_negatives
        return float((scores * weights).sum() / (weights.sum() + EPSILON))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"average": self.average, "threshold": self.threshold, "name": self.name}


class ConfusionMatrix(Metric):
    """How often class i was taken for class j, over an epoch: (K, K) of int.

    A row for each true class, a column for each predicted one. In the logs and the history it is an
    array, and `plotting.plot_confusion_matrix` draws it. Keras has no such metric.

    Args:
        name: its key in the logs and the history.

    Shapes: y_true (N, K) one-hot, or (N,) integers; y_pred (N, K). A single output means class 1
    above 0.5.

    Example:
        >>> ConfusionMatrix()([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        array([[1, 0],
               [1, 1]])
    """

    is_described = True
    is_number = False

    def __init__(self, name: str = "confusion_matrix") -> None:
        super().__init__(name)

    def statistics(self, y_true: Array, y_pred: Array) -> Array:
        """The matrix, row by row: (K * K,)."""
        K = y_pred.shape[-1]
        if K == 1:
            K, predicted = 2, (y_pred[..., 0] > 0.5).astype(np.int64)
        else:
            predicted = y_pred.argmax(axis=-1)
            if y_true.shape == y_pred.shape:
                y_true = y_true.argmax(axis=-1)
        labels = y_true.reshape(predicted.shape)
        if not np.isin(labels, np.arange(K)).all():
            raise ValueError(
                f"ConfusionMatrix expects class numbers 0 to {K - 1}, or one-hot targets. "
                f"Received: y_true from {labels.min()} to {labels.max()}"
            )
        pairs = (labels.astype(np.int64) * K + predicted).ravel()
        return np.bincount(pairs, minlength=K * K).astype(np.float64)

    def result_of(self, statistics: Array) -> Array:
        """The counts as a matrix."""
        K = math.isqrt(statistics.size)
        return statistics.reshape(K, K).astype(np.int64)


def _chance(value: Any, name: str) -> float:
    """`value` as a float in [0, 1]."""
    if not 0 <= (chance := number(value, name)) <= 1:
        raise ValueError(f"`{name}` must be in [0, 1]. Received: {name}={shown(value)}")
    return chance
