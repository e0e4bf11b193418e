"""LeNet-5 with average pools and tanh."""

import tensorflow as tf
from tensorflow.keras.layers import AveragePooling2D, Conv2D, Dense, Flatten

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train = tf.expand_dims(x_train, 3).numpy() / 255.0
x_test = tf.expand_dims(x_test, 3).numpy() / 255.0
model = tf.keras.Sequential()
model.add(
    Conv2D(6, kernel_size=5, strides=1, activation="tanh", input_shape=(28, 28, 1), padding="same")
)
model.add(AveragePooling2D(pool_size=(2, 2), strides=2))
model.add(Conv2D(16, kernel_size=(5, 5), strides=1, activation="tanh", padding="valid"))
model.add(AveragePooling2D(pool_size=(2, 2), strides=2))
model.add(Flatten())
model.add(Dense(120, activation="tanh"))
model.add(Dense(84, activation="tanh"))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(
    optimizer=tf.keras.optimizers.SGD(learning_rate=0.1, momentum=0.9),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test), verbose=0)
print(x_train.shape, model.count_params())
