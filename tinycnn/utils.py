"""Small helpers that Keras users expect, and the one type alias of the project."""

import random
import re
import warnings
from typing import Any

import numpy as np

from tinycnn.support.arguments import integer, masked_numbers

Array = np.ndarray[Any, np.dtype[Any]]

MAX_BYTES = 16 * 2**30  # of a one-hot array

_chosen: list[int] = []  # [seed, models made since] after `set_random_seed`, else empty


def set_random_seed(seed: int) -> None:
    """Makes what follows repeatable: models that are made in the same order get the same seeds.

    As in Keras, Python's and NumPy's global generators are seeded, too, for the caller's own use;
    tinycnn draws from neither.

    Args:
        seed: 0 <= seed < 2**32.

    Raises:
        ValueError: for anything else.

    Source: keras/src/utils/rng_utils.py
    """
    seed = integer(seed, "seed", least=0)
    if seed >= 2**32:
        raise ValueError(f"`seed` must be below 2**32. Received: seed={seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - Keras's function does so
    _chosen[:] = [seed, 0]


def next_seed() -> int:
    """The seed of a model that is given none: another one for each model, below 2**32.

    After `set_random_seed` it follows from that seed and the number of models made since; before,
    it is unpredictable.
    """
    entropy = None
    if _chosen:
        entropy = tuple(_chosen)
        _chosen[1] += 1
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """One-hot encodes class numbers.

    Args:
        x: integer class numbers of any shape, `0 <= x < num_classes`.
        num_classes: number of classes; if None, `max(x) + 1`.

    Returns:
        float64 array of shape `x.shape + (num_classes,)`. As in Keras, a last axis of length 1 is
        dropped first, so labels of shape (N, 1) give (N, num_classes).

    Raises:
        ValueError: if `x` is empty, masked, not of integers, or holds a number outside the range;
            if the result would exceed 16 GiB.

    Source: keras/src/utils/numerical_utils.py
    """
    if masked := masked_numbers(x):
        raise ValueError(
            "`x` must not be masked: what lies under the mask would be taken for labels. Choose "
            "the others, x[~x.mask]. "
            f"Received: {masked} masked labels"
        )
    labels = np.asarray(x)
    if labels.size == 0:
        raise ValueError("`x` must hold at least one label. Received: an empty array")
    if not np.issubdtype(labels.dtype, np.integer):
        floating = np.issubdtype(labels.dtype, np.floating)
        if not floating or not np.isfinite(labels).all() or np.any(labels != labels.round()):
            raise ValueError(f"`x` must hold integer class numbers. Received: dtype={labels.dtype}")
        labels = labels.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    classes = int(labels.max()) + 1
    if num_classes is not None:
        classes = integer(num_classes, "num_classes")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must lie between 0 and num_classes - 1 = {classes - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    if labels.size * classes * 8 > MAX_BYTES:
        raise ValueError(
            f"{labels.size:,} one-hot rows of {classes:,} classes would take "
            f"{labels.size * classes * 8 / 1e9:,.0f} GB: are these class numbers? For integer "
            "labels without one-hot rows use the loss 'sparse_categorical_crossentropy'. "
            f"Received: labels up to {labels.max()}, num_classes={num_classes}"
        )
    one_hot = np.zeros((labels.size, classes))
    one_hot[np.arange(labels.size), labels.reshape(-1)] = 1.0
    return one_hot.reshape((*labels.shape, classes))


def normalize(x: Any, axis: int = -1, order: int = 2) -> Array:
    """Divides vectors by their norms, which become 1; a vector of zeros stays as it is.

    Args:
        x: an array of any shape; integers become float64.
        axis: the vectors lie along this one.
        order: 2 for the root of the sum of the squares, 1 for the sum of the absolute values, ....

    Returns:
        An array of the same shape.

    Source: keras/src/utils/numerical_utils.py
    """
    array = np.atleast_1d(np.asarray(x))
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    return array / np.expand_dims(norms, axis)


class PyDataset:
    """Base of data sets that hand out batches by their number, so that none need be in memory.

    A subclass has `__len__`, the number of batches, and `__getitem__(i)`, which returns batch i:
    (x, y). It may have `on_epoch_begin` and `on_epoch_end`. `fit` takes the batches in a new order
    in each epoch, unless shuffle=False.

    Args:
        workers: 1; the batches are made one after the other, and a warning says so.
        use_multiprocessing: likewise False.
        max_queue_size: how many batches Keras's workers make in advance; there are none here.

    Example:
        >>> class Halves(PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, i):
        ...         return np.full((4, 3), i / 2), np.full(4, i)
        >>> len(Halves())
        2

    Source: keras/src/trainers/data_adapters/py_dataset_adapter.py
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        if integer(workers, "workers", least=0) > 1 or use_multiprocessing:
            warnings.warn(
                "batches are made one after the other here: workers, use_multiprocessing and "
                "max_queue_size change nothing",
                stacklevel=2,
            )

    def __len__(self) -> int:
        """The number of batches.

        Raises:
            NotImplementedError: unless a subclass has it.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `__len__(self)`")

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`: (x, y).

        Raises:
            NotImplementedError: unless a subclass has it.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `__getitem__(self, i)`")


Sequence = PyDataset  # its name in Keras 2


def snake_case(name: str) -> str:
    """Conv2D -> conv2d, MaxPooling2D -> max_pooling2d, ReLU -> re_lu: Keras's rule."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
