"""Checkpoints that are damaged, or made to do harm: refused by name, and nothing has changed."""

import copy
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from mutations import altered, sealed, unpacked
from test_examples import ROOT

from tinycnn import Adam, Callback, Checkpoint, Dense, Input, ModelFileError, Sequential, load_model
from tinycnn.callbacks import EarlyStopping, History, ModelCheckpoint, ReduceLROnPlateau
from tinycnn.support import serialization

pytestmark = pytest.mark.usefixtures("numpy_rung")


class Counter(Callback):
    """A callback of one's own, with a state of every kind."""

    checkpointed = ("count", "name", "values", "array", "pair")

    def __init__(self):
        self.count, self.name, self.values = 0, "counter", [1.5, 2.5]
        self.array, self.pair = np.arange(3.0), (1, 2)

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1


def stopping():
    return EarlyStopping(patience=9, restore_best_weights=True)


def fit(path, resume=False, hooks=None, epochs=2):
    """A training of two epochs and what its callbacks hold afterwards."""
    model = Sequential([Input((2,)), Dense(2, activation="softmax")], seed=0)
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 2)), np.eye(2)[rng.integers(2, size=8)]
    hooks = hooks or [stopping(), ReduceLROnPlateau(patience=9), Counter()]
    before = state(model, hooks)
    checkpoint = Checkpoint(path, 0, resume=resume)
    try:
        model.fit(x, y, 4, epochs, 0, [*hooks, checkpoint], validation_data=(x, y))
    except ModelFileError as error:
        assert state(model, hooks) == before, f"changed, though refused: {error}"
        assert len(str(error).splitlines()) == 1
        assert str(error).isprintable()
        raise
    return state(model, hooks)


def state(model, hooks):
    """All that a checkpoint could change, as plain text."""
    attributes = [
        {name: value for name, value in vars(hook).items() if name not in ("model", "params")}
        for hook in hooks
    ]
    optimizer = model.optimizer
    moments = [array.tobytes() for slots in optimizer.state for array in slots.values()]
    counters = (model.epochs_trained, model.steps_trained, optimizer.iterations)
    settings = (optimizer.learning_rate, model.stop_training)
    moved = [moment for moment in moments if any(moment)]
    return repr((model.fingerprint(), counters, settings, attributes, moved))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a checkpoint in the middle of a training, and how that training ends."""
    path = tmp_path_factory.mktemp("sound") / "checkpoint.npz"

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.steps_trained == 3:
                raise InterruptedError

    from tinycnn import kernels

    with kernels.use("numpy"):
        with pytest.raises(InterruptedError):
            hooks = [stopping(), ReduceLROnPlateau(patience=9), Counter()]
            model_hooks = [*hooks, Stop()]
            fit_with_stop(path, model_hooks)
        data = path.read_bytes()
        return data, fit(path, resume=True)


def fit_with_stop(path, hooks):
    model = Sequential([Input((2,)), Dense(2, activation="softmax")], seed=0)
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 2)), np.eye(2)[rng.integers(2, size=8)]
    # Checkpoint is sorted last, so the stop comes one batch before its own would be saved.
    model.fit(x, y, 4, 2, 0, [*hooks, Checkpoint(path, 0)], validation_data=(x, y))


def changed(data, change):
    """The checkpoint with other contents, and a hash that fits."""
    manifest, members = unpacked(data)
    change(manifest["content"])
    return sealed(manifest, members)


def callback(index, **attributes):
    return lambda content: content["fit"]["callbacks"][index].update(attributes)


ATTACKS = {
    "another attribute of a callback": callback(0, model="x"),
    "the path of a callback": callback(1, filepath="/tmp/evil.npz"),
    "a method of a callback": callback(2, on_train_batch_end="x"),
    "an attribute less": lambda c: c["fit"]["callbacks"][0].pop("best"),
    "a callback less": lambda c: c["fit"]["callbacks"].pop(),
    "a callback more": lambda c: c["fit"]["callbacks"].append({}),
    "callbacks that are no list": lambda c: c["fit"].update(callbacks=5),
    "text for a number": callback(0, best="low"),
    "a list for a number": callback(0, wait=[1]),
    "a number for a text": callback(2, name=5),
    "a truth value for a number": callback(2, count=True),
    "an array that is not there": callback(2, array={"array": "fit/nothing"}),
    "a float that is none": callback(0, best={"float": "low"}),
    "weights of another shape": callback(0, best_weights=[1.0, 2.0]),
    "iterations of 400 digits": lambda c: c["compile"].update(iterations=10**400),
    "negative iterations": lambda c: c["compile"].update(iterations=-1),
    "iterations that are no number": lambda c: c["compile"].update(iterations="1"),
    "a learning rate that is no number": lambda c: c["compile"]["optimizer"]["config"].update(
        learning_rate="fast"
    ),
    "a negative learning rate": lambda c: c["compile"]["optimizer"]["config"].update(
        learning_rate=-1.0
    ),
    "no compile settings": lambda c: c.update(compile=None),
    "epochs of 400 digits": lambda c: c["fit"].update(epoch=10**400),
    "a negative batch": lambda c: c["fit"].update(batch=-1),
    "a batch that is half one": lambda c: c["fit"].update(batch=0.5),
    "steps that are no number": lambda c: c.update(steps_trained=None),
    "means of other numbers": lambda c: c["fit"].update(means=[["evil", 0.0, 1]]),
    "means that are no pairs": lambda c: c["fit"].update(means=[1, 2]),
    "means that are no numbers": lambda c: c["fit"].update(means=[["loss", "x", 1]]),
    "a history without epochs": lambda c: c["fit"]["history"].pop("epoch"),
    "a history of text": lambda c: c["fit"]["history"].update(logs="loss"),
    "a history whose losses are text": lambda c: c["fit"]["history"].update(
        logs=[["loss", ["low"]]]
    ),
    "a history that writes on the terminal": lambda c: c["fit"]["history"].update(
        logs=[["\x1b]0;x\x07", [1.0]]]
    ),
    "a name without values": lambda c: c["fit"]["history"]["logs"][0].__setitem__(1, []),
    "more samples than a float can count": lambda c: c["fit"]["means"][0].extend([0.5, 10**400]),
    "stopped, perhaps": lambda c: c["fit"].update(stopped="perhaps"),
    "no settings": lambda c: c["fit"].pop("settings"),
    "settings that are a list": lambda c: c["fit"].update(settings=[]),
    "a fit that is a list": lambda c: c.update(fit=[]),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_crafted_checkpoint_is_refused_and_changes_nothing(attack, sound, tmp_path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(changed(sound[0], ATTACKS[attack]))
    with pytest.raises(ModelFileError):
        fit(path, resume=True)


def test_the_sound_one_is_resumed(sound, tmp_path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(sound[0])
    assert fit(path, resume=True) == sound[1]
    never_stopped = fit(tmp_path / "other.npz")
    assert never_stopped.replace("'pair': (1, 2)", "'pair': [1, 2]") == sound[1]


def check_altered(seeds, sound, path):
    """A checkpoint with any one part replaced goes on as it would have, or is refused."""
    resumed = 0
    for seed in seeds:
        manifest, members = unpacked(sound[0])
        content = altered(random.Random(seed), copy.deepcopy(manifest["content"]))
        try:
            path.write_bytes(sealed({**manifest, "content": content}, members))
        except (TypeError, ValueError):
            continue  # NaN, which no manifest holds
        try:
            fit(path, resume=True)
        except ModelFileError:
            continue
        resumed += 1
    return resumed


def test_altered_checkpoints_are_refused_or_resumed(sound, tmp_path):
    check_altered(range(120), sound, tmp_path / "checkpoint.npz")


@pytest.mark.full
def test_many_altered_checkpoints_are_refused_or_resumed(sound, tmp_path):
    assert check_altered(range(120, 6000), sound, tmp_path / "checkpoint.npz") > 0


def test_a_model_checkpoint_is_not_told_by_a_file_where_to_write(tmp_path):
    path, here = tmp_path / "checkpoint.npz", tmp_path / "best.npz"
    hooks = [ModelCheckpoint(here, save_best_only=True)]
    fit(path, hooks=hooks)

    def elsewhere(content):
        content["fit"]["callbacks"][0]["filepath"] = str(tmp_path / "elsewhere.npz")

    path.write_bytes(changed(path.read_bytes(), elsewhere))
    with pytest.raises(ModelFileError, match="are not those it saves"):
        fit(path, resume=True, hooks=hooks, epochs=3)
    assert not (tmp_path / "elsewhere.npz").exists()


# --- long trainings, odd logs ---------------------------------------------------------------------


def test_a_history_of_any_length_fits_into_a_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.npz"
    hooks = [Checkpoint(path, 0)]
    model = Sequential([Input((1,)), Dense(1)], seed=0)
    model.compile("sgd", "mse", metrics=["accuracy"])
    x = np.zeros((2, 1))
    history = model.fit(x, x, epochs=1, verbose=0, callbacks=hooks)
    # As after 60,000 epochs: what the callback saves is the history that it was given.
    run = hooks[0]._run
    run.history.epoch = list(range(60_000))
    run.history.history = {
        name: [float(i) / 7 for i in range(60_000)] for name in (*history.history, "val_loss")
    }
    run.history.history["val_loss"][5] = float("nan")
    run.epoch = 60_000
    model.epochs_trained = 60_000
    hooks[0]._save({"loss": 1.0})
    assert "60000" in run.last_good
    expected = repr(run.history.history)

    class Look(Callback):
        def on_train_begin(self, logs=None):
            pass

    again = Sequential([Input((1,)), Dense(1)], seed=0)
    again.compile("sgd", "mse", metrics=["accuracy"])
    resumed = again.fit(
        x, x, epochs=60_000, verbose=0, callbacks=[Checkpoint(path, 0, resume=True)]
    )
    assert isinstance(resumed, History)
    assert repr(resumed.history) == expected
    assert resumed.epoch == list(range(60_000))


class Odd:
    """What no file can hold."""


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (np.arange(3.0), True),
        (np.float32(1.5), True),
        (np.bool_(True), True),
        ("text", True),
        (np.arange(3, dtype=np.int16), False),
        (np.array(["a"], object), False),
        (Odd(), False),
        (1 + 2j, False),
    ],
)
def test_whatever_is_logged_the_training_goes_on(value, fits, tmp_path, capsys):
    class Logs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = value

    path = tmp_path / "checkpoint.npz"
    fit(path, hooks=[Logs()], epochs=3)
    assert ("CHECKPOINT NOT SAVED" in capsys.readouterr().err) == (not fits)
    if fits:
        load_model(path)


def test_numpy_truth_values_in_a_configuration_are_saved(tmp_path):
    class Scale(Dense):
        def get_config(self):
            config = super().get_config()
            return {**config, "units": np.int64(config["units"]), "use_bias": np.bool_(True)}

    model = Sequential([Input((2,)), Scale(3)], seed=np.int64(4))
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz", custom_layers={"Scale": Scale})
    assert loaded.fingerprint() == model.fingerprint()


# --- files of others, files without end -----------------------------------------------------------


def test_files_of_keras_are_called_what_they_are(tmp_path, small_model, small_data):
    data = ROOT / "tests" / "data"
    for name, kind in (("keras_tiny.keras", "a model of"), ("keras_tiny.weights.h5", "an HDF5")):
        path = tmp_path / "checkpoint.npz"  # load_model knows them by their contents
        path.write_bytes((data / name).read_bytes())
        with pytest.raises(ModelFileError, match=f"{kind}.*no checkpoint of tinycnn"):
            small_model().fit(*small_data(4), callbacks=[Checkpoint(path, resume=True)], verbose=0)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"SavedModel\), which only TensorFlow can read"):
        load_model(tmp_path)
    with pytest.raises(OSError):
        load_model(tmp_path.parent)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
@pytest.mark.parametrize("kind", ["/dev/zero", "a pipe"])
def test_what_has_no_end_is_refused_at_once(kind, tmp_path):
    path = kind
    if kind == "a pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    code = f"""
import tinycnn
try:
    tinycnn.load_model({str(path)!r})
except tinycnn.ModelFileError as error:
    print(error)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, cwd=ROOT
    )
    assert "a pipe or a device, which may have no end" in process.stdout


def test_an_unsaveable_model_is_refused_before_the_training(tmp_path):
    model = Sequential([Input((2,)), Dense(2, kernel_initializer=lambda s, r, d: np.ones(s))])
    model.compile("sgd", "mse")
    before = model.fingerprint()
    hooks = [ModelCheckpoint(tmp_path / "m.npz")]
    with pytest.raises(ValueError, match="plain"):
        model.fit(np.ones((2, 2)), np.ones((2, 2)), callbacks=hooks, verbose=0)
    assert model.fingerprint() == before


@pytest.mark.parametrize("path", ["m.h5", "m.keras", "m", "m.npz.gz"])
def test_other_endings_are_refused_when_they_are_set(path):
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        Checkpoint(path)
    if path in ("m", "m.npz.gz"):
        with pytest.raises(ValueError, match=r"must end in \.npz, \.keras or \.h5"):
            ModelCheckpoint(path)
    assert serialization.FORMAT == "tinycnn model"
