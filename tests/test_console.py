"""What is printed: Keras's table to the character, one plain line an epoch, or a live one."""

import io
import re
import sys
import time

import numpy as np
import pytest
from test_models import reference_network

from tinycnn import SGD, Callback, Dense, Input, ReLU, Sequential
from tinycnn.support import console, progress
from tinycnn.support.progress import EpochLine, Progress
from tinycnn.support.tables import memory_size

pytestmark = pytest.mark.usefixtures("numpy_rung")

# Printed by Keras 3.15.1 at 80 columns.
TABLE = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ conv2d (Conv2D)                 │ (None, 26, 26, 32)     │           320 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d (MaxPooling2D)    │ (None, 13, 13, 32)     │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_1 (Conv2D)               │ (None, 11, 11, 64)     │        18,496 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d_1 (MaxPooling2D)  │ (None, 5, 5, 64)       │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_2 (Conv2D)               │ (None, 3, 3, 64)       │        36,928 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 576)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 64)             │        36,928 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 10)             │           650 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
"""
BEFORE = """\
 Total params: 93,322 (364.54 KB)
 Trainable params: 93,322 (364.54 KB)
 Non-trainable params: 0 (0.00 B)
"""
AFTER = """\
 Total params: 279,968 (1.07 MB)
 Trainable params: 93,322 (364.54 KB)
 Non-trainable params: 0 (0.00 B)
 Optimizer params: 186,646 (729.09 KB)
"""


def test_summary_is_keras_s_before_and_after_fit(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = reference_network()
    model.summary()
    assert capsys.readouterr().out == TABLE + BEFORE
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.zeros((2, 28, 28, 1)), np.eye(10)[:2], verbose=0)
    model.summary()
    assert capsys.readouterr().out == TABLE + AFTER


@pytest.mark.parametrize(("columns", "width"), [(80, 76), (92, 88), (300, 88), (60, 56)])
def test_summary_fits_the_terminal(columns, width, capsys, monkeypatch):
    # Keras: the terminal's width less 4, at most 88.
    monkeypatch.setenv("COLUMNS", str(columns))
    reference_network().summary()
    table = capsys.readouterr().out.splitlines()[1:-3]
    assert {len(line) for line in table} == {width}


def test_long_names_are_cut_not_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    Sequential([Input((2,)), Dense(1, name="n" * 60)], name="mine").summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'Model: "mine"'
    assert len({len(line) for line in lines[1:6]}) == 1
    assert "nnn…" in lines[4]


def test_summary_of_a_model_without_a_shape(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    Sequential([Dense(2)]).summary()
    out = capsys.readouterr().out
    assert "?" in out
    assert "0 (unbuilt)" in out


def test_optimizer_params_of_plain_sgd(capsys):
    model = Sequential([Input((2,)), ReLU(), Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((1, 2)), np.ones((1, 1)))
    model.summary()
    # The step counter (8 bytes) and the learning rate (4); with the 3 weights 5 numbers, 24 bytes.
    out = capsys.readouterr().out
    assert " Optimizer params: 2 (12.00 B)\n" in out
    assert " Total params: 5 (24.00 B)\n" in out


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 B"),
        (4, "4.00 B"),
        (1023, "1023.00 B"),
        (1024, "1.00 KB"),
        (373_288, "364.54 KB"),
        (1_119_876, "1.07 MB"),
        (3 * 1024**3, "3.00 GB"),
    ],
)
def test_memory_sizes(size, text):
    assert memory_size(size) == text


# --- the line of an epoch -------------------------------------------------------------------------

LINE = re.compile(
    r"Epoch (\d)/3 - 4/4 - \d+s - \d+(s|ms|us)/step - accuracy: \d\.\d{4} - loss: \d\.\d{4} - "
    r"val_accuracy: \d\.\d{4} - val_loss: \d\.\d{4}"
)


def fit(small_model, small_data, **arguments):
    x, y = small_data(10)
    # 8 samples to train on: 4 batches
    return small_model(SGD(0.01)).fit(
        x, y, batch_size=2, validation_split=0.2, **{"epochs": 3, **arguments}
    )


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_in_a_pipe_an_epoch_is_one_plain_line(verbose, small_model, small_data, capsys):
    history = fit(small_model, small_data, verbose=verbose)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.endswith("\n")
    lines = out[:-1].split("\n")
    assert [LINE.fullmatch(line)[1] for line in lines] == ["1", "2", "3"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)  # no control character but line ends
    assert f" loss: {history.history['loss'][2]:.4f} " in lines[2]
    assert lines[2].endswith(f"val_loss: {history.history['val_loss'][2]:.4f}")


def test_silence(small_model, small_data, capsys):
    x, y = small_data(4)
    model = small_model()
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_single_epoch_has_no_title(small_model, small_data, capsys):
    fit(small_model, small_data, epochs=1)
    assert capsys.readouterr().out.startswith("4/4 - ")


def test_a_title_counts_with_the_initial_epoch(small_model, small_data, capsys):
    fit(small_model, small_data, initial_epoch=2)
    assert capsys.readouterr().out.startswith("Epoch 3/3 - 4/4 - ")


def test_what_a_callback_writes_is_printed(small_model, small_data, capsys):
    class Rate(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = self.model.optimizer.learning_rate

    fit(small_model, small_data, epochs=1, callbacks=[Rate()])
    assert capsys.readouterr().out.endswith(" - learning_rate: 0.0100\n")


def test_evaluate_and_predict_have_their_line_too(small_model, small_data, capsys):
    x, y = small_data(10)
    model = small_model()
    loss, accuracy = model.evaluate(x, y, batch_size=4)
    line = capsys.readouterr().out
    assert re.fullmatch(r"3/3 - \d+s - \d+\wss?/step - accuracy: .* - loss: .*\n", line)
    assert line.endswith(f"accuracy: {accuracy:.4f} - loss: {loss:.4f}\n")
    model.predict(x, batch_size=4)
    assert re.fullmatch(r"3/3 - \d+s - \d+\wss?/step\n", capsys.readouterr().out)


@pytest.fixture
def terminal(monkeypatch, capsys):
    """stdout counts as a terminal, and every moment is a moment to redraw."""
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    monkeypatch.setattr(progress, "UPDATE_INTERVAL", 0.0)
    return capsys


def screen(text):
    """What a terminal shows of `text`, and how often it was redrawn."""
    plain = re.sub(r"\x1b\[\d*m", "", text)
    shown = [line.split("\r")[-1].removeprefix("\x1b[K") for line in plain.split("\n")]
    return shown, plain.count("\r")


@pytest.mark.parametrize("verbose", ["auto", 1])
def test_on_a_terminal_the_line_is_redrawn(verbose, small_model, small_data, terminal):
    history = fit(small_model, small_data, epochs=2, verbose=verbose)
    out = terminal.readouterr().out
    shown, redrawn = screen(out)
    assert redrawn == 2 * 4
    assert shown[0] == "Epoch 1/2"
    assert shown[2] == "Epoch 2/2"
    assert shown[4] == ""  # the last line is ended
    assert re.fullmatch(rf"4/4 {'━' * 20} \d+s \d+\w*s/step - accuracy: .*", shown[3])
    assert shown[3].endswith(f"val_loss: {history.history['val_loss'][1]:.4f}")
    # Half way 10 of the 20 cells are green, the rest grey.
    assert f"\x1b[1m2/4\x1b[0m \x1b[32m{'━' * 10}\x1b[0m\x1b[37m{'━' * 10}\x1b[0m" in out


def test_verbose_2_is_plain_on_a_terminal_too(small_model, small_data, terminal):
    fit(small_model, small_data, verbose=2)
    out = terminal.readouterr().out
    assert "\r" not in out
    assert "\x1b" not in out
    assert out.count("\n") == 3


def test_step_numbers_are_aligned(terminal):
    line = EpochLine("", 750, live=True)
    line.update(7, {})
    assert screen(terminal.readouterr().out)[0][0].startswith("  7/750 ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98765, "0.9877"),
        (12.5, "12.5000"),
        (0.0011, "0.0011"),
        # Below 1e-3 as Keras: .4e
        (0.001, "1.0000e-03"),
        (2.5e-6, "2.5000e-06"),
        (-0.5, "-0.5000"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_values_are_written_as_in_keras(value, text, capsys):
    EpochLine("", 1, live=False).finish({"loss": value})
    assert capsys.readouterr().out.endswith(f" - loss: {text}\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0s"),
        (59.9, "59s"),
        (60.0, "60s"),
        (61.0, "1:01"),
        (754.0, "12:34"),
        (3661.0, "1:01:01"),
    ],
)
def test_durations_are_written_as_in_keras(seconds, text, capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    line = EpochLine("", 1, live=False)
    now[0] += seconds
    line.finish({})
    assert f"1/1 - {text} - " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2s/step"), (0.25, "250ms/step"), (0.000021, "21us/step")]
)
def test_time_per_step_leaves_out_the_first(seconds, text, capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    line = EpochLine("", 3, live=False)
    now[0] += 50.0  # a first step that compiled something
    line.update(1, {})
    for step in (2, 3):
        now[0] += seconds
        line.update(step, {})
    line.finish({})
    assert capsys.readouterr().out.endswith(f" - {text}\n")


def test_a_terminal_is_known_by_stdout(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert not console.is_terminal()  # pytest captures
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert console.is_terminal()


# --- notices and progress -------------------------------------------------------------------------


def test_notices_go_to_stderr_and_some_only_once(capsys):
    for _ in range(2):
        console.notice("told once, in this test", once=True)
        console.notice("told again")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("told once, in this test") == 1
    assert err.count("tinycnn: told again\n") == 2


def work(total, unit):
    with Progress("file.gz", total, unit) as progress:
        for done in range(0, total + 1, total // 2):
            progress.update(done)


def test_progress_in_a_pipe_is_one_line_at_the_end(capsys):
    work(4_000_000, "B")
    assert re.fullmatch(r"file\.gz: 4\.0/4\.0 MB, \d+\.\d s\n", capsys.readouterr().out)


def test_progress_on_a_terminal_is_redrawn(terminal):
    work(4, "images")
    shown, redrawn = screen(terminal.readouterr().out)
    assert redrawn >= 3
    assert re.fullmatch(r"file\.gz: 4/4 images, \d+\.\d s", shown[0])
    assert shown[1:] == [""]
