"""Reads weights from Keras's own files, `.weights.h5` and `.keras`, and writes `.weights.h5`.

Layout: HDF5. Every weight is a dataset `layers/<group>/vars/<i>`. The group is the layer's class in
snake case, numbered from the second of its class on ("conv2d", "conv2d_1"), whatever the layer's
name; i counts in the order of `get_weights`. A `.keras` file is a zip that holds such a file as
`model.weights.h5`.

Only the layers' weights are read. Architecture, optimizer state and random states are ignored: the
model must already be the same network. No link is followed, and nothing in the file is run. h5py,
from the `keras` extra, is imported inside the functions: nothing else in tinycnn needs it.

Source: keras/src/saving/saving_lib.py (groups, datasets), keras/src/utils/naming.py (snake case).
"""

import io
import math
import os
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

from tinycnn.errors import ModelFileError
from tinycnn.layers import Layer
from tinycnn.models import Sequential
from tinycnn.support.arguments import printable
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array, snake_case

IN_ARCHIVE = "model.weights.h5"
MOST_GROUPS = 20_000  # groups and arrays in a file: four for each of up to 5,000 layers
DEEPEST = 8  # groups within groups: layers/<name>/vars/<i> are three


def load_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Copies the weights in a Keras file into the parameters of `model`.

    Args:
        model: a network of the same layers; its input shape must be known. Weights of another
            float type are converted to the model's.
        path: a file that Keras 3 wrote with `model.save_weights` or `model.save`; its contents
            show which.

    Raises:
        ModelFileError: if the file is damaged or something else, or has other layers or shapes
            than the model. The message gives the reason, and nothing is changed.
        ImportError: if h5py is not installed.
        OSError: if the file can't be opened.
    """
    h5py = _h5py()
    model.build()
    shapes = {
        f"layers/{group}/vars/{i}": parameter.value.shape
        for group, layer in _groups(model)
        for i, parameter in enumerate(layer.parameters)
    }
    with open(path, "rb") as file:
        try:
            weights = _read(h5py, file, shapes)
        except ModelFileError as error:  # it may quote names from the file
            raise ModelFileError(f"{os.fspath(path)}: {printable(str(error))}") from None
        except Exception as error:
            # h5py and zipfile raise a dozen kinds of errors on damaged bytes.
            raise ModelFileError(
                f"{os.fspath(path)}: not a complete weights file of Keras 3; it may be cut off, "
                f"damaged, or something else ({printable(f'{type(error).__name__}: {error}')})"
            ) from error
    model.set_weights(weights)


def save_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Writes the weights so that `keras_model.load_weights(path)` reads them.

    Args:
        model: its input shape must be known. Its optimizer's state is not written; a compiled
            Keras model warns about that when it loads the file.
        path: used exactly as given; it must end in .weights.h5, or Keras would not open it.

    Raises:
        ValueError: if `path` has another ending.
        ImportError: if h5py is not installed.
        OSError: if it can't be written; an older file of that name then stays as it was.
    """
    h5py = _h5py()
    path = Path(path)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"Keras's weight files end in .weights.h5. Received: {str(path)!r}")
    model.build()
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, layer in _groups(model):
            group = file.create_group(f"layers/{name}/vars")
            group.attrs["name"] = layer.name
            for i, parameter in enumerate(layer.parameters):
                group[str(i)] = parameter.value
    with atomic_write(path) as target:
        target.write(content.getbuffer())


def _h5py() -> Any:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise ImportError(
            "Keras's weight files need h5py, not installed here: pip install 'tinycnn[keras]'"
        ) from error


def _groups(model: Sequential) -> Iterator[tuple[str, Layer]]:
    """Yields the name of each layer's group, and the layer."""
    before: Counter[str] = Counter()
    for layer in model.layers:
        name = snake_case(type(layer).__name__)
        yield f"{name}_{before[name]}" if before[name] else name, layer
        before[name] += 1


def _datasets(h5py: Any, content: Any) -> Iterator[tuple[str, Any]]:
    """All datasets below "layers", with their names. No link is followed, within the file or out.

    Raises:
        ModelFileError: if there are more groups, or deeper ones, than in any model of Keras's.
    """
    ours = isinstance(content.get("layers", getlink=True), h5py.HardLink)
    waiting, seen = [("layers", content["layers"])] if ours else [], 0
    while waiting:
        name, thing = waiting.pop()
        seen += 1
        if seen > MOST_GROUPS or name.count("/") > DEEPEST:
            raise ModelFileError("it holds more groups, or deeper ones, than any model of Keras's")
        if isinstance(thing, h5py.Dataset):
            yield name, thing
        elif isinstance(thing, h5py.Group):
            for part in thing:
                # Noise layers keep their generator's state beside their weights.
                hard = isinstance(thing.get(part, getlink=True), h5py.HardLink)
                if hard and part != "seed_generator":
                    waiting.append((f"{name}/{part}", thing[part]))


def _read(h5py: Any, file: IO[bytes], shapes: dict[str, tuple[int, ...]]) -> list[Array]:
    """The datasets of these names, in their order; all are checked before the first is read."""
    if is_zipfile(file):
        with ZipFile(file) as archive:
            # Stored, not compressed, as Keras does it: its content can't be larger than the file.
            stored = {m.filename for m in archive.infolist() if m.compress_type == ZIP_STORED}
            if IN_ARCHIVE not in stored:
                raise ModelFileError(f"this zip does not hold a {IN_ARCHIVE} as Keras stores it")
            file = io.BytesIO(archive.read(IN_ARCHIVE))
    file.seek(0)
    with h5py.File(file, "r") as content:
        datasets = dict(_datasets(h5py, content))
        if shapes and not datasets:
            raise ModelFileError("it holds no layers/*/vars: Keras 3 did not save it as weights")
        if missing := shapes.keys() - datasets.keys():
            some = f"{len(missing)} of the model's weights, {min(missing)} among them"
            raise ModelFileError(f"the file lacks {some}")
        if extra := datasets.keys() - shapes.keys():
            some = f"{len(extra)} of the file's weights, {min(extra)} among them"
            raise ModelFileError(f"the model lacks {some}")
        for name, shape in shapes.items():
            dataset = datasets[name]
            if dataset.shape != shape:
                raise ModelFileError(f"{name} is {dataset.shape} in the file, {shape} in the model")
            if dataset.dtype.kind != "f" or dataset.external or dataset.is_virtual:
                raise ModelFileError(f"{name} is not a plain array of floating-point numbers")
            # A chunk is read whole, however little of it belongs to the array.
            chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
            if chunk > 2 * dataset.nbytes + 2**16:
                raise ModelFileError(f"{name} is stored in chunks far larger than itself")
        return [datasets[name][()] for name in shapes]
