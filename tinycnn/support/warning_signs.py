"""Warnings about what a teacher would see in the data at a glance; `fit` gives each once.

Legend: n samples.
"""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinycnn.support.data import class_numbers
from tinycnn.support.large import spread
from tinycnn.utils import Array

RARE = math.log(1e-8)  # shuffled data raise a false alarm a few times in a million trainings


def warn_of_unscaled(x: Array) -> None:
    """Warns of images that look as if the division by 255 had been forgotten.

    Arrays (n, H, W, C) are images. (n, H, W) and (n, D) are taken for images if they hold whole
    numbers from 0 to 255, 64 or more in each sample. Images with mean 0 and standard deviation 1
    are as good: those with negative values and a deviation below 2 pass. Of large data a part is
    looked at.
    """
    x = spread(x)
    highest = x.max()
    if not 2 < highest or x.ndim not in (2, 3, 4):
        return
    if x.min() < 0 and x.std(dtype=np.float64) < 2:
        return
    if x.ndim != 4:
        few = x[:100]
        whole = x.dtype.kind in "iu" or bool((few == few.round()).all())
        if not (whole and x.min() >= 0 and highest <= 255 and x[0].size >= 64):
            return
    warnings.warn(
        f"the images hold values up to {highest:g}, but a network trains best on values in "
        "[0, 1]: divide them by 255, or put Rescaling(1 / 255) first",
        stacklevel=4,
    )


def warn_of_odd_weights(path: str, layers: Iterable[Any]) -> None:
    """Warns of weights from a file that are not finite: the model would predict nothing but NaN.

    Args:
        path: the file.
        layers: those that have the weights now.
    """
    odd = [
        f"{int(np.sum(~np.isfinite(parameter.value)))} of {layer.name}/{parameter.name}"
        for layer in layers
        for parameter in layer.parameters
        if not np.all(np.isfinite(parameter.value))
    ]
    if odd:
        more = f" and of {len(odd) - 5} more arrays" if len(odd) > 5 else ""
        warnings.warn(
            f"{path}: weights are not finite, {', '.join(odd[:5])}{more}: it was saved after a "
            "training that had failed, or is damaged",
            stacklevel=3,
        )


def warn_of_uneven_split(y: Array, at: int, classes_by_number: bool) -> None:
    """Warns if the classes to validate on are not those to train on.

    A split takes the last samples as they stand. If n samples are in random order, the last m of
    them hold f of a class's N with the chance C(N, f) C(n - N, m - f) / C(n, m), and all of them
    are sorted by class with the chance 2 / (n! / (N_1! N_2! ...)). (For m up to millions the first
    is below `RARE` only far from what would be expected.)

    Args:
        y: all targets: (n,) or (n, 1) class numbers, or (n, K) one-hot. Others have no classes.
        at: where the validation part begins.
        classes_by_number: whether the loss takes numbers for classes. If it does not, they are
            values of a regression, unless there are only two, a yes and a no.
    """
    labels = class_numbers(y)
    if labels is None:
        return
    classes, numbers = np.unique(labels, return_inverse=True)
    one_hot = y.ndim == 2 and y.shape[1] > 1
    if len(classes) > (1000 if classes_by_number or one_hot else 2):
        return
    n, m = len(y), len(y) - at
    there = np.bincount(numbers, minlength=len(classes))
    found = np.bincount(numbers[at:], minlength=len(classes))
    counts = zip(there.tolist(), found.tolist(), strict=True)
    odd = np.array([_log_chance(n, m, N, f) for N, f in counts]) < RARE
    steps = np.diff(numbers)
    if (steps >= 0).all() or (steps <= 0).all():
        orders = math.lgamma(n + 1) - sum(math.lgamma(N + 1) for N in there)
        odd |= math.log(2) - orders < RARE
    if odd.any():
        # The class that is furthest off; missing ones come first.
        expected = m * there / n
        c = int(np.argmax(odd * (np.abs(found - expected) + n * (found == 0))))
        words = "lacks class" if not found[c] else f"holds {found[c]} of class"
        warnings.warn(
            f"validation_split takes the last {m} samples as they stand, and they are not a "
            f"random part: it {words} {classes[c]:g}, where {expected[c]:.0f} would be expected. "
            "Shuffle x and y together before fit",
            stacklevel=4,
        )


def _log_chance(n: int, m: int, N: int, f: int) -> float:
    """log(C(N, f) C(n - N, m - f) / C(n, m)), for 0 <= m - f <= n - N."""
    return _log_choices(N, f) + _log_choices(n - N, m - f) - _log_choices(n, m)


def _log_choices(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
