"""How soon does one recipe read 99% of MNIST's test images, in tinycnn, Keras and PyTorch?

    python benchmarks/fastest_to_99.py --data-dir FOLDER            # 30 seeds each
    python benchmarks/fastest_to_99.py --data-dir FOLDER --seeds 3  # a look

The recipe is that of `examples/fastest_to_99.py`: network, schedule, batches, epochs. Each
framework draws its own weights, Glorot's, and its own orders, and trains in its own fast way, as in
`competitors.py`: Keras with `fit` on arrays, PyTorch with channels_last and fused Adam on tensors
in memory. The clock runs during the training alone: what is slow the first time only, Keras's
tracing and tinycnn's compiling, comes before it, and the test images after it. Each has a process
of its own; they take turns, seed by seed, and sleep in between.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from competitors import Competitor
from machine import Measurement, available_cores
from workers import set_threads

from tinycnn.datasets import digits
from tinycnn.model_selection import wilson_interval
from tinycnn.support.console import say
from tinycnn.support.progress import Progress
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "fastest_to_99.py"))
RECIPE, GOAL = EXAMPLE["RECIPE"], EXAMPLE["GOAL"]
WARMING_UP = 40  # batches


class TinyCNN:
    """As the example does it."""

    def __init__(self, x, y):
        from tinycnn import kernels

        kernels.warm_up()
        self.x, self.y = x, y

    def train(self, seed, images):
        """The seconds of a training on the first of the images."""
        self.model, seconds = EXAMPLE["train"](self.x[:images], self.y[:images], seed)
        return seconds

    def accuracy(self, x, y):
        """Of the last trained model."""
        return self.model.evaluate(x, y, 500, verbose=0)[1]


class Keras:
    """One model, which is traced once, and gets new weights and a new optimizer for each seed."""

    def __init__(self, x, y):
        os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
        import keras
        import tensorflow

        threads = int(os.environ["OMP_NUM_THREADS"])
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        self.keras, self.x, self.y = keras, x, y
        self.model = self.network()
        schedule = EXAMPLE["one_cycle"](len(x)).get_config()
        rate = keras.optimizers.schedules.CosineDecay(**schedule)
        loss = "sparse_categorical_crossentropy"
        self.model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = [value.numpy() for value in self.model.optimizer.variables]

    def network(self):
        """The recipe's, with new weights."""
        layers = self.keras.layers
        made = [self.keras.Input((28, 28, 1))]
        for filters in RECIPE["filters"]:
            made.append(layers.Conv2D(filters, RECIPE["kernel_size"], activation="relu"))
            made.append(layers.MaxPooling2D(2))
        made += [layers.Flatten(), layers.Dense(RECIPE["units"], activation="relu")]
        return self.keras.Sequential([*made, layers.Dense(10, activation="softmax")])

    def train(self, seed, images):
        """The seconds of a training on the first of the images."""
        self.keras.utils.set_random_seed(seed)
        self.model.set_weights(self.network().get_weights())
        for variable, value in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        x, y = self.x[:images], self.y[:images]
        start = time.perf_counter()
        self.model.fit(x, y, RECIPE["batch_size"], RECIPE["epochs"], verbose=0)
        return time.perf_counter() - start

    def accuracy(self, x, y):
        """Of the last trained model."""
        return float(self.model.evaluate(x, y, 500, verbose=0)[1])


class PyTorch:
    """A plain loop on tensors in memory."""

    def __init__(self, x, y):
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.torch = torch
        self.x, self.y = self.tensors(x, y)
        self.rate = EXAMPLE["one_cycle"](len(x))

    def tensors(self, x, y):
        """Images (n, C, H, W), laid out as (n, H, W, C), and labels."""
        return self.torch.from_numpy(x).permute(0, 3, 1, 2), self.torch.from_numpy(y).long()

    def network(self):
        """The recipe's, with new weights."""
        nn, size, channels = self.torch.nn, 28, 1
        made = []
        for filters in RECIPE["filters"]:
            made += [
                nn.Conv2d(channels, filters, RECIPE["kernel_size"]),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            size, channels = (size - RECIPE["kernel_size"] + 1) // 2, filters
        made += [nn.Flatten(), nn.Linear(size * size * channels, RECIPE["units"]), nn.ReLU()]
        network = nn.Sequential(*made, nn.Linear(RECIPE["units"], 10))
        for module in network:
            if isinstance(module, nn.Conv2d | nn.Linear):  # PyTorch's own start is another one
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        return network.to(memory_format=self.torch.channels_last)

    def train(self, seed, images):
        """The seconds of a training on the first of the images."""
        torch = self.torch
        torch.manual_seed(seed)
        self.model = self.network()
        optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7, fused=True)
        step, start = 0, time.perf_counter()
        for _ in range(RECIPE["epochs"]):
            for batch in torch.randperm(images).split(RECIPE["batch_size"]):
                x, y = self.x.index_select(0, batch), self.y.index_select(0, batch)
                optimizer.param_groups[0]["lr"] = self.rate(step)
                loss = torch.nn.functional.cross_entropy(self.model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
        return time.perf_counter() - start

    def accuracy(self, x, y):
        """Of the last trained model."""
        x, y = self.tensors(x, y)
        with self.torch.inference_mode():
            right = [
                (self.model(a).argmax(1) == b).sum()
                for a, b in zip(x.split(500), y.split(500), strict=True)
            ]
        return float(sum(right)) / len(y)


CONTESTANTS = {"tinycnn": TinyCNN, "keras": Keras, "pytorch": PyTorch}


def work(name, data_dir, images):
    """A contestant's process: for each seed on stdin it answers [seconds, accuracy]."""
    answers = os.fdopen(os.dup(1), "w")  # what a framework prints must not come between them
    os.dup2(2, 1)
    (x, y), (x_test, y_test), _ = digits.load_data("auto", data_dir, train=images)
    x, x_test = (part[..., None] / np.float32(255) for part in (x, x_test))
    contestant = CONTESTANTS[name](x, y)
    # The last, smaller batch too, whose size Keras traces anew.
    first = min(len(x), WARMING_UP * RECIPE["batch_size"] + len(x) % RECIPE["batch_size"])
    contestant.train(0, first)
    contestant.accuracy(x_test, y_test)
    for line in sys.stdin:
        seconds = contestant.train(int(line), len(x))
        answer = [seconds, contestant.accuracy(x_test, y_test)]
        Competitor.fall_asleep(contestant)
        print(json.dumps(answer), file=answers, flush=True)


def compare(args):
    """{name: [[seconds, accuracy] of each seed]}, taken in turns."""
    found = {name: [] for name in args.only}
    command = [sys.executable, __file__, "--data-dir", args.data_dir or "", "--worker"]
    if args.images:
        command[2:2] = ["--images", str(args.images)]
    workers = {
        name: subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in args.only
    }
    try:
        with Progress("training", args.seeds * len(workers), "networks") as progress:
            for seed in range(args.seeds):
                for name, worker in workers.items():
                    worker.stdin.write(f"{seed}\n")
                    worker.stdin.flush()
                    answer = worker.stdout.readline()
                    if not answer:
                        raise OSError(f"{name}'s process has ended; what it said stands above")
                    found[name].append(json.loads(answer))
                    progress.update(sum(map(len, found.values())))
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(timeout=60)
    return found


def report(found):
    """The lines of the table."""
    titles = f"{'':10}{'seconds':>9}{'fastest':>9}{'slowest':>9}{'accuracy':>10}{'least':>8}"
    yield f"{titles}  reach {GOAL:.0%}"
    for name, runs in found.items():
        seconds, accuracies = zip(*runs, strict=True)
        reached = sum(accuracy >= GOAL for accuracy in accuracies)
        low, high = wilson_interval(reached, len(runs))
        yield (
            f"{name:10}{statistics.median(seconds):9.2f}{min(seconds):9.2f}{max(seconds):9.2f}"
            f"{statistics.median(accuracies):10.4f}{min(accuracies):8.4f}"
            f"  {reached} of {len(runs)} ({low:.2f} to {high:.2f})"
        )


def main():
    """Prints the table: medians over the seeds, and how many reach the goal."""
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--seeds", type=positive_integer, default=30)
    parser.add_argument(
        "--images", type=positive_integer, help="of the training images; default all"
    )
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=[*CONTESTANTS])
    parser.add_argument("--threads", type=positive_integer, default=available_cores())
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.data_dir or None, args.images)
        return
    measurement = Measurement("keras", "tensorflow", "torch")
    set_threads(args.threads)
    say(f"{args.threads} threads each; the recipe: {RECIPE}")
    for line in report(compare(args)):
        say(line)
    measurement.end()


if __name__ == "__main__":
    main()
