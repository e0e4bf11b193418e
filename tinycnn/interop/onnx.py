"""Writes a model as an ONNX file, which onnxruntime and many other programs run.

    onnx.export(model, "model.onnx")

    session = onnxruntime.InferenceSession("model.onnx")
    (y,) = session.run(None, {"x": images.astype("float32")})

The file holds the inference: `Dropout` and augmentation, which then do nothing, are left out. Its
input is `x` (N, *input_shape) and its output `y` (N, *output_shape), as for `predict`, but always
float32; N is free.

ONNX lays images out as (N, C, H, W). A Transpose stands where the images come in, and another where
they end: before a Flatten, which must read them as (H, W, C), or at the output. There is none
between the two, because the weights are laid out anew here. A Dense over images becomes a
convolution of 1 x 1.

onnx, from the `onnx` extra, is imported inside the function: nothing else in tinycnn needs it.

Source: https://onnx.ai/onnx/operators/, every operator at opset 17, which is of 2022.
"""

import os
from collections.abc import Callable
from pathlib import Path
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
    GlobalAveragePooling2D,
    Layer,
    LeakyReLU,
    MaxPooling2D,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Softmax,
)
from tinycnn.models import Sequential
from tinycnn.support.extras import need
from tinycnn.support.files import atomic_write
from tinycnn.support.geometry import window_padding
from tinycnn.utils import Array

OPSET, IR_VERSION = 17, 8
MAX_BYTES = 2**31 - 2**20  # of all weights: a protobuf message ends at 2 GiB
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def export(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Writes `model` as an ONNX file: its layers and its weights, for inference.

    Args:
        model: its input shape must be known, and its dtype float32. Its loss, its optimizer and
            the state of its training are not written.
        path: used exactly as given; it must end in .onnx.

    Raises:
        ValueError: for a layer of your own, which ONNX does not know, a model of float64, one of
            2 GiB or more, or another ending of `path`. No file is written.
        ImportError: if onnx is not installed.
        OSError: if the file can't be written; an older file of that name then stays as it was.

    Example:
        >>> model = Sequential([Input((28, 28, 1)), Conv2D(8, 3), Flatten(), Dense(10)])
        >>> export(model, "model.onnx")
    """
    onnx = need("onnx", "ONNX export", "onnx")
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"an ONNX file's name must end in .onnx. Received: {str(path)!r}")
    model.build()
    if model.dtype != "float32":
        raise ValueError(
            "ONNX's runtimes convolve in float32 only; make the same network with "
            f"dtype='float32', and set its weights. Received: a model of {model.dtype}"
        )
    if 4 * model.count_params() > MAX_BYTES:
        raise ValueError(
            "an ONNX file holds up to 2 GiB. "
            f"Received: a model of {model.count_params():,} parameters"
        )
    proto = _model(onnx, model)
    onnx.checker.check_model(proto, full_check=True)
    with atomic_write(path) as file:
        file.write(proto.SerializeToString(deterministic=True))


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

    def weight(self, name: str, array: Array) -> str:
        """Adds an array; returns its name."""
        array = np.ascontiguousarray(array, np.float32)
        self.weights.append(self.onnx.numpy_helper.from_array(array, name))
        return name


def _model(onnx: Any, model: Sequential) -> Any:
    """The ModelProto."""
    graph, at = Graph(onnx), "x"
    input_shape, output_shape = model.input_shape or (), model.output_shape
    if len(input_shape) == 3:
        at, graph.images = graph.node("Transpose", [at], "x/nchw", perm=TO_NCHW), True
    for layer in model.layers:
        if type(layer) not in NODES or "forward" in vars(layer):
            raise ValueError(
                f"{type(layer).__name__} can't be written as ONNX: only "
                f"{', '.join(sorted(kind.__name__ for kind in NODES))} can. Received: {layer!r}"
            )
        at = NODES[type(layer)](graph, layer, at)
    if graph.images:
        at = graph.node("Transpose", [at], "y/nhwc", perm=TO_NHWC)
    if graph.nodes:
        graph.nodes[-1].output[0] = "y"
    else:  # nothing but layers that do nothing
        graph.node("Identity", [at], "y")

    def described(name: str, shape: tuple[int, ...]) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", *shape])

    inputs, outputs = [described("x", input_shape)], [described("y", output_shape)]
    return onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, model.name, inputs, outputs, graph.weights),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tinycnn",
    )


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
    operators: dict[str, tuple[str, dict[str, Any]]] = {
        "relu": ("Relu", {}),
        "softmax": ("Softmax", {"axis": 1 if graph.images else -1}),
        "sigmoid": ("Sigmoid", {}),
        "tanh": ("Tanh", {}),
        "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
        "elu": ("Elu", {"alpha": 1.0}),
    }
    if activation == "linear":
        return z
    operator, attributes = operators[activation]
    return graph.node(operator, [z], f"{layer.name}/y", **attributes)


def _activation(graph: Graph, layer: Activation, x: str) -> str:
    return _activated(graph, layer, layer.activation, x)


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


def _flatten(graph: Graph, layer: Flatten, x: str) -> str:
    if graph.images:
        x = graph.node("Transpose", [x], f"{layer.name}/nhwc", perm=TO_NHWC)
        graph.images = False
    return graph.node("Flatten", [x], f"{layer.name}/y", axis=1)


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
    GlobalAveragePooling2D: _global_average_pool,
    LeakyReLU: _leaky_relu,
    MaxPooling2D: _max_pool,
    RandomRotation: _nothing,
    RandomTranslation: _nothing,
    RandomZoom: _nothing,
    ReLU: _activation,
    Rescaling: _rescaling,
    Softmax: _activation,
}
