"""AdamW with clipped gradients."""

import keras

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train.reshape(-1, 784) / 255.0, x_test.reshape(-1, 784) / 255.0
model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(16, activation="elu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    keras.optimizers.AdamW(1e-3, weight_decay=0.01, clipnorm=1.0),
    keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, 50, 2, 0, validation_data=(x_test, y_test))
print(model.evaluate(x_test, y_test, 100, 0).__class__.__name__)
