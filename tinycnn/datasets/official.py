"""A data set in MNIST's four IDX files: found or downloaded, verified, loaded.

They come from the first of these that applies:
    1. the folder `data_dir=`;
    2. the folder named by an environment variable, for MNIST TINYCNN_DATA_DIR;
    3. the cache, in `tinycnn.support.files.cache_folder()` (TINYCNN_HOME moves it);
    4. the mirrors, once, into the cache.
Folders 1 and 2 are the user's own: they are only read, and may hold anything in MNIST's form. A
file missing there is an error; it is not downloaded. The cache holds the official data set,
verified by its SHA-256 each time it is loaded.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinycnn.datasets.cache import keep, read_cached
from tinycnn.datasets.download import Mirrors
from tinycnn.datasets.idx import MAX_BYTES, parse_idx, read_idx, sha256_of_idx
from tinycnn.errors import DownloadError, IdxFormatError
from tinycnn.support import console
from tinycnn.support.files import cache_folder, expanded
from tinycnn.utils import Array

Data = tuple[tuple[Array, Array], tuple[Array, Array]]  # ((x_train, y_train), (x_test, y_test))


class File(NamedTuple):
    """One of the four files, as its publisher gave it out.

    Args:
        name: unpacked; ".gz" is added for the packed file.
        size: bytes, packed.
        sha256: of the packed file.
        unpacked_sha256: None if nobody has published it; then a user's own copy can't be told from
            other data.
    """

    name: str
    size: int
    sha256: str
    unpacked_sha256: str | None = None


class Official(NamedTuple):
    """A data set of 28x28 images in ten classes.

    Args:
        name: "MNIST".
        folder: its folder in the cache.
        mirrors: addresses that hold the packed files, in the order in which they are tried; https.
        files: training images, training labels, test images, test labels.
        variable: the environment variable that names a folder of the user's own.
        archive: name of the file in which Keras keeps the four arrays.
    """

    name: str
    folder: str
    mirrors: tuple[str, ...]
    files: tuple[File, ...]
    variable: str | None = None
    archive: str | None = None

    def load(self, data_dir: str | os.PathLike[str] | None = None, offline: bool = False) -> Data:
        """The four arrays; arguments and errors are those of `mnist.load_data`."""
        chosen = data_dir
        if chosen is None and self.variable:
            chosen = os.environ.get(self.variable) or None
        if chosen is None:
            folder = cache_folder() / self.folder
            arrays = self._from_cache(folder, offline)
        elif self.archive and (file := expanded(chosen)).suffix == ".npz" and file.is_file():
            folder = file.parent
            arrays = self._told_of(file, from_archive(file))
        else:
            folder = expanded(chosen)
            arrays = self._from_folder(folder)
        x_train, y_train, x_test, y_test = arrays
        _check_form(folder, "train", x_train, y_train)
        _check_form(folder, "t10k", x_test, y_test)
        return (x_train, y_train), (x_test, y_test)

    def differing(self, arrays: list[Array]) -> list[str]:
        """The names of those files, of the four, whose arrays are not the official ones."""
        return [
            file.name
            for file, array in zip(self.files, arrays, strict=True)
            if file.unpacked_sha256 and sha256_of_idx(array) != file.unpacked_sha256
        ]

    def _own_folders(self) -> str:
        return "data_dir=" + (f" or {self.variable}" if self.variable else "")

    def _from_folder(self, folder: Path) -> list[Array]:
        """The four arrays from a user's own folder."""
        found = {
            file: [path for path in _spellings(folder, file.name) if path.is_file()]
            for file in self.files
        }
        if self.archive and not any(found.values()) and (folder / self.archive).is_file():
            return self._told_of(folder, from_archive(folder / self.archive))
        missing = [f"\n  {f.name}.gz or {f.name}" for f, paths in found.items() if not paths]
        if missing:
            state = "lacks" if folder.is_dir() else "does not exist; it should hold"
            raise FileNotFoundError(
                f"the folder {folder} {state} these files:{''.join(missing)}\n"
                f"Nothing is downloaded into a folder given by {self._own_folders()}; "
                f"without one, {self.name} is downloaded into the cache."
            )
        return self._told_of(folder, [read_idx(paths[0]) for paths in found.values()])

    def _told_of(self, folder: Path, arrays: list[Array]) -> list[Array]:
        """The arrays, after a notice that names those which are not the official ones."""
        if others := self.differing(arrays):
            differing = ", ".join(others)
            console.notice(f"{folder}: not the official {self.name}: {differing}", once=True)
        return arrays

    def _from_cache(self, folder: Path, offline: bool) -> list[Array]:
        """The four official arrays from the cache, which a download fills if need be."""
        mirrors = Mirrors(self.mirrors)
        packed: dict[Path, bytes] = {}
        faults: list[str] = []
        for name, size, sha256, _ in self.files:
            path = folder / f"{name}.gz"
            packed[path], why = read_cached(path, size, sha256)
            if why and offline:
                faults.append(f"\n  {path} {why}")
            elif why:
                try:
                    packed[path] = mirrors.download(path.name, size, sha256)
                except DownloadError as error:
                    raise DownloadError(f"{error}\n{self._remedy(folder)}") from error
                keep(path, packed[path], self.name)
        if faults:
            raise DownloadError(
                f"offline=True, and the cache does not hold {self.name}:{''.join(faults)}\n"
                f"{self._remedy(folder)}"
            )
        return [parse_idx(data, path) for path, data in packed.items()]

    def _remedy(self, folder: Path) -> str:
        """How to get the files by hand."""
        names = ", ".join(f"{file.name}.gz" for file in self.files)
        variable = f" or the environment variable {self.variable}" if self.variable else ""
        return (
            f"By hand: get {names} from one of\n  " + "\n  ".join(self.mirrors) + "\nand put "
            f"them into {folder}, or into a folder of your own, named by data_dir={variable}."
        )


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


def _spellings(folder: Path, name: str) -> list[Path]:
    """Where a file may be: packed or not, with a dash or a dot, or in a folder of its own name."""
    spelled = (name, name.replace("-idx", ".idx"))
    names = [f"{s}{end}" for s in spelled for end in (".gz", "")]
    inner = {n.removesuffix(".gz"): None for n in names}
    return [folder / n for n in names] + [folder / own / n for own in inner for n in names]


def from_archive(path: Path) -> list[Array]:
    """The four arrays of Keras's mnist.npz."""
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if missing := [name for name in names if name not in archive.files]:
                raise IdxFormatError(f"{path} lacks {', '.join(missing)}: not Keras's {path.name}")
            sizes = [info.file_size for info in archive.zip.infolist()]
            if sum(sizes) > MAX_BYTES:
                raise IdxFormatError(f"{path} holds more than {MAX_BYTES} bytes")
            return [np.ascontiguousarray(archive[name]) for name in names]
    except IdxFormatError:
        raise
    except Exception as error:  # zipfile and NumPy raise half a dozen kinds on damaged bytes
        raise IdxFormatError(f"{path} is damaged ({type(error).__name__})") from error
