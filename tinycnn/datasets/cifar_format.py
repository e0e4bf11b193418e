"""CIFAR's binary files: found or downloaded, verified, loaded.

They hold one record after the other: a label (CIFAR-100: two, the coarse one first) and the 3072
pixels of a picture, a byte each: 32 rows of 32 red ones, then green, then blue. The publisher packs
them into one archive, `.tar.gz`, which the cache keeps. His other archive holds Python pickles,
which can run code, and is never read.

They come from the first of these that applies:
    1. the folder `data_dir=`, which is only read: with the archive, or what was unpacked from it;
    2. the cache, in `tinycnn.support.files.cache_folder()`;
    3. the publisher, once, into the cache.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import os
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinycnn.datasets.cache import fetched
from tinycnn.datasets.download import Mirrors
from tinycnn.datasets.stand_in import Data, instead
from tinycnn.errors import DataFileError
from tinycnn.support.arguments import truth
from tinycnn.support.files import cache_folder, expanded
from tinycnn.utils import Array

SIDE = 32
PIXELS = 3 * SIDE * SIDE
MAX_BYTES = 2**28  # of an archive, unpacked; CIFAR's are 184 MB


class Archive(NamedTuple):
    """One of the two CIFAR sets.

    Args:
        name: "CIFAR-10".
        folder: its folder in the cache.
        mirrors: addresses that hold the archive, in the order in which they are tried; https.
        file: the archive's name, such as "cifar-10-binary.tar.gz".
        size: of the archive, in bytes.
        sha256: of the archive.
        inner: the folder in it.
        train: files of the pictures to train on, in their order.
        test: file of the pictures to test on.
        classes: of how many classes each of the labels of a record is one.
    """

    name: str
    folder: str
    mirrors: tuple[str, ...]
    file: str
    size: int
    sha256: str
    inner: str
    train: tuple[str, ...]
    test: str
    classes: tuple[int, ...]

    def load(self, data_dir: str | os.PathLike[str] | None = None, offline: bool = False) -> Data:
        """((x_train, labels), (x_test, labels)), with labels (N, len(classes)).

        Raises:
            DownloadError: if the archive can't be had.
            FileNotFoundError: if `data_dir` lacks it.
            DataFileError: if a file is damaged.
        """
        if data_dir is None:
            path = cache_folder() / self.folder / self.file
            remedy = (
                f"By hand: get {self.file} from {self.mirrors[0] if self.mirrors else 'its site'} "
                f"and put it into {path.parent}, or into a folder of your own, named by data_dir=."
            )
            mirrors = Mirrors(self.mirrors)
            args = (path, self.size, self.sha256, self.name, mirrors, offline, remedy)
            files = self._unpacked(fetched(*args), path)
        else:
            files = self._from_folder(expanded(data_dir))
        parts = [self._read(files, name) for name in (*self.train, self.test)]
        images, labels = (
            np.concatenate([part[i] for part in parts[:-1]]) if len(parts) > 2 else parts[0][i]
            for i in (0, 1)
        )
        return (images, labels), parts[-1]

    def _from_folder(self, folder: Path) -> dict[str, bytes]:
        """The binary files, by name, from a user's own folder."""
        names = (*self.train, self.test)
        for place in (folder, folder / self.inner):
            if all((place / name).is_file() for name in names):
                return {name: _whole(place / name) for name in names}
        path = folder / self.file
        if path.is_file():
            return self._unpacked(_whole(path), path)
        state = "lacks" if folder.is_dir() else "does not exist; it should hold"
        raise FileNotFoundError(
            f"the folder {folder} {state} {self.file}, or {', '.join(names)} from it. Nothing is "
            f"downloaded into a folder given by data_dir=; without one, {self.name} is downloaded "
            "into the cache."
        )

    def _unpacked(self, packed: bytes, path: Path) -> dict[str, bytes]:
        """The binary files in an archive, by name."""
        data = b""
        try:
            inflater = zlib.decompressobj(wbits=31)  # 31: gzip
            data = inflater.decompress(packed, MAX_BYTES + 1)
            if len(data) > MAX_BYTES or not inflater.eof:
                raise DataFileError(f"{path} is cut short, or holds more than {MAX_BYTES} bytes")
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                found = {}
                for name in (*self.train, self.test):
                    file = archive.extractfile(f"{self.inner}/{name}")
                    if file is None:
                        raise DataFileError(f"{path}: {name} is not a file")
                    found[name] = file.read()
                return found
        except (zlib.error, tarfile.TarError, KeyError, ValueError, OSError) as error:
            if isinstance(error, DataFileError):
                raise
            raise DataFileError(
                f"{path} is damaged, or not {self.name}'s archive of binary files ({error})"
            ) from error

    def _read(self, files: dict[str, bytes], name: str) -> tuple[Array, Array]:
        """Pictures (N, 32, 32, 3) and labels (N, len(classes)) of one binary file."""
        first = len(self.classes)  # byte of a picture
        data, record = files[name], first + PIXELS
        if not data or len(data) % record:
            raise DataFileError(
                f"{name} is not one of {self.name}'s files: it holds {len(data)} bytes, and they "
                f"are made of records of {record}"
            )
        records = np.frombuffer(data, np.uint8).reshape(-1, record)
        labels, pictures = records[:, :first], records[:, first:].reshape(-1, 3, SIDE, SIDE)
        if (labels >= self.classes).any():
            raise DataFileError(
                f"{name} is damaged, or not one of {self.name}'s files: it has labels up to "
                f"{labels.max(axis=0)}, and there are {self.classes} classes"
            )
        # (N, C, H, W) -> (N, H, W, C)
        images = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
        return images, labels.copy()


def _whole(path: Path) -> bytes:
    """The bytes of a file, up to one more than any of CIFAR's has."""
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def load(
    archive: Archive,
    data_dir: str | os.PathLike[str] | None,
    offline: bool,
    stand_in: bool,
    column: int = 0,
) -> Data:
    """What `load_data` of the two sets returns; its arguments and errors are theirs.

    Args:
        archive: which of the two.
        data_dir: as there.
        offline: likewise.
        stand_in: likewise.
        column: which of the labels.
    """

    def official() -> Data:
        (x_train, y_train), (x_test, y_test) = archive.load(data_dir, offline)
        return (x_train, y_train[:, column]), (x_test, y_test[:, column])

    data = official() if data_dir is not None or not truth(stand_in, "stand_in") else None
    if data is None:
        shape, classes = (SIDE, SIDE, 3), archive.classes[-1]
        data = instead(official, archive.name, shape, classes, archive.classes[column])
    (x_train, y_train), (x_test, y_test) = data
    return (x_train, y_train[:, None]), (x_test, y_test[:, None])
