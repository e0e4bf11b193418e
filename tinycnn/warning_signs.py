"""What a teacher would see in the data at a glance: warnings, each said once by `fit`.

Legend: n samples.
"""

import warnings

import numpy as np

from tinycnn.utils import Array

# Standard deviations. Shuffled data are as far apart as this once in a hundred million trainings.
FAR = 6.0
RARE = 1e-8  # the chance that shuffled data lack a class


def warn_of_unscaled(x: Array) -> None:
    """Warns of images that look as if the division by 255 had been forgotten.

    (n, H, W, C) are images. (n, H, W) and (n, D) are taken for some if they hold whole numbers from
    0 to 255, and 64 or more of them a sample.
    """
    highest = x.max()
    if not 2 < highest or x.ndim not in (2, 3, 4):
        return
    if x.ndim != 4:
        few = x[:100]
        whole = x.dtype.kind in "iu" or bool((few == few.round()).all())
        if not (whole and x.min() >= 0 and highest <= 255 and x[0].size >= 64):
            return
    warnings.warn(
        f"the images hold values up to {highest:g}, but a network trains best on values in "
        "[0, 1]: divide them by 255, or put Rescaling(1 / 255) first",
        stacklevel=3,
    )


def warn_of_uneven_split(y: Array, at: int) -> None:
    """Warns of a validation split whose classes are not those that are trained on.

    A split takes the last samples as they stand. Were they in a random order, the validation part
    would hold a class of share p m*p times, give or take sqrt(m * p * (1 - p)), m of n samples.

    Args:
        y: all targets: (n,) or (n, 1) class numbers, or (n, K) one-hot. Others have no classes.
        at: where the validation part begins.
    """
    labels = _classes(y)
    if labels is None:
        return
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) > 1000:
        return  # values of a regression, more likely
    m = len(y) - at
    share = np.bincount(numbers, minlength=len(classes)) / len(y)
    found = np.bincount(numbers[at:], minlength=len(classes))
    # m of n without replacement: the spread is smaller by the share of what is left.
    spread = np.sqrt(m * share * (1 - share) * (1 - m / len(y)))
    odd = np.abs(found - m * share) > FAR * spread + 1
    odd |= (found == 0) & ((1 - share) ** m < RARE)
    if odd.any():
        # The one that is furthest off; first of all those that are not there.
        c = int(np.argmax(odd * (np.abs(found - m * share) + len(y) * (found == 0))))
        words = "lacks class" if not found[c] else f"holds {found[c]} of class"
        warnings.warn(
            f"validation_split takes the last {m} samples as they stand, and they are not a "
            f"random part: it {words} {classes[c]:g}, where {m * share[c]:.0f} would be expected. "
            "Shuffle x and y together before fit",
            stacklevel=3,
        )


def _classes(y: Array) -> Array | None:
    """The class number of each target, or None if they are not classes."""
    if y.ndim == 2 and y.shape[1] > 1:
        one_hot = bool(((y == 0) | (y == 1)).all()) and bool((y.sum(axis=1) == 1).all())
        return y.argmax(axis=1) if one_hot else None
    if y.ndim == 1 or y.shape[1:] == (1,):
        flat = y.reshape(-1)
        return flat if bool((flat == flat.round()).all()) else None
    return None
