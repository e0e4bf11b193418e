"""What Python computes of a model, for the page to check itself by: see `model.js`.

The page holds one number of every output and every gradient for a picture of noise. Noise has no
two equal windows, so no tie in a pool depends on the last bit of a sum.
"""

import numpy as np

from tinycnn import kernels
from tinycnn.explorer.describe import Description
from tinycnn.layers import fused
from tinycnn.losses import CategoricalCrossentropy, Loss, MeanSquaredError
from tinycnn.models import Sequential
from tinycnn.utils import Array


def in_float64(model: Sequential) -> Sequential:
    """A copy of the model that computes in double precision, as the page does."""
    copy = Sequential(
        [type(layer).from_config(layer.get_config()) for layer in model.chain],
        seed=model.seed,
        dtype="float64",
    )
    copy.build(model.input_shape)
    copy.set_weights(model.get_weights())
    return copy


def sums_of(
    model: Sequential, described: Description, sample: Array, target: Description
) -> list[float]:
    """A fingerprint of every output and gradient, in the order of `tensors_of` in model.js.

    Args:
        model: one from `in_float64`.
        described: it, as the page has it.
        sample: (*input_shape).
        target: {"kind": "score" or "loss", "index"}: what the gradients are of.

    Raises:
        ValueError: if one is not finite.
    """
    sums = [_fingerprint(tensor) for tensor in _tensors(model, described, sample, target)]
    if not np.isfinite(sums).all():
        raise ValueError("the model answers with NaN or infinity: train it again")
    return sums


def _fingerprint(tensor: Array) -> float:
    """A sum that no element can change unnoticed: `fingerprint` in model.js."""
    flat = np.asarray(tensor, np.float64).reshape(-1)
    weights = 1 + (np.arange(flat.size) * 37 % 101) / 101
    return float(np.sum(weights * flat))


def _tensors(
    model: Sequential, described: Description, sample: Array, target: Description
) -> list[Array]:
    """All outputs and gradients for one sample, in the order of model.js."""
    x = sample[np.newaxis]
    with kernels.use("numpy"), fused.off():
        outputs = []
        for layer in model.chain:
            x = layer.forward(x)
            outputs.append(x)
        model.forward(sample[np.newaxis])
        softmax = model.last_softmax()
        loss: Loss = MeanSquaredError()
        if described["loss"] == "cross-entropy":
            loss = CategoricalCrossentropy(from_logits=True)
        on_logits = softmax is not None and (
            target["kind"] == "score" or described["loss"] == "cross-entropy"
        )
        scores = softmax.z if on_logits and softmax is not None else x
        one_hot = np.zeros_like(scores)
        one_hot.reshape(-1)[target["index"]] = 1
        dy = one_hot
        if target["kind"] == "loss":
            loss.forward(one_hot, scores)
            dy = loss.backward()
        gradients: dict[int, list[Array]] = {}
        place: dict[object, int] = {layer: index for index, layer in enumerate(model.chain)}
        for step, dx in model.backward_steps(dy, on_logits):
            index = place[step]
            if dx is not None and not (on_logits and index > described["softmax"]):
                learned = [p.grad for p in step.parameters if p.trainable and p.grad is not None]
                gradients[index] = [dx, *learned]
    return outputs + [tensor for index in sorted(gradients) for tensor in gradients[index]]
