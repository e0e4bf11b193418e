"""Several convolutions of the same padding."""

from tensorflow.keras import Sequential, layers
from tensorflow.keras.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(-1, 28, 28, 1) / 255.0
x_test = x_test.reshape(-1, 28, 28, 1) / 255.0
model = Sequential(name="deep")
for filters in (4, 8):
    model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
    model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
    model.add(layers.MaxPool2D((2, 2), strides=(2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(10, activation="softmax"))
model.build((None, 28, 28, 1))
model.summary()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test), verbose=2)
