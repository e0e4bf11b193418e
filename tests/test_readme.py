"""What the READMEs say about the repository is true: commands, code with its output, files."""

import re
from pathlib import Path

import pytest

from tinycnn import layers
from tinycnn.datasets import mnist, synthetic

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [text.strip() for language, text in BLOCKS if language == "sh"][:2]
CODE = [text for language, text in BLOCKS if language == "python"]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "[a-z]*/README.md")
    for path in ROOT.glob(pattern)
)
MAP = (ROOT / "tinycnn" / "README.md").read_text(encoding="utf-8")
FILES = re.findall(r"^\| \[`([\w/.]+)`\]\(([\w/.]+)\) \|", MAP, re.MULTILINE)


def shape(line):
    """A printed line with every number and duration as #: what differs from run to run."""
    return re.sub(r"\b\d+(:\d\d|\.\d+)?(e-?\d+)?(s|ms|us)?\b", "#", line)


def test_it_opens_with_a_sentence_a_picture_and_the_two_commands():
    sentence, picture, commands = (README.index(x) for x in ("tinycnn is a", "![", "```sh"))
    assert sentence < picture < commands
    assert all(command.startswith("python3 -m venv .venv && ") for command in COMMANDS)
    assert COMMANDS[0].endswith("examples/mnist_cnn_classifier.py")
    assert COMMANDS[1].endswith("pytest -n 2")


def test_ci_runs_exactly_the_readmes_test_command():
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_snippet_has_fifteen_lines_and_prints_what_stands_below_it(monkeypatch, capsys):
    snippet = CODE[0]
    (output,) = [text for language, text in BLOCKS if language == "text"]
    assert len([line for line in snippet.splitlines() if line.strip()]) == 15
    monkeypatch.setattr(mnist, "load_data", lambda: synthetic.load_data(train=300, test=100))
    exec(snippet.replace("epochs=10", "epochs=2"), {})
    # Two epochs of 4 steps instead of ten of 750, and 4 steps of test images instead of 313.
    printed = [shape(line) for line in capsys.readouterr().out.splitlines()]
    first, gap, *last = [shape(line) for line in output.splitlines()]
    assert gap == "..."
    assert printed[-len(last) - 1 :] == [first, *last]
    loss, accuracy = eval(output.splitlines()[-1])
    assert 0 < loss < 10
    assert 0.98 < accuracy <= 1


@pytest.mark.parametrize("code", CODE[1:], ids=["layer", "gradients"])
def test_the_other_pieces_of_code_print_their_comments(code, capsys):
    exec(code, {})
    output = "".join(re.findall(r"^# (.*\n)", code, re.MULTILINE))
    printed = capsys.readouterr().out
    if "e-" in output:  # errors by rounding, which another processor makes otherwise
        printed, output = shape(printed), shape(output)
    assert printed == output


def test_what_a_keras_script_is_told_is_quoted_to_the_letter():
    (quoted,) = re.findall(r"``TypeError: (.*)``", README)
    with pytest.raises(TypeError) as error:
        layers.Conv2D(8, 3, dilation_rate=2)
    assert str(error.value) == quoted


def test_the_map_names_every_file_of_the_package_once():
    """A row of a folder stands for its files that have no row of their own: data sets."""
    files = {path.relative_to(ROOT / "tinycnn").as_posix() for path in ROOT.glob("tinycnn/**/*.py")}
    folders = (
        "",
        "callbacks/",
        "datasets/",
        "interop/",
        "layers/",
        "losses/",
        "metrics/",
        "optimizers/",
        "plotting/",
    )
    trivial = {f"{folder}__init__.py" for folder in folders}
    listed = [target for _, target in FILES]
    assert all(target == name for name, target in FILES)
    assert len(listed) == len(set(listed))
    rooms = {target for target in listed if target.endswith("/")}
    unnamed = files - trivial - set(listed)
    assert rooms <= {"datasets/"} and set(listed) - rooms <= files - trivial
    assert unnamed == {file for file in unnamed if file.startswith(tuple(rooms))}


@pytest.mark.parametrize("room", ["examples", "benchmarks"])
def test_a_room_s_readme_names_its_scripts(room):
    text = (ROOT / room / "README.md").read_text("utf-8")
    named = set(re.findall(r"\[`(\w+\.py)`\]\(\1\)", text))
    scripts = {p.name for p in (ROOT / room).glob("*.py") if "__main__" in p.read_text("utf-8")}
    if room == "examples":
        scripts = {path.name for path in (ROOT / room).glob("*.py")}
    assert named == scripts - {"competitors.py", "workers.py"}  # processes of others


def test_the_tests_readme_names_files_that_exist():
    text = (ROOT / "tests" / "README.md").read_text("utf-8")
    for name in re.findall(r"`([\w*]+\.py)`", text):
        assert [*(ROOT / "tests").rglob(name)], name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    text = (ROOT / document).read_text("utf-8")
    for target, _, place in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", text):
        if target.startswith("http"):
            continue
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.exists(), target
        assert document != "README.md" or path.is_file(), f"a bare folder: {target}"
        if place:
            titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert place in slugs, place


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_names_a_script_that_exists(document):
    text = (ROOT / document).read_text("utf-8")
    for path in re.findall(r"python3? ((?:\.ci|benchmarks|examples|tests)/[\w/]+\.py)", text):
        assert (ROOT / path).exists(), path
