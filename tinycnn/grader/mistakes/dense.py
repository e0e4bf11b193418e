"""Known mistakes of the dense layer and the relu."""

from tinycnn.grader.mistakes.base import Edit, Mistake

PRODUCT = "y = x @ kernel\n"
BIAS = "y += bias"
FORWARD = [
    (
        "the kernel is transposed",
        "The kernel has a row for each input, as x has a column for each: multiply x by the kernel "
        "as it is.",
        (Edit("dense_forward", PRODUCT, "y = x @ kernel.T\n"),),
    ),
    (
        "x and the kernel are multiplied number by number",
        "Each output is a sum of products over all inputs: a product of matrices.",
        (Edit("dense_forward", PRODUCT, "y = x * kernel\n"),),
    ),
    (
        "only the last product counts, for each one overwrites the one before",
        "An output is the sum of the products over all inputs.",
        (Edit("dense_forward", PRODUCT, "y = x[:, -1:] @ kernel[-1:]\n"),),
    ),
    (
        "the bias is not added",
        "Each output gets the bias of its unit, once.",
        (Edit("dense_forward", BIAS, "pass"),),
    ),
    (
        "the bias is subtracted",
        "Each output gets the bias of its unit added, once.",
        (Edit("dense_forward", BIAS, "y -= bias"),),
    ),
    (
        "the bias is added once for each input",
        "The bias is added once for each output, after the sum.",
        (Edit("dense_forward", BIAS, "y += bias * len(kernel)"),),
    ),
    (
        "the first unit's bias is added for every unit",
        "Output u gets bias u.",
        (Edit("dense_forward", BIAS, "y += bias[0]"),),
    ),
    (
        "relu is forgotten",
        "With relu=True, negative outputs become 0.",
        (Edit("dense_forward", "relu_forward(y) if relu else y", "y"),),
    ),
    (
        "relu is applied although nobody asks for it",
        "Relu is applied if relu=True comes in, and not else.",
        (Edit("dense_forward", "relu_forward(y) if relu else y", "relu_forward(y)"),),
    ),
    (
        "relu is applied before the bias is added",
        "The bias belongs to the sum: first it is added, then relu is applied.",
        (
            Edit(
                "dense_forward",
                PRODUCT,
                "y = relu_forward(x @ kernel) if relu else x @ kernel\n",
            ),
            Edit("dense_forward", "relu_forward(y) if relu else y", "y"),
        ),
    ),
]

MASK = "dy = relu_backward(dy, y)"
BRANCH = "if y is not None:"
SUMS = "The layer's gradients are sums over the samples. The mean is the loss's business."
DX = "dx is dy times the transposed kernel: each input collects from all the units it went to."
BACKWARD = [
    (
        "relu's derivative is forgotten",
        "Where the relu put out 0, no gradient passes, and so dy is 0 there for all three results.",
        (Edit("dense_backward", MASK, "pass"),),
    ),
    (
        "relu's derivative is forgotten for dx",
        "All three gradients are made of the same masked dy.",
        (
            Edit("dense_backward", BRANCH, f"upstream = dy\n    {BRANCH}"),
            Edit("dense_backward", "dy @ kernel.T", "upstream @ kernel.T"),
        ),
    ),
    (
        "relu's derivative is forgotten for the parameters",
        "All three gradients are made of the same masked dy.",
        (
            Edit("dense_backward", BRANCH, f"upstream = dy\n    {BRANCH}"),
            Edit("dense_backward", "x.T @ dy", "x.T @ upstream"),
            Edit("dense_backward", "dy.sum(axis=0)", "upstream.sum(axis=0)"),
        ),
    ),
    (
        "relu's derivative is forgotten for the bias",
        "All three gradients are made of the same masked dy.",
        (
            Edit("dense_backward", BRANCH, f"upstream = dy\n    {BRANCH}"),
            Edit("dense_backward", "dy.sum(axis=0)", "upstream.sum(axis=0)"),
        ),
    ),
    (
        "the kernel is not transposed for dx",
        DX,
        (Edit("dense_backward", "dy @ kernel.T", "dy @ kernel"),),
    ),
    (
        "the kernel is reshaped for dx where it should be transposed",
        DX + " A reshape has the shape of the transpose, but not its numbers.",
        (Edit("dense_backward", "kernel.T", "kernel.reshape(kernel.shape[::-1])"),),
    ),
    (
        "dx goes through weights that were stepped already",
        "The gradient belongs to the weights of the forward. They are updated after the backward.",
        (Edit("dense_backward", "dy @ kernel.T", "dy @ (kernel - 0.01 * dkernel).T"),),
    ),
    (
        "only the last unit's part of dx is kept",
        "An input reaches the loss through every unit, and dx is the sum over the units.",
        (Edit("dense_backward", "dy @ kernel.T", "dy[:, -1:] @ kernel[:, -1:].T"),),
    ),
    (
        "dx is divided by N",
        SUMS + " Each sample has its own dx.",
        (Edit("dense_backward", "dy @ kernel.T", "dy @ kernel.T / len(x)"),),
    ),
    (
        "the kernel gradient is transposed",
        "dkernel has the kernel's shape: a row for each input, a column for each unit.",
        (Edit("dense_backward", "x.T @ dy", "dy.T @ x"),),
    ),
    (
        "the kernel gradient is transposed and then reshaped",
        "dkernel is x, transposed, times dy. A reshape moves its numbers to wrong places.",
        (Edit("dense_backward", "x.T @ dy", "(dy.T @ x).reshape(kernel.shape)"),),
    ),
    (
        "the kernel gradient is divided by N",
        SUMS,
        (Edit("dense_backward", "x.T @ dy", "x.T @ dy / len(x)"),),
    ),
    (
        "the gradients of kernel and bias are divided by N",
        SUMS,
        (
            Edit("dense_backward", "x.T @ dy", "x.T @ dy / len(x)"),
            Edit("dense_backward", "dy.sum(axis=0)", "dy.sum(axis=0) / len(x)"),
        ),
    ),
    (
        "only the last sample's part of the kernel gradient is kept",
        "Each weight acts on all samples, so their parts are added up.",
        (Edit("dense_backward", "x.T @ dy", "x[-1:].T @ dy[-1:]"),),
    ),
    (
        "only the first sample's part of the kernel gradient is kept",
        "Each weight acts on all samples, so the return stands after all loops.",
        (Edit("dense_backward", "x.T @ dy", "x[:1].T @ dy[:1]"),),
    ),
    (
        "the kernel gradient is made of the kernel and not of x",
        "The factor of each weight in the forward is its input, so dkernel is made of x and dy.",
        (Edit("dense_backward", "x.T @ dy", "kernel * dy.sum(axis=0)"),),
    ),
    (
        "the bias gradient is divided by N",
        SUMS,
        (Edit("dense_backward", "dy.sum(axis=0)", "dy.mean(axis=0)"),),
    ),
    (
        "the bias gradient is one number, a sum over everything",
        "Each unit has a bias of its own, whose gradient is the sum of that unit's dy alone.",
        (Edit("dense_backward", "dy.sum(axis=0)", "dy.sum()"),),
    ),
    (
        "one sum over all units is the bias gradient of each",
        "Each unit has a bias of its own, whose gradient is the sum of that unit's dy alone.",
        (Edit("dense_backward", "dy.sum(axis=0)", "np.full(dy.shape[1], dy.sum())"),),
    ),
    (
        "the bias gradient is summed over the units and not over the samples",
        "There is one bias for each unit, and it acts on all samples: sum over these.",
        (Edit("dense_backward", "dy.sum(axis=0)", "dy.sum(axis=1)"),),
    ),
    (
        "the bias gradient comes from the last sample only",
        "The bias acts on all samples: their parts are added, not assigned.",
        (Edit("dense_backward", "dy.sum(axis=0)", "dy[-1]"),),
    ),
    (
        "the bias gradient comes from the first sample only",
        "The bias acts on all samples, so their parts are added up.",
        (Edit("dense_backward", "dy.sum(axis=0)", "dy[0]"),),
    ),
    (
        "dx is added up twice, the second time with stepped weights",
        "Each term is in dx once, with the weights of the forward.",
        (Edit("dense_backward", "dy @ kernel.T", "dy @ (2 * kernel - 0.01 * dkernel).T"),),
    ),
]

LINE = "return np.maximum(x, 0)"
POSITIVE = "y is x where x is positive, and 0 elsewhere."
RELU_FORWARD = [
    ("the absolute value is taken", POSITIVE, (Edit("relu_forward", LINE, "return np.abs(x)"),)),
    ("the minimum is taken", POSITIVE, (Edit("relu_forward", LINE, "return np.minimum(x, 0)"),)),
    (
        "a 1 stands for every positive number",
        POSITIVE,
        (Edit("relu_forward", LINE, "return (x > 0).astype(x.dtype)"),),
    ),
    (
        "the largest number along an axis is taken, and not the larger one of x and 0",
        POSITIVE + " NumPy's max goes along an axis; its maximum compares two arrays.",
        (Edit("relu_forward", LINE, "return np.max(x, 0)"),),
    ),
    (
        "the sign is turned",
        POSITIVE,
        (Edit("relu_forward", LINE, "return np.maximum(-x, 0)"),),
    ),
]

RELU = "return np.where(y > 0, dy, np.zeros((), dy.dtype))"
GATE = "Where y is positive, dy passes unchanged. Elsewhere dx is 0, also where y is exactly 0."
RELU_BACKWARD = [
    (
        "dy is multiplied by y, and not by relu's derivative",
        GATE,
        (Edit("relu_backward", RELU, "return dy * y"),),
    ),
    (
        "the derivative of the sigmoid is taken",
        GATE,
        (Edit("relu_backward", RELU, "return dy * y * (1 - y)"),),
    ),
    (
        "the mask is made of dy and not of y",
        GATE,
        (Edit("relu_backward", "y > 0", "dy > 0"),),
    ),
    (
        "the mask is made of dy and y together",
        GATE,
        (Edit("relu_backward", "y > 0", "(y > 0) & (dy > 0)"),),
    ),
    (
        "the mask alone is returned, without dy",
        GATE + " The chain rule multiplies by what comes from above.",
        (Edit("relu_backward", "dy, np", "np.ones_like(dy), np"),),
    ),
    ("the mask is reversed", GATE, (Edit("relu_backward", "y > 0", "y <= 0"),)),
    (
        "the gradient also passes where y is 0",
        GATE + " y is never negative, so a comparison with >= always holds.",
        (Edit("relu_backward", "y > 0", "y >= 0"),),
    ),
    ("y is returned and not dy", GATE, (Edit("relu_backward", "y > 0, dy", "y > 0, y"),)),
    (
        "the mask compares with 1 and not with 0",
        GATE,
        (Edit("relu_backward", "y > 0", "y >= 1"),),
    ),
]

MISTAKES = [
    *(Mistake("dense_forward", *entry) for entry in FORWARD),
    *(Mistake("dense_backward", *entry) for entry in BACKWARD),
    *(Mistake("relu_forward", *entry) for entry in RELU_FORWARD),
    *(Mistake("relu_backward", *entry) for entry in RELU_BACKWARD),
]
