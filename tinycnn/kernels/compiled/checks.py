"""How the arguments of the compiled kernels are checked, and how arrays are made ready for them.

Kernels check nothing themselves: a wrong shape would read past the end of an array.
"""

from typing import Any, Protocol

import numpy as np

from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

Shape = tuple[int, ...]


class Described(Protocol):
    """An array, or what stands for one while a plan is made (`plans.py`)."""

    @property
    def shape(self) -> Shape:
        """The lengths of the axes."""

    @property
    def dtype(self) -> Any:
        """NumPy's data type."""


def checked(array: Described, ndim: int, name: str) -> None:
    """Raises TypeError unless kernels know the dtype, and ValueError for other axes than these."""
    if array.dtype.char not in "fd" or not array.dtype.isnative:
        raise TypeError(f"`{name}` must be float32 or float64. Received: {array.dtype}")
    if len(array.shape) != ndim:
        raise ValueError(f"`{name}` must have {ndim} axes. Received: shape {array.shape}")


def contiguous(array: Array) -> Array:
    """The array as kernels need it, contiguous and aligned; a copy only if need be."""
    # `require` alone would do, but takes ten times as long.
    return array if array.flags.carray else np.require(array, requirements=["C", "A"])


def ready(array: Array, ndim: int, name: str) -> Array:
    """The array as kernels need it, after it was checked."""
    checked(array, ndim, name)
    return contiguous(array)


def checked_winners(winners: Described, dtype: type[np.integer]) -> None:
    """Raises TypeError unless the winners of a max-pool have this dtype."""
    if winners.dtype != dtype:
        raise TypeError(f"`winners` must have dtype {dtype.__name__}. Received: {winners.dtype}")


def same_dtype(**arrays: Described) -> None:
    """Raises TypeError unless all arrays, given by their names, have one dtype."""
    dtype = None
    for array in arrays.values():
        if array.dtype is not dtype and dtype is not None and array.dtype != dtype:
            received = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
            raise TypeError(f"all arrays must have the same dtype. Received: {received}")
        dtype = array.dtype


def same_shape(shape: Shape, **arrays: Described) -> None:
    """Raises ValueError unless all arrays, given by their names, have this shape."""
    for name, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"`{name}` must have shape {shape}. Received: {array.shape}")


def writable_in_place(*arrays: Array) -> bool:
    """Whether kernels can write these arrays as they are."""
    return all([array.flags.carray for array in arrays])


def pool_shape(x_shape: Shape, size: Pair, strides: Pair, padding: str) -> Shape:
    """(N, H, W, C, PH, PW, SH, SW, OH, OW, top, left) of a pool; the last two are the padding."""
    N, H, W, C = x_shape
    (top, _), (left, _) = window_padding(H, W, size, strides, padding)
    OH, OW = (output_length(x_shape[a + 1], size[a], strides[a], padding) for a in (0, 1))
    return (N, H, W, C, *size, *strides, OH, OW, top, left)
