"""What the page is told of a model: plain values for each layer, as `engine.js` reads them.

A layer is described by its kind, which is one of `KINDS` in `network.js`, by what that kind needs,
and by its activation, {"name", "alpha"} and more settings for a relu that has them. Layers that do
nothing in inference, and those that only give the numbers another shape, are of the kind
"identity".
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.layers import (
    ELU,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    LeakyReLU,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)
from tinycnn.losses import (
    CategoricalCrossentropy,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from tinycnn.models import Sequential
from tinycnn.parameter import Parameter

Description = dict[str, Any]

# The slopes of the activations that are named, not layers of their own: see layers/activations.py.
ALPHAS = {"leaky_relu": 0.2, "elu": 1.0}


def _activation(name: str, alpha: float | None = None) -> Description:
    name = "silu" if name == "swish" else name
    return {"name": name, "alpha": ALPHAS.get(name) if alpha is None else alpha}


def _relu(layer: ReLU) -> Description:
    """The plain relu, the leaky one, or that with all arguments."""
    activation = _activation("relu")
    if layer.max_value is not None or layer.threshold:
        names = ("max_value", "negative_slope", "threshold")
        activation = _activation("bounded_relu") | {name: getattr(layer, name) for name in names}
    elif layer.negative_slope:
        activation = _activation("leaky_relu", layer.negative_slope)
    return {"kind": "identity", "activation": activation}


def _windows(kind: str, size: str) -> Callable[[Any], Description]:
    """A describer of layers with windows, whose size is in the attribute `size`."""

    def describe(layer: Any) -> Description:
        return {
            "kind": kind,
            "image": layer.input_shape,
            "window": getattr(layer, size),
            "strides": layer.strides,
            "padding": layer.padding,
        }

    return describe


def _global_pool(layer: Any) -> Description:
    """The mean of every map is an average pool with one window, the map."""
    size = layer.input_shape[:2]
    return {
        "kind": "average_pool",
        "image": layer.input_shape,
        "window": size,
        "strides": size,
        "padding": "valid",
    }


def _normalization(layer: Normalization) -> Description:
    """Mean and variance are parameters, or else constants: one of each channel, or of all."""
    described = {"kind": "normalize", "invert": layer.invert}
    if layer.mean is None or layer.variance is None:
        return described
    constants = {"mean": layer.mean, "variance": layer.variance}
    return {
        **described,
        "constants": {name: np.atleast_1d(value).tolist() for name, value in constants.items()},
    }


def _identity(layer: Any) -> Description:
    return {"kind": "identity"}


_DESCRIBERS: dict[type[Layer], Callable[[Any], Description]] = {
    Layer: _identity,
    Conv2D: _windows("conv2d", "kernel_size"),
    MaxPooling2D: _windows("max_pool", "pool_size"),
    AveragePooling2D: _windows("average_pool", "pool_size"),
    GlobalAveragePooling2D: _global_pool,
    GlobalMaxPooling2D: lambda layer: {"kind": "global_max_pool"},
    ZeroPadding2D: lambda layer: {
        "kind": "zero_pad",
        "image": layer.input_shape,
        "padding": layer.padding,
    },
    UpSampling2D: lambda layer: {
        "kind": "upsample",
        "image": layer.input_shape,
        "window": layer.size,
    },
    Dense: lambda layer: {"kind": "dense"},
    BatchNormalization: lambda layer: {"kind": "batch_norm", "epsilon": layer.epsilon},
    Rescaling: lambda layer: {"kind": "rescale", "scale": layer.scale, "offset": layer.offset},
    Normalization: _normalization,
    Flatten: _identity,
    Reshape: _identity,
    Dropout: _identity,
    GaussianNoise: _identity,
    RandomFlip: _identity,
    RandomRotation: _identity,
    RandomTranslation: _identity,
    RandomZoom: _identity,
    Activation: _identity,
    ReLU: _relu,
    Softmax: _identity,
    LeakyReLU: lambda layer: {
        "kind": "identity",
        "activation": _activation("leaky_relu", layer.negative_slope),
    },
    ELU: lambda layer: {"kind": "identity", "activation": _activation("elu", layer.alpha)},
}


def shown_parameters(layer: Layer) -> list[Parameter]:
    """The parameters that the page has: all but a Normalization's `count`, which nothing uses."""
    return [
        parameter
        for parameter in layer.parameters
        if not (type(layer) is Normalization and parameter.name == "count")
    ]


def describe_model(model: Sequential) -> Description:
    """The model as the page has it, without the values of its parameters.

    Args:
        model: a built one.

    Returns:
        {"name", "input_shape", "output_shape", "layers", "softmax", "loss"}. "softmax" is the index
        of the layer whose softmax is the output, or None. "loss" is "cross-entropy" or
        "mean squared error", or None if the page can't take the model's loss.

    Raises:
        ValueError: for a layer that the page can't show; the message names it.
    """
    softmax = model.last_softmax()
    return {
        "name": model.name,
        "input_shape": model.input_shape,
        "output_shape": model.output_shape,
        "layers": [_describe_layer(layer, model.trainable) for layer in model.chain],
        "softmax": None if softmax is None else model.chain.index(softmax),
        "loss": _loss(model),
    }


def _describe_layer(layer: Layer, model_learns: bool) -> Description:
    own = {"forward", "backward"} & vars(layer).keys()
    if type(layer) not in _DESCRIBERS or own:
        raise ValueError(
            f"the explorer can't show {type(layer).__name__}, layer {layer.name!r}: it knows only "
            "tinycnn's own layers and their own arithmetic. Replace the layer, or export the "
            "layers before it as a model of their own"
        )
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "input_shape": layer.input_shape,
        "output_shape": layer.output_shape,
        "activation": _activation(getattr(layer, "activation", "linear")),
        "parameters": {
            parameter.name: {
                "shape": parameter.value.shape or (1,),
                "has_gradient": parameter.trainable,
                "learns": model_learns and parameter.learns,
                "l2": parameter.regularizer.l2 if parameter.regularizer else 0.0,
            }
            for parameter in shown_parameters(layer)
        },
        **_DESCRIBERS[type(layer)](layer),
    }


def _loss(model: Sequential) -> str | None:
    """The model's loss in the page's words; without one, what would fit its output."""
    loss, on_softmax = model.loss, model.last_softmax() is not None
    if len(model.output_shape) != 1 or model.output_shape[0] < 2:
        return None
    if loss is None:
        return "cross-entropy" if on_softmax else "mean squared error"
    if type(loss) is MeanSquaredError:
        return "mean squared error"
    if type(loss) in (CategoricalCrossentropy, SparseCategoricalCrossentropy):
        return "cross-entropy" if on_softmax or loss.get_config()["from_logits"] else None
    return None
