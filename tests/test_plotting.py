"""What the pictures show, read back from the figure; and that saving needs no display."""

import io

import numpy as np
import pytest

from tinycnn import History
from tinycnn.plotting import plot_history, plot_reading


@pytest.fixture
def history():
    history = History()
    for epoch in range(3):
        values = {"accuracy": 0.8, "loss": 0.5, "val_accuracy": 0.7, "val_loss": 0.6}
        history.on_epoch_end(epoch, {name: value + epoch for name, value in values.items()})
    return history


def test_history_curves_show_the_numbers(history):
    figure = plot_history(history, "data and model")
    accuracy, loss = figure.axes
    for axes, name, first in ((accuracy, "accuracy", (0.8, 0.7)), (loss, "loss", (0.5, 0.6))):
        training, validation = axes.get_lines()
        assert list(training.get_xdata()) == [1, 2, 3]
        assert list(training.get_ydata()) == [first[0], first[0] + 1, first[0] + 2]
        assert list(validation.get_ydata()) == [first[1], first[1] + 1, first[1] + 2]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", name)
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["training", "validation"]
    assert figure.get_suptitle() == "data and model"


def test_history_without_validation_or_metrics():
    history = History()
    history.on_epoch_end(0, {"loss": 1.0})
    (axes,) = plot_history(history).axes
    assert len(axes.get_lines()) == 1


def test_saving_needs_no_display(history, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    file = io.BytesIO()
    plot_history(history).savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_a_reading_shows_the_picture_the_input_and_the_probabilities():
    picture, image = np.arange(12).reshape(3, 4), np.arange(4).reshape(2, 2)
    figure = plot_reading(picture, image, np.array([0.2, 0.7, 0.1]), ["a", "b", "c"], "title")
    original, seen, answer = figure.axes
    np.testing.assert_array_equal(original.get_images()[0].get_array(), picture)
    np.testing.assert_array_equal(seen.get_images()[0].get_array(), image)
    assert (original.get_title(), seen.get_title()) == ("picture, 4 x 3", "network's input, 2 x 2")
    assert [bar.get_height() for bar in answer.patches] == [0.2, 0.7, 0.1]
    colours = [bar.get_facecolor() for bar in answer.patches]
    assert colours[0] == colours[2] != colours[1]
    assert figure.get_suptitle() == "title"
