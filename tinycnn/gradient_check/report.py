"""What a gradient check found: the verdicts as a table, and what they suggest in words."""

import html
from dataclasses import dataclass, field

import numpy as np

from tinycnn.gradient_check.slopes import VERDICTS, Comparison
from tinycnn.support.reprs import table

# What the words in the table mean, for the help of the commands that print it.
LEGEND = (
    "In the table: error is the largest difference between gradient and slope, relative to the "
    "largest slope, or - if there is no element to compare. kink: the slopes from the left and "
    "from the right differ, as relu's do at 0, and any value between them is right. too small: the "
    "difference is lost in rounding, so the slope can't tell; it is no failure."
)
HEADER = f"{'':<4}  {'checked':<40} {'gradient of':<15} {'error':<7}  verdicts"


@dataclass(frozen=True, repr=False)
class GradientReport:
    """What a check found.

    Attributes:
        title: what was checked.
        comparisons: one for the input and one for each parameter; none if a rule is broken, because
            slopes mean nothing then. Each has the slopes as `numeric` and the gradient as
            `analytic`, arrays of one shape; `plotting.plot_gradients(report)` draws them.
        faults: the rules that were broken and what may explain a FAIL, as sentences.
        suggestions: for the name of a gradient that fails, what its numbers look like.
        ties: whether equal inputs were tried, as a sentence; "" if the question does not arise.
    """

    title: str
    comparisons: list[Comparison]
    faults: list[str] = field(default_factory=list)
    suggestions: dict[str, str] = field(default_factory=dict)
    ties: str = ""

    @property
    def worst(self) -> float:
        """The largest relative error away from kinks; NaN if all are kinks, or a gradient is."""
        errors = [c.error for c in self.comparisons if not all(slope.kink for slope in c.slopes)]
        return float(np.max(errors)) if errors else float("nan")

    @property
    def passed(self) -> bool:
        """Whether every gradient agrees and every rule is kept."""
        return not self.faults and all(comparison.passed for comparison in self.comparisons)

    def raise_if_failed(self) -> None:
        """Raises ArithmeticError, naming broken rules and the worst elements, unless it passed."""
        if not self.passed:
            raise ArithmeticError(str(self))

    def rows(self) -> list[str]:
        """The lines of the table, without the titles of its columns."""
        lines = [f"FAIL  {self.title:<40} {fault}" for fault in self.faults]
        for c in self.comparisons:
            verdict = "pass" if c.passed else "FAIL"
            lines.append(f"{verdict}  {self.title:<40} {c.name:<15} {_error(c):<7}  {_counts(c)}")
            if not c.passed:
                lines += [f"      {slope}" for slope in c.worst(5)]
            if c.name in self.suggestions:
                lines.append(f"      pattern: {self.suggestions[c.name]}")
        return lines

    def __str__(self) -> str:
        return "\n".join([HEADER, *self.rows(), *([f"ties: {self.ties}"] if self.ties else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: the same table, and the sentences below it."""
        rows = [
            ["pass" if c.passed else "FAIL", c.name, _error(c), _counts(c)]
            for c in self.comparisons
        ]
        notes = [f"FAIL: {fault}" for fault in self.faults]
        for c in self.comparisons:
            if not c.passed:
                notes += [f"{c.name} {slope}" for slope in c.worst(3)]
            if c.name in self.suggestions:
                notes.append(f"pattern of {c.name}: {self.suggestions[c.name]}")
        notes += [f"ties: {self.ties}"] if self.ties else []
        made = table(["verdict", "gradient of", "error", "verdicts"], rows, self.title)
        return made + "".join(f"<p>{html.escape(note)}</p>" for note in notes)


def _error(comparison: Comparison) -> str:
    """The error; "-" if there is none, because all elements are at kinks."""
    none = np.isnan(comparison.error) and np.isfinite(comparison.analytic).all()
    return "-" if none else f"{comparison.error:.1e}"


def _counts(comparison: Comparison) -> str:
    return ", ".join(f"{comparison.count(verdict)} {verdict}" for verdict in VERDICTS)
