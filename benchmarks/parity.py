"""Is it the same training as Keras's? The same losses step by step, the same accuracy in the end.

    python benchmarks/parity.py losses --data-dir FOLDER     # one epoch, batch by batch, and a plot
    python benchmarks/parity.py accuracy --data-dir FOLDER   # 10 epochs, many runs of both

"losses" gives both the same initial weights and the same order of the batches. Losses agree to the
last digits for a dozen steps; then Adam has amplified the rounding, and only means can agree.
"accuracy" trains tinycnn from 10 seeds and Keras 5 times, each with fresh weights and orders, and
gives Welch's 90% interval for the difference of the mean test accuracies. It keeps what it has in
a file and goes on from there. Needs the `reference` extra.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from competitors import keras_model
from machine import Measurement

import tinycnn
from tinycnn.datasets import mnist
from tinycnn.gradient_check.cases import reference_network
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import to_categorical


def tiny_model(seed):
    """The reference network in tinycnn, compiled."""
    model = reference_network(seed)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def load(data_dir):
    """MNIST in [0, 1], labels one-hot."""
    data = mnist.load_data(data_dir)
    say(f"data: {mnist.name_of(data)}")
    return [(x[..., None].astype("float32") / 255, to_categorical(y, 10)) for x, y in data]


# --- the losses of one epoch ----------------------------------------------------------------------


def losses(data_dir, output):
    """One epoch with the same weights and the same order in both; prints and plots the losses."""
    (x, y), _ = load(data_dir)
    x, y = x[:48000], y[:48000]
    tiny, theirs = tiny_model(seed=0), keras_model()
    theirs.set_weights(tiny.get_weights())
    import keras

    # The losses of each batch from the running means that both report.
    def recorder(callback):
        """A callback that notes the running mean of the loss after each batch."""

        class Record(callback):
            def __init__(self):
                super().__init__()
                self.means = []

            def on_train_batch_end(self, batch, logs=None):
                self.means.append(logs["loss"])

        return Record()

    ours, keras_means = recorder(tinycnn.Callback), recorder(keras.callbacks.Callback)
    tiny.fit(x, y, batch_size=64, shuffle=False, callbacks=[ours])
    theirs.fit(x, y, batch_size=64, shuffle=False, callbacks=[keras_means], verbose=2)
    means = np.array([ours.means, keras_means.means])
    steps = np.arange(1, means.shape[1] + 1)
    batch_losses = np.diff(means * steps, axis=1, prepend=0)
    apart, means_apart = np.abs(batch_losses[0] - batch_losses[1]), np.abs(means[0] - means[1])
    say(f"largest difference of the losses, first 12 steps: {apart[:12].max():.1e} (limit 1e-5)")
    say(f"of the running means, {len(steps)} steps: {means_apart.max():.1e} (limit 0.01)")

    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(steps, batch_losses[1], color="#D55E00", linewidth=3, alpha=0.5, label="Keras")
    left.plot(steps, batch_losses[0], color="#0072B2", linewidth=0.8, label="tinycnn")
    left.set(xlabel="step", ylabel="loss of the batch", yscale="log", title="One epoch of MNIST")
    left.legend()
    right.plot(steps, apart, ".", color="#0072B2", markersize=3, label="loss of the batch")
    right.plot(steps, means_apart, color="black", label="running mean")
    right.axvline(12, color="gray", linestyle=":", label="12 steps")
    right.set(
        xlabel="step", ylabel="difference", yscale="log", xscale="log", title="|tinycnn - Keras|"
    )
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle("The same weights, the same batches: reference network on MNIST, float32")
    figure.savefig(output)
    say(f"wrote {output}")


# --- the accuracies of many runs ------------------------------------------------------------------


def one_run(which, seed, data_dir):
    """Trains for 10 epochs; the test accuracy. Keras runs without a seed, so that it reshuffles."""
    (x, y), (x_test, y_test) = load(data_dir)
    model = tiny_model(seed) if which == "tinycnn" else keras_model()
    model.fit(x, y, batch_size=64, epochs=10, validation_split=0.2, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0)[1]


def t_quantile(p, freedom):
    """Student's t: where its distribution function reaches p > 0.5; by adding up its density."""
    scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
    t = np.linspace(0, 100, 1_000_001)
    density = scale * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    return float(
        t[np.searchsorted(0.5 + (np.cumsum(density) - (density + density[0]) / 2) * t[1], p)]
    )


def accuracy(data_dir, seeds, keras_runs, results_file):
    """Runs what is missing in `results_file`, then prints every accuracy and the interval."""
    results = {"tinycnn": {}, "keras": {}}
    if results_file.exists():
        results = json.loads(results_file.read_text())
    for which, count in (("tinycnn", seeds), ("keras", keras_runs)):
        for seed in range(count):
            if str(seed) not in results[which]:
                start = time.perf_counter()
                command = [sys.executable, __file__, "one", "--which", which, "--seed", str(seed)]
                command += ["--data-dir", data_dir] if data_dir else []
                output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
                results[which][str(seed)] = float(output.splitlines()[-1])
                results_file.write_text(json.dumps(results, indent=1))
                seconds = time.perf_counter() - start
                say(f"{which}, run {seed}: {results[which][str(seed)]:.4f}, {seconds:.0f} s")
    samples = [np.array(list(results[which].values())) for which in ("tinycnn", "keras")]
    for which, values in zip(("tinycnn", "keras"), samples, strict=True):
        listed = " ".join(f"{value:.4f}" for value in values)
        say(f"{which}: {listed}; mean {values.mean():.4f}, deviation {values.std(ddof=1):.4f}")
    # Welch 1947: the variances of the two means, and the degrees of freedom of their sum.
    v = [values.var(ddof=1) / len(values) for values in samples]
    freedom = sum(v) ** 2 / sum(a**2 / (len(s) - 1) for a, s in zip(v, samples, strict=True))
    difference = samples[0].mean() - samples[1].mean()
    half = t_quantile(0.95, freedom) * math.sqrt(sum(v))
    low, high = difference - half, difference + half
    say(f"difference of the means {difference:+.4f}, 90% interval {low:+.4f} to {high:+.4f}")
    say("limit +-0.0015: " + ("within" if max(-low, high) <= 0.0015 else "NOT within"))


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["losses", "accuracy", "one"])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--output", type=Path, default=Path("keras_parity.png"))
    parser.add_argument("--results", type=Path, default=Path("keras_parity.json"))
    parser.add_argument("--seeds", type=positive_integer, default=10, help="runs of tinycnn")
    parser.add_argument("--keras-runs", type=positive_integer, default=5)
    parser.add_argument("--which", choices=["tinycnn", "keras"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what == "one":
        say(str(one_run(args.which, args.seed, args.data_dir)))
        sys.exit()
    measurement = Measurement("keras", "tensorflow")
    if args.what == "losses":
        losses(args.data_dir, args.output)
    else:
        accuracy(args.data_dir, args.seeds, args.keras_runs, args.results)
    measurement.end()
