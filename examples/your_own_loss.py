"""A loss of your own: written, its gradient checked, trained with.

    python examples/your_own_loss.py            # some seconds

The loss is Huber's (Huber 1964, "Robust estimation of a location parameter"): a square for small
errors and a straight line for large ones, so that a few wrong targets do not decide everything. To
see that, a network learns how thick a drawn digit is, from targets of which one in ten is nonsense.
What a loss has to do is told at the top of tinycnn/losses.py.
"""

import argparse

import numpy as np

from tinycnn import Adam, Dense, Flatten, Loss, MeanSquaredError, Sequential
from tinycnn.datasets import synthetic
from tinycnn.gradient_check import check_loss
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--images", type=positive_integer, default=2000)
parser.add_argument("--epochs", type=positive_integer, default=10)
args = parser.parse_args()


# --- the loss
class Huber(Loss):
    """The mean of e^2 / 2 where |e| <= delta, else of delta * (|e| - delta / 2), of errors e."""

    name = "huber"

    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def forward(self, y_true, y_pred):
        """One number: the mean over the batch, and over the outputs of a sample."""
        self.check_targets(y_true, y_pred.shape[1:])
        error = y_pred - y_true
        self.cache = (error,)
        size = np.abs(error)
        small = error**2 / 2
        large = self.delta * (size - self.delta / 2)
        return float(np.where(size <= self.delta, small, large).mean())

    def backward(self):
        """The gradient with respect to y_pred; the mean divides it by the number of errors."""
        (error,) = self.recall()
        return np.clip(error, -self.delta, self.delta) / error.size

    def get_config(self):
        """What the constructor is called with."""
        return {"delta": self.delta}


class WrongHuber(Huber):
    """A slip to be found: the division by the number of errors is forgotten."""

    def backward(self):
        """As above, but for the slip."""
        (error,) = self.recall()
        return np.clip(error, -self.delta, self.delta)


# --- its gradient, held against differences; the second table must have a FAIL
rng = np.random.default_rng(0)
targets, predictions = rng.standard_normal((4, 1)), 3 * rng.standard_normal((4, 1))
report = check_loss(Huber(), targets, predictions)
report.raise_if_failed()
say(f"the gradient of Huber:\n{report}")
wrong = check_loss(WrongHuber(), targets, predictions)
say(f"of one with a slip in it, which the check finds:\n{wrong}")

# --- data: how much ink a digit has, in parts of the largest; a tenth of the targets is nonsense
(x_train, _), (x_test, _) = synthetic.load_data(train=args.images, test=500, seed=0)
x_train, x_test = (x[..., np.newaxis].astype("float32") / 255 for x in (x_train, x_test))
ink = [x.sum(axis=(1, 2)) for x in (x_train, x_test)]  # (N, 1)
y_train, y_test = (of / ink[0].max() for of in ink)
nonsense = rng.random(len(y_train)) < 0.1
y_train[nonsense] += 5
say(f"\n{nonsense.sum()} of {len(y_train)} targets are wrong by 5; the largest right one is 1")

# --- trained with either loss, and judged by right targets
for loss in (MeanSquaredError(), Huber(delta=0.1)):
    model = Sequential([Flatten(input_shape=(28, 28, 1)), Dense(1)], seed=0)
    model.compile(Adam(0.002), loss)
    model.fit(x_train, y_train, batch_size=50, epochs=args.epochs, verbose=0)
    error = np.abs(model.predict(x_test, verbose=0) - y_test).mean()
    say(f"{loss!r:<22} mean error on digits with right targets: {error:.3f}")
