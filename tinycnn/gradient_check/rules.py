"""The rules that a layer or a loss must keep before its slopes mean anything: those of `Layer`.

A gradient check compares one forward pass with another. It can be trusted only if the layer
computes the same result again, leaves its arguments alone, and lists all of its parameters.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinycnn.layers import Layer
from tinycnn.losses import Loss
from tinycnn.parameter import Parameter
from tinycnn.utils import Array


def broken_rules(layer: Layer, x: Array, forward: Callable[[Array], Array]) -> list[str]:
    """The rules that a layer breaks, each as a sentence; an empty list for a correct layer.

    Args:
        layer: built, in float64.
        x: a batch; the layer gets copies of it.
        forward: `layer.forward` in training, with the noise that the layer declares held fixed.
    """
    watched = _Watched(layer)
    first, second = x.copy(), x.copy()
    y = forward(first)
    if y is None:
        return ["forward returns None: it must return y, its output"]
    faults = watched.changes("forward", x=(first, x))
    y_kept = y.copy()
    again = forward(second)
    if not np.array_equal(y_kept, again, equal_nan=True):
        faults.append(
            "forward gives two different outputs for the same x: draw noise from `self.rng`, which "
            "a layer with noise declares, and keep nothing from call to call"
        )
    elif np.may_share_memory(y, again):
        faults.append("forward writes every output into one array: an earlier one is lost")
    if y.dtype != np.float64:
        faults.append(
            f"forward returns {y.dtype} for an x of float64: compute in `self.dtype`, which "
            "`self.receive(x)` gives x"
        )
    if not faults:
        dy = np.asarray(np.random.default_rng(0).standard_normal(y.shape))
        results = []
        for _ in range(2):
            given, dy_given, y = x.copy(), dy.copy(), forward(second)
            y_kept = y.copy()
            second, given = given, second
            dx = layer.backward(dy_given)
            faults = faults or watched.changes(
                "backward", x=(given, x), dy=(dy_given, dy), y=(y, y_kept)
            )
            gradients = [dx, *(parameter.grad for parameter in layer.parameters)]
            results.append([None if g is None else np.copy(g) for g in gradients])
        same = all(
            a is b is None or np.array_equal(a, b, equal_nan=True)
            for a, b in zip(*results, strict=True)
        )
        if not faults and not same:
            faults.append(
                "backward gives two different gradients for one dy: it must assign each `grad` "
                "anew, without adding to the last one, and draw no numbers"
            )
    return faults + hidden_parameters(layer)


class _Watched:
    """The values of a layer's parameters, which neither forward nor backward may move."""

    def __init__(self, layer: Layer) -> None:
        self.values = [(p, p.value, p.value.copy()) for p in layer.parameters]

    def changes(self, who: str, **arrays: tuple[Array, Array]) -> list[str]:
        """What `who` has changed: among `arrays`, pairs of now and before, and the parameters."""
        moved = [
            parameter.name
            for parameter, value, before in self.values
            if parameter.value is not value or not np.array_equal(value, before, equal_nan=True)
        ]
        return _changed(who, arrays) + [
            f"{who} changes the parameter {name}: only optimizers and update_statistics may"
            for name in moved
        ]


def _changed(who: str, arrays: dict[str, tuple[Array, Array]]) -> list[str]:
    return [
        f"{who} changes {name} in place: it must leave what it was given as it is"
        for name, (now, before) in arrays.items()
        if not _same(now, before)
    ]


def _same(a: Any, b: Any) -> bool:
    """Whether all elements are equal, NaN to NaN; labels may also be integers or text."""
    floats = np.asarray(a).dtype.kind == "f"
    return np.array_equal(a, b, equal_nan=floats)


def hidden_parameters(layer: Layer) -> list[str]:
    """A sentence for each Parameter that the layer holds but does not list."""
    listed = {id(parameter) for parameter in layer.parameters}
    places: dict[int, str] = {}
    for where, parameter in _held(layer, "self", set()):
        if id(parameter) not in listed:
            places.setdefault(id(parameter), f"{where} (a Parameter named {parameter.name!r})")
    return [
        f"{where} is not in self.parameters: it is neither checked, nor trained, nor saved"
        for where in places.values()
    ]


def _held(thing: Any, where: str, seen: set[int]) -> Iterator[tuple[str, Parameter]]:
    """Every Parameter in attributes, lists, dictionaries and layers, with its place."""
    if isinstance(thing, Parameter):
        yield where, thing
        return
    if not isinstance(thing, Layer | dict | list | tuple | set | frozenset) or id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Layer):
        # Attributes come first: their names are better than positions in `parameters`.
        for name, value in sorted(vars(thing).items(), key=lambda item: item[0] == "parameters"):
            yield from _held(value, f"{where}.{name}", seen)
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from _held(value, f"{where}[{key!r}]", seen)
    else:
        for i, value in enumerate(thing):
            yield from _held(value, f"{where}[{i}]", seen)


def coarse(forward: Callable[[], Array], array: Array) -> bool:
    """Whether `forward` uses no more digits of `array` than float32 has.

    Changing each element by 2^-36 of itself is far above float64's rounding and far below
    float32's. If an output responds to a change by 2^-12 but not to that one, digits were lost on
    the way.
    """
    here, original = forward().copy(), array.copy()
    moved = []
    for share in (2.0**-12, 2.0**-36):
        array[...] = original * (1 + share)
        moved.append(np.count_nonzero(forward() != here))
    array[...] = original
    return bool(moved[1] < moved[0] / 2)


def broken_rules_of_loss(loss: Loss, y_true: Array, y_pred: Array) -> list[str]:
    """Like `broken_rules`, for a loss."""
    y_true = np.asarray(y_true)
    true, pred = y_true.copy(), y_pred.copy()
    value = loss.forward(true, pred)
    if np.ndim(value):
        return [
            f"forward must return the mean over the batch, one number. Received: an array of shape "
            f"{np.shape(value)}"
        ]
    given = {"y_true": (true, y_true), "y_pred": (pred, y_pred)}
    faults = _changed("forward", given)
    again = loss.forward(y_true.copy(), y_pred.copy())
    if not np.array_equal(value, again, equal_nan=True):
        faults.append("forward gives two different losses for one batch")
    if not faults:
        loss.forward(true, pred)
        first = loss.backward()
        first = None if first is None else np.copy(first)
        faults = _changed("backward", given)
        loss.forward(y_true.copy(), y_pred.copy())
        second = loss.backward()
        if first is not None and not np.array_equal(first, second, equal_nan=True):
            faults.append("backward gives two different gradients for one batch")
    return faults
