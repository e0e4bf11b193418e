"""A layer of your own: written, its gradient checked, trained, saved and loaded.

    python examples/your_own_layer.py                    # under 5 minutes on two cores
    python examples/your_own_layer.py --quick            # half a minute
    python examples/your_own_layer.py --data-dir FOLDER  # your own copy of MNIST

The layer is PReLU (He et al. 2015, "Delving deep into rectifiers", section 2.1): a relu whose slope
below 0 is learned, one for each channel. What a layer has to do is told at the top of
tinycnn/layers/base.py. Without MNIST it trains on digits that tinycnn draws itself, and says so.
"""

import argparse
from pathlib import Path

import numpy as np

from tinycnn import Conv2D, Dense, Flatten, Layer, MaxPooling2D, Sequential, load_model
from tinycnn.datasets import digits
from tinycnn.gradient_check import check_layer
from tinycnn.support.console import say
from tinycnn.support.files import claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--images", type=positive_integer, help="default: 60000; quick: 6000")
parser.add_argument("--epochs", type=positive_integer, help="default: 3; quick: 1")
parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
args = parser.parse_args()
images = args.images or (6_000 if args.quick else 60_000)
epochs = args.epochs or (1 if args.quick else 3)
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here


# --- the layer
class PReLU(Layer):
    """y = x where x > 0, else slope * x; the slope (C,) of each channel is learned."""

    def __init__(self, initial=0.25, **kwargs):
        super().__init__(**kwargs)  # name and input_shape
        self.initial = initial

    def build(self, input_shape, rng=None, dtype="float32"):
        """One slope for each channel; the output has the shape of the input."""
        self.slope = self.add_parameter(
            "slope", input_shape[-1:], lambda shape, *_: np.full(shape, self.initial), rng, dtype
        )
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x, training=False):
        """(N, ..., C) -> (N, ..., C)."""
        x = self.receive(x)
        self.cache = (x,)
        return np.where(x > 0, x, self.slope.value * x)

    def backward(self, dy):
        """dx = dy where x > 0, else slope * dy; dslope = sum of dy * x where x <= 0."""
        (x,) = self.recall()
        dy = self.receive_gradient(dy)
        below = np.where(x > 0, 0, dy)
        self.slope.grad = (below * x).sum(axis=tuple(range(x.ndim - 1)))
        return np.where(x > 0, dy, self.slope.value * dy)

    def branches(self):
        """Where it is positive: a gradient check has to know on which side of the kink it is."""
        return [self.recall()[0] > 0]

    def get_config(self):
        """What the model file keeps, to call the constructor with."""
        return {**super().get_config(), "initial": self.initial}


class WrongPReLU(PReLU):
    """A slip to be found: the gradient of the slope also counts where x > 0."""

    def backward(self, dy):
        """As above, but for the slip."""
        dx = super().backward(dy)
        (x,) = self.recall()
        self.slope.grad = (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dx


# --- its gradients, held against differences; the second table must have a FAIL
x = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
report = check_layer(PReLU(), x)
report.raise_if_failed()
say(f"the gradients of PReLU:\n{report}")
say(f"of one with a slip in it, which the check finds:\n{check_layer(WrongPReLU(), x)}")

# --- data
(x_train, y_train), (x_test, y_test), dataset = digits.load_data(
    data_dir=args.data_dir, train=images
)
x_train, x_test = (x[..., np.newaxis] / np.float32(255) for x in (x_train, x_test))
say(f"\ndata: {dataset}, {len(x_train):,} training and {len(x_test):,} test images")

# --- trained like any other
model = Sequential(
    [
        Conv2D(16, (3, 3), input_shape=(28, 28, 1)),
        PReLU(),
        MaxPooling2D((2, 2)),
        Conv2D(32, (3, 3)),
        PReLU(),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ],
    seed=0,
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
model.fit(x_train, y_train, batch_size=64, epochs=epochs)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
say(f"test loss: {loss:.4f}, test accuracy: {accuracy:.4f} ({dataset})")
for layer in model.layers:
    if isinstance(layer, PReLU):
        low, high = layer.slope.value.min(), layer.slope.value.max()
        say(f"{layer.name}: slopes, at first {layer.initial}, are now {low:.2f} to {high:.2f}")

# --- saved and loaded; the file names the class, and whoever loads it hands the class over
path = args.output_dir / "own_layer.npz"
model.save(path)
say(f"wrote {path}")
again = load_model(path, custom_layers={"PReLU": PReLU})
same = np.array_equal(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0))
say(f"the saved model, loaded again, gives {'the same bits' if same else 'OTHER PREDICTIONS'}")
