"""Curves of the training."""

import keras
import matplotlib.pyplot as plt

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = keras.Sequential(
    [keras.layers.Flatten(input_shape=(28, 28)), keras.layers.Dense(10, activation="softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=2, validation_data=(x_test, y_test), verbose=0)
figure, axes = plt.subplots()
axes.plot(history.history["accuracy"], label="accuracy")
axes.plot(history.history["val_accuracy"], label="val_accuracy")
axes.legend()
figure.savefig("history.png")
print(len(axes.lines))
