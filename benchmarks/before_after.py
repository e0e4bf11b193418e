"""The speed of the reference network at two commits of this repository, in alternation.

    python benchmarks/before_after.py a4f6298 HEAD
    python benchmarks/before_after.py a4f6298 HEAD --rounds 20 --steps 200

Each commit is checked out into a folder of its own and trains in a process of its own, on the same
drawn images. The two take turns, in the order A B B A: what changes slowly, such as the processor's
temperature or another program, falls on both alike. A round gives one quotient, after / before; the
median of these is the figure, and the middle half of them says how sure it is.

Two processes of one commit (`HEAD HEAD`) show what the machine's own noise is.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from machine import Measurement

from tinycnn.support.console import say

ROOT = Path(__file__).resolve().parents[1]

# What a process does: it builds the network, warms up, says its loss, and then trains whenever it
# is told to. It uses only what both commits have.
WORKER = """
import sys, time
import numpy as np
from tinycnn import Conv2D, Dense, Flatten, Input, MaxPooling2D, Sequential
steps, batch = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
y = rng.integers(10, size=steps * batch)
x = rng.random((len(y), 28, 28, 1), np.float32) * 0.5
for image, label in zip(x, y):
    image[2 * label : 2 * label + 6, 6:20] += 0.5
model = Sequential([
    Input((28, 28, 1)),
    Conv2D(32, 3, activation="relu"), MaxPooling2D(2),
    Conv2D(64, 3, activation="relu"), MaxPooling2D(2),
    Conv2D(64, 3, activation="relu"), Flatten(),
    Dense(64, activation="relu"), Dense(10, activation="softmax"),
], seed=1)
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
targets = np.eye(10, dtype=np.float32)[y]
def train():
    return model.fit(x, targets, batch_size=batch, verbose=0).history["loss"][-1]
print(train(), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    train()
    print(time.perf_counter() - start, flush=True)
"""


class Trainer:
    """A process that trains at one commit; a context manager."""

    def __init__(self, commit: str, folder: Path, steps: int, batch: int) -> None:
        self.commit = commit
        archive = subprocess.run(
            ["git", "archive", commit, "tinycnn"], cwd=ROOT, check=True, capture_output=True
        )
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(steps), str(batch)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.loss = self._answer()

    def _answer(self) -> float:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of commit {self.commit} has ended without an answer")
        return float(line)

    def seconds(self) -> float:
        """Trains once more; how long it took."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()


def compare(before: Trainer, after: Trainer, rounds: int) -> list[tuple[float, float]]:
    """(seconds before, seconds after) of each round: the sums of its two turns."""
    found = []
    for _ in range(rounds):
        a = before.seconds()
        b = after.seconds() + after.seconds()
        found.append((a + before.seconds(), b))
    return found


def main() -> None:
    """Compares the commits of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", help="another one")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=100, help="of one turn")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    measurement = Measurement()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trainers = [
            stack.enter_context(Trainer(commit, folder / name, options.steps, options.batch))
            for name, commit in (("before", options.before), ("after", options.after))
        ]
        for trainer in trainers:
            say(f"{trainer.commit}: loss {trainer.loss:.6f} in the first {options.steps} steps")
        rounds = compare(*trainers, options.rounds)
    for side, trainer in enumerate(trainers):
        best = min(pair[side] for pair in rounds) / (2 * options.steps)
        say(f"{trainer.commit}: {1000 * best:.2f} ms a step in its fastest round")
    quotients = sorted(after / before for before, after in rounds)
    say(f"after / before, by rounds: {' '.join(f'{q:.3f}' for q in quotients)}")
    low, middle, high = statistics.quantiles(quotients, n=4)
    say(f"median {middle:.3f}, the middle half from {low:.3f} to {high:.3f}")
    measurement.end()


if __name__ == "__main__":
    main()
