"""Where a number that is not finite came from: one batch run again, tensor by tensor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.layers.activations import is_linear
from tinycnn.utils import Array

if TYPE_CHECKING:
    from tinycnn.training import Trainer

# No number of a healthy training is as large; float32 overflows at 3e38.
HUGE = 1e6


def diagnose(model: "Trainer", x: Array, y: Array) -> str:
    """Which tensor of a training step is the first that is not finite, and why, if that shows.

    The order is that of the step: x and y; for each layer its weights and its output; the loss; and
    for each layer, from the last, its gradients. The layers are run one by one, with the noise of
    the step; no weight is changed.

    Args:
        model: that was trained on the batch.
        x: the inputs of the batch.
        y: its targets.

    Returns:
        A sentence or two.
    """
    before = [(parameter.value, parameter.value.copy()) for parameter in model.parameters]
    data_size = largest = 0.0
    try:
        with np.errstate(all="ignore"):
            for kind, name, tensor in _tensors(model, x, y):
                finite = np.isfinite(tensor)
                largest = max(largest, float(np.abs(tensor[finite]).max(initial=0)))
                if kind == "data":
                    data_size = largest
                if finite.all():
                    continue
                found = (
                    f"The first tensor that is not finite: {name}, in "
                    f"{tensor.size - np.count_nonzero(finite)} of {tensor.size} numbers; the "
                    f"largest finite number up to there is {largest:.2g}."
                )
                if kind == "data" or data_size > HUGE:
                    return f"{found} The data are too large: scale them to about 1."
                if model.steps_trained == 0:
                    return found + " It was so before the first step." * (kind == "weights")
                if largest > HUGE or (kind == "weights" and np.isinf(tensor).any()):
                    return f"{found} Most likely the learning rate is too high."
                return found
    finally:
        for value, was in before:  # moving statistics have moved
            value[...] = was
    return "Run again, layer by layer, the batch gives finite numbers only."


def _tensors(model: "Trainer", x: Array, y: Array) -> Iterator[tuple[str, str, Array]]:
    """(kind, name, tensor) of all tensors of a step, as they are computed."""
    yield "data", "x", x.astype(model.dtype)
    yield "data", "y", y.astype(model.dtype)
    names = {
        layer: f"layer {i} of {len(model.layers)}, {layer}"
        for i, layer in enumerate(model.layers, start=1)
    }
    model.seed_noise()
    y_pred = x
    for layer in model.layers:
        for parameter in layer.parameters:
            yield "weights", f"the {parameter.name} of {names[layer]}", parameter.value
        y_pred = layer.forward(y_pred, training=True)
        yield "output", f"the output of {names[layer]}", y_pred
    loss, value, from_logits = model.loss_taken(y, y_pred)
    yield "loss", "the loss", np.asarray(value + model.penalty())
    dy = loss.backward()
    yield "gradient", "the gradient of the loss by the last output", dy
    for layer in reversed(model.layers):
        if from_logits and is_linear(layer):
            continue
        backward = layer.backward_from_logits if from_logits else layer.backward  # type: ignore[attr-defined]
        dx, from_logits = backward(dy), False
        for parameter in layer.parameters:
            if parameter.trainable and parameter.grad is not None:
                name = f"the gradient with respect to the {parameter.name} of {names[layer]}"
                yield "gradient", name, parameter.grad
        if dx is None:
            return
        yield "gradient", f"the gradient with respect to the input of {names[layer]}", dx
        dy = dx
