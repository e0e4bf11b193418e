"""No wrong solution passes, its first wrong number is named, and so is the mistake."""

import bugs
import pytest
from mutants import MUTANTS, changed, module_of, mutated
from solving import as_submissions, in_formulas, is_first_wrong, report_on

SEED = 1
SAMPLE = MUTANTS[::14]
MUSEUM = [bug for bug in bugs.BUGS.values() if in_formulas(bug)]


def load(mutant):
    return module_of(mutated(mutant))[mutant.function]


def identity(mutant):
    return mutant.name


def holds(mutant, seed):
    """The mutant is wrong, its place is the first, and its cause is as it is written down."""
    function = load(mutant)
    report = report_on(function, seed)
    assert report.status == "wrong"
    assert report.cause == mutant.cause
    assert is_first_wrong(report, function)


@pytest.mark.parametrize("mutant", SAMPLE, ids=identity)
def test_the_mistake_is_named(mutant):
    holds(mutant, SEED)


@pytest.mark.full
@pytest.mark.parametrize("mutant", MUTANTS, ids=identity)
def test_every_mistake_is_named(mutant):
    for seed in (SEED, 2, 3):
        holds(mutant, seed)


def test_a_mistake_in_the_forward_leaves_the_backward_right():
    forward = next(m for m in MUTANTS if m.name == "conv2d_forward: the kernel is flipped")
    wrong = module_of(mutated(forward))
    assert report_on(wrong["conv2d_forward"]).status == "wrong"
    assert report_on(wrong["conv2d_backward"]).status == "right"


def test_what_calls_a_wrong_function_is_told_so():
    mutant = next(m for m in MUTANTS if m.name.endswith("gets a 1 and not its gradient"))
    report = report_on(module_of(mutated(mutant))["network_step"])
    assert (report.status, report.kind) == ("wrong", "follows")
    assert report.cause == "it calls max_pool_backward, which is wrong"
    assert "It calls your max_pool_backward, which is wrong itself" in report.why


# --- the museum -----------------------------------------------------------------------------------

# What the museum calls a mistake because Keras does otherwise, and what follows a promise of the
# library that the skeleton does not make.
RIGHT_HERE = {
    "max-pool: the last of equal inputs wins": "any of the largest is right, with a note",
    "relu: the gradient passes where the output is NaN": "all numbers that come in are finite",
}
# The cause in the grader's words; "" where NumPy raises an error instead, or the bug is in a part
# that the exercise does not have.
CAUSES = {
    "max-pool: overlapping windows overwrite each other": "windows that overlap overwrite each "
    "other, offset by offset",
    "col2im: overlapping windows overwrite each other": "windows that overlap overwrite each "
    "other, offset by offset",
    "conv2d: stride forgotten in the backward": "the stride is forgotten",
    "dense: input gradient added twice, the second time with stepped weights": "dx is added up "
    "twice, the second time with stepped weights",
    "dense: input gradient through weights that were already stepped": "dx goes through weights "
    "that were stepped already",
    "dense: kernel gradient divided by N in the layer": "the kernel gradient is divided by N",
    "conv2d: bias gradient divided by N, the kernel's not": "the bias gradient is divided by N",
    "conv2d: kernel gradient averaged over images and pixels": "the kernel gradient is averaged "
    "over images and places",
    "dense: bias gradient is a mean for a sum": "the bias gradient is divided by N",
    "softmax: gradient twice too large": "the gradient is twice too large",
    "softmax: only the diagonal of the Jacobian": "only the diagonal of the Jacobian is used",
    "softmax: the sum over the row is missing": "the sum over the row is missing",
    "softmax: the sum runs over the batch": "the sum runs over the batch and not over the classes",
    "relu: the function itself for its derivative": "dy is multiplied by y, and not by relu's "
    "derivative",
    "relu: the derivative of the sigmoid": "the derivative of the sigmoid is taken",
    "relu: >= 0 asked of the output, which always holds": "dx is the argument dy, unchanged",
    "relu: the gradient from above is dropped": "the mask alone is returned, without dy",
    "dense: relu's derivative forgotten": "relu's derivative is forgotten",
    "conv2d: relu's derivative forgotten for the input": "relu's derivative is forgotten for dx",
    "relu: writes into the gradient it was given": "it changes an array that it was given",
    "relu: writes its output over its input": "it changes an array that it was given",
    "max-pool: the backward uses up its indices": "it changes an array that it was given",
    "conv2d: no gradient passes a 'same' padding": 'no gradient passes a "same" padding',
    "col2im: rows and columns of the window swapped": "rows and columns inside the window are "
    "exchanged",
    "col2im: columns taken channel by channel": "the columns are taken channel by channel",
    "conv2d: kernel gradient transposed in the wrong order": "the kernel gradient is transposed "
    "in the wrong order",
    "conv2d: input and output channels exchanged by a reshape": "the kernel is reshaped with its "
    "axes in another order for the input gradient",
    "max-pool: the winner's row and column exchanged": "the winner's row and column are exchanged",
    "conv2d: the kernel is rotated for the input gradient": "the kernel is rotated for the input "
    "gradient",
    "dense: one bias gradient for all units": "one sum over all units is the bias gradient of each",
    "conv2d: bias gradient of one image only": "the bias gradient comes from the first image only",
    "max-pool: the pool's size for its stride": "",
    "conv2d: the last window is left out of the kernel's gradient": "the last window is left out "
    "of the kernel gradient",
    "col2im: the index of another loop for the column": "the index of another loop is used for "
    "the column",
    "col2im: padding not cropped off": "the padding is cut off at the end only",
    "col2im: the padding of the height for that of the width": "the height's padding is cut off "
    "the width",
    "max-pool: the padding cropped off at the other end": "the padding is cut off at the other end",
    "conv2d: padded, then the unpadded image used": "for the kernel gradient, all zeros are put at "
    "the end",
    "col2im: gradients summed in float32": "the results have another dtype than the inputs",
    "col2im: float64 from float32": "the results have another dtype than the inputs",
    "batch norm: mean and variance taken as constants": "mean and variance are taken as constants",
    "batch norm: variance taken as a constant": "the variance is taken as a constant",
    "batch norm: input gradient without gamma": "gamma is left out of dx",
    "dropout: kept values divided by the rate": "what is kept is divided by the rate",
    "average pool: zeros of the padding counted": "the zeros of the padding are counted",
    "crossentropy: gradient y - p": "the sign is wrong: targets minus probabilities",
    "crossentropy: targets are taken to add up to 1": "the targets are taken to add up to 1",
    "log-softmax: one sum for the whole batch": "one sum is taken over the whole batch",
    "log-softmax: the maximum is not subtracted": "the maximum is not subtracted",
    "log-softmax: the maximum is subtracted if positive": "the maximum is subtracted only if it is "
    "positive",
    "log-softmax: one maximum for the whole batch": "one maximum is subtracted from the whole "
    "batch",
    "adam: multiplied by the bias corrections": "the moments are multiplied by the corrections",
    "adam: bias correction without the power of t": "the bias correction lacks the power of the "
    "step's number",
    "adam: no bias correction": "there is no bias correction",
    "adam: the moment itself is divided by its correction": "the first moment is divided by 1 "
    "minus beta_1 where it is stored",
    "adam: the corrected moment takes the moment's place": "",
    "adam: t begins at 2": "the step's number is one too high in the bias correction",
    "adam: epsilon inside the square root": "epsilon stands inside the root of the uncorrected "
    "moment",
    "adam: epsilon subtracted": "epsilon is subtracted from the uncorrected root",
    "sgd: the step goes uphill": "the step goes uphill",
    "sgd: the new value is not written back": "without momentum, the new value is not written "
    "into the array",
    "momentum: the velocity is zeroed at every step": "the velocity is zeroed at every step",
    "momentum: the coefficient on the gradient": "the momentum is multiplied by the gradient's "
    "part, and the velocity kept whole",
    "momentum: the learning rate outside the velocity": "the learning rate stands outside the "
    "velocity",
    "nesterov: the velocity with the wrong sign": "nesterov's velocity has the wrong sign",
    "nesterov: the whole velocity on top of the look-ahead": "nesterov's step adds the whole "
    "velocity on top",
}


def in_museum(bug):
    for function in as_submissions(bug):
        report = report_on(function, SEED)
        if bug.name in RIGHT_HERE:
            assert report.status == "right"
            continue
        assert report.status == "wrong"
        assert is_first_wrong(report, function)
        if CAUSES[bug.name]:
            follows = f"it calls {in_formulas(bug)[0]}, which is wrong"
            assert report.cause in (CAUSES[bug.name], follows)


@pytest.mark.parametrize("bug", MUSEUM[::20], ids=lambda bug: bug.name)
def test_bugs_of_the_museum_are_named(bug):
    in_museum(bug)


@pytest.mark.full
@pytest.mark.parametrize("bug", MUSEUM, ids=lambda bug: bug.name)
def test_every_bug_of_the_museum_is_named(bug):
    in_museum(bug)


def test_the_museum_has_many_that_can_be_graded():
    assert len(MUSEUM) >= 50
    assert set(RIGHT_HERE) | set(CAUSES) == {bug.name for bug in MUSEUM}


# --- two mistakes in one function -----------------------------------------------------------------


def pairs():
    """Two changes of one function that can both be made, from all functions."""
    for i, a in enumerate(MUTANTS):
        for b in MUTANTS[i + 1 :]:
            if a.function == b.function and a.cause != b.cause:
                try:
                    yield a, b, changed(mutated(a), b)
                except ValueError:  # they change the same line
                    continue


def named(a, b, source):
    """(a true cause is among those named, the only ones named are false)."""
    report = report_on(module_of(source)[a.function], SEED)
    causes = {report.cause, *report.candidates} - {None}
    true = bool(causes & {a.cause, b.cause})
    known = report.kind == "mistake"
    return true, known and not true


@pytest.mark.full
def test_of_two_mistakes_one_is_named_and_hardly_ever_a_third():
    results = [named(*pair) for pair in pairs()]
    assert len(results) > 400
    assert sum(true for true, _ in results) >= 0.9 * len(results)
    assert sum(false for _, false in results) <= 0.01 * len(results)
