"""Against live Keras: which hooks are called, in which order and with what; what accuracy is right.

python -m pytest -m reference tests/test_keras_hooks.py
"""

import numpy as np
import pytest
from test_keras_live import import_keras

import tinycnn
from tinycnn.hooks import Hooks
from tinycnn.metrics import accuracy

pytestmark = pytest.mark.reference

HOOKS = [name for name in vars(Hooks) if name.startswith("on_")]
HOOKS += ["set_model", "set_params"]


def recorder(base):
    """A callback that notes every call: the hook, its number, and the names in its logs."""
    calls = []

    def noting(name):
        def hook(self, *arguments, **keywords):
            if name == "set_model":
                base.set_model(self, *arguments)
                calls.append((name,))
            elif name == "set_params":
                base.set_params(self, *arguments)
                calls.append((name, *sorted(set(arguments[0]) - {"verbose"})))
            else:
                given = [*arguments, *keywords.values()]
                numbers = [value for value in given if isinstance(value, int)]
                logs = [sorted(value) for value in given if isinstance(value, dict) and value]
                calls.append((name, *numbers, *logs))
                getattr(base, name)(self, *arguments, **keywords)

        return hook

    return type("Recorder", (base,), {name: noting(name) for name in HOOKS})(), calls


def calls_of(layers, sequential, base, use):
    model = sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["acc"])
    hook, calls = recorder(base)
    rng = np.random.default_rng(0)
    x, y = rng.random((10, 3)).astype("float32"), np.eye(2)[rng.integers(2, size=10)]
    use(model, x, y, hook)
    return calls


USES = {
    "fit": lambda m, x, y, h: m.fit(x, y, batch_size=4, epochs=2, callbacks=[h], verbose=0),
    "fit with validation": lambda m, x, y, h: m.fit(
        x, y, batch_size=4, epochs=2, callbacks=[h], verbose=0, validation_data=(x, y)
    ),
    "evaluate": lambda m, x, y, h: m.evaluate(x, y, batch_size=4, callbacks=[h], verbose=0),
    "predict": lambda m, x, y, h: m.predict(x, batch_size=4, callbacks=[h], verbose=0),
}


@pytest.mark.parametrize("use", USES)
def test_hooks_are_called_as_in_keras(use):
    keras, _ = import_keras()
    theirs = calls_of(keras.layers, keras.Sequential, keras.callbacks.Callback, USES[use])
    ours = calls_of(tinycnn, tinycnn.Sequential, tinycnn.Callback, USES[use])
    assert len(ours) > 5
    assert ours == theirs


@pytest.mark.parametrize(
    ("flag", "hook", "at"),
    [
        ("stop_training", "on_train_batch_end", 1),
        ("stop_training", "on_epoch_end", 0),
        ("stop_evaluating", "on_test_batch_end", 1),
        ("stop_predicting", "on_predict_batch_end", 1),
    ],
)
def test_a_callback_stops_what_it_stops_in_keras(flag, hook, at):
    keras, _ = import_keras()

    def outcome(library, callback, layers):
        model = library.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
        stopper, calls = recorder(callback)
        before = getattr(type(stopper), hook)

        def stop(self, number, logs=None):
            before(self, number, logs)
            if number == at:
                setattr(self.model, flag, True)

        setattr(type(stopper), hook, stop)
        x, y = np.zeros((10, 3), np.float32), np.eye(2)[[0, 1] * 5]
        use = {"batch_size": 4, "callbacks": [stopper], "verbose": 0}
        history = model.fit(x, y, epochs=2, validation_data=(x, y), **use).history
        evaluated = len(model.evaluate(x, y, **use))
        return (
            calls,
            {n: len(v) for n, v in history.items()},
            evaluated,
            len(model.predict(x, **use)),
        )

    ours, theirs = (
        outcome(tinycnn, tinycnn.Callback, tinycnn),
        outcome(keras, keras.callbacks.Callback, keras.layers),
    )
    assert ours == theirs


ROWS = 12
SCORES = np.random.default_rng(1).random((ROWS, 3)).astype("float32")
PREDICTIONS = {"(N, 3)": SCORES, "(N, 1)": SCORES[:, :1], "(N, 4, 3)": np.stack([SCORES] * 4, 1)}
NUMBERS = np.random.default_rng(2).integers(0, 3, ROWS)
TARGETS = {
    "numbers": NUMBERS,
    "a column of numbers": NUMBERS[:, None],
    "of many values": np.arange(ROWS),
    "a column of many values": np.arange(ROWS)[:, None] * 0.5,
    "one-hot": np.eye(3)[NUMBERS],
    "yes or no": NUMBERS[:, None] > 1,
    "rows of numbers": np.stack([NUMBERS] * 4, 1),
    "rows of one-hot": np.stack([np.eye(3)[NUMBERS]] * 4, 1),
}
FITTING = [
    (p, t)
    for p, t in (
        *(("(N, 3)", t) for t in ("numbers", "a column of numbers", "of many values", "one-hot")),
        ("(N, 3)", "a column of many values"),
        *(("(N, 1)", t) for t in ("numbers", "a column of numbers", "of many values")),
        ("(N, 1)", "a column of many values"),
        ("(N, 1)", "yes or no"),
        ("(N, 4, 3)", "rows of numbers"),
        ("(N, 4, 3)", "rows of one-hot"),
    )
]


@pytest.mark.parametrize(("prediction", "target"), FITTING)
def test_accuracy_is_keras_s(prediction, target):
    keras, _ = import_keras()
    y_true, y_pred = TARGETS[target], PREDICTIONS[prediction]
    column = y_true[:, None] if prediction == "(N, 1)" and y_true.ndim == 1 else y_true
    if y_pred.shape[-1] == 1:
        metric = keras.metrics.BinaryAccuracy()
    elif y_true.shape == y_pred.shape:
        metric = keras.metrics.CategoricalAccuracy()
    else:
        metric = keras.metrics.SparseCategoricalAccuracy()
    metric.update_state(column, y_pred)
    assert accuracy(y_true, y_pred) == pytest.approx(float(metric.result()), abs=1e-6)
