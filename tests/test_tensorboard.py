"""TensorBoard: what is written, by a stand-in for tensorboardX; by itself, and beside Keras's."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tinycnn import Dense, Input, Sequential, callbacks
from tinycnn.metrics import ConfusionMatrix

pytestmark = pytest.mark.usefixtures("numpy_rung")

X = np.random.default_rng(0).standard_normal((20, 3)).astype("float32")
Y = np.eye(2)[np.random.default_rng(1).integers(2, size=20)]


def model(**arguments):
    made = Sequential([Input((3,)), Dense(2, activation="softmax", name="scores")], seed=0)
    made.compile("adam", "categorical_crossentropy", **arguments)
    return made


class Writer:
    """Notes what it is told, by folder."""

    written: dict

    def __init__(self, folder):
        self.notes = self.written.setdefault(folder, [])

    def add_scalar(self, name, value, step):
        self.notes.append((name, value, step))

    def add_histogram(self, name, values, step):
        self.notes.append((name, values.copy(), step))

    def flush(self):
        self.notes.append("flush")

    def close(self):
        self.notes.append("close")


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setattr(Writer, "written", {}, raising=False)
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=Writer))
    return Writer.written


def test_curves_are_written_by_epoch(written, tmp_path):
    hook = callbacks.TensorBoard(tmp_path)
    history = model(metrics=["accuracy", ConfusionMatrix()]).fit(
        X, Y, epochs=2, verbose=0, callbacks=[hook], validation_split=0.2
    )
    logs = history.history
    train, validation = (written[str(tmp_path / room)] for room in ("train", "validation"))
    expected = []
    for epoch in (0, 1):
        expected += [(f"epoch_{n}", logs[n][epoch], epoch) for n in ("accuracy", "loss")]
        expected += [("epoch_learning_rate", 0.001, epoch), "flush"]
    assert train == [*expected, "close"]
    assert validation == [
        *(("epoch_accuracy", logs["val_accuracy"][0], 0), ("epoch_loss", logs["val_loss"][0], 0)),
        "flush",
        *(("epoch_accuracy", logs["val_accuracy"][1], 1), ("epoch_loss", logs["val_loss"][1], 1)),
        *("flush", "close"),
    ]


def test_batches_and_weights(written, tmp_path):
    made = model()
    hook = callbacks.TensorBoard(tmp_path, histogram_freq=2, update_freq=2)
    history = made.fit(X, Y, batch_size=6, epochs=3, verbose=0, callbacks=[hook])
    notes = [note for note in written[str(tmp_path / "train")] if note[0] not in "fc"]
    # Twelve steps, four in each epoch; the running mean of the last is the epoch's loss.
    batches = [(value, step) for name, value, step in notes if name == "batch_loss"]
    assert [step for _, step in batches] == [2, 4, 6, 8, 10, 12]
    assert [value for value, step in batches if step % 4 == 0] == history.history["loss"]
    weights = [(name, step) for name, _, step in notes if name.endswith("histogram")]
    names = ["scores/kernel/histogram", "scores/bias/histogram"]
    assert weights == [(name, epoch) for epoch in (0, 2) for name in names]
    np.testing.assert_array_equal(
        next(v for n, v, s in notes if (n, s) == (names[0], 2)), made.get_weights()[0]
    )
    # A second fit opens files of its own and counts on.
    made.fit(X, Y, verbose=0, callbacks=[hook])
    assert written[str(tmp_path / "train")].count("close") == 2


def test_every_batch(written, tmp_path):
    hook = callbacks.TensorBoard(tmp_path, update_freq="batch")
    model().fit(X, Y, batch_size=7, verbose=0, callbacks=[hook])
    steps = [n[2] for n in written[str(tmp_path / "train")] if n[0] == "batch_loss"]
    assert steps == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"histogram_freq": -1}, "histogram_freq=-1"),
        ({"update_freq": "step"}, "`update_freq` must be 'epoch', 'batch' or .*'step'"),
        ({"update_freq": 0}, "update_freq=0"),
    ],
)
def test_bad_arguments_are_named(arguments, words, written):
    with pytest.raises(ValueError, match=words):
        callbacks.TensorBoard(**arguments)


def test_what_keras_s_has_and_this_one_not_is_refused(written):
    for name in ("write_graph", "write_images", "profile_batch", "embeddings_freq"):
        with pytest.raises(TypeError, match=f"TensorBoard has no argument `{name}`"):
            callbacks.TensorBoard(**{name: True})


def test_without_tensorboardx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'tinycnn\[tensorboard\]'"):
        callbacks.TensorBoard()


def read(folder):
    """{(name, step): value} of all scalars below a folder."""
    loader = importlib.import_module("tensorboard.backend.event_processing.event_file_loader")
    tensors = importlib.import_module("tensorboard.util.tensor_util")
    found = {}
    for path in sorted(folder.glob("*tfevents*")):
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if (value.HasField("tensor") and "loss" in value.tag) or "epoch_" in value.tag:
                    found[value.tag, event.step] = float(tensors.make_ndarray(value.tensor))
    return found


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # protobuf's and TensorBoard's own
def test_the_files_say_what_keras_s_say(tmp_path):
    """The same weights and batches: the same curves in the same folders."""
    pytest.importorskip("tensorboardX", reason="no tensorboardX")
    pytest.importorskip("tensorboard", reason="no TensorBoard")
    keras = pytest.importorskip("keras", reason="no Keras")
    ours = model(metrics=["accuracy"])
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    theirs.set_weights(ours.get_weights())
    theirs.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    for made, module, name in ((ours, callbacks, "ours"), (theirs, keras.callbacks, "theirs")):
        hook = module.TensorBoard(str(tmp_path / name), update_freq="batch")
        made.fit(
            X,
            Y,
            batch_size=6,
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=(X[:5], Y[:5]),
            callbacks=[hook],
        )
    for room in ("train", "validation"):
        found, wanted = (read(tmp_path / name / room) for name in ("ours", "theirs"))
        wanted = {key: v for key, v in wanted.items() if not key[0].startswith("evaluation_")}
        assert found.keys() == wanted.keys() and found
        for key, value in wanted.items():
            assert found[key] == pytest.approx(value, abs=1e-5), key
