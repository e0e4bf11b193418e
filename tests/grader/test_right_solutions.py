"""No right solution is rejected, however it is written."""

import numpy as np
import pytest
from solving import SOLUTIONS, functions_of, report_on

from tinycnn.grader.definitions import definition
from tinycnn.grader.exercises import EXERCISES

SEEDS = 50
every_solution = pytest.mark.parametrize("file", SOLUTIONS, ids=lambda file: file.stem)


def rejected(file, seeds):
    functions = functions_of(file.read_text("utf-8")).values()
    return [
        (function.__name__, seed, report.text)
        for function in functions
        for seed in seeds
        if (report := report_on(function, seed, "found")).status != "right"
    ]


def test_there_are_twenty_and_every_function_has_several():
    assert len(SOLUTIONS) >= 20
    written = [name for file in SOLUTIONS for name in functions_of(file.read_text("utf-8"))]
    assert {name for name in EXERCISES if written.count(name) < 2} == set()


@every_solution
def test_a_right_solution_is_right(file):
    assert rejected(file, [0]) == []


@pytest.mark.full
@every_solution
def test_a_right_solution_is_right_with_any_seed(file):
    assert rejected(file, range(SEEDS)) == []


@pytest.mark.full
@pytest.mark.parametrize("name", EXERCISES)
def test_tinycnn_s_own_formulas_are_right(name):
    for seed in range(SEEDS):
        assert report_on(definition(name), seed, "found").status == "right"


def test_what_is_a_convention_is_told_and_right():
    def notes(file, name):
        (path,) = (path for path in SOLUTIONS if path.stem == file)
        return report_on(functions_of(path.read_text("utf-8"))[name]).notes

    hat = ('Epsilon is added to sqrt(v), as in Keras ("epsilon hat").',)
    last = ("Of equal numbers another one than the first wins. That is as right as the first.",)
    assert notes("epsilon_hat", "adam_step") == hat
    assert notes("textbook_adam", "adam_step") == ()
    assert notes("last_of_ties", "max_pool_forward") == last
    assert notes("masks", "max_pool_forward") == ()


def test_the_gradient_that_nobody_needs_may_be_left_out():
    def with_dx(dy, x, kernel, y=None, needs_dx=True):
        dy = dy if y is None else dy * (y > 0)
        return dy @ kernel.T, x.T @ dy, dy.sum(axis=0)

    def without_dx(dy, x, kernel, y=None, needs_dx=True):
        dx, *rest = with_dx(dy, x, kernel, y)
        return (dx if needs_dx else None, *rest)

    for function in (with_dx, without_dx):
        function.__name__ = "dense_backward"
        assert report_on(function).status == "right"
    never = lambda *arguments: (None, *with_dx(*arguments)[1:])  # noqa: E731
    never.__name__ = "dense_backward"
    assert report_on(never).cause == "one of the results is None"


def test_every_result_is_compared():
    """A right function with one number of one result changed is wrong, whichever result it is."""
    for exercise in EXERCISES.values():
        for place in range(len(exercise.returns)):

            def function(*arguments, exercise=exercise, place=place):
                value = definition(exercise.name)(*arguments)
                results = [value] if len(exercise.returns) == 1 else list(value)
                if isinstance(results[place], np.ndarray):
                    results[place] = results[place].copy()
                    results[place].flat[-1] += 1
                else:
                    results[place] = results[place] and results[place] + 1
                return results[0] if len(results) == 1 else tuple(results)

            function.__name__ = exercise.name
            report = report_on(function, level="found")
            assert (report.status, report.tensor) == ("wrong", exercise.returns[place])
