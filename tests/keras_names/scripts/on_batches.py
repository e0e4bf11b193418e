"""A training loop over batches by hand."""

import keras
import numpy as np

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784) / 255.0
model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
for start in range(0, 200, 50):
    batch = slice(start, start + 50)
    logs = model.train_on_batch(x_train[batch], y_train[batch], return_dict=True)
    print(sorted(logs))
print(len(model.test_on_batch(x_train[:20], y_train[:20])))
print(np.argmax(model.predict_on_batch(x_train[:4]), axis=1).shape)
