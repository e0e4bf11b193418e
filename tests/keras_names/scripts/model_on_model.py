"""A functional head on a Sequential base."""

import keras
from keras import layers

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train[..., None].astype("float32") / 255
base = keras.Sequential([layers.Conv2D(4, 5, strides=2, activation="relu"), layers.Flatten()])
inputs = keras.Input(shape=(28, 28, 1))
x = base(inputs)
x = layers.Dense(12)(x)
x = keras.activations.relu(x)
outputs = layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=2, verbose=0)
print(outputs.shape, model.output.shape)
