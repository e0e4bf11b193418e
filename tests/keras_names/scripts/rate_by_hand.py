"""A callback that reads and sets the learning rate, and keeps the best weights itself."""

import keras
import numpy as np


class Halve(keras.callbacks.Callback):
    def __init__(self, every=2):
        super().__init__()
        self.every = every
        self.best = np.inf
        self.best_weights = None

    def on_train_begin(self, logs=None):
        print(self.params["epochs"], self.params["steps"])
        self.rates = []

    def on_epoch_begin(self, epoch, logs=None):
        if epoch and epoch % self.every == 0:
            rate = float(self.model.optimizer.learning_rate)
            self.model.optimizer.learning_rate.assign(rate / 2)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self.rates.append(self.model.optimizer.learning_rate.numpy())
        if logs["val_loss"] < self.best:
            self.best = logs["val_loss"]
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.best_weights)


(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train.reshape(len(x_train), 784).astype(np.float32) / 255
x_test = x_test.reshape(len(x_test), 784).astype(np.float32) / 255

model = keras.models.Sequential()
model.add(keras.layers.Dense(32, input_shape=(784,), activation="relu"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile(
    keras.optimizers.RMSprop(0.004), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
halve = Halve()
model.fit(x_train, y_train, 40, 6, validation_data=(x_test, y_test), verbose=0, callbacks=[halve])
print([round(float(rate) * 1e6) for rate in halve.rates], model.optimizer.iterations.numpy())
score = model.evaluate(x_test, y_test, verbose=0)
print("best is restored", abs(score[0] - halve.best) < 1e-5)
model.optimizer.learning_rate = model.optimizer.learning_rate * 0.5
model.fit(x_train, y_train, epochs=1, verbose=0)
