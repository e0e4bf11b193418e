"""What is said: how long it is, what it never says, and that the skeleton says what is graded."""

import ast
import inspect
import re

import numpy as np
import pytest
from mutants import MUTANTS, module_of, mutated
from solving import report_on

from tinycnn.grader import Report, check, skeleton
from tinycnn.grader.calls import calls_of
from tinycnn.grader.cases import GEOMETRIES, POOLS
from tinycnn.grader.definitions import definition
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.grading import questions
from tinycnn.grader.mistakes import MISTAKES, mistakes_of
from tinycnn.grader.mistakes.base import Edit, wrong_function
from tinycnn.grader.slopes import LOSSES, slope
from tinycnn.support.geometry import output_length, window_padding

LEAST, MOST = 80, 160  # words: short enough to be read, long enough to help


def words(report):
    return len(report.prose.split())


def lengths(mutants):
    for mutant in mutants:
        function = module_of(mutated(mutant))[mutant.function]
        report = report_on(function)
        yield mutant.name, words(report), words(report.at("explain"))


def test_a_hint_has_80_to_160_words():
    for name, hint, explained in lengths(MUTANTS[::40]):
        assert LEAST <= hint <= MOST, name
        assert LEAST <= explained <= MOST, name


@pytest.mark.full
def test_every_hint_has_80_to_160_words():
    for name, hint, explained in lengths(MUTANTS):
        assert LEAST <= hint <= MOST, name
        assert LEAST <= explained <= MOST, name


def test_each_level_tells_more():
    mutant = next(m for m in MUTANTS if m.name == "conv2d_backward: the stride is forgotten")
    report = report_on(module_of(mutated(mutant))["conv2d_backward"])
    found, hint, explained = (report.at(level).text for level in ("found", "hint", "explain"))
    assert "forgotten" not in found and "--hint" in found
    assert "The likely cause is that the stride is forgotten" in hint
    assert "What holds" not in hint and "What holds: The window of output (i, j)" in explained
    assert found.splitlines()[:3] == hint.splitlines()[:3] == explained.splitlines()[:3]


def test_a_number_has_no_sign_that_means_nothing():
    def relu_backward(dy, y):
        return -0.0 * dy  # -0.0 where dy is positive

    report = report_on(relu_backward, level="found")
    assert report.got == 0 and np.signbit(report.got)
    assert " is 0, and should be " in report.text


def test_who_prints_and_returns_nothing_is_told_so():
    def dense_forward(x, kernel, bias, relu=False):
        print(x @ kernel)

    report = report_on(dense_forward, level="explain")
    assert report.cause == "it returns None, and not y"
    assert "What a function prints is lost" in report.text.replace("\n", " ")


def test_backward_functions_show_the_gradient_by_differences():
    mutant = next(m for m in MUTANTS if m.name == "dense_backward: relu's derivative is forgotten")
    report = report_on(module_of(mutated(mutant))["dense_backward"])
    (quotient,) = re.findall(r"alone\s+gives\s+(\S+)\s", report.why)
    assert float(quotient) == pytest.approx(report.expected, rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_the_differences_agree_with_the_right_gradient_everywhere(name):
    exercise = EXERCISES[name]
    for case in questions(exercise, 1)[::3]:
        for tensor, right in zip(exercise.tensors(case), exercise.expected(case), strict=True):
            if right is None or case.arguments.get("needs_dx") is False:
                continue
            at = np.unravel_index(np.abs(right).argmax(), right.shape)
            # Central differences with steps of 1e-5 are right to some 1e-6 of float32 inputs.
            assert slope(name, case, tensor, at) == pytest.approx(right[at], rel=1e-4)


# --- the known mistakes ---------------------------------------------------------------------------


def test_every_mistake_is_one_and_has_a_name_of_its_own():
    for name in EXERCISES:
        known = mistakes_of(name)
        assert len(known) >= 4, name
        assert len({mistake.name for mistake in known}) == len(known)
    assert len(MISTAKES) >= 400


@pytest.mark.full
@pytest.mark.parametrize("name", EXERCISES)
def test_every_known_mistake_is_wrong_and_no_two_are_the_same(name):
    seen = {}
    for mistake in mistakes_of(name):
        function = wrong_function(name, mistake.edits)
        exercise = EXERCISES[name]
        outcomes = [exercise.run(function, case) for case in questions(exercise, 1)]
        made = tuple(
            tuple(None if a is None else (a.shape, a.round(9).tobytes()) for a in outcome.results)
            for outcome in outcomes
        )
        assert report_on(function, level="found").status == "wrong", mistake.name
        assert made not in seen, (mistake.name, seen[made])
        seen[made] = mistake.name


def test_a_piece_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="must hold this piece once, and not 0 times"):
        wrong_function("relu_backward", (Edit("relu_backward", "nowhere", "x"),))


def test_no_text_holds_code():
    """Rules are words: no brackets of an index, no assignment, no NumPy."""
    for mistake in MISTAKES:
        assert not re.search(r"np\.|\[:|==|\+=| = |\.T\b|lambda", mistake.rule), mistake.rule
        assert mistake.rule.endswith(".") and not mistake.name.endswith(".")


# --- the skeleton ---------------------------------------------------------------------------------


def test_the_skeleton_has_every_function_with_the_arguments_of_the_right_one():
    tree = ast.parse(inspect.getsource(skeleton))
    written = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert written == ["output_length", "window_padding", *EXERCISES]
    for name in EXERCISES:
        ours, theirs = (inspect.signature(f) for f in (definition(name), getattr(skeleton, name)))
        assert list(ours.parameters) == list(theirs.parameters), name
        for mine, its in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
            assert mine.default == its.default
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["import numpy as np"]


def test_what_the_skeleton_gives_is_right():
    for g in [*GEOMETRIES, *POOLS]:
        arguments = (*g.image, g.size, g.strides, g.padding)
        assert skeleton.window_padding(*arguments) == window_padding(*arguments)
        for length, size, stride in zip(g.image, g.size, g.strides, strict=True):
            ours = output_length(length, size, stride, g.padding)
            assert skeleton.output_length(length, size, stride, g.padding) == ours


def test_an_empty_function_is_not_done():
    for name in EXERCISES:
        assert report_on(getattr(skeleton, name)).status == "not done"


# --- check ----------------------------------------------------------------------------------------


def test_check_prints_and_returns_a_report(capsys):
    def relu_forward(x):
        return np.maximum(x, 0)

    report = check(relu_forward, seed=1)
    assert isinstance(report, Report) and (report.status, report.cause) == ("right", None)
    assert capsys.readouterr().out == "relu_forward is right in all 6 cases.\n" == f"{report}\n"

    def relu_backward(dy, y):
        return dy * (dy > 0)

    report = check(relu_backward, hint=True, seed=1)
    assert report.cause == "the mask is made of dy and not of y"
    assert report.got != report.expected and len(report.index) == 1
    assert capsys.readouterr().out == f"{report!r}\n"
    assert "<pre>relu_backward is wrong" in report._repr_html_()
    again = report_on(relu_backward, report.seed)
    assert (again.index, again.got) == (report.index, report.got)
    assert check(relu_backward, explain=True, seed=1).text.count("What holds") == 1
    assert check(relu_backward).seed != check(relu_backward).seed  # fresh numbers each time


@pytest.mark.parametrize("masked", [False, True])
def test_dy_unchanged_may_come_of_a_mask_that_lets_all_through(masked):
    def relu_backward(dy, y):
        return dy * (y >= 0) if masked else dy.copy()

    words = " ".join(check(relu_backward, explain=True, seed=1).text.split())
    assert "The cause is that dx is the argument dy, unchanged." in words
    assert "A mask that lets everything through changes nothing either: y is never neg" in words
    assert "Go through your function with this in mind, write the shapes of the arrays" in words
    assert "Compare each line of your function with this" not in words


def test_check_knows_a_function_by_its_name():
    def my_relu(x):
        return x

    with pytest.raises(ValueError, match=r"one of im2col, col2im.* Received: 'my_relu'"):
        check(my_relu)
    with pytest.raises(ValueError, match="seed"):
        check(skeleton.im2col, seed=-1)


def test_which_functions_a_function_calls():
    def network_step():
        def inside():
            return relu_forward  # noqa: F821

        return inside, dense_forward  # noqa: F821

    assert calls_of(network_step, list(EXERCISES)) == ["relu_forward", "dense_forward"]
