"""Known mistakes of the softmax and the cross-entropy."""

from tinycnn.grader.mistakes.base import Edit, Mistake

SHIFT = "np.exp(x - x.max(axis=-1, keepdims=True))"
SUM = "e.sum(axis=-1, keepdims=True)"
ROWS = "Each row is a sample of its own: its probabilities add up to 1."
BESIDE = (
    "There is one such number for each row. With the shape (N, 1) it stands beside its row; with "
    "the shape (N,) it stands above a column."
)
STABLE = (
    "The exponential of a large number overflows. Each row's own maximum is subtracted first, "
    "which changes no probability."
)
FORWARD = [
    (
        "the sums have lost their axis, and are divided along the columns",
        BESIDE,
        (Edit("softmax_forward", SUM, "e.sum(axis=-1)"),),
    ),
    (
        "the maxima have lost their axis, and are subtracted along the columns",
        BESIDE,
        (Edit("softmax_forward", SHIFT, "np.exp(x - x.max(axis=-1))"),),
    ),
    (
        "the sum runs over the batch and not over the classes",
        ROWS + " The sum runs along the last axis.",
        (Edit("softmax_forward", SUM, "e.sum(axis=0)"),),
    ),
    (
        "one sum is taken over the whole batch",
        ROWS,
        (Edit("softmax_forward", SUM, "e.sum()"),),
    ),
    (
        "the maximum and the sum are taken over the batch and not over the classes",
        ROWS + " Maximum and sum run along the last axis.",
        (
            Edit("softmax_forward", SHIFT, "np.exp(x - x.max(axis=0))"),
            Edit("softmax_forward", SUM, "e.sum(axis=0)"),
        ),
    ),
    (
        "the maximum is not subtracted",
        STABLE,
        (Edit("softmax_forward", SHIFT, "np.exp(x)"),),
    ),
    (
        "one maximum is subtracted from the whole batch",
        STABLE,
        (Edit("softmax_forward", SHIFT, "np.exp(x - x.max())"),),
    ),
    (
        "the maximum is subtracted only if it is positive",
        STABLE + " Far below 0 they all become 0 otherwise, and 0 is divided by 0.",
        (
            Edit(
                "softmax_forward", SHIFT, "np.exp(x - np.maximum(x.max(axis=-1, keepdims=True), 0))"
            ),
        ),
    ),
    (
        "the result is not divided by the sum",
        ROWS,
        (Edit("softmax_forward", f" / {SUM}", ""),),
    ),
    (
        "the logits are divided by their sum, without the exponential",
        "The exponential makes every number positive; then the sum divides.",
        (Edit("softmax_forward", SHIFT, "x"),),
    ),
    (
        "the logarithm of the softmax is returned",
        ROWS,
        (Edit("softmax_forward", f"e / {SUM}", f"np.log(e / {SUM})"),),
    ),
    (
        "the sign of the logits is turned",
        "The largest logit gets the largest probability.",
        (Edit("softmax_forward", SHIFT, "np.exp(x.min(axis=-1, keepdims=True) - x)"),),
    ),
    (
        "a 2 stands for Euler's number",
        "The base is e, Euler's number.",
        (Edit("softmax_forward", SHIFT, SHIFT.replace("exp", "exp2")),),
    ),
    (
        "the sigmoid of each logit is returned",
        ROWS + " The sigmoid looks at one logit alone.",
        (Edit("softmax_forward", f"return e / {SUM}", "return 1 / (1 + np.exp(-x))"),),
    ),
]

LINE = "y * (dy - (dy * y).sum(axis=-1, keepdims=True))"
JACOBIAN = (
    "Every probability depends on every logit of its row. So each dx has its own term and, "
    "subtracted, a sum over the whole row."
)
BACKWARD = [
    (
        "the sums have lost their axis, and are subtracted along the columns",
        BESIDE,
        (
            Edit(
                "softmax_backward", "(dy * y).sum(axis=-1, keepdims=True)", "(dy * y).sum(axis=-1)"
            ),
        ),
    ),
    (
        "only the diagonal of the Jacobian is used",
        JACOBIAN,
        (Edit("softmax_backward", LINE, "dy * y * (1 - y)"),),
    ),
    (
        "the sum over the row is missing",
        JACOBIAN,
        (Edit("softmax_backward", LINE, "y * dy"),),
    ),
    (
        "the sum runs over the batch and not over the classes",
        JACOBIAN + " Samples have nothing to do with each other.",
        (Edit("softmax_backward", "axis=-1", "axis=0"),),
    ),
    (
        "one sum is taken over the whole batch",
        JACOBIAN + " Samples have nothing to do with each other.",
        (Edit("softmax_backward", "(dy * y).sum(axis=-1, keepdims=True)", "(dy * y).sum()"),),
    ),
    (
        "the gradient is twice too large",
        JACOBIAN + " Nothing is counted twice.",
        (Edit("softmax_backward", "return y", "return 2 * y"),),
    ),
    (
        "dy is summed without its probabilities",
        JACOBIAN + " In that sum each dy is multiplied by its probability.",
        (Edit("softmax_backward", "(dy * y).sum", "dy.sum"),),
    ),
    (
        "the mean over the row is subtracted, and not the sum",
        JACOBIAN,
        (Edit("softmax_backward", "(dy * y).sum", "(dy * y).mean"),),
    ),
    (
        "the probability in front is missing",
        JACOBIAN + " Both are multiplied by the probability of that class.",
        (Edit("softmax_backward", "y * (dy -", "(dy -"),),
    ),
    (
        "the sum is added and not subtracted",
        JACOBIAN,
        (Edit("softmax_backward", "dy - (dy", "dy + (dy"),),
    ),
    (
        "the sign is wrong",
        JACOBIAN,
        (Edit("softmax_backward", "return y", "return -y"),),
    ),
    (
        "the derivative of the cross-entropy's softmax is returned, probabilities minus dy",
        "This is the softmax alone, with any dy; only together with the cross-entropy does it "
        "become a difference.",
        (Edit("softmax_backward", LINE, "y - dy"),),
    ),
]

LOSS = "-(targets * log_p).sum(axis=-1)"
SHIFTED = "_not_overflown(x - x.max(axis=-1, keepdims=True), x)"
OWN = "There is one loss for each sample, the sum over its classes. Its mean is taken elsewhere."
LATE = (
    "The logarithm of the softmax is the shifted logit minus the logarithm of the sum. It never "
    "needs the logarithm of a probability, which may have rounded to 0."
)
LOSS_FORWARD = [
    (
        "the mean over the samples is returned",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, f"({LOSS}).mean()"),),
    ),
    (
        "the sum over the samples is returned",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, f"({LOSS}).sum()"),),
    ),
    (
        "the losses are divided by N",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, f"{LOSS} / len(targets)"),),
    ),
    (
        "the mean over the classes is taken, and not the sum",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, LOSS.replace("sum", "mean")),),
    ),
    (
        "the losses are divided by the number of samples and classes",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, f"{LOSS} / targets.size"),),
    ),
    (
        "the minus is missing",
        "The logarithm of a probability is never positive, and the loss is minus that.",
        (Edit("softmax_cross_entropy_forward", LOSS, LOSS[1:]),),
    ),
    (
        "the sum runs over the samples and not over the classes",
        OWN,
        (Edit("softmax_cross_entropy_forward", LOSS, LOSS.replace("-1)", "0)")),),
    ),
    (
        "the logarithm is missing",
        "The loss is minus the logarithm of the right class's probability.",
        (Edit("softmax_cross_entropy_forward", "targets * log_p", "targets * np.exp(log_p)"),),
    ),
    (
        "the probability is computed first, and then its logarithm",
        LATE,
        (
            Edit(
                "softmax_cross_entropy_forward",
                "targets * log_p",
                "targets * np.log(np.exp(log_p))",
            ),
        ),
    ),
    *(
        (
            f"{small} is added to the probability before its logarithm is taken",
            LATE,
            (
                Edit(
                    "softmax_cross_entropy_forward",
                    "targets * log_p",
                    f"targets * np.log(np.exp(log_p) + {small})",
                ),
            ),
        )
        for small in ("1e-5", "1e-6", "1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15")
    ),
    *(
        (
            f"the probability is clipped to {small} before its logarithm is taken",
            LATE,
            (
                Edit(
                    "softmax_cross_entropy_forward",
                    "targets * log_p",
                    f"targets * np.log(np.clip(np.exp(log_p), {small}, 1))",
                ),
            ),
        )
        # In the digits that are compared, clipping to 1e-12 is the same as adding it.
        for small in ("1e-7", "1e-8", "1e-10")
    ),
    (
        "the binary cross-entropy is taken",
        "With a softmax only the logarithm of the target's own probability counts.",
        (
            Edit(
                "softmax_cross_entropy_forward",
                "targets * log_p",
                "targets * log_p + (1 - targets) * np.log(1 - np.exp(log_p))",
            ),
        ),
    ),
    (
        "the logarithm has base 2",
        "The logarithm is the natural one.",
        (Edit("softmax_cross_entropy_forward", "targets * log_p", "targets * log_p / np.log(2)"),),
    ),
    (
        "the logarithm has base 10",
        "The logarithm is the natural one.",
        (Edit("softmax_cross_entropy_forward", "targets * log_p", "targets * log_p / np.log(10)"),),
    ),
    (
        "one sum is taken over the whole batch",
        ROWS,
        (
            Edit(
                "log_softmax",
                "np.exp(shifted).sum(axis=-1, keepdims=True)",
                "np.exp(shifted).sum()",
            ),
        ),
    ),
    (
        "the softmax runs over the batch and not over the classes",
        ROWS,
        (
            Edit("log_softmax", SHIFTED, "x - x.max(axis=0)"),
            Edit(
                "log_softmax",
                "np.exp(shifted).sum(axis=-1, keepdims=True)",
                "np.exp(shifted).sum(axis=0)",
            ),
        ),
    ),
    ("the maximum is not subtracted", STABLE, (Edit("log_softmax", SHIFTED, "x"),)),
    (
        "one maximum is subtracted from the whole batch",
        STABLE,
        (Edit("log_softmax", SHIFTED, "x - x.max()"),),
    ),
    (
        "the maximum is subtracted only if it is positive",
        STABLE,
        (Edit("log_softmax", SHIFTED, "x - np.maximum(x.max(axis=-1, keepdims=True), 0)"),),
    ),
    (
        "the loss is made of softmax's softmax",
        "The softmax is taken once, of the logits.",
        (
            Edit(
                "softmax_cross_entropy_forward",
                "log_p = log_softmax(logits)",
                "log_p = log_softmax(softmax_forward(logits))",
            ),
        ),
    ),
    (
        "the logarithms of the probabilities are returned beside the losses",
        "The second result is the softmax itself, which the backward needs.",
        (Edit("softmax_cross_entropy_forward", ", np.exp(log_p)", ", log_p"),),
    ),
    (
        "the targets are taken to add up to 1",
        "Each logarithm is multiplied by its own target, whatever they add up to.",
        (
            Edit(
                "softmax_cross_entropy_forward",
                "targets * log_p",
                "targets * log_p / targets.sum(axis=-1, keepdims=True)",
            ),
        ),
    ),
    (
        "only the class with the largest target counts",
        "Each logarithm is multiplied by its own target, and all classes are added up.",
        (
            Edit(
                "softmax_cross_entropy_forward",
                "targets * log_p",
                "(targets == targets.max(axis=-1, keepdims=True)) * log_p",
            ),
        ),
    ),
]

GRADIENT = "probabilities * targets.sum(axis=-1, keepdims=True) - targets"
PULL = "Each logit is pulled by its probability minus its target."
LOSS_BACKWARD = [
    (
        "the sign is wrong: targets minus probabilities",
        PULL + " In that order.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"-({GRADIENT})"),),
    ),
    (
        "the gradient is divided by N",
        PULL + " Here each sample's loss is its own; the mean is taken elsewhere.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"({GRADIENT}) / len(targets)"),),
    ),
    (
        "the gradient is divided by N twice",
        PULL + " Here each sample's loss is its own; the mean is taken elsewhere.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"({GRADIENT}) / len(targets) ** 2"),),
    ),
    (
        "the gradient is divided by the number of classes",
        PULL,
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"({GRADIENT}) / targets.shape[1]"),),
    ),
    (
        "the gradient is divided by the number of samples and classes",
        PULL + " Here each sample's loss is its own; the mean is taken elsewhere.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"({GRADIENT}) / targets.size"),),
    ),
    (
        "the targets are taken to add up to 1",
        "Each target pulls the whole row, so the probabilities are multiplied by the targets' sum.",
        (Edit("softmax_cross_entropy_backward", " * targets.sum(axis=-1, keepdims=True)", ""),),
    ),
    (
        "only the target's own class gets a gradient",
        PULL + " Classes whose target is 0 are pushed down by their probability.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"({GRADIENT}) * targets"),),
    ),
    (
        "the difference is multiplied by the derivative of the sigmoid",
        PULL + " Nothing is left to multiply: the softmax's derivative is in it already.",
        (
            Edit(
                "softmax_cross_entropy_backward",
                GRADIENT,
                f"({GRADIENT}) * probabilities * (1 - probabilities)",
            ),
        ),
    ),
    (
        "the gradient stops at the probabilities: minus targets over probabilities",
        PULL + " The softmax's own derivative comes after that of the logarithm.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, "-targets / probabilities"),),
    ),
    (
        "the difference is squared's derivative, twice too large",
        PULL + " There is no 2 in it: that belongs to the squared error.",
        (Edit("softmax_cross_entropy_backward", GRADIENT, f"2 * ({GRADIENT})"),),
    ),
    (
        "the softmax is taken a second time",
        "What comes in are probabilities already.",
        (
            Edit(
                "softmax_cross_entropy_backward",
                "return probabilities",
                "probabilities = softmax_forward(probabilities)\n    return probabilities",
            ),
        ),
    ),
    (
        "1 is subtracted from every class",
        PULL,
        (Edit("softmax_cross_entropy_backward", GRADIENT, "probabilities - 1"),),
    ),
]

MISTAKES = [
    *(Mistake("softmax_forward", *entry) for entry in FORWARD),
    *(Mistake("softmax_backward", *entry) for entry in BACKWARD),
    *(Mistake("softmax_cross_entropy_forward", *entry) for entry in LOSS_FORWARD),
    *(Mistake("softmax_cross_entropy_backward", *entry) for entry in LOSS_BACKWARD),
]
