"""Weights of Keras's own files, read and written: `.weights.h5`, `.keras` and the older `.h5`.

Layout of the files: HDF5. In `.weights.h5` every weight is a dataset `layers/<group>/vars/<i>`. The
group is the layer's class in snake case, numbered from the second of its class on ("conv2d",
"conv2d_1"), whatever the layer's name; i counts in the order of `get_weights`. A `.keras` file is a
zip that holds such a file as `model.weights.h5`. In `.h5`, Keras's format up to version 2, the
group is the layer's name, alone or in a group `model_weights`, and the dataset's name ends in that
of the weight: `conv2d/sequential/conv2d/kernel`. A list of names beside them keeps their order.

Only the layers' weights are read. Architecture, optimizer state and random states are ignored: the
model must already be the same network. No link is followed, and nothing in the file is run.

Source: keras/src/saving/saving_lib.py (groups, datasets), keras/src/utils/naming.py (snake case),
keras/src/legacy/saving/legacy_h5_format.py (`.h5`).
"""

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, is_zipfile

from tinycnn.errors import ModelFileError
from tinycnn.interop import hdf5
from tinycnn.layers import Layer
from tinycnn.network import Network
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array, snake_case

IN_ARCHIVE = "model.weights.h5"
LEGACY = (".h5", ".hdf5")


def load_weights(model: Network, path: str | os.PathLike[str]) -> None:
    """Copies the weights in a Keras file into the parameters of `model`.

    Args:
        model: a network of the same layers; its input shape must be known. Weights of another
            float type are converted to the model's.
        path: a file that Keras wrote with `model.save_weights` or `model.save`; its contents show
            which.

    Raises:
        ModelFileError: if the file is damaged or something else, or has other layers or shapes
            than the model. The message gives the reason, and nothing is changed.
        ImportError: if h5py is not installed.
        OSError: if the file can't be opened.
    """
    h5py = hdf5.h5py_module()
    model.build()
    with open(path, "rb") as file, hdf5.refused(path, "weights file of Keras"):
        weights = _read(h5py, file, model)
    model.set_weights(weights)


def save_weights(model: Network, path: str | os.PathLike[str]) -> None:
    """Writes the weights so that `keras_model.load_weights(path)` reads them.

    Args:
        model: its input shape must be known. Its optimizer's state is not written; a compiled
            Keras model warns about that when it loads the file.
        path: used exactly as given. It ends in .weights.h5, or in .h5 for Keras's older format.

    Raises:
        ValueError: if `path` has another ending.
        ImportError: if h5py is not installed.
        OSError: if it can't be written; an older file of that name then stays as it was.
    """
    check_path(path)
    h5py = hdf5.h5py_module()
    path = Path(path)
    model.build()
    arrays = [
        (str(layer.name), [(p.name, p.value) for p in layer.parameters]) for layer in model.chain
    ]
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        if path.name.endswith(".weights.h5"):
            classes = [type(layer).__name__ for layer in model.chain]
            write(file, groups(classes), arrays)
        else:
            write_legacy(file, model.name, arrays)
    with atomic_write(path) as target:
        target.write(content.getbuffer())


def check_path(path: str | os.PathLike[str]) -> None:
    """Checks the name of a file for `save_weights`.

    Raises:
        ValueError: if Keras would not open a file of that name.
    """
    if not os.fspath(path).endswith(LEGACY):
        raise ValueError(
            f"Keras's weight files end in .weights.h5 (or .h5, its older format). "
            f"Received: {os.fspath(path)!r}"
        )


# --- the two layouts ------------------------------------------------------------------------------


def groups(classes: Iterable[str]) -> Iterator[str]:
    """The names of the layers' groups in `.weights.h5`, given the names of their classes."""
    before: Counter[str] = Counter()
    for name in map(snake_case, classes):
        yield f"{name}_{before[name]}" if before[name] else name
        before[name] += 1


Arrays = list[tuple[str, list[tuple[str, Array]]]]  # [(layer, [(parameter, value), ...]), ...]


def write(file: Any, names: Iterable[str], arrays: Arrays) -> None:
    """Writes weights in the layout of `.weights.h5`; `names` are those of the layers' groups."""
    for name, (layer, weights) in zip(names, arrays, strict=True):
        group = file.create_group(f"layers/{name}/vars")
        group.attrs["name"] = layer
        for i, (_, value) in enumerate(weights):
            group[str(i)] = value


def write_legacy(file: Any, model: str, arrays: Arrays) -> None:
    """Writes weights in the layout of `.h5` into a file, or its group `model_weights`."""
    file.attrs["backend"] = b"tensorflow"  # an axis order, for readers older than Keras 3
    file.attrs["keras_version"] = b"3.0.0"
    hdf5.set_texts(file, "layer_names", [layer for layer, _ in arrays])
    for layer, weights in [*arrays, ("top_level_model_weights", [])]:
        group = file.create_group(layer)
        hdf5.set_texts(group, "weight_names", [f"{model}/{layer}/{name}" for name, _ in weights])
        for name, value in weights:
            group[f"{model}/{layer}/{name}"] = value


# --- reading --------------------------------------------------------------------------------------


def _read(h5py: Any, file: IO[bytes], model: Network) -> list[Array]:
    """The model's weights in their order; all are checked before the first is read."""
    source: IO[bytes] | bytes = file
    if is_zipfile(file):
        with ZipFile(file) as archive:
            source = hdf5.member(archive, IN_ARCHIVE)
    with hdf5.opened(h5py, source) as content:
        if is_legacy(h5py, content):
            found = legacy_weights(h5py, content)
            names = _legacy_names(h5py, content, os.fstat(file.fileno()).st_size, found, model)
            places = [f"{names[layer]}/{p.name}" for layer in names for p in layer.parameters]
        else:
            found = hdf5.datasets(h5py, content, "layers")
            classes = [type(layer).__name__ for layer in model.chain]
            places = [
                f"layers/{group}/vars/{i}"
                for group, layer in zip(groups(classes), model.chain, strict=True)
                for i in range(len(layer.parameters))
            ]
        shapes = [parameter.value.shape for parameter in model.parameters]
        _check(found, dict(zip(places, shapes, strict=True)))
        return [found[place][()] for place in places]


def is_legacy(h5py: Any, content: Any) -> bool:
    """Whether an HDF5 file has the layout of `.h5`."""
    return "layer_names" in content.attrs or hdf5.holds(h5py, content, "model_weights")


def legacy_root(h5py: Any, content: Any) -> Any:
    """The group of a file of that layout that holds the layers' groups."""
    return content["model_weights"] if hdf5.holds(h5py, content, "model_weights") else content


def legacy_weights(h5py: Any, content: Any) -> dict[str, Any]:
    """The datasets of a file of that layout, by "<layer>/<parameter>".

    Raises:
        ModelFileError: if a layer has two of one name, as a model within a model would.
    """
    found: dict[str, Any] = {}
    for path, dataset in hdf5.datasets(h5py, legacy_root(h5py, content), "").items():
        layer, _, rest = path.partition("/")
        place = f"{layer}/{rest.rpartition('/')[2].partition(':')[0]}"  # Keras 2 wrote "kernel:0"
        if place in found:
            raise ModelFileError(f"{layer} has two weights of one name: it is a model of its own")
        found[place] = dataset
    return found


def _legacy_names(
    h5py: Any, content: Any, size: int, found: dict[str, Any], model: Network
) -> dict[Layer, str]:
    """What the model's layers are called in the file: as in Keras, their order decides."""
    with_weights = {place.partition("/")[0] for place in found}
    listed = hdf5.texts(legacy_root(h5py, content), "layer_names", size)
    theirs = [name for name in listed if name in with_weights]
    ours = [layer for layer in model.chain if layer.parameters]
    if len(theirs) != len(ours):
        raise ModelFileError(
            f"the file has {len(theirs)} layers with weights, and the model {len(ours)}"
        )
    return dict(zip(ours, theirs, strict=True))


def _check(found: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """Checks that the datasets are the model's weights.

    Raises:
        ModelFileError: if they are not.
    """
    if shapes and not found:
        raise ModelFileError("it holds no layers/*/vars: Keras did not save it as weights")
    if missing := shapes.keys() - found.keys():
        some = f"{len(missing)} of the model's weights, {min(missing)} among them"
        raise ModelFileError(f"the file lacks {some}")
    if extra := found.keys() - shapes.keys():
        some = f"{len(extra)} of the file's weights, {min(extra)} among them"
        raise ModelFileError(f"the model lacks {some}")
    for name, shape in shapes.items():
        dataset = found[name]
        if dataset.shape != shape:
            raise ModelFileError(f"{name} is {dataset.shape} in the file, {shape} in the model")
        hdf5.check_plain(name, dataset, "f" if shape else "fiu")  # a count is an integer
        hdf5.check_chunks(name, dataset)
