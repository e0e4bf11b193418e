"""Gradient checks: is what `backward` returns the derivative of what `forward` computes?

For a scalar L = sum(dy * layer(x)), with dy drawn at random, every element of x and of every
parameter is moved to w - h and w + h, which gives a left slope, a right slope and the central one,
    (L(w + h) - L(w - h)) / 2h  =  dL/dw + O(h^2),
and that is held against `backward`. Each element gets a verdict:
    pass       the central slope and the gradient agree;
    FAIL       they do not;
    kink       the left and the right slope differ, as relu's do at 0: there is no derivative, but
               what `backward` returned must lie between the two, or it is FAIL (of each output
               by itself: an element may be at a kink of one output and pass smoothly to another);
    too small  both are smaller than the rounding error of the slope: nothing can be said.
What makes that trustworthy:
- float64 on both rungs: in float32 the difference of two almost equal numbers has no digits left;
- a random dy: with ones, the sums of a softmax are constant and any wrong backward passes;
- kinks are found, not hoped away. A layer that says which branches it took (`branches()`) is asked;
  of any other, the two slopes are compared at h and at h/4: curvature shrinks, a kink does not;
- at ties, such as equal values in a pool's window, a gradient given to every one of them would pass
  element by element, so all elements of one value are moved together as well.

`python -m tinycnn.gradient_check` prints the table for every layer and loss of tinycnn and for the
whole reference network.

Sources: CS231n's notes "Gradient checks" (central difference, relative error); BVLC/caffe issue
1334 (one-sided slopes at kinks); HIPS/autograd's check_vjp (the projection u . grad).
"""

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinycnn import console, kernels
from tinycnn.gradient_cases import layer_cases, loss_cases, reference_cases
from tinycnn.layers import Layer
from tinycnn.losses import Loss
from tinycnn.models import Sequential
from tinycnn.parameter import Parameter
from tinycnn.utils import Array

STEP = 1e-5
SMALLER_STEPS = 6  # tries, each with a quarter of the step, at what may be a kink
# Of one element; a slope's own error is about 1e-10 of the largest element of its array.
ELEMENT_TOLERANCE = 1e-6
# Of the largest element; measured errors lie below 1e-9.
TOLERANCE = 1e-7
# How many times the rounding of the last bit a slope may be off: sums of a hundred products or so.
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

    @property
    def verdict(self) -> str:
        """One of VERDICTS."""
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
        """Between the gradient and the central slope."""
        return abs(self.analytic - self.numeric)

    def __str__(self) -> str:
        ratio = f"{self.analytic / self.numeric:.6g}" if self.numeric else "-"
        sides = f" (left {self.left:.9g}, right {self.right:.9g})" if self.kink else ""
        numbers = f"backward {self.analytic:.9g}, numerical {self.numeric:.9g}{sides}"
        return f"at {self.where}: {numbers}, ratio {ratio}"


@dataclass(frozen=True)
class Comparison:
    """One gradient held against slopes.

    Attributes:
        name: "x", "kernel", ...
        slopes: one for each element, then one for each group of tied elements.
    """

    name: str
    slopes: list[Slope]

    def count(self, verdict: str) -> int:
        """How many slopes got this verdict."""
        return sum(slope.verdict == verdict for slope in self.slopes)

    @property
    def error(self) -> float:
        """The largest difference at a smooth place, relative to the largest slope; NaN if none."""
        smooth = [slope for slope in self.slopes if not slope.kink]
        if not smooth:
            return float("nan")
        scale = max(max(abs(slope.analytic), abs(slope.numeric)) for slope in smooth)
        differences = [slope.difference for slope in smooth]
        return float(np.max(differences)) / scale if scale else 0.0

    @property
    def passed(self) -> bool:
        """No FAIL, no error above TOLERANCE, and at least one slope that told something."""
        telling = [
            slope
            for slope in self.slopes
            if slope.verdict == "pass" or (slope.verdict == "kink" and np.isfinite(slope.low))
        ]
        return bool(telling) and not self.count("FAIL") and not self.error > TOLERANCE


@dataclass(frozen=True)
class GradientReport:
    """What a check found.

    Attributes:
        title: what was checked.
        comparisons: one for the input and one for each parameter.
    """

    title: str
    comparisons: list[Comparison]

    @property
    def worst(self) -> float:
        """The largest relative error at a smooth place; NaN if there is none, or a gradient is."""
        errors = [c.error for c in self.comparisons if not all(slope.kink for slope in c.slopes)]
        return float(np.max(errors)) if errors else float("nan")

    @property
    def passed(self) -> bool:
        """Whether every gradient agrees."""
        return all(comparison.passed for comparison in self.comparisons)

    def raise_if_failed(self) -> None:
        """Raises ArithmeticError, with the worst elements, if a gradient does not agree."""
        if not self.passed:
            raise ArithmeticError(str(self))

    def __str__(self) -> str:
        lines = []
        for c in self.comparisons:
            counts = ", ".join(f"{c.count(verdict)} {verdict}" for verdict in VERDICTS)
            verdict = "pass" if c.passed else "FAIL"
            lines.append(f"{verdict}  {self.title:<40} {c.name:<15} {c.error:.1e}  {counts}")
            if not c.passed:
                bad = [slope for slope in c.slopes if slope.verdict == "FAIL"] or c.slopes
                worst = sorted(bad, key=lambda s: -np.nan_to_num(s.difference, nan=np.inf))
                lines += [f"      {slope}" for slope in worst[:5]]
        return "\n".join(lines)


# --- slopes ---------------------------------------------------------------------------------------


def numerical_gradient(f: Callable[[], Any], array: Array, step: float = STEP) -> Array:
    """The derivative of `f()` by every element of `array`, by central differences.

    Args:
        f: computes a number from `array` as it is at the moment; or an array of terms, whose
            differences are added up, which loses fewer digits than a difference of sums.
        array: float64; each element is moved and put back exactly.
        step: h.

    Returns:
        An array of the shape of `array`; at a kink the mean of the left and the right slope.
    """
    slopes = _slopes(f, array, np.zeros_like(array), lambda: [], step)
    return np.array([slope.numeric for slope in slopes[: array.size]]).reshape(array.shape)


def _slopes(
    f: Callable[[], Any],
    array: Array,
    gradient: Array,
    branches: Callable[[], list[Array]],
    step: float = STEP,
) -> list[Slope]:
    """The slope by every element of `array`, and by every group of tied ones at a kink."""
    here = f(), branches()
    slopes = []
    tied: dict[float, None] = {}  # the values of elements at a kink, each once, in order
    for place in np.ndindex(array.shape):
        where = str(tuple(int(i) for i in place))
        analytic = float(gradient[place])
        slope = _slope(f, _mover(array, place), where, analytic, here, branches, step)
        slopes.append(slope)
        if slope.kink:
            tied[float(array[place])] = None
    for value in tied:
        group = array == value
        if group.sum() > 1:
            where, total = f"all {group.sum()} equal to {value:g}", float(gradient[group].sum())
            slopes.append(_slope(f, _mover(array, group), where, total, here, branches, step))
    return slopes


def _mover(array: Array, chosen: Any) -> Callable[[float], float]:
    """A function that moves the chosen elements, and returns by how much they really moved."""
    original = np.copy(array[chosen])

    def move(distance: float) -> float:
        array[chosen] = original + distance
        first = np.ravel(original)[0]
        return float((first + distance) - first)

    return move


def _slope(
    f: Callable[[], Any],
    move: Callable[[float], float],
    where: str,
    analytic: float,
    here: tuple[Any, list[Array]],
    branches: Callable[[], list[Array]],
    step: float,
) -> Slope:
    """The slope along one direction, which `move(distance)` goes; `here` is f and its branches."""
    value, branches_here = here
    gap_before = 0.0
    for attempt in range(SMALLER_STEPS + 1):
        up = move(step)
        plus, branches_up = f(), branches()
        down = -move(-step)
        minus, branches_down = f(), branches()
        move(0.0)
        changed = plus != minus
        changed = changed if np.any(changed) else np.ones_like(changed)
        noise = ROUNDING * float(np.sum(np.abs(plus) + np.abs(value), where=changed)) / step
        lefts, rights = (value - minus) / down, (plus - value) / up
        left, right = float(np.sum(lefts)), float(np.sum(rights))
        gap = right - left
        same = bool(branches_here) and all(
            np.array_equal(branch, a) and np.array_equal(branch, b)
            for branch, a, b in zip(branches_here, branches_up, branches_down, strict=True)
        )
        # Curvature makes a gap of c*h, a kink one of j whatever h; so two steps tell j.
        j = (4 * gap - gap_before) / 3 if attempt else gap
        slack = noise + (ELEMENT_TOLERANCE / 10 * max(abs(left), abs(right)) if attempt else 0.0)
        # Branches may also change where nothing hangs on it: between equal maxima, by rounding.
        smooth = same or bool(abs(j) <= slack)
        if smooth:
            break
        gap_before, step = gap, step / 4
    numeric = float(np.sum(plus - minus)) / (up + down)
    low, high = float(np.sum(np.minimum(lefts, rights))), float(np.sum(np.maximum(lefts, rights)))
    return Slope(where, analytic, numeric, left, right, low, high, noise, not smooth)


# --- checks ---------------------------------------------------------------------------------------


def check_layer(layer: Layer, x: Array, seed: int = 0) -> GradientReport:
    """Checks the gradients of a layer by its input and by all its parameters, element by element.

    Works on a copy in float64, in training mode, with the layer's noise held fixed; the layer
    itself is left as it was.

    Args:
        layer: any layer, also one of your own; it is built from `x` if it is not yet.
        x: a batch (N, ...); small, since each element costs two forwards or more.
        seed: of the upstream gradient dy, the noise, and the weights if they are still to be made.

    Example:
        >>> check_layer(Dense(3, activation="relu"), np.ones((2, 4))).passed
        True
    """
    x = np.array(x, np.float64)
    layer = _in_float64(layer, x.shape[1:], seed)

    def forward() -> Array:
        if hasattr(layer, "rng"):
            layer.rng = np.random.default_rng(seed)
        return layer.forward(x, training=True)

    dy = np.asarray(np.random.default_rng([seed, 1]).standard_normal(forward().shape))
    dx = layer.backward(dy.copy())
    analytic = [("x", x, dx)] + [(p.name, p.value, p.grad) for p in layer.parameters if p.trainable]
    checked = [(name, value, _checked(gradient, value, name)) for name, value, gradient in analytic]
    return GradientReport(
        str(layer),
        [
            Comparison(name, _slopes(lambda: dy * forward(), value, gradient, layer.branches))
            for name, value, gradient in checked
        ],
    )


def check_loss(loss: Loss, y_true: Array, y_pred: Array) -> GradientReport:
    """Checks the gradient of a loss by its predictions, element by element, in float64.

    Args:
        loss: any loss.
        y_true: targets, as the loss expects them.
        y_pred: predictions (N, ...).
    """
    y_pred = np.array(y_pred, np.float64)
    loss = copy.deepcopy(loss)
    loss.forward(y_true, y_pred)
    gradient = _checked(loss.backward(), y_pred, "y_pred")
    slopes = _slopes(lambda: loss.forward(y_true, y_pred), y_pred, gradient, lambda: [])
    return GradientReport(type(loss).__name__, [Comparison("y_pred", slopes)])


def check_model(
    model: Sequential, x: Array, y: Array, seed: int = 0, directions: int = 3
) -> GradientReport:
    """Checks a whole compiled model, loss included: slopes along directions of each parameter.

    Every element by itself would take two forwards of the model; instead each parameter is moved
    along directions u, half the gradient's own and half random, and u . grad is compared. Works on
    a copy in float64; the model itself is left as it was. Here a kink says nothing of `backward`:
    the loss is one number, in which the kinks of many outputs meet with either sign.

    Args:
        model: compiled.
        x: a batch of inputs.
        y: their targets.
        seed: of the directions.
        directions: how many for each parameter.
    """
    x = np.array(x, np.float64)
    model.build(x.shape[1:])
    model = copy.deepcopy(model)
    model.dtype = "float64"
    model.layers = [_in_float64(layer, layer.input_shape or (), seed) for layer in model.layers]
    rng = np.random.default_rng([seed, 2])

    def loss() -> float:
        model.seed_noise()
        return model.loss_of(y, model.forward(x, training=True))

    def branches() -> list[Array]:
        return [branch for layer in model.layers for branch in layer.branches()]

    model.loss_and_gradients(x, y)
    here = loss(), branches()
    named = [
        (f"{layer.name}/{parameter.name}", parameter)
        for layer in model.layers
        for parameter in layer.parameters
        if parameter.trainable
    ]
    gradients = [_checked(p.grad, p.value, name).copy() for name, p in named]
    comparisons = []
    for (name, parameter), gradient in zip(named, gradients, strict=True):
        slopes = []
        for i in range(directions):
            u = _unit(_unit(gradient) + _unit(np.asarray(rng.standard_normal(gradient.shape))))
            move, where = _along(parameter, u), f"direction {i}"
            total = float(np.sum(u * gradient))
            slope = _slope(loss, move, where, total, here, branches, STEP)
            slopes.append(slope._replace(low=-np.inf, high=np.inf))
        comparisons.append(Comparison(name, slopes))
    return GradientReport(model.name, comparisons)


def _along(parameter: Parameter, u: Array) -> Callable[[float], float]:
    """A function that moves a parameter from where it is along `u`."""
    original = parameter.value.copy()

    def move(distance: float) -> float:
        parameter.value[...] = original + distance * u
        return distance

    return move


def _unit(array: Array) -> Array:
    length = np.linalg.norm(array)
    return array / length if length else array


def _in_float64(layer: Layer, input_shape: tuple[int, ...], seed: int) -> Layer:
    layer = copy.deepcopy(layer)
    layer.needs_input_gradient = True
    if not layer.built:
        layer.build(input_shape, np.random.default_rng(seed), "float64")
    layer.dtype = "float64"
    for parameter in layer.parameters:
        parameter.value = parameter.value.astype(np.float64)
    return layer


def _checked(gradient: Array | None, value: Array, name: str) -> Array:
    """The gradient, or the error that a missing or misshapen one deserves."""
    shape = None if gradient is None else gradient.shape
    if gradient is None or shape != value.shape:
        raise ValueError(
            f"backward must give a gradient of shape {value.shape} for {name}. Received: {shape}"
        )
    return gradient


# --- the table of everything in tinycnn -----------------------------------------------------------


def check_everything(seed: int = 0) -> list[GradientReport]:
    """Every layer, every loss and the reference network, on the rung that is active."""
    reports = []
    for title, layer, x in layer_cases(seed):
        reports.append(GradientReport(title, check_layer(layer, x, seed).comparisons))
    for title, loss, y_true, y_pred in loss_cases(seed):
        reports.append(GradientReport(title, check_loss(loss, y_true, y_pred).comparisons))
    for title, model, images, labels in reference_cases(seed):
        reports.append(GradientReport(title, check_model(model, images, labels, seed).comparisons))
    return reports


def main(rungs: Sequence[str] = ("numpy", "numba")) -> int:
    """Prints the table on every rung; 0 if all pass, else 1."""
    failed = 0
    for rung in rungs:
        with kernels.use(rung):
            console.say(f"kernels: {rung}; for each gradient the largest relative error, verdicts")
            reports = check_everything()
            for report in reports:
                console.say(str(report))
            failed += sum(not report.passed for report in reports)
            worst = max(report.worst for report in reports)
            console.say(f"{len(reports)} checks, {failed} failed, largest error {worst:.1e}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
