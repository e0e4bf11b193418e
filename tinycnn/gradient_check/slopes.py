"""Measured slopes: the derivative along one direction, and whether there is a kink.

What a layer computes is continuous, and smooth except where its branches meet. Near w, then,
    f(w + h) - f(w) = right * h + O(h^2),   f(w) - f(w - h) = left * h + O(h^2),
with left = right where it is smooth. As h shrinks to h/4, there are three cases:
- curvature: the slopes on both sides approach one number, and their gap shrinks to a quarter;
- a kink: the gap stays, and so does the slope *on each side*: each belongs to one branch;
- a jump, or noise: f(w + h) - f(w) does not shrink with h, so a side's slope grows fourfold.
  No continuous function does that, and "between the two slopes" has no meaning then.
So a gap alone does not make a kink. Each side's slopes at two successive steps must agree as well,
for every output by itself; the gradient is then compared with these slopes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinycnn.utils import Array

STEP = 1e-5
SMALLER_STEPS = 6  # how many times the step is divided by 4 at what may be a kink
# Relative, of one element; a slope's own error is about 1e-10 of its array's largest element.
ELEMENT_TOLERANCE = 1e-6
# Relative to the largest element; measured errors lie below 1e-9.
TOLERANCE = 1e-7
# How much a side's slope may change from h to h/4 at a kink, relative to the larger of its output's
# two slopes. A jump makes it 4 times as large. A kink at a distance d from w, below the smallest
# step (2.4e-9), looks like one at w. From the first step to the second it changes the slope by
# 3 d/h of the gap; the gap is at most twice the larger slope, so that is at most 1.5e-3.
SIDE_TOLERANCE = 2e-3
# Relative rounding error of what forward returns: sums of a hundred products or so.
ROUNDING = 64 * np.finfo(np.float64).eps

VERDICTS = ("pass", "FAIL", "kink", "too small")


class Slope(NamedTuple):
    """The derivative along one direction, measured and as `backward` says.

    Attributes:
        where: the element, or the direction.
        analytic: from `backward`.
        numeric: the central slope.
        left: the slope on one side.
        right: the slope on the other.
        low: the sum over all outputs of the smaller of their two slopes.
        high: the sum of the larger ones.
        noise: the rounding error of a slope.
        kink: whether left and right belong to different branches.
        jump: whether they are not slopes: they differ, and do not settle as the step shrinks.
    """

    where: str
    analytic: float
    numeric: float
    left: float
    right: float
    low: float
    high: float
    noise: float
    kink: bool
    jump: bool = False

    @property
    def verdict(self) -> str:
        """One of VERDICTS."""
        if self.jump:
            return "FAIL"
        size = max(abs(self.analytic), abs(self.numeric))
        if self.kink:
            slack = self.noise + ELEMENT_TOLERANCE * max(abs(self.left), abs(self.right))
            inside = self.low - slack <= self.analytic <= self.high + slack
            return "kink" if inside else "FAIL"
        if self.difference <= ELEMENT_TOLERANCE * size:
            return "pass"
        return "too small" if self.difference <= self.noise else "FAIL"

    @property
    def difference(self) -> float:
        """How far the gradient is from the central slope."""
        return abs(self.analytic - self.numeric)

    def __str__(self) -> str:
        ratio = f"{self.analytic / self.numeric:.6g}" if self.numeric else "-"
        sides = ""
        if self.kink or self.jump:
            sides = f" (left {self.left:.9g}, right {self.right:.9g})"
        if self.jump:
            sides += ", which grow as the step shrinks: forward jumps here, which is not a kink"
        numbers = f"backward {self.analytic:.9g}, numerical {self.numeric:.9g}{sides}"
        return f"at {self.where}: {numbers}, ratio {ratio}"


@dataclass(frozen=True)
class Comparison:
    """One gradient compared with slopes.

    Attributes:
        name: "x", "kernel", ...
        slopes: one for each element, then one for each group of tied elements.
        shape: that of the array whose elements were moved; of a check along directions, how many
            directions.
    """

    name: str
    slopes: list[Slope]
    shape: tuple[int, ...]

    @property
    def numeric(self) -> Array:
        """The central slopes, in the shape of the gradient."""
        return self._array([slope.numeric for slope in self._elements])

    @property
    def analytic(self) -> Array:
        """The gradient from `backward`."""
        return self._array([slope.analytic for slope in self._elements])

    @property
    def certain(self) -> Array:
        """Of each element, whether its slope can tell: no kink, no jump, not lost in rounding."""
        return self._array([s.verdict in ("pass", "FAIL") and not s.kink for s in self._elements])

    @property
    def wrong(self) -> Array:
        """Of each element, whether it is a FAIL."""
        return self._array([slope.verdict == "FAIL" for slope in self._elements])

    @property
    def _elements(self) -> list[Slope]:
        return self.slopes[: math.prod(self.shape)]

    def _array(self, values: list[Any]) -> Array:
        return np.array(values).reshape(self.shape)

    def worst(self, count: int) -> list[Slope]:
        """The slopes that fail by most."""
        bad = [slope for slope in self.slopes if slope.verdict == "FAIL"] or self.slopes
        return sorted(bad, key=lambda s: -np.nan_to_num(s.difference, nan=np.inf))[:count]

    def count(self, verdict: str) -> int:
        """How many slopes got this verdict."""
        return sum(slope.verdict == verdict for slope in self.slopes)

    @property
    def error(self) -> float:
        """The largest difference away from kinks, relative to the largest slope; NaN if none."""
        smooth = [slope for slope in self.slopes if not slope.kink and not slope.jump]
        if not smooth:
            return float("nan")
        scale = max(max(abs(slope.analytic), abs(slope.numeric)) for slope in smooth)
        differences = [slope.difference for slope in smooth]
        return float(np.max(differences)) / scale if scale else 0.0

    @property
    def passed(self) -> bool:
        """Whether there is no FAIL, no error above TOLERANCE, and at least one conclusive slope."""
        telling = [
            slope
            for slope in self.slopes
            if slope.verdict == "pass" or (slope.verdict == "kink" and np.isfinite(slope.low))
        ]
        return bool(telling) and not self.count("FAIL") and not self.error > TOLERANCE


def numerical_gradient(f: Callable[[], Any], array: Array, step: float = STEP) -> Array:
    """The derivative of `f()` with respect to every element of `array`, by central differences.

    Args:
        f: computes a number from the current values of `array`, or an array of terms. The terms'
            differences are added up, which loses fewer digits than the difference of two sums.
        array: float64; each element is moved and put back exactly.
        step: h.

    Returns:
        An array of the shape of `array`; at a kink it has the mean of the left and right slopes.
    """
    slopes = slopes_of(f, array, np.zeros_like(array), lambda: [], step)
    return np.array([slope.numeric for slope in slopes[: array.size]]).reshape(array.shape)


def slopes_of(
    f: Callable[[], Any],
    array: Array,
    gradient: Array,
    branches: Callable[[], list[Array]],
    step: float = STEP,
) -> list[Slope]:
    """The slope along every element of `array`, and along every group of tied ones at a kink."""
    here = f(), branches()
    slopes = []
    tied: dict[float, None] = {}  # the values of elements at a kink, each once, in order
    for place in np.ndindex(array.shape):
        where = str(tuple(int(i) for i in place))
        analytic = float(gradient[place])
        slope = slope_of(f, _mover(array, place), where, analytic, here, branches, step)
        slopes.append(slope)
        if slope.kink:
            tied[float(array[place])] = None
    for value in tied:
        group = array == value
        if group.sum() > 1:
            where, total = f"all {group.sum()} equal to {value:g}", float(gradient[group].sum())
            slopes.append(slope_of(f, _mover(array, group), where, total, here, branches, step))
    return slopes


def _mover(array: Array, chosen: Any) -> Callable[[float], float]:
    """A function that moves the chosen elements, and returns by how much they really moved."""
    original = np.copy(array[chosen])

    def move(distance: float) -> float:
        array[chosen] = original + distance
        first = np.ravel(original)[0]
        return float((first + distance) - first)

    return move


def slope_of(
    f: Callable[[], Any],
    move: Callable[[float], float],
    where: str,
    analytic: float,
    here: tuple[Any, list[Array]],
    branches: Callable[[], list[Array]],
    step: float,
) -> Slope:
    """The slope along the direction in which `move` goes; `here` is f() and its branches now."""
    value, branches_here = here
    gap_before = 0.0
    kink: tuple[Array, Array, float] | None = None  # its slopes, once they have settled
    lefts_before = rights_before = noises_before = np.zeros(())
    for attempt in range(SMALLER_STEPS + 1):
        up = move(step)
        plus, branches_up = f(), branches()
        down = -move(-step)
        minus, branches_down = f(), branches()
        move(0.0)
        changed = plus != minus
        changed = changed if np.any(changed) else np.ones_like(changed)
        noise = float(ROUNDING * np.sum(np.abs(plus) + np.abs(value), where=changed) / step)
        lefts, rights = (value - minus) / down, (plus - value) / up
        left, right = float(np.sum(lefts)), float(np.sum(rights))
        gap = right - left
        same = bool(branches_here) and all(
            np.array_equal(branch, a) and np.array_equal(branch, b)
            for branch, a, b in zip(branches_here, branches_up, branches_down, strict=True)
        )
        noises = ROUNDING * (np.abs(plus) + np.abs(value)) / step  # of each output's slopes
        if attempt and kink is None:
            bound = noises + noises_before + SIDE_TOLERANCE * np.maximum(abs(lefts), abs(rights))
            changes = np.maximum(abs(lefts - lefts_before), abs(rights - rights_before))
            if np.all(changes <= bound):
                kink = lefts, rights, noise
        lefts_before, rights_before, noises_before = lefts, rights, noises
        # Curvature makes a gap of c*h, a kink a gap of j for any h; so two steps determine j.
        j = (4 * gap - gap_before) / 3 if attempt else gap
        slack = noise + (ELEMENT_TOLERANCE / 10 * max(abs(left), abs(right)) if attempt else 0.0)
        # Branches may also change without effect: between equal maxima, by rounding.
        smooth = same or bool(abs(j) <= slack)
        if smooth:
            break
        gap_before, step = gap, step / 4
    numeric = float(np.sum(plus - minus)) / (up + down)
    if not smooth and kink is not None:
        lefts, rights, noise = kink
        left, right = float(np.sum(lefts)), float(np.sum(rights))
    low, high = float(np.sum(np.minimum(lefts, rights))), float(np.sum(np.maximum(lefts, rights)))
    kinked, jump = not smooth and kink is not None, not smooth and kink is None
    return Slope(where, analytic, numeric, left, right, low, high, noise, kinked, jump)
