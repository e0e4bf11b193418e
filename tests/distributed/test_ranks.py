"""Ranks under a real mpiexec: the bits of one process, and an end for all when one of them ends."""

import functools
import random
import signal
import sys
import time

import fingerprints
import pytest
import ten_kills
from distributed_launch import ABORTED, finish, is_exit_code, needs_mpi, record, start
from without_numba import needs_numba

from tinycnn import load_model

pytestmark = needs_mpi

NUMPY = {"TINYCNN_KERNELS": "numpy"}
ENDS_WITHIN = 5.0  # seconds from a fault of one rank to the end of mpiexec
TRIES = 3  # of a fault, of which the fastest counts: the machine may be at work on something else


@functools.cache
def expected(rung="numpy", **settings):
    """The record of one process without mpiexec."""
    return record(0, {"TINYCNN_KERNELS": rung}, **settings)


@pytest.fixture
def alone():
    """That of the program's defaults."""
    return expected()


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_any_number_of_ranks_has_the_bits_of_one_process(ranks, alone):
    assert record(ranks, NUMPY) == alone


def test_with_one_shard_too_few_ranks_have_work():
    code, _, err = finish(start(2, NUMPY, shards=1))
    assert code != 0
    assert err.count("ValueError: `shards` must be at least the number of ranks, 2, or some") == 1


def test_frozen_statistics_stay_and_all_callbacks_do_the_same(tmp_path):
    settings = {"frozen": True, "epochs": 20, "patience": 1, "shards": 3, "batch_size": 15}
    log = tmp_path / "log.csv"
    on_ranks = record(2, NUMPY, csv=str(log), **settings)
    assert on_ranks == record(0, NUMPY, **settings)
    epochs = len(on_ranks["history"]["loss"])
    assert epochs < 20  # it has stopped early
    assert len(log.read_text().splitlines()) == 1 + epochs  # one rank alone has written


@pytest.mark.mpi
@needs_numba
def test_on_compiled_kernels_whatever_the_threads():
    assert fingerprints.all_the_same([sys.executable])


@pytest.mark.mpi
@pytest.mark.parametrize("shards", [5, 6, 8])
def test_any_number_of_shards(shards):
    for ranks in (3, 4, 5):
        assert record(ranks, NUMPY, shards=shards) == expected(shards=shards)


# --- stopped, and resumed on another number of ranks ----------------------------------------------


def stopped_and_resumed(tmp_path, alone, numbers, fault, step):
    """Ends in epoch 1 on the first number of ranks, and goes on with the second one."""
    path = str(tmp_path / "checkpoint.npz")
    first, second = numbers
    settings = {"fault": fault, "rank": random.Random(step).randrange(first), "step": step}
    code, _, _ = finish(start(first, NUMPY, checkpoint=path, **settings))
    assert code != 0
    # It is whole. Of the 5 steps of epoch 0 and those before the fault, rank 0 may have been about
    # to save the last one when another rank ended.
    assert load_model(path).steps_trained >= 4 + step
    assert record(second, NUMPY, checkpoint=path) == alone


def test_killed_and_resumed_with_other_ranks(tmp_path, alone):
    stopped_and_resumed(tmp_path, alone, (2, 3), "SIGKILL", 3)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("numbers", "fault", "step"),
    [
        *(((4, 1), "SIGKILL", 0), ((1, 4), "SIGKILL", 1), ((2, 3), "SIGKILL", 2)),
        *(((3, 2), "SIGKILL", 4), ((3, 1), "SIGTERM", 0), ((2, 4), "SIGTERM", 4)),
        *(((2, 1), "SIGINT", 1), ((4, 2), "SIGINT", 2)),
    ],
)
def test_stopped_in_any_step_and_resumed_with_other_ranks(tmp_path, alone, numbers, fault, step):
    stopped_and_resumed(tmp_path, alone, numbers, fault, step)


@pytest.mark.mpi
@pytest.mark.parametrize("seed", range(4))
def test_mpiexec_killed_at_any_moment(tmp_path, seed):
    """Its ranks die with it, or see that it has gone; the checkpoint is whole at every moment."""
    rng, path = random.Random(seed), tmp_path / "checkpoint.npz"
    for ranks in (2, 3, 1):
        process = start(ranks, NUMPY, epochs=12, checkpoint=str(path))
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGTERM)
        finish(process)
    assert record(4, NUMPY, epochs=12, checkpoint=str(path)) == expected(epochs=12)


@pytest.mark.full
@pytest.mark.mpi
def test_ten_kills_and_resumes(tmp_path):
    assert ten_kills.killed_and_resumed(tmp_path, seed=1)


# --- one fails, and all end -----------------------------------------------------------------------

# What happens to one rank: the exit code (None: some other than 0), and what is printed, once.
FAULTS = {
    "raise": (1, "LookupError: nobody expected this"),
    "exit": (3, f"rank 1 of 3 {ABORTED}"),
    "stop": (1, "RuntimeError: the ranks have parted: rank 0 is at "),
    "leave": (1, "RuntimeError: the ranks have parted: rank 0 is at "),
    "nan": (1, "NumericalError: the loss became nan in epoch 2, batch 4"),
    "other weights": (1, "RuntimeError: after epoch 2, batch 5 the weights of rank "),
    "seed": (1, "ValueError: all ranks must train the same, and `seed` differs"),
    "data": (1, "ValueError: all ranks must train the same, and `x` differs"),
    "before": (1, "LookupError: nobody expected this"),
    "after": (1, "LookupError: nobody expected this"),
    "SIGTERM": (143, "tinycnn: stopped after epoch 2, batch 4"),
    "SIGINT": (None, "KeyboardInterrupt: stopped after epoch 2, batch 4"),
    "SIGKILL": (None, ""),
    "abort": (None, ""),
}


def fails(fault, ranks=3, rank=1, **settings):
    """All ranks end after the fault, with its message once; what they print."""
    code, _, err = finish(start(ranks, NUMPY, fault=fault, rank=rank, **settings))
    right, words = FAULTS[fault]
    assert code if right is None else is_exit_code(code, right, err), (code, err[-3000:])
    if words:
        assert err.count(words.replace("rank 1 of 3", f"rank {rank} of {ranks}")) == 1, err[-3000:]
    return err


@pytest.mark.parametrize("fault", ["raise", "stop", "seed"])
def test_when_one_fails_all_end_with_one_message(fault):
    fails(fault)


@pytest.mark.mpi
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_all_end_soon(fault, tmp_path):
    moment, seconds = tmp_path / "moment", []
    while len(seconds) < TRIES and min(seconds, default=ENDS_WITHIN) >= ENDS_WITHIN:
        err = fails(fault, moment=str(moment))
        seconds.append(time.time() - float(moment.read_text()))
        tracebacks = err.count("Traceback (most recent call last)")
        assert tracebacks == (fault not in ("exit", "SIGTERM", "SIGKILL", "abort"))
    assert min(seconds) < ENDS_WITHIN, seconds


@pytest.mark.mpi
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("ranks", "rank"), [(2, 0), (4, 3)])
def test_on_any_rank(fault, ranks, rank):
    fails(fault, ranks, rank, shards=8)
