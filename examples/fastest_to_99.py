"""How soon does a network read 99% of MNIST's test images, from random weights on?

    python examples/fastest_to_99.py             # once
    python examples/fastest_to_99.py --seeds 30  # how long as a rule, and how often it gets there
    python examples/fastest_to_99.py --choose    # what RECIPE below was chosen by
    python examples/fastest_to_99.py --data-dir FOLDER  # your own copy of MNIST

A learning rate that is large for an epoch or two, with a rise before and a fall after it, gets as
far as a small one in several (the one-cycle policy: Smith and Topin 2017). RECIPE was chosen by the
last 10,000 training images, after training on the other 50,000, as --choose does it. The recipe
then takes all 60,000, and the test images say only whether it got there. Whoever changes the recipe
by what they say has no test set any more.

About thirty recipes were tried in two rounds. These are of the second one, each from four seeds,
with the seconds of one thread on a busy machine. The rate rises for a quarter of the steps, in the
fifth recipe for two fifths:

    filters  units  batch  epochs  highest rate  accuracy: mean, least   seconds
    8, 32    128    64     2       0.006         0.9898, 0.9894          2.7
    8, 32    128    128    2       0.01          0.9896, 0.9891          2.3
    12, 32   64     128    2       0.01          0.9896, 0.9891          3.0
    12, 32   64     128    2       0.015         0.9899, 0.9895          2.9
    16, 32   128    128    2       0.01          0.9902, 0.9892          2.6
    16, 48   128    128    2       0.01          0.9911, 0.9905          3.4

In the first round, from one seed or two, one epoch read 0.9892 at most. Three epochs of the third
recipe read 0.9911, in 4.7 seconds. Differences of a thousandth are within the luck of a seed.

The clock runs during the training alone: the images are in memory, and the kernels compiled.
`benchmarks/fastest_to_99.py` has the same recipe in Keras and PyTorch.
"""

import argparse
import statistics
import time

import numpy as np

from tinycnn import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    NumericalError,
    Sequential,
    kernels,
)
from tinycnn.datasets import digits
from tinycnn.model_selection import wilson_interval
from tinycnn.optimizers.schedules import CosineDecay
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer

RECIPE = {
    "filters": (16, 48),  # of two convolutions, each with a pool after it
    "kernel_size": 5,
    "units": 128,
    "batch_size": 128,
    "epochs": 2,
    "learning_rate": 0.01,  # the highest
    "rise": 0.25,  # the share of the steps until it is reached, from a tenth of it
}
GOAL = 0.99


def network(seed):
    """The network, not compiled."""
    layers = [Input((28, 28, 1))]
    for filters in RECIPE["filters"]:
        layers += [Conv2D(filters, RECIPE["kernel_size"], activation="relu"), MaxPooling2D(2)]
    layers += [Flatten(), Dense(RECIPE["units"], activation="relu")]
    return Sequential([*layers, Dense(10, activation="softmax")], seed=seed)


def one_cycle(images):
    """The learning rate of each step: up in a straight line, then down to 0 along a cosine."""
    steps = RECIPE["epochs"] * -(-images // RECIPE["batch_size"])
    rise, highest = int(RECIPE["rise"] * steps), RECIPE["learning_rate"]
    return CosineDecay(highest / 10, steps - rise, warmup_target=highest, warmup_steps=rise)


def train(x, y, seed):
    """The trained network, and the seconds that it took."""
    model = network(seed)
    model.compile(Adam(one_cycle(len(x))), "sparse_categorical_crossentropy", ["accuracy"])
    start = time.perf_counter()
    model.fit(x, y, RECIPE["batch_size"], RECIPE["epochs"], verbose=0)
    return model, time.perf_counter() - start


def main():
    """Trains once for each seed."""
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument(
        "--images", type=positive_integer, help="of the training images; default all"
    )
    parser.add_argument("--seeds", type=positive_integer, default=1, help="how many")
    parser.add_argument("--first-seed", type=natural_number, default=0)
    parser.add_argument("--choose", action="store_true", help="judge by training images alone")
    args = parser.parse_args()
    (x, y), (x_test, y_test), dataset = digits.load_data(
        args.dataset, args.data_dir, **({"train": args.images} if args.images else {})
    )
    if args.choose:
        kept = len(x) * 5 // 6
        x, x_test, y, y_test = x[:kept], x[kept:], y[:kept], y[kept:]
    x, x_test = (images[..., None] / np.float32(255) for images in (x, x_test))
    what = "kept back" if args.choose else "of the test"
    say(f"data: {dataset}; {len(x):,} images to learn from, {len(y_test):,} {what}")
    kernels.warm_up()
    train(x[:256], y[:256], 0)  # whatever is slow the first time

    say(f"{'seed':>4}{'seconds':>10}{'accuracy':>11}")
    seconds, accuracies = [], []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        try:
            model, taken = train(x, y, seed)
        except NumericalError as error:
            say(f"{seed:4d}  diverged: {error}")
            accuracies.append(0.0)
            continue
        seconds.append(taken)
        accuracies.append(model.evaluate(x_test, y_test, 500, verbose=0)[1])
        say(f"{seed:4d}{taken:10.2f}{accuracies[-1]:11.4f}")
    if args.seeds > 1 and seconds:
        reached = sum(accuracy >= GOAL for accuracy in accuracies)
        low, high = wilson_interval(reached, args.seeds)
        say(
            f"{statistics.median(seconds):.2f} s in the median, accuracy "
            f"{statistics.median(accuracies):.4f} in the median, {min(accuracies):.4f} at least"
        )
        say(
            f"{reached} of {args.seeds} seeds read {GOAL:.0%} right, "
            f"95% interval {low:.2f} to {high:.2f} (Wilson)"
        )


if __name__ == "__main__":
    main()
