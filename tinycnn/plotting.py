"""Pictures. Each function returns a matplotlib Figure; save it with `figure.savefig(path)`.

No window is ever opened and no global state touched (Figure, never pyplot), so this works without
a display. matplotlib is imported by the functions, not by importing tinycnn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinycnn.callbacks import History
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion: told apart by every kind of eye, and in grey.
TRAINING, VALIDATION = "#0072B2", "#D55E00"


def plot_history(history: History, title: str = "") -> "Figure":
    """Accuracy and loss by epoch, training beside validation.

    Args:
        history: from `fit`.
        title: of the whole picture; say the data set and the model.

    Returns:
        The figure, 10 x 4 inches.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [name for name in ("accuracy", "loss") if name in history.history]
    figure = Figure(figsize=(5 * len(names), 4.3), layout="constrained")
    epochs = [epoch + 1 for epoch in history.epoch]
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(epochs, history.history[name], "o-", color=TRAINING, label="training")
        if f"val_{name}" in history.history:
            values = history.history[f"val_{name}"]
            axes.plot(epochs, values, "s--", color=VALIDATION, label="validation")
        axes.set(title=name.capitalize(), xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    if title:
        figure.suptitle(title)
    figure.supxlabel(
        "training: mean over the epoch, while the weights change; validation: after the epoch",
        fontsize="small",
        color="dimgray",
    )
    return figure


def plot_reading(
    picture: Array, image: Array, probabilities: Array, names: Sequence[str], title: str = ""
) -> "Figure":
    """A picture, what the network sees of it, and what it makes of that.

    Args:
        picture: the original, (h, w) gray or (h, w, 3), 0 to 255.
        image: (H, W), the network's input, 0 to 255.
        probabilities: (K,), its output.
        names: of the K classes.
        title: of the whole picture.

    Returns:
        The figure, 10 x 3.6 inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    original, seen, answer = figure.subplots(1, 3)
    for axes, pixels, name in ((original, picture, "picture"), (seen, image, "network's input")):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        axes.set(title=f"{name}, {pixels.shape[1]} x {pixels.shape[0]}", xticks=[], yticks=[])
    bars = answer.bar(names, probabilities, color=TRAINING)
    bars[int(probabilities.argmax())].set_color(VALIDATION)
    answer.set(title="answer", ylabel="probability", ylim=(0, 1))
    figure.suptitle(title)
    return figure
