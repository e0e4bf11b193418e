"""What other programs read of the grades, letter by letter: Gradescope and Classroom 50."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from mutants import MUTANTS, mutated

from tinycnn.errors import GraderError
from tinycnn.grader import exports
from tinycnn.grader.__main__ import main
from tinycnn.grader.report import Report
from tinycnn.grader.settings import WEIGHTS, Settings
from tinycnn.grader.submissions import Submission

SETTINGS = Settings(weights={**WEIGHTS, "im2col": 2.0, "relu_forward": 3.0})
SUBMISSION = Submission(
    Path("student.py"),
    7,
    [
        Report("im2col", "right", found="im2col is right in all 24 cases."),
        Report("relu_forward", "wrong", found="relu_forward is wrong."),
        Report("dense_forward", "not done", found="dense_forward is not done yet."),
        Report("dropout", "not done", found="dropout is not done yet."),  # an extra: left out
    ],
    "",
)
BROKEN = replace(SUBMISSION, reports=[], failure="SyntaxError in line 1: invalid syntax")
WHERE = {
    "CLASSROOM": "cnn",
    "ASSIGNMENT": "backward",
    "ASSIGNMENT_TYPE": "individual",
    "OWNER": "ada",
    "SUBMISSION_TAG": "submit/2026-11-30T10-00-00Z-a1b2c3d",
    "COMMIT_URL": "https://example.org/commit/a1b2c3d",
    "RELEASE_URL": "https://example.org/release/a1b2c3d",
    "REVIEW_URL": "https://example.org/compare/a1b2c3d",
}
NOON = datetime(2026, 11, 30, 12, 0, 5, tzinfo=timezone(timedelta(hours=1)))  # 11 in UTC

GRADESCOPE = {
    "output": "tinycnn's grader, seed 7",
    "tests": [
        {
            "name": "im2col",
            "score": 2.0,
            "max_score": 2.0,
            "status": "passed",
            "output": "im2col is right in all 24 cases.",
        },
        {
            "name": "relu_forward",
            "score": 0,
            "max_score": 3.0,
            "status": "failed",
            "output": "relu_forward is wrong.\n"
            "hint=True, or --hint on the command line, tells the likely cause.",
        },
        {
            "name": "dense_forward",
            "score": 0,
            "max_score": 1.0,
            "status": "failed",
            "output": "dense_forward is not done yet.",
        },
    ],
}
CLASSROOM50 = {
    "schema": "classroom50/result/v1",
    "classroom": "cnn",
    "assignment": "backward",
    "assignment_type": "individual",
    "owner": "ada",
    "submission": "submit/2026-11-30T10-00-00Z-a1b2c3d",
    "commit": "https://example.org/commit/a1b2c3d",
    "release": "https://example.org/release/a1b2c3d",
    "review": "https://example.org/compare/a1b2c3d",
    "datetime": "2026-11-30T11:00:05Z",
    "score": 2,
    "max-score": 6,
    "tests": [
        {
            "test-name": test["name"],
            "passed": test["status"] == "passed",
            "score": int(test["score"]),
            "max-score": int(test["max_score"]),
            "output": test["output"],
        }
        for test in GRADESCOPE["tests"]
    ],
}


def classroom50(submission=SUBMISSION, settings=SETTINGS, where=WHERE):
    return json.loads(exports.as_classroom50(submission, settings, where, NOON))


def keeps_the_contract(result):
    """The rules of Classroom 50's schema of a result, and of what it checks besides."""
    texts = ("classroom", "assignment", "owner", "submission", "commit", "release", "review")
    assert result.keys() == CLASSROOM50.keys()
    assert all(isinstance(result[name], str) and result[name] for name in texts)
    assert result["schema"] == "classroom50/result/v1"
    assert result["assignment_type"] in ("individual", "group")
    assert result["submission"].startswith("submit/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["datetime"])
    for one in [result, *result["tests"]]:
        assert type(one["score"]) is int and type(one["max-score"]) is int
        assert 0 <= one["score"] <= one["max-score"]
    for test in result["tests"]:
        assert isinstance(test["test-name"], str) and test["test-name"]
        assert isinstance(test["passed"], bool)
    for name in ("score", "max-score"):
        assert result[name] == sum(test[name] for test in result["tests"])


def test_gradescope_s_results():
    assert json.loads(exports.as_gradescope(SUBMISSION, SETTINGS)) == GRADESCOPE


def test_gradescope_s_results_of_a_file_that_does_not_load():
    made = json.loads(exports.as_gradescope(BROKEN, SETTINGS))
    assert made == {"output": BROKEN.failure, "tests": [], "score": 0}


def test_classroom_50_s_result():
    assert classroom50() == CLASSROOM50
    keeps_the_contract(classroom50())
    del (less := dict(WHERE))["REVIEW_URL"]
    assert classroom50(where=less)["review"] == WHERE["COMMIT_URL"]


def test_classroom_50_s_result_of_a_file_that_does_not_load():
    made = classroom50(BROKEN)
    keeps_the_contract(made)
    assert (made["score"], made["max-score"]) == (0, sum(SETTINGS.weights.values()))
    assert made["tests"][0]["output"] == BROKEN.failure


@pytest.mark.parametrize("name", exports.CLASSROOM50.values())
def test_outside_of_classroom_50_it_is_told_what_is_missing(name):
    for there in ({}, {name: ""}):
        where = {k: v for k, v in WHERE.items() if k != name} | there
        with pytest.raises(GraderError, match=rf"Not set: {name}$"):
            classroom50(where=where)


def test_classroom_50_has_no_half_points():
    half = Settings(weights={**WEIGHTS, "im2col": 2.5})
    with pytest.raises(GraderError, match=r"whole points.* Received: im2col = 2.5"):
        classroom50(settings=half)


def test_the_command_writes_classroom_50_s_result(tmp_path, monkeypatch, capsys):
    """It exits with 0: to Classroom 50, another code is a grader that is broken."""
    stride = next(m for m in MUTANTS if m.name == "conv2d_backward: the stride is forgotten")
    (tmp_path / "student.py").write_text(mutated(stride), "utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in WHERE.items():
        monkeypatch.setenv(name, value)
    words = ["student.py", "--seed", "1", "--hint", "--only", "conv2d_forward", "conv2d_backward"]
    assert main([*words, "--classroom50", "result.json"]) == 0
    made = json.loads((tmp_path / "result.json").read_text("utf-8"))
    keeps_the_contract(made)
    assert [test["score"] for test in made["tests"]] == [1, 0]
    assert "the stride is forgotten" in made["tests"][1]["output"]
    assert made["tests"][1]["output"] in capsys.readouterr().out
    (tmp_path / "result.json").unlink()
    monkeypatch.delenv("OWNER")
    with pytest.raises(GraderError, match="Not set: OWNER"):
        main([*words, "--classroom50", "result.json"])
    assert not (tmp_path / "result.json").exists()
