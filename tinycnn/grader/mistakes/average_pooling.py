"""Known mistakes of average-pooling."""

from tinycnn.grader.mistakes.base import Edit, Mistake

PAD = "window_padding(H, W, pool_size, strides, padding)"
SCATTER = "i : i + SH * OH : SH, j : j + SW * OW : SW"
CROP = "dx[:, top : top + H, left : left + W]"
CROPPED = "dx has the shape of x: what belongs to the padding is cut off on its side."
COUNT = "_counts(H, W, pool_size, strides, padding)"
MEAN = "The mean of a window is its sum divided by the number of its pixels, rows times columns."
FORWARD = [
    (
        "the zeros of the padding are counted",
        "Only the pixels of the image are counted: windows over the edge have fewer.",
        (Edit("average_pool_forward", f"{COUNT}.astype(x.dtype)", "(PH * PW)"),),
    ),
    (
        "the sum is taken, and not the mean",
        MEAN,
        (Edit("average_pool_forward", f" / {COUNT}.astype(x.dtype)", ""),),
    ),
    (
        "the sum is divided by the window's height alone",
        MEAN,
        (Edit("average_pool_forward", f"{COUNT}.astype(x.dtype)", "PH"),),
    ),
    (
        "the sum is divided by the window's width alone",
        MEAN,
        (Edit("average_pool_forward", f"{COUNT}.astype(x.dtype)", "PW"),),
    ),
    (
        "the stride is ignored",
        "Window (i, j) starts at i times SH and j times SW.",
        (Edit("average_pool_forward", SCATTER, "i : i + OH, j : j + OW"),),
    ),
    (
        "only the last number counts, for each one overwrites the one before",
        MEAN,
        (Edit("average_pool_forward", "y += x", "y[...] = x"),),
    ),
    (
        "all padding is put at the end",
        "Half of the rows and columns around the image go to its beginning, rounded down.",
        (Edit("average_pool_forward", f"*{PAD}", f"*((0, sum(pair)) for pair in {PAD})"),),
    ),
    (
        "the odd row of zeros is put on top, or the odd column on the left",
        "If the number of rows or columns around is odd, the one more goes to the end.",
        (Edit("average_pool_forward", f"*{PAD}", f"*(pair[::-1] for pair in {PAD})"),),
    ),
]
SHARE = "Each input of a window gets an equal share: dy divided by the number of its pixels."
BACKWARD = [
    (
        "the gradient is not divided",
        SHARE,
        (Edit("average_pool_backward", f"dy / {COUNT}.astype(dy.dtype)", "dy"),),
    ),
    (
        "the gradient is divided by the window's height alone",
        SHARE,
        (Edit("average_pool_backward", f"{COUNT}.astype(dy.dtype)", "PH"),),
    ),
    (
        "the gradient is divided by the window's width alone",
        SHARE,
        (Edit("average_pool_backward", f"{COUNT}.astype(dy.dtype)", "PW"),),
    ),
    (
        "the zeros of the padding are counted",
        "Only the pixels of the image are counted: windows over the edge have fewer.",
        (Edit("average_pool_backward", f"{COUNT}.astype(dy.dtype)", "(PH * PW)"),),
    ),
    (
        "windows that overlap overwrite each other",
        "An input that lies in several windows gets the sum of its shares.",
        (
            Edit("average_pool_backward", "+= share", "= share"),
            Edit("average_pool_backward", "range(PH)", "reversed(range(PH))"),
            Edit("average_pool_backward", "range(PW)", "reversed(range(PW))"),
        ),
    ),
    (
        "windows that overlap overwrite each other, offset by offset",
        "An input that lies in several windows gets the sum of its shares.",
        (Edit("average_pool_backward", "+= share", "= share"),),
    ),
    (
        "the stride is forgotten",
        "The window of output (i, j) starts at i times SH and j times SW.",
        (Edit("average_pool_backward", SCATTER, "i : i + OH, j : j + OW"),),
    ),
    (
        "the window's size is used for its stride",
        "The window of output (i, j) starts at i times SH and j times SW.",
        (
            Edit("average_pool_backward", "SH, SW = strides", "SH, SW = pool_size"),
            Edit("average_pool_backward", "(N, H + top + bottom, W", "(N, H + 99, 99 + W"),
        ),
    ),
    (
        "the padding is cut off at the end only",
        CROPPED,
        (Edit("average_pool_backward", CROP, "dx[:, :H, :W]"),),
    ),
    (
        "only the first input of the window gets its share",
        SHARE,
        (
            Edit("average_pool_backward", "range(PH)", "range(1)"),
            Edit("average_pool_backward", "range(PW)", "range(1)"),
        ),
    ),
]

MISTAKES = [
    *(Mistake("average_pool_forward", *entry) for entry in FORWARD),
    *(Mistake("average_pool_backward", *entry) for entry in BACKWARD),
]
