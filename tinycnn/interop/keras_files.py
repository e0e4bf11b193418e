"""Whole models in Keras's own files: `.keras`, and `.h5`, its format up to version 2.

    model.save("digits.keras")          # real Keras: keras.models.load_model("digits.keras")
    model = load_model("from_keras.keras")

A `.keras` file is a zip of three members, stored without compression:
    metadata.json      which Keras; here also our seed and counters, which Keras does not read
    config.json        architecture and compile settings, see keras_config.py
    model.weights.h5   weights, see keras_weights.py, and the optimizer's state, see
                       keras_optimizer.py
An `.h5` file is HDF5. It holds the two descriptions as attributes `model_config` and
`training_config` and the arrays in groups `model_weights` and `optimizer_weights`.

`write` and `read` take and give what `serialization.write` and `read` do for our own model files.
Nothing in a file is run, and no module is imported by a name in it.

Source: keras/src/saving/saving_lib.py, keras/src/legacy/saving/legacy_h5_format.py
"""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo, is_zipfile

from tinycnn.errors import ModelFileError
from tinycnn.interop import hdf5, keras_config, keras_optimizer, keras_weights
from tinycnn.interop.keras_weights import IN_ARCHIVE
from tinycnn.support import serialization
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array, next_seed

ENDINGS = (".keras", *keras_weights.LEGACY)
CONFIG, METADATA = "config.json", "metadata.json"
MOST_TEXT = serialization.MAX_MANIFEST_BYTES
KERAS = "3.10.0"  # whose form of the files this is; later ones read it

# The parameters of each layer in the order of Keras's variables, and the settings without which it
# does not have them.
PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "BatchNormalization": {
        "gamma": {"scale": True},
        "beta": {"center": True},
        "moving_mean": {},
        "moving_variance": {},
    },
    "Conv2D": {"kernel": {}, "bias": {"use_bias": True}},
    "Dense": {"kernel": {}, "bias": {"use_bias": True}},
    "Normalization": {"mean": {"mean": None}, "variance": {"mean": None}, "count": {"mean": None}},
}
STATISTICS = frozenset("moving_mean moving_variance mean variance count".split())  # none learns

Content = dict[str, Any]
Arrays = dict[str, Array]


def is_one(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of Keras's, by its name or else by its first bytes or its members."""
    if os.fspath(path).endswith(ENDINGS):
        return True
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n":
            return True
        try:
            with ZipFile(file) as archive:
                return IN_ARCHIVE in archive.namelist()
        except (BadZipFile, OSError, ValueError, NotImplementedError):
            return False  # no zip, or a damaged one; whoever reads it will say so


# --- writing --------------------------------------------------------------------------------------


def write(path: str | os.PathLike[str], content: Content, arrays: Arrays) -> None:
    """Writes a model as Keras would: whole or, on any error, not at all.

    Args:
        path: used exactly as given; it ends in .keras, .h5 or .hdf5.
        content: what `Stateful.state` returns.
        arrays: likewise.

    Raises:
        ValueError: for what Keras does not have, and what is not a plain value.
        ImportError: if h5py is not installed.
        OSError: if the file can't be written; an older file of that name then stays as it was.
    """
    described = check(content, arrays)
    h5py = hdf5.h5py_module()
    own = {key: content[key] for key in ("seed", "epochs_trained", "steps_trained")}
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        if Path(path).suffix == ".keras":
            _write_arrays(file, content, arrays)
        else:
            _write_legacy(file, content, arrays, described, own)
    data = stream.getvalue()
    if Path(path).suffix == ".keras":
        metadata = {"keras_version": KERAS, "tinycnn": own}
        texts = {METADATA: _json(metadata).encode(), CONFIG: _json(described).encode()}
        data = _zip({**texts, IN_ARCHIVE: data})
    with atomic_write(path) as target:
        target.write(data)


def check(content: Content, arrays: Arrays) -> Content:
    """Keras's description of a model, which can be saved as Keras would.

    Raises:
        ValueError: for what Keras does not have, and what is not a plain value.
    """
    described = keras_config.to_keras(content)
    serialization.check(content, arrays)
    for layer in content["layers"]:
        place = f"weights/{layer['config']['name']}/"
        names = {name.removeprefix(place) for name in arrays if name.startswith(place)}
        if odd := names ^ set(_parameters_of(layer)):
            raise ValueError(
                f"{layer['class']}({layer['config']['name']}) has other parameters than Keras's "
                f"layer of that class: save the model in a file that ends in .npz. "
                f"Received: {', '.join(sorted(odd))}"
            )
    return described


def _write_arrays(file: Any, content: Content, arrays: Arrays) -> None:
    """Weights and optimizer in the layout of `model.weights.h5`."""
    layers = content["layers"]
    groups = keras_weights.groups(layer["class"] for layer in layers)
    keras_weights.write(file, groups, [_weights_of(layer, arrays) for layer in layers])
    file.create_group("vars").attrs["name"] = content["name"]
    if compiled := content["compile"]:
        group = file.create_group("optimizer/vars")
        group.attrs["name"] = compiled["optimizer"]["class"].lower()
        for i, value in enumerate(_variables(content, arrays).values()):
            group[str(i)] = value


def _write_legacy(
    file: Any, content: Content, arrays: Arrays, described: Content, own: Content
) -> None:
    """All of a model in the layout of `.h5`."""
    file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", KERAS
    file.attrs["tinycnn"] = _json(own)
    file.attrs["model_config"] = _json(keras_config.plainer(described))
    weights = [_weights_of(layer, arrays) for layer in content["layers"]]
    keras_weights.write_legacy(file.create_group("model_weights"), content["name"], weights)
    if compiled := described.get("compile_config"):
        settings = {key: value for key, value in compiled.items() if key != "optimizer"}
        settings["optimizer_config"] = compiled["optimizer"]
        file.attrs["training_config"] = _json(settings)
        variables = _variables(content, arrays)
        group = file.create_group("optimizer_weights")
        hdf5.set_texts(group, "weight_names", list(variables))
        for name, value in variables.items():
            group[name] = value


def _zip(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_STORED) as archive:
        for name, data in members.items():
            # A fixed date, so that equal models make equal files.
            archive.writestr(ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return stream.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, default=serialization.plain)


def _parameters_of(layer: Mapping[str, Any]) -> list[str]:
    """The names of a layer's parameters, in the order of Keras's variables."""
    settings, known = layer["config"], PARAMETERS.get(layer["class"], {})
    return [
        name
        for name, needed in known.items()
        if all(settings.get(key, value) == value for key, value in needed.items())
    ]


def _weights_of(layer: Mapping[str, Any], arrays: Arrays) -> tuple[str, list[tuple[str, Array]]]:
    """The name of a layer, and names and values of its parameters."""
    name = layer["config"]["name"]
    return name, [(p, arrays[f"weights/{name}/{p}"]) for p in _parameters_of(layer)]


def _learning(content: Content, arrays: Arrays) -> list[tuple[str, Array]]:
    """Names and values of the parameters that training changes."""
    layers = content["layers"] if content.get("trainable", True) else []
    weights = [_weights_of(layer, arrays) for layer in layers if layer.get("trainable", True)]
    return [
        (f"{layer}_{name}", value)
        for layer, named in weights
        for name, value in named
        if name not in STATISTICS
    ]


def _variables(content: Content, arrays: Arrays) -> dict[str, Array]:
    learning = _learning(content, arrays)
    return keras_optimizer.variables(content["compile"], learning, arrays, content["dtype"])


# --- reading --------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str], with_compile: bool = True) -> tuple[Content, Arrays]:
    """Reads a whole model that Keras saved, or `write`.

    Args:
        path: the file; its contents show which of the two formats it has.
        with_compile: False leaves out how the model was compiled.

    Returns:
        Content and arrays, as for `write`.

    Raises:
        ModelFileError: if the file is damaged, or holds what tinycnn does not have; the message
            gives the reason.
        ImportError: if h5py is not installed.
        OSError: if it can't be opened.
    """
    serialization.check_kind(path)  # a file that is not there is told before a package
    h5py = hdf5.h5py_module()
    with open(path, "rb") as file, hdf5.refused(path, "model file of Keras"):
        return (_read_zip if is_zipfile(file) else _read_legacy)(h5py, file, with_compile)


def _read_zip(h5py: Any, file: IO[bytes], with_compile: bool) -> tuple[Content, Arrays]:
    with ZipFile(file) as archive:
        described = json.loads(hdf5.member(archive, CONFIG, MOST_TEXT))
        metadata = json.loads(hdf5.member(archive, METADATA, MOST_TEXT))
        weights = hdf5.member(archive, IN_ARCHIVE)
    with hdf5.opened(h5py, weights) as stored:
        found = hdf5.read_all(hdf5.datasets(h5py, stored, "layers"), len(weights))
        state = hdf5.read_all(hdf5.datasets(h5py, stored, "optimizer"), len(weights))
    content, classes = keras_config.from_keras(described)
    groups = list(keras_weights.groups(classes))
    places = {
        (layer["config"]["name"], name): f"layers/{groups[layer['place']]}/vars/{i}"
        for layer in content["layers"]
        for i, name in enumerate(_parameters_of(layer))
    }
    arrays = _taken(content, found, places)
    _add_counters(content, metadata.get("tinycnn"))
    if with_compile:
        in_order = [state[f"optimizer/vars/{i}"] for i in range(len(state))]
        _take_compiled(content, arrays, described.get("compile_config"), in_order)
    return content, arrays


def _read_legacy(h5py: Any, file: IO[bytes], with_compile: bool) -> tuple[Content, Arrays]:
    size = os.fstat(file.fileno()).st_size
    with hdf5.opened(h5py, file) as stored:
        described, compiled, own = (
            json.loads(hdf5.text(stored, name, MOST_TEXT) or "null")
            for name in ("model_config", "training_config", "tinycnn")
        )
        if described is None:
            raise ModelFileError(
                "it holds no architecture, only weights: make the same network, then "
                "model.load_weights(path)"
            )
        found = hdf5.read_all(keras_weights.legacy_weights(h5py, stored), size)
        state: list[Array] = []
        if with_compile and hdf5.holds(h5py, stored, root := "optimizer_weights"):
            arrays = hdf5.read_all(hdf5.datasets(h5py, stored, root), size)
            names = hdf5.texts(stored[root], "weight_names", size)
            state = [arrays[f"{root}/{name}"] for name in names]
    content, _ = keras_config.from_keras(described)
    places = {
        (layer["config"]["name"], name): f"{layer['config']['name']}/{name}"
        for layer in content["layers"]
        for name in _parameters_of(layer)
    }
    arrays = _taken(content, found, places)
    _add_counters(content, own)
    if with_compile:
        _take_compiled(content, arrays, compiled, state)
    return content, arrays


def _taken(
    content: Content, found: Mapping[str, Array], places: Mapping[tuple[str, str], str]
) -> Arrays:
    """The weights, in the model's dtype, from their places in a file.

    Raises:
        ModelFileError: if there is none in a place, or one in another place.
    """
    if missing := set(places.values()) - found.keys():
        raise ModelFileError(f"it lacks {len(missing)} weights, {min(missing)} among them")
    if left := found.keys() - set(places.values()):
        raise ModelFileError(f"it holds {len(left)} weights of no layer, {min(left)} among them")
    return {
        f"weights/{layer}/{name}": found[place].astype(content["dtype"])
        for (layer, name), place in places.items()
    }


def _add_counters(content: Content, own: Any) -> None:
    """Adds seed and counters, which only our files have."""
    own = own if isinstance(own, Mapping) else {}
    content["seed"] = own["seed"] if "seed" in own else next_seed()
    for counter in ("epochs_trained", "steps_trained"):
        content[counter] = own.get(counter, 0)


def _take_compiled(
    content: Content, arrays: Arrays, described: Any, state: Sequence[Array]
) -> None:
    """Adds how the model was compiled, and the state of its optimizer."""
    content["compile"] = keras_config.compile_from_keras(described)
    if content["compile"] and state:
        learning = _learning(content, arrays)
        keras_optimizer.take(content["compile"], learning, arrays, content["dtype"], state)
