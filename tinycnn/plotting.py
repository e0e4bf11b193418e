"""Pictures. Each function returns a matplotlib Figure; save it with `figure.savefig(path)`.

No window is ever opened and no global state touched (Figure, never pyplot), so this works without
a display. matplotlib is imported by the functions, not by importing tinycnn.
"""

from typing import TYPE_CHECKING

from tinycnn.callbacks import History

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
