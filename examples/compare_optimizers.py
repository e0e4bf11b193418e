"""Compares five optimizers: the same network, the same data and weights, the same order of samples.

    python examples/compare_optimizers.py                    # under 5 minutes on two cores
    python examples/compare_optimizers.py --quick            # half a minute
    python examples/compare_optimizers.py --data-dir FOLDER  # your own copy of MNIST

Every optimizer is tried at three learning rates, each some three times the one before; the best is
chosen by the accuracy on the last fifth of the training images, and the test images are read once,
by the five winners. A best rate at the end of its three says that a fourth should be tried. One
seed: differences of a few thousandths are within the luck of the draw. It leaves
`compare_optimizers.png` in --output-dir. Without MNIST it trains on digits that tinycnn draws
itself, and says so.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

import tinycnn
from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels
from tinycnn.datasets import digits
from tinycnn.optimizers import SGD, Adam, AdamW, RMSprop
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import to_categorical

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--images", type=positive_integer, help="default: 60000; quick: 10000")
parser.add_argument("--epochs", type=positive_integer, help="default: 5; quick: 2")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
images = args.images or (10_000 if args.quick else 60_000)
epochs = args.epochs or (2 if args.quick else 5)
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data: the first `images` of the training images, a fifth of them for validation
(x_train, y_train), (x_test, y_test), dataset = digits.load_data(
    args.dataset, args.data_dir, train=images
)
x_train, x_test = (x[..., None].astype("float32") / 255 for x in (x_train, x_test))
y_train, y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)
say(f"data: {dataset}, {len(x_train):,} training images, {epochs} epochs, seed {args.seed}")

# --- the optimizers: how to make one at a learning rate, and the rates to try
optimizers = {
    "SGD": (SGD, [0.03, 0.1, 0.3]),
    "SGD, momentum 0.9": (lambda rate: SGD(rate, momentum=0.9), [0.01, 0.03, 0.1]),
    "RMSprop": (RMSprop, [0.001, 0.003, 0.01]),
    "Adam": (Adam, [0.001, 0.003, 0.01]),
    "AdamW": (AdamW, [0.001, 0.003, 0.01]),
}


def train(optimizer):
    """The reference network with fewer filters, trained by this optimizer, and its history."""
    model = Sequential(
        [
            Conv2D(16, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D((2, 2)),
            Conv2D(32, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dense(32, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        seed=args.seed,  # of the weights and of the order of the samples
    )
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, 64, epochs, verbose=0, validation_split=0.2).history
    return model, history


# --- every optimizer at every rate; the test images for the best of each alone
kernels.warm_up()
say(f"{'optimizer':20}{'learning rate':>14}{'loss':>10}{'val_loss':>10}{'val_accuracy':>14}")
best = {}
for name, (make, rates) in optimizers.items():
    for rate in rates:
        try:
            model, history = train(make(rate))
        except tinycnn.NumericalError:
            say(f"{name:20}{rate:14g}{'diverged':>10}")
            continue
        loss, val_loss, accuracy = (
            history[key][-1] for key in ("loss", "val_loss", "val_accuracy")
        )
        say(f"{name:20}{rate:14g}{loss:10.4f}{val_loss:10.4f}{accuracy:14.4f}")
        if name not in best or accuracy > best[name][1]["val_accuracy"][-1]:
            best[name] = model, history, rate
say(f"\n{'best by val_accuracy':20}{'learning rate':>14}{'test loss':>11}{'test accuracy':>15}")
for name, (model, _, rate) in best.items():
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    say(f"{name:20}{rate:14g}{loss:11.4f}{accuracy:15.4f}")

# --- the picture: Okabe and Ito's colours, told apart by every kind of eye; markers for grey
figure = Figure(figsize=(10, 4.5), layout="constrained")
styles = zip(["#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00"], "osD^v", strict=True)
for axes, key in zip(figure.subplots(1, 2, sharey=True), ("loss", "val_loss"), strict=True):
    title = "training: mean over the epoch" if key == "loss" else "validation: after the epoch"
    axes.set(title=title, xlabel="epoch", ylabel="cross-entropy", yscale="log")
    axes.set_xticks(range(1, epochs + 1))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
for (name, (_, history, rate)), (color, marker) in zip(best.items(), styles, strict=False):
    for axes, key in zip(figure.axes, ("loss", "val_loss"), strict=True):
        label = f"{name}, rate {rate:g}"
        axes.plot(range(1, epochs + 1), history[key], color=color, marker=marker, label=label)
figure.axes[0].legend()
figure.suptitle(f"{dataset}: small CNN, {len(x_train):,} images, each optimizer at its best rate")
path = args.output_dir / "compare_optimizers.png"
figure.savefig(path)
say(f"wrote {path}")
