"""Writes a model as an ONNX file, which onnxruntime and many other programs run.

    onnx.export(model, "model.onnx")

    session = onnxruntime.InferenceSession("model.onnx")
    (y,) = session.run(None, {"x": images.astype("float32")})

The file holds the inference: `Dropout`, noise and augmentation, which then do nothing, are left
out. Its input is `x` (N, *input_shape) and its output `y` (N, *output_shape), as for `predict`, but
always float32; N is free.

ONNX lays images out as (N, C, H, W). A Transpose stands where the images come in, and another where
they end: before a Flatten or a Reshape, which must read them as (H, W, C), or at the output. There
is none between the two, because the weights are laid out anew here. A Dense over images becomes a
convolution of 1 x 1.

onnx, from the `onnx` extra, is imported inside the function: nothing else in tinycnn needs it.

Source: https://onnx.ai/onnx/operators/, every operator at opset 17, which is of 2022.
"""

import os
from pathlib import Path
from typing import Any

from tinycnn.interop.onnx_nodes import NODES, TO_NCHW, TO_NHWC, Graph
from tinycnn.models import Sequential
from tinycnn.support.extras import need
from tinycnn.support.files import atomic_write

OPSET, IR_VERSION = 17, 8
MAX_BYTES = 2**31 - 2**20  # of all weights: a protobuf message ends at 2 GiB


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


def _model(onnx: Any, model: Sequential) -> Any:
    """The ModelProto."""
    graph, at = Graph(onnx), "x"
    input_shape, output_shape = model.input_shape or (), model.output_shape
    if len(input_shape) == 3:
        at, graph.images = graph.node("Transpose", [at], "x/nchw", perm=TO_NCHW), True
    for layer in model.chain:
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
