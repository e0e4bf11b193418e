"""benchmarks/executors.py, in short: what it prints is told of all contestants."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn.datasets import synthetic

EXECUTORS = Path(__file__).parents[1] / "benchmarks" / "executors.py"


@pytest.mark.full
def test_folds_are_measured(tmp_path):
    synthetic.write(tmp_path, train=120, test=10, seed=0)
    command = [sys.executable, EXECUTORS, "--data-dir", tmp_path, "--rounds", "2"]
    done = subprocess.run(
        command,
        env={**os.environ, "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "4 folds of 120 images" in done.stdout
    assert done.stdout.count(" times one thread") == 3
    assert "one thread: " in done.stdout and "2 workers: " in done.stdout
