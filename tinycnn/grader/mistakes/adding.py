"""Known mistakes in adding windows up: of col2im, and of the dx that is built on it.

Most are real: the museum of the tests names the projects. The others are what students ask about in
the forums of the public courses.
"""

from tinycnn.grader.mistakes.base import Edit, Mistake

TARGET = "i : i + SH * OH : SH, j : j + SW * OW : SW"
CROP = "dx[:, top : top + H, left : left + W]"
CROPPED = (
    "dx has the shape of x: what belongs to the rows and columns of zeros is cut off on its side."
)

# From the last offset to the first: what is assigned last comes from the last window.
BACKWARDS = (
    Edit("col2im", "range(KH)", "reversed(range(KH))"),
    Edit("col2im", "range(KW)", "reversed(range(KW))"),
)
ADDING = [
    (
        "windows that overlap overwrite each other",
        "A pixel in several windows gets the sum of their gradients: they are added, not assigned.",
        (Edit("col2im", "+= windows", "= windows"), *BACKWARDS),
    ),
    (
        "windows that overlap overwrite each other, offset by offset",
        "A pixel in several windows gets the sum of their gradients: they are added, not assigned.",
        (Edit("col2im", "+= windows", "= windows"),),
    ),
    (
        "rows and columns inside the window are exchanged",
        "Offset (i, j) of a window is i rows down and j columns to the right.",
        (Edit("col2im", "windows[:, :, :, i, j]", "windows[:, :, :, j % KH, i % KW]"),),
    ),
    (
        "the columns are taken channel by channel",
        "A row of the matrix is in the order of row, column, channel: the channel changes fastest.",
        (
            Edit(
                "col2im",
                "dcols.reshape(N, OH, OW, KH, KW, C)",
                "dcols.reshape(N, OH, OW, C, KH, KW).transpose(0, 1, 2, 4, 5, 3)",
            ),
        ),
    ),
    (
        "the window is put back rotated by 180 degrees",
        "Each number goes back to the pixel it was read from: offset 0 to the first pixel.",
        (Edit("col2im", "windows[:, :, :, i, j]", "windows[:, :, :, KH - 1 - i, KW - 1 - j]"),),
    ),
    (
        "the stride is forgotten",
        "The window of output (i, j) starts at i times SH and j times SW, in the backward as well.",
        (Edit("col2im", TARGET, "i : i + OH, j : j + OW"),),
    ),
    (
        "the two strides are exchanged",
        "The first stride belongs to the height, the second one to the width.",
        (
            Edit("col2im", "SH, SW = strides", "SW, SH = strides"),
            Edit(
                "col2im", "output_length(H, KH, SH, padding)", "output_length(H, KH, SW, padding)"
            ),
            Edit(
                "col2im", "output_length(W, KW, SW, padding)", "output_length(W, KW, SH, padding)"
            ),
            Edit("col2im", "(N, H + top + bottom, W", "(N, H + 99, 99 + W"),
        ),
    ),
    (
        "the index of another loop is used for the column",
        "The column of the pixel follows from j and the width's stride alone.",
        (
            Edit(
                "col2im",
                "j : j + SW * OW : SW] +=",
                "min(i, KW - 1) : min(i, KW - 1) + SW * OW : SW] +=",
            ),
        ),
    ),
    ("the padding is cut off at the end only", CROPPED, (Edit("col2im", CROP, "dx[:, :H, :W]"),)),
    ("the padding is not cut off", CROPPED, (Edit("col2im", CROP, "dx"),)),
    (
        "the padding is cut off at the other end",
        CROPPED,
        (Edit("col2im", CROP, "dx[:, bottom : bottom + H, right : right + W]"),),
    ),
    (
        "the height's padding is cut off the width",
        CROPPED,
        (
            Edit(
                "col2im",
                f"return {CROP}",
                f"left = min(top, left + right)\n    return {CROP}",
            ),
        ),
    ),
    (
        "the mean is taken where windows overlap",
        "A pixel in several windows gets the sum of their gradients, and not their mean.",
        (
            Edit("col2im", "dx = np.zeros(", "n = np.zeros((N, 1, 1, 1)) + np.zeros("),
            Edit(
                "col2im",
                "    for i in range(KH):",
                "    dx = np.zeros_like(n)\n    for i in range(KH):",
            ),
            Edit(
                "col2im", "windows[:, :, :, i, j]", f"windows[:, :, :, i, j]; n[:, {TARGET}] += 1"
            ),
            Edit("col2im", f"return {CROP}", f"dx = dx / np.maximum(n, 1)\n    return {CROP}"),
        ),
    ),
    (
        "only the first pixel of each window gets its gradient",
        "Every pixel of every window gets its part, so the return stands after all loops.",
        (Edit("col2im", "range(KH)", "range(1)"), Edit("col2im", "range(KW)", "range(1)")),
    ),
    (
        "only the first window gets its gradient",
        "Every window passes its gradient on, so the return stands after all loops.",
        (
            Edit(
                "col2im",
                "    for i in range(KH):",
                "    windows = windows.copy()\n"
                "    windows[:, 1:] = windows[:, :, 1:] = 0\n"
                "    for i in range(KH):",
            ),
        ),
    ),
    (
        "only the first image gets its gradient",
        "Each image passes its gradient on, so the return stands after all loops.",
        (
            Edit(
                "col2im",
                "    for i in range(KH):",
                "    windows = windows.copy()\n    windows[1:] = 0\n    for i in range(KH):",
            ),
        ),
    ),
    *(
        (
            f"the last {which} of windows is left out",
            "The windows are counted by OH and OW, and the last one belongs to them.",
            (
                Edit(
                    "col2im",
                    "    for i in range(KH):",
                    f"    windows = windows.copy()\n    {part} = 0\n    for i in range(KH):",
                ),
            ),
        )
        for which, part in (
            ("row", "windows[:, -1:]"),
            ("column", "windows[:, :, -1:]"),
            ("row and column", "windows[:, -1:] = windows[:, :, -1:]"),
        )
    ),
]


def adding(exercise: str) -> list[Mistake]:
    """Those of a function that adds windows up."""
    return [Mistake(exercise, name, rule, edits) for name, rule, edits in ADDING]


MISTAKES = adding("col2im")
