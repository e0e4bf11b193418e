"""Softmax as a layer of its own, and a validation at another batch size."""

import keras
from keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
y_train, y_test = keras.utils.to_categorical(y_train), keras.utils.to_categorical(y_test)
model = keras.Sequential(
    [
        layers.InputLayer((28, 28)),
        layers.Flatten(),
        layers.Dense(14),
        layers.Activation(keras.activations.relu),
        layers.Dense(10),
        layers.Softmax(),
    ]
)
model.compile("adam", keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
model.fit(x_train, y_train, epochs=2, validation_data=(x_test, y_test), verbose=0)
print(len(model.evaluate(x_test, y_test, batch_size=77, verbose=0)))
