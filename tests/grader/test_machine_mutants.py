"""One change at a time, made by machine: none passes, and the grader names no false cause."""

import random

import pytest
from ast_mutants import all_mutants, mutants_of
from solving import report_on

from tinycnn.grader.answers import Answers, same
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.grading import ask, questions
from tinycnn.grader.mistakes import mistakes_of
from tinycnn.grader.mistakes.base import wrong_function

ALIKE = "both have the same shape and dtype"
SAME_INDEX = "i and j are equal in this branch"
# Changes that change nothing, and why.
EQUIVALENT = {
    "relu_backward:1:23 dy -> y": ALIKE,
    "conv2d_forward:5:33 x -> kernel": "both have the same dtype",
    "conv2d_backward:7:24 dy -> x": "both have the same dtype",
    "dense_forward:3:25 x -> kernel": "both have the same dtype",
    "dense_backward:5:24 dy -> x": "both have the same dtype",
    "conv2d_forward:17:32 Lt -> LtE": "a 0 is replaced by a 0",
    "dense_forward:11:24 Lt -> LtE": "a 0 is replaced by a 0",
    "max_pool_forward:13:29 0 -> 1": "any finite number is more than minus infinity",
    "max_pool_forward:20:31 Gt -> GtE": "of equal numbers any may win, with a note",
    "softmax_forward:4:23 0 -> 1": "the maximum may be looked for from any element on",
    "softmax_forward:5:17 range from 1": "the maximum begins with element 0",
    "softmax_forward:6:15 Gt -> GtE": "an equal number is the same maximum",
    "softmax_backward:1:11 y -> dy": ALIKE,
    "softmax_backward:2:23 y -> dy": ALIKE,
    "softmax_backward:7:26 j -> i": SAME_INDEX,
    "softmax_backward:7:38 i -> j": SAME_INDEX,
    "softmax_backward:7:48 i -> j": SAME_INDEX,
    "softmax_backward:7:63 i -> j": SAME_INDEX,
    "softmax_cross_entropy_backward:1:11 targets -> probabilities": ALIKE,
    "softmax_cross_entropy_backward:2:28 probabilities -> targets": ALIKE,
    "sgd_update:0:66 0.0 -> 1.0": "without a momentum there is no velocity either",
    "batch_norm_backward:1:8 x -> dy": ALIKE,
    "batch_norm_backward:2:8 x -> dy": ALIKE,
    "batch_norm_backward:3:23 x -> dy": ALIKE,
    "network_step:4:30 1 -> 2": "NumPy takes any negative length for the one to be found",
}
HELD_OUT = 99  # the seed of questions on which a cause must hold again
SHORT = ("relu_backward", "softmax_cross_entropy_backward", "dropout")


def passing(mutants, seed):
    return {m.name for m in mutants if report_on(m.load(), seed, "found").status == "right"}


def is_false(mutant, seed):
    """Whether a cause is named that does not make the same numbers of other questions.

    The known mistake is run on questions that the grader did not ask: where the mutant is wrong,
    it must be wrong by the same numbers.
    """
    function = mutant.load()
    report = report_on(function, seed)
    if report.status == "right" or report.kind != "mistake":
        return False
    exercise = EXERCISES[mutant.function]
    causes = report.cause.split(", and that ")
    known = [mistake for mistake in mistakes_of(exercise.name) if mistake.name in causes]
    other = wrong_function(exercise.name, sum((mistake.edits for mistake in known), ()))
    asked = questions(exercise, HELD_OUT)
    answers = Answers(exercise, asked, ask(exercise, function, asked))
    for cell in answers.cells:
        results = exercise.run(other, asked[cell.case]).results
        made = results[exercise.tensors(asked[cell.case]).index(cell.tensor)] if results else None
        if cell.wrong and not same(cell.got, made, cell.float32, exercise.tolerance):
            return True
    return False


@pytest.mark.parametrize("name", SHORT)
def test_of_a_short_function_none_passes_but_those_that_change_nothing(name):
    mutants = list(mutants_of(name))
    argued = {title for title in EQUIVALENT if title.startswith(f"{name}:")}
    assert len(mutants) > 10
    assert argued <= {mutant.name for mutant in mutants}
    assert passing([m for m in mutants if m.name in argued] + mutants[::5], 1) == argued


@pytest.mark.full
def test_none_passes_but_those_that_change_nothing():
    mutants = all_mutants()
    assert len(mutants) >= 200
    assert len({mutant.source for mutant in mutants}) == len(mutants)
    assert {mutant.function for mutant in mutants} == set(EXERCISES)
    assert passing(mutants, 1) == set(EQUIVALENT)


@pytest.mark.full
def test_hardly_any_gets_a_false_cause():
    sample = random.Random(1).sample(all_mutants(), 400)
    assert sum(is_false(mutant, 1) for mutant in sample) <= 0.05 * len(sample)
