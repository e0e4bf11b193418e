"""Precision, recall, F1, top-k, the confusion matrix, losses as metrics."""

import copy
import doctest
import json

import numpy as np
import pytest

from tinycnn import (
    Callback,
    Checkpoint,
    Dense,
    History,
    Input,
    Sequential,
    load_model,
    metrics,
)
from tinycnn.callbacks import CSVLogger, EarlyStopping
from tinycnn.metrics import (
    METRICS,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    ConfusionMatrix,
    EpochMeans,
    F1Score,
    KLDivergence,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Precision,
    Recall,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from tinycnn.plotting import plot_history

pytestmark = pytest.mark.usefixtures("numpy_rung")

# Three samples of three classes; the highest outputs are of the classes 0, 1 and 1.
Y = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]])
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3]])

# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (CategoricalAccuracy(), 2 / 3),
        (TopKCategoricalAccuracy(k=1), 2 / 3),
        (TopKCategoricalAccuracy(k=2), 1.0),
        (Precision(), 1 / 2),  # above 0.5 are 0.7, right, and 0.6, wrong
        (Precision(thresholds=0.35), 2 / 3),
        (Precision(thresholds=0.3), 2 / 3),  # what equals the threshold is not above it
        (Precision(thresholds=0.65), 1.0),
        (Precision(thresholds=1.0), 0.0),  # 0 of 0
        (Precision(top_k=1), 2 / 3),
        (Precision(top_k=2), 3 / 6),  # of the equal 0.3 in the third sample the first
        (Precision(top_k=2, thresholds=0.35), 2 / 3),
        (Precision(class_id=1), 0.0),
        (Precision(class_id=1, thresholds=0.35), 1 / 2),
        (Recall(), 1 / 3),
        (Recall(thresholds=0.35), 2 / 3),
        (Recall(top_k=2), 1.0),
        (Recall(class_id=2), 0.0),
        (Recall(class_id=2, thresholds=0.25), 1.0),
        (MeanSquaredError(), (0.14 + 0.86 + 0.54) / 9),
        (MeanAbsoluteError(), (0.6 + 1.4 + 1.2) / 9),
        (CategoricalCrossentropy(), -np.log(0.7 * 0.3 * 0.4) / 3),
        (CategoricalCrossentropy(from_logits=True), np.mean(np.log(np.exp(P).sum(1)) - P[Y > 0])),
        (KLDivergence(), -np.log(0.7 * 0.3 * 0.4) / 3),
        (BinaryAccuracy(), (3 + 1 + 2) / 9),
        (BinaryAccuracy(threshold=0.35), (3 + 1 + 3) / 9),
    ],
)
def test_of_one_hot_targets(metric, value):
    # Targets of 0 cost the divergence 1e-7 * log(1e-7 / p): some 1e-6.
    tolerance = 1e-5 if isinstance(metric, KLDivergence) else 1e-14
    assert metric(Y, P) == pytest.approx(value, rel=tolerance)
    assert metric(Y.tolist(), P.tolist()) == pytest.approx(value, rel=1e-5)  # as float32
    assert metric.direction in ("min", "max")


def test_integer_targets():
    labels = Y.argmax(axis=1)
    for y in (labels, labels[:, None], labels.astype(float)):
        assert SparseCategoricalAccuracy()(y, P) == 2 / 3
        assert SparseTopKCategoricalAccuracy(k=2)(y, P) == 1.0
        assert SparseCategoricalCrossentropy()(y, P) == pytest.approx(
            CategoricalCrossentropy()(Y, P)
        )
        np.testing.assert_array_equal(ConfusionMatrix()(y, P), ConfusionMatrix()(Y, P))


def test_one_output():
    y, p = np.array([1, 0, 0, 1]), np.array([[0.9], [0.6], [0.1], [0.8]])
    for targets in (y, y[:, None]):
        assert BinaryAccuracy()(targets, p) == 0.75
        assert Precision()(targets, p) == 2 / 3
        assert Recall()(targets, p) == 1.0
        np.testing.assert_array_equal(ConfusionMatrix()(targets, p), [[1, 1], [0, 2]])


def test_top_k_as_tensorflow_has_it():
    scores = np.array([[0.4, 0.4, 0.4], [np.nan, 1, 0], [np.inf, 1, 0], [0.1, 0.2, 0.7]])
    found = metrics.sparse_top_k_categorical_accuracy([2, 1, 1, 5], scores, k=1)
    # A tie counts for the target; no score may be NaN or infinite; there is no class 5.
    np.testing.assert_array_equal(found, [1, 0, 0, 0])


def test_f1_by_hand():
    # Highest outputs: classes 0, 1, 1 of samples 0, 2, 1. TP 1, 1, 0; FP 0, 1, 0; FN 0, 0, 1.
    scores = [1.0, 2 / 3, 0.0]
    np.testing.assert_allclose(F1Score()(Y, P), scores, atol=3e-7)  # Keras's epsilons of 1e-7
    assert F1Score("macro")(Y, P) == pytest.approx(5 / 9, abs=3e-7)
    assert F1Score("weighted")(Y, P) == pytest.approx(5 / 9, abs=3e-7)  # a sample of each class
    assert F1Score("weighted")(Y[:2], P[:2]) == pytest.approx(1 / 2, abs=3e-7)
    assert F1Score("micro")(Y, P) == pytest.approx(2 / 3, abs=3e-7)  # TP 2, FP 1, FN 1
    # Above 0.35: classes 0, 1, 1
    np.testing.assert_allclose(F1Score(threshold=0.35)(Y, P), scores, atol=3e-7)
    np.testing.assert_allclose(F1Score(threshold=0.25)(Y, P), [2 / 3, 2 / 3, 2 / 3], atol=3e-7)


def test_the_confusion_matrix_by_hand():
    matrix = ConfusionMatrix()(Y, P)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [0, 1, 0], [0, 1, 0]])


# --- several batches ------------------------------------------------------------------------------

OBJECTS = [
    Precision(),
    Recall(class_id=0),
    F1Score("macro"),
    F1Score("micro", threshold=0.5),
    ConfusionMatrix(),
    CategoricalAccuracy(),
    TopKCategoricalAccuracy(2),
    KLDivergence(),
    Metric("first", lambda y_true, y_pred: y_pred[:, 0].mean()),
]
rng = np.random.default_rng(0)
MANY, CHANCES = np.eye(4)[rng.integers(4, size=23)], rng.dirichlet(np.ones(4), 23)


@pytest.mark.parametrize("metric", OBJECTS, ids=repr)
def test_batches_are_added_up(metric):
    metric.reset_state()
    assert metric.result() == 0
    whole, part = copy.copy(metric), copy.copy(metric)
    for start, end in ((0, 5), (5, 6), (6, 23)):
        metric.update_state(MANY[start:end], CHANCES[start:end])
    # Sums of 23 numbers in two orders.
    np.testing.assert_allclose(metric.result(), whole(MANY, CHANCES), rtol=1e-13)
    metric.reset_state()
    metric.update_state(MANY[:3], CHANCES[:3])
    np.testing.assert_array_equal(metric.result(), part(MANY[:3], CHANCES[:3]))
    metric.reset_state()


def test_a_precision_is_no_mean_over_batches():
    means = EpochMeans([Precision()])
    means.add(1.0, np.ones((1, 1)), np.full((1, 1), 0.9))  # 1 of 1
    logs = means.add(1.0, np.zeros((1, 3)), np.full((1, 3), 0.9))  # 0 of 3
    assert logs == {"precision": 0.25, "loss": 1.0}
    assert EpochMeans([Precision()]).result() == {"precision": 0.0, "loss": 0.0}


# --- in fit ---------------------------------------------------------------------------------------


def model(chosen, seed=0):
    made = Sequential([Input((5,)), Dense(4, activation="softmax")], seed=seed)
    made.compile("adam", "categorical_crossentropy", metrics=chosen)
    return made


X = np.random.default_rng(1).standard_normal((23, 5))
EVERYTHING = [
    "accuracy",
    "mse",
    Precision(),
    Recall(thresholds=0.25, name="caught"),
    F1Score("macro"),
    TopKCategoricalAccuracy(2, name="top_2"),
    BinaryCrossentropy(label_smoothing=0.1),
    F1Score(name="scores"),
    ConfusionMatrix(),
    metrics.categorical_accuracy,
    metrics.huber,
]
NAMES = ["accuracy", "mse", "precision", "caught", "f1_score", "top_2", "binary_crossentropy"]
NAMES += ["scores", "confusion_matrix", "categorical_accuracy", "huber"]


def test_metrics_of_an_epoch_are_those_of_all_its_samples(tmp_path, capsys):
    hooks = [EarlyStopping("val_f1_score", patience=9), CSVLogger(tmp_path / "log.csv")]
    made = model(EVERYTHING)
    data = (X, MANY)
    history = made.fit(*data, 7, epochs=2, verbose=2, validation_data=data, callbacks=hooks).history
    assert list(history) == [*NAMES, "loss", *(f"val_{name}" for name in (*NAMES, "loss"))]
    loss, *values = made.evaluate(*data, batch_size=4, verbose=0)
    predicted = made.predict(X, verbose=0)
    for metric, value in zip(made.metrics, values, strict=True):
        np.testing.assert_allclose(value, metric(MANY, predicted), rtol=1e-6)
        np.testing.assert_allclose(history[f"val_{metric.name}"][-1], value, rtol=1e-6)
    assert hooks[0].best == max(history["val_f1_score"])
    matrices = history["confusion_matrix"]
    assert [m.shape for m in matrices] == [(4, 4)] * 2 and matrices[0].sum() == 23
    titles = [axes.get_title() for axes in plot_history(made_history(history)).axes]
    assert "Confusion_matrix" not in titles and "Scores" not in titles and "Precision" in titles
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert len(lines) == 3 and str(matrices[0].tolist()) in lines[1]
    assert "confusion_matrix: [[" in capsys.readouterr().out


def made_history(history):
    made = History()
    made.history, made.epoch = history, [0, 1]
    return made


def test_a_resumed_training_counts_on(tmp_path):
    def trained(epochs, resume, hooks=()):
        checkpoint = Checkpoint(tmp_path / "checkpoint.npz", 0, resume=resume)
        made = model(EVERYTHING)
        return made.fit(X, MANY, 7, epochs, 0, [checkpoint, *hooks], validation_split=0.2).history

    whole = trained(3, resume=False)

    class Interrupted(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1 and self.model.epochs_trained == 1:
                raise KeyboardInterrupt

    # Behind the checkpoint, which has just been written in the middle of the second epoch.
    with pytest.raises(KeyboardInterrupt):
        trained(3, resume=False, hooks=[Interrupted()])
    resumed = trained(3, resume=True)
    assert list(resumed) == list(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values)


# --- in a file ------------------------------------------------------------------------------------


def test_metrics_are_saved_with_their_model(tmp_path, capsys):
    chosen = [m for m in EVERYTHING if m is not metrics.huber]
    made = model([*chosen, "huber", "acc", "Precision", "MAE"])
    made.save(tmp_path / "model.npz")
    assert capsys.readouterr().err == ""
    again = load_model(tmp_path / "model.npz")
    assert again.metrics == made.metrics
    assert [metric.get_config() for metric in again.metrics] == [
        metric.get_config() for metric in made.metrics
    ]
    values = [each.evaluate(X, MANY, verbose=0) for each in (made, again)]
    for one, other in zip(*values, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", METRICS)
def test_every_name_is_taken_and_logged_as_it_is(name):
    made = model([name])
    sparse = "sparse" in name.lower()
    if sparse:
        made.compile("sgd", "sparse_categorical_crossentropy", metrics=[name])
    y = MANY.argmax(axis=1) if sparse else MANY
    history = made.fit(X, y, verbose=0).history
    assert list(history) == [name, "loss"]
    assert json.loads(json.dumps(metrics.described(made.metrics[0]))) == name


def test_metrics_differ_by_their_settings():
    assert Precision() == Precision() != Precision(0.3)
    assert Precision() != Recall() and Precision() != "precision"
    assert F1Score("macro") != F1Score() and len({Precision(), Precision()}) == 1
    assert Mean("a", np.add) == Mean("a", np.add) != Mean("a", np.subtract)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Precision(1.5), r"`thresholds` must be in \[0, 1\]. Received: thresholds=1.5"),
        (lambda: Precision([0.1, 0.2]), r"`thresholds` must be .* Received: thresholds=\[0.1, 0.2"),
        (lambda: Recall(top_k=0), "`top_k` must be a positive integer. Received: top_k=0"),
        (lambda: Recall(class_id=-1), "`class_id` must be an integer >= 0. Received: class_id=-1"),
        (lambda: Recall(class_id=3)(Y, P), "must be below the 3 classes .* class_id=3"),
        (
            lambda: F1Score("mean"),
            "`average` must be 'micro', 'macro', .* Received: average='mean'",
        ),
        (lambda: F1Score(threshold=-1), "threshold=-1"),
        (lambda: TopKCategoricalAccuracy(0), "`k` must be a positive integer. Received: k=0"),
        (lambda: BinaryAccuracy(threshold="a"), "threshold='a'"),
        (lambda: Precision(name=""), "a metric's name must be printable text"),
        (lambda: Precision()([0, 1, 1], P), r"shape \(N, 3\).*to_categorical. Received.*\(3,\)"),
        (lambda: F1Score()([0, 1, 1], P), r"to_categorical. Received"),
        (lambda: F1Score()(Y[None], P[None]), r"predictions of shape \(N, K\)"),
        (lambda: SparseCategoricalAccuracy()(Y, P), r"class numbers, .*\(N,\). Received.*\(3, 3\)"),
        (lambda: CategoricalAccuracy()(Y[:2], P), "equally many samples. Received: shapes"),
        (lambda: ConfusionMatrix()([0, 1, 3], P), "class numbers 0 to 2, .* from 0 to 3"),
        (lambda: ConfusionMatrix()([0, 0.5, 1], P), "class numbers 0 to 2"),
        (lambda: model([Precision]), r"not its class: write Precision\(\)"),
        (lambda: model(["precison"]), "unknown metrics; known are 'accuracy'.*'precison'"),
        (lambda: model([Precision(), Precision(0.3)]), "a name of its own.*: precision, precision"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_method_that_would_never_be_called_is_refused():
    with pytest.raises(
        TypeError, match=r"Mine\.update_state would never be called; write statistics"
    ):

        class Mine(Metric):
            def update_state(self, y_true, y_pred):
                pass

    with pytest.raises(TypeError, match="Precision has no argument `threshold`; write thresholds"):
        Precision(threshold=0.3)


def test_sums_that_do_not_fit_are_refused():
    means = EpochMeans([Precision(), ConfusionMatrix()])
    good = [["precision", 1.0, 2.0], ["confusion_matrix"], ["loss", 0.5, 2]]
    means.set_state(good)
    assert means.result()["precision"] == 0.5
    for name, values in (
        ("loss", [1.0]),
        ("loss", [1.0, -1]),
        ("loss", [1.0, 2**53]),
        ("loss", ["a", 1]),
        ("precision", [float("nan"), 1.0]),
    ):
        bad = [[n, *(values if n == name else old)] for n, *old in good]
        with pytest.raises(ValueError, match=f"{name}|a sum"):
            means.set_state(bad)
    with pytest.raises(ValueError, match="its means are of precision, loss"):
        means.check_state([good[0], good[2]])
    means.set_state([good[0], ["confusion_matrix", 1.0, 2.0], good[2]])
    with pytest.raises(ValueError, match="'confusion_matrix' have changed their size, from 2 to 9"):
        means.add(0.5, Y, P)


@pytest.mark.parametrize("module", [metrics.base, metrics.means, metrics.counts])
def test_the_examples_of_the_docstrings(module):
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted and not result.failed


def test_a_call_adds_a_batch_as_in_keras():
    metric = CategoricalAccuracy()
    assert metric([[0, 1]], [[0.2, 0.8]]) == 1.0
    assert metric([[0, 1]], [[0.8, 0.2]]) == 0.5
    assert metric.result() == 0.5 and metric.result().numpy() == np.float32(0.5)
    metric.reset_state()
    assert metric.result().numpy() == 0.0


def test_a_mean_without_a_function_takes_the_values_themselves():
    mean = Mean(name="train_loss")
    mean.update_state(2.0)
    assert mean([4.0, 6.0]) == 4.0 and mean.result().numpy() == 4.0
    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse", metrics=[mean])
    with pytest.raises(TypeError, match="takes the values themselves"):
        model.test_on_batch(np.zeros((3, 2)), np.zeros((3, 1)))


def test_a_metric_by_name_keeps_no_batches_of_another_model():
    models = [Sequential([Input((2,)), Dense(1)]) for _ in range(2)]
    for model in models:
        model.compile("sgd", "mse", metrics=["mae"])
    models[0].metrics[0]([[1.0]], [[0.0]])
    assert models[1].metrics[0].result() == 0.0 and models[0].metrics[0].result() == 1.0
    assert models[0].metrics[0] == models[1].metrics[0]
