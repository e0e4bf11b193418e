"""An optimizer of your own: written, its steps checked, trained with.

    python examples/your_own_optimizer.py            # some seconds

The optimizer is Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms"). It
remembers a mean of the gradients, as momentum does, and takes only the sign of it. What an
optimizer has to do is told in tinycnn/optimizers/base.py.
"""

import argparse

import numpy as np

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Optimizer, Sequential
from tinycnn.datasets import synthetic
from tinycnn.gradient_check import check_optimizer
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--images", type=positive_integer, default=2000)
parser.add_argument("--epochs", type=positive_integer, default=3)
args = parser.parse_args()


# --- the optimizer
class Lion(Optimizer):
    """value -= lr * sign(beta_1 * m + (1 - beta_1) * g);  m = beta_2 * m + (1 - beta_2) * g."""

    slots = ("m",)  # an array for each parameter, 0 at first

    def __init__(self, learning_rate=0.0003, beta_1=0.9, beta_2=0.99, **common):
        super().__init__(learning_rate, **common)  # weight_decay, clipnorm, ...
        self.beta_1, self.beta_2 = beta_1, beta_2

    def update_step(self, value, gradient, learning_rate, m):
        """Changes `value` and `m` in place."""
        value -= learning_rate * np.sign(self.beta_1 * m + (1 - self.beta_1) * gradient)
        m += (1 - self.beta_2) * (gradient - m)

    def get_config(self):
        """What the constructor is called with."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}


class WrongLion(Lion):
    """A slip to be found: m is made anew, and so it is not remembered."""

    def update_step(self, value, gradient, learning_rate, m):
        """As above, but for the slip."""
        value -= learning_rate * np.sign(self.beta_1 * m + (1 - self.beta_1) * gradient)
        m = m + (1 - self.beta_2) * (gradient - m)


# --- its definition, written out: no state, all gradients so far
def lion(gradients, learning_rates, beta_1=0.9, beta_2=0.99):
    """The change of the value in the last step."""
    *before, last = gradients
    t = len(before)
    m = sum((1 - beta_2) * beta_2 ** (t - 1 - i) * before[i] for i in range(t))
    return -learning_rates[-1] * np.sign(beta_1 * m + (1 - beta_1) * last)


report = check_optimizer(Lion(), lion, steps=12)
report.raise_if_failed()
say(f"the steps of Lion:\n{report}")
say(f"of one with a slip in it, which the check finds:\n{check_optimizer(WrongLion(), lion, 12)}")

# --- trained with
(x_train, y_train), (x_test, y_test) = synthetic.load_data(train=args.images, test=500, seed=0)
x_train, x_test = (x[..., np.newaxis].astype("float32") / 255 for x in (x_train, x_test))
for optimizer in (Lion(), "adam"):
    model = Sequential(
        [
            Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dense(10, activation="softmax"),
        ],
        seed=0,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=args.epochs, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    say(f"{model.optimizer!r}: reads {accuracy:.1%} of {len(y_test)} fresh drawn digits")
