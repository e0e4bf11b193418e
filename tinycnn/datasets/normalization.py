"""MNIST's normalisation: how any picture of a digit becomes 28x28 pixels.

Legend: N images; h x w the size of the ink cut out of each.

Source of the normalisation: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based
learning applied to document recognition", Proc. IEEE 86 (11), 1998, section III.A.
"""

import numpy as np
import numpy.typing as npt

from tinycnn.datasets.pictures import find_ink, resized
from tinycnn.errors import PictureError
from tinycnn.utils import Array

BOX, SIDE = 20, 28  # the ink fits into a box of 20x20 in an image of 28x28
CENTRE = 14  # index of the pixel where MNIST has the centre of mass, in both directions


def normalize_digit(image: npt.ArrayLike) -> Array:
    """Brings a picture of one digit into MNIST's form, which a network that learned MNIST expects.

    The ink is cut out, resampled by area to fit a box of 20x20 with its aspect ratio kept, scaled
    to a largest value of 255, and placed with its centre of mass at pixel (14, 14) of 28x28.
    An image that is already in this form comes back unchanged.

    Args:
        image: gray values of shape (height, width), any size and real dtype, of one digit and
            nothing else, dark on light or light on dark. In an image of at most 28x28 pixels,
            whatever differs from the median of the rim is ink. A larger image may be a photo:
            `pictures.find_ink` removes uneven light, noise and specks.

    Returns:
        uint8 array of shape (28, 28), light ink on black.

    Raises:
        ValueError: if `image` does not hold finite real numbers in two dimensions.
        PictureError: if no digit stands out from the paper.
    """
    picture = np.asarray(image)
    if picture.ndim != 2 or picture.size == 0 or picture.dtype.kind not in "biuf":
        raise ValueError(
            "`image` must hold gray values of shape (height, width); average the channels of a "
            f"coloured one. Received: {picture.dtype} of shape {picture.shape}"
        )
    gray = picture.astype(np.float64)
    if not np.isfinite(gray).all():
        raise ValueError("`image` must hold finite numbers. Received: NaN or infinity")
    if np.ptp(gray) == 0:
        raise PictureError("`image` must show a digit. Received: a picture of one gray value")
    if max(gray.shape) > SIDE:
        ink = find_ink(gray)
    else:
        paper = np.median(np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]]))
        ink = gray - paper if gray.max() - paper >= paper - gray.min() else paper - gray
        ink = ink.clip(0)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(side * BOX / max(ink.shape))) for side in ink.shape)
    return np.asarray(centred(resized(ink, height, width)[None])[0])


def centred(ink: Array) -> Array:
    """Scales ink (N, h, w), at most 20x20, to bytes up to 255 and centres its mass: (N, 28, 28)."""
    N, h, w = ink.shape
    peak = ink.max(axis=(1, 2), keepdims=True)
    boxes = np.rint(ink * (255 / peak)).astype(np.uint8)
    mass = boxes.sum(axis=(1, 2))
    rows, columns = np.arange(h), np.arange(w)
    top = np.rint(CENTRE - boxes.sum(axis=2) @ rows / mass).clip(0, SIDE - h).astype(int)
    left = np.rint(CENTRE - boxes.sum(axis=1) @ columns / mass).clip(0, SIDE - w).astype(int)
    images = np.zeros((N, SIDE, SIDE), np.uint8)
    images[
        np.arange(N)[:, None, None],
        (top[:, None] + rows)[:, :, None],
        (left[:, None] + columns)[:, None, :],
    ] = boxes
    return images
