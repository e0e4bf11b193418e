"""What the README says about the repository is true: commands, snippet and files."""

import re
from pathlib import Path

from tinycnn.datasets import mnist, synthetic

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
READING_ORDER = re.findall(r"^\| \[`([\w/.]+)`\]\(([\w/.]+)\) \|", README, re.MULTILINE)


def test_it_opens_with_a_sentence_a_picture_and_the_two_commands():
    sentence, picture, commands = (README.index(x) for x in ("tinycnn is a", "![", "```sh"))
    assert sentence < picture < commands
    shell = [text.strip() for language, text in BLOCKS if language == "sh"][:2]
    assert all(command.startswith("python3 -m venv .venv && ") for command in shell)
    assert shell[0].endswith("examples/mnist_cnn_classifier.py")
    assert shell[1].endswith("pytest")


def test_ci_runs_exactly_the_readmes_test_command():
    command = [text.strip() for language, text in BLOCKS if language == "sh"][1]
    assert command in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_snippet_has_fifteen_lines_and_runs(monkeypatch, capsys):
    (snippet,) = [text for language, text in BLOCKS if language == "python"]
    assert len([line for line in snippet.splitlines() if line.strip()]) == 15
    monkeypatch.setattr(mnist, "load_data", lambda: synthetic.load_data(train=300, test=100))
    exec(snippet.replace("epochs=10", "epochs=1"), {})
    loss, accuracy = eval(capsys.readouterr().out.splitlines()[-1])
    assert 0 < loss < 10
    assert 0 < accuracy <= 1


def test_every_file_of_the_package_stands_in_the_reading_order():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tinycnn").rglob("*.py")}
    folders = ("", "callbacks/", "datasets/", "layers/", "optimizers/", "plotting/")
    trivial = {f"tinycnn/{folder}__init__.py" for folder in folders}
    listed = [target for _, target in READING_ORDER]
    assert all(target == f"tinycnn/{name}" for name, target in READING_ORDER)
    assert len(listed) == len(set(listed))
    assert set(listed) == files - trivial


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
