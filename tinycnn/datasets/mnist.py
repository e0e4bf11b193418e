"""MNIST: finds the four IDX files or downloads them, verifies them, loads them.

They come from the first of these that applies:
    1. the folder `data_dir=`;
    2. the folder named by the environment variable TINYCNN_DATA_DIR;
    3. the cache, `mnist` in `tinycnn.support.files.cache_folder()` (TINYCNN_HOME moves it);
    4. the mirrors below, once, into the cache.
Folders 1 and 2 are the user's own: they are only read, and may hold anything in MNIST's form
(Fashion-MNIST, drawn digits). A file missing there is an error; it is not downloaded. The cache
holds the official MNIST, verified by its SHA-256 each time it is loaded.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinycnn.datasets.download import Mirrors, fault
from tinycnn.datasets.idx import MAX_BYTES, format_idx, parse_idx, read_idx
from tinycnn.errors import DownloadError, IdxFormatError
from tinycnn.support import console
from tinycnn.support.files import atomic_write, cache_folder, expanded
from tinycnn.utils import Array

# Tried in this order, by https only. yann.lecun.com no longer has the files.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)


class _File(NamedTuple):
    name: str  # unpacked; ".gz" is added for the packed file
    size: int  # bytes, packed
    sha256: str  # packed
    unpacked_sha256: str


# fmt: off
FILES = (
    _File("train-images-idx3-ubyte", 9912422,
          "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
          "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    _File("train-labels-idx1-ubyte", 28881,
          "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
          "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    _File("t10k-images-idx3-ubyte", 1648877,
          "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
          "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    _File("t10k-labels-idx1-ubyte", 4542,
          "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
          "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
# fmt: on


def load_data(
    data_dir: str | os.PathLike[str] | None = None, offline: bool = False
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Loads MNIST, or a data set in MNIST's files.

    Args:
        data_dir: a folder with the four files, each packed (`train-images-idx3-ubyte.gz`) or not
            (`train-images-idx3-ubyte`). A name with a dot (`train-images.idx3-ubyte`) or a folder
            of the file's own name, as unzip tools and Kaggle make them, will also do, as will
            Keras's `mnist.npz`. If None: TINYCNN_DATA_DIR, else the cache, else a download.
        offline: if True, no connection is opened.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: images of shape (N, 28, 28) with values
        from 0 to 255, labels of shape (N,) from 0 to 9. For the official MNIST N is 60000 and
        10000.

    Raises:
        DownloadError: if no mirror delivers a file, or the cache lacks one and `offline` is True;
            the message says what to do.
        FileNotFoundError: if `data_dir` or TINYCNN_DATA_DIR lacks a file.
        IdxFormatError: if a file there is damaged, or its content does not have MNIST's form.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data("my/digits")  # doctest: +SKIP
    """
    chosen = data_dir if data_dir is not None else os.environ.get("TINYCNN_DATA_DIR") or None
    if chosen is None:
        folder = cache_folder() / "mnist"
        arrays = _from_cache(folder, offline)
    else:
        folder = expanded(chosen)
        arrays = _from_folder(folder)
    x_train, y_train, x_test, y_test = arrays
    _check_form(folder, "train", x_train, y_train)
    _check_form(folder, "t10k", x_test, y_test)
    return (x_train, y_train), (x_test, y_test)


def name_of(data: tuple[tuple[Array, Array], tuple[Array, Array]]) -> str:
    """What to call the data: "MNIST" only if every byte is that of the official files.

    Args:
        data: what `load_data` returned.

    Returns:
        "MNIST" or "data in MNIST's format (not MNIST)".
    """
    (x_train, y_train), (x_test, y_test) = data
    others = _not_official([x_train, y_train, x_test, y_test])
    return "data in MNIST's format (not MNIST)" if others else "MNIST"


def _not_official(arrays: list[Array]) -> list[str]:
    """The names of those files, of the four, whose arrays are not the official ones."""
    return [
        file.name
        for file, array in zip(FILES, arrays, strict=True)
        if hashlib.sha256(format_idx(array)).hexdigest() != file.unpacked_sha256
    ]


def _check_form(folder: Path, part: str, images: Array, labels: Array) -> None:
    """Raises IdxFormatError unless these are 28x28 images, at least one, and a label for each."""
    pictures, digits = folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte"
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or len(images) == 0:
        raise IdxFormatError(
            f"{pictures} must hold at least one image, uint8 of shape (N, 28, 28). "
            f"It holds {images.dtype} of shape {images.shape}"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise IdxFormatError(
            f"{digits} must hold one label for each of the {len(images)} images, uint8 of shape "
            f"({len(images)},). It holds {labels.dtype} of shape {labels.shape}"
        )
    if labels.max() > 9:
        raise IdxFormatError(
            f"{digits} must hold labels from 0 to 9. It holds {labels.max()} "
            f"at index {labels.argmax()}. Other data sets in this format, such as EMNIST (letters "
            "from 1 to 26, images transposed), are read file by file: tinycnn.datasets.idx.read_idx"
        )


def _from_folder(folder: Path) -> list[Array]:
    """The four arrays from a user's own folder."""
    found = {file: [p for p in _spellings(folder, file.name) if p.is_file()] for file in FILES}
    archive = folder / "mnist.npz"
    if not any(found.values()) and archive.is_file():
        return _told_of(folder, _from_archive(archive))
    missing = [f"\n  {file.name}.gz or {file.name}" for file, paths in found.items() if not paths]
    if missing:
        state = "lacks" if folder.is_dir() else "does not exist; it should hold"
        raise FileNotFoundError(
            f"the folder {folder} {state} these files:{''.join(missing)}\n"
            "Nothing is downloaded into a folder given by data_dir= or TINYCNN_DATA_DIR; "
            "without one, MNIST is downloaded into the cache."
        )
    return _told_of(folder, [read_idx(paths[0]) for paths in found.values()])


def _spellings(folder: Path, name: str) -> list[Path]:
    """Where a file may be: packed or not, with a dash or a dot, or in a folder of its own name."""
    spelled = (name, name.replace("-idx", ".idx"))
    names = [f"{s}{end}" for s in spelled for end in (".gz", "")]
    inner = {n.removesuffix(".gz"): None for n in names}
    return [folder / n for n in names] + [folder / own / n for own in inner for n in names]


def _told_of(folder: Path, arrays: list[Array]) -> list[Array]:
    """The arrays, after a notice that names those which are not the official ones."""
    if others := _not_official(arrays):
        console.notice(f"{folder}: not the official MNIST: {', '.join(others)}", once=True)
    return arrays


def _from_archive(path: Path) -> list[Array]:
    """The four arrays of Keras's mnist.npz."""
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if missing := [name for name in names if name not in archive.files]:
                raise IdxFormatError(f"{path} lacks {', '.join(missing)}: not Keras's mnist.npz")
            sizes = [info.file_size for info in archive.zip.infolist()]
            if sum(sizes) > MAX_BYTES:
                raise IdxFormatError(f"{path} holds more than {MAX_BYTES} bytes")
            return [np.ascontiguousarray(archive[name]) for name in names]
    except IdxFormatError:
        raise
    except Exception as error:  # zipfile and NumPy raise half a dozen kinds on damaged bytes
        raise IdxFormatError(f"{path} is damaged ({type(error).__name__})") from error


def _from_cache(folder: Path, offline: bool) -> list[Array]:
    """The four arrays of the official MNIST from the cache, which a download fills if need be."""
    mirrors = Mirrors(MIRRORS)
    packed: dict[Path, bytes] = {}
    faults: list[str] = []
    for name, size, sha256, _ in FILES:
        path = folder / f"{name}.gz"
        packed[path], why = _read_cached(path, size, sha256)
        if why and offline:
            faults.append(f"\n  {path} {why}")
        elif why:
            try:
                packed[path] = mirrors.download(path.name, size, sha256)
            except DownloadError as error:
                raise DownloadError(f"{error}\n{_remedy(folder)}") from error
            _keep(path, packed[path])
    if faults:
        raise DownloadError(
            f"offline=True, and the cache does not hold MNIST:{''.join(faults)}\n{_remedy(folder)}"
        )
    return [parse_idx(data, path) for path, data in packed.items()]


def _read_cached(path: Path, size: int, sha256: str) -> tuple[bytes, str | None]:
    """The packed bytes at `path`, and what is wrong with them if something is."""
    try:
        with open(path, "rb") as file:
            data = file.read(size + 1)
    except FileNotFoundError:
        return b"", "is missing"
    except OSError as error:
        return b"", f"cannot be read ({error.strerror})"
    return data, fault(data, size, sha256)


def _keep(path: Path, data: bytes) -> None:
    """Puts verified bytes into the cache; a cache that cannot be written is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        console.notice(
            f"MNIST cannot be kept in {path.parent} ({error.strerror or error}), so every run "
            "downloads it again; set TINYCNN_HOME to a folder that can be written",
            once=True,
        )


def _remedy(folder: Path) -> str:
    """How to get the files by hand."""
    names = ", ".join(f"{file.name}.gz" for file in FILES)
    return (
        f"By hand: get {names} from one of\n  " + "\n  ".join(MIRRORS) + f"\nand put them into "
        f"{folder}, or into a folder of your own, named by data_dir= or the environment variable "
        "TINYCNN_DATA_DIR."
    )
