"""Known mistakes of gradient descent and Adam."""

from tinycnn.grader.mistakes.base import Edit, Mistake

KEEP = "velocity *= scalar(momentum)"
PLAIN = "value -= step\n        return"
LAST = "value += velocity * scalar(momentum) - step if nesterov else velocity"
STEPS = "The learning rate times the gradient is subtracted from the value."
VELOCITY = (
    "The velocity keeps its share and loses the learning rate times the gradient; then it is added "
    "to the value."
)
AHEAD = (
    "With nesterov, the new velocity times the momentum, minus the learning rate times the "
    "gradient, is added to the value."
)
SGD = [
    ("the step goes uphill", STEPS, (Edit("sgd_update", PLAIN, "value += step\n        return"),)),
    (
        "the new value is not written into the array",
        STEPS + " In place: the array that came in holds the new numbers.",
        (
            Edit("sgd_update", PLAIN, "value = value - step\n        return"),
            Edit("sgd_update", LAST, "pass"),
        ),
    ),
    (
        "without momentum, the new value is not written into the array",
        STEPS + " In place: the array that came in holds the new numbers.",
        (Edit("sgd_update", PLAIN, "value = value - step\n        return"),),
    ),
    (
        "neither the value nor the velocity is written into its array",
        "In place: the arrays that came in hold the new numbers.",
        (
            Edit("sgd_update", "scalar = value", "value, scalar = value.copy(), value"),
            Edit("sgd_update", KEEP, f"velocity = velocity.copy()\n    {KEEP}"),
        ),
    ),
    (
        "the velocity is not written into its array",
        "In place: the velocity that came in holds the new numbers, for the next step.",
        (Edit("sgd_update", KEEP, f"velocity = velocity.copy()\n    {KEEP}"),),
    ),
    (
        "with momentum, the new value is not written into the array",
        VELOCITY,
        (Edit("sgd_update", LAST, "pass"),),
    ),
    (
        "the velocity is zeroed at every step",
        VELOCITY,
        (Edit("sgd_update", KEEP, "velocity *= 0"),),
    ),
    (
        "the momentum is multiplied by the gradient's part, and the velocity kept whole",
        VELOCITY,
        (
            Edit(
                "sgd_update",
                f"{KEEP}\n    velocity -= step",
                "velocity -= step * scalar(momentum)",
            ),
        ),
    ),
    (
        "the whole velocity is kept, whatever the momentum",
        VELOCITY,
        (Edit("sgd_update", KEEP, "pass"),),
    ),
    (
        "the velocity is a mean: the gradient's part is multiplied by 1 minus the momentum",
        VELOCITY,
        (Edit("sgd_update", "velocity -= step", "velocity -= step * scalar(1 - momentum)"),),
    ),
    (
        "the learning rate stands outside the velocity",
        VELOCITY + " The learning rate is inside.",
        (
            Edit(
                "sgd_update",
                f"velocity -= step\n    {LAST}",
                "velocity -= gradient\n"
                "    ahead = velocity * scalar(momentum) - gradient if nesterov else velocity\n"
                "    value += scalar(learning_rate) * ahead",
            ),
        ),
    ),
    (
        "the velocity has the opposite sign, and is subtracted",
        VELOCITY,
        (
            Edit("sgd_update", "velocity -= step", "velocity += step"),
            Edit(
                "sgd_update",
                LAST,
                "value -= velocity * scalar(momentum) + step if nesterov else velocity",
            ),
        ),
    ),
    (
        "the velocity is subtracted from the value",
        VELOCITY,
        (Edit("sgd_update", LAST, LAST.replace("+=", "-=")),),
    ),
    (
        "the gradient is added to the velocity",
        VELOCITY,
        (Edit("sgd_update", "velocity -= step", "velocity += step"),),
    ),
    (
        "nesterov's velocity has the wrong sign",
        AHEAD,
        (Edit("sgd_update", "+= velocity * scalar", "+= -velocity * scalar"),),
    ),
    (
        "nesterov's step adds the whole velocity on top",
        AHEAD,
        (Edit("sgd_update", "(momentum) - step if", "(momentum) + velocity if"),),
    ),
    (
        "nesterov is ignored",
        AHEAD,
        (Edit("sgd_update", LAST, "value += velocity"),),
    ),
    (
        "nesterov's step leaves out the gradient",
        AHEAD,
        (Edit("sgd_update", "(momentum) - step if", "(momentum) if"),),
    ),
    (
        "nesterov's look-ahead is used without being asked for",
        AHEAD + " Without nesterov the new velocity itself is added.",
        (Edit("sgd_update", "if nesterov else velocity", "if True else velocity"),),
    ),
    (
        "the value moves by the old velocity",
        VELOCITY + " The velocity is renewed first.",
        (
            Edit("sgd_update", KEEP, f"old = velocity.copy()\n    {KEEP}"),
            Edit("sgd_update", "else velocity", "else old"),
        ),
    ),
    (
        "the learning rate is left out",
        STEPS,
        (Edit("sgd_update", "gradient * scalar(learning_rate)", "gradient"),),
    ),
    (
        "the value is replaced by the step",
        STEPS + " The old value stays in the sum.",
        (Edit("sgd_update", PLAIN, "value[...] = -step\n        return"),),
    ),
]

M = "m[...] = beta_1 * m + (1 - beta_1) * gradient"
V = "v[...] = beta_2 * v + (1 - beta_2) * gradient**2"
M_HAT = "m_hat = m / (1 - beta_1**step)"
V_HAT = "v_hat = v / (1 - beta_2**step)"
STEP = "value -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)"
CORRECT = (
    "m and v start at 0, which pulls them down in the first steps. So each is divided by 1 minus "
    "its beta to the power of the step's number."
)
MOMENTS = "m is a running mean of the gradient with beta_1; v is one of its square with beta_2."
APART = "The correction is used for this step alone. What stays in m and v is not corrected."
ROOT = "The step is m_hat divided by the root of v_hat, to which epsilon is added outside the root."


def _adam(*edits: tuple[str, str]) -> tuple[Edit, ...]:
    return tuple(Edit("adam_step", old, new) for old, new in edits)


ADAM = [
    ("there is no bias correction", CORRECT, _adam((M_HAT, "m_hat = m"), (V_HAT, "v_hat = v"))),
    ("only the first moment is corrected", CORRECT, _adam((V_HAT, "v_hat = v"))),
    ("only the second moment is corrected", CORRECT, _adam((M_HAT, "m_hat = m"))),
    (
        "the moments are multiplied by the corrections",
        CORRECT,
        _adam((M_HAT, M_HAT.replace("/", "*")), (V_HAT, V_HAT.replace("/", "*"))),
    ),
    (
        "the bias correction lacks the power of the step's number",
        CORRECT,
        _adam((M_HAT, "m_hat = m / (1 - beta_1)"), (V_HAT, "v_hat = v / (1 - beta_2)")),
    ),
    (
        "the steps are counted from 0 in the bias correction",
        CORRECT + " The first step's number is 1.",
        _adam(
            (M_HAT, M_HAT.replace("step", "(step - 1)")),
            (V_HAT, V_HAT.replace("step", "(step - 1)")),
        ),
    ),
    (
        "the step's number is one too high in the bias correction",
        CORRECT + " The first step's number is 1, and comes in as such.",
        _adam(
            (M_HAT, M_HAT.replace("step", "(step + 1)")),
            (V_HAT, V_HAT.replace("step", "(step + 1)")),
        ),
    ),
    (
        "the betas are multiplied by the step's number, and not raised to its power",
        CORRECT,
        _adam((M_HAT, M_HAT.replace("**", "*")), (V_HAT, V_HAT.replace("**", "*"))),
    ),
    (
        "beta_1 and beta_2 are exchanged in the bias correction",
        CORRECT,
        _adam(
            (M_HAT, M_HAT.replace("beta_1", "beta_2")), (V_HAT, V_HAT.replace("beta_2", "beta_1"))
        ),
    ),
    (
        "beta_1 and beta_2 are exchanged",
        MOMENTS,
        _adam((M, f"beta_1, beta_2 = beta_2, beta_1\n    {M}")),
    ),
    (
        "beta_1 and beta_2 are exchanged in the moments",
        MOMENTS,
        _adam((M, M.replace("beta_1", "beta_2")), (V, V.replace("beta_2", "beta_1"))),
    ),
    (
        "the second moment is made of the gradient, which is not squared",
        MOMENTS,
        _adam((V, V.replace("gradient**2", "gradient"))),
    ),
    (
        "the second moment is made of the gradient's absolute value, which is not squared",
        MOMENTS,
        _adam((V, V.replace("gradient**2", "abs(gradient)"))),
    ),
    (
        "the first moment is made of the squared gradient",
        MOMENTS,
        _adam((M, M.replace("gradient", "gradient**2"))),
    ),
    (
        "the second moment is made of the squared first one",
        MOMENTS,
        _adam((V, V.replace("gradient**2", "m**2"))),
    ),
    (
        "the new gradient's share of the first moment is 1",
        MOMENTS + " The shares of the old and the new add up to 1.",
        _adam((M, "m[...] = beta_1 * m + gradient")),
    ),
    (
        "the new gradient's share of the second moment is 1",
        MOMENTS + " The shares of the old and the new add up to 1.",
        _adam((V, "v[...] = beta_2 * v + gradient**2")),
    ),
    (
        "the shares of the old and the new are exchanged in both moments",
        MOMENTS + " The old ones keep the share beta.",
        _adam(
            (M, "m[...] = (1 - beta_1) * m + beta_1 * gradient"),
            (V, "v[...] = (1 - beta_2) * v + beta_2 * gradient**2"),
        ),
    ),
    (
        "the moments start anew at every step",
        MOMENTS + " What they hold from the steps before is kept.",
        _adam((M, "m[...] = (1 - beta_1) * gradient"), (V, "v[...] = (1 - beta_2) * gradient**2")),
    ),
    (
        "the corrected moments take the place of the moments",
        APART,
        _adam((M_HAT, f"{M_HAT}\n    m[...] = m_hat"), (V_HAT, f"{V_HAT}\n    v[...] = v_hat")),
    ),
    (
        "the corrected first moment takes the place of the moment",
        APART,
        _adam((M_HAT, f"{M_HAT}\n    m[...] = m_hat")),
    ),
    (
        "the first moment is divided by 1 minus beta_1 where it is stored",
        APART,
        _adam((M, f"{M}\n    m /= 1 - beta_1")),
    ),
    (
        "epsilon stands inside the root",
        ROOT,
        _adam((STEP, STEP.replace("np.sqrt(v_hat) + epsilon", "np.sqrt(v_hat + epsilon)"))),
    ),
    (
        "epsilon stands inside the root of the uncorrected moment",
        ROOT,
        _adam(
            (
                STEP,
                STEP.replace(
                    "np.sqrt(v_hat) + epsilon",
                    "np.sqrt(v + epsilon) / (1 - beta_2**step) ** 0.5",
                ),
            )
        ),
    ),
    (
        "epsilon is subtracted",
        ROOT,
        _adam((STEP, STEP.replace("+ epsilon", "- epsilon"))),
    ),
    (
        "epsilon is subtracted from the uncorrected root",
        ROOT,
        _adam((STEP, STEP.replace("+ epsilon", "- epsilon / (1 - beta_2**step) ** 0.5"))),
    ),
    (
        "epsilon is left out",
        ROOT,
        _adam((STEP, STEP.replace(" + epsilon", ""))),
    ),
    ("the root is missing", ROOT, _adam((STEP, STEP.replace("np.sqrt(v_hat)", "v_hat")))),
    (
        "the gradient is used in the step, and not the first moment",
        ROOT,
        _adam((STEP, STEP.replace("m_hat", "gradient"))),
    ),
    (
        "the step goes uphill",
        "The step is subtracted from the value.",
        _adam((STEP, STEP.replace("-=", "+="))),
    ),
    (
        "the learning rate is left out",
        "The step is multiplied by the learning rate.",
        _adam((STEP, STEP.replace("learning_rate * ", ""))),
    ),
    (
        "the new value is not written into the array",
        "In place: the array that came in holds the new numbers.",
        _adam((STEP, STEP.replace("value -=", "value = value -"))),
    ),
    (
        "the moments are not written into their arrays",
        "In place: the moments that came in hold the new numbers, for the next step.",
        _adam((M, M.replace("[...]", "")), (V, V.replace("[...]", ""))),
    ),
    (
        "nothing is written into the arrays",
        "In place: the arrays that came in hold the new numbers.",
        _adam(
            (M, M.replace("[...]", "")),
            (V, V.replace("[...]", "")),
            (STEP, STEP.replace("value -=", "value = value -")),
        ),
    ),
]

MISTAKES = [
    *(Mistake("sgd_update", *entry) for entry in SGD),
    *(Mistake("adam_step", *entry) for entry in ADAM),
]
