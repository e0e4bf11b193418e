"""Precision and recall of each digit, and the ones that were mistaken."""

import numpy as np
from sklearn.metrics import classification_report, confusion_matrix
from tensorflow import keras
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train.reshape((-1, 28, 28, 1)).astype("float32") / 255.0
x_test = x_test.reshape((-1, 28, 28, 1)).astype("float32") / 255.0
y_cat = keras.utils.to_categorical(y_train, num_classes=10)

model = Sequential(name="digits")
model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=x_train.shape[1:]))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(units=10, activation="softmax"))
print(model.summary())
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["acc"])
hist = model.fit(x_train, y_cat, batch_size=64, epochs=3, verbose=2, validation_split=0.1)
print(list(hist.history.keys()))

probabilities = model.predict(x_test, verbose=0)
predicted = np.argmax(probabilities, axis=-1)
matrix = confusion_matrix(y_test, predicted, labels=range(10))
report = classification_report(y_test, predicted, output_dict=True, zero_division=0)
mistaken = np.nonzero(predicted != y_test)[0]
print(matrix.shape, matrix.sum(), sorted(report)[:3], len(mistaken) == 100 - matrix.trace())
