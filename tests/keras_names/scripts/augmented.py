"""Images that are moved and turned, by a model at the model's beginning."""

import tensorflow as tf
from tensorflow.keras import layers

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train, x_test = x_train[..., tf.newaxis], x_test[..., tf.newaxis]
data_augmentation = tf.keras.Sequential(
    [
        layers.RandomRotation(0.05, fill_mode="constant"),
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=3),
        layers.RandomZoom(0.1, fill_mode="constant", interpolation="bilinear"),
    ]
)
print(data_augmentation(x_train[:4] / 255.0).shape)
model = tf.keras.Sequential(
    [
        data_augmentation,
        layers.Rescaling(1.0 / 255),
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10),
    ]
)
model.compile(
    optimizer="adam",
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x_train, y_train, validation_data=(x_test, y_test), epochs=1)
print(sorted(history.history))
