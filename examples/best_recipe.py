"""The best that this project makes of MNIST in 10 epochs with at most 100,000 trained parameters.

    python examples/best_recipe.py                    # the final model, and the test images
    python examples/best_recipe.py --validate         # how it was chosen: the test images unread
    python examples/best_recipe.py --data-dir FOLDER  # your own copy of the four files

Everything below was chosen with --validate, which learns from the first four fifths of the training
images and is judged by the last fifth. Only then was the default run, once: it learns from all of
them and reads the test images. Whoever changes the recipe by what comes out there has no test set
any more. It leaves `best_recipe.npz` in --output-dir.
"""

import argparse
from pathlib import Path

import numpy as np

from tinycnn import (
    Adam,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Sequential,
)
from tinycnn.console import end_errors_in_one_line, natural_number, positive_integer, say
from tinycnn.datasets import mnist
from tinycnn.model_selection import wilson_interval
from tinycnn.optimizers.schedules import CosineDecay

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--epochs", type=positive_integer, default=10)
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--validate", action="store_true", help="leave the test images unread")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
args.output_dir.mkdir(parents=True, exist_ok=True)

# --- data
data = mnist.load_data(args.data_dir)
(x, y), (x_judged, y_judged) = data
judges = "test images"
if args.validate:
    split = len(x) - len(x) // 5
    x, y, x_judged, y_judged = x[:split], y[:split], x[split:], y[split:]
    judges = "validation images"
x, x_judged = (images[..., None] / np.float32(255) for images in (x, x_judged))
say(f"data: {mnist.name_of(data)}, {len(x):,} images to learn from, {len(y_judged):,} {judges}")


# --- model
def convolution(filters):
    """3 x 3, normalised over the batch, rectified; the normalisation has the bias."""
    return [
        Conv2D(filters, (3, 3), use_bias=False),
        BatchNormalization(momentum=0.9),
        ReLU(),
    ]


model = Sequential(
    [
        Input((28, 28, 1)),
        RandomTranslation(0.07, 0.07),  # two pixels each way
        RandomRotation(0.03),  # 11 degrees each way
        RandomZoom(0.1),
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
steps = -(-len(x) // 64)
rate = CosineDecay(1e-4, max(1, (args.epochs - 1) * steps), warmup_target=0.003, warmup_steps=steps)
model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=args.epochs)

# --- result
correct = int((model.predict(x_judged, verbose=0).argmax(axis=1) == y_judged).sum())
low, high = wilson_interval(correct, len(y_judged))
say(
    f"{correct / len(y_judged):.4f} of {len(y_judged):,} {judges} read right; "
    f"95% interval {low:.4f} to {high:.4f} (Wilson)"
)
model.save(args.output_dir / "best_recipe.npz")
say(f"wrote {args.output_dir / 'best_recipe.npz'}")
