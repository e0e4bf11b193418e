"""Gradient checks: is what `backward` returns the derivative of what `forward` computes?

For a scalar L = sum(dy * layer(x)), with dy drawn at random, every element w of x and of every
parameter is moved to w - h and w + h. This gives a left slope, a right slope and the central one,
    (L(w + h) - L(w - h)) / 2h  =  dL/dw + O(h^2),
which is compared with the gradient from `backward`. Each element gets a verdict:
    pass       the central slope and the gradient agree;
    FAIL       they do not;
    kink       the left and right slopes differ, as relu's do at 0. There is no derivative, but the
               gradient must lie between the two, or it is a FAIL. (Each output has slopes of its
               own: an element may be at a kink of one and not of another.)
    too small  both are smaller than the rounding error of the slope: nothing can be said.
What makes this trustworthy:
- float64 on both rungs: in float32 the difference of two almost equal numbers has no digits left;
- a random dy: with ones, L would be the sum of a softmax, which is constant, and a backward that
  returned zeros would pass;
- kinks are found, not hoped away. A layer that reports its branches (`branches()`) is asked; for
  any other, the left and right slopes are compared at h and at h/4. A difference due to curvature
  shrinks, one due to a kink stays, and one that grows is due to a jump, a FAIL: see slopes.py;
- the layer must give the same output for the same x, in float64, change nothing in place and hide
  no parameter, or it FAILs with the reason: see rules.py;
- at ties, such as equal values in a pool's window, a backward that gave the gradient to each of
  them would pass element by element, so all elements of the same value are also moved together;
  where there are none in x, it is tried once more with some.
Where a gradient fails, the report also says what its numbers look like, in words: see patterns.py.

`python -m tinycnn.gradient_check` prints the table for every layer and loss of tinycnn and for the
whole reference network.

Sources: CS231n's notes "Gradient checks" (central difference, relative error); BVLC/caffe issue
1334 (one-sided slopes at kinks); HIPS/autograd's check_vjp (the projection u . grad).
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tinycnn import kernels
from tinycnn.gradient_check.cases import layer_cases, loss_cases, reference_cases
from tinycnn.gradient_check.optimizers import OptimizerReport as OptimizerReport
from tinycnn.gradient_check.optimizers import check_optimizer as check_optimizer
from tinycnn.gradient_check.patterns import Gradient, suggestion
from tinycnn.gradient_check.report import HEADER, GradientReport
from tinycnn.gradient_check.rules import broken_rules, broken_rules_of_loss, coarse
from tinycnn.gradient_check.slopes import STEP, Comparison, slope_of, slopes_of
from tinycnn.gradient_check.slopes import VERDICTS as VERDICTS
from tinycnn.gradient_check.slopes import numerical_gradient as numerical_gradient
from tinycnn.layers import Layer
from tinycnn.losses import Loss
from tinycnn.models import Sequential
from tinycnn.parameter import Parameter
from tinycnn.support import console
from tinycnn.utils import Array

# --- checks ---------------------------------------------------------------------------------------


def check_layer(layer: Layer, x: Array, seed: int = 0, ties: bool = True) -> GradientReport:
    """Checks a layer's gradients with respect to its input and its parameters, element by element.

    It works on a copy in float64, in training mode, with the layer's noise held fixed; the layer
    itself is left as it was. If all is well, and no equal values meet in `x`, its first sample is
    checked once more with neighbours made equal: at ties a max-pool, for one, has to choose.

    Args:
        layer: any layer, also one of your own; if it is not built yet, the copy is built from `x`.
        x: a batch (N, ...); keep it small, since each element costs two forward passes or more.
        seed: decides the upstream gradient dy, the noise, and the weights if they have to be made.
        ties: False leaves out the second check.

    Example:
        >>> check_layer(Dense(3, activation="relu"), np.ones((2, 4))).passed
        True
    """
    if not isinstance(layer, Layer):
        raise ValueError(f"`layer` must be a Layer object, such as Dense(3). Received: {layer!r}")
    x = np.array(x, np.float64)
    layer = _in_float64(layer, x.shape[1:], seed)

    def forward(x: Array = x) -> Array:
        if hasattr(layer, "rng"):
            layer.rng = np.random.default_rng(seed)
        return layer.forward(x, training=True)

    if faults := broken_rules(layer, x, forward):
        return GradientReport(str(layer), [], faults)
    y = forward().copy()
    dy = np.asarray(np.random.default_rng([seed, 1]).standard_normal(y.shape))
    dx = layer.backward(dy.copy())
    analytic = [("x", x, dx)] + [(p.name, p.value, p.grad) for p in layer.parameters if p.trainable]
    checked = [(name, value, _checked(gradient, value, name)) for name, value, gradient in analytic]
    comparisons = [
        Comparison(
            name,
            slopes_of(lambda: dy * forward(), value, gradient, layer.branches),
            value.shape,
        )
        for name, value, gradient in checked
    ]
    report = GradientReport(str(layer), comparisons)
    if report.passed:
        said, failed = _ties(layer, x, comparisons[0], forward, dy) if ties else ("not tried", [])
        return replace(report, comparisons=[*comparisons, *failed], ties=said)
    if any(coarse(forward, value) for _, value, _ in checked):
        report.faults.append(
            "forward rounds to float32 on the way, where a slope has no digits left: compute in "
            "`self.dtype`, without astype(np.float32) and the like"
        )
    places = math.prod(dy.shape[1:-1])
    counts = {"the number of samples": len(x), "the number of places": places}
    counts["samples times places"] = len(x) * places if places > 1 else 1
    values = [value for _, value, _ in checked]
    suggestions = _suggestions(comparisons, values, {"dy": dy, "x": x, "y": y}, counts)
    return replace(report, suggestions=suggestions, ties="not tried, for there is a FAIL already")


def _suggestions(
    comparisons: Sequence[Comparison],
    values: Sequence[Array],
    others: dict[str, Array],
    counts: dict[str, int],
) -> dict[str, str]:
    """What each gradient that fails looks like, in words, by its name."""
    made = {}
    for c, value in zip(comparisons, values, strict=True):
        rest = {name: array for name, array in others.items() if name != c.name}
        words = suggestion(
            Gradient(c.name, c.numeric, c.analytic, c.certain, c.wrong, value, rest, counts)
        )
        if words:
            made[c.name] = words
    return made


def _ties(
    layer: Layer, x: Array, plain: Comparison, forward: Callable[[Array], Array], dy: Array
) -> tuple[str, list[Comparison]]:
    """What the report says of ties, and the comparison with ties if it fails."""
    if any(slope.where.startswith("all ") for slope in plain.slopes):
        return "there are equal inputs in x at kinks, which were moved together, too", []
    tied, dy = x[:1], dy[:1]
    for axis in range(1, x.ndim):
        tied = np.take(tied, np.arange(tied.shape[axis]) // 2 * 2, axis)
    if np.array_equal(tied, x[:1]):
        return "not tried, for there are no neighbours in x to be made equal", []
    if not np.isfinite(forward(tied)).all():
        return "not tried, for forward is not finite where neighbours in x are equal", []
    dx = _checked(layer.backward(dy.copy()), tied, "x")
    slopes = slopes_of(lambda: dy * forward(tied), tied, dx, layer.branches)
    comparison = Comparison("x, with ties", slopes, tied.shape)
    if any(slope.jump for slope in slopes):
        return "nothing can be said, for forward jumps where neighbours in x are equal", []
    if comparison.count("FAIL"):
        return "where inputs are equal, too much or too little gradient comes back", [comparison]
    kinks = comparison.count("kink")
    return f"the first sample was tried with equal neighbours, too: {kinks} kinks, no FAIL", []


def check_loss(loss: Loss, y_true: Array, y_pred: Array) -> GradientReport:
    """Checks a loss's gradient with respect to its predictions, element by element, in float64.

    Args:
        loss: any loss.
        y_true: targets, as the loss expects them.
        y_pred: predictions (N, ...).
    """
    if not isinstance(loss, Loss):
        raise ValueError(f"`loss` must be a Loss object, such as Huber(). Received: {loss!r}")
    y_pred = np.array(y_pred, np.float64)
    loss = copy.deepcopy(loss)
    if faults := broken_rules_of_loss(loss, y_true, y_pred):
        return GradientReport(type(loss).__name__, [], faults)
    loss.forward(y_true, y_pred)
    gradient = _checked(loss.backward(), y_pred, "y_pred")
    slopes = slopes_of(lambda: loss.forward(y_true, y_pred), y_pred, gradient, lambda: [])
    comparisons = [Comparison("y_pred", slopes, y_pred.shape)]
    counts = {
        "the number of samples": len(y_pred),
        "the number of classes": math.prod(y_pred.shape[1:]),
        "samples times classes": y_pred.size,
    }
    others = {"y_pred": y_pred}
    if np.shape(y_true) == y_pred.shape:
        others["y_true"] = np.asarray(y_true)
    suggestions = _suggestions(comparisons, [y_pred], others, counts)
    return GradientReport(type(loss).__name__, comparisons, suggestions=suggestions)


def check_model(
    model: Sequential, x: Array, y: Array, seed: int = 0, directions: int = 3
) -> GradientReport:
    """Checks a whole compiled model, loss included, by slopes along directions in each parameter.

    Each element by itself would take two forward passes of the model. Instead each parameter is
    moved along directions u, each half the gradient's own and half random, and the slope is
    compared with u . grad. The check works on a copy in float64; the model itself is left as it
    was, but built. Here a kink says nothing about `backward`: the loss is one number, in which the
    kinks of many outputs add up with either sign.

    Args:
        model: compiled.
        x: a batch of inputs.
        y: their targets.
        seed: decides the directions.
        directions: how many directions for each parameter.
    """
    x = np.array(x, np.float64)
    model.build(x.shape[1:])
    model = copy.deepcopy(model)
    model.dtype = "float64"
    model.chain = [_in_float64(layer, layer.input_shape or (), seed) for layer in model.chain]
    rng = np.random.default_rng([seed, 2])

    def loss() -> float:
        model.seed_noise()
        return model.loss_of(y, model.forward(x, training=True))

    def branches() -> list[Array]:
        return [branch for layer in model.chain for branch in layer.branches()]

    batch = model.checked(x, y)
    if faults := _broken_rules_of_model(model, batch.x, batch.y):
        return GradientReport(model.name, [], faults)
    model.loss_and_gradients(x, y)
    here = loss(), branches()
    named = [
        (f"{layer.name}/{parameter.name}", parameter)
        for layer in model.chain
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
            slope = slope_of(loss, move, where, total, here, branches, STEP)
            kink = slope.kink or slope.jump  # among many kinks neither slope settles
            slopes.append(slope._replace(kink=kink, jump=False, low=-np.inf, high=np.inf))
        comparisons.append(Comparison(name, slopes, (directions,)))
    return GradientReport(model.name, comparisons)


def _broken_rules_of_model(model: Sequential, x: Array, y: Array) -> list[str]:
    """The rules that a layer breaks, at the input it gets in the model, or that the loss breaks."""
    faults = []
    for layer in model.chain:

        def forward(x: Array, layer: Layer = layer) -> Array:
            model.seed_noise()
            return layer.forward(x, training=True)

        broken = broken_rules(layer, x, forward)
        faults += [f"{layer.name}: {fault}" for fault in broken]
        if broken:
            return faults
        x = forward(x)
    loss, y_pred, y = model.loss_taken(y, x)[0], x, np.array(y)
    if model.loss is loss:
        faults += [f"the loss: {fault}" for fault in broken_rules_of_loss(loss, y, y_pred)]
    return faults


def _along(parameter: Parameter, u: Array) -> Callable[[float], float]:
    """A function that moves a parameter along `u`, a distance from where it is now."""
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
    """The gradient; raises ValueError if it is missing or has the wrong shape."""
    shape = None if gradient is None else gradient.shape
    if gradient is None or shape != value.shape:
        raise ValueError(
            f"backward must give a gradient of shape {value.shape} for {name}. Received: {shape}"
        )
    return gradient


# --- the table of everything in tinycnn -----------------------------------------------------------


def check_everything(seed: int = 0) -> list[GradientReport]:
    """Checks every layer, every loss and the reference network, on the rung that is active."""
    reports = []
    for title, layer, x in layer_cases(seed):
        # There are cases with ties among them.
        reports.append(replace(check_layer(layer, x, seed, ties=False), title=title))
    for title, loss, y_true, y_pred in loss_cases(seed):
        reports.append(replace(check_loss(loss, y_true, y_pred), title=title))
    for title, model, images, labels in reference_cases(seed):
        reports.append(replace(check_model(model, images, labels, seed), title=title))
    return reports


def main(rungs: Sequence[str] = ("numpy", "numba")) -> int:
    """Prints the table for every rung that can be set up here.

    Returns:
        0 if all checks pass; 1 if one fails, or no rung could be checked.
    """
    passed = []
    for rung in rungs:
        with kernels.use(rung):
            if kernels.active() != rung:  # a notice has said why
                continue
            console.say(f"kernels: {rung}; for each gradient the largest relative error, verdicts")
            console.say(HEADER)
            reports = check_everything()
            for report in reports:
                console.say("\n".join(report.rows()))
            failed = sum(not report.passed for report in reports)
            worst = max(report.worst for report in reports)
            console.say(f"{len(reports)} checks, {failed} failed, largest error {worst:.1e}\n")
            passed.append(not failed)
    if not passed:
        console.notice("the compiled kernels can't be checked where they can't be set up")
    return 0 if passed and all(passed) else 1
