"""Callbacks of every kind at once: lambdas, a schedule, a plateau, a log file."""

import csv
import json

import numpy as np
import tensorflow as tf
from tensorflow.keras import callbacks, layers

(train_images, train_labels), (test_images, test_labels) = tf.keras.datasets.mnist.load_data()
train_images, test_images = train_images / 255.0, test_images / 255.0


def step_decay(epoch, lr):
    return lr if epoch < 2 else lr * 0.5


seen = []
model = tf.keras.Sequential(
    [
        tf.keras.Input(shape=(28, 28)),
        layers.Flatten(),
        layers.Dense(24, activation="relu", kernel_initializer="he_normal"),
        layers.Dense(10),
        layers.Activation("softmax"),
    ]
)
model.compile(
    optimizer=tf.keras.optimizers.SGD(learning_rate=0.1, momentum=0.9, nesterov=True),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(),
    metrics=[tf.keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
history = model.fit(
    train_images,
    train_labels,
    validation_data=(test_images, test_labels),
    epochs=5,
    batch_size=80,
    callbacks=[
        callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
            on_train_end=lambda logs: print("done"),
        ),
        callbacks.LearningRateScheduler(step_decay, verbose=0),
        callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=3, min_lr=1e-5),
        callbacks.CSVLogger("training.csv", separator=",", append=False),
        callbacks.TerminateOnNaN(),
    ],
    verbose=0,
)
print(seen)
with open("training.csv", newline="") as file:
    rows = list(csv.DictReader(file))
print(len(rows), sorted(rows[0]))
print([round(float(rate) * 1e5) for rate in history.history["learning_rate"]], history.epoch)
with open("history.json", "w") as file:
    json.dump({key: [float(v) for v in values] for key, values in history.history.items()}, file)
print(np.argmin(history.history["val_loss"]) == 4)
