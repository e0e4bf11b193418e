"""Habits of many years: K, in-place arithmetic, positional arguments, verbose as a word."""

import keras
from keras import backend as K
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential

batch_size, num_classes, epochs = 128, 10, 2
img_rows, img_cols = 28, 28
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
if K.image_data_format() == "channels_first":
    x_train = x_train.reshape(x_train.shape[0], 1, img_rows, img_cols)
    input_shape = (1, img_rows, img_cols)
else:
    x_train = x_train.reshape(x_train.shape[0], img_rows, img_cols, 1)
    x_test = x_test.reshape(x_test.shape[0], img_rows, img_cols, 1)
    input_shape = (img_rows, img_cols, 1)
x_train = x_train.astype("float32")
x_test = x_test.astype("float32")
x_train /= 255
x_test /= 255
print("x_train shape:", x_train.shape)
print(x_train.shape[0], "train samples")
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)
model = Sequential()
model.add(
    Conv2D(4, (5, 5), strides=(1, 1), padding="valid", activation="tanh", input_shape=input_shape)
)
model.add(MaxPooling2D((2, 2)))
model.add(Dropout(0.0))
model.add(Conv2D(6, (3, 3), activation="sigmoid", use_bias=False))
model.add(Flatten())
model.add(Dense(32, "relu"))
model.add(Dense(num_classes, activation="softmax"))
model.compile(
    loss=keras.losses.categorical_crossentropy,
    optimizer=keras.optimizers.Adadelta(learning_rate=1.0),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size, epochs, 1, validation_data=(x_test, y_test))
score = model.evaluate(x_test, y_test, verbose=0)
print("Test loss is a float:", isinstance(float(score[0]), float), len(score))
weights, biases = model.layers[0].get_weights()
print(weights.shape, biases.shape, K.epsilon(), K.floatx())
print([tuple(w.shape) for w in model.get_weights()])
K.clear_session()
