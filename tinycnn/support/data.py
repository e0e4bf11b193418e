"""From the user's arrays to batches: the checks at the door, the validation split, the order.

`Data` has passed the checks. Nothing behind the door checks again.

Legend: n samples.
Source: keras/src/trainers/data_adapters/array_slicing.py (split),
array_data_adapter.py (one permutation per epoch, last partial batch kept).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.support.arguments import batch_shape, integer, masked_numbers, number, shown
from tinycnn.utils import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Data:
    """Samples and their targets, checked.

    Args:
        x: samples (n, *input_shape).
        y: targets, one for each sample.
        weights: how much each sample's loss counts (n,), or None if all count 1.
    """

    x: Array
    y: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def split(self, validation_split: float) -> "tuple[Data, Data]":
        """The samples to train on, and those to validate on, which are the last ones as they stand.

        Raises:
            ValueError: if the split leaves either part empty.
        """
        at = split_at(len(self), validation_split)
        return self.chosen(slice(at)), self.chosen(slice(at, None))

    def chosen(self, which: slice | Array) -> "Data":
        """The samples of these numbers."""
        weights = None if self.weights is None else self.weights[which]
        return Data(_rows(self.x, which), _rows(self.y, which), weights)

    def steps(self, batch_size: int) -> int:
        """How many batches an epoch takes."""
        return -(-len(self) // batch_size)

    def epoch(
        self, batch_size: int, rng: np.random.Generator | None = None, done: int = 0
    ) -> "Iterator[Data]":
        """Yields the batches of one epoch; see `batches`. `rng` shuffles the samples."""
        order = None if rng is None else rng.permutation(len(self))
        return self.batches(batch_size, order, done)

    def batches(
        self, batch_size: int, order: Array | None = None, done: int = 0
    ) -> "Iterator[Data]":
        """Yields one batch after the other; the last may be smaller.

        Args:
            batch_size: samples in a batch.
            order: a permutation of the samples, or None for the order they are in.
            done: how many batches to leave out at the beginning.
        """
        for chosen in batches(len(self), batch_size, order, done):
            yield self.chosen(chosen)


def checked_inputs(x: Any, input_shape: Shape | None, name: str = "x") -> Array:
    """`x` as an array of finite numbers (n, *input_shape), n > 0.

    As in Keras, a last axis of length 1 is added or dropped if the model has or lacks one.

    Raises:
        ValueError: if it is not; the message names the argument and what was received.
    """
    array = checked_numbers(x, name)
    if input_shape is not None:
        if input_shape[-1:] == (1,) and array.shape[1:] == input_shape[:-1]:
            array = array[..., np.newaxis]
        elif array.shape[1:] == (*input_shape, 1):
            array = array[..., 0]
        if array.shape[1:] != input_shape:
            raise ValueError(
                f"`{name}` must have shape {batch_shape(input_shape)}, as the model was built. "
                f"Received: {name} of shape {array.shape}"
            )
    return array


def checked_numbers(values: Any, name: str) -> Array:
    """`values` as a non-empty array of finite numbers.

    Raises:
        ValueError: if it is not; the message names the argument and what was received.
    """
    if values is None:
        raise ValueError(f"`{name}` is missing. Received: {name}=None")
    parts = values if isinstance(values, list | tuple) else [values]
    if masked := sum(masked_numbers(part) for part in parts):
        raise ValueError(
            f"`{name}` must not be masked: a model would train on what lies under the mask. Fill "
            f"the gaps ({name}.filled(0)) or leave those samples out. Received: "
            f"{masked} masked numbers"
        )
    if _hands_out(values):
        raise ValueError(
            f"`{name}` must be an array. In fit, evaluate and predict `x` alone may hand out "
            "batches (x, y) instead, as a generator does; dicts and functions are not taken. "
            f"Received: {name} of type {type(values).__name__}"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:  # a ragged list
        raise ValueError(f"`{name}` must be a regular array of numbers: {error}") from None
    if array.dtype.kind not in "buif":
        raise ValueError(f"`{name}` must hold numbers. Received: {name} of dtype {array.dtype}")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"`{name}` must hold at least one sample. Received: shape {array.shape}")
    # A NaN anywhere makes the minimum NaN, so no mask as large as the data is needed.
    if array.dtype.kind == "f" and not (math.isfinite(array.min()) and math.isfinite(array.max())):
        bad = int(np.argmin(np.isfinite(array.reshape(len(array), -1)).all(axis=1)))
        raise ValueError(
            f"`{name}` must hold finite numbers only. Received: NaN or infinity, "
            f"first in sample {bad}"
        )
    return array


def _hands_out(values: Any) -> bool:
    """Whether `values` is not an array but something that hands out batches."""
    if isinstance(values, Sequence) or hasattr(values, "__array__"):
        return False
    return callable(values) or hasattr(values, "__iter__") or hasattr(values, "__getitem__")


def check_range(x: Array, name: str) -> None:
    """Raises ValueError for float64 numbers that would be infinite in a float32 model."""
    largest = max(abs(float(x.min())), abs(float(x.max())))
    if largest > float(np.finfo(np.float32).max):
        raise ValueError(
            f"`{name}` must hold numbers that float32, the model's dtype, can hold, up to 3.4e38; "
            f"scale them. Received: {largest:g}"
        )


def checked_lengths(x: Array, y: Array, names: tuple[str, str]) -> None:
    """Raises ValueError if there is not one target for each sample."""
    if len(x) != len(y):
        raise ValueError(
            f"`{names[0]}` and `{names[1]}` must hold the same number of samples. "
            f"Received: {len(x)} and {len(y)}"
        )


def checked_weights(
    sample_weight: Any, class_weight: Any, y: Array, K: int, name: str = "sample_weight"
) -> Array | None:
    """How much the loss of each sample counts, from one of the two arguments of `fit`.

    Args:
        sample_weight: (n,) or (n, 1), a weight for each sample; None for none.
        class_weight: {class number: weight}; a class that is not in it counts 1. None for none.
        y: the targets (n, ...).
        K: how many classes there are.
        name: what the user calls `sample_weight`.

    Returns:
        (n,) of float32, as in Keras; None if both are None.

    Raises:
        ValueError: if both are given, or one does not fit.
    """
    if sample_weight is None and class_weight is None:
        return None
    if sample_weight is not None and class_weight is not None:
        raise ValueError("`sample_weight` and `class_weight` can't be given at the same time")
    if class_weight is None:
        weights = checked_numbers(sample_weight, name).astype(np.float32)
        if weights.shape not in ((len(y),), (len(y), 1)):
            raise ValueError(
                f"`{name}` must hold one weight for each of the {len(y)} samples. "
                f"Received: {name} of shape {weights.shape}"
            )
        return weights.reshape(-1)
    classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0]
    if y.ndim > 2 or not isinstance(class_weight, Mapping):
        raise ValueError(
            "`class_weight` must be a dict {class number: weight}, for targets that are classes. "
            f"Received: {shown(class_weight)} and y of shape {y.shape}"
        )
    weights = np.ones(len(y), np.float32)
    for number_, weight in class_weight.items():
        at = integer(number_, "class_weight's key", least=0, most=max(K, 2) - 1)
        weights[np.round(classes) == at] = number(weight, f"class_weight[{at}]")
    return weights


def class_numbers(y: Array) -> Array | None:
    """The class of each of n targets: (n,) or (n, 1) whole numbers, or (n, K) one-hot rows.

    Returns:
        (n,), or None if they are not classes.
    """
    if y.ndim == 2 and y.shape[1] > 1:
        one_hot = bool(((y == 0) | (y == 1)).all()) and bool((y.sum(axis=1) == 1).all())
        return y.argmax(axis=1) if one_hot else None
    if y.ndim == 1 or y.shape[1:] == (1,):
        flat = y.reshape(-1)
        return flat if bool((flat == flat.round()).all()) else None
    return None


def _rows(array: Array, which: slice | Array) -> Array:
    """array[which]; `take` does the same in less time, unless it first has to copy the array."""
    if isinstance(which, slice) or type(array) is not np.ndarray or not array.flags.c_contiguous:
        return array[which]
    return array.take(which, axis=0)


def split_at(n: int, validation_split: float) -> int:
    """How many of n samples are for training; the rest, the last ones, are for validation.

    It is floor(n * (1 - split)) in floating point, exactly Keras's rule: 60,000 samples at a split
    of 0.8 give 11,999, not 12,000.

    Raises:
        ValueError: if the split leaves either part empty.
    """
    at = math.floor(n * (1.0 - validation_split))
    if at == 0 or at == n:
        raise ValueError(
            f"`validation_split` leaves {at} samples to train on and {n - at} to validate on; both "
            f"need at least one. Received: validation_split={validation_split} of {n} samples"
        )
    return at


def batches(
    n: int, batch_size: int, order: Array | None = None, done: int = 0
) -> Iterator[slice | Array]:
    """Yields the indices of one batch after the other, of n samples; see `Data.batches`."""
    for start in range(done * batch_size, n, batch_size):
        piece = slice(start, min(n, start + batch_size))
        yield piece if order is None else order[piece]
