"""The functions that are graded: what each returns, and when an answer counts as right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.grader import cases
from tinycnn.grader.calls import Outcome, call
from tinycnn.grader.cases import Case
from tinycnn.grader.definitions import definition
from tinycnn.support.geometry import window_padding
from tinycnn.utils import Array

# Of float64 results, relative to the largest number of the tensor: sums may be added up in any
# order, which moves a number by some 1e-16 for each of its terms.
TOLERANCE = 1e-9
# Of float32 results: half of their digits. What is wrong was wrong in float64 before.
TOLERANCE_32 = 1e-4


@dataclass(frozen=True)
class Exercise:
    """One function to write.

    Attributes:
        name: the function's.
        returns: names of what it returns, in their order.
        in_place: names of the arguments that it changes.
        extra: whether it counts as an extra exercise.
        tolerance: of float64 results.
        accepted: gives, for a tensor of the student's, the right answer that it should be compared
            with, and a note if that is not tinycnn's own: where several conventions are right.
    """

    name: str
    returns: tuple[str, ...]
    in_place: tuple[str, ...] = ()
    extra: bool = False
    tolerance: float = TOLERANCE
    accepted: Callable[[str, Array, Array, Case], tuple[Array, str]] | None = None

    def cases(self, rng: np.random.Generator) -> Iterator[Case]:
        """Its cases, the smallest first, with numbers drawn from `rng`."""
        made: Iterator[Case] = getattr(cases, f"{self.name}_cases")(rng)
        return made

    def tensors(self, case: Case) -> list[str]:
        """Names of the results in the order of an `Outcome`'s."""
        changed = [name for name in self.in_place if case.arguments[name] is not None]
        return [*self.returns, *changed]

    def expected(self, case: Case) -> tuple[Array | None, ...]:
        """The right results, computed in float64."""
        return self.run(definition(self.name), case).results

    def run(self, function: Callable[..., Any], case: Case) -> Outcome:
        """What a function of tinycnn's makes of the case, in float64 and called once."""
        exact = {
            name: value.astype(float)
            if isinstance(value, np.ndarray) and value.dtype == np.float32
            else value
            for name, value in case.arguments.items()
        }
        return call(function, exact, len(self.returns), self.in_place, twice=False)

    def ask(self, function: Callable[..., Any], case: Case) -> Outcome:
        """What a function of the student's makes of the case."""
        returned = len(self.returns)
        return call(function, case.arguments, returned, self.in_place, strict=case.strict)


# --- where several answers are right --------------------------------------------------------------


def _any_of_the_largest(name: str, got: Array, expected: Array, case: Case) -> tuple[Array, str]:
    """The student's winners where they are as large as the first one."""
    if name != "winners" or got.shape != expected.shape or (got == expected).all():
        return expected, ""
    x, (PH, PW), (SH, SW) = (case.arguments[key] for key in ("x", "pool_size", "strides"))
    H, W = x.shape[1:3]
    padding = window_padding(H, W, (PH, PW), (SH, SW), case.arguments.get("padding", "valid"))
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=-np.inf)
    whole = (got == np.floor(got)) & (got >= 0) & (got < PH * PW)
    place = np.where(whole, got, 0).astype(int)
    n, i, j, c = np.indices(got.shape)
    first = expected.astype(int)
    its = padded[n, i * SH + place // PW, j * SW + place % PW, c]
    best = padded[n, i * SH + first // PW, j * SW + first % PW, c]
    equal = whole & (its == best)
    note = "Of equal numbers another one than the first wins. That is as right as the first."
    return np.where(equal, got, expected), note if (equal & (got != expected)).any() else ""


def _either_epsilon(name: str, got: Array, expected: Array, case: Case) -> tuple[Array, str]:
    """Adam's value with epsilon added to the uncorrected root, where that is what came."""
    if name != "value" or got.shape != expected.shape:
        return expected, ""
    a = case.arguments
    scaled = a["epsilon"] / (1 - a["beta_2"] ** a["step"]) ** 0.5
    results = ADAM.expected(Case("", {**a, "epsilon": scaled}))
    hat = results[ADAM.tensors(case).index("value")]
    if hat is None or np.abs(got - hat).max() >= np.abs(got - expected).max():
        return expected, ""
    visible = np.abs(hat - expected).max() > 1e-6 * np.abs(expected).max()
    return hat, 'Epsilon is added to sqrt(v), as in Keras ("epsilon hat").' if visible else ""


ADAM = Exercise(
    "adam_step",
    (),
    ("m", "v", "value"),
    # Keras rounds the betas to float32, which changes a step by 1e-5 of itself.
    tolerance=5e-6,
    accepted=_either_epsilon,
)

EXERCISES = {
    exercise.name: exercise
    for exercise in [
        Exercise("im2col", ("cols",)),
        Exercise("col2im", ("dx",)),
        Exercise("relu_forward", ("y",)),
        Exercise("relu_backward", ("dx",)),
        Exercise("conv2d_forward", ("y",)),
        Exercise("conv2d_backward", ("dx", "dkernel", "dbias")),
        Exercise("max_pool_forward", ("y", "winners"), accepted=_any_of_the_largest),
        Exercise("max_pool_backward", ("dx",)),
        Exercise("dense_forward", ("y",)),
        Exercise("dense_backward", ("dx", "dkernel", "dbias")),
        Exercise("softmax_forward", ("y",)),
        Exercise("softmax_backward", ("dx",)),
        Exercise("softmax_cross_entropy_forward", ("losses", "probabilities")),
        Exercise("softmax_cross_entropy_backward", ("dlogits",)),
        Exercise("sgd_update", (), ("velocity", "value")),
        ADAM,
        Exercise("average_pool_forward", ("y",), extra=True),
        Exercise("average_pool_backward", ("dx",), extra=True),
        Exercise("batch_norm_forward", ("y",), extra=True),
        Exercise("batch_norm_backward", ("dx", "dgamma", "dbeta"), extra=True),
        Exercise("dropout", ("y",), extra=True),
        Exercise(
            "network_step",
            ("loss",),
            ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias"),
        ),
    ]
}
