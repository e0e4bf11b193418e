"""Kernel sizes and filters: what larger and more of them cost, and what they bring.

    python examples/kernel_sizes_and_filters.py                    # under 5 minutes on two cores
    python examples/kernel_sizes_and_filters.py --quick            # half a minute
    python examples/kernel_sizes_and_filters.py --data-dir FOLDER  # your own copy of MNIST

The same small network with two convolutions, whose kernels are 3x3, 5x5 or 7x7 and which have 16,
32 or 64 filters each: nine networks, one table and `kernel_sizes_and_filters.png` in --output-dir.
Two thirds of the images are trained on, one third gives the accuracy. Its 95% interval is the luck
of those images alone; another seed moves an accuracy too. Without MNIST it trains on digits that
tinycnn draws itself, and says so.
"""

import argparse
import timeit
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels
from tinycnn.datasets import digits
from tinycnn.metrics import matches
from tinycnn.model_selection import wilson_interval
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--images", type=positive_integer, help="default: 30000; quick: 6000")
parser.add_argument("--epochs", type=positive_integer, help="default: 3; quick: 1")
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
images = args.images or (6_000 if args.quick else 30_000)
epochs = args.epochs or (1 if args.quick else 3)
if images < 3:
    parser.error(f"--images must be at least 3. Received: {images}")
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data: the first `images` of the training images, a third of them for validation
(x, y), _, dataset = digits.load_data(data_dir=args.data_dir, train=images, test=1)
x = x[..., np.newaxis] / np.float32(255)
(x_val, x), (y_val, y) = (np.split(array, [len(x) // 3]) for array in (x, y))
counts = f"{len(x):,} images trained on, {len(x_val):,} to validate"
say(f"data: {dataset}, {counts}, epochs: {epochs}, seed: {args.seed}")

# --- the grid
kernels.warm_up()
say(f"{'kernels':8}{'filters':>8}{'parameters':>12}{'s/epoch':>9}{'accuracy':>10}   95% interval")
sizes, numbers = (3, 5, 7), (16, 32, 64)
seconds, accuracy, below, above = np.zeros((4, len(sizes), len(numbers)))
for i, size in enumerate(sizes):
    for j, filters in enumerate(numbers):
        model = Sequential(
            [
                Conv2D(filters, size, activation="relu", input_shape=(28, 28, 1)),
                MaxPooling2D((2, 2)),
                Conv2D(filters, size, activation="relu"),
                MaxPooling2D((2, 2)),
                Flatten(),
                Dense(10, activation="softmax"),
            ],
            seed=args.seed,
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        # The fastest epoch: whatever else the machine does can only slow one down.
        epoch = partial(model.fit, x, y, 64, verbose=0)
        seconds[i, j] = min(timeit.repeat(epoch, number=1, repeat=epochs))
        right = matches(y_val, model.predict(x_val, verbose=0)).sum()
        low, high = wilson_interval(right, len(x_val))
        accuracy[i, j] = right / len(x_val)
        below[i, j], above[i, j] = accuracy[i, j] - low, high - accuracy[i, j]
        cells = f"{filters:8}{model.count_params():12,}{seconds[i, j]:9.2f}{accuracy[i, j]:10.4f}"
        say(f"{size}x{size:<6}{cells}   {low:.4f} to {high:.4f}")

# --- the picture: Okabe and Ito's colours, told apart by every kind of eye; markers for grey
figure = Figure(figsize=(10, 4.5), layout="constrained")
left, right = figure.subplots(1, 2)
for i, (size, color, marker) in enumerate(
    zip(sizes, ("#0072B2", "#D55E00", "#009E73"), "os^", strict=True)
):
    style = {"color": color, "marker": marker, "label": f"{size}x{size}"}
    places = np.arange(len(numbers)) + 0.08 * (i - 1)  # side by side: the bars do not overlap
    left.errorbar(places, accuracy[i], (below[i], above[i]), capsize=4, **style)
    right.plot(seconds[i], **style)
left.set(title="Accuracy, with 95% intervals", ylabel="accuracy on the validation images")
right.set(title="Cost", ylabel="seconds of the fastest epoch")
right.set_ylim(bottom=0)
for axes in (left, right):
    axes.set_xticks(range(len(numbers)), numbers)
    axes.set_xlabel("filters in each convolution")
    axes.grid(alpha=0.3)
    axes.legend(title="kernels")
figure.suptitle(f"{dataset}: two convolutions, {counts}, epochs: {epochs}")
path = args.output_dir / "kernel_sizes_and_filters.png"
figure.savefig(path)
say(f"wrote {path}")
