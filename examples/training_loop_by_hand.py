"""Training without `Sequential`: layers, a loss, an optimizer, and a loop you can step through.

Four layers learn to read small drawn digits. Everything that `fit` does is here in the open:
shuffle, forward, loss, backward, update.
"""

import argparse

import numpy as np

from tinycnn import Adam, CategoricalCrossentropy, Conv2D, Dense, Flatten, MaxPooling2D
from tinycnn.datasets import synthetic
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import to_categorical

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--epochs", type=positive_integer, default=3)
parser.add_argument("--images", type=positive_integer, default=6000)
args = parser.parse_args()

# --- data: images in [0, 1] with a channel axis, labels one-hot
(x_train, y_train), (x_test, y_test) = synthetic.load_data(train=args.images, test=1000, seed=0)
x_train, x_test = (x[..., np.newaxis].astype("float32") / 255 for x in (x_train, x_test))
y_train = to_categorical(y_train, 10)

# --- layers: build makes the parameters and says what shape comes out
rng = np.random.default_rng(0)
layers = [Conv2D(16, (3, 3), activation="relu"), MaxPooling2D((2, 2)), Flatten(), Dense(10)]
shape = x_train.shape[1:]
for layer in layers:
    shape = layer.build(shape, rng)
    say(f"{layer}: output {shape}, {layer.count_params()} parameters")
parameters = [parameter for layer in layers for parameter in layer.parameters]
loss = CategoricalCrossentropy(from_logits=True)  # the softmax is part of the loss
optimizer = Adam(learning_rate=0.002)

for epoch in range(args.epochs):
    losses = []
    order = rng.permutation(len(x_train))
    for start in range(0, len(order), 64):
        batch = order[start : start + 64]

        # forward: each layer's output is the next one's input
        y = x_train[batch]
        for layer in layers:
            y = layer.forward(y, training=True)
        losses.append(loss.forward(y_train[batch], y))

        # backward: the same way back, each layer noting the gradients of its parameters
        dy = loss.backward()
        for layer in reversed(layers):
            dy = layer.backward(dy)

        # the optimizer, and nobody else, changes the parameters
        optimizer.update(parameters)
    say(f"epoch {epoch + 1}: mean loss {np.mean(losses):.4f}")

y = x_test
for layer in layers:
    y = layer.forward(y)
say(f"read right: {np.mean(y.argmax(axis=-1) == y_test):.1%} of {len(y_test)} fresh drawn digits")
