"""A model up to the code, trained as part of the whole."""

import keras
from keras import layers

(x_train, _), (x_test, _) = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
x_test = x_test.reshape(-1, 784).astype("float32") / 255.0
input_img = keras.Input(shape=(784,))
encoded = layers.Dense(16, activation="relu")(input_img)
decoded = layers.Dense(784, activation="sigmoid")(encoded)
autoencoder = keras.Model(input_img, decoded)
encoder = keras.Model(input_img, encoded)
autoencoder.compile(optimizer="adam", loss="mean_squared_error")
autoencoder.fit(
    x_train, x_train, epochs=2, batch_size=64, shuffle=True, validation_data=(x_test, x_test)
)
print(encoder.predict(x_test).shape, autoencoder.predict(x_test).shape)
