"""The history goes to a file."""

import csv

import keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = keras.Sequential(
    [keras.layers.Flatten(input_shape=(28, 28)), keras.layers.Dense(10, activation="softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
logger = keras.callbacks.CSVLogger("training.csv")
model.fit(x_train, y_train, epochs=2, validation_split=0.5, callbacks=[logger], verbose=0)
with open("training.csv") as file:
    rows = list(csv.reader(file))
print(rows[0], len(rows))
