"""Keras's callbacks and ours on the same made-up numbers: the same decisions, epoch by epoch.

    python -m pytest -m reference tests/test_keras_callbacks.py        # needs the `reference` extra

No NaN here: there ours do otherwise on purpose, see test_callbacks.py. The numbers are eighths, for
Keras compares in float32.
"""

import numpy as np
import pytest
from callback_driver import drive
from hypothesis import given, settings
from hypothesis import strategies as st
from test_keras_live import import_keras, start

from tinycnn import SGD, Dense, Input, Sequential, callbacks

pytestmark = [
    pytest.mark.reference,
    pytest.mark.filterwarnings("ignore:.*which is not avail:UserWarning"),  # both say so
    pytest.mark.filterwarnings("ignore:Can save best model only:UserWarning"),
    # Keras 3.15's variables under NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
]

eighths = st.integers(-16, 16).map(lambda n: n / 8)
sequences = st.lists(st.one_of(eighths, eighths, eighths, st.none()), min_size=1, max_size=14)
modes = st.sampled_from(["auto", "min", "max"])
some = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.fixture(scope="module", autouse=True)
def quiet():
    import_keras()[0].utils.disable_interactive_logging()


def both(name, values, ours=(), theirs=(), **arguments):
    """What (our callback, Keras's) decide."""
    keras = import_keras()[0]
    return (
        drive(getattr(callbacks, name)(*ours, **arguments), values),
        drive(getattr(keras.callbacks, name)(*theirs, **arguments), values),
    )


@some
@given(
    sequences,
    st.fixed_dictionaries(
        {
            "patience": st.integers(0, 4),
            "min_delta": st.sampled_from([0, 0.125, -0.25, 1]),
            "mode": modes,
            "baseline": st.one_of(st.none(), eighths),
            "restore_best_weights": st.booleans(),
            "start_from_epoch": st.integers(0, 3),
        }
    ),
)
def test_early_stopping(values, arguments):
    ours, theirs = both("EarlyStopping", values, **arguments)
    assert ours == theirs


@some
@given(
    sequences,
    st.fixed_dictionaries(
        {
            "patience": st.integers(0, 3),
            "min_delta": st.sampled_from([1e-4, 0, 0.25]),
            "mode": modes,
            "factor": st.sampled_from([0.1, 0.5, 0.0]),
            "cooldown": st.integers(0, 3),
            "min_lr": st.sampled_from([0, 0.03, 0.25]),
        }
    ),
)
def test_reduce_on_plateau(values, arguments):
    ours, theirs = both("ReduceLROnPlateau", values, **arguments)
    assert ours == theirs


@some
@given(
    sequences,
    st.fixed_dictionaries(
        {
            "save_best_only": st.booleans(),
            "mode": modes,
            "initial_value_threshold": st.one_of(st.none(), eighths),
        }
    ),
)
def test_model_checkpoint(values, arguments):
    name = "no-such-folder-{epoch:03d}"
    ours, theirs = both("ModelCheckpoint", values, [f"{name}.npz"], [f"{name}.keras"], **arguments)
    events = [(*event, path.replace(".keras", ".npz")) for *event, path in theirs[2]]
    assert ours[2] == events


@pytest.mark.parametrize("validation", [0.0, 0.5])
@pytest.mark.parametrize("logger_first", [False, True])
def test_history_and_csv_file_of_a_training(logger_first, validation, tmp_path):
    """A logger before the scheduler misses its learning rate, here as there."""
    keras, _ = start("float32")
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    models = (
        (Sequential([Input((2,)), Dense(1)]), SGD(0.5), callbacks),
        (
            keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]),
            keras.optimizers.SGD(0.5),
            keras.callbacks,
        ),
    )
    weights, found = models[0][0].get_weights(), []
    for index, (model, optimizer, module) in enumerate(models):
        model.compile(optimizer, "mean_squared_error")
        model.set_weights(weights)
        path = tmp_path / f"{index}.csv"
        hooks = [
            module.LearningRateScheduler(lambda epoch, rate: rate / 2),
            module.CSVLogger(str(path)),
        ]
        history = model.fit(
            x,
            y,
            epochs=3,
            validation_split=validation,
            callbacks=hooks[:: -1 if logger_first else 1],
            verbose=0,
        )
        rows = [line.split(",") for line in path.read_bytes().decode().split("\r\n")]
        found.append((list(history.history), history.history["learning_rate"], rows))
    (names, rates, rows), (expected_names, expected_rates, expected_rows) = found
    assert (names, rates) == (expected_names, expected_rates)
    assert [len(row) for row in rows] == [len(row) for row in expected_rows]
    assert rows[0] == expected_rows[0]
    for row, expected in zip(rows[1:4], expected_rows[1:4], strict=True):
        # The losses round: Keras's are float32's.
        assert [c == "NA" for c in row] == [c == "NA" for c in expected]
        numbers = [[float(c) for c in cells if c != "NA"] for cells in (row, expected)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-9)
