"""What each layer is in ONNX: a function that appends its nodes to a graph.

The graph's images are laid out as (N, C, H, W), and `Graph.images` tells whether the last node
returned such. A layer that mixes channels and pixels, as `Flatten` does, transposes them first.

Source: https://onnx.ai/onnx/operators/, every operator at opset 17, which is of 2022.
"""

from collections.abc import Callable
from typing import Any, cast

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
from tinycnn.support.geometry import window_padding
from tinycnn.utils import Array

TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


class Graph:
    """An ONNX graph that grows by one node at a time.

    Args:
        onnx: the package.

    Attributes:
        nodes: ONNX's nodes, in order.
        weights: ONNX's initializers: the arrays that the nodes name.
        images: whether what the last node returned is laid out as (N, C, H, W).
    """

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.images = False

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Appends a node with one output; returns the output's name."""
        made = self.onnx.helper.make_node(operator, inputs, [output], name=output, **attributes)
        self.nodes.append(made)
        return output

    def weight(self, name: str, array: Array, dtype: str = "float32") -> str:
        """Adds an array; returns its name."""
        array = np.array(array, dtype, order="C")  # np.ascontiguousarray makes an axis of a number
        self.weights.append(self.onnx.numpy_helper.from_array(array, name))
        return name


# --- one function for each layer: (graph, layer, name of its input) -> name of its output ---------


def _conv2d(graph: Graph, layer: Conv2D, x: str) -> str:
    return _convolved(graph, layer, x, layer.kernel.value, layer.strides, _window(layer))


def _convolved(
    graph: Graph,
    layer: Conv2D | Dense,
    x: str,
    kernel: Array,
    strides: tuple[int, int],
    window: dict[str, Any],
) -> str:
    # (KH, KW, C, F) -> (F, C, KH, KW)
    inputs = [x, graph.weight(f"{layer.name}/kernel", kernel.transpose(3, 2, 0, 1))]
    if layer.use_bias:
        inputs.append(graph.weight(f"{layer.name}/bias", layer.bias.value))
    z = graph.node("Conv", inputs, f"{layer.name}/z", strides=strides, **window)
    return _activated(graph, layer, layer.activation, z)


def _window(layer: Conv2D | MaxPooling2D | AveragePooling2D) -> dict[str, Any]:
    """Size and padding of a sliding window, padding as ONNX has it: all starts, then all ends."""
    size = layer.kernel_size if isinstance(layer, Conv2D) else layer.pool_size
    H, W, _ = cast("tuple[int, int, int]", layer.input_shape)
    (top, bottom), (left, right) = window_padding(H, W, size, layer.strides, layer.padding)
    return {"kernel_shape": size, "pads": [top, left, bottom, right]}


def _dense(graph: Graph, layer: Dense, x: str) -> str:
    if graph.images:
        window = {"kernel_shape": (1, 1), "pads": [0, 0, 0, 0]}
        return _convolved(graph, layer, x, layer.kernel.value[None, None], (1, 1), window)
    kernel = graph.weight(f"{layer.name}/kernel", layer.kernel.value)
    bias = [graph.weight(f"{layer.name}/bias", layer.bias.value)] if layer.use_bias else []
    z = f"{layer.name}/z"
    if len(layer.output_shape or ()) == 1:
        graph.node("Gemm", [x, kernel, *bias], z)
    elif bias:
        graph.node("Add", [graph.node("MatMul", [x, kernel], f"{layer.name}/product"), *bias], z)
    else:
        graph.node("MatMul", [x, kernel], z)
    return _activated(graph, layer, layer.activation, z)


def _activated(graph: Graph, layer: Layer, activation: str, z: str) -> str:
    """y = f(z)."""
    if activation == "linear":
        return z
    y = f"{layer.name}/y"
    if activation in ("silu", "swish"):
        return graph.node("Mul", [z, graph.node("Sigmoid", [z], f"{layer.name}/sigmoid")], y)
    operators: dict[str, tuple[str, dict[str, Any]]] = {
        "relu": ("Relu", {}),
        "softmax": ("Softmax", {"axis": 1 if graph.images else -1}),
        "sigmoid": ("Sigmoid", {}),
        "tanh": ("Tanh", {}),
        "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
        "elu": ("Elu", {"alpha": 1.0}),
        "softplus": ("Softplus", {}),
    }
    operator, attributes = operators[activation]
    return graph.node(operator, [z], y, **attributes)


def _activation(graph: Graph, layer: Activation, x: str) -> str:
    return _activated(graph, layer, layer.activation, x)


def _relu(graph: Graph, layer: ReLU, x: str) -> str:
    """A line below the threshold, the identity above it, cut off at the largest output."""
    name, slope, most = layer.name, layer.negative_slope, layer.max_value
    if most is None and not layer.threshold:
        if slope:
            return graph.node("LeakyRelu", [x], f"{name}/y", alpha=slope)
        return graph.node("Relu", [x], f"{name}/y")
    threshold = graph.weight(f"{name}/threshold", np.asarray(layer.threshold))
    above = x
    if most is not None:
        limit = graph.weight(f"{name}/max_value", np.asarray(most))
        above = graph.node("Min", [x, limit], f"{name}/above")
    below = graph.weight(f"{name}/slope", np.asarray(slope))
    if slope:
        distance = graph.node("Sub", [x, threshold], f"{name}/distance")
        below = graph.node("Mul", [distance, below], f"{name}/below")
    is_below = graph.node("LessOrEqual", [x, threshold], f"{name}/is_below")
    return graph.node("Where", [is_below, below, above], f"{name}/y")


def _leaky_relu(graph: Graph, layer: LeakyReLU, x: str) -> str:
    return graph.node("LeakyRelu", [x], f"{layer.name}/y", alpha=layer.negative_slope)


def _elu(graph: Graph, layer: ELU, x: str) -> str:
    return graph.node("Elu", [x], f"{layer.name}/y", alpha=layer.alpha)


def _max_pool(graph: Graph, layer: MaxPooling2D, x: str) -> str:
    return graph.node("MaxPool", [x], f"{layer.name}/y", strides=layer.strides, **_window(layer))


def _average_pool(graph: Graph, layer: AveragePooling2D, x: str) -> str:
    how = {"strides": layer.strides, "count_include_pad": 0, **_window(layer)}
    return graph.node("AveragePool", [x], f"{layer.name}/y", **how)


def _global_average_pool(graph: Graph, layer: GlobalAveragePooling2D, x: str) -> str:
    means = graph.node("GlobalAveragePool", [x], f"{layer.name}/means")  # (N, C, 1, 1)
    graph.images = False
    return graph.node("Flatten", [means], f"{layer.name}/y", axis=1)


def _global_max_pool(graph: Graph, layer: GlobalMaxPooling2D, x: str) -> str:
    largest = graph.node("GlobalMaxPool", [x], f"{layer.name}/largest")  # (N, C, 1, 1)
    graph.images = False
    return graph.node("Flatten", [largest], f"{layer.name}/y", axis=1)


def _in_memory_order(graph: Graph, layer: Layer, x: str) -> str:
    """x as tinycnn lays it out: images as (N, H, W, C)."""
    if graph.images:
        x = graph.node("Transpose", [x], f"{layer.name}/nhwc", perm=TO_NHWC)
        graph.images = False
    return x


def _flatten(graph: Graph, layer: Flatten, x: str) -> str:
    return graph.node("Flatten", [_in_memory_order(graph, layer, x)], f"{layer.name}/y", axis=1)


def _reshape(graph: Graph, layer: Reshape, x: str) -> str:
    sizes = layer.output_shape or ()
    shape = graph.weight(f"{layer.name}/shape", np.array([0, *sizes]), "int64")  # 0 keeps N
    y = graph.node("Reshape", [_in_memory_order(graph, layer, x), shape], f"{layer.name}/y")
    if len(sizes) == 3:
        y, graph.images = graph.node("Transpose", [y], f"{layer.name}/nchw", perm=TO_NCHW), True
    return y


def _zero_padding(graph: Graph, layer: ZeroPadding2D, x: str) -> str:
    (top, bottom), (left, right) = layer.padding
    # (N, C, H, W): all starts, then all ends
    sides = np.array([0, 0, top, left, 0, 0, bottom, right])
    pads = graph.weight(f"{layer.name}/pads", sides, "int64")
    return graph.node("Pad", [x, pads], f"{layer.name}/y")


def _up_sampling(graph: Graph, layer: UpSampling2D, x: str) -> str:
    scales = graph.weight(f"{layer.name}/scales", np.array([1, 1, *layer.size]))
    # asymmetric and floor: pixel i of the output is pixel i // SH of the input
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    return graph.node("Resize", [x, "", scales], f"{layer.name}/y", nearest_mode="floor", **how)


def _batch_norm(graph: Graph, layer: BatchNormalization, x: str) -> str:
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    gamma = layer.gamma.value if layer.scale else np.ones_like(mean)
    beta = layer.beta.value if layer.center else np.zeros_like(mean)
    name = layer.name
    if graph.images or len(layer.input_shape or ()) == 1:  # the channels are axis 1, as ONNX asks
        arrays = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
        weights = [graph.weight(f"{name}/{key}", array) for key, array in arrays.items()]
        return graph.node("BatchNormalization", [x, *weights], f"{name}/y", epsilon=layer.epsilon)
    factor = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    centred = graph.node("Sub", [x, graph.weight(f"{name}/mean", mean)], f"{name}/centred")
    scaled = graph.node("Mul", [centred, graph.weight(f"{name}/factor", factor)], f"{name}/scaled")
    return graph.node("Add", [scaled, graph.weight(f"{name}/beta", beta)], f"{name}/y")


def _rescaling(graph: Graph, layer: Rescaling, x: str) -> str:
    name = layer.name
    scale = graph.weight(f"{name}/scale", np.asarray(layer.scale))
    offset = graph.weight(f"{name}/offset", np.asarray(layer.offset))
    return graph.node("Add", [graph.node("Mul", [x, scale], f"{name}/z"), offset], f"{name}/y")


def _normalization(graph: Graph, layer: Normalization, x: str) -> str:
    name = layer.name
    if graph.images:  # the channels are axis 1
        mean, deviation = (
            array.reshape(-1, 1, 1) if array.ndim else array for array in layer.mean_and_deviation()
        )
    else:
        mean, deviation = layer.mean_and_deviation()
    mean_name = graph.weight(f"{name}/mean", mean)
    deviation_name = graph.weight(f"{name}/deviation", deviation)
    if layer.invert:
        product = graph.node("Mul", [x, deviation_name], f"{name}/product")
        return graph.node("Add", [product, mean_name], f"{name}/y")
    centred = graph.node("Sub", [x, mean_name], f"{name}/centred")
    return graph.node("Div", [centred, deviation_name], f"{name}/y")


def _nothing(graph: Graph, layer: Layer, x: str) -> str:
    return x


NODES: dict[type[Layer], Callable[[Graph, Any, str], str]] = {
    Activation: _activation,
    AveragePooling2D: _average_pool,
    BatchNormalization: _batch_norm,
    Conv2D: _conv2d,
    Dense: _dense,
    Dropout: _nothing,
    ELU: _elu,
    Flatten: _flatten,
    GaussianNoise: _nothing,
    GlobalAveragePooling2D: _global_average_pool,
    GlobalMaxPooling2D: _global_max_pool,
    LeakyReLU: _leaky_relu,
    MaxPooling2D: _max_pool,
    Normalization: _normalization,
    RandomFlip: _nothing,
    RandomRotation: _nothing,
    RandomTranslation: _nothing,
    RandomZoom: _nothing,
    ReLU: _relu,
    Rescaling: _rescaling,
    Reshape: _reshape,
    Softmax: _activation,
    UpSampling2D: _up_sampling,
    ZeroPadding2D: _zero_padding,
}
