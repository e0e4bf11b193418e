"""Accuracy: what is right, and by which name it goes."""

import numpy as np
import pytest

from tinycnn import Checkpoint, Dense, Input, Sequential, load_model
from tinycnn.callbacks import CSVLogger, EarlyStopping
from tinycnn.metrics import accuracy
from tinycnn.plotting import plot_history

pytestmark = pytest.mark.usefixtures("numpy_rung")


def test_a_single_output_is_right_where_it_is_the_label():
    # 3.3 says 1, and one label of ten is 1. Only the prediction is a matter of a threshold.
    assert accuracy(np.arange(10.0)[:, None], np.full((10, 1), 3.3)) == 0.1
    assert accuracy(np.array([0.0, 1.0, 0.7, 2.0]), np.array([[0.2], [0.9], [0.8], [0.9]])) == 0.5
    assert accuracy(np.array([True, False]), np.array([[0.51], [0.5]])) == 1.0


@pytest.fixture
def fitted(tmp_path):
    def fit(metrics, **arguments):
        model = Sequential([Input((2,)), Dense(2, activation="softmax")], seed=0)
        model.compile("sgd", "categorical_crossentropy", metrics=metrics)
        rng = np.random.default_rng(0)
        x, y = rng.random((8, 2)), np.eye(2)[rng.integers(2, size=8)]
        return model, model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), **arguments)

    return fit


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_the_logs_use_the_name_that_was_given(name, fitted, tmp_path, capsys):
    hooks = [
        EarlyStopping(f"val_{name}", patience=5),
        CSVLogger(tmp_path / "log.csv"),
        Checkpoint(tmp_path / "checkpoint.npz", 0),
    ]
    model, history = fitted([name], callbacks=hooks)
    assert sorted(history.history) == sorted([name, "loss", f"val_{name}", "val_loss"])
    assert hooks[0].best == max(history.history[f"val_{name}"])  # "auto" knows that it should rise
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert header == ",".join(["epoch", *sorted(history.history)])
    titles = [axes.get_title() for axes in plot_history(history).axes]
    assert titles == [name.capitalize(), "Loss"]
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").metrics == [name]
    hooks = [
        EarlyStopping(f"val_{name}", patience=5),
        Checkpoint(tmp_path / "checkpoint.npz", 0, resume=True),
    ]
    _, resumed = fitted([name], callbacks=hooks)
    assert resumed.history == history.history
    x = np.zeros((3, 2))
    loss, value = model.evaluate(x, np.eye(2)[[0, 0, 1]], verbose=2)
    line = capsys.readouterr().out.splitlines()[-1]
    assert f"{name}: {value:.4f}" in line
    assert f"loss: {loss:.4f}" in line
