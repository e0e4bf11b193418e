"""A gradient beside its measured slopes: what a gradient check compared."""

from typing import TYPE_CHECKING

import numpy as np

from tinycnn.gradient_check.report import GradientReport
from tinycnn.gradient_check.slopes import Comparison
from tinycnn.plotting.arrays import plot_arrays
from tinycnn.utils import Array

if TYPE_CHECKING:
    from tinycnn.plotting.picture import Picture


def plot_gradients(report: GradientReport, name: str | None = None) -> "Picture":
    """The slopes, the gradient of `backward`, and their difference, side by side.

    Of an array with more than two dimensions one plane is drawn, that with the largest difference:
    of images their rows and columns, of a kernel likewise. The title says which.

    Args:
        report: from `gradient_check.check_layer` or `check_loss`.
        name: of the gradient, "x" or a parameter's; None takes the first that fails, else the
            first.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no gradient of that name, or a broken rule left none to compare.

    Example:
        >>> report = check_layer(Dense(2), np.ones((2, 3)))
        >>> plot_gradients(report, "kernel").savefig("gradients.png")
    """
    comparison = _chosen(report, name)
    numeric, analytic = comparison.numeric, comparison.analytic
    difference = np.where(comparison.certain | comparison.wrong, analytic - numeric, 0.0)
    place, words = _plane(difference, comparison.name)
    return plot_arrays(
        {
            "measured slopes": numeric[place],
            "backward": analytic[place],
            "difference": difference[place],
        },
        f"{report.title}: the gradient of {words}",
    )


def _chosen(report: GradientReport, name: str | None) -> Comparison:
    known = {comparison.name: comparison for comparison in report.comparisons}
    if not known:
        raise ValueError(f"there is no gradient to draw: {'; '.join(report.faults)}")
    if name is None:
        failed = [comparison for comparison in report.comparisons if not comparison.passed]
        return (failed or report.comparisons)[0]
    if name not in known:
        raise ValueError(f"`name` must be one of {', '.join(known)}. Received: name={name!r}")
    return known[name]


def _plane(difference: Array, name: str) -> tuple[tuple[int | slice, ...], str]:
    """The index of two axes of the array, where it differs most, and the words for it."""
    if difference.ndim <= 2:
        return (slice(None),) * difference.ndim, name
    worst = np.unravel_index(int(np.argmax(np.nan_to_num(np.abs(difference)))), difference.shape)
    # A kernel (KH, KW, C, F) has its rows and columns in front, images (N, H, W, C) after N.
    first = 0 if name == "kernel" else difference.ndim - 3
    place: list[int | slice] = [int(i) for i in worst]
    place[first] = place[first + 1] = slice(None)
    return tuple(
        place
    ), f"{name}[{', '.join(':' if isinstance(i, slice) else str(i) for i in place)}]"
