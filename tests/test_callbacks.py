"""The callbacks decide what Keras's decide; where a NaN is concerned, what is sensible.

The sequences of numbers, and what Keras does with them, were observed; `test_keras_callbacks.py`
repeats the comparison on random ones, with Keras.
"""

import numpy as np
import pytest
from callback_driver import NAN, drive

from tinycnn import SGD, Callback, Dense, Input, ModelFileError, Sequential, load_model
from tinycnn.callbacks import (
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from tinycnn.hooks import Hooks
from tinycnn.optimizers.schedules import CosineDecay

pytestmark = pytest.mark.usefixtures("numpy_rung")


# --- EarlyStopping --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "values", "epochs"),
    [
        ({"patience": 2}, [1, 0.9, 0.95, 0.96, 0.5], 4),
        ({"patience": 0}, [1, 1, 0.5], 2),  # never after the first epoch
        ({"patience": 0}, [NAN, 1, 2, 0.5], 3),
        ({"patience": 3}, [1, 0.9, 0.95, 0.96], 4),  # runs to the end
        ({"patience": 1, "min_delta": 0.25}, [1, 0.75, 0.5], 2),  # more than min_delta, not as much
        ({"patience": 1, "min_delta": -0.25}, [1, 0.75, 0.5], 2),  # its size counts
        ({"patience": 1, "monitor": "val_accuracy"}, [0.5, 0.6, 0.6, 0.9], 3),
        ({"patience": 1, "mode": "max"}, [0.5, 0.6, 0.6, 0.9], 3),
        ({"patience": 1, "start_from_epoch": 2}, [1, 2, 3, 4, 5], 4),
        ({"patience": 2, "baseline": 0.5}, [1, 0.9, 0.8, 0.7], 4),  # better, but not than that
        ({"patience": 2, "baseline": 0.5}, [1, 1, 1, 1], 2),
        ({"patience": 2, "baseline": 0.5}, [0.4, 1, 1, 1], 3),
    ],
)
def test_early_stopping(arguments, values, epochs):
    callback = EarlyStopping(**arguments)
    assert drive(callback, values, callback.monitor)[0] == epochs


def test_best_weights_are_restored_however_the_training_ends():
    stopped = EarlyStopping(patience=2, restore_best_weights=True)
    assert drive(stopped, [1, 0.9, 0.95, 0.96])[::2] == (4, [("restored", 1)])
    assert (stopped.best, stopped.best_epoch, stopped.stopped_epoch) == (0.9, 1, 3)
    to_the_end = EarlyStopping(patience=9, restore_best_weights=True)
    assert drive(to_the_end, [1, 0.9, 0.95])[::2] == (3, [("restored", 1)])
    assert to_the_end.stopped_epoch == 0
    assert drive(EarlyStopping(patience=9), [1, 0.9, 0.95])[2] == []


def test_each_training_stops_afresh():
    callback = EarlyStopping(patience=1, restore_best_weights=True)
    assert drive(callback, [1, 2])[0] == 2
    assert drive(callback, [9, 8, 9])[::2] == (3, [("restored", 1)])


def test_a_nan_is_no_improvement():
    # Keras takes the first NaN as the best value: it would stop at epoch 2 here.
    callback = EarlyStopping(patience=2, restore_best_weights=True)
    assert drive(callback, [NAN, 1, NAN, 0.5, NAN, NAN, 0.1])[::2] == (6, [("restored", 3)])
    assert callback.best == 0.5
    assert drive(callback, [NAN, NAN, NAN])[::2] == (2, [])


def test_what_is_not_in_the_logs_is_warned_of():
    with pytest.warns(UserWarning, match="EarlyStopping monitors 'val_loss', which is not avail"):
        assert drive(EarlyStopping(), [None, None])[0] == 2


def test_a_missing_number_is_warned_of_once(small_model, small_data, recwarn, tmp_path):
    seen = []

    class Watch(EarlyStopping):
        def on_train_begin(self, logs=None):
            super().on_train_begin()
            seen.extend(str(warning.message) for warning in recwarn)

    Watch.__module__ = "tinycnn.callbacks"  # a user's own callback might add the number
    data = small_data(6)
    small_model().fit(*data, epochs=2, callbacks=[Watch()], verbose=0)
    assert seen == [
        "Watch monitors 'val_loss', which is not available; available are: accuracy, loss; it "
        "needs validation_data or validation_split"
    ]
    assert len(recwarn) == 1
    small_model().fit(*data, validation_split=0.5, callbacks=[Watch()], verbose=0)
    small_model().fit(*data, callbacks=[ModelCheckpoint(tmp_path / "m.npz")], verbose=0)
    assert len(recwarn) == 1


def test_early_stopping_in_a_training(small_model, small_data):
    x, y = small_data(12)
    model = small_model(SGD(0.0))  # never improves after the first epoch
    stopping = EarlyStopping("loss", patience=2)
    assert model.fit(x, y, epochs=9, callbacks=[stopping], verbose=0).epoch == [0, 1, 2]
    assert model.fit(x, y, epochs=9, callbacks=[stopping], verbose=0).epoch == [0, 1, 2]


def test_the_best_weights_are_those_of_their_epoch(small_model, small_data):
    x, y = small_data(12)
    weights = []

    def note(epoch, logs):
        weights.append(model.get_weights())
        logs["made_up"] = [3, 1, 2][epoch]

    model = small_model(SGD(0.5))
    watch = EarlyStopping("made_up", mode="min", patience=9, restore_best_weights=True)
    model.fit(x, y, epochs=3, callbacks=[LambdaCallback(on_epoch_end=note), watch], verbose=0)
    for ours, best, last in zip(model.get_weights(), weights[1], weights[2], strict=True):
        np.testing.assert_array_equal(ours, best)
        assert not np.array_equal(best, last)


# --- ModelCheckpoint ------------------------------------------------------------------------------


def saved(callback, values, **arguments):
    """The epochs after which the model was saved."""
    return [epoch for _, epoch, _ in drive(callback, values, **arguments)[2]]


def test_a_model_is_saved_after_every_epoch():
    assert saved(ModelCheckpoint("m.npz"), [1, 2, None]) == [0, 1, 2]


def test_a_model_is_saved_after_the_best_epochs():
    assert saved(ModelCheckpoint("m.npz", save_best_only=True), [3, 2, 2, 5, 1]) == [0, 1, 4]
    highest = ModelCheckpoint("m.npz", "val_accuracy", save_best_only=True)
    assert saved(highest, [0.1, 0.3, 0.2, 0.4], monitor="val_accuracy") == [0, 1, 3]
    better = ModelCheckpoint("m.npz", save_best_only=True, initial_value_threshold=2.5)
    assert saved(better, [3, 2.5, 2, 1]) == [2, 3]
    # From one fit to the next the best stays.
    assert saved(better, [1, 0.5]) == [1]


def test_the_name_is_made_of_the_epoch_and_the_logs():
    callback = ModelCheckpoint("models/{epoch:02d}-{val_loss:.2f}.npz")
    paths = [path for _, _, path in drive(callback, [0.126, 3])[2]]
    assert paths == ["models/01-0.13.npz", "models/02-3.00.npz"]


@pytest.mark.parametrize(
    ("filepath", "words"),
    [
        ("{nosuch}.npz", "names 'nosuch', which is not available; available are: epoch, accuracy"),
        ("{val_loss:.2f}.npz", "names 'val_loss', which is not available"),
        ("{learning_rate}.npz", "names 'learning_rate', which is not available"),
        ("{loss:d}.npz", "may hold fields such as .*format code 'd'"),
        ("{epoch:.2x}.npz", "may hold fields"),
        ("{loss.npz", "may hold fields"),
        ("{}.npz", "may hold fields"),
        ("{loss.real.x}.npz", "may hold fields"),
    ],
)
def test_a_bad_field_is_refused_before_the_training(filepath, words, small_model, small_data):
    model = small_model()
    before = model.fingerprint()
    with pytest.raises(ValueError, match=words):
        model.fit(*small_data(4), callbacks=[ModelCheckpoint(filepath)], verbose=0)
    assert model.fingerprint() == before


def test_a_field_that_another_callback_adds(small_model, small_data, tmp_path, capsys):
    path = tmp_path / "{learning_rate:.1f}-{val_loss:.0f}.npz"
    data = small_data(4)
    hooks = [LearningRateScheduler(lambda epoch: 0.5), ModelCheckpoint(path)]
    small_model().fit(*data, callbacks=hooks, verbose=0, validation_data=data)
    assert [file.name[:3] for file in tmp_path.iterdir()] == ["0.5"]
    # One that was to be added by a callback of the user's own, and was not.
    hooks = [LambdaCallback(), ModelCheckpoint(tmp_path / "{mine}.npz")]
    small_model().fit(*data, callbacks=hooks, verbose=0)
    assert "MODEL NOT SAVED (`filepath`=" in capsys.readouterr().err


def test_a_nan_replaces_no_file(tmp_path):
    # Keras saves the first one, and nothing ever after it.
    best = ModelCheckpoint(tmp_path / "best.npz", save_best_only=True)
    assert saved(best, [NAN, 2, NAN, 1]) == [1, 3]
    path = tmp_path / "every.npz"
    assert saved(ModelCheckpoint(path), [NAN, 1]) == [0, 1]
    path.touch()
    assert saved(ModelCheckpoint(path), [NAN, 1, NAN]) == [1]


def test_the_file_is_the_model(small_model, small_data, tmp_path):
    x, y = small_data(12)
    model = small_model()
    path = tmp_path / "new" / "folder" / "{epoch}.npz"
    model.fit(x, y, epochs=2, callbacks=[ModelCheckpoint(path)], verbose=0)
    last, first = (load_model(tmp_path / "new" / "folder" / f"{epoch}.npz") for epoch in (2, 1))
    for ours, theirs in zip(model.get_weights(), last.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (first.optimizer.iterations, last.optimizer.iterations) == (1, 2)


def test_a_save_that_fails_leaves_the_file_and_the_training_goes_on(
    small_model, small_data, tmp_path, monkeypatch, capsys
):
    x, y = small_data(12)
    path = tmp_path / "model.npz"
    model, checkpoint = small_model(), ModelCheckpoint(tmp_path / "model.npz")
    model.fit(x, y, callbacks=[checkpoint], verbose=0)
    before = path.read_bytes()

    def full(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", full)
    model.fit(x, y, callbacks=[checkpoint], verbose=0)
    assert "MODEL NOT SAVED (the disk is full). The training goes on" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(before[:-40])
    with pytest.raises(ModelFileError):
        load_model(path)


# --- learning rates -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "values", "rates"),
    [
        ({"patience": 2}, [1, 0.9, 0.95, 0.96, 0.97, 0.98], [1, 1, 1, 0.1, 0.1, 0.01]),
        (
            {"patience": 1, "cooldown": 2, "factor": 0.5},
            [1] * 6,
            [1, 0.5, 0.5, 0.25, 0.25, 0.125],
        ),
        ({"patience": 1, "min_lr": 0.05}, [1] * 4, [1, 0.1, 0.05, 0.05]),
        ({"patience": 1}, [1, 0.99995, 0.9998], [1, 0.1, 0.1]),  # min_delta is 1e-4
        ({"patience": 2}, [NAN, NAN, 1, 1], [1, 0.1, 0.1, 0.1]),  # Keras: NaN is the best for ever
        ({"patience": 1}, [1, NAN, 0.5], [1, 0.1, 0.1]),
    ],
)
def test_reduce_on_plateau(arguments, values, rates):
    assert drive(ReduceLROnPlateau(**arguments), values)[1] == pytest.approx(rates, rel=1e-12)


def test_reduce_on_plateau_refuses_a_schedule_at_once(small_model, small_data):
    model = small_model(SGD(CosineDecay(0.1, 10)))
    with pytest.raises(TypeError, match="follows a CosineDecay"):
        model.fit(*small_data(4), callbacks=[ReduceLROnPlateau()], verbose=0)
    assert model.steps_trained == 0


def test_the_epochs_rate_is_logged_last(small_model, small_data):
    model = small_model(SGD(0.5))
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100)
    history = model.fit(*small_data(4), epochs=4, callbacks=[reduce], verbose=0).history
    assert list(history) == ["accuracy", "loss", "learning_rate"]
    assert history["learning_rate"] == [0.5, 0.5, 0.25, 0.125]  # each is what the epoch had
    assert model.optimizer.learning_rate == 0.0625


@pytest.mark.parametrize(
    "schedule", [lambda epoch, rate: rate / 2, lambda epoch: 0.5 ** (epoch + 1)]
)
def test_the_rate_by_epoch(schedule, small_model, small_data):
    model = small_model(SGD(1.0))
    callback = LearningRateScheduler(schedule)
    history = model.fit(*small_data(4), epochs=3, callbacks=[callback], verbose=0).history
    assert history["learning_rate"] == [0.5, 0.25, 0.125]
    assert model.optimizer.learning_rate == 0.125


@pytest.mark.parametrize("rate", [None, "0.1", -1.0, NAN])
def test_a_rate_by_epoch_that_is_no_rate(rate, small_model, small_data):
    model = small_model()
    with pytest.raises(ValueError, match=r"`schedule\(epoch\)` must be a finite number >= 0"):
        model.fit(*small_data(4), callbacks=[LearningRateScheduler(lambda epoch: rate)], verbose=0)
    assert model.steps_trained == 0


def test_an_error_in_the_function_is_not_swallowed(small_model, small_data):
    # Keras calls it again without the rate, and says that an argument is missing.
    def schedule(epoch, rate):
        return rate + "1"

    with pytest.raises(TypeError, match="unsupported operand"):
        small_model().fit(*small_data(4), callbacks=[LearningRateScheduler(schedule)], verbose=0)


@pytest.mark.parametrize("schedule", [3, None, "cosine"])
def test_a_schedule_is_a_function(schedule):
    with pytest.raises(TypeError, match="`schedule` must be a function"):
        LearningRateScheduler(schedule)


# --- CSVLogger ------------------------------------------------------------------------------------


def test_a_training_without_an_epoch_leaves_the_old_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,1.5\n")
    logger = CSVLogger(path)
    logger.on_train_begin()
    logger.on_train_end()
    assert path.read_text() == "epoch,loss\n0,1.5\n"
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 2.0})
    assert path.read_text().splitlines() == ["epoch,loss,val_loss", "0,2.0,NA"]


@pytest.mark.parametrize("separator", ["", "ab", 3, "\n", ".", "1", '"'])
def test_a_separator_that_no_reader_could_tell_is_refused(separator):
    with pytest.raises(ValueError, match="one character that can't stand in a number"):
        CSVLogger("log.csv", separator=separator)


def test_a_csv_file_is_keras_s(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path, separator=";")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"val_loss": 0.1, "loss": 0.2})
    logger.on_epoch_end(1, {"loss": 1e-7, "more": 3})
    assert path.read_bytes() == b"epoch;loss;val_loss\r\n0;0.2;0.1\r\n1;1e-07;NA\r\n"
    logger.on_train_begin()  # a new training, a new file
    logger.on_epoch_end(0, {"loss": 1.0})
    assert path.read_bytes() == b"epoch;loss;val_loss\r\n0;1.0;NA\r\n"


def test_a_csv_file_is_appended_to_in_its_columns(tmp_path):
    path = tmp_path / "log.csv"
    for epoch in (0, 1):
        logger = CSVLogger(path, append=True)
        logger.on_train_begin()
        logger.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 2.0} | ({"new": 3.0} if epoch else {}))
    assert path.read_bytes() == b"epoch,loss,val_loss\r\n0,1.0,2.0\r\n1,1.0,2.0\r\n"
    path.write_text("something else\n")
    with pytest.raises(ValueError, match="does not begin with the column 'epoch'"):
        CSVLogger(path, append=True).on_train_begin()
    assert path.read_text() == "something else\n"


def test_a_csv_file_grows_with_the_training(small_model, small_data, tmp_path):
    path, seen = tmp_path / "log.csv", []
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(path.read_text()))
    arguments = {"epochs": 2, "validation_split": 0.5, "verbose": 0}
    rate = LearningRateScheduler(lambda epoch: 0.25)
    history = small_model().fit(
        *small_data(8), callbacks=[rate, CSVLogger(path), look], **arguments
    )
    assert [len(text.splitlines()) for text in seen] == [2, 3]
    header, *rows = (line.split(",") for line in seen[-1].splitlines())
    assert header == ["epoch", "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"]
    for epoch, row in enumerate(rows):
        values = [history.history[name][epoch] for name in header[1:]]
        assert [float(cell) for cell in row] == [epoch, *values]  # to the last bit


def test_a_log_goes_on_where_a_resumed_training_does(small_model, small_data, tmp_path):
    """It was replaced by the first epoch after the resume."""
    path, checkpoint = tmp_path / "log.csv", tmp_path / "checkpoint.npz"
    whole, data = tmp_path / "whole.csv", small_data(8)
    small_model().fit(*data, epochs=4, verbose=0, callbacks=[CSVLogger(whole)])
    for epochs in (2, 4):
        hooks = [CSVLogger(path), Checkpoint(checkpoint, resume=True)]
        small_model().fit(*data, epochs=epochs, verbose=0, callbacks=hooks)
    assert path.read_text() == whole.read_text()
    # An epoch that was logged, but not saved any more, is logged once.
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]))
    small_model().fit(*data, epochs=4, initial_epoch=3, verbose=0, callbacks=[CSVLogger(path)])
    assert [line[:1] for line in path.read_text().splitlines()] == ["e", "0", "1", "2", "3"]


@pytest.mark.parametrize("left", ["", "epoch,acc\n0,1\n", "epoch,loss,val_loss\n1,2,NA\n", "\0"])
def test_a_log_of_something_else_is_replaced(left, small_model, small_data, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(left)
    arguments = {"epochs": 2, "initial_epoch": 1, "verbose": 0}
    small_model().fit(*small_data(8), callbacks=[CSVLogger(path)], **arguments)
    header, line = path.read_text().splitlines()
    assert header.startswith("epoch,") and line.startswith("1,")


# --- the small ones -------------------------------------------------------------------------------


def test_terminate_on_nan(small_model, small_data, capsys):
    def poison(batch, logs):
        if model.steps_trained == 3:
            model.parameters[-1].value[...] = np.nan

    model = small_model()
    history = model.fit(
        *small_data(8),
        batch_size=2,
        epochs=3,
        verbose=0,
        callbacks=[LambdaCallback(on_train_batch_begin=poison), TerminateOnNaN()],
    )
    assert capsys.readouterr().out == "Batch 3: Invalid loss, terminating training\n"
    assert (history.epoch, model.steps_trained) == ([0], 3)
    assert np.isnan(history.history["loss"]).all()


def test_lambda_callback_has_all_hooks(small_model, small_data):
    events = []

    def note(name):
        return lambda *arguments: events.append((name, *arguments[:-1], sorted(arguments[-1])))

    hooks = [name for name in vars(Hooks) if name.startswith("on_")]
    assert len(hooks) == 16
    callback = LambdaCallback(**{name: note(name) for name in hooks})
    model = small_model()
    model.fit(*small_data(2), callbacks=[callback, LambdaCallback()], verbose=0)
    means = ["accuracy", "loss"]
    expected = [
        ("on_train_begin", []),
        ("on_epoch_begin", 0, []),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, means),
        ("on_epoch_end", 0, means),
        ("on_train_end", means),
    ]
    assert events == expected
    with pytest.raises(TypeError, match="LambdaCallback has no argument `on_batch_finish`"):
        LambdaCallback(on_batch_finish=print)


@pytest.mark.parametrize("name", ["on_epoch_finish", "on_epoch_start", "on_validation_end"])
@pytest.mark.parametrize("base", [Callback, EarlyStopping])
def test_a_hook_that_no_one_would_call_is_refused(base, name):
    with pytest.raises(TypeError) as raised:
        type("Mine", (base,), {name: lambda self, epoch, logs=None: None})
    assert str(raised.value) == (
        f"Mine.{name} would never be called; the hooks are on_train, on_epoch, on_train_batch, "
        "on_batch, on_test, on_test_batch, on_predict, on_predict_batch, each with _begin or _end. "
        "A method of your own needs a name that does not begin with on_"
    )


def test_hooks_and_what_does_not_look_like_one_stay():
    def method(self, *arguments):
        pass

    names = [name for name in vars(Hooks) if name.startswith("on_")] + ["helper", "once", "_on_it"]
    type("Mine", (Callback,), {"on_gpu": False, **dict.fromkeys(names, method)})


@pytest.mark.parametrize(
    ("callback", "values", "expected"),
    [
        (
            EarlyStopping(patience=1, restore_best_weights=True, verbose=1),
            [1, 2],
            "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n",
        ),
        (
            ModelCheckpoint("m.npz", save_best_only=True, verbose=1),
            [0.5, 1],
            "Epoch 1: saving model to m.npz\nEpoch 2: val_loss did not improve from 0.5\n",
        ),
        (
            ReduceLROnPlateau(patience=1, factor=0.5, verbose=1),
            [1, 1],
            "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.5.\n",
        ),
        (
            LearningRateScheduler(lambda epoch: 0.25, verbose=1),
            [1],
            "Epoch 1: LearningRateScheduler setting learning rate to 0.25.\n",
        ),
    ],
)
def test_what_is_said(callback, values, expected, capsys):
    drive(callback, values)
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EarlyStopping(patience=-1), "`patience` must be .* patience=-1"),
        (lambda: EarlyStopping(mode="least"), "unknown mode; known are auto, min, max"),
        (lambda: EarlyStopping(min_delta="no"), "min_delta='no'"),
        (lambda: EarlyStopping(baseline=NAN), "baseline=nan"),
        (lambda: ReduceLROnPlateau(factor=1.0), r"`factor` must be in \[0, 1\). .* factor=1.0"),
        (lambda: ReduceLROnPlateau(min_lr=-1), "min_lr=-1"),
        (lambda: ModelCheckpoint("model.tf"), "must end in .npz, .keras or .h5. Rec.*model.tf"),
        (lambda: ModelCheckpoint("m.keras", save_weights_only=True), "must end in .weights.h5 or"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("cls", [EarlyStopping, ReduceLROnPlateau])
def test_a_number_of_unknown_direction_is_refused_before_the_training(cls, small_model, small_data):
    model = small_model()
    before = model.fingerprint()
    with pytest.raises(ValueError, match="whether 'f1' should fall or rise; pass mode='min'"):
        model.fit(*small_data(4), callbacks=[cls("f1")], verbose=0)
    assert model.fingerprint() == before
    hooks = [
        LambdaCallback(on_epoch_end=lambda _, logs: logs.update(f1=0.5)),
        cls("f1", mode="max"),
    ]
    model.fit(*small_data(4), callbacks=hooks, verbose=0)
    assert hooks[1].best == 0.5


@pytest.mark.parametrize("argument", ["save_freq", "save_everything"])
def test_what_is_not_there_is_a_type_error(argument):
    with pytest.raises(TypeError, match=argument):
        ModelCheckpoint("model.npz", **{argument: 1})


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=2, restore_best_weights=True),
        lambda: ReduceLROnPlateau(patience=2, cooldown=1),
        lambda: ModelCheckpoint("m.npz", save_best_only=True),
    ],
)
@pytest.mark.parametrize("stop", range(1, 8))
def test_the_checkpointed_attributes_are_all_that_a_resumed_one_needs(make, stop):
    values = [5, 4, 4.5, 3, 3.5, 3.6, 2, 1]
    whole, first, second = make(), make(), make()
    epochs, rates, events = drive(whole, values)
    done, rates_before, _ = drive(first, values[:stop])
    # What a resumed fit does: on_train_begin, the state, and on with the next epoch.
    model = type(whole.model)()
    model.optimizer.learning_rate = rates_before[-1]
    second.model = model
    second.on_train_begin({})
    for name in first.checkpointed:
        setattr(second, name, getattr(first, name))
    for epoch in range(stop, epochs if done == stop else stop):
        model.epoch = epoch
        second.on_epoch_end(epoch, {"val_loss": values[epoch]})
    second.on_train_end({})
    for name in whole.checkpointed:
        assert getattr(second, name) == getattr(whole, name)
    assert model.optimizer.learning_rate == rates[-1]
    assert model.events == [e for e in events if e[0] == "restored" or e[1] >= stop]


def test_a_log_that_could_not_be_begun_is_begun_by_the_next_epoch(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    logger.on_train_begin()
    path.unlink()
    path.mkdir()  # nothing can be written here
    logger.on_epoch_end(0, {"loss": 2.0})
    path.rmdir()
    logger.on_epoch_end(1, {"loss": 1.0})
    assert path.read_text().splitlines() == ["epoch,loss,val_loss", "1,1.0,NA"]


def test_what_a_callback_logs_has_a_name_that_is_text():
    class Numbered(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs[3] = None

    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"Numbered.on_epoch_end .*Received: logs\[3\]=None"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[Numbered()])
