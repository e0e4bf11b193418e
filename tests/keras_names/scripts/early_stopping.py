"""Callbacks that watch the validation loss."""

from tensorflow.keras.callbacks import EarlyStopping, LambdaCallback, ReduceLROnPlateau
from tensorflow.keras.datasets import mnist
from tensorflow.keras.layers import Dense, Flatten
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = Sequential([Flatten(input_shape=(28, 28)), Dense(10, activation="softmax")])
model.compile(Adam(learning_rate=0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
seen = []
callbacks = [
    EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True),
    ReduceLROnPlateau(factor=0.5, patience=1),
    LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs))),
]
model.fit(
    x_train, y_train, epochs=4, validation_data=(x_test, y_test), callbacks=callbacks, verbose=0
)
print(seen)
