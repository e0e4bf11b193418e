"""Accuracy: what is right, and by which name it goes; metrics of one's own."""

import numpy as np
import pytest

from tinycnn import Checkpoint, Dense, Input, ModelFileError, Sequential, load_model
from tinycnn.callbacks import CSVLogger, EarlyStopping
from tinycnn.metrics import METRICS, EpochMeans, Metric, accuracy, direction_of
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
    assert load_model(tmp_path / "model.npz").metrics == [METRICS[name]]
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


def error(y_true, y_pred):
    """The share that is wrong."""
    return 1 - accuracy(y_true, y_pred)


def test_metrics_of_ones_own_are_taken_everywhere(fitted, tmp_path):
    metrics = ["accuracy", error, Metric("wrong", error, "min")]
    names = ["accuracy", "error", "wrong", "loss"]
    hooks = [EarlyStopping("val_wrong", patience=5), CSVLogger(tmp_path / "log.csv")]
    model, history = fitted(metrics, callbacks=hooks)
    assert list(history.history) == [*names, *(f"val_{name}" for name in names)]
    right, wrong = (np.array(history.history[name]) for name in ("val_accuracy", "val_wrong"))
    np.testing.assert_allclose(wrong, 1 - right, atol=1e-15)  # one rounding of the difference
    assert history.history["wrong"] == history.history["error"]
    assert hooks[0].best == min(wrong)  # "auto" asks the object which way is better
    assert [axes.get_title() for axes in plot_history(history).axes] == [
        name.capitalize() for name in names
    ]
    x, y = np.zeros((3, 2)), np.eye(2)[[0, 0, 1]]
    loss, *values = model.evaluate(x, y, verbose=0)
    right = accuracy(y, model.predict(x, verbose=0))
    assert values == pytest.approx([right, 1 - right, 1 - right], abs=1e-15)  # one rounding
    assert model.test_on_batch(x, y) == pytest.approx([loss, *values], abs=1e-15)
    assert len(model.train_on_batch(x, y)) == 4


def test_a_metric_of_ones_own_is_not_saved_and_that_is_said(fitted, tmp_path, capsys):
    model, _ = fitted([Metric("wrong", error, "min")])
    model.save(tmp_path / "model.npz")
    assert "wrong can't be saved: compile the model again" in capsys.readouterr().err
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.fingerprint() == model.fingerprint() and loaded.loss is None


def test_a_resumed_training_has_metrics_of_ones_own(fitted, tmp_path):
    def trained(resume):
        hooks = [Checkpoint(tmp_path / "checkpoint.npz", resume=resume)]
        return fitted([Metric("wrong", error, "min")], callbacks=hooks)[1].history

    assert trained(resume=False) == trained(resume=True)
    with pytest.raises(ModelFileError, match=r"`metrics\[0\]` was 'wrong'"):
        fitted(["acc"], callbacks=[Checkpoint(tmp_path / "checkpoint.npz", resume=True)])


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (["accuracy", "accuracy"], "a name of its own.*Received: accuracy, accuracy"),
        ([error, error], "Received: error, error"),
        ([Metric("loss", error)], "not 'loss'"),
        ([Metric("val_wrong", error)], "does not begin with 'val_'"),
        ("accuracy", r"must be a list such as \['accuracy'\]. Received: metrics='accuracy'"),
        ({"a": "accuracy"}, "must be a list"),
        ([3], "unknown metrics; known are 'accuracy', .* metrics.METRICS, functions.* Received: 3"),
    ],
)
def test_what_is_no_list_of_metrics_is_refused(metrics, words):
    model = Sequential([Dense(2, input_shape=(2,))])
    with pytest.raises(ValueError, match=words):
        model.compile("sgd", "mse", metrics=metrics)
    assert model.optimizer is None


@pytest.mark.parametrize(
    "arguments", [("", error), ("a\x1b", error), (3, error), ("a", None), ("a", error, "up")]
)
def test_what_is_no_metric_is_refused(arguments):
    with pytest.raises(ValueError, match="a metric's"):
        Metric(*arguments)


@pytest.mark.parametrize("value", [None, "0.5", np.ones(3), True, 1j])
def test_a_metric_that_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="the metric 'odd' must return one number"):
        Metric("odd", lambda y_true, y_pred: value)(np.ones(3), np.ones((3, 1)))


def test_directions():
    names = ("loss", "val_loss", "acc", "val_accuracy", "wrong", "f1")
    assert [direction_of(name, [Metric("wrong", error, "min")]) for name in names] == [
        *("min", "min", "max", "max", "min"),
        None,
    ]


def test_batches_count_by_their_size():
    means = EpochMeans([Metric("first", lambda y_true, y_pred: y_pred[0, 0])])
    means.add(1.0, np.zeros((3, 1)), np.full((3, 1), 2.0))
    assert means.add(5.0, np.zeros((1, 1)), np.full((1, 1), 6.0)) == {"first": 3.0, "loss": 2.0}
