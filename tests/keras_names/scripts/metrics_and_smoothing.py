"""Several metrics by name and as objects, label smoothing, and their values by name."""

import numpy as np
import tensorflow as tf

mnist = tf.keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train.astype(np.float32) / 255.0, x_test.astype(np.float32) / 255.0
y_train, y_test = tf.keras.utils.to_categorical(y_train), tf.keras.utils.to_categorical(y_test)

model = tf.keras.models.Sequential()
model.add(tf.keras.layers.Flatten(input_shape=(28, 28)))
model.add(tf.keras.layers.Dense(30, activation="swish", kernel_regularizer="l2"))
model.add(tf.keras.layers.Dense(10, activation="softmax"))
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=0.002, beta_1=0.9, beta_2=0.99, amsgrad=True),
    loss=tf.keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    metrics=[
        "accuracy",
        tf.keras.metrics.TopKCategoricalAccuracy(k=3, name="top3"),
        tf.keras.metrics.Precision(name="precision"),
        tf.keras.metrics.Recall(name="recall"),
    ],
)
history = model.fit(x_train, y_train, epochs=3, batch_size=100, validation_data=(x_test, y_test))
for key in sorted(history.history):
    print(key, len(history.history[key]))
scores = model.evaluate(x_test, y_test, verbose=0)
print(len(scores))
top = np.argsort(model.predict(x_test[:5], verbose=0), axis=1)[:, ::-1][:, :3]
print(top.shape, tf.reduce_mean(tf.constant([1.0, 3.0])).numpy() == 2.0)
values = tf.keras.losses.categorical_crossentropy(y_test[:4], model.predict(x_test[:4], verbose=0))
print(np.shape(values))
