"""benchmarks/compare.py: what it counts, what it refuses, and a run on a handful of images."""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import compare
import compare_report
import competitors
import machine
import numpy as np
import pytest
from without_numba import needs_numba

from tinycnn import kernels
from tinycnn.datasets import synthetic
from tinycnn.errors import DownloadError, NumericalError
from tinycnn.gradient_check.cases import reference_network

ROOT = Path(__file__).parents[1]
SETTINGS = {"batch_size": 16, "seed": 3, "threads": 1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder with MNIST's files: 100 drawn digits and 20 for the test."""
    folder = tmp_path_factory.mktemp("digits")
    synthetic.write(folder, 100, 20, seed=0)
    return folder


@pytest.fixture
def data(tmp_path):
    """A folder as `compare.py` leaves it for its workers."""
    training, test = synthetic.load_data(100, 20, seed=0)
    compare.write(tmp_path, training, test, SETTINGS["seed"])
    return tmp_path


def run(digits, output, *arguments, script=ROOT / "benchmarks" / "compare.py"):
    """Five batches an epoch, the last images for validation."""
    command = [sys.executable, script, "--data-dir", digits, "--output", output]
    command += ["--batch-size", "16", "--images", "100", "--seed", "3", "--rounds", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)


# --- what it counts -------------------------------------------------------------------------------


def test_dense_flops_of_the_reference_network():
    # Multiply-adds of an image forward: positions x kernel height x width x channels x filters.
    conv1, conv2, conv3 = 26 * 26 * 9 * 1 * 32, 11 * 11 * 9 * 32 * 64, 3 * 3 * 9 * 64 * 64
    dense = 576 * 64 + 64 * 10
    forward = conv1 + conv2 + conv3 + dense
    # The gradients of the kernels cost as much as the forward, those of the inputs too; nobody
    # reads the gradient by the images.
    training = forward + forward + (conv2 + conv3 + dense)
    count = compare_report.dense_flops(reference_network(), 48_000, 12_000)
    assert count == 2 * (48_000 * training + 12_000 * forward)


ROUNDS = {
    "numba": [(2.0, 0.97), (1.0, 0.98), (4.0, 0.985)],
    "numpy": [(10.0, 0.97)],
    "keras": [(8.0, 0.981), (6.0, 0.982), (4.0, 0.991)],
    "pytorch": [(6.0, 0.975), (9.0, 0.97), (12.0, 0.979)],
}


def made_up():
    return {
        name: {
            "rounds": [
                {"seconds": s, "test_accuracy": accuracy, "seconds_of_others": s / 10}
                for s, accuracy in rounds
            ],
            "first_losses_after": 1.5,
            "peak_memory": 1234.5,
        }
        for name, rounds in ROUNDS.items()
    }


def test_summary_of_made_up_rounds():
    summary = compare_report.summarize(made_up(), 48_000, flops=3e12, peaks=[900.0, 1000.0])
    # A dense epoch takes 3 s at the best peak.
    ours, slow, keras, torch = summary.values()
    assert [ours["seconds per epoch, median"], ours["  minimum"], ours["  maximum"]] == [2, 1, 4]
    assert ours["share of the dense floor, %"] == pytest.approx(150)
    assert ours["images trained on per second"] == 24_000
    # Round by round: 8/2, 6/1, 4/4 and 6/2, 9/1, 12/4. The ratios of the medians are 3 and 4.5.
    ratio = "times as long as the first column, median"
    assert [column[ratio] for column in summary.values()] == [1, 5, 4, 3]
    assert ours["seconds of epochs to 98% test accuracy"] == 3
    assert (ours["  to 99%"], keras["  to 99%"]) == (None, 18)
    assert torch["seconds of epochs to 98% test accuracy"] is None
    assert slow["  rounds"] == 1
    assert ours["other programs, core seconds in an epoch, at most"] == 0.4


def test_the_most_disturbed_turn_is_a_round_s():
    results = made_up()
    results["keras"]["rounds"][1]["seconds_of_others"] = 3.0  # of 6 seconds, on 2 cores
    results["pytorch"]["rounds"][2]["seconds_of_others"] = None
    shares = compare_report.shares_of_others(results, cores=2)
    assert shares == [pytest.approx(0.05), pytest.approx(0.25), None]


def test_the_faster_peer_is_taken_in_every_round():
    # 6/2, 6/1, 4/4: PyTorch is faster in the first round, Keras in the others.
    assert compare_report.against_the_faster(made_up()) == [3, 6, 1]
    rungs = {name: made_up()[name] for name in ("numba", "numpy")}
    assert compare_report.against_the_faster(rungs) == []


def test_table_has_a_column_for_each_and_dashes_for_what_there_is_not():
    summary = compare_report.summarize(made_up(), 48_000, flops=3e12, peaks=[1000.0])
    lines = compare_report.table(summary).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split("  ")[-1] == "PyTorch"
    row = next(line for line in lines if line.startswith("  to 99%"))
    assert row.split()[2:] == ["-", "-", "18.00", "-"]
    row = next(line for line in lines if line.startswith("peak memory"))
    assert row.split()[3:] == ["1,234"] * 4


def test_picture_shows_every_competitor(tmp_path):
    figure = compare_report.picture(made_up(), 3.0, "title", "machine")
    figure.savefig(tmp_path / "picture.png")
    bars, curves = figure.axes
    labels = [text.get_text() for text in bars.get_yticklabels()]
    assert labels == ["tinycnn (Numba)", "tinycnn (NumPy)", "Keras, TensorFlow", "PyTorch"]
    assert [bar.get_width() for bar in bars.patches] == [2, 10, 6, 9]
    keras = next(line for line in curves.lines if line.get_label() == "Keras, TensorFlow")
    np.testing.assert_allclose(keras.get_xydata(), [(8, 98.1), (14, 98.2), (18, 99.1)])


@pytest.mark.skipif(machine.busy_seconds() is None, reason="the system does not tell")
def test_the_work_of_other_programs_is_noticed(data):
    with kernels.use("numpy"):
        ours = competitors.NumPyRung(folder=data, **SETTINGS)
    busy = "import time; start = time.time()\nwhile time.time() - start < 20: pass"

    def an_epoch(epoch, samples):
        time.sleep(1)
        return {}

    ours.epoch = an_epoch
    with subprocess.Popen([sys.executable, "-c", busy]) as other:
        time.sleep(0.2)
        noticed = ours.timed_epoch(0)["seconds_of_others"]
        other.kill()
    # One busy loop for a second, on a machine that may give it less.
    assert noticed > 0.3


class Standing:
    """A competitor whose step takes 2 ms, and 3 more for each busy program that it finds."""

    def __init__(self, name, settings):
        self.asked = []

    __enter__ = __exit__ = lambda self, *_: self

    def ask(self, method, *arguments):
        self.asked.append(method)
        if method == "milliseconds_a_step":
            assert arguments == (compare.BUSY_STEPS * SETTINGS["batch_size"],)
            return 2.0 + 3.0 * Standing.busy
        return [2.3] if method == "first_losses" else None


def test_steps_beside_busy_programs(monkeypatch, capsys):
    started = []

    class Loop:
        def __init__(self, command):
            assert command[-1] == "while True: pass"
            started.append(self)
            Standing.busy += 1

        def kill(self):
            Standing.busy -= 1

        def wait(self):
            pass

    Standing.busy = 0
    monkeypatch.setattr(compare.subprocess, "Popen", Loop)
    monkeypatch.setattr(compare, "Worker", Standing)
    found = compare.beside_busy_programs(["numba", "pytorch"], SETTINGS, rounds=3)
    expected = {0: [2.0] * 3, 1: [5.0] * 3, 2: [8.0] * 3}
    assert found == {"numba": expected, "pytorch": expected}
    assert len(started) == 2 * 3 * (1 + 2) and Standing.busy == 0
    compare.say_beside_busy_programs(found)
    line = next(line for line in capsys.readouterr().out.splitlines() if "PyTorch" in line)
    assert line.split("  ")[0] == "PyTorch"
    assert "2.0 ms" in line and "5.0 ms, 2.50x" in line and "8.0 ms, 4.00x" in line


# --- what it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [2.0 + 2 * compare.TOLERANCE, float("nan")])
def test_unequal_losses_are_refused_and_named(other):
    losses = {"numba": [2.3, 2.0], "keras": [2.3, 2.0], "pytorch": [2.3, other]}
    with pytest.raises(NumericalError, match=r"^PyTorch: the first 2 losses differ"):
        compare.prove_equal(losses)
    compare.prove_equal({**losses, "pytorch": [2.3, 2.0 + compare.TOLERANCE / 2]})


@needs_numba
def test_a_worker_that_lies_is_caught_before_any_time_is_told(digits, tmp_path):
    # Its learning rate is a tenth too large.
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    script = tmp_path / "benchmarks" / "competitors.py"
    lie = """
    def restart(self):
        super().restart()
        self.model.optimizer.learning_rate *= 1.1
"""
    honest = '    rung = "numpy"\n'
    assert honest in script.read_text("utf-8")
    script.write_text(script.read_text("utf-8").replace(honest, honest + lie), "utf-8")
    compare_script = script.with_name("compare.py")
    ended = run(digits, tmp_path, "--only", "numba", "numpy", script=compare_script)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: tinycnn (NumPy): the first 5 losses differ by ")
    assert "round" not in ended.stdout and "per epoch" not in ended.stdout
    assert not (tmp_path / "compare.json").exists()


def test_a_worker_that_dies_tells_why(tmp_path):
    settings = {"folder": str(tmp_path / "nowhere"), **SETTINGS}
    with compare.Worker("numpy", settings) as worker:
        with pytest.raises(compare.WorkerError, match=r"numpy failed:(.|\n)*FileNotFoundError"):
            worker.ask("first_losses", 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "300"], "5 batches or more"),
        (["--start-to-exit", "-1"], "number of epochs"),
        (["--rounds", "0"], "positive integer"),
        (["--only", "caffe"], "invalid choice"),
    ],
)
def test_bad_options_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        compare.parse(arguments)
    assert words in capsys.readouterr().err


def test_without_peers_the_rungs_are_compared_and_the_way_to_the_peers_is_told(monkeypatch, capsys):
    missing = ("keras", "tensorflow", "torch")
    monkeypatch.setattr(
        compare.importlib.util, "find_spec", lambda name: None if name in missing else name
    )
    assert compare.parse([]).names == ["numba", "numpy"]
    printed = capsys.readouterr().out
    assert "\n  pip install -e '.[reference]'\n" in printed
    assert "Keras, TensorFlow, PyTorch" not in compare.INSTALL and "PyTorch" in printed
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert any(line.startswith("torch") for line in extras["reference"])
    assert any(line.startswith("tensorflow") for line in extras["reference"])


def test_without_mnist_drawn_digits_are_taken_with_a_notice(monkeypatch, capsys):
    def no_network(data_dir):
        raise DownloadError("no mirror answered")

    monkeypatch.setattr(compare.mnist, "load_data", no_network)
    name, (x, _), (x_test, y_test) = compare.load(None, 61)
    assert name == "drawn digits (not MNIST)"
    assert (len(x), len(x_test), len(y_test)) == (61, 11, 11)
    assert "NO MNIST" in capsys.readouterr().err


# --- what it measures -----------------------------------------------------------------------------


def test_an_epoch_goes_through_the_order_that_all_share(data):
    with kernels.use("numpy"):
        ours = competitors.NumPyRung(folder=data, **SETTINGS)
        figures = ours.timed_epoch(2)
        by_fit = ours.model.get_weights()
        ours.restart()
        losses = [ours.step(batch) for batch in ours.order(2, 80).reshape(5, 16)]
        by_hand = ours.model.get_weights()
    assert all(map(np.array_equal, by_fit, by_hand))
    # A mean of the same five numbers, in float64.
    assert figures["loss"] == pytest.approx(np.mean(losses), rel=1e-12)


def checked(ended, output, names, close):
    """The record of a run, checked: an epoch has five batches here, those of the first losses."""
    assert ended.returncode == 0, ended.stderr
    record = json.loads((output / "compare.json").read_text())
    assert list(record["competitors"]) == names
    for name, result in record["competitors"].items():
        assert len(result["rounds"]) == (1 if name == "numpy" else 2)
        mean = np.mean(result["first_losses"])
        assert result["rounds"][0]["loss"] == pytest.approx(mean, abs=close[name])
        assert all(0 < figures["seconds"] < 60 for figures in result["rounds"])
        assert result["peak_memory"] > 20
    assert len(record["sgemm_gflops"]) == 3
    assert record["settings"]["training"] == 80 and record["settings"]["validation"] == 20
    assert (output / "compare.png").stat().st_size > 10_000
    for title in record["summary"]["numba"]:
        assert title in ended.stdout
    return record


@needs_numba
def test_a_run_of_the_two_rungs(digits, tmp_path):
    ended = run(digits, tmp_path, "--only", "numpy", "numba", "--quick")
    # The same numbers in the same order, summed in float64.
    record = checked(ended, tmp_path, ["numba", "numpy"], {"numba": 1e-9, "numpy": 1e-9})
    assert "QUICK" in ended.stdout and "drawn" not in ended.stdout
    assert "data in MNIST's format (not MNIST)" in ended.stdout
    assert "start_to_exit" not in record["competitors"]["numba"]
    assert record["ratio_to_the_faster_peer"] == []


@pytest.mark.reference
def test_a_run_beside_keras_and_pytorch(digits, tmp_path):
    names = ["numba", "keras", "keras-jit", "pytorch"]
    ended = run(digits, tmp_path, "--only", *names)
    # Keras means its losses in float32. PyTorch's Adam has its epsilon elsewhere than in the proof,
    # which is worth 4e-4 after five steps; another order is worth 1e-2.
    close = {"numba": 1e-9, "keras": 1e-5, "keras-jit": 1e-5, "pytorch": 2e-3}
    record = checked(ended, tmp_path, names, close)
    assert len(record["ratio_to_the_faster_peer"]) == 2
    assert {"keras", "tensorflow", "torch", "numba"} <= set(record["machine"]["versions"])
    assert all(result["start_to_exit"] > 0 for result in record["competitors"].values())
    val_losses = [r["rounds"][-1]["val_loss"] for r in record["competitors"].values()]
    # After ten steps Adam has amplified the rounding, and the epsilon's place.
    assert np.ptp(val_losses) < 0.05
