"""IDX, the file format of MNIST: a header with the type and shape of an array, then its elements.

Layout, every number big-endian:
    2 bytes     zero
    1 byte      type of the elements, a key of `DTYPES`
    1 byte      number of dimensions
    4 bytes     length of each dimension, unsigned
    the rest    the elements, the last index changing fastest

A file may be packed with gzip; its first two bytes show that, its name does not matter.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", section
"File formats" (yann.lecun.com/exdb/mnist, offline since 2025).
"""

import gzip
import hashlib
import math
import os
import struct
import zlib

import numpy as np
import numpy.typing as npt

from tinycnn.errors import IdxFormatError
from tinycnn.support.files import atomic_write
from tinycnn.utils import Array

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 64  # NumPy's own limit
MAX_BYTES = 256 * 2**20  # of an unpacked file; assign a larger number to read larger files
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Reads an IDX file, packed with gzip or not.

    Args:
        path: the file.

    Returns:
        An array of the file's shape and of dtype uint8, int8, int16, int32, float32 or float64:
        native byte order, C-contiguous, writable. A dimension may be 0.

    Raises:
        IdxFormatError: if anything is wrong with the bytes of the file.
        OSError: if the file cannot be read at all; FileNotFoundError if there is none.
    """
    with open(path, "rb") as file:
        return parse_idx(file.read(MAX_BYTES + 1), path)


def parse_idx(data: bytes, source: str | os.PathLike[str]) -> Array:
    """The array in the bytes of an IDX file, packed with gzip or not.

    Args:
        data: all bytes of the file.
        source: what to call the file in an error.

    Returns:
        As `read_idx`.

    Raises:
        IdxFormatError: if anything is wrong with the bytes.
    """
    if data[:2] == GZIP_MAGIC:
        data = _inflate(data, source)
    if len(data) > MAX_BYTES:
        raise IdxFormatError(
            f"{source} holds more than {MAX_BYTES} bytes, the limit tinycnn.datasets.idx.MAX_BYTES"
        )
    if len(data) < 4:
        raise IdxFormatError(f"{source} is cut short: it holds {len(data)} bytes, no IDX header")
    code, ndim = data[2], data[3]
    if data[:2] != b"\0\0" or code not in DTYPES:
        raise IdxFormatError(f"{source} is not an IDX file: {_what_it_is(data)}")
    start = 4 + 4 * ndim
    if len(data) < start:
        raise IdxFormatError(f"{source} is cut short in its header of {ndim} dimensions")

    shape = struct.unpack_from(f">{ndim}I", data, 4)
    stored = np.dtype(DTYPES[code])
    if fault := _fault_of_shape(shape, stored.itemsize):
        raise IdxFormatError(f"{source} has a damaged header: {fault}")
    size = start + math.prod(shape) * stored.itemsize
    if len(data) != size:
        raise IdxFormatError(
            f"{source} is {'cut short' if len(data) < size else 'too long'}: it holds {len(data)} "
            f"bytes, and its header (shape {shape}, {stored.name}) calls for {size}"
        )
    native = stored.newbyteorder("=")
    return np.frombuffer(data, stored, offset=start).reshape(shape).astype(native)


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Writes an array as an IDX file, whole or not at all; `read_idx` reads it back.

    Args:
        path: the file. It is packed with gzip if its name ends in ".gz"; no time is written into
            it, so the same array always gives the same bytes.
        array: of dtype uint8, int8, int16, int32, float32 or float64 in any byte order, with at
            least one dimension; a dimension may be 0.

    Raises:
        ValueError: if the format has no such dtype or shape.
        OSError: if the file cannot be written.
    """
    data = format_idx(array)
    if os.fspath(path).endswith(".gz"):
        data = gzip.compress(data, compresslevel=6, mtime=0)
    with atomic_write(path) as file:
        file.write(data)


def format_idx(array: npt.ArrayLike) -> bytes:
    """The bytes of the unpacked IDX file that holds `array`; see `write_idx`."""
    header, numbers = _header_and_numbers(array)
    return header + numbers.tobytes()


def sha256_of_idx(array: npt.ArrayLike) -> str:
    """The SHA-256 of the same bytes, which are not made for it, in hexadecimal digits."""
    header, numbers = _header_and_numbers(array)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _header_and_numbers(array: npt.ArrayLike) -> tuple[bytes, Array]:
    """What an IDX file begins with, and the array as it stores it."""
    array = np.asarray(array)
    codes = {np.dtype(stored).name: code for code, stored in DTYPES.items()}
    code = codes.get(array.dtype.name)
    if code is None:
        raise ValueError(
            f"`array` must have one of IDX's dtypes: {', '.join(codes)}. "
            f"Received: dtype={array.dtype}"
        )
    if fault := _fault_of_shape(array.shape, array.dtype.itemsize):
        raise ValueError(f"`array` does not fit into an IDX file: {fault}")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header, array.astype(DTYPES[code], copy=False)


def _inflate(data: bytes, source: str | os.PathLike[str]) -> bytes:
    """Unpacks at most `MAX_BYTES + 1` bytes: the content can be 1000 times the size of the file."""
    parts: list[bytes] = []
    room = MAX_BYTES + 1
    while data[:2] == GZIP_MAGIC and room > 0:  # a gzip file may have several members
        inflater = zlib.decompressobj(wbits=31)  # 31: gzip, its checksum and length verified
        try:
            parts.append(inflater.decompress(data, room))
        except zlib.error as error:
            raise IdxFormatError(
                f"{source} is damaged: its gzip data are invalid ({error})"
            ) from error
        room -= len(parts[-1])
        if room > 0 and not inflater.eof:
            raise IdxFormatError(f"{source} is cut short: its gzip data end too early")
        data = inflater.unused_data
    if data and room > 0:
        raise IdxFormatError(
            f"{source} is too long: {len(data)} bytes follow the end of its gzip data"
        )
    return b"".join(parts)


def _fault_of_shape(shape: tuple[int, ...], itemsize: int) -> str | None:
    """Why no IDX file, read or written, can hold an array of this shape; None if one can."""
    if not 1 <= len(shape) <= MAX_DIMENSIONS:
        return f"it has {len(shape)} dimensions, not 1 to {MAX_DIMENSIONS}"
    # max(length, 1): NumPy counts this way too, and refuses (0, 2**32, 2**32).
    if 4 + 4 * len(shape) + itemsize * math.prod(max(length, 1) for length in shape) > MAX_BYTES:
        return (
            f"shape {shape} with elements of {itemsize} bytes is more than {MAX_BYTES} bytes, "
            f"the limit tinycnn.datasets.idx.MAX_BYTES"
        )
    return None


def _what_it_is(data: bytes) -> str:
    """What these bytes, which are not IDX, seem to be."""
    if data[2:4] == b"\0\0" and data[1] in DTYPES:
        return "its header is byte-swapped (little-endian), and IDX is big-endian"
    start = data[:64]
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start):
        return f"it starts with {start!r}: text, perhaps a web page saved in its place"
    return f"it starts with {start[:8]!r}"
