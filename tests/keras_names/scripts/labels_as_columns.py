"""Labels with an axis of length 1, as CIFAR has them."""

import keras
import numpy as np

rng = np.random.default_rng(0)
x_train = rng.random((120, 12, 12, 3)).astype("float32")
y_train = rng.integers(0, 4, (120, 1))
model = keras.Sequential(
    [
        keras.Input((12, 12, 3)),
        keras.layers.Conv2D(6, 3, activation="relu"),
        keras.layers.AvgPool2D((2, 2)),
        keras.layers.Flatten(),
        keras.layers.Dense(4, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=3, batch_size=20, validation_split=0.25, verbose=0)
print(keras.utils.to_categorical(y_train).shape, y_train.shape)
