"""What each layer of a trained network makes of an image."""

import numpy as np
from tensorflow.keras.datasets import mnist
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tensorflow.keras.models import Model, Sequential

(x_train, y_train), _ = mnist.load_data()
x_train = x_train[..., np.newaxis] / 255.0
model = Sequential(
    [
        Conv2D(4, 3, activation="relu", input_shape=(28, 28, 1), name="first"),
        MaxPooling2D(),
        Conv2D(6, 3, activation="relu", name="second"),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=1, verbose=0)
layer_outputs = [layer.output for layer in model.layers]
activation_model = Model(inputs=model.inputs, outputs=layer_outputs)
activations = activation_model.predict(x_train[:1], verbose=0)
for layer, activation in zip(model.layers, activations):
    print(activation.shape)
first = Model(model.inputs, model.get_layer("first").output)
print(first.predict(x_train[:3], verbose=0).shape)
kernels, biases = model.get_layer("second").get_weights()
print(kernels.shape, biases.shape)
