"""Validation after every second epoch only."""

import keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = keras.models.Sequential()
model.add(keras.Input(shape=(28, 28)))
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(12, activation="relu"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["acc"])
history = model.fit(
    x_train, y_train, epochs=4, validation_data=(x_test, y_test), validation_freq=2, verbose=0
)
print({name: len(values) for name, values in sorted(history.history.items())})
nothing = model.fit(x_train, y_train, epochs=0)
print(nothing.history, nothing.epoch)
