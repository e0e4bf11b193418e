"""Every example runs, as a newcomer would run it, on a small slice of data."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from without_numba import needs_numba

from tinycnn import (
    Conv2D,
    Dense,
    Flatten,
    ModelFileError,
    Normalization,
    Rescaling,
    Sequential,
    kernels,
    load_model,
)
from tinycnn.datasets import idx, synthetic
from tinycnn.model_selection import wilson_interval
from tinycnn.support.scripts import end_errors_in_one_line

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def run(name, *arguments, home=None, **environment):
    """The finished process of an example; without a data folder or a network of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TINYCNN_DATA")}
    # A proxy that nobody listens on: whatever the machine, nothing can be downloaded.
    offline = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    home = {"TINYCNN_HOME": str(home)} if home else {}
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
        env=clean | offline | home | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        cwd=home.get("TINYCNN_HOME"),
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with four IDX files of 500 and 100 drawn digits."""
    folder = tmp_path_factory.mktemp("digits")
    synthetic.write(folder, train=500, test=100, seed=0)
    return folder


def test_every_example_is_tested():
    assert EXAMPLES == [
        "backprop_by_hand.py",
        "best_recipe.py",
        "classify_my_digit.py",
        "compare_optimizers.py",
        "cross_validation.py",
        "fastest_to_99.py",  # see test_fastest_to_99.py
        "federated.py",  # see interop/test_library_examples.py
        "improve_the_model.py",
        "kernel_sizes_and_filters.py",
        "look_inside.py",
        "mnist_cnn_classifier.py",
        "sweep.py",  # likewise
        "train_on_many_machines.py",
        "training_loop_by_hand.py",
        "your_own_layer.py",
        "your_own_loss.py",
        "your_own_optimizer.py",
    ]


@pytest.mark.parametrize("kernels", [pytest.param("numba", marks=needs_numba), "numpy"])
def test_the_main_example_leaves_a_picture_a_history_and_a_model(small, tmp_path, kernels):
    process = run(
        "mnist_cnn_classifier.py",
        *("--data-dir", small, "--epochs", 2, "--output-dir", tmp_path / "new" / "folder"),
        *("--kernels", kernels),
    )
    assert process.returncode == 0, process.stderr
    out = process.stdout
    assert f"kernels: {kernels}; 2 epochs will take about" in out
    assert "Total params: 93,322 (364.54 KB)" in out
    assert "the saved model, loaded again, gives the same bits" in out
    lines = out.splitlines()
    assert [line[:9] for line in lines if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    assert "\x08" not in out and "\r" not in out and "\x1b" not in out

    folder = tmp_path / "new" / "folder"
    for name in ("training_history.png", "history.json", "mnist_cnn.npz"):
        assert f"wrote {folder / name}" in out
    assert (folder / "training_history.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((folder / "history.json").read_text())
    assert record["schema"] == "tinycnn history 1"
    assert record["dataset"] != "MNIST"
    assert record["settings"] == {"batch_size": 64, "seed": 0, "kernels": kernels}
    assert sorted(record["history"]) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert all(len(values) == 2 for values in record["history"].values())
    images = idx.read_idx(small / "t10k-images-idx3-ubyte")[..., np.newaxis]
    labels = idx.read_idx(small / "t10k-labels-idx1-ubyte")
    chosen = load_model(folder / "mnist_cnn.npz").predict(images / 255, verbose=0).argmax(axis=1)
    assert record["test"]["accuracy"] == pytest.approx(np.mean(chosen == labels))


def test_ctrl_c_then_resume_is_never_stopped(small, tmp_path):
    """And a kill that comes between: the same fingerprint, the same history."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from tinycnn import Sequential\n"
        "step = Sequential._train_step\n"
        "def stopping(self, *batch):\n"
        "    if self.steps_trained == int(os.environ.get('STOP_AT', -1)):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return step(self, *batch)\n"
        "Sequential._train_step = stopping\n"
    )
    arguments = ["--data-dir", small, "--epochs", 2, "--batch-size", 60]
    names = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    whole = run("mnist_cnn_classifier.py", *arguments, "--output-dir", tmp_path / "a", **names)
    assert whole.returncode == 0, whole.stderr
    arguments += ["--output-dir", tmp_path / "b"]
    stopped = run("mnist_cnn_classifier.py", *arguments, STOP_AT="9", **names)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == (
        "stopped after epoch 2, batch 3; with resume it goes on from "
        f"{tmp_path / 'b' / 'checkpoint.npz'} (epoch 2, batch 3)"
    )
    assert "Traceback" not in stopped.stderr
    other = run("mnist_cnn_classifier.py", *arguments, "--resume", "--seed", 1, **names)
    assert other.returncode == 1
    assert other.stderr.endswith("`seed` was 0 in that run. Received: 1\n")
    resumed = run("mnist_cnn_classifier.py", *arguments, "--resume", **names)
    assert resumed.returncode == 0, resumed.stderr
    prints = [[x for x in p.stdout.splitlines() if "fingerprint" in x] for p in (whole, resumed)]
    assert prints[0] == prints[1] != []
    histories = [json.loads((tmp_path / n / "history.json").read_text()) for n in "ab"]
    assert histories[0]["history"] == histories[1]["history"]


def test_without_mnist_it_says_so_and_draws_digits(tmp_path):
    """The whole embedded default, but for the number of digits."""
    smaller = tmp_path / "sitecustomize.py"
    smaller.write_text(
        "from tinycnn.datasets import synthetic\n"
        "whole = synthetic.load_data\n"
        "synthetic.load_data = lambda train, test: whole(train=300, test=50)\n"
    )
    process = run(
        "mnist_cnn_classifier.py",
        *("--epochs", 1, "--output-dir", tmp_path),
        home=tmp_path,
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert process.returncode == 0, process.stderr
    assert "NO MNIST: taking digits drawn by tinycnn instead" in process.stderr
    assert "data: drawn digits (not MNIST), 300 training and 50 test images" in process.stdout
    record = json.loads((tmp_path / "history.json").read_text())
    assert record["dataset"] == "drawn digits (not MNIST)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "must be a positive integer. Received: 0"),
        (["--batch-size", "many"], "must be a positive integer. Received: many"),
        (["--seed", "-1"], "must be an integer >= 0. Received: -1"),
        (["--dataset", "cifar"], "invalid choice"),
        (["--data-dir", "/does/not/exist"], "/does/not/exist"),
        (["--dataset", "mnist"], "t10k-labels-idx1-ubyte"),
    ],
)
def test_a_mistake_ends_in_a_line_that_names_it(tmp_path, arguments, words):
    process = run("mnist_cnn_classifier.py", *arguments, "--output-dir", tmp_path, home=tmp_path)
    assert process.returncode != 0
    assert words in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("name", ["mnist_cnn_classifier.py", "training_loop_by_hand.py"])
def test_kernels_that_are_not_known_end_it_at_once_in_a_line(tmp_path, name):
    process = run(name, home=tmp_path, TINYCNN_KERNELS="jax")
    assert process.returncode == 2
    with pytest.raises(ValueError) as error:
        kernels.use("jax")
    words = str(error.value).replace("rung", "TINYCNN_KERNELS")
    assert process.stderr == f"error: {words}\n"
    assert process.stdout == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rung", ["", *kernels.RUNGS])
def test_kernels_that_are_known_end_nothing(monkeypatch, rung):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("TINYCNN_KERNELS", rung)
    end_errors_in_one_line()


def test_a_text_file_as_idx_ends_in_a_line_that_names_it(small, tmp_path):
    for path in small.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "train-images-idx3-ubyte"
    broken.write_bytes(gzip.compress(b"<html>not here</html>"))
    process = run("mnist_cnn_classifier.py", "--data-dir", tmp_path, "--output-dir", tmp_path)
    assert process.returncode != 0
    assert str(broken) in process.stderr
    assert "Traceback" not in process.stderr


def test_a_file_for_the_output_folder_ends_in_a_line(small, tmp_path):
    (tmp_path / "output").write_text("in the way")
    for folder in ("output", Path("output", "folder")):
        process = run(
            *("mnist_cnn_classifier.py", "--data-dir", small, "--output-dir", tmp_path / folder)
        )
        assert process.returncode == 1
        assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1


def test_a_full_disk_ends_in_a_line_and_leaves_no_half_file(small, tmp_path):
    # The model would be 380 kB.
    (tmp_path / "sitecustomize.py").write_text(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    )
    process = run(
        *("mnist_cnn_classifier.py", "--data-dir", small, "--epochs", 1, "--kernels", "numpy"),
        *("--output-dir", tmp_path / "output"),
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert process.returncode == 1
    periodic, final = process.stderr.splitlines()[-2:]
    assert "*** CHECKPOINT NOT SAVED ([Errno 27] File too large" in periodic
    path = tmp_path / "output" / "mnist_cnn.npz"
    assert final == f"error: {path}: File too large"
    assert [path.name for path in (tmp_path / "output").iterdir()] == [".tinycnn-lock"]


def test_a_picture_that_cannot_be_written_costs_nothing_else(small, tmp_path):
    (tmp_path / "training_history.png").mkdir()
    process = run(
        *("mnist_cnn_classifier.py", "--data-dir", small, "--epochs", 1, "--kernels", "numpy"),
        *("--output-dir", tmp_path),
        MPLCONFIGDIR="/proc/nowhere",  # matplotlib warns, and uses a temporary folder
        DISPLAY="",
    )
    assert process.returncode == 1
    assert "training_history.png is not a regular file" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    load_model(tmp_path / "mnist_cnn.npz")
    assert json.loads((tmp_path / "history.json").read_text())["schema"] == "tinycnn history 1"


def test_ctrl_c_ends_in_a_line_and_an_unexpected_error_in_a_traceback(tmp_path):
    code = "from tinycnn.support.scripts import end_errors_in_one_line as f; f(); raise {}"
    for error, words in (
        ("KeyboardInterrupt", "interrupted\n"),
        ("OSError('disk')", "error: disk\n"),
        ("__import__('tinycnn').PictureError('no digit')", "error: no digit\n"),
    ):
        process = subprocess.run(
            [sys.executable, "-c", code.format(error)], capture_output=True, text=True
        )
        assert process.returncode != 0
        assert process.stderr == words
    process = subprocess.run(
        [sys.executable, "-c", code.format("KeyError(3)")], capture_output=True
    )
    assert b"Traceback" in process.stderr and process.returncode == 1


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A model file that reads drawn digits, by ink alone: the digit whose mean it is nearest to."""
    (x, y), _ = synthetic.load_data(train=2000, test=1, seed=0)
    means = np.stack([x[y == digit].mean(axis=0).reshape(-1) / 255 for digit in range(10)])
    model = Sequential([Flatten(input_shape=(28, 28, 1)), Dense(10, activation="softmax")])
    # |x - mean|^2 = |x|^2 - 2 x.mean + |mean|^2, and the softmax does not see the |x|^2
    model.set_weights([2 * means.T, -(means**2).sum(axis=1)])
    path = tmp_path_factory.mktemp("reader") / "model.npz"
    model.save(path)
    return path


def pixels(path, kind="a digit"):
    """Saves a picture, and says which digit is on it."""
    (x, y), _ = synthetic.load_data(train=5, test=1, seed=3)
    page = np.full((300, 300), 200, np.uint8)
    if kind != "paper":
        page[10:262, 20:272] -= np.kron(x[0], np.ones((9, 9), np.uint8)) // 2
    if kind == "two digits":
        page = np.hstack([page, page])
    Image.fromarray(page).save(path)
    return y[0]


@pytest.mark.parametrize("name", ["my digit.png", "my digit.jpg"])
def test_a_digit_of_ones_own_is_read(reader, tmp_path, name):
    digit = pixels(tmp_path / name)
    process = run("classify_my_digit.py", tmp_path / name, "--model", reader, home=tmp_path)
    assert process.returncode == 0, process.stderr
    answer, all_ten, wrote = process.stdout.splitlines()
    assert answer.startswith(f"{name}: {digit}, probability")
    assert sum(float(share.rstrip("%")) for share in all_ten.split()[1::2]) == pytest.approx(100, 1)
    assert wrote == f"wrote {Path('output', 'my digit_as_seen.png')}"
    assert (tmp_path / "output" / "my digit_as_seen.png").read_bytes().startswith(b"\x89PNG")


def test_two_digits_and_a_doubt_are_said(reader, tmp_path):
    pixels(tmp_path / "a.png", "two digits")
    process = run("classify_my_digit.py", tmp_path / "a.png", "--model", reader, home=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "looks like several digits" in process.stderr
    vague = load_model(reader)
    vague.set_weights([weight * 0 for weight in vague.get_weights()])
    vague.save(tmp_path / "vague.npz")
    process = run(
        "classify_my_digit.py", tmp_path / "a.png", "--model", tmp_path / "vague.npz", home=tmp_path
    )
    assert "the network is unsure: 0, or perhaps 1" in process.stderr


def other_model(path):
    Sequential([Dense(3, input_shape=(4,))]).save(path)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


# (what is wrong, words)
MISTAKES = {
    "no picture there": "nowhere.png",
    "a folder": "Is a directory",
    "a text": "not a picture",
    "half a picture": "not a picture",
    "paper": "no digit is found",
    "no model": "Run examples/mnist_cnn_classifier.py first",
    "another model": "does not read digits: its shapes are (4,) to (3,)",
    "half a model": "not a complete tinycnn model file",
    "a picture for a model": "not a complete tinycnn model file",
    "a file for a folder": "File exists",
    "no picture named": "required: image",
}


@pytest.mark.parametrize("wrong", MISTAKES)
def test_what_can_be_wrong_with_a_picture_ends_in_a_line(reader, tmp_path, wrong):
    image, model, folder = tmp_path / "a.png", tmp_path / "model.npz", tmp_path / "output"
    pixels(image, wrong)
    model.write_bytes(reader.read_bytes())
    arguments = [image, "--model", model, "--output-dir", folder]
    if wrong == "no picture there":
        image.rename(tmp_path / "b.png")
        arguments[0] = "nowhere.png"
    elif wrong == "a folder":
        arguments[0] = tmp_path
    elif wrong == "a text":
        image.write_text("seven")
    elif wrong == "half a picture":
        cut_off(image)
    elif wrong == "paper":
        noise = np.random.default_rng(0).integers(180, 200, (300, 300), np.uint8)
        Image.fromarray(noise).save(image)
    elif wrong == "no model":
        model.unlink()
    elif wrong == "another model":
        other_model(model)
    elif wrong == "half a model":
        cut_off(model)
    elif wrong == "a picture for a model":
        arguments[2] = image
    elif wrong == "a file for a folder":
        folder.write_text("in the way")
    elif wrong == "no picture named":
        arguments = []
    process = run("classify_my_digit.py", *arguments, home=tmp_path, TINYCNN_KERNELS="numpy")
    assert process.returncode != 0
    assert MISTAKES[wrong] in process.stderr
    assert process.stderr.splitlines()[-1].startswith(("error: ", "classify_my_digit.py: error: "))
    assert "Traceback" not in process.stderr


@pytest.fixture(scope="module")
def looked_inside(small, tmp_path_factory):
    """A folder with the pictures of a model that look_inside.py trained itself."""
    home = tmp_path_factory.mktemp("home")
    process = run("look_inside.py", "--data-dir", small, "--quick", home=home)
    assert process.returncode == 0, process.stderr
    assert "no model at output/mnist_cnn.npz: training one for an epoch" in process.stdout
    return home / "output" / "pictures"


def test_looking_inside_leaves_the_pictures_and_their_sheet(looked_inside):
    names = {path.stem for path in looked_inside.glob("*.png")}
    layers = {f"maps_{name}" for name in ("conv2d", "conv2d_1", "conv2d_2", "dense", "dense_1")}
    assert names == layers | {
        *("augmentation", "confusion_matrix", "contact_sheet", "filters", "grad_cam", "im2col"),
        *("mistakes", "predictions", "saliency", "training_history"),
    }
    for path in looked_inside.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    page = (looked_inside / "explorer.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and '"kind":"conv2d"' in page


@pytest.mark.full
def test_looking_inside_a_saved_model(small, tmp_path):
    model = Sequential([Conv2D(2, (5, 5), 4, input_shape=(28, 28, 1)), Flatten(), Dense(10)])
    model.save(tmp_path / "mine.npz")
    model = tmp_path / "mine.npz"
    process = run("look_inside.py", "--data-dir", small, "--model", model, home=tmp_path)
    assert process.returncode == 0, process.stderr
    names = {path.stem for path in (tmp_path / "output" / "pictures").iterdir()}
    assert {"maps_conv2d", "maps_dense"} < names
    assert "training_history" not in names


@pytest.mark.parametrize("first", ["Rescaling", "Normalization"])
def test_looking_inside_a_model_that_scales_bytes_down_hands_it_bytes(small, tmp_path, first):
    layer = {
        "Rescaling": Rescaling(1 / 255, input_shape=(28, 28, 1)),
        "Normalization": Normalization(mean=33.3, variance=78.6**2, input_shape=(28, 28, 1)),
    }[first]
    Sequential([layer, Conv2D(2, 5, 4), Flatten(), Dense(10)]).save(tmp_path / "mine.npz")
    process = run(
        *("look_inside.py", "--data-dir", small, "--model", tmp_path / "mine.npz"), home=tmp_path
    )
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "output" / "pictures" / "explorer.html").read_text("utf-8")
    assert '"peak":255,' in page  # None if the samples do not fit the model


@pytest.mark.parametrize("case", ["absent", "no model", "other images", "no convolution"])
def test_what_can_not_be_looked_into_ends_in_a_line(small, tmp_path, case):
    path = tmp_path / "model.npz"
    if case == "no model":
        path.write_bytes(b"not a model")
    elif case == "other images":
        Sequential([Conv2D(2, 3, input_shape=(8, 8, 1)), Flatten(), Dense(10)]).save(path)
    elif case == "no convolution":
        Sequential([Flatten(input_shape=(28, 28, 1)), Dense(10)]).save(path)
    process = run("look_inside.py", "--data-dir", small, "--model", path, home=tmp_path)
    assert process.returncode != 0
    word = "must have a Conv2D" if case in ("other images", "no convolution") else str(path)
    assert word in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


def test_backprop_by_hand_agrees_with_the_layers():
    process = run("backprop_by_hand.py")
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith("all numbers agree\n")
    assert process.stdout.count("is the same") == 6


def test_the_loop_by_hand_learns():
    process = run("training_loop_by_hand.py", "--images", 2000, "--epochs", 2)
    assert process.returncode == 0, process.stderr
    first, second = (line for line in process.stdout.splitlines() if line.startswith("epoch"))
    assert float(second.split()[-1]) < float(first.split()[-1])
    # Guessing reads 10%; 2,000 digits and two epochs were measured to read far more than half.
    share = float(process.stdout.splitlines()[-1].split()[2].rstrip("%"))
    assert share > 50


def test_the_optimizers_are_compared(small, tmp_path):
    process = run(
        "compare_optimizers.py",
        *("--data-dir", small, "--images", 200, "--epochs", 2, "--output-dir", tmp_path / "new"),
    )
    assert process.returncode == 0, process.stderr
    tried, chosen = process.stdout.split("best by val_accuracy")
    names = ["SGD", "SGD, momentum 0.9", "RMSprop", "Adam", "AdamW"]
    rows = [line for line in tried.splitlines() if line[:20].strip() in names]
    assert [row[:20].strip() for row in rows] == [name for name in names for _ in range(3)]
    assert [row[:20].strip() for row in chosen.splitlines()[1:6]] == names
    for name, row in zip(names, chosen.splitlines()[1:6], strict=True):
        tries = [other.split()[-4:] for other in rows if other[:20].strip() == name]
        best = max(tries, key=lambda cells: float(cells[-1]))
        assert row[20:].split()[0] == best[0]  # the rate with the highest val_accuracy
    assert (tmp_path / "new" / "compare_optimizers.png").read_bytes().startswith(b"\x89PNG")


def test_cross_validation_says_what_follows_from_its_folds(small):
    arguments = ("--data-dir", small, "--images", 301, "--folds", 3, "--epochs", 2)
    process = run("cross_validation.py", *arguments)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    scores = [float(line.split()[-1]) for line in lines if line.startswith("Fold")]
    means = [float(line.split()[2].rstrip(",")) for line in lines if line.startswith("accuracy")]
    assert len(scores) == 6 and np.mean(np.reshape(scores, (2, 3)), axis=1) == pytest.approx(
        means, abs=1e-4
    )
    (a, low_a, high_a), (b, low_b, high_b) = (
        (int(line.split()[0]), float(line.split()[-3]), float(line.split()[-1]))
        for line in lines
        if "of 301 images right" in line
    )
    assert wilson_interval(a, 301) == pytest.approx((low_a, high_a), abs=1e-4)
    assert wilson_interval(b, 301) == pytest.approx((low_b, high_b), abs=1e-4)
    # The folds' mean counts every fold as one, of 100 or of 101 images.
    assert [a / 301, b / 301] == pytest.approx(means, abs=2e-3)
    (alone,) = (line.split() for line in lines if "images right, 16 filters alone" in line)
    assert int(alone[4]) - int(alone[-1]) == a - b


def test_the_grid_of_kernels_and_filters(small, tmp_path):
    arguments = ("--data-dir", small, "--images", 150, "--epochs", 1, "--output-dir", tmp_path)
    process = run("kernel_sizes_and_filters.py", *arguments)
    assert process.returncode == 0, process.stderr
    rows = [line.split() for line in process.stdout.splitlines() if line[1:2] == "x"]
    sides = {3: 5, 5: 4, 7: 2}  # of the maps that reach the last layer
    assert [(row[0], int(row[1]), int(row[2].replace(",", ""))) for row in rows] == [
        (f"{k}x{k}", F, (k * k + 1) * F + (k * k * F + 1) * F + (side * side * F + 1) * 10)
        for k, side in sides.items()
        for F in (16, 32, 64)
    ]
    for row in rows:
        right = round(float(row[4]) * 50)  # a third of the images
        interval = float(row[5]), float(row[7])
        assert wilson_interval(right, 50) == pytest.approx(interval, abs=1e-4)
    picture = tmp_path / "kernel_sizes_and_filters.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_layer_of_ones_own_is_checked_trained_saved_and_loaded(small, tmp_path):
    arguments = ("--data-dir", small, "--epochs", 2, "--output-dir", tmp_path)
    process = run("your_own_layer.py", *arguments)
    assert process.returncode == 0, process.stderr
    verdicts = [line.split()[:3] for line in process.stdout.splitlines() if "PReLU  " in line]
    assert verdicts == [
        ["pass", "PReLU", "x"],
        ["pass", "PReLU", "slope"],
        ["pass", "WrongPReLU", "x"],
        ["FAIL", "WrongPReLU", "slope"],
    ]
    assert "slopes, at first 0.25, are now" in process.stdout
    assert "the saved model, loaded again, gives the same bits" in process.stdout
    with pytest.raises(ModelFileError, match="unknown layer 'PReLU'"):
        load_model(tmp_path / "own_layer.npz")


def test_a_loss_of_ones_own_is_checked_and_bears_wrong_targets():
    process = run("your_own_loss.py", "--images", 500, TINYCNN_KERNELS="numpy")
    assert process.returncode == 0, process.stderr
    verdicts = [line.split()[:2] for line in process.stdout.splitlines() if "y_pred  " in line]
    assert verdicts == [["pass", "Huber"], ["FAIL", "WrongHuber"]]
    assert "4 times the slope, and 4 is the number of samples: a division is miss" in process.stdout
    squared, robust = (float(line.split()[-1]) for line in process.stdout.splitlines()[-2:])
    assert robust < squared / 2


@pytest.mark.full
def test_an_optimizer_of_ones_own_is_checked_and_learns():
    process = run("your_own_optimizer.py", TINYCNN_KERNELS="numpy")
    assert process.returncode == 0, process.stderr
    right, wrong = process.stdout.split("of one with a slip in it")
    assert "FAIL" not in right and right.count("\npass") == 12
    assert "FAIL     2" in wrong and "pattern: right in step 1 and wrong from step 2 on" in wrong
    shares = re.findall(r"reads (\d+\.\d)% of 500", wrong)
    assert len(shares) == 2 and all(float(share) > 40 for share in shares)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("cross_validation.py", ["--folds", "1"], "--folds must be at least 2"),
        ("cross_validation.py", ["--data-dir", "/does/not/exist"], "/does/not/exist"),
        ("kernel_sizes_and_filters.py", ["--images", "2"], "--images must be at least 3"),
        ("kernel_sizes_and_filters.py", ["--output-dir", __file__], "File exists"),
        ("your_own_layer.py", ["--epochs", "0"], "must be a positive integer. Received: 0"),
        ("your_own_layer.py", ["--output-dir", __file__], "File exists"),
    ],
)
def test_a_mistake_in_an_experiment_ends_in_a_line(name, arguments, words):
    process = run(name, *arguments)
    assert process.returncode != 0
    assert words in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    "name",
    [
        "cross_validation.py",
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("kernel_sizes_and_filters.py", "your_own_layer.py")
        ),
    ],
)
def test_the_experiments_draw_digits_where_mnist_can_not_be_had(tmp_path, name):
    process = run(name, "--images", 100, "--epochs", 1, home=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "NO MNIST: taking digits drawn by tinycnn instead" in process.stderr
    assert "data: drawn digits (not MNIST)" in process.stdout


def test_improving_the_model_ends_in_a_table_of_differences(small, tmp_path):
    arguments = ["--data-dir", small, "--quick", "--epochs", 1]
    process = run("improve_the_model.py", *arguments, home=tmp_path)
    assert process.returncode == 0, process.stderr
    # Of 500 the last fifth to judge by, the twelfth before it to stop by.
    assert "359 images to learn from, 100 to judge by" in process.stdout
    rows = process.stdout.splitlines()[-7:]
    assert [row[:21].strip() for row in rows] == [
        *("plain", "augmentation", "batch normalization", "dropout", "early stopping", "schedule"),
        "all of them",
    ]
    for row in rows[1:]:
        mean, low, high = map(float, re.findall(r"[+-]\d\.\d{4}", row))
        verdict = "can't tell" if low <= 0 <= high else "better" if mean > 0 else "worse"
        assert row.endswith(f"  {verdict}")


@pytest.mark.parametrize("test", [True, False])
def test_the_best_recipe_reads_the_test_images_only_when_told(small, tmp_path, test):
    arguments = ["--data-dir", small, "--epochs", 1] + ["--test"] * test
    process = run("best_recipe.py", *arguments, home=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "400 images to learn from, 100 to choose by" in process.stdout
    model = load_model(tmp_path / "output" / "best_recipe.npz")
    for title, part in [("validation", "train"), ("test", "t10k")]:
        images = idx.read_idx(small / f"{part}-images-idx3-ubyte")[-100:, ..., np.newaxis]
        labels = idx.read_idx(small / f"{part}-labels-idx1-ubyte")[-100:]
        right = model.predict(images / np.float32(255), verbose=0).argmax(axis=1) == labels
        line = f"{title}: {right.mean():.4f} of 100 images read right"
        assert (line in process.stdout) == (title == "validation" or test)
    trained = sum(p.value.size for p in model.parameters if p.trainable)
    assert 50_000 < trained <= 100_000
