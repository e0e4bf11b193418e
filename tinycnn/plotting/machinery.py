"""What the machinery does: im2col to a small image, augmentation to one digit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.inspection import window_counts, window_sources
from tinycnn.kernels.reference import im2col
from tinycnn.plotting.figures import (
    AMOUNT,
    BLUE,
    INK,
    VERMILION,
    color_map,
    draw_image,
    image_grid,
    new_figure,
    plain,
)
from tinycnn.support.geometry import Pair, output_length
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Cell = Pair | Array  # (row, column)
MOST_WINDOWS, MOST_CELLS = 36, 25  # more rows or columns leave no room for the numbers


def plot_im2col(
    image: Array,
    size: Pair = (3, 3),
    strides: Pair = (1, 1),
    padding: str = "valid",
    title: str = "",
) -> "Figure":
    """A small image, its im2col matrix, and how many copies of each pixel the matrix holds.

    Gray shows a pixel's value, and the number says which pixel it is ("-": padding). Frames mark
    one window with the row it becomes, and one pixel with all its copies, whose gradients col2im
    adds up.

    Args:
        image: (H, W), with at most 36 windows.
        size: (KH, KW), at most 25 pixels.
        strides: (SH, SW).
        padding: "valid" or "same".
        title: data set and model.

    Returns:
        The figure.

    Raises:
        ValueError: for more windows, or larger ones, than can be drawn readably.
    """
    (H, W), (KH, KW) = image.shape, size
    sources = window_sources((H, W), size, strides, padding)  # (OH*OW, KH*KW)
    counts = window_counts((H, W), size, strides, padding)
    rows, columns = sources.shape
    if rows > MOST_WINDOWS or columns > MOST_CELLS:
        raise ValueError(
            f"at most {MOST_WINDOWS} windows of {MOST_CELLS} pixels can be drawn readably. "
            f"Received: {rows} windows of {columns}"
        )
    headline = f"im2col: {rows} windows of {KH} x {KW} become the rows of a matrix"
    width, height = 0.4 * (columns + 2 * W) + 2.4, 0.36 * max(rows, H) + 2.3
    figure = new_figure(width, height, headline, title)
    picture, matrix, copies = figure.subplots(1, 3, width_ratios=[W, columns, W])
    numbers = np.arange(H * W).reshape(H, W)
    cols = im2col(image[np.newaxis, :, :, np.newaxis], size, strides, padding)
    _draw_cells(picture, image, numbers, INK)
    _draw_cells(matrix, cols, np.where(sources < 0, "-", sources.astype(str)), INK)
    _draw_cells(copies, counts, counts, AMOUNT)
    picture.set(title="image", xlabel="pixel column", ylabel="pixel row")
    copies.set(title="col2im(ones)", xlabel="pixel column", ylabel="pixel row")
    matrix.set(title="im2col(image)", xlabel="place in the window (row, column)")
    matrix.set_ylabel("window (output row, column)")
    OW = output_length(W, KW, strides[1], padding)
    matrix.set_yticks(range(rows), [f"{r // OW}, {r % OW}" for r in range(rows)])
    matrix.set_xticks(range(columns), [f"{c // KW}, {c % KW}" for c in range(columns)])
    if columns > 9:
        matrix.tick_params("x", rotation=90)

    window, pixel = rows // 2, int(counts.argmax())
    seen = np.argwhere(np.isin(numbers, sources[window]))
    _frame(picture, seen.min(axis=0), seen.max(axis=0), VERMILION)
    _frame(matrix, (window, 0), (window, columns - 1), VERMILION)
    for axes, cells in ((picture, numbers), (matrix, sources), (copies, numbers)):
        for cell in np.argwhere(cells == pixel):
            _frame(axes, cell, cell, BLUE)
    figure.supxlabel(
        f"numbers: which pixel it is; orange: a window and its row; blue: pixel {pixel} and its "
        f"{counts.max()} copies",
        fontsize="small",
        color="dimgray",
    )
    return figure


def _draw_cells(axes: "Axes", values: Array, names: Array, colors: Sequence[str]) -> None:
    """A matrix with a word in every cell."""
    high = float(values.max()) or 1.0
    axes.imshow(values, cmap=color_map(colors), vmin=0, vmax=1.5 * high)
    for (i, j), name in np.ndenumerate(names):
        color = "white" if values[i, j] > 0.7 * high else "black"
        axes.text(j, i, f"{name}", ha="center", va="center", fontsize="small", color=color)
    axes.set(xticks=range(values.shape[1]), yticks=range(values.shape[0]))


def _frame(axes: "Axes", first: Cell, last: Cell, color: str) -> None:
    """A frame around the cells from `first` to `last`."""
    (top, left), (bottom, right) = first, last
    x = [left - 0.5, right + 0.5, right + 0.5, left - 0.5]
    y = [top - 0.5, top - 0.5, bottom + 0.5, bottom + 0.5]
    axes.fill(x, y, fill=False, edgecolor=color, linewidth=2.5, clip_on=False)


def plot_augmentation(image: Array, versions: Mapping[str, Array], title: str = "") -> "Figure":
    """One image, and what augmentation makes of it.

    Args:
        image: (H, W, C).
        versions: for each layer's name, (count, H, W, C) from `inspection.augmented`.
        title: data set and model.

    Returns:
        The figure: a row for each layer, the image itself first.
    """
    count = max(len(images) for images in versions.values())
    figure = new_figure(1.2 * (count + 1) + 0.8, 1.3 * len(versions) + 1.2, "Augmentation", title)
    grid = np.array(image_grid(figure, len(versions) * (count + 1), count + 1))
    limits = (0.0, float(image.max()) or 1.0)
    for row, (name, images) in zip(grid.reshape(len(versions), -1), versions.items(), strict=True):
        row[0].set_ylabel(plain(name), fontsize="small")
        draw_image(row[0], image, "original" if row[0] is grid[0] else "", limits=limits)
        for axes, version in zip(row[1:], images, strict=False):
            draw_image(axes, version, limits=limits)
    return figure
