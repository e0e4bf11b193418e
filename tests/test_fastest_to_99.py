"""examples/fastest_to_99.py and benchmarks/fastest_to_99.py: what they count, and that they run."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinycnn.datasets import synthetic

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "fastest_to_99.py"
BENCHMARK = ROOT / "benchmarks" / "fastest_to_99.py"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with four IDX files of 60 and 40 drawn digits."""
    folder = tmp_path_factory.mktemp("digits")
    synthetic.write(folder, train=60, test=40, seed=0)
    return folder


@pytest.fixture
def numpy_everywhere(monkeypatch):
    """What a test starts compiles nothing."""
    monkeypatch.setenv("TINYCNN_KERNELS", "numpy")


def run(script, *arguments):
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing():
    example = runpy.run_path(str(EXAMPLE))
    recipe, rate = example["RECIPE"], example["one_cycle"](1000)
    steps = recipe["epochs"] * -(-1000 // recipe["batch_size"])
    rates = np.array([rate(step) for step in range(steps)])
    top = int(recipe["rise"] * steps)
    assert rates[0] == pytest.approx(recipe["learning_rate"] / 10)
    assert rates.argmax() == top and rates[top] == pytest.approx(recipe["learning_rate"])
    np.testing.assert_allclose(np.diff(rates[: top + 1]), (rates[top] - rates[0]) / top)
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] > 0 and rate(steps) == pytest.approx(0, abs=1e-12)  # a cosine's last digits


def test_the_example_counts_seeds_that_arrive(small, numpy_everywhere):
    lines = run(EXAMPLE, "--data-dir", small, "--seeds", 3, "--first-seed", 5)
    assert lines[0].endswith("60 images to learn from, 40 of the test")
    table = [line.split() for line in lines if line[:4].strip() in "567"]
    assert [int(row[0]) for row in table] == [5, 6, 7]
    seconds, accuracies = (sorted(float(row[i]) for row in table) for i in (1, 2))
    assert lines[-2] == (
        f"{seconds[1]:.2f} s in the median, accuracy {accuracies[1]:.4f} in the median, "
        f"{accuracies[0]:.4f} at least"
    )
    # Two epochs of 60 drawn digits bring nobody to 99%; 0 of 3 is 0 to 0.56 by Wilson's formula.
    assert lines[-1] == "0 of 3 seeds read 99% right, 95% interval 0.00 to 0.56 (Wilson)"


@pytest.mark.full
def test_choosing_leaves_the_test_images_alone(small, tmp_path, numpy_everywhere):
    """Other test images, the same output."""
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes((small / name).read_bytes())
    synthetic.write(tmp_path / "other", train=1, test=40, seed=9)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    found = [run(EXAMPLE, "--data-dir", folder, "--choose") for folder in (small, tmp_path)]
    assert found[0][0].endswith("50 images to learn from, 10 kept back")
    (first, second) = (lines[-1].split() for lines in found)
    assert (first[0], first[2]) == (second[0], second[2]) and len(first) == 3


def test_the_benchmark_s_table(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    report = runpy.run_path(str(BENCHMARK))["report"]
    runs = {"tinycnn": [[2.0, 0.991], [1.0, 0.9899], [4.0, 0.99]]}
    _, line = report(runs)
    # 2 of 3 is 0.21 to 0.94 by Wilson's formula.
    assert line.split() == "tinycnn 2.00 1.00 4.00 0.9900 0.9899 2 of 3 (0.21 to 0.94)".split()


@pytest.mark.parametrize(
    "name",
    [
        "tinycnn",
        *(pytest.param(name, marks=pytest.mark.reference) for name in ("keras", "pytorch")),
    ],
)
def test_each_contestant_runs_the_recipe(small, numpy_everywhere, name):
    if name != "tinycnn":
        pytest.importorskip({"keras": "tensorflow", "pytorch": "torch"}[name], reason=f"no {name}")
    lines = run(BENCHMARK, "--data-dir", small, "--seeds", 2, "--only", name, "--threads", 1)
    (row,) = (line.split() for line in lines if line.startswith(f"{name} ") and " of 2 " in line)
    median, least, most, accuracy = map(float, row[1:5])
    assert 0 < least <= median <= most
    assert 0 <= accuracy <= 1
    assert row[6:9] == ["0", "of", "2"]


@pytest.mark.reference
def test_all_networks_have_as_many_parameters(monkeypatch):
    pytest.importorskip("tensorflow", reason="no keras")
    pytest.importorskip("torch", reason="no pytorch")
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    benchmark = runpy.run_path(str(BENCHMARK))
    # In one process with other tests TensorFlow's threads can't be set any more.
    import tensorflow

    for kind in ("intra", "inter"):
        name = f"set_{kind}_op_parallelism_threads"
        monkeypatch.setattr(tensorflow.config.threading, name, lambda threads: None)
    x, y = np.zeros((32, 28, 28, 1), np.float32), np.zeros(32, np.uint8)
    ours = benchmark["EXAMPLE"]["network"](0).count_params()
    assert benchmark["CONTESTANTS"]["keras"](x, y).model.count_params() == ours
    torch = benchmark["CONTESTANTS"]["pytorch"](x, y).network()
    assert sum(p.numel() for p in torch.parameters()) == ours
