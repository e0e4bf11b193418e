"""Grades the functions of a convolutional network that students write, and names the mistake.

In a notebook, `check(function)` grades one function. On the command line, `python -m
tinycnn.grader --new student.py` writes a file of empty functions, and `python -m tinycnn.grader
student.py` grades it. It is made to teach, not to examine: it can be cheated.
"""

from collections.abc import Callable
from typing import Any

from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.grading import check_here
from tinycnn.grader.report import Level, Report
from tinycnn.support.arguments import integer
from tinycnn.support.console import say
from tinycnn.utils import next_seed

__all__ = ["Report", "check"]


def check(
    function: Callable[..., Any],
    hint: bool = False,
    seed: int | None = None,
    *,
    explain: bool = False,
) -> Report:
    """Grades one function, prints what was found, and returns it.

    Args:
        function: one of those in the file that `--new` writes; it is known by its name.
        hint: whether the likely cause of a mistake is told, too.
        seed: of the questions; None draws another one each time. The report says which.
        explain: whether it is also told what holds instead of the mistake.

    Returns:
        The report.

    Raises:
        ValueError: if there is no exercise of that name.

    Example:
        >>> import numpy as np
        >>> from tinycnn.grader import check
        >>> def relu_forward(x):
        ...     return np.maximum(x, 0)
        >>> check(relu_forward, seed=1).status
        relu_forward is right in all 6 cases.
        'right'
    """
    name = getattr(function, "__name__", None)
    if name not in EXERCISES:
        raise ValueError(
            f"the grader knows a function by its name, one of {', '.join(EXERCISES)}. "
            f"Received: {name or function!r}"
        )
    seed = next_seed() if seed is None else integer(seed, "seed", least=0)
    level: Level = "explain" if explain else "hint" if hint else "found"
    report = check_here(function, EXERCISES[name], seed, level)
    say(report.text)
    return report
