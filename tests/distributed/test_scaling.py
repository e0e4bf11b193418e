"""benchmarks/ranks.py: the model of many ranks, by hand; and the benchmark itself, in short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
import ranks_model
from distributed_launch import needs_mpi
from ranks_model import Network

from tinycnn.datasets import synthetic
from tinycnn.errors import NumericalError

SCALING = Path(ranks.__file__).with_name("scaling.py")


def test_the_time_of_messages_by_hand():
    # 2 ranks: each sends half of 93,322 numbers of 4 bytes twice, in two messages.
    assert Network(0.0, 1e6).messages(2) == pytest.approx(0.373288)
    assert Network(0.5, 1e30).messages(2) == pytest.approx(1.0)
    assert Network(0.25, 1e30).messages(5) == pytest.approx(2.0)
    assert Network(0.5, 1e6).messages(1) == 0


def test_the_limit_by_hand():
    # With 0.1 s a message 2 ranks take 0.2 s, 4 take 0.6, 8 take 1.4.
    assert Network(0.1, 1e30).limiting_ranks(0.5) == 4
    assert Network(0.1, 1e30).limiting_ranks(0.7) == 8
    assert Network(0.0, 1e30).limiting_ranks(0.5) is None


def test_what_is_measured_gives_the_model_its_numbers():
    assert ranks_model.line({1: 5.0, 2: 7.0, 10: 23.0}) == pytest.approx((3.0, 2.0))
    sizes = (1000, 100_000, 1_000_000)
    seconds = {P: 4 * 20e-6 + 2 * P * 2 / 3 * 4 / 1e9 for P in sizes}
    assert ranks_model.network_of(3, seconds) == pytest.approx(Network(20e-6, 1e9), rel=1e-5)


def test_no_latency_is_below_zero_and_no_bandwidth_without_end():
    assert ranks_model.line({1: 1.0, 2: 2.5}) == pytest.approx((0.0, 1.8 / 1.64))
    with pytest.raises(NumericalError, match="more takes less time; the machine was busy"):
        ranks_model.line({1: 2.0, 2: 1.0})


def test_contestants_take_turns_and_the_order_changes():
    seen, clock = [], iter(range(100))

    def run(name):
        return lambda: seen.append(name) or float(next(clock))

    times = ranks.in_turns(3, {name: run(name) for name in "ab"})
    assert "".join(seen) == "abbaab"
    assert times == {"a": [0, 3, 4], "b": [1, 2, 5]}
    assert ranks.spread(times["a"], 2) == "6.00 (0.00 to 8.00)"


@pytest.mark.full
@needs_mpi
@pytest.mark.mpi
def test_ranks_are_measured(tmp_path):
    synthetic.write(tmp_path, train=300, test=10, seed=0)
    command = [sys.executable, str(SCALING), "--data-dir", str(tmp_path), "--ranks", "2"]
    done = subprocess.run(
        [*command, "--steps", "1", "--rounds", "1"],
        env={**os.environ, "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    for words in ("2 ranks, weak, 64 images a rank: ", "2 ranks, strong, batches of 256: "):
        assert out.count(words) == 1
    if "no model: more takes less time" in out:
        return  # a single step, on a machine that was at work on something else
    for words in ("4,096 ranks", "Gbit/s InfiniBand: ", "GB/s"):
        assert words in out
