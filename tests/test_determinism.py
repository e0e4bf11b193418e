"""One seed, one fingerprint: on any number of threads, resumed or not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from without_numba import needs_numba

pytestmark = needs_numba

HERE = Path(__file__).parent

# Trained at once, or stopped in the middle of the second epoch and resumed. No number is even or a
# multiple of lanes, tiles or groups, and the last batch of an epoch is a partial one: 37 and 24.
SCRIPT = """
import hashlib, sys
from tinycnn import Callback, Checkpoint, kernels
from resumable import Decay, Memory, all_bits, data, network

class Stop(Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.steps_trained == 6:
            raise StopIteration

def train(*more):
    model, memory = network(filters=19), Memory()
    history = model.fit(*data(150), batch_size=37, epochs=2, validation_split=0.1, verbose=0,
                        callbacks=[*more, Decay(), memory])
    return model, history, memory

path = sys.argv[1]
if path:
    try:
        train(Checkpoint(path, 0), Stop())
    except StopIteration:
        pass
    run = train(Checkpoint(path, 0, resume=True))
else:
    run = train()
print(kernels.get_num_threads())
print(run[0].fingerprint(), hashlib.sha256(repr(all_bits(*run)).encode()).hexdigest())
"""


def fingerprint(threads, checkpoint=""):
    """The SHA-256 of the weights and of all bits, from a process of its own."""
    settings = {"NUMBA_NUM_THREADS": str(threads)}
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(checkpoint)],
        env={**os.environ, **settings, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    setting, prints = process.stdout.splitlines()
    assert setting == str(threads)
    return prints


def test_threads_and_resume_do_not_change_a_bit(tmp_path):
    expected = fingerprint(1)
    assert fingerprint(2, tmp_path / "checkpoint.npz") == expected
    assert fingerprint(7) == expected


@pytest.mark.full
def test_nor_does_any_number_of_them(tmp_path):
    expected = fingerprint(1)
    for threads in (1, 2, 3, 4, 5, 7, 8):
        path = tmp_path / f"{threads}.npz"
        assert fingerprint(threads) == expected
        assert fingerprint(threads, path) == expected
