"""Reads and writes PyTorch's weights as .safetensors files: the `state_dict` of an equal network.

    torch_weights.save_weights(model, "model.safetensors")

    network.load_state_dict(safetensors.torch.load_file("model.safetensors"))  # in PyTorch

The equal network of PyTorch takes images (N, C, H, W), and has for

    Conv2D(F, (KH, KW))     Conv2d(C, F, (KH, KW)), with the same padding and strides
    Dense(U)                Linear(D, U); over images, where it works on each pixel, Conv2d(D, U, 1)
    BatchNormalization()    BatchNorm2d or BatchNorm1d(C, eps=0.001, momentum=0.01)
    Normalization()         the same with (C, eps=1e-14, affine=False), always in eval(); one
                            made with a mean and a variance has them as constants, in its code
    Flatten()               nn.Flatten(), and also for a Reshape of an image to one axis
    Reshape(...)            any other one reads images as (N, H, W, C): permute, reshape, permute

Its modules have the names of the layers here ("conv2d_1.weight"), or those that `names` tells.
Every array is laid out anew: (KH, KW, C, F) here is (F, C, KH, KW) there, and a Dense behind a
flattened image reads its pixels by (H, W, C) here and by (C, H, W) there.

A file of `torch.save` is a pickle, which can run anything when it is read; it is refused. Nothing
in a .safetensors file is run. safetensors, from the extra of that name, is imported inside the
functions: nothing else in tinycnn needs it, and nothing here needs PyTorch.

Legend: U units of a dense layer with D inputs.
Source: https://huggingface.co/docs/safetensors (the format); torch/nn/modules/ (names, shapes).
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn.errors import ModelFileError
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
from tinycnn.models import Sequential
from tinycnn.support.arguments import printable, shown
from tinycnn.support.extras import need
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array

# Layers without weights, which leave the order of their inputs as it is. Any other layer might
# mix the pixels of a flattened image, whose order differs from PyTorch's.
WITHOUT_WEIGHTS = (
    *(Activation, ReLU, Softmax, LeakyReLU, ELU, Dropout, GaussianNoise, Rescaling),
    *(MaxPooling2D, AveragePooling2D, GlobalMaxPooling2D, GlobalAveragePooling2D),
    *(UpSampling2D, ZeroPadding2D),
    *(RandomFlip, RandomRotation, RandomTranslation, RandomZoom),
)
DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
MAX_HEADER_BYTES = 100_000_000  # what safetensors itself allows

Shape = tuple[int, ...]


class Tensor(NamedTuple):
    """A tensor of the state_dict.

    Args:
        values: a view of the model's array, its axes in PyTorch's order.
        shape: what PyTorch makes of them.
        fixed: True if the layer has no such parameter, and PyTorch's must be these values.
    """

    values: Array
    shape: Shape
    fixed: bool = False


def load_weights(
    model: Sequential, path: str | os.PathLike[str], names: Sequence[str] | None = None
) -> None:
    """Copies the weights in a .safetensors file of PyTorch's into the parameters of `model`.

    Args:
        model: a network of the same layers; its input shape must be known. Weights of another
            float type are converted to the model's.
        path: a file that `safetensors.torch.save_file(network.state_dict(), path)` wrote.
        names: PyTorch's names of the modules with weights, in the order of the layers that they
            belong to, such as ["0", "3", "7"] for an nn.Sequential. None: the layers' own names.

    Raises:
        ModelFileError: if the file is damaged or something else, or has other modules or shapes
            than the model. The message gives the reason, and nothing is changed.
        ValueError: for wrong `names`, or a model that has no equal in PyTorch; see `save_weights`.
        ImportError: if safetensors is not installed.
        OSError: if the file can't be opened.

    Example:
        >>> model = Sequential([Input((28, 28, 1)), Conv2D(8, 3), Flatten(), Dense(10)])
        >>> load_weights(model, "model.safetensors", names=["features.0", "classifier"])
    """
    safetensors = _safetensors()
    model.build()
    weights = model.get_weights()
    tensors = _tensors(model, weights, names)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ModelFileError(f"{os.fspath(path)}: a folder, a pipe or a device, not a file")
    most = MAX_HEADER_BYTES + 8 * sum(tensor.values.size + 1 for tensor in tensors.values())
    with open(path, "rb") as file:
        content = file.read(most + 1)
    try:
        _fill(tensors, _read(safetensors, content, most))
    except ModelFileError as error:  # it may quote names from the file
        raise ModelFileError(f"{os.fspath(path)}: {printable(str(error))}") from None
    model.set_weights(weights)


def save_weights(
    model: Sequential, path: str | os.PathLike[str], names: Sequence[str] | None = None
) -> None:
    """Writes the weights so that the equal network's `load_state_dict` takes them.

    Args:
        model: its input shape must be known. Its optimizer's state is not written.
        path: used exactly as given; it must end in .safetensors.
        names: as for `load_weights`.

    Raises:
        ValueError: for another ending of `path`; for wrong `names`; for a layer that has no
            equal there, such as one of your own; for a model that ends in a flattened image, which
            PyTorch would return in another order.
        ImportError: if safetensors is not installed.
        OSError: if it can't be written; an older file of that name then stays as it was.

    Example:
        >>> model = Sequential([Input((28, 28, 1)), Conv2D(8, 3), Flatten(), Dense(10)])
        >>> save_weights(model, "model.safetensors")  # conv2d.weight, conv2d.bias, ...
    """
    safetensors = _safetensors()
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(
            f"the name of a file of PyTorch's weights must end in .safetensors. "
            f"Received: {str(path)!r}"
        )
    model.build()
    arrays = {
        name: np.ascontiguousarray(tensor.values).reshape(tensor.shape)
        for name, tensor in _tensors(model, model.get_weights(), names).items()
    }
    for name in _counters(arrays):
        arrays[name] = np.asarray(model.steps_trained, np.int64)
    content = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    with atomic_write(path) as file:
        file.write(content)


def _safetensors() -> Any:
    need("safetensors.numpy", "PyTorch's weight files", "safetensors")
    return need("safetensors", "PyTorch's weight files", "safetensors")


# --- the equal state_dict -------------------------------------------------------------------------


def _tensors(
    model: Sequential, weights: Sequence[Array], names: Sequence[str] | None
) -> dict[str, Tensor]:
    """All tensors of the state_dict by name, as views of `weights`, which are contiguous.

    Raises:
        ValueError: if no network of PyTorch's is equal to the model; for wrong `names`.
    """
    layers = [layer for layer in model.chain if layer.parameters]
    names = _checked_names(names, layers)
    modules, arrays = iter(names), iter(weights)
    tensors: dict[str, Tensor] = {}
    flattened: Shape | None = None  # (H, W, C), as long as features are the pixels of an image
    for layer in model.chain:
        ours = {parameter.name: next(arrays) for parameter in layer.parameters}
        kind = type(layer)
        found: Iterator[tuple[str, Tensor]] = iter(())
        if kind is Conv2D:
            kernel = ours["kernel"].transpose(3, 2, 0, 1)
            found = _kernel_and_bias(ours, kernel, kernel.shape)
        elif kind is Dense:
            found = _dense(layer, ours, flattened)
            flattened = None
        elif kind is BatchNormalization:
            found = _batch_norm(ours, flattened)
        elif kind is Normalization:
            found = _normalization(layer, ours, flattened)
        elif kind in (Flatten, Reshape):
            flattened = _flattened(layer, flattened)
        elif kind not in WITHOUT_WEIGHTS:
            raise ValueError(
                f"only tinycnn's own layers have their equal in PyTorch. Received: {layer!r}"
            )
        if ours:
            module = next(modules)
            tensors |= {f"{module}.{name}": tensor for name, tensor in found}
    if flattened and not _is_in_one_order(flattened):
        raise ValueError(
            "the model ends in a flattened image, which PyTorch returns in another order: (C, H, "
            f"W). End it in a Dense. Received: {model.name}, which flattens {flattened}"
        )
    return tensors


def _flattened(layer: Layer, before: Shape | None) -> Shape | None:
    """The image whose pixels are the features behind a Flatten or a Reshape; `before` likewise."""
    shape, output = layer.input_shape or (), layer.output_shape or ()
    if type(layer) is Reshape and before and output != shape and not _is_in_one_order(before):
        raise ValueError(
            "a flattened image has another order in PyTorch, and a Reshape would mix its pixels: "
            f"reshape the image itself. Received: {layer!r} behind a flattened {before}"
        )
    if len(output) == 1:
        return shape if len(shape) == 3 else before
    return None


def _is_in_one_order(flattened: Shape) -> bool:
    """Whether an image has the same order by (H, W, C) and by (C, H, W)."""
    return flattened[2] == 1 or flattened[:2] == (1, 1)


def _kernel_and_bias(
    ours: dict[str, Array], kernel: Array, shape: Shape
) -> Iterator[tuple[str, Tensor]]:
    """The kernel as PyTorch's weight, whose first axis is that of the outputs; and the bias."""
    yield "weight", Tensor(kernel, shape)
    if "bias" in ours:
        yield "bias", Tensor(ours["bias"], ours["bias"].shape)


def _dense(
    layer: Layer, ours: dict[str, Array], flattened: Shape | None
) -> Iterator[tuple[str, Tensor]]:
    kernel = ours["kernel"]
    D, U = kernel.shape
    if len(layer.input_shape or ()) == 3:  # a convolution of 1 x 1
        return _kernel_and_bias(ours, kernel.T[:, :, None, None], (U, D, 1, 1))
    if flattened is None:
        return _kernel_and_bias(ours, kernel.T, (U, D))
    # (H*W*C, U) -> (U, C, H, W), which PyTorch has as (U, C*H*W)
    kernel = kernel.reshape(*flattened, U).transpose(3, 2, 0, 1)
    return _kernel_and_bias(ours, kernel, (U, D))


def _batch_norm(ours: dict[str, Array], flattened: Shape | None) -> Iterator[tuple[str, Tensor]]:
    """PyTorch has both gamma and beta (affine=True) or neither."""

    def tensor(array: Array, fixed: bool = False) -> Tensor:
        values = array if flattened is None else array.reshape(flattened).transpose(2, 0, 1)
        return Tensor(values, array.shape, fixed)

    mean = ours["moving_mean"]
    if "gamma" in ours or "beta" in ours:
        for name, theirs, neutral in (("gamma", "weight", 1), ("beta", "bias", 0)):
            neutral_values = np.full_like(mean, neutral)
            yield theirs, tensor(ours.get(name, neutral_values), name not in ours)
    yield "running_mean", tensor(mean)
    yield "running_var", tensor(ours["moving_variance"])


def _normalization(
    layer: Layer, ours: dict[str, Array], flattened: Shape | None
) -> Iterator[tuple[str, Tensor]]:
    """A normalisation by constants: PyTorch's batch norm, whose statistics stay as they are."""
    if not ours:  # the constants are in the network's code, as those of Rescaling
        return iter(())
    config = layer.get_config()
    if config["invert"] or config["axis"] is None:
        raise ValueError(
            "PyTorch has no layer for a Normalization that is inverted or of axis=None; make it "
            f"with mean= and variance=, and write them into the network there. Received: {layer!r}"
        )
    statistics = {"moving_mean": ours["mean"], "moving_variance": ours["variance"]}
    return _batch_norm(statistics, flattened)


def _counters(tensors: Iterable[str]) -> set[str]:
    """PyTorch's names of the batches that its normalisations have seen; tinycnn needs none."""
    mean = ".running_mean"
    modules = [name.removesuffix(mean) for name in tensors if name.endswith(mean)]
    return {f"{module}.num_batches_tracked" for module in modules}


def _checked_names(names: Sequence[str] | None, layers: Sequence[Layer]) -> list[str]:
    own = [str(layer.name) for layer in layers]
    if names is None:
        return own
    told = [names] if isinstance(names, str) else list(names)
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in told):
        raise ValueError(f"`names` must be a list of text. Received: names={shown(names)}")
    if len(told) != len(own) or len(set(told)) != len(told):
        raise ValueError(
            f"`names` must be {len(own)} different names, one for each of {', '.join(own)}. "
            f"Received: names={shown(names)}"
        )
    return told


# --- the file -------------------------------------------------------------------------------------


def _read(safetensors: Any, content: bytes, most: int) -> dict[str, dict[str, Any]]:
    """All tensors in the file: {"shape", "dtype", "data"} by name.

    Raises:
        ModelFileError: if it is not a .safetensors file, or far larger than the model.
    """
    if len(content) > most:
        raise ModelFileError("it is far larger than the model's weights")
    try:
        return dict(safetensors.deserialize(content))
    except safetensors.SafetensorError as error:
        if content.startswith((b"PK", b"\x80")):  # a zip or a bare pickle
            raise ModelFileError(
                "a file of torch.save, it seems: a pickle, which can run anything when it is read. "
                "Write one with safetensors.torch.save_file(network.state_dict(), path)"
            ) from None
        raise ModelFileError(
            "not a complete .safetensors file; it may be cut off, damaged, or something else "
            f"({error})"
        ) from None


def _fill(tensors: dict[str, Tensor], found: dict[str, dict[str, Any]]) -> None:
    """Copies what was read into the tensors' values, after checking all of it."""
    extra = sorted(found.keys() - tensors.keys() - _counters(tensors))
    missing = sorted(tensors.keys() - found.keys())
    if missing or extra:
        raise ModelFileError(_other_names(missing, extra))
    read = {name: _array(name, tensor, found[name]) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        array = read[name].reshape(tensor.values.shape)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            tensor.values[...] = array


def _other_names(missing: list[str], extra: list[str]) -> str:
    parts = []
    if missing:
        parts.append(
            f"the file lacks {len(missing)} of the model's weights, {missing[0]} among them"
        )
    if extra:
        parts.append(f"the model lacks {len(extra)} of the file's weights, {extra[0]} among them")
    theirs = sorted({name.rpartition(".")[0] for name in extra})
    hint = f"; if only the names differ, hand over names=[...], out of {', '.join(theirs)}"
    return "; ".join(parts) + (hint if missing and extra else "")


def _array(name: str, tensor: Tensor, entry: dict[str, Any]) -> Array:
    """The array of one entry of the file, checked against the tensor that it is to fill."""
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    if shape != tensor.shape:
        raise ModelFileError(f"{name} is {shape} in the file, {tensor.shape} in the model")
    if dtype not in DTYPES:
        raise ModelFileError(
            f"{name} is of {dtype}; tinycnn reads {', '.join(DTYPES)}: save network.float()"
        )
    array: Array = np.frombuffer(entry["data"], DTYPES[dtype]).reshape(shape)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        finite = np.isfinite(array.astype(tensor.values.dtype)).all()
    if not finite:
        raise ModelFileError(
            f"{name} holds NaN, infinity, or a number that {tensor.values.dtype} can't hold"
        )
    if tensor.fixed and not np.array_equal(array, tensor.values.reshape(shape)):
        neutral = "ones" if name.endswith(".weight") else "zeros"
        raise ModelFileError(f"{name} must be {neutral}: the model's layer has no such parameter")
    return array
