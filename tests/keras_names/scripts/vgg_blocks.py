"""Small VGG blocks on colour images of 32 x 32, built in a loop."""

import keras
import numpy as np
from keras import regularizers
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from keras.optimizers import SGD

num_classes = 10
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = np.pad(x_train, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis].repeat(3, axis=-1)[:160]
x_test = np.pad(x_test, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis].repeat(3, axis=-1)
x_train, x_test = x_train.astype("float32"), x_test.astype("float32")
mean, std = np.mean(x_train, axis=(0, 1, 2, 3)), np.std(x_train, axis=(0, 1, 2, 3))
x_train, x_test = (x_train - mean) / (std + 1e-7), (x_test - mean) / (std + 1e-7)
y_train = keras.utils.to_categorical(y_train[:160], num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

model = keras.Sequential()
for block, filters in enumerate((4, 6)):
    shape = {"input_shape": (32, 32, 3)} if block == 0 else {}
    model.add(
        Conv2D(
            filters,
            (3, 3),
            padding="same",
            kernel_initializer="he_uniform",
            kernel_regularizer=regularizers.l2(1e-4),
            **shape,
        )
    )
    model.add(Activation("relu"))
    model.add(MaxPooling2D((2, 2), strides=2))
    model.add(BatchNormalization())
    model.add(Dropout(0.0))
model.add(Flatten())
model.add(Dense(16, kernel_initializer="he_uniform"))
model.add(Activation("elu"))
model.add(Dense(num_classes, activation="softmax"))
model.summary()
print([layer.__class__.__name__ == "Conv2D" for layer in model.layers].count(True))

opt = SGD(learning_rate=0.01, momentum=0.9)
model.compile(loss="categorical_crossentropy", optimizer=opt, metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=8, epochs=2, validation_data=(x_test, y_test), shuffle=True)
_, acc = model.evaluate(x_test, y_test, verbose=0)
print("> %.3f" % (acc * 100.0))
print(len(model.trainable_weights), len(model.non_trainable_weights))
