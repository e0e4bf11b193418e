"""Answers that are no answers: none passes, and none gets the cause of an honest mistake."""

import sys

import numpy as np
import pytest
from mutants import MUTANTS, SOURCE, mutated
from solving import report_on

from tinycnn.grader.definitions import definition
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.submissions import grade_file

NAMES = list(EXERCISES)


class Everything(np.ndarray):
    """An array that says of any comparison that it holds."""

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        return np.ones(self.shape, bool)

    def __eq__(self, other):
        return np.ones(self.shape, bool)

    __hash__ = None


def with_each_result(name, change):
    """A function that changes each result of the right one, and the arrays in place, too."""
    exercise = EXERCISES[name]

    def function(*arguments):
        value = definition(name)(*arguments)
        places = next(exercise.cases(np.random.default_rng(0))).arguments
        for place, argument in enumerate(places):
            if argument in exercise.in_place and arguments[place] is not None:
                arguments[place][...] = change(np.asarray(arguments[place]), arguments)
        values = (value,) if len(exercise.returns) == 1 else value
        made = tuple(change(np.asarray(v), arguments) if v is not None else v for v in values or ())
        return None if not exercise.returns else made[0] if len(made) == 1 else made

    function.__name__ = name
    return function


CONSTANTS = {
    "zeros": lambda right, arguments: np.zeros_like(right),
    "a constant": lambda right, arguments: np.full_like(right, 7),
    "not a number": lambda right, arguments: np.full(right.shape, np.nan),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "what",
    [name if name == "zeros" else pytest.param(name, marks=pytest.mark.full) for name in CONSTANTS],
)
def test_constants_are_wrong_and_no_known_mistake(name, what):
    if what == "not a number" and name == "max_pool_forward":
        return  # winners are integers
    level = "hint" if what == "zeros" else "found"  # the cause takes the time
    report = report_on(with_each_result(name, CONSTANTS[what]), level=level)
    assert report.status == "wrong"
    assert report.kind != "mistake" or name in ("sgd_update", "adam_step", "network_step")


@pytest.mark.parametrize("name", NAMES)
def test_the_first_argument_is_no_answer(name):
    def function(*arguments):
        return arguments[0]

    function.__name__ = name
    report = report_on(function)
    assert report.status == "wrong"
    in_place = ("written into the array", "is updated in its array", "written into its array")
    assert report.kind != "mistake" or any(words in report.cause for words in in_place)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_by_heart_are_no_answer(name):
    """The right answers of one seed, whatever comes in."""
    exercise = EXERCISES[name]
    first = next(exercise.cases(np.random.default_rng(5)))
    results = exercise.expected(first)[: len(exercise.returns)]

    def function(*arguments):
        return results[0] if len(results) == 1 else results

    function.__name__ = name
    assert report_on(function, level="found").status == "wrong"


@pytest.mark.parametrize("name", [n for n in NAMES if EXERCISES[n].returns != ("loss",)])
def test_an_array_that_is_equal_to_everything_is_not_equal(name):
    def change(right, arguments):
        return (right + 1).view(Everything)

    assert report_on(with_each_result(name, change), level="found").status == "wrong"


@pytest.mark.parametrize(
    ("returned", "cause"),
    [
        (None, "it returns None, and not dx, dkernel and dbias"),
        ([], "it returns a list of 0: , and not dx, dkernel and dbias"),
        (("a", "b", "c"), None),
        (
            (1, 2),
            "it returns a tuple of 2: the number 1, the number 2, and not dx, dkernel and dbias",
        ),
        ({"dx": 1}, "it returns an object of type dict, and not dx, dkernel and dbias"),
    ],
)
def test_what_is_no_result_is_told(returned, cause):
    def dense_backward(*arguments):
        return returned

    report = report_on(dense_backward)
    assert report.status == "wrong"
    if cause:
        assert report.cause == cause


def test_an_error_is_told_with_its_line():
    def relu_forward(x):
        return x[10**6]

    report = report_on(relu_forward)
    assert report.cause == "it raises IndexError"
    assert "It raises IndexError in line" in report.text and "return x[10**6]" in report.text


def test_too_few_parameters_are_an_error_of_the_student_s():
    def dense_forward(x, kernel):
        return x @ kernel

    report = report_on(dense_forward)
    assert (report.status, report.cause) == ("wrong", "it raises TypeError")


def test_a_function_with_a_memory_is_not_steady():
    calls = []

    def relu_forward(x):
        calls.append(1)
        return np.maximum(x, 0) + (len(calls) > 1)

    report = report_on(relu_forward)
    assert report.status == "wrong"
    counter = iter(range(10**6))

    def relu_backward(dy, y):
        return np.where(y > 0, dy, 0) + (next(counter) % 2) * 1.0

    assert (
        report_on(relu_backward).cause
        == "a second call with the same arguments gives something else"
    )


# --- in a process of their own --------------------------------------------------------------------

TRICKS = {
    "the process ended": ("import os\n    os._exit(0)", "it ends the process, with exit code 0"),
    "the program ended": ("import sys\n    sys.exit(0)", "it raises SystemExit"),
    "an endless loop": ("while True:\n        pass", "it works for more than 2 seconds"),
    "tinycnn's own": (
        "from tinycnn.kernels.reference import relu_forward\n    return relu_forward(x)",
        "it imports something that is not there",
    ),
    "too much memory": ("return np.ones(10**11)", "it raises MemoryError"),
    "the grader's functions deleted": (
        "import sys\n    sys.modules.clear()\n    np.abs = np.maximum = None\n    return x",
        "",
    ),
    "passed, it says": ('print("relu_forward is right")\n    return x', "y is the argument x"),
}


def submission(tmp_path, body, rest=SOURCE):
    file = tmp_path / "student.py"
    head, _, tail = rest.partition("def relu_forward(x):\n")
    _, _, tail = tail.partition("\n\n\n")
    file.write_text(f"{head}def relu_forward(x):\n    {body}\n\n\n{tail}", "utf-8")
    return file


def test_tricks_fail_and_the_other_functions_are_graded_all_the_same(tmp_path):
    seconds = 2.0
    names = ["im2col", "relu_forward", "relu_backward"]
    for trick in ("the process ended", "tinycnn's own", "the grader's functions deleted"):
        body, cause = TRICKS[trick]
        graded = grade_file(submission(tmp_path, body), 1, "hint", names, seconds)
        assert [report.status for report in graded.reports] == ["right", "wrong", "right"], trick
        assert graded.reports[1].cause.startswith(cause)


@pytest.mark.full
@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick_fails(tmp_path, trick):
    if trick == "too much memory" and sys.platform == "win32":
        pytest.skip("Windows has no limit of address space")
    body, cause = TRICKS[trick]
    names = ["im2col", "relu_forward", "relu_backward"]
    graded = grade_file(submission(tmp_path, body), 1, "hint", names, 2.0)
    assert [report.status for report in graded.reports] == ["right", "wrong", "right"]
    assert graded.reports[1].cause.startswith(cause)


def test_what_calls_an_endless_loop_is_not_one_itself(tmp_path):
    """Its process has ended before it could say what the function calls."""
    file = tmp_path / "student.py"
    head, start, tail = SOURCE.partition("def max_pool_backward(")
    file.write_text(f"{head}{start}*arguments):\n    while True:\n        pass\n", "utf-8")
    rest = tail.partition("\n\n\n")[2]
    file.write_text(f"{file.read_text('utf-8')}\n\n{rest}", "utf-8")
    graded = grade_file(file, 1, "hint", ["max_pool_backward", "network_step"], 1.0)
    loop, step = graded.reports
    assert loop.cause.startswith("it works for more than 1 seconds")
    assert (step.kind, step.cause) == ("follows", "it calls max_pool_backward, which is wrong")


def test_a_mutant_gets_the_same_report_in_a_process_of_its_own(tmp_path):
    mutant = next(m for m in MUTANTS if m.name.endswith("gets a 1 and not its gradient"))
    file = tmp_path / "student.py"
    file.write_text(mutated(mutant), "utf-8")
    graded = grade_file(file, 1, "hint", ["max_pool_forward", "max_pool_backward", "network_step"])
    right, wrong, follows = graded.reports
    assert (right.status, wrong.cause) == ("right", mutant.cause)
    assert (follows.status, follows.kind) == ("wrong", "follows")
    assert graded.first_wrong is wrong
