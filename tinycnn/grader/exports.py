"""The grades for other programs: JSON, Gradescope, Classroom 50, a table of the class as CSV."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tinycnn.errors import GraderError
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
            "score": got,
            "max_score": most,
            "status": "passed" if report.status == "right" else "failed",
            "output": report.text,
        }
        for report, got, most in _graded(submission, settings)
    ]
    value: dict[str, Any] = {
        "output": submission.failure or f"tinycnn's grader, seed {submission.seed}",
        "tests": tests,
    }
    if submission.failure:
        value["score"] = 0
    return json.dumps(value, indent=2) + "\n"


# What Classroom 50 tells of a submission in the environment of its autograder, by the field of
# result.json that repeats it.
CLASSROOM50 = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "assignment_type": "ASSIGNMENT_TYPE",
    "owner": "OWNER",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
}


def as_classroom50(
    submission: Submission, settings: Settings, environment: Mapping[str, str], now: datetime
) -> str:
    """The result.json that Classroom 50 reads.

    Args:
        submission: the grades.
        settings: the weights, which have to be whole: Classroom 50 knows no half points.
        environment: the variables of the process.
        now: when it was graded, with a time zone.

    Returns:
        The text of the file.

    Raises:
        GraderError: if Classroom 50 has not set its variables, or a weight is not whole.

    Source: https://github.com/foundation50/classroom50/wiki/Advanced-Autograding
    """
    missing = [name for name in CLASSROOM50.values() if not environment.get(name)]
    if missing:
        raise GraderError(
            f"Classroom 50 sets {', '.join(CLASSROOM50.values())} where it grades: --classroom50 "
            f"belongs into its autograder. Not set: {', '.join(missing)}"
        )
    for name, weight in settings.weights.items():
        if weight != int(weight):
            received = f"Received: {name} = {weight:g}"
            raise GraderError(f"Classroom 50 takes whole points: multiply the weights. {received}")
    tests = [
        {
            "test-name": report.name,
            "passed": report.status == "right",
            "score": int(got),
            "max-score": int(most),
            "output": report.text,
        }
        for report, got, most in _graded(submission, settings)
    ]
    if submission.failure:  # no test has been asked
        most = int(sum(settings.weights.values()))
        lost = {"test-name": "the file is loaded", "passed": False, "score": 0, "max-score": most}
        tests = [{**lost, "output": submission.failure}]
    value: dict[str, Any] = {"schema": "classroom50/result/v1"}
    value |= {field: environment[name] for field, name in CLASSROOM50.items()}
    value["review"] = environment.get("REVIEW_URL") or value["commit"]
    value["datetime"] = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    value["score"] = sum(test["score"] for test in tests)
    value["max-score"] = sum(test["max-score"] for test in tests)
    value["tests"] = tests
    return json.dumps(value, indent=2) + "\n"


def _graded(submission: Submission, settings: Settings) -> Iterator[tuple[Report, float, float]]:
    """(report, points, most points) of each function, without the extras that nobody has done."""
    for report in submission.reports:
        most = settings.weights[report.name]
        if most or report.status != "not done":
            yield report, most if report.status == "right" else 0, most


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
        if submission.failure:
            counts["the file", "it cannot be loaded"] += 1
        for report in submission.reports:
            if report.status == "wrong" and report.kind != "follows":
                counts[report.name, report.cause or "the cause is unknown"] += 1
    return [(count, *what) for what, count in counts.most_common()]
