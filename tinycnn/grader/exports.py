"""The grades for other programs: JSON, Gradescope's results.json, a table of the class as CSV."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tinycnn.grader.report import Report
from tinycnn.grader.settings import Settings
from tinycnn.grader.submissions import Submission


def points(submission: Submission, settings: Settings) -> tuple[float, float]:
    """The weights of the right functions, and those of all that were asked for."""
    weights = settings.weights
    right = sum(weights[r.name] for r in submission.reports if r.status == "right")
    most = sum(weights[r.name] for r in submission.reports)
    return right, most if submission.reports else sum(weights.values())


def exit_code(submission: Submission, settings: Settings) -> int:
    """0: all is right. 1: something is wrong. 2: nothing is wrong, but something is not done.

    What is not done and has the weight 0 does not count.
    """
    if submission.failure or submission.count("wrong"):
        return 1
    undone = [r for r in submission.reports if r.status == "not done" and settings.weights[r.name]]
    return 2 if undone else 0


def as_json(submission: Submission, settings: Settings) -> str:
    """Everything about one submission, for programs."""
    got, most = points(submission, settings)
    value = {
        "file": str(submission.file),
        "seed": submission.seed,
        "failure": submission.failure or None,
        "points": got,
        "of": most,
        "functions": [_as_dict(report) for report in submission.reports],
    }
    return json.dumps(value, indent=2) + "\n"


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "status": report.status,
        "tensor": report.tensor,
        "index": None if report.index is None else list(report.index),
        "got": _plain(report.got),
        "expected": _plain(report.expected),
        "cause": report.cause,
        "notes": list(report.notes),
    }


def _plain(value: Any) -> Any:
    """A number, or words; JSON has no NaN and no infinity."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and abs(value) < float("inf"):
        return value
    return str(value)


def as_gradescope(submission: Submission, settings: Settings) -> str:
    """The results.json that Gradescope reads.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
    """
    tests = [
        {
            "name": report.name,
            "score": settings.weights[report.name] if report.status == "right" else 0,
            "max_score": settings.weights[report.name],
            "status": "passed" if report.status == "right" else "failed",
            "output": report.text,
        }
        for report in submission.reports
        if settings.weights[report.name] or report.status != "not done"
    ]
    value: dict[str, Any] = {
        "output": submission.failure or f"tinycnn's grader, seed {submission.seed}",
        "tests": tests,
    }
    if submission.failure:
        value["score"] = 0
    return json.dumps(value, indent=2) + "\n"


def as_csv(submissions: Sequence[tuple[str, Submission]], settings: Settings) -> str:
    """A row for each submission: points, the first mistake, and the status of each function."""
    names = list(settings.weights)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["submission", "points", "of", "first wrong", "cause", *names])
    for who, submission in submissions:
        status = {report.name: report.status for report in submission.reports}
        got, most = points(submission, settings)
        first = submission.first_wrong
        cause = (first.cause or "unknown") if first else ""
        what = first.name if first else ""
        row = [who, f"{got:g}", f"{most:g}", what, submission.failure or cause]
        table.writerow([*map(_harmless, row), *(status.get(name, "") for name in names)])
    return text.getvalue()


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def mistakes_of_class(submissions: Sequence[tuple[str, Submission]]) -> list[tuple[int, str, str]]:
    """(number of submissions, function, cause), the commonest first.

    A function that is wrong only because it calls one that is wrong does not count.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for _, submission in submissions:
        for report in submission.reports:
            if report.status == "wrong" and report.kind != "follows":
                counts[report.name, report.cause or "the cause is unknown"] += 1
    return [(count, *what) for what, count in counts.most_common()]
