"""Consoles of any kind: encodings, streams that are half there, pipes that close, full disks."""

import io
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from test_examples import EXAMPLES, ROOT

from tinycnn import Callback, Dense, Input, Sequential
from tinycnn.support import console
from tinycnn.support.progress import BAR_CELLS, Progress

pytestmark = pytest.mark.usefixtures("numpy_rung")


def work():
    """A summary, a live epoch, plain ones, an evaluation, a notice, a progress: all that prints."""
    model = Sequential([Input((2,)), Dense(2, name="dense_grüße", activation="softmax")], seed=0)
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    x, y = np.zeros((4, 2)), np.eye(2)[[0, 1, 0, 1]]
    for verbose in (0, 1, 2):
        model.fit(x, y, batch_size=2, verbose=verbose)
        model.evaluate(x, y, verbose=verbose)
        model.predict(x, verbose=verbose)
    console.notice("a notice … of the console")
    console.say_above("above")
    with Progress("counting", 3, "things") as progress:
        progress.update(3)
    return model


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding, strict about it."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")

    def isatty(self):
        return True

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437", "utf-8", "utf-16"])
def test_any_encoding(encoding, monkeypatch):
    out, err = Terminal(encoding), Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    work()
    assert "Total params: 6" in out.text()
    assert "loss: " in out.text()
    assert "a notice" in err.text()
    plain = encoding not in ("utf-8", "utf-16")  # cp437 has double lines, but no heavy ones
    assert ("+---" in out.text()) == plain
    assert ("┏━" in out.text()) == (encoding in ("utf-8", "utf-16"))
    # Done and left are told apart where the two colours may not be there.
    assert ("=" * BAR_CELLS in out.text()) == plain


class NoMethods:
    pass


class OnlyWrite:
    def write(self, text):
        return len(text)


class Raises:
    """A stream on which everything goes wrong."""

    encoding = "utf-8"

    def __init__(self, error):
        self.error = error

    def write(self, *text):
        raise self.error

    flush = isatty = fileno = write


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "no methods": NoMethods,
    "only write": OnlyWrite,
    "closed": closed,
    "full disk": lambda: Raises(OSError(28, "No space left on device")),
    "broken pipe": lambda: Raises(BrokenPipeError(32, "Broken pipe")),
    "value error": lambda: Raises(ValueError("I/O operation on closed file")),
    "an encoding that nobody knows": lambda: type("Odd", (OnlyWrite,), {"encoding": "klingon"})(),
    "no encoding": lambda: type("Odd", (OnlyWrite,), {"encoding": None})(),
    "a console that was deleted": lambda: Raises(RuntimeError("Internal C++ object deleted")),
    "nothing that is expected": lambda: Raises(KeyError("stdout")),
    "not implemented": lambda: Raises(NotImplementedError()),
    "an encoding that raises": lambda: OddEncoding(),
    "isatty is no method": lambda: type("Odd", (OnlyWrite,), {"isatty": True})(),
}


class OddEncoding(OnlyWrite):
    @property
    def encoding(self):
        raise RuntimeError("gone")

    def isatty(self):
        return True


@pytest.mark.parametrize("kind", STREAMS)
def test_nothing_that_is_printed_raises(kind, monkeypatch):
    expected = work().fingerprint()
    monkeypatch.setattr(sys, "stdout", STREAMS[kind]())
    monkeypatch.setattr(sys, "stderr", STREAMS[kind]())
    assert work().fingerprint() == expected


@pytest.mark.parametrize("columns", ["1", "14", "20", "33", "0", "-5", "1000"])
def test_any_width(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    work()
    assert "Total params" in capsys.readouterr().out


@pytest.mark.parametrize(
    "value", [np.arange(3), "text", None, [1, 2], {"a": 1}, "a\nb\x1b[2J", 1 + 2j, np.float32(2)]
)
@pytest.mark.parametrize("verbose", [1, 2])
def test_anything_may_be_in_the_logs(value, verbose, capsys):
    class Logs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = value

    model = Sequential([Input((2,)), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    history = model.fit(
        np.ones((2, 2)), np.ones((2, 1)), epochs=2, verbose=verbose, callbacks=[Logs()]
    )
    assert len(history.history["mine"]) == 2
    out = capsys.readouterr().out
    assert out.count("mine: ") == 2
    assert "\x1b[2J" not in out


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("verbose", [1, 2])
def test_nor_do_names_and_things_without_words_end_it(verbose, capsys):
    class Logs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["\x1b[31mname\x1b]0;x\x07"] = 1.0
            logs["thing"] = Unspeakable()

    model = Sequential([Input((2,)), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=verbose, callbacks=[Logs()])
    out = capsys.readouterr().out
    assert "?[31mname?]0;x?: 1.0000" in out
    assert "thing: a Unspeakable" in out


def test_a_reader_that_leaves_does_not_end_the_work(tmp_path):
    """`python train.py | head -1`: no error, no complaint at exit, and the training is finished."""
    done = tmp_path / "done"
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "hostile")!r})
sys.path.insert(0, {str(ROOT / "tests")!r})
from tinycnn import kernels; kernels.use("numpy")
import test_hostile_consoles
for _ in range(20):
    test_hostile_consoles.work()
open({str(done)!r}, "w").close()
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    writer.stdout.readline()
    writer.stdout.close()
    with writer.stderr:
        error = writer.stderr.read().decode()
    assert writer.wait(120) == 0, error
    assert "Broken" not in error
    assert done.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_on_a_full_disk_does_not_end_the_work():
    code = "from tinycnn.support import console\nfor _ in range(3): console.say('x' * 10000)"
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert "Traceback" not in process.stderr


# Python's flags, and the environment: the examples take turns.
SETTINGS = {
    ("-OO",): {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
    ("-W", "error", "-bb"): {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize(
    ("example", "flags"),
    [*zip(EXAMPLES, itertools.cycle(SETTINGS), strict=False)],
    ids=lambda p: p if isinstance(p, str) else " ".join(p),
)
def test_every_example_says_what_it_takes(example, flags, tmp_path):
    process = subprocess.run(
        [sys.executable, *flags, str(ROOT / "examples" / example), "--help"],
        env={**os.environ, **SETTINGS[flags], "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr.decode(errors="replace")
    assert process.stdout
