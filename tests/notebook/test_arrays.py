"""Arrays side by side, as a picture and as text; the live line of a notebook."""

import contextlib
import sys
import types
from unittest import mock

import numpy as np
import pytest

from tinycnn.plotting import plot_arrays, show_arrays
from tinycnn.plotting.arrays import text_map
from tinycnn.support import console, progress

MINUS = "\u2212"


def numbers_in(axes):
    """{(row, column): text} of the numbers that are written into the cells."""
    return {
        (round(text.get_position()[1]), round(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }


def test_the_picture_has_every_number_in_its_cell():
    figure = plot_arrays({"x": [[1, -2], [3, 40]], "y": [0.5, 0.25]}, "a title")
    x, y = figure.axes
    assert x.get_title("left") == "x" and figure.get_suptitle() == "a title"
    assert numbers_in(x) == {(0, 0): "1", (0, 1): f"{MINUS}2", (1, 0): "3", (1, 1): "40"}
    assert numbers_in(y) == {(0, 0): "0.5", (0, 1): "0.25"}
    assert np.array_equal(x.images[0].get_array(), [[1, -2], [3, 40]])


def test_an_image_has_no_numbers_and_is_dark_where_it_is_large():
    image = np.zeros((28, 28, 1))
    image[3, 4] = 1
    (axes,) = plot_arrays({"image": image}).axes
    assert not axes.texts
    colors = axes.images[0].cmap(axes.images[0].norm(image[..., 0]))
    assert colors[3, 4, :3].max() == 0 and colors[0, 0, :3].min() == 1


def test_blue_is_above_zero_and_orange_below_on_one_scale():
    (axes,) = plot_arrays({"x": [[-1.0, 0.0, 2.0]]}).axes
    image = axes.images[0]
    orange, white, blue = image.cmap(image.norm(np.array([-1.0, 0.0, 2.0])))[:, :3]
    assert white.min() > 0.98
    assert orange[0] > orange[2] and blue[2] > blue[0]
    assert image.norm.vmin == -image.norm.vmax


def test_the_text_of_numbers():
    text = text_map({"x": [[1, -2], [3, 40]], "y": [[0.5], [1 / 3]]}, "a title")
    assert text.splitlines() == ["a title", "x      y", " 1 -2    0.5", " 3 40  0.333"]


@pytest.mark.parametrize("value", [-0.0, -1e-30, 0.0])
def test_a_zero_has_no_sign(value):
    assert text_map({"x": [[value + 0.0, 0.5]]}).splitlines()[1].split()[0] in ("0", "-1e-30")


def test_shades_of_an_image_grow_with_its_numbers_and_tell_the_sign():
    image = np.zeros((3, 20))
    image[0, :5] = [0.2, 0.4, 0.6, 0.8, 1.0]
    image[1, :5] = -image[0, :5]
    lines = text_map({"image": image}).splitlines()
    assert lines == ["image", "..::++##@@", "''--~~==%%"]


def test_what_does_not_fit_beside_goes_below():
    image = np.ones((15, 28))
    lines = text_map({"a": image, "b": image}).splitlines()
    assert [line for line in lines if line in "ab"] == ["a", "b"]
    assert max(map(len, lines)) <= 100
    side = text_map({"a": np.ones((15, 20)), "b": np.ones((15, 20))}).splitlines()
    assert side[0].split() == ["a", "b"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "`arrays` must name at least one array. Received: none"),
        ({"x": []}, r"`x` must hold numbers. Received: \[\]"),
        ({"x": ["a"]}, r"`x` must hold numbers. Received: \['a'\]"),
        ({"x": [1j]}, "`x` must hold numbers"),
        ({"x": np.ones((2, 2, 2))}, r"x\[0, :, :, 0\]. Received: an array of shape \(2, 2, 2\)"),
    ],
)
def test_what_can_not_be_shown(arrays, words):
    for show in (plot_arrays, show_arrays, text_map):
        with pytest.raises(ValueError, match=words):
            show(arrays)


def test_not_a_number_is_shown_as_such():
    assert text_map({"x": [[np.nan, 1.0, np.inf]]}).splitlines()[1].split() == ["nan", "1", "inf"]
    assert numbers_in(plot_arrays({"x": [[np.nan, 1.0]]}).axes[0])[0, 0] == "nan"


def test_a_terminal_gets_the_text(capsys):
    show_arrays({"x": [[1, 2]]})
    assert capsys.readouterr().out == "x\n1 2\n"


@contextlib.contextmanager
def notebook():
    """(what is displayed, what is printed): stdout is, by its class, that of a kernel."""
    shown, printed = [], []
    kernel = type("OutStream", (), {"__module__": "ipykernel.iostream"})()
    kernel.write = printed.append
    display = types.SimpleNamespace(display=shown.append)
    ipython = mock.patch.dict(sys.modules, IPython=types.SimpleNamespace(display=display))
    with ipython, contextlib.redirect_stdout(kernel):
        yield shown, printed


def test_a_notebook_gets_the_picture():
    with notebook() as (shown, printed):
        show_arrays({"x": [[1, 2]]})
    (figure,) = shown
    png, metadata = figure._repr_png_()
    assert png.startswith(b"\x89PNG") and metadata == {"alt": "x"}
    assert printed == []


def test_a_notebook_without_matplotlib_gets_the_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with notebook() as (shown, printed):
        show_arrays({"x": [[1, 2]]})
    assert shown == [] and printed == ["x\n1 2\n"]


# --- the live line --------------------------------------------------------------------------------


def test_a_shorter_line_covers_the_longer_one_before_it():
    with notebook() as (_, printed):
        console.redraw("twelve chars")
        console.redraw("four")
        console.say_above("end")
        console.say_above("after it")
    assert printed == ["\rtwelve chars", "\rfour        ", "\rend \n", "\rafter it\n"]


def test_the_line_of_an_epoch_is_redrawn_in_a_notebook_five_times_a_second_at_most(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    with notebook() as (_, printed):
        line = progress.EpochLine("Epoch 1/2", 100, live=console.is_live("auto"))
        for step in range(1, 101):
            now[0] += 0.01
            line.update(step, {"loss": 0.5})
        line.finish({"loss": 0.5})
    assert printed[0] == "Epoch 1/2\n"
    assert 4 <= len(printed) - 2 <= 6  # one second
    assert all(text.startswith("\r") and "\x1b" not in text for text in printed[1:])
    assert printed[-1].startswith("\r100/100 ====================")


@pytest.mark.parametrize(("verbose", "live"), [("auto", True), (1, True), (2, False)])
def test_which_verbose_is_live_in_a_notebook(verbose, live):
    with notebook():
        assert console.is_live(verbose) == live
    assert not console.in_notebook()
