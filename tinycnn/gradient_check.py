"""Gradient checks: is what `backward` returns the derivative of what `forward` computes?

For a scalar L = sum(dy * layer(x)), with dy drawn at random, every element of x and of every
parameter is moved by +-h, and the central difference
    (L(w + h) - L(w - h)) / 2h  =  dL/dw + O(h^2)
is held against `backward`. Three things make that trustworthy:
- float64 on both rungs: in float32 the difference of two almost equal numbers has no digits left;
- a random dy: with ones, the sums of a softmax are constant and any wrong backward passes;
- no kinks: where relu or max-pool switches between w - h and w + h there is no derivative to
  compare with. A layer that says which branches it took (`branches()`) is asked; h is then made
  smaller, and an element that sits on the kink itself is counted, not compared.

`python -m tinycnn.gradient_check` prints the table for every layer and loss of tinycnn and for the
whole reference network.

Source: the central difference as in CS231n's notes "Gradient checks"; the projection u . grad as in
HIPS/autograd's check_vjp.
"""

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn import console, kernels
from tinycnn.gradient_cases import layer_cases, loss_cases, reference_case
from tinycnn.layers import Layer
from tinycnn.losses import Loss
from tinycnn.models import Sequential
from tinycnn.parameter import Parameter
from tinycnn.utils import Array

STEP = 1e-5
# Measured errors lie below 1e-9; a factor wrong by a millionth is seen.
TOLERANCE = 1e-7
SMALLER_STEPS = 6  # tries with a quarter of the step, at a kink


@dataclass(frozen=True)
class Comparison:
    """One gradient held against the numerical one.

    Attributes:
        name: "x", "kernel", ...
        analytic: what `backward` returned.
        numeric: the central differences; NaN at a kink.
    """

    name: str
    analytic: Array
    numeric: Array

    @property
    def kinks(self) -> int:
        """How many elements had no derivative to compare with."""
        return int(np.isnan(self.numeric).sum())

    @property
    def error(self) -> float:
        """The largest difference, relative to the largest element of either gradient.

        NaN if there was nothing to compare: a check that saw nothing has not passed.
        """
        smooth = ~np.isnan(self.numeric)
        if not smooth.any():
            return float("nan")
        a, n = self.analytic[smooth], self.numeric[smooth]
        scale = max(np.abs(a).max(), np.abs(n).max())
        return float(np.abs(a - n).max() / scale) if scale else 0.0


@dataclass(frozen=True)
class GradientReport:
    """What a check found.

    Attributes:
        title: what was checked.
        comparisons: one for the input and one for each parameter.
        tolerance: the largest relative error that passes.
    """

    title: str
    comparisons: list[Comparison] = field(default_factory=list)
    tolerance: float = TOLERANCE

    @property
    def worst(self) -> float:
        """The largest relative error; NaN if a gradient holds one."""
        return float(np.max([comparison.error for comparison in self.comparisons]))

    @property
    def passed(self) -> bool:
        """Whether every gradient agrees; a NaN does not."""
        return self.worst <= self.tolerance

    def raise_if_failed(self) -> None:
        """Raises ArithmeticError, with the worst elements, if a gradient does not agree."""
        if not self.passed:
            raise ArithmeticError(str(self))

    def __str__(self) -> str:
        lines = []
        for c in self.comparisons:
            good = c.error <= self.tolerance
            kinks = f", {c.kinks} at a kink" if c.kinks else ""
            lines.append(
                f"{'pass' if good else 'FAIL'}  {self.title:<44} {c.name:<8}"
                f"{c.analytic.size:>6} elements{kinks}, largest relative error {c.error:.1e}"
            )
            if not good:
                difference = np.nan_to_num(np.abs(c.analytic - c.numeric), nan=np.inf).reshape(-1)
                for flat in np.argsort(-difference)[:5]:
                    place = tuple(int(i) for i in np.unravel_index(flat, c.analytic.shape))
                    a, n = float(c.analytic[place]), float(c.numeric[place])
                    ratio = f"{a / n:.6g}" if n else "-"
                    lines.append(
                        f"      at {place}: backward {a:.9g}, numerical {n:.9g}, ratio {ratio}"
                    )
        return "\n".join(lines)


def numerical_gradient(
    f: Callable[[], Any],
    array: Array,
    step: float = STEP,
    branches: Callable[[], list[Array]] = lambda: [],
) -> Array:
    """The derivative of the scalar `f()` by every element of `array`, by central differences.

    Args:
        f: computes the scalar from `array` as it is at the moment; or an array of terms, whose
            differences are added up, which loses fewer digits than a difference of sums.
        array: float64; each element is moved and put back exactly.
        step: h.
        branches: which branches the last f() took; arrays of any kind, compared for equality.

    Returns:
        An array of the shape of `array`; NaN where the branches change at any step tried.
    """
    gradient = np.full(array.shape, np.nan)
    for place in np.ndindex(array.shape):
        original = array[place]

        def move(distance: float, place: Any = place, original: Any = original) -> None:
            array[place] = original + distance

        gradient[place] = _central_difference(f, move, step, branches)
        array[place] = original
    return gradient


def _central_difference(
    f: Callable[[], Any],
    move: Callable[[float], None],
    step: float,
    branches: Callable[[], list[Array]],
) -> float:
    """Along one direction; `move(d)` goes to distance d. NaN at a kink."""
    for _ in range(SMALLER_STEPS):
        move(step)
        plus, branches_plus = f(), branches()
        move(-step)
        minus, branches_minus = f(), branches()
        if all(map(np.array_equal, branches_plus, branches_minus)):
            return float(np.sum(plus - minus)) / (2 * step)
        step /= 4
    return float("nan")


def check_layer(layer: Layer, x: Array, seed: int = 0) -> GradientReport:
    """Checks the gradients of a layer by its input and by all its parameters, element by element.

    Works on a copy in float64, in training mode, with the layer's noise held fixed; the layer
    itself is left as it was.

    Args:
        layer: any layer, also one of your own; it is built from `x` if it is not yet.
        x: a batch (N, ...); small, since each element costs two forwards. Values on a kink, such as
            equal ones in a pool's window, can't be compared.
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
    dx = layer.backward(dy)
    analytic = [("x", x, dx)] + [(p.name, p.value, p.grad) for p in layer.parameters if p.trainable]
    comparisons = [
        Comparison(
            name,
            _gradient(gradient, value, name),
            numerical_gradient(lambda: dy * forward(), value, branches=layer.branches),
        )
        for name, value, gradient in analytic
    ]
    return GradientReport(str(layer), comparisons)


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
    analytic = loss.backward()
    numeric = numerical_gradient(lambda: loss.forward(y_true, y_pred), y_pred)
    return GradientReport(type(loss).__name__, [Comparison("y_pred", analytic, numeric)])


def check_model(model: Sequential, x: Array, y: Array, seed: int = 0) -> GradientReport:
    """Checks a whole compiled model, loss included: one directional derivative for each parameter.

    Every element at once would take two forwards each; instead each parameter is moved along one
    direction u, half the gradient's own and half random, and u . grad is compared. Works on a copy
    in float64; the model itself is left as it was.

    Args:
        model: compiled.
        x: a batch of inputs.
        y: their targets.
        seed: of the directions.
    """
    x = np.array(x, np.float64)
    model.build(x.shape[1:])
    model = copy.deepcopy(model)
    model.dtype = "float64"
    model.layers = [_in_float64(layer, layer.input_shape or (), seed) for layer in model.layers]
    rng = np.random.default_rng([seed, 2])

    def loss() -> float:
        return model.loss_and_gradients(x, y)[0]

    def branches() -> list[Array]:
        return [branch for layer in model.layers for branch in layer.branches()]

    loss()
    named = [
        (f"{layer.name}/{p.name}", p)
        for layer in model.layers
        for p in layer.parameters
        if p.trainable
    ]
    gradients = [_gradient(p.grad, p.value, name).copy() for name, p in named]
    comparisons = []
    for (name, parameter), gradient in zip(named, gradients, strict=True):
        u = _unit(_unit(gradient) + _unit(np.asarray(rng.standard_normal(gradient.shape))))
        original = parameter.value.copy()

        def move(
            distance: float,
            parameter: Parameter = parameter,
            original: Array = original,
            u: Array = u,
        ) -> None:
            parameter.value[...] = original + distance * u

        numeric = _central_difference(loss, move, STEP, branches)
        move(0.0)
        comparisons.append(Comparison(name, np.array([np.sum(u * gradient)]), np.array([numeric])))
    return GradientReport(f"{model.name} (one direction each)", comparisons)


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


def _gradient(gradient: Array | None, value: Array, name: str) -> Array:
    """The gradient, or the error that a missing or misshapen one deserves."""
    shape = None if gradient is None else gradient.shape
    if gradient is None or shape != value.shape:
        raise ValueError(
            f"backward must give a gradient of shape {value.shape} for {name}. Received: {shape}"
        )
    return gradient


def check_everything(seed: int = 0) -> list[GradientReport]:
    """Every layer, every loss and the reference network, on the rung that is active."""
    reports = []
    for title, layer, x in layer_cases(seed):
        reports.append(GradientReport(title, check_layer(layer, x, seed).comparisons))
    for title, loss, y_true, y_pred in loss_cases(seed):
        reports.append(GradientReport(title, check_loss(loss, y_true, y_pred).comparisons))
    reports.append(check_model(*reference_case(seed), seed))
    return reports


def main(rungs: Sequence[str] = ("numpy", "numba")) -> int:
    """Prints the table on every rung; 0 if all pass, else 1."""
    failed = 0
    for rung in rungs:
        with kernels.use(rung):
            console.say(f"kernels: {rung}")
            reports = check_everything()
            for report in reports:
                console.say(str(report))
            failed += sum(not report.passed for report in reports)
            worst = max(report.worst for report in reports)
            console.say(f"{len(reports)} checks, {failed} failed, largest error {worst:.1e}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
