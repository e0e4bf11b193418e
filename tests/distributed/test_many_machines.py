"""examples/train_on_many_machines.py, alone and under mpiexec."""

import sys
from pathlib import Path

import pytest
from distributed_launch import finish, is_exit_code, needs_mpi, start_command

from tinycnn import load_model
from tinycnn.datasets import synthetic

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_on_many_machines.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    synthetic.write(folder, train=200, test=50, seed=0)
    return folder


def run(ranks, folder, output, *more):
    """(exit code, stdout, stderr) of the example, on few images."""
    arguments = ["--data-dir", folder, "--output-dir", output, "--batch-size", 60, *more]
    command = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    return finish(start_command(ranks, command, TINYCNN_KERNELS="numpy"))


def fingerprint(out):
    (line,) = [line for line in out.splitlines() if line.startswith("fingerprint")]
    return line.split()[4]


def test_on_one_machine(folder, tmp_path):
    code, out, err = run(0, folder, tmp_path, "--epochs", 1)
    assert code == 0, err
    assert out.startswith("ranks: 1, shards: 4\n")
    assert load_model(tmp_path / "mnist_cnn.npz").fingerprint() == fingerprint(out)
    code, again, err = run(0, folder, tmp_path, "--epochs", 1, "--resume")
    assert code == 0, err
    assert fingerprint(again) == fingerprint(out)
    assert "nothing is left to train: all 1 epochs are done" in again


@needs_mpi
@pytest.mark.mpi
def test_on_many_it_is_the_same(folder, tmp_path):
    code, alone, err = run(0, folder, tmp_path / "a", "--epochs", 2)
    assert code == 0, err
    code, _, err = run(3, folder, tmp_path / "b", "--epochs", 1)
    assert code == 0, err
    code, out, err = run(2, folder, tmp_path / "b", "--epochs", 2, "--resume")
    assert code == 0, err
    assert out.startswith("ranks: 2, shards: 4") and out.count("resumed from") == 1
    assert fingerprint(out) == fingerprint(alone)


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data-dir", "nowhere"], "nowhere"),
        (["--output-dir", "/dev/null/x"], "/dev/null/x"),
        (["--resume", "--seed", 1], "`seed` was 0 in that run. Received: 1"),
    ],
)
def test_what_a_user_can_cause_is_one_line(folder, tmp_path, more, words):
    if "--seed" in more:
        assert run(1, folder, tmp_path, "--epochs", 1)[0] == 0
    code, _, err = run(2, folder, tmp_path, "--epochs", 1, *more)
    assert is_exit_code(code, 1, err)
    assert err.count("error: ") == err.count(words) == 1
    assert "Traceback" not in err
