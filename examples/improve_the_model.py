"""What dropout, batch normalisation, augmentation and the others bring, and what of it is luck.

    python examples/improve_the_model.py                    # some 12 minutes on two free cores
    python examples/improve_the_model.py --quick            # half a minute; can tell little
    python examples/improve_the_model.py --data-dir FOLDER  # your own copy of MNIST

The reference network learns from a third of MNIST, plainly, with one improvement at a time, and
with all of them; each from several seeds. Accuracies are those on the last fifth of the training
images; the test images are not read, for one would choose by them. Early stopping watches other
images still, since the best of several epochs looks better than it is where it was chosen.

A difference is called real if its 95% interval leaves out 0. The interval is that of the mean
difference, and two kinds of luck go into it: of the training (other seeds, other weights) and of
the images (other digits). Of twenty such verdicts on nothing at all, one is wrong.
"""

import argparse

import numpy as np

from tinycnn import Adam, Conv2D, Dense, Flatten, Input, MaxPooling2D, ReLU, Sequential, kernels
from tinycnn.callbacks import EarlyStopping
from tinycnn.datasets import digits
from tinycnn.layers import (
    BatchNormalization,
    Dropout,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from tinycnn.optimizers.schedules import CosineDecay
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--images", type=positive_integer, help="default: 20000; quick: 2000")
parser.add_argument("--epochs", type=positive_integer, help="default: 8; quick: 2")
parser.add_argument("--seeds", type=int, choices=range(2, 11), help="default: 8; quick: 2")
parser.add_argument("--quick", action="store_true", help="fewer images, epochs and seeds")
args = parser.parse_args()
images = args.images or (2000 if args.quick else 20_000)
epochs = args.epochs or (2 if args.quick else 8)
seeds = args.seeds or (2 if args.quick else 8)

# --- data: of the training images the last fifth to judge by, the twelfth before it to stop by
(x, y), _, dataset = digits.load_data(args.dataset, args.data_dir, test=1)
x = x[..., None] / np.float32(255)
judged, watched = len(x) - len(x) // 5, len(x) - len(x) // 5 - len(x) // 12
images = min(images, watched)
x_train, y_train = x[:images], y[:images]
x_watched, y_watched = x[watched:judged], y[watched:judged]
x_judged, y_judged = x[judged:], y[judged:]
say(f"data: {dataset}; {images:,} images to learn from, {len(y_judged):,} to judge by")
say(f"{seeds} seeds, at most {epochs} epochs each\n")

ALL = {"dropout", "batch normalization", "augmentation", "schedule", "early stopping"}
steps = epochs * -(-images // 64)


def train(improvements, seed):
    """The network with these improvements: which images it reads right, and its epochs."""
    normalized = "batch normalization" in improvements

    def convolution(filters):
        if not normalized:
            return [Conv2D(filters, (3, 3), activation="relu")]
        # Its statistics are means over some ten batches: the epochs here are short.
        batch_norm = BatchNormalization(momentum=0.9)
        return [Conv2D(filters, (3, 3), use_bias=False), batch_norm, ReLU()]

    augmentation = [RandomTranslation(0.07, 0.07), RandomRotation(0.03), RandomZoom(0.1)]
    model = Sequential(
        [
            Input((28, 28, 1)),
            *(augmentation if "augmentation" in improvements else []),
            *convolution(32),
            MaxPooling2D((2, 2)),
            *convolution(64),
            MaxPooling2D((2, 2)),
            *convolution(64),
            Flatten(),
            *([Dropout(0.3)] if "dropout" in improvements else []),
            Dense(64, activation="relu"),
            *([Dropout(0.3)] if "dropout" in improvements else []),
            Dense(10, activation="softmax"),
        ],
        seed=seed,
    )
    rate = CosineDecay(0.001, steps) if "schedule" in improvements else 0.001
    model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks, watching = [], None
    if "early stopping" in improvements:
        callbacks = [EarlyStopping("val_loss", patience=3, restore_best_weights=True)]
        watching = (x_watched, y_watched)
    history = model.fit(
        x_train, y_train, 64, epochs, verbose=0, callbacks=callbacks, validation_data=watching
    )
    return model.predict(x_judged, verbose=0).argmax(axis=1) == y_judged, len(history.epoch)


# --- the table
# The 97.5% points of Student's distribution with 1 to 9 degrees of freedom: 2 to 10 seeds.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def mean_difference(correct, plain):
    """The mean difference of two accuracies, and half of its interval; both (seeds, images).

    The variance is that between the seeds and that between the images; luck that hangs on both is
    counted twice, so the interval is rather too wide than too narrow.
    """
    difference = correct.astype(float) - plain
    by_seed, by_image = difference.mean(axis=1), difference.mean(axis=0)
    variance = by_seed.var(ddof=1) / len(by_seed) + by_image.var(ddof=1) / len(by_image)
    return difference.mean(), STUDENT[len(by_seed) - 2] * np.sqrt(variance)


kernels.warm_up()
say(f"{'':21}{'accuracy: mean (seeds)':>27}{'epochs':>8}{'difference, 95% interval':>28}")
plain = None
for title in ("plain", *sorted(ALL), "all of them"):
    improvements = {"plain": set(), "all of them": ALL}.get(title, {title})
    runs = [train(improvements, seed) for seed in range(seeds)]
    correct = np.array([right for right, _ in runs])
    scores, used = correct.mean(axis=1), np.mean([count for _, count in runs])
    line = f"{title:21}{scores.mean():11.4f} ({scores.min():.4f} {scores.max():.4f}){used:8.1f}"
    if plain is None:
        plain = correct
    else:
        mean, half = mean_difference(correct, plain)
        verdict = "can't tell" if abs(mean) <= half else "better" if mean > 0 else "worse"
        line += f"{mean:+11.4f} ({mean - half:+.4f} {mean + half:+.4f})  {verdict}"
    say(line)
