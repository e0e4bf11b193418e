"""Small arrays side by side, with their numbers: as a picture, or as text where there are none."""

import importlib.util
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinycnn.plotting.figures import AMOUNT, INK, SIGNED, draw_image, new_figure, plain
from tinycnn.support import console
from tinycnn.support.arguments import shown
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinycnn.plotting.picture import Picture

# Rows and columns of an array whose numbers are written into its cells: whole numbers, and others.
MOST_WHOLE, MOST_OTHERS = 12, 9
LETTER = 0.09  # the width of a title's letter, in inches
TEXT_WIDTH = 100  # characters of a line of text maps
# Shades of a text map, from almost 0 to the largest; negative numbers have their own.
POSITIVE, NEGATIVE = ".:+#@", "'-~=%"


def plot_arrays(arrays: Mapping[str, npt.ArrayLike], title: str = "") -> "Picture":
    """Arrays side by side; small ones with the number in every cell.

    Where there are negative numbers, blue is above 0 and orange below. Images are dark on white.

    Args:
        arrays: by their titles; each of one or two dimensions, not counting those of length 1.
        title: of the whole picture.

    Returns:
        The figure.

    Raises:
        ValueError: for no array, an empty one, one that does not hold numbers, or one of more
            dimensions.

    Example:
        >>> figure = plot_arrays({"x": [[1, 2], [3, 4]], "kernel": [[1, 0], [0, -1]]})
        >>> figure.savefig("arrays.png")
    """
    matrices = _matrices(arrays)
    with_numbers = [m for m in matrices.values() if _has_numbers(m)]
    cell = max(map(_room, with_numbers), default=0.0)  # the same for all, to compare them
    cells = [cell if _has_numbers(m) else _pixel(m) for m in matrices.values()]
    widths = [
        max(matrix.shape[1] * cell, LETTER * len(name))
        for (name, matrix), cell in zip(matrices.items(), cells, strict=True)
    ]
    height = max(m.shape[0] * cell for m, cell in zip(matrices.values(), cells, strict=True))
    figure = new_figure(
        sum(widths) + 0.35 * len(widths) + 0.4,
        height + 0.75 + 0.4 * bool(title),
        title,
        least=5 if title else 0,
    )
    figure.set_layout_engine("constrained", h_pad=0.1)
    grid = figure.subplots(1, len(matrices), squeeze=False, width_ratios=widths)[0]
    for axes, (name, matrix), cell, width in zip(
        grid, matrices.items(), cells, widths, strict=True
    ):
        _draw(axes, matrix, name)
        # All have one height, and hang from its top.
        axes.set(xlim=(-0.55, width / cell - 0.45), ylim=(height / cell - 0.45, -0.55))
        axes.set_axis_off()
    figure.supxlabel("column", fontsize="small", color="dimgray")
    figure.supylabel("row", fontsize="small", color="dimgray")
    return figure


def show_arrays(arrays: Mapping[str, npt.ArrayLike], title: str = "") -> None:
    """Shows arrays side by side: in a notebook as a picture, in a terminal as text.

    Without matplotlib a notebook gets the text, too. In text, small arrays are numbers, and larger
    ones are shades.

    Args:
        arrays: as for `plot_arrays`.
        title: printed above them.

    Raises:
        ValueError: as for `plot_arrays`.

    Example:
        >>> show_arrays({"x": [[1, 2], [3, 4]], "kernel": [[1, 0], [0, -1]]})
        x    kernel
        1 2  1  0
        3 4  0 -1
    """
    if console.in_notebook() and importlib.util.find_spec("matplotlib") is not None:
        sys.modules["IPython"].display.display(plot_arrays(arrays, title))
    else:
        console.say(text_map(arrays, title))


def text_map(arrays: Mapping[str, npt.ArrayLike], title: str = "") -> str:
    """What `show_arrays` prints in a terminal.

    Args:
        arrays: as for `plot_arrays`.
        title: the first line, if there is one.

    Raises:
        ValueError: as for `plot_arrays`.
    """
    rows: list[list[list[str]]] = [[]]  # of blocks of lines
    for name, matrix in _matrices(arrays).items():
        block = [name, *_lines(matrix)]
        width = max(map(len, block))
        block = [line.ljust(width) for line in block]
        used = sum(len(other[0]) + 2 for other in rows[-1])
        if rows[-1] and used + width > TEXT_WIDTH:
            rows.append([])
        rows[-1].append(block)
    lines = [title] if title else []
    for row in rows:
        height = max(map(len, row))
        padded = [block + [" " * len(block[0])] * (height - len(block)) for block in row]
        lines += ["  ".join(parts).rstrip() for parts in zip(*padded, strict=True)]
        while not lines[-1]:  # the empty foot of an image
            lines.pop()
    return "\n".join(lines)


def _matrices(arrays: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Each array as (rows, columns)."""
    matrices = {}
    for name, given in arrays.items():
        array = np.asarray(given)
        if array.dtype.kind not in "biuf" or array.size == 0:
            raise ValueError(f"`{name}` must hold numbers. Received: {shown(given)}")
        squeezed = np.squeeze(array) if array.ndim > 2 else array
        if squeezed.ndim > 2:
            raise ValueError(
                f"`{name}` must have one or two dimensions to be shown; choose an image and a "
                f"channel, as in x[0, :, :, 0]. Received: an array of shape {array.shape}"
            )
        matrices[name] = np.atleast_2d(squeezed)
    if not matrices:
        raise ValueError("`arrays` must name at least one array. Received: none")
    return matrices


def _has_numbers(matrix: Array) -> bool:
    return max(matrix.shape) <= (MOST_WHOLE if _whole(matrix) else MOST_OTHERS)


def _whole(matrix: Array) -> bool:
    """Whether all are whole numbers, and not too long to be written out."""
    values = np.asarray(matrix, np.float64)
    return bool(np.all(np.abs(values) < 1e6) and np.all(values == np.round(values)))


def _room(matrix: Array) -> float:
    """The side of a cell that has room for each of the numbers, in inches."""
    return 0.2 + 0.075 * max(len(text) for text in _texts(matrix).flat)


def _pixel(matrix: Array) -> float:
    """The side of an image's pixel, in inches."""
    return max(0.05, min(0.14, 2.1 / max(matrix.shape)))


def _texts(matrix: Array) -> Any:
    """Every number as text, short: whole numbers as they are, others with three digits."""
    if _whole(matrix):
        return matrix.astype(int).astype(str)
    return np.array([f"{v + 0.0:.3g}" for v in matrix.flat]).reshape(matrix.shape)


def _draw(axes: "Axes", matrix: Array, name: str) -> None:
    values = np.asarray(matrix, np.float64)
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    signed = bool(finite.size and finite.min() < 0)
    numbers = _has_numbers(matrix)
    size = largest or 1.0
    if numbers:
        # Half the range stays free, so that black numbers are read on the darkest cells.
        limits = (-2.2 * size if signed else 0, 2.2 * size)
        draw_image(axes, values, colors=SIGNED if signed else AMOUNT, limits=limits)
    else:
        draw_image(axes, values, "", SIGNED if signed else INK, (-size if signed else 0, size))
    axes.set_title(plain(name), fontsize="medium", loc="left")
    H, W = matrix.shape
    x, y = [-0.5, W - 0.5, W - 0.5, -0.5], [-0.5, -0.5, H - 0.5, H - 0.5]
    axes.fill(x, y, fill=False, edgecolor="black", linewidth=0.8, clip_on=False)
    if numbers:
        for (i, j), text in np.ndenumerate(_texts(matrix)):
            text = str(text).replace("-", "\u2212")
            axes.text(j, i, text, ha="center", va="center", fontsize=9)


def _lines(matrix: Array) -> list[str]:
    """The lines of a text map."""
    if _has_numbers(matrix):
        texts = _texts(matrix)
        width = max(len(text) for text in texts.flat)
        return [" ".join(text.rjust(width) for text in row) for row in texts]
    values = np.nan_to_num(np.asarray(matrix, np.float64))
    size = float(np.abs(values).max()) or 1.0
    shades = np.round(values / size * len(POSITIVE)).astype(int)
    # Two characters a pixel: a character is about twice as high as it is wide.
    return ["".join(2 * _shade(s) for s in row).rstrip() for row in shades]


def _shade(level: int) -> str:
    if level == 0:
        return " "
    return POSITIVE[level - 1] if level > 0 else NEGATIVE[-level - 1]
