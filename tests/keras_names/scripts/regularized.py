"""Penalties on the weights, by object and by function."""

from tensorflow.keras import layers, models, regularizers
from tensorflow.keras.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train.reshape(-1, 784) / 255.0, x_test.reshape(-1, 784) / 255.0
model = models.Sequential(
    [
        layers.Dense(
            16, activation="relu", kernel_regularizer=regularizers.l2(0.001), input_shape=(784,)
        ),
        layers.Dense(16, activation="relu", kernel_regularizer=regularizers.l1(0.0005)),
        layers.Dense(
            10, activation="softmax", kernel_regularizer=regularizers.l1_l2(l1=1e-4, l2=1e-3)
        ),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=2, validation_data=(x_test, y_test), verbose=2)
