"""A functional model is saved, opened again, looked at layer by layer, and trained on."""

import os

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = np.expand_dims(x_train, -1).astype("float32") / 255
x_test = np.expand_dims(x_test, -1).astype("float32") / 255
y_train = keras.utils.to_categorical(y_train, 10)
y_test = keras.utils.to_categorical(y_test, 10)

inputs = keras.Input(shape=(28, 28, 1), name="image")
x = layers.Conv2D(6, 5, padding="same", activation="relu", name="first")(inputs)
x = layers.AveragePooling2D(2)(x)
x = layers.BatchNormalization()(x)
x = layers.Flatten()(x)
outputs = layers.Dense(10, activation="softmax", name="classes")(x)
model = keras.Model(inputs=inputs, outputs=outputs, name="small_net")
model.summary()
for i, layer in enumerate(model.layers):
    print(i, layer.name, layer.output.shape, len(layer.get_weights()), layer.count_params())

model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=1, validation_data=(x_test, y_test))
before = model.predict(x_test)
model.save("small_net.keras")
print(os.path.exists("small_net.keras"))

again = keras.models.load_model("small_net.keras")
print([layer.name for layer in again.layers], again.name)
print(again.get_layer(index=1).name, again.get_layer("classes").units)
print(np.allclose(before, again.predict(x_test), atol=1e-6))
again.fit(x_train, y_train, batch_size=32, epochs=1)
features = keras.Model(again.inputs, again.layers[2].output)
print(features.predict(x_test[:3]).shape, len(again.layers), again.count_params())
