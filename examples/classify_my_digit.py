"""Reads your own digit, from a photo or a drawing, with the network of the first example.

    python examples/mnist_cnn_classifier.py               # once: makes output/mnist_cnn.npz
    python examples/classify_my_digit.py my_seven.jpg

One digit to a picture, dark on light or light on dark; any size, PNG or JPEG. A network knows only
what it has seen, so the picture is first brought into the form of MNIST's own images: most of those
who find that "it works on MNIST but not on my handwriting" have left that out. The picture that
this script writes shows the original beside the 28 x 28 pixels which the network really sees.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from tinycnn import load_model
from tinycnn.datasets.normalization import normalize_digit
from tinycnn.datasets.pictures import read_picture, several_digits
from tinycnn.inspection import brightest_pixel
from tinycnn.plotting import plot_reading
from tinycnn.support.console import notice, say
from tinycnn.support.files import atomic_write
from tinycnn.support.scripts import end_errors_in_one_line

SURE = 0.9  # on photos of MNIST's test images: 0.1% wrong above it, 35% below
end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("image", type=Path, help="the picture of one digit")
parser.add_argument("--model", type=Path, default=Path("output/mnist_cnn.npz"))
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()

picture = read_picture(args.image)
image = normalize_digit(picture)

# --- the network: 28 x 28 gray values in, ten probabilities out
if not args.model.exists():
    sys.exit(
        f"error: the model file {args.model} does not exist. Run "
        "examples/mnist_cnn_classifier.py first, which makes one, or name yours with --model"
    )
model = load_model(args.model)
shapes = model.input_shape, model.layers[-1].output_shape
if shapes != ((28, 28, 1), (10,)):
    sys.exit(f"error: {args.model} does not read digits: its shapes are {shapes[0]} to {shapes[1]}")
x = image[np.newaxis, :, :, np.newaxis].astype("float32")
x /= 255 / brightest_pixel(model)  # 0 to 1, unless the model scales bytes down itself
(probabilities,) = model.predict(x, verbose=0)

if not np.isfinite(probabilities).all():
    sys.exit(f"error: {args.model} answers with NaN: its weights are damaged. Train it again")

# --- the answer
order = np.argsort(-probabilities)
best, second = order[:2]
answer = f"{args.image.name}: {best}, probability {probabilities[best]:.1%}"
say(answer)
say("  ".join(f"{digit}: {probabilities[digit]:.1%}" for digit in order))
if several_digits(image):
    notice("this looks like several digits; the network knows only one at a time")
if probabilities[best] < SURE:
    notice(f"the network is unsure: {best}, or perhaps {second}")

args.output_dir.mkdir(parents=True, exist_ok=True)
path = args.output_dir / f"{args.image.stem}_as_seen.png"
digits = [str(digit) for digit in range(10)]
figure = plot_reading(picture, image, probabilities, digits, answer)
with atomic_write(path) as file:
    figure.savefig(file, format="png")
say(f"wrote {path}")
