"""Known mistakes of batch normalisation, dropout and the network put together."""

from tinycnn.grader.mistakes.base import Edit, Mistake

LINE = "(x - mean) * (gamma / np.sqrt(variance + variance.dtype.type(epsilon))) + beta"
NORMAL = (
    "The mean is subtracted, and the root of variance plus epsilon divides. Then gamma multiplies, "
    "and beta is added last."
)


def _norm(new: str) -> tuple[Edit, ...]:
    return (Edit("batch_norm_forward", LINE, new),)


NORM_FORWARD = [
    ("epsilon is left out", NORMAL, _norm("(x - mean) * gamma / np.sqrt(variance) + beta")),
    (
        "epsilon stands outside the root",
        NORMAL,
        _norm("(x - mean) * gamma / (np.sqrt(variance) + epsilon) + beta"),
    ),
    (
        "the variance divides, and not its root",
        NORMAL,
        _norm("(x - mean) * gamma / (variance + epsilon) + beta"),
    ),
    ("beta is not added", NORMAL, _norm("(x - mean) * gamma / np.sqrt(variance + epsilon)")),
    ("gamma is left out", NORMAL, _norm("(x - mean) / np.sqrt(variance + epsilon) + beta")),
    (
        "gamma and beta are exchanged",
        NORMAL,
        _norm("(x - mean) * beta / np.sqrt(variance + epsilon) + gamma"),
    ),
    (
        "gamma multiplies beta, too",
        NORMAL,
        _norm("((x - mean) / np.sqrt(variance + epsilon) + beta) * gamma"),
    ),
    ("the mean is not subtracted", NORMAL, _norm("x * gamma / np.sqrt(variance + epsilon) + beta")),
    (
        "the mean is added and not subtracted",
        NORMAL,
        _norm("(x + mean) * gamma / np.sqrt(variance + epsilon) + beta"),
    ),
    (
        "the batch's own mean and variance are used, and not those that come in",
        "The mean and the variance are arguments: in inference they are not this batch's.",
        _norm(
            "(x - x.reshape(-1, x.shape[-1]).mean(axis=0)) * gamma"
            " / np.sqrt(x.reshape(-1, x.shape[-1]).var(axis=0) + epsilon) + beta"
        ),
    ),
    (
        "the root multiplies, and does not divide",
        NORMAL,
        _norm("(x - mean) * gamma * np.sqrt(variance + epsilon) + beta"),
    ),
]

PATHS = (
    "x acts in three ways: directly, through the mean and through the variance. The gradient is "
    "the sum of the three."
)


def _back(*edits: tuple[str, str]) -> tuple[Edit, ...]:
    return tuple(Edit("batch_norm_backward", old, new) for old, new in edits)


NORM_BACKWARD = [
    (
        "mean and variance are taken as constants",
        PATHS,
        _back(("if of_batch:", "if False:")),
    ),
    ("the variance is taken as a constant", PATHS, _back((" - x_hat * (dgamma / M)", ""))),
    ("the mean is taken as a constant", PATHS, _back(("dy = dy - dbeta / M", "dy = dy"))),
    (
        "mean and variance are taken as the batch's although of_batch is False",
        "With of_batch=False, mean and variance are constants, and x acts directly only.",
        _back(("if of_batch:", "if True:")),
    ),
    (
        "gamma is left out of dx",
        "gamma multiplies x_hat in the forward, so it multiplies the gradient, too.",
        _back(("dy * (gamma * s)", "dy * s")),
    ),
    (
        "dx is not divided by the deviation",
        "The root of variance plus epsilon divides in the forward, and so in the backward.",
        _back(("dy * (gamma * s)", "dy * gamma")),
    ),
    (
        "M counts the samples, and not all rows of a channel",
        "M is the product of all axes but the last one: in images also height and width.",
        _back(("x.size // C", "len(x)")),
    ),
    (
        "M counts all numbers, those of other channels included",
        "M is the number of rows of one channel: each channel goes by itself.",
        _back(("x.size // C", "x.size")),
    ),
    (
        "dgamma is made of x and not of x_hat",
        "gamma's factor in the forward is x_hat, the normalised x.",
        _back(("(dy * x_hat).reshape", "(dy * x).reshape")),
    ),
    (
        "dgamma is made without x_hat",
        "gamma's factor in the forward is x_hat, the normalised x.",
        _back(("(dy * x_hat).reshape", "(dy).reshape")),
    ),
    (
        "dgamma and dbeta are means and not sums",
        "gamma and beta act on all rows, so their gradients are sums over these.",
        _back(
            (
                "return dy * (gamma * s), dgamma, dbeta",
                "M = x.size // C\n    return dy * (gamma * s), dgamma / M, dbeta / M",
            )
        ),
    ),
    (
        "dgamma and dbeta come in the wrong order",
        "The three results are dx, dgamma and dbeta, in this order.",
        _back((", dgamma, dbeta", ", dbeta, dgamma")),
    ),
    (
        "epsilon is left out",
        "The root is that of variance plus epsilon, as in the forward.",
        _back(("variance + variance.dtype.type(epsilon)", "variance + 0 * epsilon")),
    ),
    (
        "epsilon stands outside the root",
        "The root is that of variance plus epsilon, as in the forward.",
        _back(
            (
                "1 / np.sqrt(variance + variance.dtype.type(epsilon))",
                "1 / (np.sqrt(variance) + epsilon)",
            )
        ),
    ),
    (
        "dbeta is the sum over the first axis only",
        "beta acts on all rows of its channel: the sum runs over all axes but the last one.",
        _back(("dbeta = dy.reshape(-1, C).sum(axis=0)", "dbeta = dy.sum(axis=0)")),
    ),
]

SCALE = "x.dtype.type(1 / (1 - rate) if rate < 1 else 0)"
KEEP = "What is kept is divided by the share that is kept, so that the mean stays as it was."
DROPOUT = [
    ("what is kept is not scaled", KEEP, (Edit("dropout", SCALE, "(rate < 1)"),)),
    (
        "what is kept is divided by the rate",
        KEEP + " The rate is the share that is dropped.",
        (Edit("dropout", SCALE, "(1 / rate if 0 < rate < 1 else 0)"),),
    ),
    (
        "what is kept is multiplied by the share that is kept",
        KEEP,
        (Edit("dropout", SCALE, "(1 - rate)"),),
    ),
    ("what is kept is multiplied by the rate", KEEP, (Edit("dropout", SCALE, "(rate % 1)"),)),
    (
        "what should be kept is dropped, and the other way round",
        "`kept` is True where the number stays.",
        (Edit("dropout", "where(kept", "where(~kept"),),
    ),
    (
        "everything is scaled and nothing dropped",
        "Where `kept` is False, the result is 0.",
        (Edit("dropout", "where(kept", "where(kept == kept"),),
    ),
    (
        "a new mask is drawn, and `kept` not used",
        "The mask comes in as `kept`: the backward needs the same one.",
        (Edit("dropout", "where(kept", "where(np.random.default_rng().random(x.shape) >= rate"),),
    ),
    (
        "a rate of 1 divides by 0",
        "With the rate 1 everything is dropped, and the result is 0.",
        (
            Edit("dropout", SCALE, "np.float64(1) / (1 - rate)"),
            Edit("dropout", "np.where(kept, x * scale, np.zeros((), x.dtype))", "x * kept * scale"),
        ),
    ),
]

MEAN = "The loss is the mean over the images, so the gradient of each logit is divided by N, once."


def _net(*edits: tuple[str, str]) -> tuple[Edit, ...]:
    return tuple(Edit("network_step", old, new) for old, new in edits)


NETWORK = [
    (
        "the gradient is not divided by N",
        MEAN,
        _net(
            (
                "softmax_cross_entropy_backward(probabilities, targets) / len(x)",
                "softmax_cross_entropy_backward(probabilities, targets)",
            )
        ),
    ),
    (
        "the gradient is divided by N twice",
        MEAN,
        _net(("targets) / len(x)", "targets) / len(x) ** 2")),
    ),
    (
        "the gradient is divided by the number of classes, too",
        MEAN,
        _net(("targets) / len(x)", "targets) / targets.size")),
    ),
    ("the loss is a sum and not a mean", MEAN, _net(("losses.mean()", "losses.sum()"))),
    (
        "relu's derivative is forgotten",
        "The convolution ran with relu, so its backward needs the relu's output.",
        _net((", y=z)", ")")),
    ),
    (
        "relu is left out of the forward",
        "The convolution is followed by a relu.",
        _net((", relu=True", "")),
    ),
    (
        "relu is left out of forward and backward",
        "The convolution is followed by a relu.",
        _net((", relu=True", ""), (", y=z)", ")")),
    ),
    (
        "the dense layer has a relu, too",
        "The logits go into the softmax as they are.",
        _net(
            (
                "dense_forward(flat, dense_kernel, dense_bias)",
                "np.maximum(dense_forward(flat, dense_kernel, dense_bias), 0)",
            )
        ),
    ),
    (
        "the dense kernel is updated before the gradient goes through it",
        "All gradients are those at the parameters that came in: update after the backward.",
        _net(
            (
                "dpooled = ",
                "stepped = dense_kernel - learning_rate * ddense_kernel\n"
                "    dflat = dlogits @ stepped.T\n    dpooled = ",
            )
        ),
    ),
    (
        "the step goes uphill",
        "The gradient is subtracted.",
        _net(("pool = (2, 2)", "pool, learning_rate = (2, 2), -learning_rate")),
    ),
    (
        "the convolution is not updated",
        "All four parameters are updated.",
        _net(
            ("sgd_update(conv_kernel,", "sgd_update(conv_kernel.copy(),"),
            ("sgd_update(conv_bias,", "sgd_update(conv_bias.copy(),"),
        ),
    ),
    (
        "the convolution's kernel is not updated",
        "All four parameters are updated.",
        _net(("sgd_update(conv_kernel,", "sgd_update(conv_kernel.copy(),")),
    ),
    (
        "the biases are not updated",
        "All four parameters are updated.",
        _net(
            ("sgd_update(conv_bias,", "sgd_update(conv_bias.copy(),"),
            ("sgd_update(dense_bias,", "sgd_update(dense_bias.copy(),"),
        ),
    ),
    (
        "the convolution's bias is not updated",
        "All four parameters are updated.",
        _net(("sgd_update(conv_bias,", "sgd_update(conv_bias.copy(),")),
    ),
    (
        "the dense bias is not updated",
        "All four parameters are updated.",
        _net(("sgd_update(dense_bias,", "sgd_update(dense_bias.copy(),")),
    ),
    (
        "no parameter is updated in its array",
        "In place: the arrays that came in hold the new numbers.",
        _net(
            ("sgd_update(conv_kernel,", "sgd_update(conv_kernel.copy(),"),
            ("sgd_update(conv_bias,", "sgd_update(conv_bias.copy(),"),
            ("sgd_update(dense_kernel,", "sgd_update(dense_kernel.copy(),"),
            ("sgd_update(dense_bias,", "sgd_update(dense_bias.copy(),"),
        ),
    ),
    (
        "flatten puts the channels first",
        "Flatten writes each image's numbers in the order in which they lie: row, column, channel.",
        _net(
            ("pooled.reshape(len(x), -1)", "pooled.transpose(0, 3, 1, 2).reshape(len(x), -1)"),
            (
                "dpooled = np.reshape(np.asarray(dflat), pooled.shape)",
                "N, PH, PW, F = pooled.shape\n"
                "    dpooled = np.reshape(dflat, (N, F, PH, PW)).transpose(0, 2, 3, 1)",
            ),
        ),
    ),
    (
        "the loss is that after the step",
        "The loss is the mean over the images before the step.",
        _net(
            (
                "return float(losses.mean())",
                "z = conv2d_forward(x, conv_kernel, conv_bias, relu=True)\n"
                "    flat = max_pool_forward(z, pool, pool)[0].reshape(len(x), -1)\n"
                "    logits = dense_forward(flat, dense_kernel, dense_bias)\n"
                "    return float(softmax_cross_entropy_forward(logits, targets)[0].mean())",
            )
        ),
    ),
    (
        "the learning rate is left out",
        "Each gradient is multiplied by the learning rate.",
        _net(("pool = (2, 2)", "pool, learning_rate = (2, 2), 1.0")),
    ),
]

MISTAKES = [
    *(Mistake("batch_norm_forward", *entry) for entry in NORM_FORWARD),
    *(Mistake("batch_norm_backward", *entry) for entry in NORM_BACKWARD),
    *(Mistake("dropout", *entry) for entry in DROPOUT),
    *(Mistake("network_step", *entry) for entry in NETWORK),
]
