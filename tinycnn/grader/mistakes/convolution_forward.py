"""Known mistakes of the convolution: those of its own, and those in reading its windows.

Most are real: the museum of the tests names the projects. The others are what students ask about in
the forums of the public courses.
"""

from tinycnn.grader.mistakes.base import Edit, Mistake
from tinycnn.grader.mistakes.reading import SHAPED, reading, without

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

IGNORED = (
    'the padding "same" is ignored',
    'With "same" zeros go around the image before the windows are read.',
)

MISTAKES = [
    *(Mistake("conv2d_forward", *entry) for entry in FORWARD),
    Mistake(
        "conv2d_forward",
        *IGNORED,
        (Edit("conv2d_forward", "N, H, W, _ =", 'padding = "valid"\n    N, H, W, _ ='),),
    ),
    *without(reading("conv2d_forward"), "read upside down", *SHAPED),
]
