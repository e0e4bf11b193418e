"""Ten kills at random moments, each followed by a resume on another number of ranks.

    python tests/distributed/ten_kills.py [seed]

It ends with exit code 0 if the training that was killed ten times has the bits of one that was not:
weights, history and evaluation. mpiexec and mpi4py are those of this Python.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from distributed_launch import finish, record, start

from tinycnn import load_model

KILLS, EPOCHS = 10, 300
NUMPY = {"TINYCNN_KERNELS": "numpy"}


def killed_and_resumed(folder: Path, seed: int, tell: Callable[[str], None] = print) -> bool:
    """Whether ten kills have changed nothing.

    Args:
        folder: an empty one.
        seed: of all that is random.
        tell: is given a line for each kill.
    """
    rng, checkpoint, ranks = random.Random(seed), folder / "checkpoint.npz", 0
    for i in range(1, KILLS + 1):
        ranks = rng.choice([n for n in (1, 2, 3, 4) if n != ranks])
        before = load_model(checkpoint).steps_trained if checkpoint.exists() else 0
        pids = folder / f"pids-{i}"
        pids.mkdir()
        process = start(ranks, NUMPY, epochs=EPOCHS, checkpoint=str(checkpoint), pids=str(pids))
        begin = checkpoint.stat().st_mtime_ns if before else 0
        while process.poll() is None and not _saved_since(checkpoint, begin):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.25))
        victim = rng.randrange(-1, ranks)
        if process.poll() is not None:
            break  # by itself
        if victim < 0:
            process.send_signal(signal.SIGTERM)
        else:
            os.kill(int((pids / str(victim)).read_text()), signal.SIGKILL)
        code, _, err = finish(process)
        if code == 0:
            break  # it was about to end by itself
        after = load_model(checkpoint).steps_trained
        what = f"rank {victim} of {ranks}, SIGKILL" if victim >= 0 else f"all {ranks}, SIGTERM"
        tell(f"kill {i:2}: {what:22} steps {before:4} to {after:4}, exit code {code}")
    else:
        ranks = rng.choice([n for n in (1, 2, 3, 4) if n != ranks])
        resumed = record(ranks, NUMPY, epochs=EPOCHS, checkpoint=str(checkpoint))
        expected = record(0, NUMPY, epochs=EPOCHS)
        tell(f"ended on {ranks} rank{'s' * (ranks > 1)}: {resumed['weights'][:16]}")
        tell(f"not killed, no MPI: {expected['weights'][:16]}")
        return resumed == expected
    raise RuntimeError(f"the training ended before its kill number {i}: make EPOCHS more")


def _saved_since(checkpoint: Path, begin: int) -> bool:
    return checkpoint.exists() and checkpoint.stat().st_mtime_ns > begin


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        same = killed_and_resumed(Path(temporary), int((sys.argv[1:] or ["0"])[0]))
    print("the same bits" if same else "other bits")
    sys.exit(not same)
