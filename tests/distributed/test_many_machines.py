"""examples/train_on_many_machines.py, alone, under mpiexec, and by its script for Slurm."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from distributed_launch import ENVIRONMENT, MPIEXEC, finish, is_exit_code, needs_mpi, start_command

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


# --- on a cluster: no Slurm is here, so its two commands have stand-ins ---------------------------


@pytest.fixture
def run_script(folder, tmp_path):
    """A function that runs the script of the docstring; `srun` is what it says in bash."""
    text = ast.get_docstring(ast.parse(EXAMPLE.read_text()))
    script = tmp_path / "train.sh"
    script.write_text(textwrap.dedent(text[text.index("    #!/bin/bash") :].partition("\n\n")[0]))
    (tmp_path / "examples").symlink_to(EXAMPLE.parent)
    commands = tmp_path / "commands"
    commands.mkdir()
    python = f'exec "{sys.executable}" "$@"'

    def run(srun):
        bodies = {"python": python, "srun": srun, "scontrol": 'echo "scontrol $*"'}
        for name, body in bodies.items():
            (commands / name).write_text(f"#!/bin/bash\n{body}\n")
            (commands / name).chmod(0o755)
        environment = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(EXAMPLE.parents[1]),
            "SLURM_JOB_ID": "17",
            "TINYCNN_DATA_DIR": str(folder),
            "TINYCNN_KERNELS": "numpy",
        }
        return subprocess.run(
            ["bash", script],
            cwd=tmp_path,
            env={**os.environ, **ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    run.script = script
    return run


needs_bash = pytest.mark.skipif(os.name != "posix", reason="the script is for bash")


@needs_bash
def test_slurm_s_script_is_one_and_begins_again_when_its_time_is_up(run_script):
    checked = subprocess.run(["bash", "-n", run_script.script], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    lines = run_script.script.read_text().splitlines()
    assert [line.startswith("#SBATCH --") for line in lines[1:4]] == [True] * 3
    assert run_script('echo "$@"; exit 143').stdout.splitlines() == [
        "--mpi=pmix python examples/train_on_many_machines.py --shards 16 --batch-size 1024 "
        "--resume",
        "scontrol requeue 17",
    ]
    for code in (0, 1, 130):
        done = run_script(f"exit {code}")
        assert (done.returncode, done.stdout) == (code, "")


@needs_bash
@needs_mpi
@pytest.mark.mpi
def test_slurm_s_script_trains_and_goes_on(run_script):
    outputs = []
    for ranks in (2, 3):
        done = run_script(f'shift; exec "{MPIEXEC}" -n {ranks} "$@"')
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"ranks: {ranks}, shards: 16")
        assert "scontrol" not in done.stdout
        outputs.append(done.stdout)
    assert "nothing is left to train: all 10 epochs are done" in outputs[1]
    assert fingerprint(outputs[0]) == fingerprint(outputs[1])
