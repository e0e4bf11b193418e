"""What the pictures have in common: colours, headlines, images, and a sheet of all of them.

White is 0, images included: MNIST's light ink on black is drawn dark on white. Photos stay as they
are.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from tinycnn.plotting.picture import Picture

# Okabe and Ito's blue and vermilion, which the colour-blind can tell apart, also in grey.
BLUE, VERMILION = "#0072B2", "#D55E00"
# Colour maps, from the lowest value to the highest.
INK = ("white", "black")
AMOUNT = ("white", BLUE, "#00203A")
ALARM = ("white", VERMILION, "#4A1F00")
SIGNED = (*ALARM[::-1], *AMOUNT[1:])


def new_figure(width: float, height: float, *lines: str, least: float = 7) -> "Picture":
    """An empty figure of `width` x `height` inches, at least wide enough for titles.

    Args:
        width: in inches.
        height: in inches.
        *lines: the title's lines: what the picture shows, then data set and model. Empty ones are
            left out, long ones are wrapped.
        least: the smallest width, in inches.
    """
    from tinycnn.plotting.picture import Picture

    figure = Picture(figsize=(max(width, least), height), layout="constrained")
    figure.suptitle(plain("\n".join(line for line in lines if line)), wrap=True)
    return figure


def plain(text: str) -> str:
    """A user's text, escaped so that matplotlib draws it literally: `$` starts no formula.

    What can't be written as UTF-8, as in some file names, becomes a question mark.
    """
    return text.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")


def color_map(colors: Sequence[str]) -> "Colormap":
    """A matplotlib colour map through `colors`."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("tinycnn", list(colors))


def draw_image(
    axes: "Axes",
    image: Array,
    title: str = "",
    colors: Sequence[str] = INK,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draws an image (H, W), (H, W, 1) or (H, W, 3) without ticks.

    Args:
        axes: where to draw it.
        image: the image.
        title: what to write above it.
        colors: from the lowest value to the highest; an image of three channels has its own.
        limits: the lowest and the highest value; if None, 0 and the image's largest.
    """
    low, high = limits or (0.0, float(image.max()) or 1.0)
    if image.shape[2:] == (1,):
        image = image[..., 0]
    if image.ndim == 3:
        image = np.clip((image - low) / (high - low), 0, 1)
    axes.imshow(image, cmap=color_map(colors), vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    if title:
        axes.set_title(plain(title), fontsize="small")


def image_grid(figure: "Figure", count: int, columns: int) -> "list[Axes]":
    """Axes for `count` images of pixels, in rows of `columns`."""
    grid = list(figure.subplots(-(-count // columns), columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.remove()
    figure.supxlabel("pixel column", fontsize="small")
    figure.supylabel("pixel row", fontsize="small")
    return grid[:count]


def contact_sheet(figures: "Iterable[Figure]", columns: int = 2, width: int = 1600) -> "Figure":
    """All pictures on one sheet, each redrawn at its size there, so that text stays sharp.

    Args:
        figures: the pictures.
        columns: how many stand side by side.
        width: the sheet's width in pixels.

    Returns:
        The figure, at 100 dpi; each picture goes under the shortest column so far.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from tinycnn.plotting.picture import Picture

    gap = 15
    cell = (width - gap) // columns - gap
    bottoms = [gap] * columns
    places = []
    for figure in figures:
        dpi = figure.dpi
        figure.dpi = cell / figure.get_figwidth()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        figure.dpi = dpi
        column = int(np.argmin(bottoms))
        bottoms[column] += len(pixels)
        places.append((pixels, gap + column * (cell + gap), bottoms[column]))
        bottoms[column] += gap
    sheet = Picture(figsize=(width / 100, max(bottoms) / 100), dpi=100)
    for pixels, left, bottom in places:
        sheet.figimage(pixels, left, max(bottoms) - bottom)
    return sheet
