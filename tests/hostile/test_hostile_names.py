"""Names that are not words: dollars, control characters, bytes that are not UTF-8."""

import os
import subprocess
import sys

import numpy as np
import pytest
import test_plotting
from matplotlib.text import Text
from PIL import Image
from test_examples import ROOT, run

from tinycnn import (
    Conv2D,
    Dense,
    Flatten,
    History,
    Input,
    ModelFileError,
    Sequential,
    load_model,
    plotting,
)
from tinycnn.plotting.figures import plain
from tinycnn.support import serialization

pytestmark = pytest.mark.usefixtures("numpy_rung")

NAMES = {
    "a formula that is none": "x$_{",
    "two dollars": "5$ or 6$",
    "a formula": "$x^2$",
    "a backslash": "\\frac{$",
    "no UTF-8": os.fsdecode(b"sieben\xff"),
    "a lone surrogate": "\ud800",
    "umlauts": "Grüße",
}
each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def drawn(figure):
    """All texts of a figure, as they are drawn."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("picture", test_plotting.FIGURES)
def test_a_title_is_drawn_to_the_letter(picture):
    title = " ".join(NAMES.values())  # an odd number of dollars, and much else
    texts = drawn(test_plotting.FIGURES[picture](title))
    assert any(plain(title) in text for text in texts)


@each_name
def test_names_of_layers_classes_and_metrics_are_drawn_to_the_letter(name):
    reading = (np.zeros((9, 9)), np.zeros((28, 28)), np.array([0.3, 0.7]))
    history = History()
    history.on_epoch_end(0, {"accuracy": 0.5, "loss": 1.0})
    image = np.zeros((8, 8, 1))
    for figure in (
        plotting.plot_reading(*reading, [name, "other"]),
        plotting.plot_filters(np.ones((3, 3, 1, 2)), layer=name),
        plotting.plot_feature_maps(image, np.ones((1, 4, 4, 2)), layer=name),
        plotting.plot_augmentation(image, {name: np.zeros((2, 8, 8, 1))}),
        plotting.plot_history(history, name),
    ):
        assert any(plain(name) in text for text in drawn(figure))


def test_plain_text_is_what_matplotlib_shows():
    from matplotlib.figure import Figure

    figure = Figure()
    text = figure.text(0, 0, plain(r"5$ or $6"))
    assert text._preprocess_math(text.get_text()) == (r"5$ or $6", False)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A model file that reads digits, after a fashion."""
    path = tmp_path_factory.mktemp("reader") / "model.npz"
    Sequential([Input((28, 28, 1)), Flatten(), Dense(10, activation="softmax")], seed=0).save(path)
    return path


@each_name
def test_a_picture_of_any_name_is_read(name, reader, tmp_path):
    if name == "\ud800":
        pytest.skip("no file system has such a name")
    pixels = np.full((60, 60), 255, np.uint8)
    pixels[10:50, 28:32] = 0
    path = tmp_path / f"{name.replace('/', '_')}.png"
    Image.fromarray(pixels).save(path)
    process = run(
        "classify_my_digit.py", path, "--model", reader, home=tmp_path, TINYCNN_KERNELS="numpy"
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    assert "wrote " in process.stdout


ESCAPES = ["\x1b]0;owned\x07", "a\x1b[2Jb", "bell\x07", "two\nlines", "\x9b31m"]


@pytest.mark.parametrize("name", [*ESCAPES, "a/b", "", "x" * 201, 7])
@pytest.mark.parametrize("make", [lambda n: Dense(2, name=n), lambda n: Sequential(name=n)])
def test_a_name_that_no_file_or_terminal_can_bear_is_refused_when_it_is_set(make, name):
    with pytest.raises(ValueError, match=r"^`name` must ") as told:
        make(name)
    assert str(told.value).isprintable()


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_was_assigned_is_refused_by_the_model(name):
    layer = Dense(2)
    layer.name = name
    with pytest.raises(ValueError, match=r"^`name` must "):
        Sequential([layer])


@pytest.mark.parametrize("what", ["layer", "model", "class", "keyword", "array"])
@pytest.mark.parametrize("name", ESCAPES)
def test_escape_codes_in_a_model_file_never_reach_the_terminal(what, name, tmp_path):
    model, path = (
        Sequential([Conv2D(2, 2, name="innocent", input_shape=(4, 4, 1))]),
        tmp_path / "m.npz",
    )
    model.compile("sgd", "mse")
    content, arrays = model.state()
    if what == "layer":
        content["layers"][0]["config"]["name"] = name
    elif what == "model":
        content["name"] = name
    elif what == "class":
        content["layers"][0]["class"] = name
    elif what == "keyword":
        content["layers"][0]["config"][name] = 1
    else:
        arrays[f"weights/innocent/{name}"] = np.zeros(1)
    try:
        serialization.write(path, content, arrays)
    except ValueError as error:  # our own writer refuses the name of an array
        assert what == "array"
        assert str(error).isprintable()
        return
    with pytest.raises(ModelFileError) as told:
        load_model(path)
    assert str(told.value).isprintable()


def test_warnings_and_names_under_python_oo(tmp_path):
    code = "import tinycnn.gradient_check, tinycnn.plotting, tinycnn.datasets.mnist"
    subprocess.run([sys.executable, "-OO", "-W", "error", "-c", code], check=True, cwd=ROOT)
