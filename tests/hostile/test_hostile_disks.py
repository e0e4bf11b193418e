"""Disks that are full, folders that are gone or in use: work goes on, or ends before it begins."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from test_examples import ROOT

from tinycnn import Callback, Checkpoint
from tinycnn.callbacks import CSVLogger, ModelCheckpoint
from tinycnn.support.files import claim_folder

pytestmark = pytest.mark.usefixtures("numpy_rung")

WRITERS = {
    "ModelCheckpoint": lambda folder: ModelCheckpoint(folder / "{epoch}.npz"),
    "best only": lambda folder: ModelCheckpoint(folder / "best.npz", save_best_only=True),
    "CSVLogger": lambda folder: CSVLogger(folder / "log.csv"),
    "Checkpoint": lambda folder: Checkpoint(folder / "checkpoint.npz", 0),
}
each_writer = pytest.mark.parametrize("writer", WRITERS)


class After(Callback):
    """Does something to the disk at the end of the first epoch, before the others write."""

    def __init__(self, act):
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.act()


def trained(make, data, hooks):
    model = make()
    model.fit(*data, epochs=3, verbose=0, callbacks=hooks, validation_data=data)
    return model.fingerprint()


@each_writer
def test_a_folder_that_vanishes_does_not_end_the_training(
    writer, small_model, small_data, tmp_path, capsys
):
    folder, data = tmp_path / "folder", small_data(6)
    folder.mkdir()
    expected = trained(small_model, data, [])
    hooks = [After(lambda: shutil.rmtree(folder)), WRITERS[writer](folder)]
    assert trained(small_model, data, hooks) == expected
    # ModelCheckpoint makes folders that are missing.
    assert ("NOT " in capsys.readouterr().err) == (writer not in ("ModelCheckpoint", "best only"))


@each_writer
def test_a_full_disk_does_not_end_the_training(
    writer, small_model, small_data, tmp_path, capsys, monkeypatch
):
    data = small_data(6)
    expected = trained(small_model, data, [])

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def fill():
        monkeypatch.setattr("os.fsync", full)
        monkeypatch.setattr(csv, "writer", full)

    hooks = [After(fill), WRITERS[writer](tmp_path)]
    assert trained(small_model, data, hooks) == expected
    notices = capsys.readouterr().err.splitlines()
    assert len(notices) >= 3
    for notice in notices:
        assert "NOT " in notice and "No space left on device" in notice
        assert "The training goes on" in notice


def test_what_could_not_be_saved_is_not_the_best(small_model, small_data, tmp_path, monkeypatch):
    """The first epoch is the best, and its save fails: the next one is saved, though worse."""
    data, path = small_data(6), tmp_path / "best.npz"

    class Worse(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = float(epoch)
            if epoch == 0:
                monkeypatch.setattr("os.fsync", full)
            else:
                monkeypatch.undo()

    def full(*_):
        raise OSError(28, "No space left on device")

    checkpoint = ModelCheckpoint(path, save_best_only=True)
    trained(small_model, data, [Worse(), checkpoint])
    assert checkpoint.best == 1.0
    assert path.exists()


# --- a folder for one training at a time ----------------------------------------------------------

CLAIM = """
import sys, time
from tinycnn.support.scripts import end_errors_in_one_line
from tinycnn.support.files import claim_folder
end_errors_in_one_line()
claim_folder(sys.argv[1])
print("claimed", flush=True)
time.sleep(float(sys.argv[2]))
"""


def claim(folder, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_a_folder_is_for_one_training_at_a_time(tmp_path):
    first = claim(tmp_path / "output", 60)
    assert first.stdout.readline() == "claimed\n"
    second = claim(tmp_path / "output", 0)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert out == ""
    assert "is in use: another training is writing into it" in err
    assert len(err.splitlines()) == 1
    claim_folder(tmp_path / "another")  # which is free
    first.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    first.communicate(timeout=60)
    time.sleep(0.1)
    out, _ = claim(tmp_path / "output", 0).communicate(timeout=60)
    assert out == "claimed\n", "a lock has outlived its process"


def test_every_example_that_trains_claims_its_folder():
    for example in (ROOT / "examples").glob("*.py"):
        text = example.read_text("utf-8")
        trains = ".fit(" in text or "optimizer.update" in text
        if "--output-dir" in text and trains:
            assert "claim_folder(args.output_dir)" in text, example.name
