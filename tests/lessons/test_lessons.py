"""Every lesson runs, blank and filled in; what its text says is computed or asserted."""

import ast
import copy
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import bugs
import lessons
import pytest
from lessons import FOLDER, LESSONS, LONG, ROOT, cells, load, source

from tinycnn.grader import check
from tinycnn.kernels import reference

quick = [
    pytest.param(name, marks=pytest.mark.full) if name in LONG else pytest.param(name)
    for name in LESSONS
]
every_lesson = pytest.mark.parametrize("name", LESSONS)

# The exercise, the wrong function that is to be repaired, and the museum's name of its mistake.
PARTS = {
    "01_convolution_by_hand.py": (
        "conv2d_forward",
        "conv2d_of_a_project",
        "col2im: rows and columns of the window swapped",
    ),
    "02_im2col_and_speed.py": (
        "im2col",
        "conv2d_forward",
        "conv2d: input and output channels exchanged by a reshape",
    ),
    "03_relu_and_pooling.py": (
        "max_pool_forward",
        "max_pool_backward",
        "max-pool: overlapping windows overwrite each other",
    ),
    "04_the_chain_rule.py": (
        "dense_backward",
        "relu_backward",
        "relu: the gradient from above is dropped",
    ),
    "05_softmax_and_the_loss.py": (
        "softmax_cross_entropy_backward",
        "softmax_forward",
        "log-softmax: the maximum is not subtracted",
    ),
    "06_backward_and_gradient_checks.py": (
        "conv2d_backward",
        "dkernel_of_a_project",
        "conv2d: stride forgotten in the backward",
    ),
    "07_optimizers_and_training.py": (
        "adam_step",
        "sgd_update",
        "sgd: the new value is not written back",
    ),
    "08_looking_inside.py": (
        "col2im",
        "scores_of_a_project",
        "dropout: active in inference",
    ),
}
# What a lesson prints while something is still to do.
WAITING = re.compile(r"not (found|done|repaired) yet|is wrong in|They differ", re.IGNORECASE)


@pytest.fixture(autouse=True)
def no_numba(monkeypatch):
    """The lessons need NumPy only; where there is Numba, one of them would compile a kernel."""
    monkeypatch.setitem(sys.modules, "numba", None)


def test_there_are_eight_and_each_has_its_answers():
    assert list(PARTS) == LESSONS
    assert sorted(path.name for path in (FOLDER / "answers").glob("*.py")) == LESSONS


@pytest.mark.parametrize("name", quick)
def test_as_it_is_handed_out(name):
    exercise, mistake, _ = PARTS[name]
    printed, made = lessons.run_once(name)
    assert re.search(rf"{exercise}\b.* not done yet", printed)
    assert len(WAITING.findall(printed)) >= 2  # the exercise, and the mistake
    assert check(made[exercise], seed=1).status == "not done"
    if "of_a_project" not in mistake:
        assert check(made[mistake], seed=1).status == "wrong"


@pytest.mark.parametrize("name", quick)
def test_filled_in(name):
    exercise, mistake, _ = PARTS[name]
    printed, made = lessons.run_once(name, answers=True)
    assert not WAITING.search(printed), printed
    assert check(made[exercise], seed=1).status == "right"
    if "of_a_project" in mistake:
        assert "Repaired" in printed
    else:
        assert check(made[mistake], seed=1).status == "right"


FOUND = {
    "01_convolution_by_hand.py": ("[[1, 1, 1], [1, 1, 1], [1, 1, 1]]", "np.eye(3, k=1)"),
    "06_backward_and_gradient_checks.py": ("return (1, 1)", "return (1, 2)"),
}


@pytest.mark.parametrize("name", FOUND)
def test_half_way_a_mistake_that_shows_is_said_to_show(name):
    """The kernel or the strides are found, and the code is not repaired yet."""
    text, (old, new) = source(name), FOUND[name]
    assert text.count(old) == 1
    printed, _ = lessons.run(text.replace(old, new), name)
    assert "They differ." in printed


@every_lesson
def test_its_mistake_is_in_the_museum(name):
    _, mistake, title = PARTS[name]
    source_of_it = bugs.BUGS[title].source
    (project, *_), text = re.split(r"[# ]", source_of_it), source(name)
    assert f"def {mistake}(" in text
    assert project in text


@every_lesson
def test_a_lesson_is_short(name):
    words = sum(len(body.split()) for kind, body in cells(source(name)) if kind == "markdown")
    code = [
        line for kind, body in cells(source(name)) if kind == "code" for line in body.splitlines()
    ]
    # Ten minutes: 130 words of a text that is studied a minute, and a line of code in 3 seconds.
    assert words / 130 + len([line for line in code if line.strip()]) / 20 < 11


@every_lesson
def test_every_part_is_there(name):
    text = source(name)
    titles = re.findall(r"^# ## (.*)", text, re.MULTILINE)
    assert text.startswith(f"# %% [markdown]\n# # {int(name[:2])}. ")
    assert "**Question.**" in text
    assert any(title.startswith("Exercise") for title in titles)
    assert any(title.startswith("A real mistake") for title in titles)
    assert titles[-1] == "What to keep"
    assert "report = check(" in text and "show_arrays(" in text


@every_lesson
def test_every_name_that_it_sends_to_is_there(name):
    names = re.findall(r"`(tinycnn\.[\w.]+)`", source(name))
    assert names
    for dotted in names:
        parts = dotted.split(".")
        thing = importlib.import_module(parts[0])
        for i, part in enumerate(parts[1:], 2):
            if not hasattr(thing, part):
                importlib.import_module(".".join(parts[:i]))
            thing = getattr(thing, part)
        assert inspect.getdoc(thing)


def numbers(text):
    """The numbers of a text, those in names like float64 left out."""
    found = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*\w)", text)
    return {float(number) for number in found}


@pytest.mark.parametrize("name", quick)
def test_every_number_of_the_text_is_computed_or_asserted(name):
    text = source(name)
    printed, _ = lessons.run_once(name)
    known = numbers(printed)
    for kind, body in cells(text):
        if kind == "code":
            known |= numbers(body)
    for kind, body in cells(text):
        if kind == "markdown":
            body = re.sub(r"^(# )?\d\. ", "", body, flags=re.MULTILINE)  # of headings and lists
            assert numbers(body) <= known, body


def claimed(node):
    """The numbers that a test claims: right of `==`, or the last of np.isclose and np.allclose."""
    if isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq) for op in node.ops):
        waiting = list(node.comparators)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.isclose", "np.allclose"):
        waiting = [node.args[-1]]
    else:
        return
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Constant) and type(part.value) in (int, float):
            yield part
        elif not isinstance(part, ast.Subscript):  # an index is no claim
            waiting += ast.iter_child_nodes(part)


class Mutations(ast.NodeTransformer):
    """After each assert, the same with one number changed is tried."""

    def visit_Assert(self, node):
        tries = []
        for place, _ in enumerate(claimed(node.test)):
            wrong = copy.deepcopy(node.test)
            list(claimed(wrong))[place].value += 1
            tries += ast.parse(f"note({ast.unparse(wrong)!r}, lambda: {ast.unparse(wrong)})").body
        return [node, *tries]


@pytest.mark.parametrize("name", quick)
def test_a_wrong_number_in_the_text_s_asserts_fails(name):
    tree = ast.fix_missing_locations(Mutations().visit(ast.parse(source(name))))
    survived = []

    def note(text, wrong):
        if wrong():
            survived.append(text)

    lessons.run(tree, name, note=note)
    assert survived == []


def test_there_are_numbers_to_be_wrong():
    asserts = [n for name in LESSONS for n in ast.walk(ast.parse(source(name)))]
    asserts = [node for node in asserts if isinstance(node, ast.Assert)]
    assert sum(bool(list(claimed(node.test))) for node in asserts) > 15


@pytest.mark.full
def test_what_the_answers_say_of_the_learning_rates_of_lesson_7(numpy_rung):
    _, made = lessons.run_once(LONG[0], answers=True)
    sgd = {
        rate: made["train"](lambda w, g, m, v, t, rate=rate: reference.sgd_update(w, g, None, rate))
        for rate in (0.01, 0.1, 1.0)
    }
    adam = {
        rate: made["train"](
            lambda w, g, m, v, t, rate=rate: made["adam_step"](
                w, g, m, v, t, rate, 0.9, 0.999, 1e-7
            )
        )
        for rate in (0.0003, 0.003, 0.03)
    }
    share = [accuracy for _, accuracy in (*sgd.values(), *adam.values())]
    slow_sgd, good_sgd, wild_sgd, slow_adam, good_adam, wild_adam = share
    assert wild_sgd < 0.2  # a guess is right in one of ten
    assert slow_sgd < good_sgd - 0.1 and slow_adam < good_adam - 0.1
    assert wild_adam > good_adam


# --- as a newcomer runs them ----------------------------------------------------------------------

BLOCKED = """
import runpy, socket, sys
for name in ("numba", "llvmlite", "matplotlib", "requests", "IPython"):
    sys.modules[name] = None
def refuse(*arguments, **keywords):
    raise OSError("a lesson needs no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[2], run_name="__main__")
"""


def seconds_of_children():
    """Of processors, by processes that have ended: what else the machine does is left out."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize(
    "name",
    [LESSONS[0], *(pytest.param(name, marks=pytest.mark.full) for name in LESSONS[1:])],
)
@pytest.mark.parametrize(
    "answers", [False, pytest.param(True, marks=pytest.mark.full)], ids=["blank", "filled in"]
)
def test_as_a_script_with_numpy_alone_and_without_a_network(name, answers, tmp_path):
    path = tmp_path / name
    path.write_text(source(name, answers), "utf-8")
    command = [sys.executable, "-W", "error", "-c", BLOCKED, str(ROOT), str(path)]
    before = seconds_of_children()
    process = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=600, cwd=tmp_path
    )
    assert process.returncode == 0, process.stderr
    assert bool(WAITING.search(process.stdout)) == (not answers)
    assert seconds_of_children() - before < 60
    pages = re.findall(r"^Open it by a double click: (.*)$", process.stdout, re.MULTILINE)
    assert len(pages) == (name == LESSONS[7])
    assert all("</html>" in Path(page).read_text("utf-8") for page in pages)


@pytest.mark.full
def test_before_class_says_ok(tmp_path):
    command = [sys.executable, str(FOLDER / "before_class.py")]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith("\nOK\n")
    assert "####" in process.stdout  # the digit


@pytest.mark.full
def test_the_rehearsal_runs_all_lessons_and_takes_a_small_part_of_the_class():
    command = [sys.executable, str(FOLDER / "before_class.py"), "--rehearse"]
    before = seconds_of_children()
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()[-10:]
    names = [line.split()[0] for line in lines[:-2]]
    *each, total = (float(line.split()[-2]) for line in lines[:-1])
    assert names == LESSONS and lines[-1] == "OK"
    assert sum(each) <= total + 0.5
    assert seconds_of_children() - before < 8 * 60  # of 120 minutes


def test_before_class_without_tinycnn_says_how_to_install_it(tmp_path):
    code = "import runpy, sys; sys.modules['tinycnn'] = None; runpy.run_path(sys.argv.pop())"
    command = [sys.executable, "-c", code, str(FOLDER / "before_class.py")]
    process = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert process.returncode == 1
    assert "pip install -e ." in process.stderr and "Traceback" not in process.stderr


@pytest.mark.full
def test_a_rehearsal_of_a_lesson_that_fails_says_so(tmp_path):
    """The self-test is itself tested: a broken lesson is not OK."""
    (tmp_path / "01_broken.py").write_text("raise RuntimeError('as it should')\n")
    (tmp_path / "before_class.py").write_text((FOLDER / "before_class.py").read_text("utf-8"))
    command = [sys.executable, str(tmp_path / "before_class.py"), "--rehearse"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert "as it should" in process.stderr and "OK" not in process.stdout


def test_an_answer_to_no_function_is_an_error(tmp_path):
    (tmp_path / "answers").mkdir()
    (tmp_path / "01_x.py").write_text("# %%\ndef f():\n    pass\n")
    (tmp_path / "answers" / "01_x.py").write_text('"""A."""\n\n\ndef g():\n    pass\n')
    with pytest.raises(ValueError, match=r"01_x.py has no function g, which is answered"):
        load("make_notebooks").filled_in(tmp_path / "01_x.py")


# --- the teacher's page ---------------------------------------------------------------------------

README = (FOLDER / "README.md").read_text("utf-8")


def test_the_minutes_add_up_to_two_hours():
    rows = re.findall(r"^\| (\d) \|.*\| (\d+) to (\d+) \|$", README, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(1, 9)]
    ends = [int(end) for _, _, end in rows]
    assert [int(start) for _, start, _ in rows] == [0, *ends[:-1]]
    assert ends[-1] == 120


def test_each_lesson_has_three_stumbles():
    parts = re.split(r"^### ", README, flags=re.MULTILINE)[1:]
    assert len(parts) == 8
    for name, part in zip(LESSONS, parts, strict=True):
        assert name in part.splitlines()[0] or name in part
        assert len(re.findall(r"^- \*\*", part.split("\n## ")[0], re.MULTILINE)) == 3


def test_the_readme_s_files_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (FOLDER / target).exists(), target
