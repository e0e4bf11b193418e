"""The right solutions, and what the tests of the grader have in common."""

from pathlib import Path

import numpy as np
from mutants import module_of

from tinycnn.grader.answers import is_float32
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.grading import check_here, questions
from tinycnn.grader.mistakes.base import Edit, wrong_function

SOLUTIONS = sorted(Path(__file__).with_name("solutions").glob("*.py"))


def functions_of(source, name="solution"):
    """The graded functions that a source defines."""
    namespace = module_of(source, name)
    return {name: namespace[name] for name in EXERCISES if name in namespace}


def report_on(function, seed=1, level="hint"):
    return check_here(function, EXERCISES[function.__name__], seed, level)


def _equal(a, b):
    if a.keys() != b.keys():
        return False
    return all(np.array_equal(a[k], b[k]) if hasattr(a[k], "shape") else a[k] == b[k] for k in a)


def is_first_wrong(report, function):
    """Whether the report's place is wrong and nothing before it, as the tests compare.

    The function is run on the case once more. Its results are compared with tinycnn's, tensor by
    tensor and number by number. The tolerance is far from the rounding of float64, 1e-16 of each
    term, and from the smallest mistake, an epsilon of 1e-8 in a logarithm, 2e-7 of the result; Adam
    has its own, for the betas that Keras rounds, and float32 half of its digits.
    """
    exercise = EXERCISES[report.name]
    for case in questions(exercise, report.seed):
        outcome, right = exercise.ask(function, case), exercise.expected(case)
        tolerance = 1e-4 if is_float32(case) else 10 * exercise.tolerance
        here = _equal(case.arguments, report.arguments)
        if outcome.failure or len(outcome.results) != len(right):
            return here and report.index is None
        for name, got, expected in zip(exercise.tensors(case), outcome.results, right, strict=True):
            if expected is None or (got is None and case.arguments.get("needs_dx") is False):
                continue
            if got is None or got.shape != expected.shape:
                return here and report.tensor == name and report.index is None
            if exercise.accepted is not None:
                expected, _ = exercise.accepted(name, got, expected, case)
            scale = np.abs(expected).max(initial=0) or 1
            with np.errstate(all="ignore"):
                wrong = ~(np.abs(got - expected) <= tolerance * scale)
            if wrong.any():
                first = tuple(np.argwhere(wrong)[0].tolist())
                return here and report.tensor == name and report.index == first
        if here:  # all numbers are right: it is the dtype, a changed argument or the second call
            return report.index is None
    return False


# --- the museum -----------------------------------------------------------------------------------

FORMULAS = {
    *("im2col", "col2im", "conv2d_backward", "max_pool_forward", "max_pool_backward"),
    *("dense_backward", "relu_forward", "relu_backward", "softmax_backward", "log_softmax"),
    *("softmax_cross_entropy_backward", "sgd_update", "adam_step_size", "adam_update", "_counts"),
    *("batch_norm_backward", "dropout"),
}
SHOWS_IN = {
    "log_softmax": ("softmax_cross_entropy_forward",),
    "_counts": ("average_pool_forward", "average_pool_backward"),
    "col2im": ("col2im", "conv2d_backward"),
    "im2col": ("im2col", "conv2d_forward"),
}


def in_formulas(bug):
    """The names of the formulas that a bug of the museum changes, if it changes nothing else."""
    names = {edit.target.split(":")[1] for edit in bug.edits}
    kernels = all(edit.target.startswith("kernels.reference") for edit in bug.edits)
    return sorted(names) if kernels and names <= FORMULAS and bug.rung == "numpy" else []


def as_submissions(bug):
    """The functions to grade in which a bug of the museum shows."""
    for target in in_formulas(bug):
        if target.startswith("adam_"):
            yield _adam(bug)
            continue
        edits = tuple(Edit(edit.target.split(":")[1], edit.old, edit.new) for edit in bug.edits)
        for name in SHOWS_IN.get(target, (target,)):
            yield wrong_function(name, edits)


def _adam(bug):
    """tinycnn's Adam is two functions; the exercise is one."""
    edits = tuple(Edit(edit.target.split(":")[1], edit.old, edit.new) for edit in bug.edits)
    size, update = wrong_function("adam_step_size", edits), wrong_function("adam_update", edits)

    def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
        step_size = size(step, learning_rate, beta_1, beta_2, value.dtype)
        update(value, gradient, m, v, step_size, beta_1, beta_2, epsilon)

    return adam_step
