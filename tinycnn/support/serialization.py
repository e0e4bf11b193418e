"""The model file: an .npz of plain arrays and one manifest; no pickle, no code, no import paths.

Layout: an uncompressed zip. The member `manifest.npy` is canonical JSON as uint8; every other
member `<name>.npy` is one array. The manifest holds
    format   "tinycnn model"
    version  1; a reader refuses newer ones
    content  whatever the caller wants to keep: configuration, counters; not looked at here
    arrays   [{"name", "dtype", "shape"}, ...] in order
    sha256   over the content and all arrays, in order, with their names, dtypes and shapes
So `numpy.load(path)` opens it, too, and contents that are not exactly as written are refused.
Reading takes memory in proportion to the file's size, whatever the file says.
"""

import hashlib
import io
import json
import math
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.errors import ModelFileError
from tinycnn.support import job
from tinycnn.support.arguments import printable
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array

FORMAT = "tinycnn model"
VERSION = 1
DTYPES = ("float32", "float64", "int64", "uint8")
MANIFEST = "manifest"
MAX_MANIFEST_BYTES = 2**22
_OF_KERAS = "It is no checkpoint of tinycnn's; load_model(path) reads whole models of Keras's"


def write(path: str | os.PathLike[str], content: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Writes a model file: whole or, on any error, not at all.

    Args:
        path: used exactly as given; it must end in .npz.
        content: plain values (dict, list, str, numbers, bool, None).
        arrays: name to array, of a dtype in DTYPES.

    Raises:
        ValueError: if the path does not end in .npz, or for what a model file can't hold.
        OSError: if the file can't be written; an older file of that name then stays as it was.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(
            "a model file's name must end in .npz, or in .keras or .h5 for files of Keras's. "
            f"Received: {str(path)!r}"
        )
    text = check(content, arrays)
    if not job.leads():  # another process writes the same file
        return
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in {MANIFEST: text, **arrays}.items():
            # A fixed date, so that equal models make equal files.
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array, order="C"), (1, 0))


def check(content: dict[str, Any], arrays: dict[str, Array]) -> Array:
    """The manifest of a model file with this content, as bytes; raises if it can't be saved.

    Args:
        content: as for `write`.
        arrays: likewise.

    Raises:
        ValueError: for what a model file can't hold.
    """
    entries = [
        {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in arrays.items()
    ]
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            known = ", ".join(DTYPES)
            raise ValueError(f"a model file holds {known}. Received: {name} of {array.dtype}")
        if name == MANIFEST or not name.isprintable() or len(name) > 1000:
            raise ValueError(f"a model file can't hold an array of the name {name!r:.99}")
    try:
        digest = _digest(content, entries, list(arrays.values()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"only names and plain numbers can be saved: {error}") from None
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "content": content,
        "arrays": entries,
        "sha256": digest,
    }
    text = np.frombuffer(_canonical(manifest), np.uint8)
    if text.size > MAX_MANIFEST_BYTES:
        raise ValueError(f"{text.size} bytes of settings and counters; a model file holds fewer")
    return text


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Reads and checks a whole model file.

    Returns:
        The content and the arrays, as they were given to `write`.

    Raises:
        ModelFileError: if the file is not exactly what `write` made; it gives path and reason.
        OSError: if it can't be opened.
    """
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        raise ModelFileError(
            f"{os.fspath(path)}: a folder of TensorFlow's (SavedModel), which only TensorFlow can "
            "read: save the model there once more, as model.keras"
        )
    check_kind(path)
    with open(path, "rb") as file:
        try:
            if file.read(8) == b"\x89HDF\r\n\x1a\n":
                raise ModelFileError(f"an HDF5 file, as Keras writes (.h5). {_OF_KERAS}")
            return _read(file)
        except ModelFileError as error:
            raise ModelFileError(f"{os.fspath(path)}: {error}") from None
        except Exception as error:
            # zipfile, NumPy and json raise a dozen kinds of errors on damaged bytes.
            why = f"not a complete tinycnn model file ({reason(error)})"
            raise ModelFileError(f"{os.fspath(path)}: {why}") from error


def check_kind(path: str | os.PathLike[str]) -> None:
    """Checks that there is no pipe or device at `path`.

    Raises:
        ModelFileError: if there is.
        OSError: if there is nothing.
    """
    if not os.path.isdir(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise ModelFileError(f"{os.fspath(path)}: a pipe or a device, which may have no end")


def reason(error: Exception) -> str:
    """What an error says about a file, made safe for a terminal."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return printable(f"{kind}{error}")


def _read(file: io.BufferedReader) -> tuple[dict[str, Any], dict[str, Array]]:
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.filename == "model.weights.h5" for member in members):
            raise ModelFileError(f"a model of Keras's (.keras). {_OF_KERAS}")
        # Stored, not compressed, and no byte twice: all arrays together fit into the file's size.
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or sum(member.file_size for member in members) > size:
            raise ModelFileError("its members are compressed or oversized")
        names = [member.filename for member in members]
        if f"{MANIFEST}.npy" not in names:
            raise ModelFileError("no manifest in it: this .npz was not saved by tinycnn")
        if archive.getinfo(f"{MANIFEST}.npy").file_size > MAX_MANIFEST_BYTES:
            raise ModelFileError("the manifest is oversized")
        manifest = json.loads(_array(archive.read(f"{MANIFEST}.npy"), None).tobytes())
        if manifest["format"] != FORMAT:
            raise ModelFileError(f"the manifest says {manifest['format']!r:.100}, not {FORMAT!r}")
        if manifest["version"] != VERSION:
            found = f"format version {manifest['version']!r:.99}"
            raise ModelFileError(f"{found}, and this tinycnn reads up to {VERSION}: update tinycnn")
        entries = manifest["arrays"]
        expected = [f"{MANIFEST}.npy", *(f"{entry['name']}.npy" for entry in entries)]
        if names != expected or len(set(names)) < len(names):
            raise ModelFileError("its members are not those that the manifest lists")
        arrays = [_array(archive.read(f"{entry['name']}.npy"), entry) for entry in entries]
    if _digest(manifest["content"], entries, arrays) != manifest["sha256"]:
        raise ModelFileError("its SHA-256 does not match: the contents are damaged")
    names = [entry["name"] for entry in entries]
    return manifest["content"], dict(zip(names, arrays, strict=True))


def _array(data: bytes, entry: dict[str, Any] | None) -> Array:
    """One .npy member: its header must say what the manifest says (None: bytes of any length)."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ModelFileError("a member is of another .npy version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    start = stream.tell()
    entry = entry or {"name": MANIFEST, "dtype": "uint8", "shape": [len(data) - start]}
    if (
        entry["dtype"] not in DTYPES
        or dtype != np.dtype(entry["dtype"])
        or list(shape) != entry["shape"]
        or fortran_order
        or len(data) - start != math.prod(shape) * dtype.itemsize
    ):
        raise ModelFileError(f"member {entry['name']!r:.99} is not the array that is listed")
    array: Array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return array.copy()


def _digest(content: Any, entries: list[dict[str, Any]], arrays: list[Array]) -> str:
    digest = hashlib.sha256(_canonical([content, entries]))
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    """JSON with exactly one spelling for each value; NumPy's scalars become Python's."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain
    ).encode()


def plain(value: Any) -> Any:
    """A NumPy scalar from a configuration as Python's own; for `json.dumps(default=)`.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a plain value")
