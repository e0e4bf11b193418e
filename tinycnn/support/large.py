"""What is asked of data before a training, without reading all of them if they are large.

They may lie on a disk and not fit into memory (`np.load(path, mmap_mode="r")`), and a training must
not read a hundred gigabytes before its first step. So of large data parts are read, spread evenly
over them. A change of a few samples can escape that; other data can't.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinycnn.utils import Array

LARGE = 2**28  # bytes; arrays up to there are read whole
RUN = 2**20  # bytes that are read in a row: a disk reads more around each of fewer
PARTS = 2**26  # bytes of all parts together


def identity(array: Array) -> dict[str, Any]:
    """What equal data have in common: shape, dtype, and a hash of all numbers or of parts of them.

    Args:
        array: (n, ...), n > 0. It is read sample by sample, so nothing of its size is made.
    """
    digest = hashlib.sha256()
    for sample in array if array.nbytes <= LARGE else _parts(array):
        digest.update(sample.tobytes())
    kind = "sha256" if array.nbytes <= LARGE else "sha256_of_parts"
    return {"shape": array.shape, "dtype": array.dtype.name, kind: digest.hexdigest()}


def spread(array: Array) -> Array:
    """The array itself, or of a large one some parts: runs of samples, the first and last too."""
    return array if array.nbytes <= LARGE else np.concatenate(list(_parts(array)))


def _parts(array: Array) -> Iterator[Array]:
    """Yields runs of samples, spread evenly: about PARTS bytes, and two runs at least."""
    n = len(array)
    length = max(1, RUN * n // array.nbytes)  # samples in a run
    runs = max(2, PARTS // (length * array.nbytes // n))
    for start in np.linspace(0, n - length, runs).astype(int):
        yield array[start : start + length]
