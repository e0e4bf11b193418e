"""The mean over folds, by hand."""

import numpy as np
from keras.datasets import mnist
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import SGD
from keras.utils import to_categorical


def define_model():
    model = Sequential()
    model.add(
        Conv2D(
            4, (3, 3), activation="relu", kernel_initializer="he_uniform", input_shape=(28, 28, 1)
        )
    )
    model.add(MaxPooling2D((2, 2)))
    model.add(Flatten())
    model.add(Dense(12, activation="relu", kernel_initializer="he_uniform"))
    model.add(Dense(10, activation="softmax"))
    opt = SGD(learning_rate=0.01, momentum=0.9)
    model.compile(optimizer=opt, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


(x, y), _ = mnist.load_data()
x = x.reshape((x.shape[0], 28, 28, 1)).astype("float32") / 255.0
y = to_categorical(y)
folds = np.array_split(np.arange(len(x)), 3)
for test in folds:
    train = np.setdiff1d(np.arange(len(x)), test)
    model = define_model()
    history = model.fit(
        x[train], y[train], epochs=1, batch_size=32, validation_data=(x[test], y[test]), verbose=0
    )
    _, acc = model.evaluate(x[test], y[test], verbose=0)
