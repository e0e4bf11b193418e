"""A user's own picture of a digit: reading the file, and telling the ink from the paper.

Legend: h x w the picture's size; gray is 0 (black) to 255 (white).

MNIST's digits were scanned and made black and white before they were centred. A photo has uneven
light, noise, shadows at the rim and thin lines; `find_ink` says what is done about each. Nothing
here knows which digit it is: every picture is treated alike, and no network is involved.
"""

import os
from typing import Any

import numpy as np

from tinycnn.errors import PictureError
from tinycnn.utils import Array

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
WORK_SIDE = 280  # pixels; pictures are reduced to this, ten times MNIST's side
SPECK = 0.05  # a piece of ink smaller than this share of the largest one is dirt
THIN = 0.07  # strokes thinner than this share of the longer side, as 1 in 8 of MNIST, are thickened


def read_picture(path: str | os.PathLike[str]) -> Array:
    """Reads a PNG, JPEG or other picture file as gray values.

    A photo is turned upright if the phone noted how it was held. Transparent parts count as white
    paper, or as black paper if the ink is light. Large pictures are reduced.

    Args:
        path: a PNG, JPEG, WebP, GIF, BMP or TIFF, whatever its name ends in. Other formats that
            Pillow knows are refused: for an EPS, say, it would start another program.

    Returns:
        uint8 array of shape (h, w), at most 1120 pixels a side.

    Raises:
        OSError: if the file can't be opened.
        PictureError: if it is damaged or not a picture in these formats; names path and reason.
    """
    from PIL import Image, ImageOps  # Pillow is part of matplotlib

    with open(path, "rb") as file:
        try:
            image: Any = ImageOps.exif_transpose(Image.open(file, formats=FORMATS))
            if image.mode[0] in "IF":  # more than 8 bits, which Pillow would cut off at 255
                values = np.asarray(image, np.float64)
                if not np.isfinite(values).all():
                    raise ValueError("NaN or infinity among its pixels")
                values = values.clip(0)
                image = Image.fromarray((values * (255 / max(values.max(), 1))).astype(np.uint8))
            image = image.convert("RGBA")
            image.thumbnail((4 * WORK_SIDE, 4 * WORK_SIDE), Image.Resampling.BOX)
        except Exception as error:  # on damaged bytes Pillow raises half a dozen kinds
            why = str(error) if type(error) is ValueError else type(error).__name__
            raise PictureError(
                f"{os.fspath(path)}: not a picture, damaged, or not of a format that is read here, "
                f"{', '.join(FORMATS)} ({why})"
            ) from error
    gray = np.asarray(image.convert("L"), np.float64)
    alpha = np.asarray(image.getchannel("A"), np.float64) / 255
    seen = np.average(gray, weights=alpha) if alpha.any() else 0
    paper = 255 if seen < 128 else 0
    return np.rint(gray * alpha + paper * (1 - alpha)).astype(np.uint8)


def find_ink(gray: Array) -> Array:
    """How much ink is on each pixel of a photo or drawing of a digit: 0 to 1, reduced in size.

    1. The light on the paper is a quadratic surface, fitted to the pixels that are not ink.
    2. Ink is what is darker than the paper, or what is lighter, whichever stands out more.
    3. Otsu's threshold tells ink from paper (IEEE Trans. SMC 9, 1979), if they differ by much more
       than the noise.
    4. Specks are dropped. So is whatever touches the rim, such as the table's edge, if there is
       other ink.
    5. Lines thinner than MNIST's, such as a ballpoint pen's, are thickened. Otherwise they would
       all but vanish when the digit is reduced to 20 pixels.

    Args:
        gray: (h, w), finite, any range.

    Raises:
        PictureError: if nothing stands out from the paper.
    """
    gray = reduced(gray, WORK_SIDE)
    off = gray - _paper(gray)
    noise = 1.4826 * np.median(np.abs(off))  # the standard deviation, if most of it is paper
    ink = off if (off**3).sum() > 0 else -off
    threshold = _otsu(ink)
    mask = ink > threshold
    if not mask.any() or np.median(ink[mask]) < max(8 * noise, 1e-6 * np.abs(gray).max()):
        raise PictureError("nothing in the picture stands out from the paper: no digit is found")
    mask = _digit(_pieces(mask))
    ink = ink / np.median(ink[mask])
    soft = np.where(_widened(mask) & (ink > 0.1), ink, 0).clip(0, 1)  # lines keep a soft rim
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    edge = mask & _widened(~mask)
    width = 2 * mask.sum() / edge.sum()
    for _ in range(round((THIN * longer - width) / 2)):
        soft = _widened(np.pad(soft, 1))
    return np.asarray(soft)


def several_digits(image: Array) -> bool:
    """Whether a normalised image (28, 28) looks like more than one digit.

    It does if it is wider than any digit, or if columns without ink split it in two and each part
    has much of the ink. The loose strokes of a single digit lie above one another.
    """
    columns = image.astype(np.int64).sum(axis=0)
    hit = np.flatnonzero(columns)
    height = np.ptp(np.flatnonzero(image.any(axis=1))) + 1
    left = np.cumsum(columns)[columns == 0]
    smaller = np.minimum(left, columns.sum() - left).max(initial=0)
    return bool(np.ptp(hit) + 1 > 1.7 * height or smaller > 0.2 * columns.sum())


def _paper(gray: Array) -> Array:
    """The gray of the paper under the ink, (h, w): the quadratic surface nearest to all pixels.

    Nearest means the smallest sum of distances, not of squares: ink or a strip of table then pulls
    no harder than an equal area of paper. It is found by least squares, with weights that are
    updated nine times.
    """
    coarse = reduced(gray, 40).reshape(-1)
    terms = _quadratic(*reduced(gray, 40).shape)
    weights = np.ones_like(coarse)
    for _ in range(10):
        scaled = terms * weights
        # With few rows or columns the terms are dependent; lstsq takes the shortest solution.
        surface = np.linalg.lstsq(scaled @ terms.T, scaled @ coarse, rcond=None)[0]
        off = np.abs(coarse - surface @ terms)
        weights = 1 / np.maximum(off, 0.01 * np.ptp(coarse) + 1e-300)
    return np.asarray(surface @ _quadratic(*gray.shape)).reshape(gray.shape)


def _quadratic(h: int, w: int) -> Array:
    """(6, h*w): 1, i, j, i^2, i*j and j^2 at the middle of every pixel, with -1 < i, j < 1."""
    i, j = np.meshgrid(*((2 * np.arange(n) + 1) / n - 1 for n in (h, w)), indexing="ij")
    return np.stack([np.ones_like(i), i, j, i * i, i * j, j * j]).reshape(6, -1)


def _otsu(ink: Array) -> float:
    """The threshold that splits the values into two groups that vary least within themselves."""
    counts, edges = np.histogram(ink, bins=256)
    values = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * values)
    means_apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * means_apart**2)])


def _widened(mask: Array) -> Array:
    """At each pixel, the largest value of the pixel and its eight neighbours."""
    for axis in (0, 1):
        padded = np.pad(mask, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
        n = mask.shape[axis]
        mask = np.max([padded.take(range(k, k + n), axis) for k in range(3)], axis=0)
    return mask


def _pieces(mask: Array) -> Array:
    """(h, w): 0 where the mask is False, else a number that the pixels of a connected piece share.

    Every pixel takes the largest number n around it, and then the number that pixel n now has,
    until nothing changes.
    """
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        new = np.where(mask, _widened(numbers), 0)
        new = np.concatenate([[0], new.reshape(-1)])[new]
        if np.array_equal(new, numbers):
            return new
        numbers = new


def _digit(pieces: Array) -> Array:
    """The mask of the pieces that can be parts of the digit."""
    sizes = np.bincount(pieces.reshape(-1))
    sizes[0] = 0
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    inner = sizes.copy()
    inner[rim] = 0
    if inner.max() > SPECK * sizes.max():
        sizes = inner
    return np.isin(pieces, np.flatnonzero(sizes > SPECK * sizes.max()))


def reduced(image: Array, side: int) -> Array:
    """The image (h, w), resampled by area if its longer side is more than `side`."""
    if max(image.shape) <= side:
        return image
    height, width = (max(1, round(n * side / max(image.shape))) for n in image.shape)
    return resized(image, height, width)


def resized(image: Array, height: int, width: int) -> Array:
    """The image (h, w) resampled by area to (height, width)."""
    # (height, h) @ (h, w) @ (w, width) -> (height, width)
    rows, columns = _area_weights(image.shape[0], height), _area_weights(image.shape[1], width)
    return np.asarray(rows @ image @ columns.T)


def _area_weights(size: int, target: int) -> Array:
    """(target, size): how much each of `size` pixels weighs in each of `target` pixels."""
    edges = np.linspace(0, size, target + 1)[:, None]
    pixels = np.arange(size)
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.asarray(np.maximum(covered, 0) * (target / size))
