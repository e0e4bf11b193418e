"""Leaky relus, old and new name of the slope."""

import keras
from keras.layers import ELU, Conv2D, Dense, Flatten, LeakyReLU

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255
model = keras.Sequential()
model.add(Conv2D(4, 3, strides=2, input_shape=(28, 28, 1)))
model.add(LeakyReLU(alpha=0.1))
model.add(Conv2D(6, 3, strides=2))
model.add(LeakyReLU(negative_slope=0.2))
model.add(Flatten())
model.add(Dense(10))
model.add(ELU(alpha=1.0))
model.add(Dense(10, activation="softmax"))
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x_train, y_train, batch_size=40, epochs=2, verbose=0)
