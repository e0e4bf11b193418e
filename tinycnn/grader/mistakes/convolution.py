"""Known mistakes of im2col, col2im and the convolution.

Most are real: the museum of the tests names the projects. The others are what students ask about in
the forums of the public courses.
"""

from dataclasses import replace

from tinycnn.grader.mistakes.base import Edit, Mistake

# --- reading windows: im2col, and what is built on it ---------------------------------------------

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


def _reading(exercise: str) -> list[Mistake]:
    return [Mistake(exercise, name, rule, (edit,)) for name, rule, edit in READING]


# --- adding windows up: col2im, and the dx that is built on it ------------------------------------

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


def _adding(exercise: str) -> list[Mistake]:
    return [Mistake(exercise, name, rule, edits) for name, rule, edits in ADDING]


# What comes out the same, or fails, where the windows are part of a convolution.
TWICE = ("read upside down", "first channel is read", "inside the window are exchanged")
SHAPED = ("the padding is left out", "used for the width, and the width's for the height")
IGNORED = (
    'the padding "same" is ignored',
    'With "same" zeros go around the image before the windows are read.',
)


# --- the convolution itself -----------------------------------------------------------------------

PRODUCT = "y = cols @ kernel.reshape(KH * KW * C, F)"
BIAS = "y += bias"
FORWARD = [
    (
        "the kernel is flipped",
        "Deep learning's convolution does not flip the kernel: it is a cross-correlation.",
        (Edit("conv2d_forward", PRODUCT, PRODUCT.replace("kernel.", "kernel[::-1, ::-1].")),),
    ),
    (
        "rows and columns of the kernel are exchanged",
        "kernel[u, v] meets the pixel that is u rows down and v columns to the right.",
        (
            Edit(
                "conv2d_forward",
                PRODUCT,
                PRODUCT.replace("kernel.", "kernel.transpose(1, 0, 2, 3)."),
            ),
        ),
    ),
    (
        "the kernel is reshaped with its axes in another order",
        "The filters are the kernel's last axis, so its rows come first in the matrix.",
        (
            Edit(
                "conv2d_forward",
                PRODUCT,
                PRODUCT.replace("reshape(KH * KW * C, F)", "reshape(F, KH * KW * C).T"),
            ),
        ),
    ),
    (
        "only the first channel counts",
        "The products are added up over all channels of the window.",
        (
            Edit(
                "conv2d_forward",
                PRODUCT,
                f"kernel = kernel * (np.arange(C) == 0)[:, None]\n    {PRODUCT}",
            ),
        ),
    ),
    (
        "only the last channel counts, for each channel overwrites the one before",
        "The products are added up over all channels of the window.",
        (
            Edit(
                "conv2d_forward",
                PRODUCT,
                f"kernel = kernel * (np.arange(C) == C - 1)[:, None]\n    {PRODUCT}",
            ),
        ),
    ),
    (
        "the first filter is used for every filter",
        "Output channel f comes from filter f.",
        (Edit("conv2d_forward", PRODUCT, PRODUCT.replace("F)", "F)[:, [0] * F]")),),
    ),
    (
        "only the last product counts, for each one overwrites the one before",
        "An output is the sum of all products of its window.",
        (
            Edit(
                "conv2d_forward",
                PRODUCT,
                "y = cols[:, -1:] @ kernel.reshape(KH * KW * C, F)[-1:]",
            ),
        ),
    ),
    (
        "the mean of the products is taken, and not their sum",
        "An output is the sum of the products; nothing is divided by their number.",
        (Edit("conv2d_forward", PRODUCT, PRODUCT + " / (KH * KW * C)"),),
    ),
    (
        "the bias is added once for each number of the window",
        "The bias is added once for each output, after the sum.",
        (Edit("conv2d_forward", BIAS, "y += bias * (KH * KW * C)"),),
    ),
    (
        "the bias is added once for each channel",
        "The bias is added once for each output, after the sum over all channels.",
        (Edit("conv2d_forward", BIAS, "y += bias * C"),),
    ),
    (
        "the bias is not added",
        "Each output gets the bias of its filter, once.",
        (Edit("conv2d_forward", BIAS, "pass"),),
    ),
    (
        "the bias is subtracted",
        "Each output gets the bias of its filter added, once.",
        (Edit("conv2d_forward", BIAS, "y -= bias"),),
    ),
    (
        "the first filter's bias is added for every filter",
        "Output channel f gets bias f.",
        (Edit("conv2d_forward", BIAS, "y += bias[0]"),),
    ),
    (
        "relu is forgotten",
        "With relu=True, negative outputs become 0.",
        (Edit("conv2d_forward", "y = relu_forward(y)", "pass"),),
    ),
    (
        "relu is applied although nobody asks for it",
        "Relu is applied if relu=True comes in, and not else.",
        (Edit("conv2d_forward", "if relu:", "if True:"),),
    ),
    (
        "relu is applied before the bias is added",
        "The bias belongs to the sum: first it is added, then relu is applied.",
        (
            Edit("conv2d_forward", PRODUCT, f"{PRODUCT}\n    y = relu_forward(y) if relu else y"),
            Edit("conv2d_forward", "        y = relu_forward(y)", "        pass"),
        ),
    ),
    *(
        (
            f"the last {which} of windows is left out",
            "The outputs are counted by OH and OW, and the last one belongs to them.",
            (
                Edit(
                    "conv2d_forward",
                    "return y.reshape(N, OH, OW, F)",
                    f"y = y.reshape(N, OH, OW, F)\n    {part} = 0\n    return y",
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
        "only the first window is computed",
        "Every window has an output, so the return stands after all loops.",
        (
            Edit(
                "conv2d_forward",
                "return y.reshape(N, OH, OW, F)",
                "y = y.reshape(N, OH, OW, F)\n    y[:, 1:] = y[:, :, 1:] = 0\n    return y",
            ),
        ),
    ),
]

MASK = "dy = relu_backward(dy, y)"
BRANCH = "if y is not None:"
DKERNEL = "(cols.T @ dy)"
DBIAS = "dy.sum(axis=0)"
DCOLS = "dy @ kernel.reshape(KH * KW * C, F).T"
MEMBERS = "dy = dy.reshape(-1, F)"
SUMS = "Gradients of parameters are sums over all images and all places; nothing is divided."

BACKWARD = [
    (
        "relu's derivative is forgotten",
        "Where the relu put out 0, no gradient passes, and so dy is 0 there for all three results.",
        (Edit("conv2d_backward", MASK, "pass"),),
    ),
    (
        "relu's derivative is forgotten for dx",
        "All three gradients are made of the same masked dy.",
        (
            Edit("conv2d_backward", BRANCH, f"upstream = dy.reshape(-1, F)\n    {BRANCH}"),
            Edit("conv2d_backward", "dcols = dy", "dcols = upstream"),
        ),
    ),
    (
        "relu's derivative is forgotten for the parameters",
        "All three gradients are made of the same masked dy.",
        (
            Edit("conv2d_backward", BRANCH, f"upstream = dy.reshape(-1, F)\n    {BRANCH}"),
            Edit("conv2d_backward", DKERNEL, "(cols.T @ upstream)"),
            Edit("conv2d_backward", DBIAS, "upstream.sum(axis=0)"),
        ),
    ),
    (
        "relu's derivative is forgotten for the bias",
        "All three gradients are made of the same masked dy.",
        (
            Edit("conv2d_backward", BRANCH, f"upstream = dy.reshape(-1, F)\n    {BRANCH}"),
            Edit("conv2d_backward", DBIAS, "upstream.sum(axis=0)"),
        ),
    ),
    (
        "the kernel is rotated for the input gradient",
        "Put back window by window, the kernel keeps its orientation. It is rotated only if dx "
        "is written as a convolution of the padded dy.",
        (Edit("conv2d_backward", DCOLS, DCOLS.replace("kernel.", "kernel[::-1, ::-1].")),),
    ),
    (
        "rows and columns of the kernel are exchanged for the input gradient",
        "kernel[u, v] leads back to the pixel that is u rows down and v columns to the right.",
        (
            Edit(
                "conv2d_backward", DCOLS, DCOLS.replace("kernel.", "kernel.transpose(1, 0, 2, 3).")
            ),
        ),
    ),
    (
        "the kernel is reshaped with its axes in another order for the input gradient",
        "The filters are the kernel's last axis: reshape it to (KH*KW*C, F) first, then transpose.",
        (Edit("conv2d_backward", DCOLS, "dy @ kernel.reshape(F, KH * KW * C)"),),
    ),
    (
        "only the last filter's part of dx is kept",
        "A pixel reaches the loss through every filter, and dx is the sum over the filters.",
        (Edit("conv2d_backward", DCOLS, "dy[:, -1:] @ kernel.reshape(KH * KW * C, F)[:, -1:].T"),),
    ),
    (
        "windows and filters overwrite each other in dx",
        "dx is a sum over the filters and over all windows of a pixel: added, and not assigned.",
        (
            Edit(
                "conv2d_backward",
                DCOLS,
                "dy[:, -1:] @ kernel.reshape(KH * KW * C, F)[:, -1:].T",
            ),
            Edit("col2im", "+= windows", "= windows"),
            *BACKWARDS,
        ),
    ),
    (
        "only the first filter's part of dx is kept",
        "A pixel reaches the loss through every filter, and dx is the sum over the filters.",
        (Edit("conv2d_backward", DCOLS, "dy[:, :1] @ kernel.reshape(KH * KW * C, F)[:, :1].T"),),
    ),
    (
        "every channel of dx is made of the kernel's first channel",
        "Channel c of dx comes from channel c of the kernel.",
        (Edit("conv2d_backward", DCOLS, DCOLS.replace("kernel.", "kernel[:, :, [0] * C].")),),
    ),
    (
        'no gradient passes a "same" padding',
        'With "same" the pixels of the image get their gradient; that of the zeros is dropped.',
        (Edit("conv2d_backward", "return col2im(", 'return (padding == "valid") * col2im('),),
    ),
    (
        "dx is a mean over the images",
        "Each image has its own dx; nothing is divided by N.",
        (Edit("conv2d_backward", DCOLS, DCOLS + " / len(x)"),),
    ),
    (
        "dx has the wrong sign",
        "The gradient itself is returned; only the optimizer subtracts it.",
        (Edit("conv2d_backward", DCOLS, "-" + DCOLS),),
    ),
    (
        "the kernel gradient is transposed in the wrong order",
        "dkernel has the kernel's axes: rows, columns, channels and then filters.",
        (Edit("conv2d_backward", DKERNEL, "(dy.T @ cols)"),),
    ),
    (
        "the kernel gradient is rotated by 180 degrees",
        "dkernel[u, v] belongs to kernel[u, v]: it is made of the pixels that this weight met.",
        (Edit("conv2d_backward", "reshape(KH, KW, C, F)", "reshape(KH, KW, C, F)[::-1, ::-1]"),),
    ),
    (
        "rows and columns of the kernel gradient are exchanged",
        "dkernel[u, v] is made of the pixels u rows down and v columns to the right.",
        (
            Edit(
                "conv2d_backward",
                "reshape(KH, KW, C, F)",
                "reshape(KH, KW, C, F).transpose(1, 0, 2, 3).reshape(kernel.shape)",
            ),
        ),
    ),
    (
        "the kernel gradient is divided by N",
        SUMS,
        (Edit("conv2d_backward", DKERNEL, "(cols.T @ dy / len(x))"),),
    ),
    (
        "the kernel gradient is averaged over images and places",
        SUMS,
        (Edit("conv2d_backward", DKERNEL, "(cols.T @ dy / len(dy))"),),
    ),
    (
        "only the last image's part of the kernel gradient is kept",
        "Each weight acts on all images, so their parts are added up.",
        (
            Edit(
                "conv2d_backward",
                DKERNEL,
                "(cols[-(len(dy) // len(x)) :].T @ dy[-(len(dy) // len(x)) :])",
            ),
        ),
    ),
    (
        "only the first image's part of the kernel gradient is kept",
        "Each weight acts on all images, so their parts are added up.",
        (
            Edit(
                "conv2d_backward",
                DKERNEL,
                "(cols[: len(dy) // len(x)].T @ dy[: len(dy) // len(x)])",
            ),
        ),
    ),
    (
        "only the last window's part of the kernel gradient is kept",
        "Each weight acts in all windows: their parts are added, not assigned.",
        (Edit("conv2d_backward", DKERNEL, "(cols[-1:].T @ dy[-1:])"),),
    ),
    (
        "only the first window's part of the kernel gradient is kept",
        "Each weight acts in all windows, so the return stands after all loops.",
        (Edit("conv2d_backward", DKERNEL, "(cols[:1].T @ dy[:1])"),),
    ),
    (
        "the last window is left out of the kernel gradient",
        "The windows are counted by OH and OW, and the last one belongs to them.",
        (Edit("conv2d_backward", DKERNEL, "(cols[:-1].T @ dy[:-1])"),),
    ),
    (
        "the first channel is read for every channel of the kernel gradient",
        "Channel c of dkernel comes from channel c of the image.",
        (
            Edit(
                "conv2d_backward",
                DKERNEL,
                "(im2col(x[..., [0] * C], (KH, KW), strides, padding).T @ dy)",
            ),
        ),
    ),
    (
        "the bias gradient is divided by N",
        SUMS,
        (Edit("conv2d_backward", DBIAS, f"{DBIAS} / len(x)"),),
    ),
    (
        "the bias gradient is a mean over images and places",
        SUMS,
        (Edit("conv2d_backward", DBIAS, "dy.mean(axis=0)"),),
    ),
    (
        "the bias gradient is a mean over the places",
        SUMS,
        (Edit("conv2d_backward", DBIAS, f"{DBIAS} / (len(dy) // len(x))"),),
    ),
    (
        "the bias gradient comes from the first image only",
        "The bias acts on all images, so their parts are added up.",
        (Edit("conv2d_backward", DBIAS, "dy[: len(dy) // len(x)].sum(axis=0)"),),
    ),
    (
        "the bias gradient comes from the last image only",
        "The bias acts on all images, so their parts are added up.",
        (Edit("conv2d_backward", DBIAS, "dy[-(len(dy) // len(x)) :].sum(axis=0)"),),
    ),
    (
        "the bias gradient comes from the last window only",
        "The bias acts in all windows: their parts are added, not assigned.",
        (Edit("conv2d_backward", DBIAS, "dy[-1]"),),
    ),
    (
        "one sum over all filters is the bias gradient of each",
        "Each filter has a bias of its own, whose gradient is the sum of that filter's dy alone.",
        (Edit("conv2d_backward", DBIAS, "np.full(F, dy.sum())"),),
    ),
]


def _without(made: list[Mistake], *parts: str) -> list[Mistake]:
    return [mistake for mistake in made if not any(part in mistake.name for part in parts)]


MISTAKES = [
    *_reading("im2col"),
    *_adding("col2im"),
    *(Mistake("conv2d_forward", *entry) for entry in FORWARD),
    Mistake(
        "conv2d_forward",
        *IGNORED,
        (Edit("conv2d_forward", "N, H, W, _ =", 'padding = "valid"\n    N, H, W, _ ='),),
    ),
    *_without(_reading("conv2d_forward"), "read upside down", *SHAPED),
    *(Mistake("conv2d_backward", *entry) for entry in BACKWARD),
    *_without(_adding("conv2d_backward"), "put back rotated"),
    *(
        replace(mistake, name=f"for the kernel gradient, {mistake.name}")
        for mistake in _without(_reading("conv2d_backward"), *TWICE, *SHAPED)
    ),
]
