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

Source: https://huggingface.co/docs/safetensors (the format); torch/nn/modules/ (names, shapes).
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.errors import ModelFileError
from tinycnn.interop.torch_tensors import Tensor, counters_of, tensors_of
from tinycnn.models import Sequential
from tinycnn.support.arguments import printable
from tinycnn.support.extras import need
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array

DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
MAX_HEADER_BYTES = 100_000_000  # what safetensors itself allows


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
    tensors = tensors_of(model, weights, names)
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
        for name, tensor in tensors_of(model, model.get_weights(), names).items()
    }
    for name in counters_of(arrays):
        arrays[name] = np.asarray(model.steps_trained, np.int64)
    content = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    with atomic_write(path) as file:
        file.write(content)


def _safetensors() -> Any:
    need("safetensors.numpy", "PyTorch's weight files", "safetensors")
    return need("safetensors", "PyTorch's weight files", "safetensors")


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
    extra = sorted(found.keys() - tensors.keys() - counters_of(tensors))
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
