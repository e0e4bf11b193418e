"""The command `tinycnn`: what each part of it prints and leaves, and how mistakes end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from without_numba import needs_numba

import tinycnn
from tinycnn import (
    Conv2D,
    Dense,
    Flatten,
    RandomTranslation,
    Rescaling,
    Sequential,
    __main__,
    commands,
    kernels,
    load_model,
    plotting,
)
from tinycnn.datasets import synthetic

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own, no data and no connection, and the hook for errors put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.delenv("TINYCNN_DATA_DIR", raising=False)
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.fixture
def data():
    """A folder with the four files of 60 and 30 drawn digits."""
    folder = Path("data")
    folder.mkdir()
    synthetic.write(folder, train=60, test=30, seed=0)
    return folder


@pytest.fixture
def reader():
    """A model file that reads drawn digits by ink alone; its convolution passes pixels on."""
    (x, y), _ = synthetic.load_data(train=2000, test=1, seed=0)
    means = np.stack([x[y == digit].mean(axis=0).reshape(-1) / 255 for digit in range(10)])
    model = Sequential(
        [Conv2D(1, 1, input_shape=(28, 28, 1)), Flatten(), Dense(10, activation="softmax")]
    )
    model.set_weights([np.ones((1, 1, 1, 1)), [0], 2 * means.T, -(means**2).sum(axis=1)])
    model.save("reader.npz")
    return Path("reader.npz")


def photo(path):
    """Saves a picture of a drawn digit; which digit it is."""
    (x, y), _ = synthetic.load_data(train=5, test=1, seed=3)
    page = np.full((300, 300), 200, np.uint8)
    page[10:262, 20:272] -= np.kron(x[0], np.ones((9, 9), np.uint8)) // 2
    Image.fromarray(page).save(path)
    return y[0]


def process(*arguments, **environment):
    """`python -m tinycnn` with these arguments, finished."""
    command = [sys.executable, "-m", "tinycnn", *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )


# --- the whole ------------------------------------------------------------------------------------


def test_help_names_every_command_and_loads_nothing_heavy():
    code = """
import sys
from tinycnn.__main__ import main
try:
    main(["--help"])
except SystemExit as end:
    heavy = ("numba", "llvmlite", "matplotlib", "requests")
    print(end.code, [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    for name in ("train", "check", "read", "look", "explore", "info"):
        assert re.search(rf"^    {name} +\w", done.stdout, re.MULTILINE)


def test_without_a_command_there_is_the_help(capsys):
    assert __main__.main([]) == 2
    assert capsys.readouterr().out.startswith("usage: tinycnn [-h] [--version] COMMAND")


def test_it_runs_as_a_module_and_tells_the_version():
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"tinycnn {tinycnn.__version__}\n")


@pytest.mark.parametrize("name", ["train", "check", "read", "look", "explore", "info"])
def test_each_command_has_a_help_that_says_what_it_does(name, capsys):
    with pytest.raises(SystemExit) as end:
        __main__.main([name, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert out.startswith(f"usage: tinycnn {name} [-h]")
    assert re.search(r"\n\n[A-Z][^\n]+", out)  # a sentence below the usage


# --- train ----------------------------------------------------------------------------------------


def test_training_leaves_a_model_that_can_be_loaded(data):
    done = process(
        *("train", "--data-dir", data, "--images", 50, "--epochs", 2, "--batch-size", 10),
        *("--seed", 3, "--kernels", "numpy", "--output-dir", "out"),
    )
    assert done.returncode == 0, done.stderr
    assert "50 training and 30 test images" in done.stdout
    assert "kernels: numpy\n" in done.stdout
    assert [x[:9] for x in done.stdout.splitlines() if x.startswith("Epoch")] == [
        *("Epoch 1/2", "Epoch 2/2")
    ]
    model = load_model("out/mnist_cnn.npz")
    assert model.count_params() == 93_322
    assert model.steps_trained == 8  # 40 images learned from, 10 to a batch, twice
    assert f"fingerprint of the weights: {model.fingerprint()} (seed 3)" in done.stdout
    assert Path("out/training_history.png").read_bytes().startswith(PNG)


def test_a_training_goes_on(data):
    base = ("train", "--data-dir", data, "--kernels", "numpy")
    prints = []
    for epochs, folder, more in ((2, "a", ()), (1, "b", ()), (2, "b", ("--resume",))):
        done = process(*base, "--epochs", epochs, "--output-dir", folder, *more)
        assert done.returncode == 0, done.stderr
        prints.append(load_model(Path(folder, "mnist_cnn.npz")).fingerprint())
    assert prints[0] == prints[2] != prints[1]


def test_without_mnist_it_draws_digits_and_says_so():
    done = process("train", "--images", 20, "--epochs", 1, "--kernels", "numpy")
    assert done.returncode == 0, done.stderr
    assert "NO MNIST: taking digits drawn by tinycnn instead" in done.stderr
    assert "data: drawn digits (not MNIST), 20 training and 20 test images" in done.stdout


# --- check ----------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_check_passes_on_the_rung_that_was_asked_for(capsys):
    assert __main__.main(["check", "--kernels", "numpy"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("kernels: numpy;")
    assert "kernels: numba" not in out
    assert re.search(r"^\d+ checks, 0 failed", out, re.MULTILINE)


def test_a_failed_check_is_told_by_the_exit_code(monkeypatch, capsys):
    backward = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda self, dy: backward(self, 2 * dy))
    assert __main__.main(["check", "--kernels", "numpy"]) == 1
    assert "\nFAIL  Dense" in capsys.readouterr().out


def test_kernels_that_can_t_be_set_up_are_not_called_checked(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "active", lambda: "numpy")
    assert __main__.main(["check", "--kernels", "numba"]) == 1
    assert "can't be set up" in capsys.readouterr().err


# --- read -----------------------------------------------------------------------------------------


def test_a_digit_is_read(reader, capsys):
    digit = photo("mine.png")
    capsys.readouterr()
    with kernels.use("numpy"):
        assert __main__.main(["read", "mine.png", "--model", str(reader)]) == 0
    answer, all_ten, wrote = capsys.readouterr().out.splitlines()
    assert answer.startswith(f"mine.png: {digit}, probability")
    assert sum(float(x.rstrip("%")) for x in all_ten.split()[1::2]) == pytest.approx(100, abs=1)
    path = Path("output", "mine_as_seen.png")
    assert wrote == f"wrote {path}"
    assert path.read_bytes().startswith(PNG)


def test_a_model_that_rescales_by_itself_gets_bytes():
    images = np.full((2, 28, 28), 255, np.uint8)
    plain = Sequential([Flatten(input_shape=(28, 28, 1))])
    rescaling = Sequential([Rescaling(1 / 255, input_shape=(28, 28, 1))])
    moved = Sequential([RandomTranslation(0.1, 0.1, input_shape=(28, 28, 1)), Rescaling(1 / 255)])
    assert commands._pixels(plain, images).max() == 1
    assert commands._pixels(rescaling, images).max() == 255
    assert commands._pixels(moved, images).max() == 255


# --- look -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [pytest.param("softmax", marks=pytest.mark.full), None])
def test_looking_leaves_pictures(reader, data, activation):
    model = load_model(reader)
    logits = Sequential([*model.layers[:-1], Dense(10, activation=activation)])
    logits.build((28, 28, 1))
    logits.set_weights(model.get_weights())
    logits.save("model.npz")
    done = process(
        *("look", "model.npz", "--data-dir", data, "--images", 30, "--output-dir", "seen"),
        TINYCNN_KERNELS="numpy",
    )
    assert done.returncode == 0, done.stderr
    first, *wrote = done.stdout.splitlines()
    accuracy = float(re.search(r"accuracy (\S+) on 30 test images", first)[1])
    assert accuracy > 0.5  # of ten digits, by the nearest mean
    names = {Path(line.removeprefix("wrote ")).stem for line in wrote}
    assert names == {path.stem for path in Path("seen").glob("*.png")}
    assert names > {"confusion_matrix", "filters", "grad_cam", "maps_conv2d", "contact_sheet"}
    assert all(path.read_bytes().startswith(PNG) for path in Path("seen").glob("*.png"))


def test_looking_saves_each_picture_as_it_is_made(reader, data, monkeypatch, capsys):
    def fail(figures):
        raise ArithmeticError("the last of them")

    monkeypatch.setattr(plotting, "contact_sheet", fail)
    command = ["look", str(reader), "--data-dir", str(data), "--images", "30"]
    with pytest.raises(ArithmeticError, match="the last of them"):
        __main__.main([*command, "--output-dir", "seen"])
    wrote = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrote ")]
    assert {Path(line.removeprefix("wrote ")) for line in wrote} == {*Path("seen").glob("*.png")}
    assert len(wrote) > 6


# --- info -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", [pytest.param("numba", marks=needs_numba), "numpy"])
def test_info_tells_what_runs(rung):
    done = process("info", TINYCNN_KERNELS=rung, TINYCNN_LANES="4", NUMBA_NUM_THREADS="1")
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert facts["tinycnn"] == tinycnn.__version__
    assert facts["numpy"] == np.__version__
    assert facts["kernels"] == facts["TINYCNN_KERNELS"] == rung
    assert facts.get("SIMD lanes") == ("4 of float32" if rung == "numba" else None)
    assert facts.get("threads") == ("1" if rung == "numba" else None)
    assert facts["data cache"] == f"{Path('home').absolute()} (not there yet)"
    assert facts["package"] == str(Path(tinycnn.__file__).parent)
    assert {"Python", "system", "processor", "numba", "matplotlib", "requests"} < set(facts)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--epochs", "0"], "must be a positive integer. Received: 0"),
        (["train", "--images", "4"], "--images must be at least 5. Received: 4"),
        (["train", "--data-dir", "nowhere"], "nowhere"),
        (["train", "--dataset", "synthetic", "--data-dir", "x"], "not come from a folder"),
        (["train", "--output-dir", "file/in"], "file"),
        (["read"], "required: PHOTO"),
        (["read", "nowhere.png"], "nowhere.png"),
        (["read", "file"], "not a picture"),
        (["read", "mine.png"], "`tinycnn train` makes one"),
        (["read", "mine.png", "--model", "file"], "not a complete tinycnn model file"),
        (["read", "mine.png", "--model", "other.npz"], "its shapes are (4,) to (3,)"),
        (["read", "mine.png", "--model", "nan.npz"], "weights are damaged"),
        (["look"], "required: MODEL"),
        (["look", "nowhere.npz"], "the model file nowhere.npz does not exist"),
        (["look", "dense.npz"], "has no Conv2D"),
    ],
)
def test_a_mistake_ends_in_a_line(arguments, words):
    photo("mine.png")
    Path("file").write_text("in the way")
    Sequential([Dense(3, input_shape=(4,))]).save("other.npz")
    dense = Sequential([Flatten(input_shape=(28, 28, 1)), Dense(10)])
    dense.save("dense.npz")
    dense.set_weights([weight * np.nan for weight in dense.get_weights()])
    dense.save("nan.npz")
    done = process(*arguments, TINYCNN_KERNELS="numpy")
    assert done.returncode in (1, 2)
    error = done.stderr[done.stderr.index("error: ") :]
    assert words in error.splitlines()[0]
    assert "Traceback" not in done.stderr
