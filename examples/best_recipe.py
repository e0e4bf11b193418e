"""The best that this project makes of MNIST in 10 epochs with at most 100,000 trained parameters.

    python examples/best_recipe.py                    # the recipe, by its validation images
    python examples/best_recipe.py --test             # and, at the end, the test images
    python examples/best_recipe.py --data-dir FOLDER  # your own copy of the four files

It learns from the first four fifths of the training images. Everything below was chosen by the last
fifth, which therefore looks a little better than it is; the test images are for one reading at the
end. Whoever changes the recipe by what they say has no test set any more. (Two networks were tried
to the end: this one read 0.9948 of the last fifth right; without its second convolution, 0.9942.
That difference may be luck.) It leaves `best_recipe.npz` in --output-dir.
"""

import argparse
from pathlib import Path

import numpy as np

from tinycnn import Adam, Conv2D, Dense, Flatten, Input, MaxPooling2D, ReLU, Sequential
from tinycnn.datasets import digits
from tinycnn.layers import (
    BatchNormalization,
    Dropout,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from tinycnn.model_selection import wilson_interval
from tinycnn.optimizers.schedules import CosineDecay
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--epochs", type=positive_integer, default=10)
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--test", action="store_true", help="read the test images at the end")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data
(x_train, y_train), (x_test, y_test), dataset = digits.load_data(data_dir=args.data_dir)
x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))
validation = len(x_train) // 5
images = len(x_train) - validation
say(f"data: {dataset}; {images:,} images to learn from, {validation:,} to choose by")


# --- model
def convolution(filters):
    """3 x 3, normalised over the batch, rectified; the normalisation has the bias."""
    return [Conv2D(filters, (3, 3), use_bias=False), BatchNormalization(momentum=0.9), ReLU()]


model = Sequential(
    [
        Input((28, 28, 1)),
        RandomTranslation(0.07, 0.07),  # two pixels each way
        RandomRotation(0.03),  # 11 degrees each way
        RandomZoom(0.1),
        *convolution(32),
        *convolution(32),
        MaxPooling2D((2, 2)),
        *convolution(64),
        *convolution(64),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dropout(0.3),
        Dense(10, activation="softmax"),
    ],
    seed=args.seed,
)
model.summary()

# --- training: the learning rate rises for one epoch, then falls to 0 along a cosine
steps = -(-images // 64)
decay_steps = max(1, (args.epochs - 1) * steps)
rate = CosineDecay(1e-4, decay_steps, warmup_target=0.003, warmup_steps=steps)
model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train[:images],
    y_train[:images],
    batch_size=64,
    epochs=args.epochs,
    validation_data=(x_train[images:], y_train[images:]),
)
model.save(args.output_dir / "best_recipe.npz")
say(f"wrote {args.output_dir / 'best_recipe.npz'}")
say(f"fingerprint of the weights: {model.fingerprint()} (seed {model.seed})")

# --- result
parts = [("validation", x_train[images:], y_train[images:])]
parts += [("test", x_test, y_test)] * args.test
for title, x, y in parts:
    correct = int((model.predict(x, verbose=0).argmax(axis=1) == y).sum())
    low, high = wilson_interval(correct, len(y))
    say(
        f"{title}: {correct / len(y):.4f} of {len(y):,} images read right, "
        f"95% interval {low:.4f} to {high:.4f} (Wilson)"
    )
