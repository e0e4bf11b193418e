"""A decay that Keras 3 ignores, and says so."""

from tensorflow.keras.datasets import mnist
from tensorflow.keras.layers import Dense, Flatten
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import SGD

(x_train, y_train), _ = mnist.load_data()
model = Sequential([Flatten(input_shape=(28, 28)), Dense(10, activation="softmax")])
sgd = SGD(learning_rate=0.01, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss="sparse_categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
model.fit(x_train / 255.0, y_train, epochs=2, batch_size=32, verbose=0)
print(sorted(model.history.history))
