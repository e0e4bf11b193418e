"""Known mistakes in reading windows: of im2col, and of the convolution that is built on it.

Most are real: the museum of the tests names the projects. The others are what students ask about in
the forums of the public courses.
"""

from tinycnn.grader.mistakes.base import Edit, Mistake

PAD = "window_padding(H, W, size, strides, padding)"
ORDER = "windows.transpose(0, 1, 2, 4, 5, 3)"
STEPS = "[:, ::SH, ::SW]"
COUNTS = "output_length(H, KH, SH, padding)", "output_length(W, KW, SW, padding)"
SAME = "Zeros go half on top and half at the bottom, and if their number is odd, the one more goes "

READING = [
    (
        "the columns are in the order of channel, row, column",
        "The channel changes fastest in a row of the matrix, then the column, then the row.",
        Edit("im2col", ORDER, "windows"),
    ),
    (
        "rows and columns inside the window are exchanged",
        "Inside a window one goes along a row first, and then down to the next row.",
        Edit("im2col", ORDER, "windows.transpose(0, 1, 2, 5, 4, 3)"),
    ),
    (
        "the windows are taken column by column of the output",
        "Windows are visited as one reads: along a row of outputs first, then down.",
        Edit("im2col", ORDER, "windows.transpose(0, 2, 1, 4, 5, 3)"),
    ),
    (
        "the window is read upside down and backwards",
        "Deep learning's convolution does not flip the kernel: offset 0 meets the first pixel.",
        Edit("im2col", ORDER, "windows[..., ::-1, ::-1].transpose(0, 1, 2, 4, 5, 3)"),
    ),
    (
        "the stride is ignored",
        "Output (i, j) sees the window that starts at i times SH and j times SW.",
        Edit("im2col", STEPS, f"[:, : {COUNTS[0]}, : {COUNTS[1]}]"),
    ),
    (
        "the two strides are exchanged",
        "The first stride belongs to the height, the second one to the width.",
        Edit("im2col", "SH, SW = strides", "SW, SH = strides"),
    ),
    (
        "the stride of the height is used for the width, too",
        "The first stride belongs to the height, the second one to the width.",
        Edit("im2col", STEPS, f"[:, ::SH, ::SH][:, :, : {COUNTS[1]}]"),
    ),
    (
        "the stride of the width is used for the height, too",
        "The first stride belongs to the height, the second one to the width.",
        Edit("im2col", STEPS, f"[:, ::SW, ::SW][:, : {COUNTS[0]}]"),
    ),
    (
        "the window is moved by its own size and not by the stride",
        "The stride says how far a window moves, whatever its size.",
        Edit("im2col", STEPS, f"[:, ::KH, ::KW][:, : {COUNTS[0]}, : {COUNTS[1]}]"),
    ),
    (
        "the odd row of zeros is put on top, or the odd column on the left",
        SAME + "to the end.",
        Edit("im2col", f"*{PAD}", f"*(pair[::-1] for pair in {PAD})"),
    ),
    (
        "all zeros are put at the end",
        SAME + "to the end.",
        Edit("im2col", f"*{PAD}", f"*((0, sum(pair)) for pair in {PAD})"),
    ),
    (
        "all zeros are put at the beginning",
        SAME + "to the end.",
        Edit("im2col", f"*{PAD}", f"*((sum(pair), 0) for pair in {PAD})"),
    ),
    (
        "the height's padding is used for the width, and the width's for the height",
        "Rows of zeros follow from H, KH and SH; columns of zeros follow from W, KW and SW.",
        Edit("im2col", f"*{PAD}", f"*{PAD}[::-1]"),
    ),
    (
        "the padding is computed as if the stride were 1",
        'With strides "same" needs fewer zeros: only what the last window reaches over the edge.',
        Edit("im2col", PAD, "window_padding(H, W, size, (1, 1), padding)"),
    ),
    (
        "the padding is left out",
        'With "same" zeros go around the image before the windows are read.',
        Edit("im2col", PAD, "((0, 0), (0, 0))"),
    ),
    (
        "the border is filled with copies of the edge, and not with zeros",
        'What "same" puts around the image is 0.',
        Edit("im2col", ", (0, 0)))", ', (0, 0)), mode="edge")'),
    ),
    (
        "the first image is read for every image",
        "Image n of the output comes from image n of the input.",
        Edit("im2col", "N, H, W, C = x.shape", "N, H, W, C = x.shape\n    x = x[[0] * N]"),
    ),
    (
        "the first channel is read for every channel",
        "Each channel of a window is read from its own channel of the image.",
        Edit("im2col", "N, H, W, C = x.shape", "N, H, W, C = x.shape\n    x = x[..., [0] * C]"),
    ),
]


def reading(exercise: str) -> list[Mistake]:
    """Those of a function that reads windows."""
    return [Mistake(exercise, name, rule, (edit,)) for name, rule, edit in READING]


def without(made: list[Mistake], *parts: str) -> list[Mistake]:
    """Those whose names have none of these parts."""
    return [mistake for mistake in made if not any(part in mistake.name for part in parts)]


# What changes shapes, so that a convolution fails where im2col alone returns something.
SHAPED = ("the padding is left out", "used for the width, and the width's for the height")

MISTAKES = reading("im2col")
