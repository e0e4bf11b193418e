"""Cross-validation: how good is the reference network, and is a smaller one really worse?

    python examples/cross_validation.py                    # under 5 minutes on two cores
    python examples/cross_validation.py --quick            # half a minute
    python examples/cross_validation.py --data-dir FOLDER  # your own copy of MNIST

Two networks, each trained anew for every fold of some training images and tested on that fold; the
second has half the filters. Both see the same folds, so that McNemar's test can compare them image
by image; its p is approximate here, since the networks of different folds share training images.
The test images are not touched: models are chosen without them. Without MNIST it works on digits
that tinycnn draws itself, and says so.
"""

import argparse

import numpy as np

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels
from tinycnn.datasets import digits
from tinycnn.model_selection import cross_validate, mcnemar_test, wilson_interval
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--images", type=positive_integer, help="default: 20000; quick: 5000")
parser.add_argument("--folds", type=positive_integer, default=5)
parser.add_argument("--epochs", type=positive_integer, help="default: 5; quick: 2")
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
args = parser.parse_args()
images = args.images or (5_000 if args.quick else 20_000)
epochs = args.epochs or (2 if args.quick else 5)
if not 2 <= args.folds <= images:
    parser.error(f"--folds must be at least 2 and at most the images. Received: {args.folds}")

# --- data: the first `images` of the training images
(x, y), _, dataset = digits.load_data(data_dir=args.data_dir, train=images, test=1)
x = x[..., np.newaxis] / np.float32(255)
say(f"data: {dataset}, {len(x):,} images in {args.folds} folds, epochs for each fold: {epochs}")


def network(filters):
    """A function that makes the reference network, with so many filters at first."""

    def build_model():
        model = Sequential(
            [
                Conv2D(filters, (3, 3), activation="relu", input_shape=(28, 28, 1)),
                MaxPooling2D((2, 2)),
                Conv2D(2 * filters, (3, 3), activation="relu"),
                MaxPooling2D((2, 2)),
                Conv2D(2 * filters, (3, 3), activation="relu"),
                Flatten(),
                Dense(64, activation="relu"),
                Dense(10, activation="softmax"),
            ],
            seed=args.seed,
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build_model


# --- every fold, for both networks
kernels.warm_up()
results = []
for filters in (32, 16):
    build_model = network(filters)
    say(f"\n{filters} filters, {build_model().count_params():,} parameters")
    result = cross_validate(build_model, x, y, args.folds, 64, epochs, seed=args.seed)
    results.append(result)
    right = result.correct.sum()
    low, high = wilson_interval(right, len(x))
    say(str(result))
    say(f"{right:,} of {len(x):,} images right: 95% interval {low:.4f} to {high:.4f}")

# --- one against the other
p_value, only_a, only_b = mcnemar_test(*(result.correct for result in results))
say(f"\n32 filters alone read {only_a} images right, 16 filters alone {only_b}")
say(f"McNemar's exact test: p = {p_value:.2g}")
if p_value < 0.05:
    say(f"on these images, {32 if only_a > only_b else 16} filters are better by more than chance")
else:
    say("on these images, luck explains the difference: no network is shown to be the better one")
