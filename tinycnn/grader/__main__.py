"""The command `python -m tinycnn.grader`: one student's file, or a folder of them."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tinycnn.grader import exports
from tinycnn.grader.exercises import EXERCISES
from tinycnn.grader.report import Level, Report
from tinycnn.grader.settings import Settings, default_text, read_settings
from tinycnn.grader.submissions import Submission, grade_file
from tinycnn.support.console import notice, say
from tinycnn.support.files import atomic_write
from tinycnn.support.scripts import end, end_errors_in_one_line, natural_number
from tinycnn.utils import next_seed

SKELETON = Path(__file__).with_name("skeleton.py")
FAIR = (
    "The grader is made to learn with. It runs each file in a process of its own, with limits of "
    "time and memory and without tinycnn, but it can be cheated: it is formative, not tamper-proof."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: the words after `python -m tinycnn.grader`; None takes those of the command line.

    Returns:
        The exit code. For one file: 0 if all is right, 1 if something is wrong, 2 if something is
        not done. For a class, and for Classroom 50: 0.
    """
    end_errors_in_one_line()
    parser = _parser()
    a = parser.parse_args(argv)
    if a.new or a.new_config:
        if a.new:
            _write_new(a.new, SKELETON.read_text("utf-8"))
        if a.new_config:
            _write_new(a.new_config, default_text(a.new_config.name))
        return 0
    if (a.file is None) == (a.folder is None):
        parser.error("name one file, or a folder with --class")
    settings = read_settings(a.config) if a.config else Settings()
    level = settings.level("explain" if a.explain else "hint" if a.hint else "found")
    seed = next_seed() if a.seed is None else a.seed
    if a.folder is not None:
        return _class(a.folder, seed, settings, a.only or list(EXERCISES), a.csv)
    _check_suffix(a.file)
    submission = _grade(a.file, seed, level, settings, a.only or list(EXERCISES))
    _say_table(submission, settings)
    shown = [report for report in submission.reports if report.status == "wrong"]
    if not a.all:
        shown = [report for report in shown if report is submission.first_wrong]
    for report in shown:
        say()
        say(report.text)
    for path, text in [
        (a.json, exports.as_json(submission, settings)),
        (a.gradescope, exports.as_gradescope(submission, settings)),
    ]:
        if path is not None:
            _write(path, text)
    if a.classroom50 is not None:
        now = datetime.now(UTC)
        _write(a.classroom50, exports.as_classroom50(submission, settings, os.environ, now))
        return 0  # to Classroom 50, anything else is a grader that is broken
    return exports.exit_code(submission, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinycnn.grader",
        description="Grades the functions of a convolutional network that a student has written: "
        "which is the first that is wrong, where, and what the likely mistake is.",
        epilog=FAIR,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the student's file")
    parser.add_argument("--new", type=Path, metavar="FILE", help="write the empty functions")
    parser.add_argument("--hint", action="store_true", help="tell the likely cause, too")
    parser.add_argument("--explain", action="store_true", help="also tell what holds instead")
    parser.add_argument("--all", action="store_true", help="tell about every wrong function")
    parser.add_argument(
        "--only", nargs="+", choices=list(EXERCISES), metavar="FUNCTION", help="grade these only"
    )
    parser.add_argument(
        "--seed", type=natural_number, metavar="N", help="ask the questions of an earlier run"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the grades as JSON")
    parser.add_argument(
        "--gradescope", type=Path, metavar="FILE", help="write Gradescope's results.json"
    )
    parser.add_argument(
        "--classroom50",
        type=Path,
        metavar="FILE",
        help="write Classroom 50's result.json, and exit with 0 whatever the grades",
    )
    parser.add_argument(
        "--class",
        type=Path,
        metavar="FOLDER",
        dest="folder",
        help="grade every Python file in a folder, and count the mistakes",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table of the class")
    parser.add_argument("--config", type=Path, metavar="FILE", help="weights and limits, in TOML")
    parser.add_argument(
        "--new-config", type=Path, metavar="FILE", help="write such a file with the defaults"
    )
    return parser


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        end(f"{path} is there already: choose another name")
    say(f"{path} is written")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def _check_suffix(path: Path) -> None:
    if path.suffix != ".py" or path.is_dir():
        end(f"the student's file must be a Python file, name.py. Received: {path}")


def _grade(
    file: Path, seed: int, level: Level, settings: Settings, names: Sequence[str]
) -> Submission:
    return grade_file(file, seed, level, names, settings.seconds, int(settings.megabytes * 2**20))


def _say_table(submission: Submission, settings: Settings) -> None:
    say(f"{submission.file.name}, seed {submission.seed}")
    if submission.failure:
        say(f"The file cannot be loaded. {submission.failure}")
        return
    for report in submission.reports:
        status = "WRONG" if report.status == "wrong" else report.status
        extra = "  (extra)" if EXERCISES[report.name].extra else ""
        say(f"  {report.name:<32}{status:<10}{_place(report)}{extra}".rstrip())
        for note in report.notes:
            say(f"      {note}")
    counts = [f"{submission.count(status)} {status}" for status in ("right", "wrong", "not done")]
    got, most = exports.points(submission, settings)
    say(f"{', '.join(counts)}: {got:g} of {most:g} points")


def _place(report: Report) -> str:
    if report.status != "wrong" or report.tensor is None:
        return ""
    index = f"[{', '.join(map(str, report.index))}]" if report.index else ""
    return f"{report.tensor}{index}"


# --- a class --------------------------------------------------------------------------------------


def _class(
    folder: Path, seed: int, settings: Settings, names: Sequence[str], table: Path | None
) -> int:
    """Grades every Python file in a folder and its folders."""
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())
    if not files:
        end(f"there is no Python file in {folder}")
    submissions = []
    for place, file in enumerate(files, 1):
        who = file.relative_to(folder).with_suffix("").as_posix()
        submission = _grade(file, seed, "hint", settings, names)
        submissions.append((who, submission))
        got, most = exports.points(submission, settings)
        first = submission.first_wrong
        text = submission.failure.split("\n")[0]
        if first is not None:
            text = f"{first.name}: {first.cause or 'the cause is unknown'}"
        say(f"{place:>4} of {len(files)}  {who:<28} {got:g} of {most:g}  {text}".rstrip())
    say()
    say(f"seed {seed}; of {len(files)} submissions")
    for count, name, cause in exports.mistakes_of_class(submissions):
        say(f"{count:>4}  {name}: {cause}")
    if table is not None:
        _write(table, exports.as_csv(submissions, settings))
    else:
        notice("--csv FILE writes a row for each submission")
    return 0


if __name__ == "__main__":
    sys.exit(main())
