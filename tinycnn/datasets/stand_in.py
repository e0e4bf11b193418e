"""Pictures drawn by a program, for when a data set of pictures can't be had.

Ten shapes stand for ten classes: disk, square, triangle, ring, cross, diamond, two kinds of
stripes, checkerboard, a pair of dots. Each is drawn at a random place, size and angle, in random
shades of grey or in random colours, with noise over it. A hundred classes are the ten shapes in ten
hues. A network learns them in a few epochs, so scripts can be tried. What it scores says nothing
about the data set that they stand in for, and a notice says that they do.

Legend: N pictures of H x W pixels with C channels.
"""

from collections.abc import Callable

import numpy as np

from tinycnn.errors import DownloadError
from tinycnn.support import console
from tinycnn.support.arguments import integer
from tinycnn.support.progress import Progress
from tinycnn.utils import Array

Data = tuple[tuple[Array, Array], tuple[Array, Array]]  # ((x_train, y_train), (x_test, y_test))

BLOCK = 500  # pictures drawn from one generator, see `draw_set`
NOISE = 0.06  # standard deviation, of 1 from black to white


def instead(
    load: Callable[[], Data],
    name: str,
    shape: tuple[int, ...],
    classes: int = 10,
    coarse: int | None = None,
    train: int = 50_000,
) -> Data:
    """What `load` returns or, if it can't be had, drawn pictures after a notice that says so.

    Args:
        load: loads the data set.
        name: what it is called.
        shape: (H, W) or (H, W, 3) of its pictures.
        classes: 10 or 100.
        coarse: in how many classes of several of these each the labels are to be.
        train: how many pictures to draw to train on; there are 10,000 to test on.
    """
    try:
        return load()
    except (DownloadError, ImportError) as error:
        console.notice(f"{error}\n\n*** NO {name}: taking pictures drawn by tinycnn instead ***\n")
    width = classes // (coarse or classes)
    with Progress("drawing pictures", train + 10_000, "pictures") as progress:
        x_train, y_train = draw_set(train, shape, classes, 0, progress)
        x_test, y_test = draw_set(10_000, shape, classes, 1, progress)
    return (x_train, y_train // width), (x_test, y_test // width)


def draw_set(
    count: int, shape: tuple[int, ...], classes: int, part: int, progress: Progress | None = None
) -> tuple[Array, Array]:
    """Draws pictures and their labels: always the same ones, and a longer set begins as a shorter.

    Args:
        count: how many.
        shape: (H, W) or (H, W, 3) of a picture.
        classes: 10 or 100; the labels are uniformly random.
        part: another number draws other pictures.
        progress: to be told how many are done.

    Returns:
        uint8 arrays (count, *shape) and (count,).

    Raises:
        ValueError: if `count` is not a positive integer.

    Example:
        >>> images, labels = draw_set(6, (32, 32, 3), 10, part=0)
        >>> images.shape, labels.shape
        ((6, 32, 32, 3), (6,))
    """
    integer(count, "count")
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.uint8)
    before = progress.done if progress else 0
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng([part, start // BLOCK])
        drawn = rng.integers(0, classes, BLOCK)
        stop = min(start + BLOCK, count)
        images[start:stop] = draw(drawn, shape, classes, rng)[: stop - start]
        labels[start:stop] = drawn[: stop - start]
        if progress:
            progress.update(before + stop)
    return images, labels


def draw(labels: Array, shape: tuple[int, ...], classes: int, rng: np.random.Generator) -> Array:
    """Draws a picture for each label: uint8 (N, *shape)."""
    N, (H, W) = len(labels), shape[:2]
    channels = shape[2:]
    ink = _coverage(labels % 10, H, W, rng)
    front, back = _shades(labels, classes, N, channels, rng)
    ink = ink.reshape(N, H, W, *(1,) * len(channels))
    # (N, 1, 1, C) + (N, H, W, 1) * (N, 1, 1, C) -> (N, H, W, C)
    picture = back + ink * (front - back)
    picture += NOISE * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(np.clip(picture * 255, 0, 255)).astype(np.uint8)


def _shades(
    labels: Array, classes: int, N: int, channels: tuple[int, ...], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Front and back of each picture, from 0 to 1: (N, 1, 1) of grey, (N, 1, 1, 3) of colour."""
    back = rng.uniform(0.0, 0.25, (N, 1, 1, *channels)).astype(np.float32)
    front = rng.uniform(0.6, 1.0, (N, 1, 1, *channels)).astype(np.float32)
    if classes > 10 and channels:
        # Of the hundred classes, ten share a shape and differ in hue, a tenth of the circle each.
        hue = (labels // 10 + rng.uniform(-0.2, 0.2, N)) / 10
        thirds = np.array([0, 1 / 3, 2 / 3])
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] - thirds))
        front = wave[:, None, None, :].astype(np.float32)
    return front, back


def _coverage(shapes: Array, H: int, W: int, rng: np.random.Generator) -> Array:
    """How much of each pixel the shape covers, from 0 to 1: (N, H, W)."""
    N = len(shapes)
    y, x = np.mgrid[-1 : 1 : H * 1j, -1 : 1 : W * 1j].astype(np.float32)
    centre = rng.uniform(-0.2, 0.2, (2, N, 1, 1)).astype(np.float32)
    size = rng.uniform(0.6, 0.95, (N, 1, 1)).astype(np.float32)
    angle = rng.uniform(-0.25, 0.25, (N, 1, 1)).astype(np.float32)  # radians: 14 degrees
    cos, sin = np.cos(angle), np.sin(angle)
    u = (cos * (x - centre[0]) + sin * (y - centre[1])) / size
    v = (cos * (y - centre[1]) - sin * (x - centre[0])) / size
    inside = np.empty((N, H, W), np.float32)  # the distance to the edge, roughly; positive inside
    for shape, distance in enumerate(SHAPES):
        chosen = shapes == shape
        inside[chosen] = distance(u[chosen], v[chosen])
    return np.clip(0.5 + inside * size * min(H, W) / 2, 0, 1)  # an edge one pixel wide


def _box(u: Array, v: Array, half: float) -> Array:
    return np.asarray(half - np.maximum(np.abs(u), np.abs(v)))


SHAPES: tuple[Callable[[Array, Array], Array], ...] = (
    lambda u, v: 0.8 - np.hypot(u, v),  # disk
    lambda u, v: _box(u, v, 0.7),  # square
    lambda u, v: np.minimum(0.6 - v, (v + 0.8 - 1.8 * np.abs(u)) / 2),  # triangle
    lambda u, v: 0.2 - np.abs(np.hypot(u, v) - 0.65),  # ring
    lambda u, v: np.minimum(_box(u, v, 0.85), 0.22 - np.minimum(np.abs(u), np.abs(v))),  # cross
    lambda u, v: (0.95 - np.abs(u) - np.abs(v)) / 1.4,  # diamond
    lambda u, v: np.minimum(_box(u, v, 0.85), np.sin(9 * v) / 9),  # lying stripes
    lambda u, v: np.minimum(_box(u, v, 0.85), np.sin(9 * u) / 9),  # standing stripes
    lambda u, v: np.minimum(_box(u, v, 0.85), np.sin(6 * u) * np.sin(6 * v) / 6),  # checkerboard
    lambda u, v: 0.38 - np.hypot(np.abs(u) - 0.5, v),  # a pair of dots
)
