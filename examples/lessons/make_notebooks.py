"""Builds the notebooks of the lessons, which have no results in them yet.

    python examples/lessons/make_notebooks.py                # to hand out, in output/lessons
    python examples/lessons/make_notebooks.py --answers      # filled in, for the teacher

The source of each lesson is a script in jupytext's percent format. `pip install -e '.[notebook]'`
brings jupytext.
"""

import argparse
import ast
from pathlib import Path

from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end, end_errors_in_one_line

HERE = Path(__file__).parent
LESSONS = sorted(HERE.glob("[0-9][0-9]_*.py"))


def filled_in(lesson: Path) -> str:
    """The source of a lesson, with the functions of its file in answers/ in place of its own."""
    lines = lesson.read_text("utf-8").splitlines(keepends=True)
    answers = (lesson.parent / "answers" / lesson.name).read_text("utf-8")
    bodies = {
        node.name: ast.get_source_segment(answers, node)
        for node in ast.parse(answers).body
        if isinstance(node, ast.FunctionDef)
    }
    for node in reversed(ast.parse("".join(lines)).body):
        if isinstance(node, ast.FunctionDef) and node.name in bodies:
            end = node.end_lineno or 0
            while end < len(lines) and lines[end].startswith("    #"):  # what was to be uncommented
                end += 1
            lines[node.lineno - 1 : end] = [f"{bodies.pop(node.name)}\n"]
    if bodies:
        raise ValueError(f"{lesson.name} has no function {', '.join(bodies)}, which is answered")
    told = (ast.get_docstring(ast.parse(answers)) or "").splitlines()[1:]
    return "".join([*lines, "\n# %% [markdown]\n# ## Answers\n", *(f"# {x}\n" for x in told)])


def notebook(source):
    """A notebook of the source, with the same cells in the same order, and without results."""
    import jupytext

    made = jupytext.reads(source, fmt="py:percent")
    for i, cell in enumerate(made.cells):
        cell["id"] = f"cell-{i}"  # not jupytext's random one: the same source gives the same file
    made.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return made


def main() -> None:
    """Writes a notebook for each lesson."""
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", action="store_true", help="fill in the exercises")
    parser.add_argument("--output-dir", type=Path, default=Path("output/lessons"))
    arguments = parser.parse_args()
    try:
        import jupytext
    except ImportError:
        end("jupytext is not installed: pip install -e '.[notebook]'")
    claim_folder(arguments.output_dir)
    for lesson in LESSONS:
        source = filled_in(lesson) if arguments.answers else lesson.read_text("utf-8")
        name = f"{lesson.stem}_answers" if arguments.answers else lesson.stem
        path = arguments.output_dir / f"{name}.ipynb"
        jupytext.write(notebook(source), path)
        say(f"wrote {path}")


if __name__ == "__main__":
    main()
