"""Arguments that ask for what is so anyway."""

import keras
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train[..., None] / 255.0
model = keras.Sequential()
model.add(
    Conv2D(
        4,
        (3, 3),
        data_format="channels_last",
        dilation_rate=(1, 1),
        groups=1,
        activation="relu",
        bias_regularizer=None,
        kernel_constraint=None,
        input_shape=(28, 28, 1),
        dtype="float32",
    )
)
model.add(MaxPooling2D(2, data_format="channels_last"))
model.add(Flatten(data_format=None))
model.add(Dropout(0.0, noise_shape=None))
model.add(Dense(10, activation="softmax", activity_regularizer=None))
model.compile(
    optimizer=keras.optimizers.Adam(amsgrad=False, use_ema=False, name="adam"),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    run_eagerly=False,
    weighted_metrics=None,
    jit_compile="auto",
)
model.fit(x_train, y_train, epochs=1, verbose=0, steps_per_epoch=None, validation_steps=None)
