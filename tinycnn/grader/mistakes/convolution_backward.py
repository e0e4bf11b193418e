"""Known mistakes of the convolution's backward: its own, and those of the windows in it.

Most are real: the museum of the tests names the projects. The others are what students ask about in
the forums of the public courses.
"""

from dataclasses import replace

from tinycnn.grader.mistakes.adding import BACKWARDS, adding
from tinycnn.grader.mistakes.base import Edit, Mistake
from tinycnn.grader.mistakes.reading import SHAPED, reading, without

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

# Of the windows' mistakes, those that come out as one of the kernel's.
TWICE = ("read upside down", "first channel is read", "inside the window are exchanged")

MISTAKES = [
    *(Mistake("conv2d_backward", *entry) for entry in BACKWARD),
    *without(adding("conv2d_backward"), "put back rotated"),
    *(
        replace(mistake, name=f"for the kernel gradient, {mistake.name}")
        for mistake in without(reading("conv2d_backward"), *TWICE, *SHAPED)
    ),
]
