"""The head of a trained network is taken off, its body frozen, and a new head trained."""

import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Conv2D, Dense, Flatten, GlobalAveragePooling2D, MaxPooling2D
from tensorflow.keras.models import Model, Sequential

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train = x_train[..., tf.newaxis].astype("float32") / 255.0
x_test = x_test[..., tf.newaxis].astype("float32") / 255.0
odd_train, odd_test = (y_train % 2).astype("float32"), (y_test % 2).astype("float32")

base = Sequential(
    [
        Conv2D(6, 3, strides=2, activation="relu", input_shape=(28, 28, 1), name="conv_a"),
        Conv2D(8, 3, activation="relu", name="conv_b"),
        MaxPooling2D(),
        Flatten(name="features"),
        Dense(10, activation="softmax", name="head"),
    ]
)
base.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
base.fit(x_train, y_train, epochs=1, verbose=0)

for layer in base.layers[:-1]:
    layer.trainable = False
print([(layer.name, layer.trainable) for layer in base.layers])
features = base.get_layer("features").output
out = Dense(1, activation="sigmoid", name="odd")(features)
odd = Model(base.inputs, out)
odd.compile(
    optimizer=tf.keras.optimizers.Adam(1e-2),
    loss=tf.keras.losses.BinaryCrossentropy(),
    metrics=[tf.keras.metrics.BinaryAccuracy(name="acc", threshold=0.5)],
)
print(len(odd.trainable_variables), len(odd.layers), odd.layers[-1].get_config()["units"])
kernel = base.get_layer("conv_a").get_weights()[0].copy()
odd.fit(x_train, odd_train, epochs=2, batch_size=64, validation_data=(x_test, odd_test), verbose=0)
print(np.array_equal(kernel, base.layers[0].get_weights()[0]))
guess = (odd.predict(x_test) > 0.5).astype("int32").ravel()
print(guess.shape, guess.dtype)
print(GlobalAveragePooling2D()(np.ones((2, 3, 3, 4), "float32")).shape)
