"""Known mistakes of max-pooling."""

from tinycnn.grader.mistakes.base import Edit, Mistake

PAD = "window_padding(H, W, pool_size, strides, padding)"
VALUE = "value = x[here]"
WINS = "wins = (value > y) | first | (np.isnan(value) & ~np.isnan(y))"
HERE = "slice(i, i + SH * OH, SH), slice(j, j + SW * OW, SW)"
ROWS = "OH, OW = output_length(H, PH, SH, padding), output_length(W, PW, SW, padding)"
LARGEST = "A window's output is the largest of its numbers, also if all of them are negative."
PLACE = "The winner is told as row times PW plus column, counted from 0 inside its window."

FORWARD = [
    (
        "the search for the largest number starts at 0",
        LARGEST + " Start with the first number of the window or with minus infinity.",
        (
            Edit(
                "max_pool_forward",
                "y = np.full((N, OH, OW, C), -np.inf, x.dtype)",
                "y = np.zeros((N, OH, OW, C), x.dtype)",
            ),
            Edit("max_pool_forward", WINS, "wins = value > y"),
            Edit("max_pool_forward", "-1, np.int32", "0, np.int32"),
        ),
    ),
    (
        "the zeros of the padding can win",
        'With "same" what lies outside the image never wins: pad with minus infinity.',
        (
            Edit("max_pool_forward", "constant_values=-np.inf", "constant_values=0"),
            Edit("max_pool_forward", "(winners < 0) & inside[here]", "winners < 0"),
        ),
    ),
    (
        "the last number of the window is taken",
        LARGEST,
        (Edit("max_pool_forward", WINS, "wins = inside[here] & (value == value)"),),
    ),
    (
        "the first number of the window is taken",
        LARGEST,
        (Edit("max_pool_forward", WINS, "wins = first & (value == value)"),),
    ),
    (
        "the smallest number is taken",
        LARGEST,
        (Edit("max_pool_forward", WINS, "wins = inside[here] & ((value < y) | (winners < 0))"),),
    ),
    (
        "the number with the largest absolute value is taken",
        LARGEST,
        (
            Edit(
                "max_pool_forward",
                WINS,
                "wins = inside[here] & ((np.abs(value) > np.abs(y)) | (winners < 0))",
            ),
        ),
    ),
    (
        "the mean is taken, and not the largest number",
        LARGEST,
        (
            Edit(
                "max_pool_forward",
                "return y, winners",
                "x = x[:, around[1][0] : around[1][0] + H, around[2][0] : around[2][0] + W]\n"
                "    return average_pool_forward(x, pool_size, strides, padding), winners",
            ),
        ),
    ),
    (
        "the winner's row and column are exchanged",
        PLACE,
        (Edit("max_pool_forward", "i * PW + j", "j * PH + i"),),
    ),
    (
        "the winner's row is multiplied by the window's height",
        PLACE,
        (Edit("max_pool_forward", "i * PW + j", "i * PH + j"),),
    ),
    (
        "the winner's place is counted from 1",
        PLACE,
        (Edit("max_pool_forward", "i * PW + j", "i * PW + j + 1"),),
    ),
    (
        "the first channel's winner is taken for every channel",
        "Every channel is pooled by itself, and has a winner of its own.",
        (
            Edit(
                "max_pool_forward",
                "return y, winners",
                "return np.where(y == y, y[..., :1], y), winners[..., [0] * C]",
            ),
        ),
    ),
    (
        "the stride is ignored",
        "Window (i, j) starts at i times SH and j times SW.",
        (Edit("max_pool_forward", HERE, "slice(i, i + OH), slice(j, j + OW)"),),
    ),
    (
        "the window is moved by its own size and not by the stride",
        "The stride says how far a window moves, whatever its size.",
        (Edit("max_pool_forward", "SH, SW = strides", "SH, SW = pool_size"),),
    ),
    (
        "the two strides are exchanged",
        "The first stride belongs to the height, the second one to the width.",
        (
            Edit("max_pool_forward", HERE, "slice(i, i + SW * OH, SW), slice(j, j + SH * OW, SH)"),
            Edit(
                "max_pool_forward",
                "    y = np.full(",
                "    late = ((0, 0), (0, 99), (0, 99), (0, 0))\n"
                "    x, inside = np.pad(x, late, constant_values=-np.inf), np.pad(inside, late)\n"
                "    y = np.full(",
            ),
        ),
    ),
    (
        "rows and columns of the window are exchanged",
        "The window has PH rows and PW columns, in this order.",
        (
            Edit(
                "max_pool_forward",
                "PH, PW = pool_size",
                "PH, PW = pool_size = (pool_size[1], pool_size[0])",
            ),
        ),
    ),
    (
        'the padding "same" is ignored',
        'With "same" a window may reach over the edge, and every pixel is in some window.',
        (
            Edit(
                "max_pool_forward",
                "N, H, W, C = x.shape",
                'padding = "valid"\n    N, H, W, C = x.shape',
            ),
        ),
    ),
    (
        "the odd row of zeros is put on top, or the odd column on the left",
        "If the number of rows or columns around is odd, the one more goes to the end.",
        (Edit("max_pool_forward", f"*{PAD}", f"*(pair[::-1] for pair in {PAD})"),),
    ),
    (
        "all padding is put at the end",
        "Half of the rows and columns around the image go to its beginning, rounded down.",
        (Edit("max_pool_forward", f"*{PAD}", f"*((0, sum(pair)) for pair in {PAD})"),),
    ),
    *(
        (
            f"the last {which} of windows is left out",
            "The windows are counted by OH and OW, and the last one belongs to them.",
            (
                Edit(
                    "max_pool_forward",
                    "return y, winners",
                    f"{part} = 0\n    {part.replace('y[', 'winners[')} = 0\n    return y, winners",
                ),
            ),
        )
        for which, part in (
            ("row", "y[:, -1:]"),
            ("column", "y[:, :, -1:]"),
            ("row and column", "y[:, -1:] = y[:, :, -1:]"),
        )
    ),
    (
        "the first image is read for every image",
        "Image n of the output comes from image n of the input.",
        (
            Edit(
                "max_pool_forward",
                "N, H, W, C = x.shape",
                "N, H, W, C = x.shape\n    x = x[[0] * N]",
            ),
        ),
    ),
]

WON = "won = winners == i * PW + j"
SCATTER = "i : i + SH * OH : SH, j : j + SW * OW : SW"
ADD = f"dx[:, {SCATTER}] += np.where(won, dy, 0)"
CROP = "dx[:, top : top + H, left : left + W]"
ROUTE = "Each output's gradient goes to the one input that won, and to no other."
CROPPED = "dx has the shape of x: what belongs to the padding is cut off on its side."

BACKWARD = [
    (
        "windows that overlap overwrite each other",
        "An input that won in several windows gets the sum of their gradients.",
        (
            Edit(
                "max_pool_backward",
                "+= np.where(won, dy, 0)",
                f"= np.where(won, dy, dx[:, {SCATTER}])",
            ),
            Edit("max_pool_backward", "range(PH)", "reversed(range(PH))"),
            Edit("max_pool_backward", "range(PW)", "reversed(range(PW))"),
        ),
    ),
    (
        "windows that overlap overwrite each other, offset by offset",
        "An input that won in several windows gets the sum of their gradients.",
        (
            Edit(
                "max_pool_backward",
                "+= np.where(won, dy, 0)",
                f"= np.where(won, dy, dx[:, {SCATTER}])",
            ),
        ),
    ),
    (
        "windows that overlap overwrite each other, those that did not win included",
        "An input that won in several windows gets the sum of their gradients.",
        (Edit("max_pool_backward", "+= np.where", "= np.where"),),
    ),
    (
        "every input of the window gets the gradient",
        ROUTE,
        (Edit("max_pool_backward", WON, "won = winners == winners"),),
    ),
    (
        "the gradient is shared by all inputs of the window, as in average-pooling",
        ROUTE,
        (
            Edit("max_pool_backward", WON, "won = winners == winners"),
            Edit("max_pool_backward", "np.where(won, dy, 0)", "np.where(won, dy, 0) / (PH * PW)"),
        ),
    ),
    (
        "the gradient goes to the first input of the window",
        ROUTE,
        (Edit("max_pool_backward", WON, "won = np.full(dy.shape, i + j == 0)"),),
    ),
    (
        "the winner gets a 1 and not its gradient",
        "The derivative with respect to the winner is 1, and that is multiplied by dy.",
        (Edit("max_pool_backward", "np.where(won, dy, 0)", "np.where(won, 1, 0)"),),
    ),
    (
        "the winner's row and column are exchanged",
        PLACE,
        (Edit("max_pool_backward", "i * PW + j", "j * PH + i"),),
    ),
    (
        "the winner's row is counted by the window's height",
        PLACE,
        (Edit("max_pool_backward", "i * PW + j", "i * PH + j"),),
    ),
    (
        "the winner's place is counted from 1",
        PLACE,
        (Edit("max_pool_backward", "i * PW + j", "i * PW + j + 1"),),
    ),
    (
        "the window's size is used for its stride",
        "The window of output (i, j) starts at i times SH and j times SW.",
        (
            Edit("max_pool_backward", "SH, SW = strides", "SH, SW = pool_size"),
            Edit("max_pool_backward", "(N, H + top + bottom, W", "(N, H + 99, 99 + W"),
        ),
    ),
    (
        "the stride is forgotten",
        "The window of output (i, j) starts at i times SH and j times SW.",
        (Edit("max_pool_backward", SCATTER, "i : i + OH, j : j + OW"),),
    ),
    (
        "the two strides are exchanged",
        "The first stride belongs to the height, the second one to the width.",
        (
            Edit("max_pool_backward", "SH, SW = strides", "SW, SH = strides"),
            Edit("max_pool_backward", "(N, H + top + bottom, W", "(N, H + 99, 99 + W"),
        ),
    ),
    (
        "only the first window gets its gradient",
        "Every window passes its gradient on, so the return stands after all loops.",
        (
            Edit(
                "max_pool_backward",
                "    for i in range(PH):",
                "    dy = dy.copy()\n    dy[:, 1:] = dy[:, :, 1:] = 0\n    for i in range(PH):",
            ),
        ),
    ),
    (
        "only the first image gets its gradient",
        "Every image passes its gradient on, so the return stands after all loops.",
        (
            Edit(
                "max_pool_backward",
                "    for i in range(PH):",
                "    dy = dy.copy()\n    dy[1:] = 0\n    for i in range(PH):",
            ),
        ),
    ),
    *(
        (
            f"the last {which} of windows is left out",
            "The windows are counted by OH and OW, and the last one belongs to them.",
            (
                Edit(
                    "max_pool_backward",
                    "    for i in range(PH):",
                    f"    dy = dy.copy()\n    {part} = 0\n    for i in range(PH):",
                ),
            ),
        )
        for which, part in (
            ("row", "dy[:, -1:]"),
            ("column", "dy[:, :, -1:]"),
            ("row and column", "dy[:, -1:] = dy[:, :, -1:]"),
        )
    ),
    (
        "the first channel's winner is taken for every channel",
        "Every channel has a winner of its own.",
        (Edit("max_pool_backward", WON, "won = winners[..., :1] == i * PW + j"),),
    ),
    (
        "the padding is cut off at the end only",
        CROPPED,
        (Edit("max_pool_backward", CROP, "dx[:, :H, :W]"),),
    ),
    ("the padding is not cut off", CROPPED, (Edit("max_pool_backward", CROP, "dx"),)),
    (
        "the padding is cut off at the other end",
        CROPPED,
        (Edit("max_pool_backward", CROP, "dx[:, bottom : bottom + H, right : right + W]"),),
    ),
    (
        "the gradient has the wrong sign",
        ROUTE,
        (Edit("max_pool_backward", "+= np.where", "-= np.where"),),
    ),
]

MISTAKES = [
    *(Mistake("max_pool_forward", *entry) for entry in FORWARD),
    *(Mistake("max_pool_backward", *entry) for entry in BACKWARD),
]
