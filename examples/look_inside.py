"""Looks inside a trained network: filters, feature maps, what it decides by, where it is wrong.

    python examples/mnist_cnn_classifier.py            # leaves output/mnist_cnn.npz
    python examples/look_inside.py                     # looks inside it
    python examples/look_inside.py --model FILE.npz    # or any other that reads such images

Without a model it trains one first, for one epoch. The pictures go to --output-dir, and all of them
together on `contact_sheet.png`. It ends with `explorer.html`, a page to open in a browser, in which
every number of the model, forward and backward, is taken apart.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tinycnn import Conv2D, History, explorer, inspection, kernels, load_model, plotting
from tinycnn.datasets import digits
from tinycnn.gradient_check.cases import reference_network
from tinycnn.layers import RandomRotation, RandomTranslation, RandomZoom
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--model", type=Path, help="default: output/mnist_cnn.npz, if it is there")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--output-dir", type=Path, default=Path("output/pictures"))
parser.add_argument("--quick", action="store_true", help="fewer images to train and to test on")
args = parser.parse_args()
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data, with digits drawn by tinycnn where MNIST can't be had
train, test = (6000, 1000) if args.quick else (60000, 10000)
(x_train, y_train), (x, y), dataset = digits.load_data(
    data_dir=args.data_dir, train=train, test=test
)
images = x[..., np.newaxis].astype("float32")
x = images / 255  # as the pictures are drawn

# --- the model
default = Path("output/mnist_cnn.npz")
path = args.model or (default if default.exists() else None)
history = History()
if path:
    say(f"model: {path}")
    model = load_model(path)
    if (record := path.with_name("history.json")).exists():
        told = json.loads(record.read_text())
        trained = len(told["history"]["loss"]), told["settings"]["seed"]
        if trained == (model.epochs_trained, model.seed):  # else it is of another training
            history.history, history.epoch = told["history"], [*range(model.epochs_trained)]
else:
    say(f"no model at {default}: training one for an epoch on {len(x_train):,} images")
    model = reference_network(seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    x_train = x_train[..., np.newaxis].astype("float32") / 255
    history = model.fit(x_train, y_train, batch_size=64, validation_split=0.2)
convolutions = [layer for layer in model.layers if isinstance(layer, Conv2D)]
if (model.input_shape, model.output_shape) != ((28, 28, 1), (10,)) or not convolutions:
    parser.error("the model must have a Conv2D and read images (28, 28, 1) of 10 digits")

# --- the numbers
inputs = images / (255 / inspection.brightest_pixel(model))  # a model may scale bytes down itself
probabilities = model.predict(inputs, verbose=0)
if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):  # a model that ends in logits
    probabilities = kernels.softmax_forward(probabilities)
chosen = probabilities.argmax(axis=-1)
_, each = np.unique(y, return_index=True)  # the first image of each digit
read = chosen[each]
# Of the last convolution with maps fine enough to see something by.
fine = [layer for layer in convolutions if min(layer.output_shape[:2]) >= 10] or convolutions
cams = inspection.grad_cam(model, fine[-1], inputs[each], read)
small = x[0, 4:24, 4:24, 0].reshape(5, 4, 5, 4).mean(axis=(1, 3))  # shrunk to 5 x 5
augmentation = {
    type(layer).__name__: inspection.augmented(layer, x[0], 9)
    for layer in (RandomTranslation(0.1, 0.1), RandomRotation(0.05), RandomZoom(0.2))
}
maps = {
    layer.name: inspection.feature_maps(model, layer, inputs[:1000])
    for layer in model.layers
    if layer.parameters
}

# --- the pictures
title = f"{dataset}: CNN, {model.count_params():,} parameters, "
title += f"accuracy {np.mean(chosen == y):.4f} on {len(y):,} test images"
first = convolutions[0]
figures = {
    "confusion_matrix": plotting.plot_confusion_matrix(
        inspection.confusion_matrix(y, chosen, 10), title
    ),
    "predictions": plotting.plot_predictions(x[each], y[each], probabilities[each], title),
    "mistakes": plotting.plot_mistakes(x, y, probabilities, title),
    "filters": plotting.plot_filters(first.kernel.value, title, first.name),
    "saliency": plotting.plot_saliency(
        x[each], inspection.saliency(model, inputs[each], read), read, title
    ),
    "grad_cam": plotting.plot_grad_cam(x[each], cams, read, title, fine[-1].name),
    "im2col": plotting.plot_im2col(small, title=title),
    "augmentation": plotting.plot_augmentation(x[0], augmentation, title),
}
if history.epoch:
    figures["training_history"] = plotting.plot_history(history, title)
for name, values in maps.items():
    figures[f"maps_{name}"] = plotting.plot_feature_maps(x[0], values, title, name)
for name, figure in figures.items():
    figure.savefig(args.output_dir / f"{name}.png")
deeper = [f"maps_{name}" for name in maps if name != first.name]
sheet = plotting.contact_sheet(f for name, f in figures.items() if name not in deeper)
sheet.savefig(args.output_dir / "contact_sheet.png", pil_kwargs={"optimize": True})
say(f"wrote {len(figures)} pictures and contact_sheet.png to {args.output_dir}")

# --- the page: the first image of each digit, and a pad to draw on
page = args.output_dir / "explorer.html"
try:
    explorer.export(model, page, samples=(inputs[each], y[each]))
    say(f"wrote {page}: open it in a browser")
except ValueError as error:  # a layer that it can't show, or too many weights
    say(f"no page: {error}")
