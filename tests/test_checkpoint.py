"""Checkpoint: a run stopped in any way, and resumed, ends with the bits of one that wasn't."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from resumable import Decay, Memory, all_bits, data, network
from without_numba import needs_numba

from tinycnn import (
    SGD,
    Adam,
    AdamW,
    Callback,
    Checkpoint,
    Dense,
    ModelFileError,
    NumericalError,
    Optimizer,
    RMSprop,
    Sequential,
    load_model,
)
from tinycnn.optimizers.schedules import ExponentialDecay
from tinycnn.support.interrupt import Interrupt

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("resumable.py")

pytestmark = pytest.mark.usefixtures("numpy_rung")


class KilledError(Exception):
    """What `At` raises to end a training where it stands."""


class At(Callback):
    """Calls `act` in a hook, whenever the model has made `step` steps."""

    def __init__(self, step, hook="on_train_batch_end", act=None):
        self.step, self.act = step, act
        setattr(self, hook, self.look)

    def look(self, *arguments):
        if self.model.steps_trained == self.step:
            if self.act is None:
                raise KilledError
            self.act(self, *arguments)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


@pytest.fixture
def train(path):
    """Trains a new model, as a new process would, and gives all the bits of it.

    Three epochs of 40 samples in batches of 8: steps 1 to 5, 6 to 10, 11 to 15.
    """

    def run(*more, every=0.0, resume=True, checkpoint=True, model=None, **changes):
        model, memory = model or network(), Memory()
        # It stands first in the list, and still saves what those after it have done.
        hooks = [Checkpoint(path, every, resume)] if checkpoint else []
        hooks += [Decay(), memory, *more]
        arguments = {"batch_size": 8, "epochs": 3, "verbose": 0, "validation_split": 0.2}
        x, y = data(50)
        history = model.fit(**{"x": x, "y": y, "callbacks": hooks} | arguments | changes)
        return all_bits(model, history, memory)

    run.path = path
    return run


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0.0, 1e6], ids=["every batch", "every epoch"])
@pytest.mark.parametrize("steps", [(1,), (3,), (5,), (6,), (7, 8, 9), (10, 15), (2, 4, 11, 12)])
def test_stopped_and_resumed_is_never_stopped(train, steps, every, rung):
    expected = train(checkpoint=False)
    for step in steps:
        with pytest.raises(KilledError):
            train(At(step), every=every)
    assert train(every=every) == expected


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_begin"])
def test_stopped_anywhere(train, hook):
    # on_epoch_end: after the validation, before the epoch is saved; all its batches are.
    expected = train(checkpoint=False)
    with pytest.raises(KilledError):
        train(At(10, hook))
    assert train() == expected


def test_a_checkpoint_changes_nothing(train):
    assert train() == train(checkpoint=False)


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, momentum=0.9), AdamW(0.01), RMSprop(0.01, momentum=0.5, centered=True)],
    ids=["sgd", "momentum", "adamw", "rmsprop"],
)
def test_other_optimizers_and_dtypes_and_no_shuffle(train, optimizer):
    def model():
        return network(type(optimizer).from_config(optimizer.get_config()), dtype="float64")

    expected = train(checkpoint=False, model=model(), shuffle=False)
    with pytest.raises(KilledError):
        train(At(8), model=model(), shuffle=False)
    assert train(model=model(), shuffle=False) == expected


def test_a_schedule_goes_on_from_its_step(train):
    def fit(*more, **arguments):
        # A schedule can't be multiplied, as Decay does.
        model, memory = network(SGD(ExponentialDecay(0.5, 4, 0.5), momentum=0.5)), Memory()
        hooks = [Checkpoint(arguments["path"], 0, resume=True)] if arguments else []
        history = model.fit(*data(40), 8, 3, 0, [*hooks, memory, *more])
        return all_bits(model, history, memory), model.optimizer.learning_rate

    expected = fit()
    with pytest.raises(KilledError):
        fit(At(8), path=train.path)
    assert fit(path=train.path) == expected
    assert expected[1] == 0.5 * 0.5 ** (15 / 4)


class Slowing(Optimizer):
    """An optimizer of one's own."""

    slots = ("steps",)

    def update_step(self, value, gradient, learning_rate, steps):
        steps += 1
        value -= learning_rate * gradient / steps


def test_an_optimizer_of_ones_own(train):
    expected = train(checkpoint=False, model=network(Slowing(0.1)))
    with pytest.raises(KilledError):
        train(At(8), model=network(Slowing(0.1)))
    assert train(model=network(Slowing(0.1))) == expected


def test_a_second_fit_on_the_same_model(train, path):
    def trained():
        model = network()
        model.fit(*data(30), verbose=0)
        return model

    expected = train(checkpoint=False, model=trained(), initial_epoch=1)
    with pytest.raises(KilledError):
        train(At(9), model=trained(), initial_epoch=1)
    assert train(model=trained(), initial_epoch=1) == expected


def test_a_finished_run_is_not_run_again_but_may_be_prolonged(train):
    train(epochs=2)
    steps = []
    assert train(At(11, act=lambda *_: steps.append(1)), epochs=3) == train(checkpoint=False)
    assert steps == [1]
    again = train(At(15, "on_epoch_begin"), epochs=3)
    assert again == train(checkpoint=False)


def test_a_run_that_a_callback_has_ended_stays_ended(train):
    def stop(self, *_):
        self.model.stop_training = True

    stopped = train(At(10, "on_epoch_end", stop))
    assert stopped["epochs"] == [0, 1]
    assert train() == stopped


def test_values_that_are_not_finite_come_back(train):
    # As a callback's `best` before its first epoch; and a log may be NaN while the loss is not.
    def log(self, epoch, logs):
        logs["odd"] = np.float32("nan") if epoch else -np.inf

    expected = train(At(5, "on_epoch_end", log), At(10, "on_epoch_end", log), checkpoint=False)
    with pytest.raises(KilledError):
        train(At(5, "on_epoch_end", log), At(10, "on_epoch_end", log), At(12))
    resumed = train()
    assert dict(resumed["history"])["odd"] == ["-inf", "nan"]
    assert dict(expected["history"])["odd"] == ["-inf", "nan"]


def test_what_callbacks_change_when_an_epoch_begins_again_is_taken_back(train):
    # Decay multiplies at each beginning: twice for one epoch would be another learning rate.
    expected = train(checkpoint=False)["model"]["compile"]["optimizer"]["config"]
    with pytest.raises(KilledError):
        train(At(8))
    assert train()["model"]["compile"]["optimizer"]["config"] == expected


def test_it_is_a_model_file_too(train, path):
    train()
    loaded = load_model(path, custom_layers={"Noise": type(network().layers[0])})
    model = network()
    train(checkpoint=False, model=model)
    assert loaded.fingerprint() == model.fingerprint()


# --- what must be the same ------------------------------------------------------------------------


def sliced(array, start):
    array = array.copy()
    array[start] = array[start][::-1]
    return array


X, Y = data(50)
DIFFERENT = {
    "seed": ({"model": lambda: network(seed=2)}, "`seed` was 1 in that run. Received: 2"),
    "dtype": ({"model": lambda: network(dtype="float64")}, "`dtype` was 'float32'"),
    "filters": (
        {"model": lambda: network(filters=5)},
        "`layers[1].config.filters` was 4 in that run. Received: 5",
    ),
    "optimizer": ({"model": lambda: network(SGD(0.01))}, "`optimizer.class` was 'Adam'"),
    "learning rate": (
        {"model": lambda: network(Adam(0.02))},
        "`optimizer.config.learning_rate` was 0.01 in that run. Received: 0.02",
    ),
    "batch size": ({"batch_size": 4}, "`batch_size` was 8 in that run. Received: 4"),
    "shuffle": ({"shuffle": False}, "`shuffle` was True"),
    "split": ({"validation_split": 0.3}, "`validation_split` was 0.2 in that run. Received: 0.3"),
    "initial epoch": ({"initial_epoch": 1}, "`initial_epoch` was 0"),
    "fewer samples": ({"x": X[:40], "y": Y[:40]}, "`data.x.shape[0]` was 50"),
    "another dtype": ({"x": X.astype("float64")}, "`data.x.dtype` was 'float32'"),
    "an image": ({"x": sliced(X, 7)}, "`data.x.sha256` was"),
    "a label": ({"y": sliced(Y, 7) if Y[7, 1] == 0 else 1 - Y}, "`data.y.sha256` was"),
    "validation": ({"validation_data": (X, Y)}, "`validation_split` was 0.2"),
    "callbacks": ({"callbacks": "fewer"}, "`len(callbacks)` was 1 in that run. Received: 0"),
}


@pytest.mark.parametrize(("changes", "words"), DIFFERENT.values(), ids=DIFFERENT)
def test_resuming_another_training_is_an_error_that_names_it(train, path, changes, words):
    with pytest.raises(KilledError):
        train(At(8))
    changes = dict(changes)
    model = changes.pop("model", network)()
    if changes.get("callbacks"):
        changes["callbacks"] = [Checkpoint(path, resume=True)]
    begun = []
    before, file = model.fingerprint(), path.read_bytes()
    with pytest.raises(ModelFileError) as caught:
        train(At(0, "on_train_begin", lambda *_: begun.append(1)), model=model, **changes)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    # Nothing has happened: not to the model, nor to the file, nor in another callback.
    assert (model.fingerprint(), model.steps_trained, begun) == (before, 0, [])
    assert path.read_bytes() == file


@needs_numba
def test_the_rung_must_be_the_same(train, path, monkeypatch):
    train(epochs=1)
    from tinycnn import kernels

    with kernels.use("numba"), pytest.raises(ModelFileError, match="`kernels` was 'numpy'"):
        train()


def test_a_file_of_something_else(train, path):
    network().save(path)
    with pytest.raises(ModelFileError, match="a model, but not a checkpoint"):
        train()
    path.write_bytes(b"PK\3\4 half a file")
    with pytest.raises(ModelFileError, match=r"checkpoint\.npz: not a complete tinycnn model file"):
        train()


def test_bad_arguments(tmp_path, train):
    with pytest.raises(ValueError, match=r"`path` must end in .npz. Received: path='model.h5'"):
        Checkpoint("model.h5")
    with pytest.raises(ValueError, match=r"`every_seconds` must be .* >= 0"):
        Checkpoint("a.npz", every_seconds=-1)
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere to save a.npz in"):
        train(Checkpoint(tmp_path / "nowhere" / "a.npz"))


def test_what_can_t_be_saved_is_said_before_the_training(path):
    model = Sequential([Dense(2, kernel_initializer=lambda shape, rng, dtype: np.ones(shape))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"can't be saved as plain values.*function"):
        model.fit(X[:, 0, :, 0], Y[:, :2], verbose=0, callbacks=[Checkpoint(path)])
    assert model.steps_trained == 0


# --- what is said ---------------------------------------------------------------------------------


def test_a_new_run_where_one_was_to_be_resumed_is_said(train, path, capsys):
    train()
    assert f"there is no {path} to resume from: this is a new run" in capsys.readouterr().err
    train(resume=False)
    assert f"{path}, of an earlier run, will be replaced" in capsys.readouterr().err
    train(verbose=2, epochs=4)
    assert f"resumed from {path} (epoch 3)\nEpoch 4/4 - " in capsys.readouterr().out
    train(verbose=2, epochs=4)
    assert "nothing is left to train: all 4 epochs are done\n" in capsys.readouterr().out


def test_the_time_of_a_batch_is_right_in_a_resumed_epoch(train, capsys):
    def slow(self, *_):
        time.sleep(0.3)

    with pytest.raises(KilledError):
        train(At(4))
    # Batches 4 and 5 are left. The first one done does not count; the other takes 0.3 s, which
    # divided by four would seem to be 0.08.
    train(At(5, act=slow), epochs=1, verbose=2)
    line = capsys.readouterr().out.splitlines()[-1]
    assert 300 <= float(line.split(" - ")[2].removesuffix("ms/step")) < 3000


# --- when numbers go wrong ------------------------------------------------------------------------


def spoil(self, *_):
    self.model.parameters[-1].value[...] = np.nan


def test_the_last_good_checkpoint_stays_and_is_named(train, path):
    with pytest.raises(NumericalError) as caught:
        train(At(7, "on_train_batch_begin", spoil))
    assert f"The last good checkpoint: {path} (epoch 2, batch 2)." in str(caught.value)
    # And it is a good one.
    assert train() == train(checkpoint=False)


def test_weights_that_are_not_finite_are_not_saved(train, path):
    # The loss is still finite when the callbacks are called; the next one is not.
    with pytest.raises(NumericalError, match=r"last good checkpoint: .*epoch 2, batch 1\)"):
        train(At(7, act=spoil))
    assert train() == train(checkpoint=False)


def test_a_loss_that_is_not_finite_is_not_saved_if_a_callback_stops(train, path):
    def stop(self, batch, logs):
        if not np.isfinite(logs["loss"]):
            self.model.stop_training = True

    train(At(7, "on_train_batch_begin", spoil), At(7, act=stop))
    assert train() == train(checkpoint=False)


# --- when the disk is full ------------------------------------------------------------------------


class Full:
    """In its `with` no file of this process can grow beyond `room` bytes."""

    def __init__(self, room):
        self.room = room

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize("tries", [3, pytest.param(50, marks=pytest.mark.full)])
def test_a_full_disk_does_not_end_the_training(train, path, capsys, tries):
    rng = random.Random(tries)
    expected = train(checkpoint=False)
    with pytest.raises(KilledError):
        train(At(1))
    train(epochs=1)
    size = path.stat().st_size
    for _ in range(tries):
        path.unlink()
        with pytest.raises(KilledError):
            train(At(6))
        good = path.read_bytes()
        capsys.readouterr()
        with Full(rng.randrange(size)):
            assert train() == expected
        notices = capsys.readouterr().err.splitlines()
        # Ten batches and two epochs are left.
        assert len(notices) == 12
        for notice in notices:
            assert "*** CHECKPOINT NOT SAVED ([Errno 27] File too large" in notice
            assert f"The last good one: {path} (epoch 1)." in notice
        assert path.read_bytes() == good
        assert os.listdir(path.parent) == [path.name]
    assert train() == expected


def test_the_disk_has_room_again(train, path, capsys):
    full = Full(100)
    with pytest.raises(KilledError):
        train(
            At(3, "on_train_batch_begin", lambda *_: full.__enter__()),
            At(5, "on_train_batch_begin", lambda *_: full.__exit__()),
            At(7),
        )
    notices = capsys.readouterr().err.splitlines()[1:]
    assert len(notices) == 3  # two batches and the epoch
    assert all(f"The last good one: {path} (epoch 1, batch 3)." in n for n in notices)
    assert train() == train(checkpoint=False)


# --- Ctrl-C ---------------------------------------------------------------------------------------


def press(times):
    def act(*_):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    return act


def test_ctrl_c_finishes_the_batch_and_saves(train, path):
    model = network()
    with pytest.raises(KeyboardInterrupt) as caught:
        train(At(6, "on_train_batch_begin", press(1)), every=1e6, model=model)
    assert model.steps_trained == 7
    assert str(caught.value) == (
        f"stopped after epoch 2, batch 2; with resume it goes on from {path} (epoch 2, batch 2)"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train() == train(checkpoint=False)


def test_ctrl_c_after_the_last_batch_waits_for_the_epoch(train, path):
    with pytest.raises(KeyboardInterrupt, match=r"after epoch 2; .* \(epoch 2\)"):
        # After the batch has ended: it comes during the validation.
        train(At(10, act=press(1)), every=1e6)
    assert train() == train(checkpoint=False)


def test_a_second_ctrl_c_does_not_wait(train):
    model = network()
    with pytest.raises(KeyboardInterrupt):
        train(At(6, "on_train_batch_begin", press(2)), model=model)
    assert model.steps_trained == 6
    assert train() == train(checkpoint=False)


def test_ctrl_c_that_can_t_be_saved_says_what_is_lost(train, path, capsys):
    def full_disk(*_):
        Full(100).__enter__()
        os.kill(os.getpid(), signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt, match=r"epoch 2, batch 2; .* \(epoch 1\)"):
            train(At(6, "on_train_batch_begin", full_disk), every=1e6)
    finally:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    assert "CHECKPOINT NOT SAVED" in capsys.readouterr().err


def test_ctrl_c_without_a_checkpoint_leaves_a_whole_model(train):
    model = network()
    with pytest.raises(KeyboardInterrupt) as caught:
        train(At(6, "on_train_batch_begin", press(1)), checkpoint=False, model=model)
    assert str(caught.value) == "stopped after epoch 2, batch 2"
    assert model.optimizer.iterations == model.steps_trained == 7


def test_ctrl_c_at_the_very_end_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), Interrupt():
        press(1)()


def test_an_error_is_not_hidden_by_ctrl_c_and_the_handler_is_put_back(train):
    with pytest.raises(KilledError):
        train(At(6, "on_train_batch_begin", press(1)), At(7))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_ones_own_stays(train):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        train(At(6, act=press(1)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_training_in_another_thread(train):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(checkpoint=False)))
    thread.start()
    thread.join()
    assert len(results) == 1  # only the main thread may set handlers


# --- kill -9 --------------------------------------------------------------------------------------


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process):
    """The last line of a run that nobody kills: the SHA-256 of its weights, and of all its bits."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out.splitlines()[-1]


@pytest.mark.parametrize("rounds", [1, pytest.param(7, marks=pytest.mark.full)])
def test_killed_at_random_moments(tmp_path, rounds):
    """Three kills a round, one after the other, on the compiled rung."""
    expected = finish(start(tmp_path / "whole.npz", 1e6))
    rng = random.Random(rounds)
    for i in range(rounds):
        path = tmp_path / f"{i}.npz"
        for _ in range(3):
            # A thousand steps are left at first: they take longer than three times 0.08 s.
            with start(path, rng.choice([0.0, 0.02]), rng.uniform(0.001, 0.08)) as process:
                process.communicate()
            assert process.returncode == -signal.SIGALRM, "it ended before it could be killed"
        assert finish(start(path, 1e6)) == expected
