"""What is inside a model: filters, feature maps, and the pixels that a decision rests on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.inspection import dead_maps
from tinycnn.plotting.figures import (
    ALARM,
    AMOUNT,
    BLUE,
    SIGNED,
    VERMILION,
    color_map,
    draw_image,
    image_grid,
    new_figure,
)
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FILTERS, MOST_CHANNELS, MOST_MAPS = 32, 16, 64  # more would be too small to see


def plot_filters(kernel: Array, title: str = "", layer: str = "convolution") -> "Figure":
    """The filters of a convolution, all on one scale: blue weights add, orange ones subtract.

    With one input channel each filter is a small picture; with several, column f of the picture is
    filter f, and row c is what it does to input channel c.

    Args:
        kernel: (KH, KW, C, F).
        title: data set and model.
        layer: its name, for the headline.

    Returns:
        The figure, with at most the first 32 filters and the first 16 channels.
    """
    KH, KW, C, F = kernel.shape
    shown = kernel[:, :, :MOST_CHANNELS, :MOST_FILTERS]
    headline = f"{layer}: {_first(shown.shape[3], F, 'filters')} of {KH} x {KW} x {C}"
    if shown.shape[2] < C:
        headline += f", on the first {MOST_CHANNELS} input channels"
    limit = float(np.abs(shown).max()) or 1.0
    if C == 1:
        count, columns = shown.shape[3], 8
        figure = new_figure(columns + 1.2, 1.15 * -(-count // columns) + 1.1, headline, title)
        grid = image_grid(figure, count, columns)
        for f, axes in enumerate(grid):
            draw_image(axes, shown[:, :, 0, f], str(f), SIGNED, (-limit, limit))
        figure.supxlabel("kernel column", fontsize="small")
        figure.supylabel("kernel row", fontsize="small")
    else:
        # Tiles of KH x KW in rows (input channels) and columns (filters), a gap between them.
        C, F = shown.shape[2:]
        tiles = np.full((C, KH + 1, F, KW + 1), np.nan)
        tiles[:, :KH, :, :KW] = shown.transpose(2, 0, 3, 1)
        mosaic = tiles.reshape(C * (KH + 1), F * (KW + 1))[:-1, :-1]
        width = max(0.3 * F + 1.9, 7)
        height = (width - 1.9) * mosaic.shape[0] / mosaic.shape[1]
        figure = new_figure(width, max(height, 2) + 1.2, headline, title)
        axes = figure.subplots()
        grid = [axes]
        draw_image(axes, mosaic, colors=SIGNED, limits=(-limit, limit))
        axes.set_facecolor("0.8")
        axes.set_xticks(
            np.arange(F) * (KW + 1) + (KW - 1) / 2, [*map(str, range(F))], fontsize="x-small"
        )
        axes.set_yticks(
            np.arange(C) * (KH + 1) + (KH - 1) / 2, [*map(str, range(C))], fontsize="x-small"
        )
        axes.set(xlabel="filter", ylabel="input channel")
    figure.colorbar(grid[0].images[0], ax=grid, label="weight", shrink=0.9)
    return figure


def plot_feature_maps(image: Array, maps: Array, title: str = "", layer: str = "layer") -> "Figure":
    """What a layer makes of an image: one picture for each channel, or a bar for each unit.

    Each map has a scale of its own, white for 0 and dark for its largest value, which is written
    above it (blue above 0, orange below, if there are both). A map without activity is hatched:
    "0 here", or "dead" if it is 0 for all samples.

    Args:
        image: (H, W, C), what went in.
        maps: (N, h, w, channels) or (N, units) from `inspection.feature_maps`. The first sample is
            the image's; any others tell a map that is dead from one that is 0 only here.
        title: data set and model.
        layer: its name, for the headline.

    Returns:
        The figure, with at most the first 64 maps.

    Raises:
        ValueError: for maps of another shape.
    """
    if maps.ndim not in (2, 4):
        raise ValueError(
            "`maps` must have shape (N, height, width, channels) or (N, units). "
            f"Received: maps of shape {maps.shape}"
        )
    first, silent = maps[0], dead_maps(maps[:1])
    dead = dead_maps(maps) if len(maps) > 1 else np.zeros_like(silent)
    count = f", {silent.sum()} at 0 here" if silent.any() else ""
    if dead.any():
        count += f", {dead.sum()} dead (0 for all {len(maps):,} images)"
    if maps.ndim == 2:
        headline = f"{layer}: {len(first)} units{count}"
        figure = new_figure(10, 3.6, headline, title)
        picture, bars = figure.subplots(1, 2, width_ratios=[1, 4])
        draw_image(picture, image, "input")
        picture.set(xlabel="pixel column", ylabel="pixel row")
        bars.bar(range(len(first)), first, color=BLUE)
        bars.set(xlabel="unit", ylabel="activation")
        if len(first) <= 20:
            bars.set_xticks(range(len(first)))
        if dead.any():
            units = np.flatnonzero(dead)
            bars.plot(units, 0 * units, "kx", label="dead", clip_on=False)
            bars.legend()
        return figure

    h, w, C = first.shape
    shown = min(C, MOST_MAPS)
    columns = min(shown + 1, 11)
    headline = f"{layer}: {_first(shown, C, 'maps')} of {h} x {w}{count}"
    figure = new_figure(columns, 1.2 * -(-(shown + 1) // columns) + 1.2, headline, title)
    picture, *grid = image_grid(figure, shown + 1, columns)
    figure.supxlabel(
        "pixel column (above a map: its number, and the value of its darkest colour)",
        fontsize="small",
    )
    draw_image(picture, image, "input")
    signed = first.min() < 0
    for c, axes in enumerate(grid):
        size = float(np.abs(first[..., c]).max())
        state = "dead" if dead[c] else "0 here" if silent[c] else f"{size:.2g}"
        limits = (-size if signed else 0, size or 1)
        draw_image(axes, first[..., c], f"{c}: {state}", SIGNED if signed else AMOUNT, limits)
        if silent[c]:
            axes.images[0].remove()
            axes.patch.set(hatch="///", edgecolor="0.6")
    return figure


def plot_saliency(
    images: Array, gradients: Array, classes: Sequence[int] | Array, title: str = ""
) -> "Figure":
    """Images, and below them how much each pixel moves the score of the class, up or down.

    Args:
        images: (N, H, W, C), about ten.
        gradients: (N, H, W, C) from `inspection.saliency`.
        classes: (N,), the classes that they were computed for.
        title: data set and model.

    Returns:
        The figure; each map has a scale of its own. Of several channels the largest value is drawn.
    """
    headline = "Saliency: the pixels that move the score of the class most"
    figure, maps = _below_images(images, classes, headline, title, "|d score / d pixel|")
    for axes, gradient in zip(maps, gradients, strict=True):
        draw_image(axes, np.abs(gradient).max(axis=-1), colors=ALARM)
    return figure


def plot_grad_cam(
    images: Array,
    cams: Array,
    classes: Sequence[int] | Array,
    title: str = "",
    layer: str = "a layer",
) -> "Figure":
    """Images, and below them where a layer finds the evidence for the class.

    Args:
        images: (N, H, W, C), about ten.
        cams: (N, h, w) from `inspection.grad_cam`; stretched over the image.
        classes: (N,), the classes that they were computed for.
        title: data set and model.
        layer: its name, for the headline.

    Returns:
        The figure; each map has a scale of its own.
    """
    transparent_to_full = color_map((f"{VERMILION}00", f"{VERMILION}D0"))
    headline = f"Grad-CAM: where {layer} has the evidence for the class"
    figure, maps = _below_images(images, classes, headline, title, "with Grad-CAM")
    for axes, image, cam in zip(maps, images, cams, strict=True):
        draw_image(axes, image, "" if cam.any() else "0 everywhere")
        axes.imshow(
            cam,
            cmap=transparent_to_full,
            vmin=0,
            vmax=cam.max() or 1,
            extent=axes.images[0].get_extent(),
            interpolation="bilinear",
        )
    return figure


def _below_images(
    images: Array, classes: Sequence[int] | Array, headline: str, title: str, label: str
) -> "tuple[Figure, list[Axes]]":
    """A row of images with their classes, and the empty axes of a row of maps below them."""
    N = len(images)
    figure = new_figure(1.2 * N + 0.6, 3.5, headline, title)
    grid = image_grid(figure, 2 * N, N)
    for axes, image, chosen in zip(grid, images, classes, strict=False):
        draw_image(axes, image, f"class {chosen}")
    grid[0].set_ylabel("image", fontsize="small")
    grid[N].set_ylabel(label, fontsize="small")
    return figure, grid[N:]


def _first(shown: int, total: int, what: str) -> str:
    """How many of them are shown: "32 filters", "first 32 of 64 filters"."""
    return f"{total} {what}" if shown == total else f"first {shown} of {total} {what}"
