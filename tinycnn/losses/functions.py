"""The losses as functions (y_true, y_pred) -> the loss of each sample, under Keras's names.

`model.compile(loss=losses.mean_squared_error)` takes one of these for the loss of its name.

Source: keras/src/losses/losses.py
"""

from collections.abc import Callable
from typing import Any

from tinycnn.losses.base import Loss, as_arrays
from tinycnn.losses.crossentropy import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinycnn.losses.elementwise import (
    BinaryCrossentropy,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
)
from tinycnn.utils import Array

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "huber",
    "kl_divergence",
    "mean_absolute_error",
    "mean_squared_error",
    "sparse_categorical_crossentropy",
]


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Array:
    """The loss of each sample (N,), for one-hot targets: see `CategoricalCrossentropy`.

    Example:
        >>> categorical_crossentropy([[0, 1]], [[0.5, 0.5]]).round(4)
        array([0.6931])
    """
    loss = CategoricalCrossentropy(from_logits, label_smoothing)
    return loss.of_samples(*as_arrays(y_true, y_pred))


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> Array:
    """The loss of each sample (N,), for integer targets: see `SparseCategoricalCrossentropy`."""
    return SparseCategoricalCrossentropy(from_logits).of_samples(*as_arrays(y_true, y_pred))


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Array:
    """The mean loss of each sample (N,) over its outputs: see `BinaryCrossentropy`."""
    loss = BinaryCrossentropy(from_logits, label_smoothing)
    return loss.of_samples(*as_arrays(y_true, y_pred))


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The mean square of each sample's errors (N,): see `MeanSquaredError`."""
    return MeanSquaredError().of_samples(*as_arrays(y_true, y_pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """The mean size of each sample's errors (N,): see `MeanAbsoluteError`."""
    return MeanAbsoluteError().of_samples(*as_arrays(y_true, y_pred))


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """The mean loss of each sample (N,) over its outputs: see `Huber`."""
    return Huber(delta).of_samples(*as_arrays(y_true, y_pred))


def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """The divergence of each sample (N,): see `KLDivergence`."""
    return KLDivergence().of_samples(*as_arrays(y_true, y_pred))


# What `compile` makes of a function; in this order, as `losses.get` lists the names.
LOSS_OF: dict[Callable[..., Array], type[Loss]] = {
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    binary_crossentropy: BinaryCrossentropy,
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    huber: Huber,
    kl_divergence: KLDivergence,
}
