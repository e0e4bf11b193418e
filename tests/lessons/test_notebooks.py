"""In a real notebook kernel: the lessons, pictures without %matplotlib inline, the live line."""

import base64
import json
import subprocess
import sys
from itertools import pairwise

import notebooks
import pytest
from lessons import FOLDER, LESSONS, make_notebooks, source
from notebooks import printed, shown

# nbclient and jupyter_client warn of what only they can change.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PNG = b"\x89PNG\r\n\x1a\n"

CELLS = [
    "import numpy as np\n"
    "from tinycnn import Adam, Dense, History, Sequential, plotting\n"
    "plotting.plot_arrays({'x': [[1, -2], [3, 4]]})",
    "plotting.show_arrays({'x': np.eye(3)}); plotting.show_arrays({'y': np.eye(2)})",
    "model = Sequential([Dense(3, activation='softmax', input_shape=(4,))], seed=0)\n"
    "model.compile('adam', 'sparse_categorical_crossentropy', ['accuracy'])\n"
    "x, y = np.random.default_rng(0).random((64000, 4)), np.arange(64000) % 3\n"
    "history = model.fit(x, y, batch_size=64, epochs=2)",
    "plotting.plot_history(history)",
    "history",
    "model",
    "model.optimizer",
    "from tinycnn.gradient_check import check_layer\ncheck_layer(Dense(2), np.ones((2, 4)))",
    "print('matplotlib.pyplot' in __import__('sys').modules)",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the cells show, in one fresh kernel."""
    return notebooks.run_cells(tmp_path_factory.mktemp("kernel"), *CELLS)


def test_pictures_show_without_matplotlib_inline(outputs):
    for cell, count in ((0, 1), (1, 2), (3, 1)):
        images = shown(outputs[cell], "image/png")
        assert len(images) == count
        assert all(base64.b64decode(image).startswith(PNG) for image in images)
    assert printed(outputs[-1]) == "False\n"  # pyplot was not needed for it


def test_fit_has_a_live_line(outputs):
    text = printed(outputs[2])
    assert text.count("\r") >= 2  # it was redrawn
    assert "\x1b" not in text
    *_, last = text.rstrip("\n").split("\r")
    assert last.startswith("1000/1000 " + "=" * 20)
    # Each line covers the text of the one before, so that nothing of that remains to be seen.
    epochs = text.split("Epoch ")[1:]
    assert len(epochs) == 2
    for epoch in epochs:
        lines = [line.rstrip("\n") for line in epoch.split("\r")[1:]]
        assert all(len(line) >= len(before.rstrip()) for before, line in pairwise(lines))


@pytest.mark.parametrize(
    ("cell", "plain", "html"),
    [
        (4, "History(2 epochs: accuracy", "<svg"),
        (5, "<Sequential 'sequential': 1 layer, 15 parameters", "dense"),
        (6, "Adam(learning_rate=0.001)", "2,000 steps made"),
        (7, "      checked ", "pass"),
    ],
)
def test_results_can_be_read(outputs, cell, plain, html):
    (text,) = shown(outputs[cell], "text/plain")
    assert text.startswith(plain)
    assert "object at 0x" not in text and len(text) < 1500
    (page,) = shown(outputs[cell], "text/html")
    assert html in page and "<script" not in page


def test_without_matplotlib_the_arrays_are_text(tmp_path):
    block = "import sys\nsys.modules['matplotlib'] = None\n"
    (cell,) = notebooks.run_cells(
        tmp_path, block + "from tinycnn.plotting import show_arrays\nshow_arrays({'x': [1, 2]})"
    )
    assert printed(cell) == "x\n1 2\n"


@pytest.mark.full
@pytest.mark.parametrize("answers", [False, True], ids=["blank", "filled in"])
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_as_a_notebook(name, answers, tmp_path):
    pytest.importorskip("jupytext", reason=notebooks.REASON)
    done = notebooks.run(make_notebooks.notebook(source(name, answers)), tmp_path)
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    text = "".join(printed(cell.outputs) for cell in code)
    assert ("not done yet" in text) == (not answers)
    asked = sum(cell.source.count("show_arrays(") for cell in code)
    assert sum(len(shown(cell.outputs, "image/png")) for cell in code) >= asked > 0
    pictures = [o for cell in code for o in cell.outputs if "image/png" in o.get("data", {})]
    assert all(output.metadata["image/png"]["alt"] for output in pictures)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    # Nothing is said twice: the value of a cell's last line is not what was printed, again.
    assert not any(output.output_type == "execute_result" for c in code for output in c.outputs)


def test_the_notebooks_are_built_without_results_and_the_same_each_time(tmp_path):
    pytest.importorskip("jupytext", reason=notebooks.REASON)
    files = []
    for folder in ("one", "two"):
        command = [sys.executable, str(FOLDER / "make_notebooks.py"), "--output-dir"]
        process = subprocess.run(
            [*command, str(tmp_path / folder)], capture_output=True, text=True, check=True
        )
        paths = sorted((tmp_path / folder).glob("*.ipynb"))
        assert [path.stem for path in paths] == [name.removesuffix(".py") for name in LESSONS]
        assert process.stdout.count("wrote ") == len(LESSONS)
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]
    for content in files[0]:
        cells = json.loads(content)["cells"]
        assert not any(cell.get("outputs") for cell in cells)
        assert len({cell["id"] for cell in cells}) == len(cells)


def test_without_jupytext_the_builder_says_what_to_install(tmp_path):
    code = (
        "import runpy, sys; sys.modules['jupytext'] = None\n"
        "runpy.run_path(sys.argv.pop(), None, '__main__')"
    )
    command = [sys.executable, "-c", code, str(FOLDER / "make_notebooks.py")]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 1
    assert process.stderr == ("error: jupytext is not installed: pip install -e '.[notebook]'\n")
