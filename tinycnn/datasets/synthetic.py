"""Handwritten digits drawn by a program, in MNIST's format, for when MNIST is not available.

A digit begins as a skeleton from the table in skeletons.py. Its control points are jittered, joined
by B-splines and sampled as the path of a pen; the path is bent, slanted and turned as hands do,
fitted into MNIST's box, inked with a round pen and normalised as MNIST is (normalization.py). The
images go through real IDX files.

Legend: N images, V variants of all digits, P control points, S samples of a pen's path. Points are
(x, y) in heights of a digit, x to the right, y down.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinycnn.datasets.idx import read_idx, write_idx
from tinycnn.datasets.mnist import FILES
from tinycnn.datasets.normalization import BOX, SIDE, centred
from tinycnn.datasets.skeletons import SAMPLES, skeletons
from tinycnn.support.arguments import integer
from tinycnn.support.progress import Progress
from tinycnn.utils import Array

# How much handwriting varies: standard deviations; lengths are in heights of a digit. They were
# tuned by how well a network that learned from drawn digits reads MNIST's training images.
JITTER = 0.045  # of a control point
WAVE = 0.03  # amplitude of a wave that bends the whole digit
WAVE_NUMBER = 0.8  # of such waves, in periods per height
TAPER = 0.3  # how much broader the foot is than the head
STRETCH = 0.15  # how much taller the upper half is than the lower
ASPECT = 0.22  # of the logarithm of the width
SLANT, SLANT_SPREAD = 0.13, 0.28  # mean and deviation of the shear; most hands lean to the right
ROTATION = 0.1  # radians
PEN, PEN_SPREAD = 1.27, 0.3  # median radius in pixels, deviation of its logarithm
PRESSURE = 0.12  # change of the radius along the path

BLOCK = 1000  # digits drawn from one generator, see `_draw_set`


# --- handwriting ----------------------------------------------------------------------------------


def draw_digits(labels: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """Draws handwritten digits as MNIST has them: light ink on black, normalised, antialiased.

    Args:
        labels: the digits to draw, integers 0 to 9 of shape (N,).
        rng: decides the variants, the handwriting and the pens.

    Returns:
        uint8 array of shape (N, 28, 28).

    Raises:
        ValueError: if `labels` are not integers from 0 to 9 in one dimension.

    Example:
        >>> draw_digits([4, 2], np.random.default_rng(0)).shape
        (2, 28, 28)
    """
    digits = np.asarray(labels)
    if digits.ndim != 1 or not (np.issubdtype(digits.dtype, np.integer) or digits.size == 0):
        raise ValueError(
            "`labels` must be integers in one dimension. "
            f"Received: {digits.dtype} of shape {digits.shape}"
        )
    if digits.size and (digits.min() < 0 or digits.max() > 9):
        raise ValueError(
            f"`labels` must lie between 0 and 9. Received: {digits.min()} to {digits.max()}"
        )
    images = np.empty((len(digits), SIDE, SIDE), np.uint8)
    for start in range(0, len(digits), BLOCK):
        x, y = _write(digits[start : start + BLOCK], rng)
        images[start : start + BLOCK] = centred(_ink(x, y, rng))
    return images


def _write(digits: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The path of the pen for each digit: x and y, each (N, S), in heights of the digit."""
    _, points, weights = skeletons()
    N = len(digits)

    def normal(*shape: int) -> Array:
        return rng.standard_normal((N, *shape), dtype=np.float32)

    variant = _choose(digits, rng)
    # (N, S, P) @ (N, P, 2) -> (N, S, 2)
    path = weights[variant] @ (points[variant] + JITTER * normal(points.shape[1], 2))
    path -= (path.min(axis=1, keepdims=True) + path.max(axis=1, keepdims=True)) / 2
    for _ in range(2):
        turns = path @ (WAVE_NUMBER * normal(2, 2)) + rng.random((N, 1, 2), dtype=np.float32)
        path += WAVE * normal(1, 2) * np.sin(2 * np.pi * turns)

    x, y = path[..., 0], path[..., 1]
    x = x * (1 + TAPER * normal(1) * 2 * y)
    y = y + STRETCH * normal(1) * (y**2 - 0.25)
    x = x * np.exp(ASPECT * normal(1)) - (SLANT + SLANT_SPREAD * normal(1)) * y
    angle = ROTATION * normal(1)
    return np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y


def _choose(digits: Array, rng: np.random.Generator) -> Array:
    """A variant for each digit: the first whose cumulative share exceeds a random number."""
    upto = np.cumsum(skeletons().shares, axis=1)[digits]
    return np.asarray((rng.integers(0, upto[:, -1])[:, None] < upto).argmax(axis=1))


def _ink(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Inks each path, fitted into the box, with a round pen: (N, 20, 20), 0 to 1."""
    N = len(x)
    spread = rng.standard_normal((N, 2), dtype=np.float32)
    phase, turns = rng.random((2, N, 1), dtype=np.float32)
    along = np.linspace(0, 1, SAMPLES, dtype=np.float32)
    pen = np.clip(PEN * np.exp(PEN_SPREAD * spread[:, :1]), 0.6, 3)
    pressure = 1 + PRESSURE * spread[:, 1:] * np.sin(2 * np.pi * (phase + (1 + turns) * along))
    radius = np.clip(pen * pressure, 0.5, 3.5)

    scale = (BOX - 2 * pen) / np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1))[:, None]
    x = (x - (x.min(axis=1) + x.max(axis=1))[:, None] / 2) * scale + BOX / 2
    y = (y - (y.min(axis=1) + y.max(axis=1))[:, None] / 2) * scale + BOX / 2
    middle = np.arange(BOX, dtype=np.float32) + np.float32(0.5)  # of each pixel
    # Each pixel's smallest distance^2 - radius^2 over the samples: negative in the ink.
    across = (middle - x[:, :, None]) ** 2 - radius[:, :, None] ** 2  # (N, S, 20)
    down = (middle - y[:, :, None]) ** 2
    smallest = np.full((N, BOX, BOX), np.inf, np.float32)
    for start in range(0, N, 200):  # few enough to stay in the processor's cache
        part = slice(start, start + 200)
        for s in range(SAMPLES):
            field = down[part, s, :, None] + across[part, s, None, :]
            np.minimum(smallest[part], field, out=smallest[part])
    # Near the edge distance^2 - radius^2 = 2 radius (distance - radius): an edge one pixel wide.
    return np.asarray(np.clip(0.5 - smallest / (2 * pen[:, :, None]), 0, 1))


# --- the data set ---------------------------------------------------------------------------------


def load_data(
    train: int = 60000, test: int = 10000, seed: int = 0
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Draws a data set in MNIST's format, through IDX files in a temporary folder.

    Args:
        train: number of images to train on.
        test: number of images to test on.
        seed: another seed draws other digits. With the same seed a longer set starts with the
            images of a shorter one.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: images of shape (N, 28, 28), labels of
        shape (N,), uniformly random.

    Raises:
        ValueError: if `train` or `test` is not a positive integer, or `seed` not an integer >= 0.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data(train=200, test=100)
        drawing digits: 300/300 ...
        >>> x_train.shape, y_test.shape
        ((200, 28, 28), (100,))
    """
    with tempfile.TemporaryDirectory(prefix="tinycnn-") as folder:
        write(folder, train, test, seed)
        x_train, y_train, x_test, y_test = (read_idx(Path(folder, file.name)) for file in FILES)
    return (x_train, y_train), (x_test, y_test)


def write(
    folder: str | os.PathLike[str], train: int = 60000, test: int = 10000, seed: int = 0
) -> None:
    """Draws a data set and writes it as MNIST's four files, for `mnist.load_data(folder)`.

    Args:
        folder: where to write them; it is made if need be.
        train: as in `load_data`.
        test: as in `load_data`.
        seed: as in `load_data`.

    Raises:
        ValueError: as in `load_data`.
        OSError: if a file cannot be written.
    """
    counts = [integer(train, "train"), integer(test, "test")]
    seed = integer(seed, "seed", least=0)
    Path(folder).mkdir(parents=True, exist_ok=True)
    arrays: list[Array] = []
    with Progress("drawing digits", sum(counts), "images") as progress:
        for part, count in enumerate(counts):
            arrays += _draw_set(count, seed, part, progress)
    for file, array in zip(FILES, arrays, strict=True):
        write_idx(Path(folder, file.name), array)


def _draw_set(count: int, seed: int, part: int, progress: Progress) -> tuple[Array, Array]:
    """Images and labels. Each block has a generator of its own and is drawn whole, then cut."""
    images = np.empty((count, SIDE, SIDE), np.uint8)
    labels = np.empty(count, np.uint8)
    before = progress.done
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng([seed, part, start // BLOCK])
        digits = rng.integers(0, 10, BLOCK)
        stop = min(start + BLOCK, count)
        images[start:stop] = draw_digits(digits, rng)[: stop - start]
        labels[start:stop] = digits[: stop - start]
        progress.update(before + stop)
    return images, labels
