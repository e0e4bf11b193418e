"""Batches come from a PyDataset, from a generator, and from a loop by hand."""

import math

import keras
import numpy as np


class Digits(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        low = index * self.batch_size
        high = min(low + self.batch_size, len(self.x))
        return self.x[low:high], self.y[low:high]


def endless(x, y, size):
    while True:
        for i in range(0, len(x), size):
            yield x[i : i + size], y[i : i + size]


(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train.reshape(-1, 784) / 255.0, x_test.reshape(-1, 784) / 255.0
x_train, x_test = x_train.astype("float32"), x_test.astype("float32")
model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.build((None, 784))
start = np.random.default_rng(0).normal(0, 0.03, (784, 10))
model.set_weights([start.astype("float32"), np.zeros(10, "float32")])

epochs, size = 2, 64
for epoch in range(epochs):
    losses = []
    for step in range(len(x_train) // size):
        part = slice(step * size, (step + 1) * size)
        loss, accuracy = model.train_on_batch(x_train[part], y_train[part])
        losses.append(loss)
    val = model.test_on_batch(x_test, y_test, return_dict=True)
    print(epoch, len(losses), sorted(val))
print(len(Digits(x_train, y_train, 50)))
history = model.fit(endless(x_train, y_train, 64), steps_per_epoch=5, epochs=2, verbose=0)
print(sorted(history.history), history.params["steps"])
