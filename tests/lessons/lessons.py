"""The lessons, as their tests take them: sources, numbers in the text, a run in this process."""

import ast
import contextlib
import contextvars
import importlib.util
import io
import re
import tempfile
import warnings
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "lessons"
LESSONS = sorted(path.name for path in FOLDER.glob("[0-9]*.py"))
# These train, for some seconds each.
LONG = ("07_optimizers_and_training.py", "08_looking_inside.py")


def load(name):
    """A script of the lessons' folder as a module, without running its `main`."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_notebooks = load("make_notebooks")


def source(name, answers=False):
    """The source of a lesson as it is handed out, or filled in."""
    path = FOLDER / name
    return make_notebooks.filled_in(path) if answers else path.read_text("utf-8")


def cells(text):
    """(kind, text) of each cell: "markdown" without its comment signs, or "code"."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)[1:]
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        if "markdown" in kind:
            yield "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        else:
            yield "code", body


@cache
def run_once(name, answers=False):
    """What a lesson printed, and its global names; run once for all tests that look at it."""
    return run(source(name, answers), name)


def run(text, name, **names):
    """(what it printed, its global names) after a run here.

    Its choice of kernels ends with it, and so does the folder that it writes into.
    """
    made = {"__name__": "lesson", **names}
    printed = io.StringIO()
    tree = text if isinstance(text, ast.Module) else ast.parse(text)
    code = compile(tree, name, "exec")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        contextvars.copy_context().run(exec, code, made)
    return printed.getvalue(), made
