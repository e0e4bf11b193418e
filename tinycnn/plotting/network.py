"""A model's layers as boxes, from the input to the output."""

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tinycnn.layers import Layer
from tinycnn.models import Sequential
from tinycnn.plotting.figures import BLUE, new_figure, plain
from tinycnn.support.arguments import one_of, positive, truth
from tinycnn.support.keywords import refuse_unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARGUMENTS = (
    *("model", "to_file", "show_shapes", "show_layer_names", "show_layer_activations"),
    *("show_trainable", "rankdir", "dpi", "title"),
)


def plot_model(
    model: Sequential,
    to_file: str | os.PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    rankdir: str = "TB",
    dpi: float = 200,
    title: str = "",
    **unknown: Any,
) -> "Figure":
    """Draws a box for each layer, and saves the picture: Keras's `utils.plot_model`.

    Args:
        model: one whose input shape is known.
        to_file: where to save it; its ending names the format. None does not save it.
        show_shapes: write the shapes of inputs and outputs.
        show_layer_names: write the layers' names.
        show_layer_activations: write the activations.
        show_trainable: write whether a layer learns.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        dpi: pixels an inch.
        title: the picture's title, which should name the model; "" is the model's name.
        unknown: none; for Keras's other arguments the error says what to write instead.

    Returns:
        The figure.

    Raises:
        ValueError: if the model can't be built, or for an argument out of range.
        TypeError: for any other argument.
        OSError: if the file can't be written.
    """
    refuse_unknown("plot_model", unknown, ARGUMENTS)
    down = one_of(rankdir, ("TB", "LR"), "rankdir") == "TB"
    dpi = positive(dpi, "dpi")
    model.build()
    shown = {
        "names": truth(show_layer_names, "show_layer_names"),
        "activations": truth(show_layer_activations, "show_layer_activations"),
        "shapes": truth(show_shapes, "show_shapes"),
        "trainable": truth(show_trainable, "show_trainable"),
    }
    first = ["Input", *([f"out: {model.input.shape}"] if shown["shapes"] else [])]
    boxes = [first, *(_lines(layer, shown) for layer in model.chain)]
    width = 0.1 * max(len(line) for lines in boxes for line in lines) + 0.7  # inches
    height = 0.2 * max(len(lines) for lines in boxes) + 0.6
    last = len(boxes) - 1
    if down:
        figure = new_figure(width, height * len(boxes) + 0.6, title or model.name)
    else:
        figure = new_figure(width * len(boxes), height + 0.6, title or model.name)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(-0.5, 0.5 if down else last + 0.5), ylim=(last + 0.5 if down else 0.5, -0.5))
    frame = {"boxstyle": "square,pad=0.4", "facecolor": "white", "edgecolor": BLUE}
    texts = []
    for i, lines in enumerate(boxes):
        place = (0, i) if down else (i, 0)
        text = axes.text(*place, plain("\n".join(lines)), ha="center", va="center", fontsize=9)
        text.set_bbox(frame)
        texts.append((place, text.get_bbox_patch()))
    for (start, start_box), (end, end_box) in pairwise(texts):
        arrow = {"arrowstyle": "->", "color": "dimgray", "patchA": start_box, "patchB": end_box}
        axes.annotate("", xy=end, xytext=start, arrowprops=arrow)
    if to_file is not None:
        figure.savefig(to_file, dpi=dpi)
    return figure


def _lines(layer: Layer, shown: dict[str, bool]) -> list[str]:
    """What stands in a layer's box."""
    lines = [type(layer).__name__]
    activation = getattr(layer, "activation", None)
    if shown["names"]:
        lines.insert(0, str(layer.name))
    if shown["activations"] and activation is not None:
        lines.append(f"activation: {activation}")
    if shown["shapes"]:
        lines += [f"in: {layer.input.shape}", f"out: {layer.output.shape}"]
    if shown["trainable"] and layer.parameters:
        lines.append("trainable" if layer.trainable else "frozen")
    return lines
