"""Metrics beside live Keras: objects over several batches, functions, and in fit and evaluate.

python -m pytest -m reference tests/test_keras_metrics.py
"""

import functools
import os

import numpy as np
import pytest

from tinycnn import Sequential, layers, metrics

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("numpy_rung")]

# Keras's counts and sums are float32: some rounding of sums and quotients.
TOLERANCE = 2e-6


@functools.cache
def import_keras():
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    return pytest.importorskip("keras", reason="no Keras")


def fresh_keras():
    """Keras, whose automatic names begin anew: "precision", not "precision_7"."""
    keras = import_keras()
    keras.utils.clear_session()
    return keras


rng = np.random.default_rng(0)
LABELS = rng.integers(6, size=41)
LABELS[LABELS == 4] = 1  # a class that never occurs
ONE_HOT = np.eye(6, dtype="float32")[LABELS]
MANY = rng.integers(2, size=(41, 6)).astype("float32")
P = rng.dirichlet(np.ones(6), 41).astype("float32")
# Few values: equal scores, thresholds that are met, and rows of zeros.
TIES = (rng.integers(0, 5, (41, 6)) / 4).astype("float32")
TIES[3] = 0
ONE, ONE_P = MANY[:, :1], P[:, :1] * 2

CASES = [
    *(
        (name, arguments, targets, predictions)
        for name in ("Precision", "Recall")
        for arguments in (
            {},
            {"thresholds": 0.25},
            {"top_k": 2},
            {"top_k": 3, "thresholds": 0.25},
            {"class_id": 1},
            {"class_id": 4},
            {"class_id": 2, "top_k": 2},
            {"thresholds": 0.0},
            {"thresholds": 1.0},
        )
        for targets, predictions in (("ONE_HOT", "P"), ("MANY", "TIES"))
    ),
    *((name, {}, "ONE", "ONE_P") for name in ("Precision", "Recall", "BinaryAccuracy")),
    *(
        ("F1Score", {"average": average, "threshold": threshold}, targets, predictions)
        for average in (None, "micro", "macro", "weighted")
        for threshold in (None, 0.25)
        for targets, predictions in (("ONE_HOT", "P"), ("MANY", "TIES"))
    ),
    *(
        ("TopKCategoricalAccuracy", {"k": k}, "ONE_HOT", predictions)
        for k in (1, 3, 5)
        for predictions in ("P", "TIES")
    ),
    *(
        ("SparseTopKCategoricalAccuracy", {"k": k}, "LABELS", predictions)
        for k in (1, 3, 9)
        for predictions in ("P", "TIES")
    ),
    *(("CategoricalAccuracy", {}, "ONE_HOT", predictions) for predictions in ("P", "TIES")),
    ("SparseCategoricalAccuracy", {}, "LABELS", "TIES"),
    ("BinaryAccuracy", {"threshold": 0.25}, "MANY", "TIES"),
    *((name, {}, "MANY", "P") for name in ("MeanSquaredError", "MeanAbsoluteError")),
    ("KLDivergence", {}, "ONE_HOT", "P"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "MANY", "TIES"),
    ("BinaryCrossentropy", {"from_logits": True}, "MANY", "TIES"),
    ("CategoricalCrossentropy", {}, "ONE_HOT", "P"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "ONE_HOT", "TIES"),
    ("SparseCategoricalCrossentropy", {}, "LABELS", "P"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "LABELS", "P"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_over_several_batches(case):
    keras = fresh_keras()
    name, arguments, targets, predictions = case
    y, p = globals()[targets], globals()[predictions]
    ours, theirs = (getattr(m, name)(**arguments) for m in (metrics, keras.metrics))
    assert ours.name == theirs.name
    assert ours.direction == {"up": "max", "down": "min"}.get(theirs._direction, ours.direction)
    for start, end in ((0, 16), (16, 17), (17, 41)):
        for metric in (ours, theirs):
            metric.update_state(y[start:end], p[start:end])
        np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), atol=TOLERANCE)
    for metric in (ours, theirs):
        metric.reset_state()
    np.testing.assert_allclose(ours(y, p), np.asarray(theirs(y, p)), atol=TOLERANCE)


FUNCTIONS = {
    "categorical_accuracy": ("ONE_HOT", {}),
    "sparse_categorical_accuracy": ("LABELS", {}),
    "binary_accuracy": ("MANY", {"threshold": 0.25}),
    "top_k_categorical_accuracy": ("ONE_HOT", {"k": 2}),
    "sparse_top_k_categorical_accuracy": ("LABELS", {"k": 2}),
    "mean_squared_error": ("MANY", {}),
    "mean_absolute_error": ("MANY", {}),
    "kl_divergence": ("ONE_HOT", {}),
    "huber": ("MANY", {"delta": 0.3}),
    "binary_crossentropy": ("MANY", {}),
    "categorical_crossentropy": ("ONE_HOT", {}),
    "sparse_categorical_crossentropy": ("LABELS", {}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    keras = import_keras()
    targets, arguments = FUNCTIONS[name]
    for predictions in (P, P + np.float32(0.5) * TIES):
        y = globals()[targets]
        ours = getattr(metrics, name)(y, predictions, **arguments)
        theirs = np.asarray(getattr(keras.metrics, name)(y, predictions, **arguments))
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)


# What `compile` is given, here and there: names, functions, objects.
GIVEN = {
    "names": lambda m: ["accuracy", "mse", "MAE", "precision", "Recall", "kl_divergence"],
    "classes by name": lambda m: ["CategoricalAccuracy", "TopKCategoricalAccuracy", "f1_score"],
    "functions": lambda m: [m.categorical_accuracy, m.mean_squared_error, m.huber],
    "objects": lambda m: [
        m.Precision(0.2),
        m.Recall(class_id=1),
        m.F1Score("macro"),
        m.F1Score(name="scores"),
        m.TopKCategoricalAccuracy(k=2, name="top_2"),
        m.CategoricalCrossentropy(),
    ],
}


@pytest.mark.parametrize("given", GIVEN)
def test_in_fit_and_evaluate(given):
    """The same weights and batches: the same history, with the same keys."""
    keras = fresh_keras()
    x = np.random.default_rng(1).standard_normal((41, 5)).astype("float32")
    ours = Sequential([layers.Input((5,)), layers.Dense(6, activation="softmax")], seed=0)
    theirs = keras.Sequential([keras.Input((5,)), keras.layers.Dense(6, activation="softmax")])
    theirs.set_weights(ours.get_weights())
    histories = []
    for model, chosen in ((ours, GIVEN[given](metrics)), (theirs, GIVEN[given](keras.metrics))):
        model.compile("sgd", "categorical_crossentropy", metrics=chosen)
        data = (x[30:], ONE_HOT[30:])
        histories.append(
            model.fit(
                x,
                ONE_HOT,
                batch_size=16,
                epochs=3,
                shuffle=False,
                verbose=0,
                validation_data=data,
            ).history
        )
    assert sorted(histories[0]) == sorted(histories[1])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, atol=1e-5, err_msg=name)
    results = [model.evaluate(x, ONE_HOT, batch_size=16, verbose=0) for model in (ours, theirs)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, np.asarray(other), atol=1e-5)
