"""The pictures that a page begins with: the caller's, or ones that are made for the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.datasets.normalization import SIDE
from tinycnn.datasets.synthetic import draw_digits
from tinycnn.inspection import brightest_pixel
from tinycnn.models import Sequential
from tinycnn.support.data import checked_inputs
from tinycnn.utils import Array

MOST = 100  # samples of a page
DIGITS = (SIDE, SIDE, 1)


@dataclass(frozen=True)
class Samples:
    """Pictures with their names.

    Args:
        x: (N, *input_shape).
        labels: the right class of each, or None where there is none.
        names: what the page calls them.
        peak: the brightest value of a pixel, 1 or 255, for what is drawn on the page; None if the
            pixels are scaled in another way, so that nothing can be drawn.
    """

    x: Array
    labels: list[int | None]
    names: list[str]
    peak: int | None


def samples_of(model: Sequential, given: tuple[Any, Any] | None) -> Samples:
    """The samples of a model's page.

    Args:
        model: a built one.
        given: (x, y) as `tinycnn.explorer.export` takes them, or None.

    Raises:
        ValueError: for samples that do not fit the model.
    """
    return _made(model) if given is None else _checked(model, given)


def _checked(model: Sequential, given: tuple[Any, Any]) -> Samples:
    if not isinstance(given, Sequence) or len(given) != 2:
        raise ValueError(
            "`samples` must be a pair (x, y) of samples and class numbers; y may be None. "
            f"Received: {type(given).__name__}"
        )
    x, y = checked_inputs(given[0], model.input_shape, "samples"), given[1]
    if len(x) > MOST:
        raise ValueError(f"a page takes up to {MOST} samples. Received: {len(x)}")
    labels: list[int | None] = [None] * len(x)
    if y is not None:
        numbers = np.asarray(y)
        classes = model.output_shape[-1]
        if (
            numbers.shape != (len(x),)
            or numbers.dtype.kind not in "ui"
            or numbers.min() < 0
            or numbers.max() >= classes
        ):
            raise ValueError(
                f"the samples' `y` must be class numbers from 0 to {classes - 1}, one for each of "
                f"the {len(x)} samples. Received: {numbers.dtype} of shape {numbers.shape}"
            )
        labels = [int(number) for number in numbers]
    names = [f"sample {n}" for n in range(len(x))]
    peak = brightest_pixel(model)
    fits = x.min() >= 0 and peak / 2 < x.max() <= peak
    return Samples(x, labels, names, peak if fits else None)


def _made(model: Sequential) -> Samples:
    """Drawn digits and plain strokes for a model that reads digits, noise for any other."""
    peak = brightest_pixel(model)
    rng = np.random.default_rng(0)
    shape = model.input_shape or ()
    if shape != DIGITS:
        x = rng.random((3, *shape)) * peak
        return Samples(x, [None] * 3, [f"noise {n}" for n in range(3)], peak)
    strokes = {
        "horizontal stroke": np.zeros((SIDE, SIDE)),
        "vertical stroke": np.zeros((SIDE, SIDE)),
        "slanted stroke": np.zeros((SIDE, SIDE)),
    }
    strokes["horizontal stroke"][13:16, 4:24] = 255
    strokes["vertical stroke"][4:24, 13:16] = 255
    for row in range(4, 24):
        strokes["slanted stroke"][row, 26 - row : 29 - row] = 255
    pictures = np.stack([*strokes.values()])
    labels: list[int | None] = []
    if model.output_shape == (10,):
        labels += range(10)
        pictures = np.concatenate([draw_digits(np.arange(10), rng), pictures])
    names = [f"drawn {digit}" for digit in labels] + [*strokes]
    x = pictures[..., np.newaxis] * (peak / 255)
    return Samples(x, labels + [None] * len(strokes), names, peak)
