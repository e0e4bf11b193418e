"""Each sample has a weight, those to validate on, too."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
y_train = keras.utils.to_categorical(y_train)
y_test = keras.utils.to_categorical(y_test)
sample_weight = np.where(np.arange(len(x_train)) % 3 == 0, 2.0, 0.5)
model = keras.Sequential(
    [layers.Flatten(input_shape=(28, 28)), layers.Dense(10, activation="softmax")]
)
model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    sample_weight=sample_weight,
    epochs=3,
    validation_data=(x_test, y_test, np.linspace(0, 1, len(x_test))),
    verbose=0,
)
results = model.evaluate(x_test, y_test, sample_weight=np.ones(len(x_test)), return_dict=True)
print(sorted(results))
