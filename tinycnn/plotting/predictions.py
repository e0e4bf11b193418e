"""What a model makes of a data set: confusion matrix, sample predictions, mistakes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.inspection import confident_mistakes, finite, precision_and_recall
from tinycnn.plotting.figures import (
    ALARM,
    AMOUNT,
    BLUE,
    VERMILION,
    color_map,
    draw_image,
    image_grid,
    new_figure,
    plain,
)
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_confusion_matrix(counts: Array, title: str = "") -> "Figure":
    """The confusion matrix, with the recall of each row and the precision of each column.

    Args:
        counts: (K, K) from `inspection.confusion_matrix`.
        title: data set and model.

    Returns:
        The figure.
    """
    K, right, total = len(counts), int(counts.trace()), int(counts.sum())
    headline = f"Confusion matrix: {right:,} of {total:,} right ({right / total:.2%})"
    side = max(0.55 * K, 4)
    figure = new_figure(side + 2.4, side + 2.0, headline, title)
    (matrix, rows), (columns, corner) = figure.subplots(
        2, 2, width_ratios=[K, 1.5], height_ratios=[K, 1.1]
    )
    corner.remove()
    # Two scales: on that of the diagonal's thousands every mistake would be white. Only the
    # lightest third of each is used, so that black numbers can be read.
    right_ones = np.diag(counts.diagonal())
    for shown, colors in ((right_ones, AMOUNT), (counts - right_ones, ALARM)):
        scale = {"cmap": color_map(colors), "vmin": 0, "vmax": 3 * shown.max() or 1}
        matrix.imshow(np.ma.masked_equal(shown, 0), aspect="auto", **scale)
    cell = {"ha": "center", "va": "center", "fontsize": "small"}
    for i, j in zip(*counts.nonzero(), strict=True):
        matrix.text(j, i, f"{counts[i, j]}", **cell)
    matrix.set(xticks=range(K), yticks=range(K), xlabel="predicted class", ylabel="true class")

    precision, recall = precision_and_recall(counts)
    for k in range(K):
        rows.text(0.5, k, _percent(recall[k]), **cell)
        columns.text(k, 0.5, _percent(precision[k]), **cell)
    rows.set(xlim=(0, 1), ylim=matrix.get_ylim(), xticks=[], yticks=[], xlabel="recall, %")
    columns.set(xlim=matrix.get_xlim(), ylim=(0, 1), xticks=[], yticks=[])
    columns.set_ylabel("precision, %", rotation="horizontal", ha="right", va="center")
    return figure


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f}"


def plot_predictions(
    images: Array, y_true: Array, probabilities: Array, title: str = "", columns: int = 5
) -> "Figure":
    """Images, and under each one the probability of every class; a wrong reading is hatched.

    Args:
        images: (N, H, W, C), a dozen or two.
        y_true: (N,) class numbers.
        probabilities: (N, K).
        title: data set and model.
        columns: how many images in a row.

    Returns:
        The figure.
    """
    N, K = finite(probabilities).shape
    rows = -(-N // columns)
    figure = new_figure(2.1 * columns, 3.1 * rows + 0.8, "Sample predictions", title)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 2] * rows)
    for n in range(rows * columns):
        row, column = 2 * (n // columns), n % columns
        picture, bars = grid[row, column], grid[row + 1, column]
        if n >= N:
            picture.remove()
            bars.remove()
            continue
        chosen = int(probabilities[n].argmax())
        right = chosen == y_true[n]
        verdict = "right" if right else f"WRONG: is {y_true[n]}"
        draw_image(picture, images[n], f"{chosen} ({probabilities[n, chosen]:.1%}), {verdict}")
        picture.set_xlabel("pixel column", fontsize="small")
        colors = ["0.6"] * K
        colors[chosen] = BLUE if right else VERMILION
        bars.bar(range(K), probabilities[n], color=colors)
        if not right:
            bars.patches[chosen].set(hatch="////", edgecolor="white")
        bars.set(ylim=(0, 1), xticks=range(K))
        bars.set_xlabel("class", fontsize="small")
        if column == 0:
            picture.set_ylabel("pixel row", fontsize="small")
            bars.set_ylabel("probability", fontsize="small")
        bars.tick_params(labelsize="x-small", labelleft=column == 0)
    return figure


def plot_mistakes(
    images: Array, y_true: Array, probabilities: Array, title: str = "", count: int = 20
) -> "Figure":
    """The mistakes that the model was surest of.

    Args:
        images: (N, H, W, C), of a whole test set.
        y_true: (N,) class numbers.
        probabilities: (N, K).
        title: data set and model.
        count: how many mistakes to show at most.

    Returns:
        The figure; without any mistake it says so.
    """
    wrong = confident_mistakes(y_true, probabilities)
    shown = wrong[:count]
    headline = f"No mistakes in {len(images):,} images"
    if len(wrong):
        headline = f"Mistakes: the {len(shown)} most confident of {len(wrong)} in {len(images):,}"
    columns = 5
    figure = new_figure(1.8 * columns, 2.0 * -(-len(shown) // columns) + 1.2, headline, title)
    if not len(wrong):
        return figure
    for axes, n in zip(image_grid(figure, len(shown), columns), shown, strict=True):
        read = probabilities[n].argmax()
        draw_image(axes, images[n], f"{y_true[n]} read as {read}, {probabilities[n, read]:.1%}")
    return figure


def plot_reading(
    picture: Array, image: Array, probabilities: Array, names: Sequence[str], title: str = ""
) -> "Figure":
    """A picture, what the network sees of it, and what it makes of that.

    Args:
        picture: the original, (h, w) gray or (h, w, 3), 0 to 255.
        image: (H, W), the network's input, 0 to 255.
        probabilities: (K,), its output.
        names: the names of the K classes.
        title: the title of the whole figure.

    Returns:
        The figure, 10 x 3.6 inches.
    """
    figure = new_figure(10, 3.6, title)
    original, seen, answer = figure.subplots(1, 3)
    for axes, pixels, name in ((original, picture, "picture"), (seen, image, "network's input")):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        axes.set(title=f"{name}, {pixels.shape[1]} x {pixels.shape[0]}", xticks=[], yticks=[])
        axes.set(xlabel="pixel column", ylabel="pixel row")
    bars = answer.bar([plain(name) for name in names], probabilities, color=BLUE)
    bars[int(finite(probabilities).argmax())].set_color(VERMILION)
    answer.set(title="answer", xlabel="class", ylabel="probability", ylim=(0, 1))
    return figure
