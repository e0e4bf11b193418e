"""Which digit it is, and with what probability."""

import numpy as np
import tensorflow as tf
from tensorflow.keras.datasets import mnist

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = tf.keras.Sequential(
    [
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=2, verbose=0)
predictions = model.predict(x_test)
classes = np.argmax(predictions, axis=1)
confusion = tf.math.confusion_matrix(y_test, classes, num_classes=10)
print(classes.shape, np.shape(confusion), tf.argmax(predictions, axis=1).numpy().shape)
img = np.expand_dims(x_test[1], 0)
print(img.shape, model.predict(img).shape)
