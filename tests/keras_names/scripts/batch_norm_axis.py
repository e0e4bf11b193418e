"""Batch normalisation whose axis is written out."""

import keras
from keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train[..., None] / 255.0, x_test[..., None] / 255.0
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Convolution2D(6, 3, use_bias=False),
        layers.BatchNormalization(axis=-1),
        layers.ReLU(),
        layers.MaxPool2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=2, batch_size=60, validation_data=(x_test, y_test))
print(len(model.trainable_weights), len(model.non_trainable_weights), len(model.weights))
