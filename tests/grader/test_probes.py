"""Every kind of probe catches a wrong solution that no other probe catches; so none is for show."""

from functools import cache

import numpy as np
import pytest
from mutants import MUTANTS, module_of, mutated

from tinycnn.grader import grading
from tinycnn.grader.answers import Answers
from tinycnn.grader.calls import call
from tinycnn.grader.definitions import definition
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.grading import ask, check_here, questions
from tinycnn.grader.mistakes import mistakes_of
from tinycnn.grader.mistakes.base import known_function

SEED = 1

# By the trait that the cases have in common, and no other case has: a known mistake that is wrong
# there and nowhere else.
KNOWN = {
    "a class is far behind": (
        "softmax_cross_entropy_forward",
        "the probability is computed first, and then its logarithm",
    ),
    "a stride is above 1": ("conv2d_forward", "the stride is ignored"),
    "gradients are tiny": ("adam_step", "epsilon stands inside the root"),
    "inputs and outputs differ in number": ("dense_forward", "relu is forgotten"),
    "it is not the first step": ("adam_step", "the moments start anew at every step"),
    "mean and variance are not x's": (
        "batch_norm_forward",
        "the batch's own mean and variance are used, and not those that come in",
    ),
    "nesterov is asked for": ("sgd_update", "nesterov is ignored"),
    "numbers are not whole": ("network_step", "the gradient is not divided by N"),
    "of_batch is False": (
        "batch_norm_backward",
        "mean and variance are taken as the batch's although of_batch is False",
    ),
    "relu is asked for": ("conv2d_forward", "relu is forgotten"),
    "targets do not add up to 1": (
        "softmax_cross_entropy_backward",
        "the targets are taken to add up to 1",
    ),
    "the image is not square": (
        "max_pool_forward",
        "the winner's row is multiplied by the window's height",
    ),
    "the padding is uneven": ("max_pool_forward", "the zeros of the padding can win"),
    "the rows lie far apart": (
        "softmax_forward",
        "one maximum is subtracted from the whole batch",
    ),
    "the two strides differ": ("im2col", "the two strides are exchanged"),
    "the velocity is not 0": ("sgd_update", "the velocity is zeroed at every step"),
    "the windows are not square": (
        "max_pool_forward",
        "the winner's row is multiplied by the window's height",
    ),
    "there are more than two axes": (
        "batch_norm_backward",
        "M counts the samples, and not all rows of a channel",
    ),
    "there are several channels": ("im2col", "the first channel is read for every channel"),
    "there are several filters": (
        "conv2d_forward",
        "the first filter's bias is added for every filter",
    ),
    "there are several images": ("im2col", "the first image is read for every image"),
    "there are several inputs": (
        "dense_forward",
        "only the last product counts, for each one overwrites the one before",
    ),
    "there are several outputs": ("dense_forward", "the first unit's bias is added for every unit"),
    "there are several samples": ("dense_backward", "the kernel gradient is divided by N"),
    "there is a relu": ("conv2d_backward", "relu's derivative is forgotten"),
    "there is momentum": ("sgd_update", "the gradient is added to the velocity"),
    "there is more than one window": (
        "im2col",
        "the windows are taken column by column of the output",
    ),
    "there is padding": ("col2im", "the padding is not cut off"),
    "windows overlap": ("col2im", "windows that overlap overwrite each other"),
}


def without_gaps(array):
    """What a solution sees that computes its steps in memory from the shape."""
    steps = np.cumprod([array.itemsize, *array.shape[:0:-1]])[::-1]
    return np.lib.stride_tricks.as_strided(array, array.shape, steps)


def first_of_all(x, pool_size, strides, padding="valid"):
    """The largest number starts at 0 if none in the image is above it."""
    y, winners = definition("max_pool_forward")(x, pool_size, strides, padding)
    return (y if (x > 0).any() else np.maximum(y, 0)), winners


def ties_counted_together(x, pool_size, strides, padding="valid"):
    """Of equal numbers neither wins: the places of all are added up.

    Arrays of more than 18 numbers, some of which are equal by chance, are left out.
    """
    y, winners = definition("max_pool_forward")(x, pool_size, strides, padding)
    if padding == "valid" and x.size <= 18:
        (PH, PW), (SH, SW) = pool_size, strides
        for n, i, j, c in np.ndindex(y.shape):
            window = x[n, i * SH : i * SH + PH, j * SW : j * SW + PW, c]
            winners[n, i, j, c] = np.flatnonzero(window == y[n, i, j, c]).sum()
    return y, winners


def clipped(x, low, high):
    """A softmax that cuts off what exp cannot take."""
    e = np.exp(np.clip(x, low, high) - np.clip(x, low, high).max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def stops_at_its_size(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """No window is moved by more than its size."""
    steps = tuple(map(min, strides, kernel.shape))
    return definition("conv2d_forward")(x, kernel, bias, steps, padding, relu)


def nothing_at_all(dy, x, kernel, y=None, needs_dx=True):
    """Without dx, no gradient is returned."""
    results = definition("dense_backward")(dy, x, kernel, y, True)
    return results if needs_dx else (None, None, None)


def float64_out(x, kernel, bias, relu=False):
    """The sum begins with an array of zeros, whose dtype nobody has chosen."""
    return np.zeros((len(x), kernel.shape[1])) + definition("dense_forward")(x, kernel, bias, relu)


def always_a_bias(x, kernel, bias, relu=False):
    """The bias is added whether there is one or not."""
    y = x @ kernel + bias
    return np.maximum(y, 0) if relu else y


OWN = {
    "a whole window is negative": ("max_pool_forward", first_of_all),
    "arrays are read-only and have gaps in memory": (
        "relu_forward",
        lambda x: np.maximum(without_gaps(x), 0),
    ),
    "needs_dx is False": ("dense_backward", nothing_at_all),
    "the logits are far below 0": ("softmax_forward", lambda x: clipped(x, -8000, np.inf)),
    "the logits are large": ("softmax_forward", lambda x: clipped(x, -np.inf, 8000)),
    "the numbers are float32": ("dense_forward", float64_out),
    "the rate is 1": ("dropout", lambda x, kept, rate: x * kept / (1 - rate)),
    "there are ties": ("max_pool_forward", ties_counted_together),
    "there is no bias": ("dense_forward", always_a_bias),
    "windows leave gaps": ("conv2d_forward", stops_at_its_size),
}
# Logits that lie far apart are large, too: the case of large ones is the smallest of three.
TOGETHER = {
    "the logits are large": {
        "the logits are large",
        "the rows lie far apart",
        "a class is far behind",
    }
}


@cache
def all_traits():
    return {trait for e in EXERCISES.values() for c in questions(e, SEED) for trait in c.traits}


def wrong_cases(function, name):
    exercise = EXERCISES[name]
    asked = questions(exercise, SEED)
    wrong = Answers(exercise, asked, ask(exercise, function, asked)).wrong_cases
    return [asked[place] for place in wrong]


def test_every_trait_has_its_wrong_solution():
    assert KNOWN.keys() | OWN.keys() == all_traits()
    assert not KNOWN.keys() & OWN.keys()


@pytest.mark.parametrize("trait", [*KNOWN, *OWN])
def test_a_kind_of_probe_catches_what_no_other_does(trait):
    name, what = {**KNOWN, **OWN}[trait]
    if isinstance(what, str):
        what = next(known_function(m) for m in mistakes_of(name) if m.name == what)
    caught = wrong_cases(what, name)
    assert caught
    group = TOGETHER.get(trait, {trait})
    assert all(group & case.traits for case in caught), [case.title for case in caught]


def test_a_second_call_catches_what_the_first_does_not():
    exercise, seen = EXERCISES["relu_forward"], []

    def forgetful(x):
        seen.append(x.tobytes())
        return np.maximum(x, 0) * (seen.count(x.tobytes()) == 1)

    case = questions(exercise, SEED)[0]
    assert not call(forgetful, case.arguments, 1, twice=False).unsteady
    seen.clear()
    assert len(wrong_cases(forgetful, "relu_forward")) == len(questions(exercise, SEED))


def test_the_sizes_that_may_be_confused_differ_somewhere():
    """H and W, KH and KW, SH and SW, N and C and F, in one case; and no dy is all ones."""
    for name in ("conv2d_forward", "conv2d_backward"):
        apart = [
            case
            for case in questions(EXERCISES[name], SEED)
            if {"the image is not square", "the windows are not square", "the two strides differ"}
            <= case.traits
            and len({len(case.arguments["x"]), *case.arguments["kernel"].shape[2:]}) == 3
        ]
        assert len(apart) >= 2
    for exercise in EXERCISES.values():
        for case in questions(exercise, SEED):
            dy = case.arguments.get("dy", np.zeros(1))
            assert dy.size == 1 or not (dy == 1).all()


def test_the_numbers_are_fresh_and_the_same_seed_brings_them_back():
    def numbers(seed):
        cases = [c for e in EXERCISES.values() for c in questions(e, seed)]
        values = [v for case in cases for v in case.arguments.values()]
        return b"".join(v.tobytes() for v in values if isinstance(v, np.ndarray))

    assert numbers(1) == numbers(1) != numbers(2)


@pytest.mark.full
def test_the_cases_that_catch_nothing_first_are_there_for_the_cause(monkeypatch):
    """A mistake is recognised by several cases: without them, some causes are not found.

    A case is left out if every wrong solution that it catches is caught by an earlier one, too.
    """
    wrong = [(m, module_of(mutated(m))[m.function]) for m in MUTANTS]
    first = {(m.function, wrong_cases(function, m.function)[0].title) for m, function in wrong}

    def fewer(exercise, seed):
        return [case for case in questions(exercise, seed) if (exercise.name, case.title) in first]

    def causes_found():
        reports = [check_here(f, EXERCISES[m.function], SEED, "hint") for m, f in wrong]
        assert all(report.status == "wrong" for report in reports)
        return sum(r.cause == m.cause for r, (m, _) in zip(reports, wrong, strict=True))

    everything = causes_found()
    monkeypatch.setattr(grading, "questions", fewer)
    assert causes_found() < 0.95 * everything
