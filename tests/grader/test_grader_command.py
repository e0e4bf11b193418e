"""`python -m tinycnn.grader`: a file, a class, what other programs read, and what can go wrong."""

import csv
import json

import pytest
from mutants import MUTANTS, SOURCE, mutated

from tinycnn.errors import GraderError
from tinycnn.grader import submissions
from tinycnn.grader.__main__ import FAIR, main
from tinycnn.grader.settings import WEIGHTS, default_text, read_settings

STRIDE = next(m for m in MUTANTS if m.name == "conv2d_backward: the stride is forgotten")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_file_is_not_done_and_is_never_overwritten(folder, capsys):
    assert main(["--new", "student.py"]) == 0
    assert capsys.readouterr().out == "student.py is written\n"
    assert main(["student.py", "--seed", "1"]) == 2
    out = capsys.readouterr().out
    assert "0 right, 0 wrong, 22 not done: 0 of 17 points" in out
    assert out.startswith("student.py, seed 1\n  im2col                          not done\n")
    with pytest.raises(SystemExit):
        main(["--new", "student.py"])
    assert "is there already" in capsys.readouterr().err


def test_a_right_file_passes(folder, capsys):
    (folder / "student.py").write_text(SOURCE, "utf-8")
    assert main(["student.py", "--seed", "1", "--json", "grades.json"]) == 0
    assert "22 right, 0 wrong, 0 not done: 17 of 17 points" in capsys.readouterr().out
    grades = json.loads((folder / "grades.json").read_text("utf-8"))
    assert (grades["points"], grades["of"], grades["seed"]) == (17, 17, 1)
    assert {one["status"] for one in grades["functions"]} == {"right"}


def test_a_mistake_is_told_and_written_for_other_programs(folder, capsys):
    (folder / "student.py").write_text(mutated(STRIDE), "utf-8")
    words = ["student.py", "--seed", "1", "--only", "conv2d_forward", "conv2d_backward"]
    assert main([*words, "--hint", "--json", "a.json", "--gradescope", "results.json"]) == 1
    out = capsys.readouterr().out
    assert "conv2d_backward                 WRONG" in out
    assert "that the stride is forgotten" in out and "It goes wrong only where a stride" in out
    _, wrong = json.loads((folder / "a.json").read_text("utf-8"))["functions"]
    assert (wrong["status"], wrong["tensor"]) == ("wrong", "dx")
    assert wrong["cause"] == "the stride is forgotten"
    assert len(wrong["index"]) == 4 and wrong["got"] != wrong["expected"]
    right, wrong = json.loads((folder / "results.json").read_text("utf-8"))["tests"]
    assert (right["score"], right["max_score"], right["status"]) == (1, 1, "passed")
    assert (wrong["score"], wrong["max_score"], wrong["status"]) == (0, 1, "failed")
    assert "the stride is forgotten" in wrong["output"]
    main([*words, "--hint"])
    assert capsys.readouterr().out == out  # the same seed says the same
    main(words)
    assert "the stride is forgotten" not in capsys.readouterr().out
    main([*words, "--explain"])
    assert "What holds: " in capsys.readouterr().out


def test_a_class_is_counted(folder, capsys):
    names = ("im2col", "conv2d_backward", "dense_forward")
    (folder / "class" / "b").mkdir(parents=True)
    broken = "def im2col(:\n    pass\n"
    for who, text in {
        "ada.py": mutated(STRIDE),
        "b/student.py": mutated(STRIDE),
        "=dee.py": SOURCE,
        "eve.py": broken,
    }.items():
        (folder / "class" / who).write_text(text, "utf-8")
    assert main(["--class", "class", "--csv", "class.csv", "--seed", "1", "--only", *names]) == 0
    out = capsys.readouterr().out
    assert "   2  conv2d_backward: the stride is forgotten\n" in out
    assert "   1  the file: it cannot be loaded\n" in out
    rows = list(csv.DictReader((folder / "class.csv").read_text("utf-8").splitlines()))
    assert [row["submission"] for row in rows] == ["'=dee", "ada", "b/student", "eve"]
    assert [row["points"] for row in rows] == ["3", "2", "2", "0"]
    assert rows[1]["cause"] == "the stride is forgotten"
    assert rows[1]["conv2d_backward"] == "wrong" and rows[1]["im2col"] == "right"
    assert rows[3]["cause"].startswith("SyntaxError in line 1")


def test_weights_and_limits_come_from_a_file(folder, capsys):
    assert main(["--new-config", "class.toml"]) == 0
    settings = read_settings(folder / "class.toml")
    assert settings.weights == WEIGHTS and settings.most == "explain"
    changed = (folder / "class.toml").read_text("utf-8")
    changed = changed.replace("dense_forward = 1", "dense_forward = 2.5")
    changed = changed.replace('most = "explain"', 'most = "found"')
    (folder / "class.toml").write_text(changed, "utf-8")
    (folder / "student.py").write_text(mutated(STRIDE), "utf-8")
    capsys.readouterr()
    only = ["--only", "dense_forward", "conv2d_backward"]
    assert main(["student.py", "--hint", "--config", "class.toml", *only]) == 1
    out = capsys.readouterr().out
    assert "2.5 of 3.5 points" in out
    assert "the stride is forgotten" not in out  # the teacher does not allow it


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = ", "is not TOML"),
        ("hints = 1", "may set megabytes, most, seconds, weights. Received: hints"),
        ("weights = 1", "weights must be a table. Received: weights=1"),
        ("[weights]\nconv3d = 1", "there is no function of that name. Received: conv3d"),
        ("[weights]\nim2col = -1", "im2col must be a number 0 or above. Received: -1"),
        ("seconds = 0", "seconds must be a number above 0. Received: 0"),
        ("megabytes = true", "megabytes must be a number above 0. Received: True"),
        ('most = "all"', "most must be one of 'found', 'hint', 'explain'. Received: 'all'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(folder, text, words):
    (folder / "class.toml").write_text(text, "utf-8")
    with pytest.raises(GraderError) as error:
        read_settings(folder / "class.toml")
    assert words in str(error.value)


def test_the_default_settings_are_a_file(folder):
    (folder / "a.toml").write_text(default_text("a.toml"), "utf-8")
    read = read_settings(folder / "a.toml")
    assert (read.seconds, read.megabytes) == (submissions.SECONDS, submissions.MEMORY // 2**20)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name one file, or a folder with --class"),
        (["a.py", "--class", "."], "name one file, or a folder with --class"),
        (["missing.py"], "missing.py"),
        (["notes.txt"], "must be a Python file, name.py. Received: notes.txt"),
        (["--class", "empty"], "there is no Python file in empty"),
        (["a.py", "--only", "conv3d"], "invalid choice: 'conv3d'"),
        (["a.py", "--seed", "x"], "must be an integer >= 0. Received: x"),
    ],
)
def test_wrong_words_end_in_a_message(folder, capsys, words, message):
    with pytest.raises((SystemExit, FileNotFoundError)) as error:
        main(words)
    assert message in capsys.readouterr().err or message in str(error.value)


def test_a_file_that_does_not_load_is_told(folder, capsys):
    (folder / "student.py").write_text("import tinycnn\n", "utf-8")
    assert main(["student.py", "--json", "a.json"]) == 1
    assert "The file cannot be loaded. ModuleNotFoundError in line 1" in capsys.readouterr().out
    grades = json.loads((folder / "a.json").read_text("utf-8"))
    assert grades["failure"].startswith("ModuleNotFoundError")
    assert {one["status"] for one in grades["functions"]} == {"not done"}


def test_it_says_that_it_can_be_cheated(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "it is formative, not tamper-proof" in FAIR
    assert "made to learn with" in " ".join(capsys.readouterr().out.split())
