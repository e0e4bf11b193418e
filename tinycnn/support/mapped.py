"""Hands arrays to other processes as memory maps of files, which all of them share.

Pickled with each piece of work, MNIST as float32 would be 188 MB each time.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinycnn.utils import Array


class Mapped(NamedTuple):
    """Where on the disk an array is.

    Args:
        path: the file.
        dtype: of its numbers.
        shape: the array's, in C order.
        offset: bytes in the file before it.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def open(self) -> Array:
        """The array, which can't be written to.

        Raises:
            OSError: if this process does not see the file.
        """
        try:
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        except FileNotFoundError as error:
            raise OSError(
                f"there is no {self.path} here: workers on other machines need a folder for "
                "temporary files that all of them see; name it in TMPDIR, in the process that "
                "hands out the work"
            ) from error


@contextmanager
def mapped(arrays: Sequence[Array]) -> Iterator[list[Mapped]]:
    """Inside its `with`, the arrays are on the disk.

    One that is a whole memory map already stays where it is. The others are written, each in its
    own dtype, into a temporary folder, which is removed at the end.
    """
    # Windows does not remove a file that a worker still reads, as after another one's error.
    with tempfile.TemporaryDirectory(prefix="tinycnn-", ignore_cleanup_errors=True) as folder:
        yield [
            _on_disk(array) or _written(array, Path(folder, f"{i}.npy"))
            for i, array in enumerate(arrays)
        ]


def _on_disk(array: Array) -> Mapped | None:
    """Where the array is on the disk, if it is a memory map of a file, or all of one."""
    whole = array if isinstance(array, np.memmap) else array.base
    if not (isinstance(whole, np.memmap) and isinstance(whole.base, mmap.mmap)):
        return None  # a memory map's views have that as their base; its own base is the file's
    same = array.__array_interface__ == whole.__array_interface__  # address, shape, dtype, strides
    if not (same and whole.filename and whole.mode != "c" and array.flags.c_contiguous):
        return None
    return Mapped(os.fspath(whole.filename), array.dtype.str, array.shape, whole.offset)


def _written(array: Array, path: Path) -> Mapped:
    np.save(path, np.asarray(array, order="C"))
    saved = np.load(path, mmap_mode="r")
    return Mapped(str(path), array.dtype.str, array.shape, saved.offset)
