"""How training went, by epoch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.callbacks import History
from tinycnn.plotting.figures import BLUE, VERMILION, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(history: History, title: str = "") -> "Figure":
    """Metrics and loss by epoch, training beside validation; metrics that are arrays are left out.

    Args:
        history: what `fit` returned.
        title: the picture's title, which should name the data set and the model.

    Returns:
        The figure.
    """
    from matplotlib.ticker import MaxNLocator

    left_out = ("learning_rate", *(f"val_{name}" for name in history.history))
    names = [n for n in history.history if n not in left_out and _are_numbers(history.history[n])]
    figure = new_figure(5 * len(names), 4.3, title)
    epochs = [epoch + 1 for epoch in history.epoch]
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(epochs, history.history[name], "o-", color=BLUE, label="training")
        if f"val_{name}" in history.history:
            values = history.history[f"val_{name}"]
            axes.plot(epochs, values, "s--", color=VERMILION, label="validation")
        axes.set(title=plain(name.capitalize()), xlabel="epoch", ylabel=plain(name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.supxlabel(
        "training: mean over the epoch, while the weights change; validation: after the epoch",
        fontsize="small",
        color="dimgray",
    )
    return figure


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether no value is an array, such as a confusion matrix."""
    return not any(isinstance(value, np.ndarray) and value.ndim for value in values)
