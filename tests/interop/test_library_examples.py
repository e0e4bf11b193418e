"""The examples that need another library, as their readers would run them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Rescaling, Sequential, load_model
from tinycnn.datasets import idx, synthetic

pytestmark = pytest.mark.reference
EXAMPLES = Path(__file__).parents[2] / "examples"


def start(name, *arguments, folder, **environment):
    """The running process of an example, on the NumPy rung."""
    names = {"TINYCNN_HOME": str(folder), "TINYCNN_KERNELS": "numpy", **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning", str(EXAMPLES / name), *map(str, arguments)],
        env={**os.environ, **names},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def run(name, *arguments, folder, **environment):
    """(exit code, stdout, stderr) of an example."""
    process = start(name, *arguments, folder=folder, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with four IDX files of 400 and 100 drawn digits."""
    folder = tmp_path_factory.mktemp("digits")
    synthetic.write(folder, train=400, test=100, seed=0)
    return folder


# --- sweep.py -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sweep(small, tmp_path_factory):
    """The arguments of a sweep, and what it prints if it is never stopped."""
    pytest.importorskip("optuna", reason="no Optuna")
    folder = tmp_path_factory.mktemp("sweep")
    arguments = ["--quick", "--data-dir", small, "--trials", 11, "--output-dir"]
    code, out, err = run("sweep.py", *arguments, folder / "a", folder=folder)
    assert code == 0, err
    return arguments, out.splitlines(), folder / "a"


def rows(lines):
    return [line for line in lines if line[:5].strip().isdecimal()]


def test_a_sweep_ends_in_its_best_network(sweep, small):
    _, lines, folder = sweep
    table = [line.split() for line in rows(lines)]
    assert [int(row[0]) for row in table] == list(range(1, 12))
    assert any("given up after epoch 1" in line for line in lines)
    whole = [float(row[5]) for row in table if len(row) == 6]
    assert f"validation accuracy {max(whole):.4f}; trained again, {max(whole):.4f}" in lines
    images = idx.read_idx(small / "t10k-images-idx3-ubyte")
    labels = idx.read_idx(small / "t10k-labels-idx1-ubyte")
    right = load_model(folder / "sweep_best.npz").predict(images, verbose=0).argmax(1) == labels
    assert f"test accuracy {np.mean(right):.4f}, of 100 images" in lines


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_was_stopped_makes_the_trials_that_it_would_have_made(sweep, tmp_path, how):
    arguments, whole, _ = sweep
    for last in ("4", "9"):
        process = start("sweep.py", *arguments, tmp_path / "b", folder=tmp_path)
        while process.stdout.readline()[:5].strip() != last:
            pass
        time.sleep(0.02)  # into the next trial
        process.send_signal(how)
        _, err = process.communicate(timeout=300)
        assert process.returncode == (130 if how == signal.SIGINT else -how), err
        assert "Traceback" not in err
    code, out, err = run("sweep.py", *arguments, tmp_path / "b", folder=tmp_path)
    assert code == 0, err
    assert rows(out.splitlines()) == rows(whole)
    assert out.splitlines()[-4:-1] == whole[-4:-1]


def test_a_finished_sweep_only_shows_itself_and_may_go_on_further(sweep):
    arguments, whole, folder = sweep
    code, out, err = run("sweep.py", *arguments, folder, folder=folder)
    assert code == 0, err
    assert out.splitlines() == whole
    code, out, err = run("sweep.py", *arguments, folder, "--trials", 12, folder=folder)
    assert code == 0, err
    assert rows(out.splitlines())[:11] == rows(whole)
    assert len(rows(out.splitlines())) == 12


def test_a_sweep_of_other_settings_is_refused(sweep):
    arguments, _, folder = sweep
    code, _, err = run("sweep.py", *arguments, folder, "--epochs", 3, folder=folder)
    assert code == 1
    assert err.splitlines()[-1].endswith(
        "sweep.db: epochs was 2 in that sweep; choose another --output-dir for a new one. "
        "Received: 3"
    )


def test_without_optuna_a_line_says_so(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['optuna'] = None")
    names = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}
    code, _, err = run("sweep.py", folder=tmp_path, **names)
    assert code == 1
    assert err == (
        "error: this example searches with Optuna, not installed here: pip install optuna\n"
    )


# --- federated.py ---------------------------------------------------------------------------------


def network():
    """That of the example."""
    layers = [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(16, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
    model = Sequential(layers, seed=3)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def averaged_here(small, rounds):
    """The table of the example, from its definition: [site 0, site 1, common] for each round."""
    x = idx.read_idx(small / "train-images-idx3-ubyte")[..., np.newaxis]
    y = idx.read_idx(small / "train-labels-idx1-ubyte")
    common, table = network().get_weights(), []
    judge = network()

    def accuracy(weights):
        judge.set_weights(weights)
        return judge.evaluate(x[360:], y[360:], verbose=0)[1]

    for number in range(1, rounds + 1):
        total, images, row = 0, 0, []
        for low, high in ((0, 6), (3, 9)):
            mine = np.flatnonzero((y[:360] >= low) & (y[:360] <= high))
            site = network()
            site.set_weights(common)
            site.epochs_trained = number
            site.fit(x[mine], y[mine], 64, verbose=0)
            row.append(accuracy(site.get_weights()))
            total = [
                len(mine) * w + t for w, t in zip(site.get_weights(), total or [0] * 6, strict=True)
            ]
            images += len(mine)
        common = [weights / images for weights in total]
        table.append([*row, accuracy(common)])
    return table


def test_two_sites_and_a_server_average_as_the_paper_says(small, numpy_rung):
    pytest.importorskip("flwr", reason="no Flower")
    arguments = ["--data-dir", small, "--images", 400, "--rounds", 3, "--seed", 3]
    code, out, err = run("federated.py", *arguments, folder=small)
    assert code == 0, err
    table = [[float(x) for x in row.split()[1:]] for row in rows(out.splitlines())]
    # Four decimals are printed, of 40 images.
    assert np.round(averaged_here(small, 3), 4).tolist() == table


def test_a_site_that_fails_ends_them_all(small, tmp_path):
    pytest.importorskip("flwr", reason="no Flower")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif sys.argv[-1:] == ['1']:\n    os._exit(3)\n"
    )
    names = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}
    code, _, err = run("federated.py", "--data-dir", small, folder=small, **names)
    assert code == 1
    assert err.splitlines()[-1] == "error: site 1 has ended with exit code 3"


def test_a_role_without_an_address_is_refused(small):
    pytest.importorskip("flwr", reason="no Flower")
    code, _, err = run("federated.py", "--role", "server", folder=small)
    assert code == 2
    assert err == ("error: --role server needs the server's --address, such as 192.168.0.2:8080\n")


def test_without_flower_a_line_says_so(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['flwr'] = None")
    names = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}
    code, _, err = run("federated.py", folder=tmp_path, **names)
    assert code == 1
    assert err == "error: this example needs Flower, not installed here: pip install flwr\n"
