"""HDF5 as Keras's files use it, read with care: nothing a file says is believed before it is read.

No link is followed, within the file or out of it, and no array is read that is larger than the
bytes that the file holds for it. h5py, from the `keras` extra, is imported inside the functions:
nothing else in tinycnn needs it.

HDF5's own library walks through a heap of texts by their sizes, and does not return from one whose
size is 0. So all heaps are walked through here first.
"""

import io
import math
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

from tinycnn.errors import ModelFileError
from tinycnn.support.arguments import printable
from tinycnn.utils import Array

MOST_GROUPS = 20_000  # groups and arrays in a file: four for each of up to 5,000 layers
DEEPEST = 8  # groups within groups: model_weights/<layer>/<model>/<layer>/<array> are four
MOST_TEXT = 2**31  # bytes that all strings of one attribute may take
_HEAP = b"GCOL\x01"  # what a global heap collection begins with


def h5py_module() -> Any:
    """The module h5py.

    Raises:
        ImportError: if it is not installed; the message says how to install it.
    """
    try:
        return import_module("h5py")
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "h5py"
        raise ImportError(
            "Keras's files need h5py, not installed here: pip install 'tinycnn[keras]'"
        ) from (None if missing else error)


@contextmanager
def refused(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turns whatever is raised while a file is read into a ModelFileError.

    Args:
        path: the file, to be named.
        kind: what it should have been, such as "weights file of Keras 3".
    """
    try:
        yield
    except ModelFileError as error:  # it may quote names from the file
        raise ModelFileError(f"{os.fspath(path)}: {printable(str(error))}") from None
    except Exception as error:
        # h5py and zipfile raise a dozen kinds of errors on damaged bytes.
        raise ModelFileError(
            f"{os.fspath(path)}: not a complete {kind}; it may be cut off, damaged, or something "
            f"else ({printable(f'{type(error).__name__}: {error}')})"
        ) from error


def member(archive: ZipFile, name: str, most: float = math.inf) -> bytes:
    """The bytes of one member of a zip, which must be stored, not compressed, as Keras does it.

    So its content can't be larger than the file.

    Raises:
        ModelFileError: if there is no such member, or it is compressed or has more than `most`
            bytes.
    """
    stored = {m.filename: m for m in archive.infolist() if m.compress_type == ZIP_STORED}
    if name not in stored:
        raise ModelFileError(f"this zip does not hold a {name} as Keras stores it")
    if stored[name].file_size > most:
        raise ModelFileError(f"its {name} is oversized")
    return archive.read(name)


def opened(h5py: Any, source: IO[bytes] | bytes) -> Any:
    """The HDF5 file in an open file, or in these bytes; a context manager.

    Raises:
        ValueError: if it does not begin as Keras's files do, or a heap of texts is damaged; see
            `refused`.
    """
    if isinstance(source, bytes):
        _check_heaps(source)
        return h5py.File(io.BytesIO(source), "r")
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_heaps(content)
    source.seek(0)
    return h5py.File(source, "r")


def _check_heaps(content: bytes | mmap.mmap) -> None:
    """Checks that each heap of texts consists of objects that follow each other to its end.

    Source: "HDF5 File Format Specification Version 3.0", II.A and III.E; the loop over sizes that
    does not end is in the library's H5HGcache.c.

    Raises:
        ValueError: if one does not, or numbers in the file do not have 8 bytes, as here.
    """
    sizes = 13 if content[8:9] in (b"\0", b"\1") else 9  # by the version of the superblock
    if content[:8] != b"\x89HDF\r\n\x1a\n" or content[sizes : sizes + 2] != b"\x08\x08":
        raise ValueError("it does not begin as the HDF5 files of Keras do")
    start = content.find(_HEAP)
    while start >= 0:
        (size,) = struct.unpack_from("<Q", content[start : start + 16].ljust(16, b"\0"), 8)
        at, end = start + 16, start + size
        if end > len(content):
            raise ValueError("a heap of texts is longer than the file")
        while at + 16 <= end:
            index, length = struct.unpack_from("<H6xQ", content, at)
            # An object has a head of 16 bytes, and fills whole 8. Object 0 is the free rest.
            at += 16 + -(-length // 8) * 8 if index else length
            if at > end or (not index and length < 16):
                raise ValueError("the sizes in a heap of texts do not add up")
        start = content.find(_HEAP, start + 1)


def holds(h5py: Any, content: Any, name: str) -> bool:
    """Whether `name` is a group or an array in `content` itself, not a link to one elsewhere."""
    return isinstance(content.get(name, getlink=True), h5py.HardLink)


def datasets(h5py: Any, content: Any, root: str) -> dict[str, Any]:
    """All datasets below the group `root`, by their paths; "" is the whole file.

    Raises:
        ModelFileError: if there are more groups, or deeper ones, than in any model of Keras's.
    """
    found: dict[str, Any] = {}
    waiting = [(root, content[root])] if root and holds(h5py, content, root) else []
    waiting += [] if root else [(name, content[name]) for name in _parts(h5py, content)]
    seen = 0
    while waiting:
        path, thing = waiting.pop()
        seen += 1
        if seen > MOST_GROUPS or path.count("/") > DEEPEST:
            raise ModelFileError("it holds more groups, or deeper ones, than any model of Keras's")
        if isinstance(thing, h5py.Dataset):
            found[path] = thing
        elif isinstance(thing, h5py.Group):
            waiting += [(f"{path}/{name}", thing[name]) for name in _parts(h5py, thing)]
    return found


def _parts(h5py: Any, group: Any) -> Iterator[str]:
    """What a group holds, without the states of generators that noise layers keep in Keras."""
    return (name for name in group if name != "seed_generator" and holds(h5py, group, name))


def check_plain(name: str, dataset: Any, kinds: str = "f") -> None:
    """Checks that a dataset holds numbers of these kinds in the file itself.

    Raises:
        ModelFileError: if it does not.
    """
    if dataset.dtype.kind not in kinds or dataset.external or dataset.is_virtual:
        what = "floating-point numbers" if kinds == "f" else "numbers"
        raise ModelFileError(f"{name} is not a plain array of {what}")


def check_chunks(name: str, dataset: Any) -> None:
    """Checks that reading a dataset takes no more memory than its shape tells.

    Raises:
        ModelFileError: if it is stored in chunks far larger than itself: a chunk is read whole.
    """
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > 2 * dataset.nbytes + 2**16:
        raise ModelFileError(f"{name} is stored in chunks far larger than itself")


def read_all(named: dict[str, Any], size: int) -> dict[str, Array]:
    """Reads datasets of whatever shapes they have, from a file of `size` bytes.

    Raises:
        ModelFileError: if one is not an array of numbers that lies in the file as it is, or all
            together would take more bytes than the file has.
    """
    for name, dataset in named.items():
        check_plain(name, dataset, "fiu")
        whole = dataset.shape is not None and not dataset.chunks
        if not whole or dataset.id.get_storage_size() < dataset.nbytes:
            raise ModelFileError(f"{name} is not stored as Keras stores it, in one piece")
    if sum(dataset.nbytes for dataset in named.values()) > size:
        raise ModelFileError("its arrays would be larger than the file")
    return {name: dataset[()] for name, dataset in named.items()}


def text(content: Any, name: str, most: float = math.inf) -> str | None:
    """A single string among the attributes of a group; None if there is none of that name.

    Raises:
        ModelFileError: if it is something else than a string, or longer than `most`.
    """
    if name not in content.attrs:
        return None
    if not _holds_texts(content, name) or content.attrs.get_id(name).shape != ():
        raise ModelFileError(f"its attribute {name} is not one text")
    value = content.attrs[name]
    value = value.decode() if isinstance(value, bytes) else value
    if not isinstance(value, str) or len(value) > most:
        raise ModelFileError(f"its attribute {name} is not a text, or is oversized")
    return value


def _holds_texts(content: Any, name: str) -> bool:
    """Whether an attribute's type is text. If not, HDF5's library may crash as it reads one."""
    return "TypeStringID" in type(content.attrs.get_id(name).get_type()).__name__


def texts(content: Any, name: str, size: int) -> list[str]:
    """A list of strings among the attributes of a group, in a file of `size` bytes.

    A long list is in pieces, `name` with 0, 1, ... after it.

    Raises:
        ModelFileError: if it is something else, or could take more than MOST_TEXT bytes: each may
            be the same long text in the file.
    """
    names = [name] if name in content.attrs else []
    while not names or names[-1] != name:
        if (piece := f"{name}{len(names)}") not in content.attrs:
            break
        names.append(piece)
    found: list[str] = []
    for piece in names:
        shape = content.attrs.get_id(piece).shape
        sound = _holds_texts(content, piece) and len(shape or ()) == 1
        if not sound or shape[0] * size > MOST_TEXT or shape[0] > MOST_GROUPS:
            raise ModelFileError(f"its attribute {piece} is not a list of names, or is oversized")
        values = [v.decode() if isinstance(v, bytes) else v for v in content.attrs[piece]]
        if not all(isinstance(value, str) for value in values):
            raise ModelFileError(f"its attribute {piece} is not a list of names")
        found += values
    return found


def set_texts(content: Any, name: str, values: list[str]) -> None:
    """Writes what `texts` reads: an attribute holds 64 KiB, so a long list goes in pieces."""
    most = 2000
    encoded = [value.encode() for value in values]
    if len(values) <= most:
        content.attrs[name] = encoded
        return
    for i, start in enumerate(range(0, len(values), most)):
        content.attrs[f"{name}{i}"] = encoded[start : start + most]
