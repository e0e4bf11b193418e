"""The integer arithmetic of sliding windows: output lengths and padding, as TensorFlow counts them.

Legend, along one axis: `length` of the input, `size` of the window, `stride` between windows.
Source: keras/src/ops/operation_utils.py (output shapes), TensorFlow's "SAME" rule (padding).
"""

PADDINGS = ("valid", "same")
Pair = tuple[int, int]


def checked_padding(padding: str) -> str:
    """`padding` as "valid" or "same", in lower case.

    Raises:
        ValueError: for anything else.
    """
    name = padding.lower() if isinstance(padding, str) else padding
    if name not in PADDINGS:
        raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")
    return name


def output_length(length: int, size: int, stride: int, padding: str) -> int:
    """How many windows fit along one axis.

    valid: floor((length - size) / stride) + 1, or 0 if not even one fits.
    same:  ceil(length / stride), whatever the window's size.

    Raises:
        ValueError: if the window's size or the stride is not positive.
    """
    if min(size, stride) < 1:
        raise ValueError(f"sizes and strides must be positive. Received: {size}, {stride}")
    if padding == "same":
        return -(-length // stride)
    return max(0, (length - size) // stride + 1)


def same_padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros (before, after) along one axis for "same"; if their number is odd, one more after."""
    total = max((output_length(length, size, stride, "same") - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def window_padding(
    height: int, width: int, size: tuple[int, int], strides: tuple[int, int], padding: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) for an image: all 0 if "valid"."""
    if padding == "valid":
        return (0, 0), (0, 0)
    return same_padding(height, size[0], strides[0]), same_padding(width, size[1], strides[1])


def output_size(
    input_shape: tuple[int, ...],
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    name: str,
) -> tuple[int, int]:
    """(OH, OW) of a window of `size` over an image of `input_shape` (H, W, C).

    Raises:
        ValueError: if the input is not an image, or no window fits; the message names `name`.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(
            "expected images of shape (N, height, width, channels). "
            f"Received: input_shape={('N', *input_shape)}".replace("'N'", "N")
        )
    H, W, _ = input_shape
    OH = output_length(H, size[0], strides[0], padding)
    OW = output_length(W, size[1], strides[1], padding)
    if min(OH, OW) < 1:
        raise ValueError(
            f"`{name}` must not exceed the {H}x{W} image that reaches this layer; "
            f"make it smaller or use padding='same'. Received: {name}={size}"
        )
    return OH, OW
