"""benchmarks/ranks.py: the model of many ranks, by hand; and the benchmark itself, in short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
from distributed_launch import needs_mpi

from tinycnn.datasets import synthetic

SCALING = Path(ranks.__file__).with_name("scaling.py")


def test_the_time_of_messages_by_hand():
    # 2 ranks: each sends half of 93,322 numbers of 4 bytes twice, in two messages.
    assert ranks.messages(2, 0.0, 1e6) == pytest.approx(0.373288)
    assert ranks.messages(2, 0.5, 1e30) == pytest.approx(1.0)
    assert ranks.messages(5, 0.25, 1e30) == pytest.approx(2.0)
    assert ranks.messages(1, 0.5, 1e6) == 0


def test_the_limit_by_hand():
    # With 0.1 s a message 2 ranks take 0.2 s, 4 take 0.6, 8 take 1.4.
    assert ranks.limiting_ranks(0.5, 0.1, 1e30) == 4
    assert ranks.limiting_ranks(0.7, 0.1, 1e30) == 8
    assert ranks.limiting_ranks(0.5, 0.0, 1e30) is None


@pytest.mark.full
@needs_mpi
@pytest.mark.mpi
def test_ranks_are_measured(tmp_path):
    synthetic.write(tmp_path, train=300, test=10, seed=0)
    command = [sys.executable, str(SCALING), "--data-dir", str(tmp_path), "--ranks", "2"]
    done = subprocess.run(
        [*command, "--steps", "1"],
        env={**os.environ, "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    for words in ("2 ranks, weak, 64 images a rank: ", "2 ranks, strong, batches of 256: "):
        assert out.count(words) == 1
    for words in ("4,096 ranks", "Gbit/s InfiniBand: ", "GB/s"):
        assert words in out
