"""A learning rate for each epoch, by a function."""

import keras
from keras.callbacks import LearningRateScheduler

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(len(x_train), 784) / 255.0


def scheduler(epoch, lr):
    return lr if epoch < 2 else lr * 0.5


model = keras.Sequential([keras.layers.Dense(10, activation="softmax", input_shape=(784,))])
model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
history = model.fit(
    x_train, y_train, epochs=4, callbacks=[LearningRateScheduler(scheduler)], verbose=0
)
print(sorted(history.history), round(float(model.optimizer.learning_rate), 5))
