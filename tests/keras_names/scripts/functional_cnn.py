"""The functional API with convolutions and layers for the activations."""

from keras.datasets import mnist
from keras.layers import Activation, Conv2D, Dense, Flatten, Input, MaxPooling2D
from keras.models import Model
from keras.utils import to_categorical

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape((x_train.shape[0], 28, 28, 1)).astype("float32") / 255.0
y_train = to_categorical(y_train)
inputs = Input((28, 28, 1))
x = Conv2D(6, (5, 5), padding="same")(inputs)
x = Activation("relu")(x)
x = MaxPooling2D()(x)
x = Conv2D(8, (3, 3), strides=(2, 2))(x)
x = Activation("tanh")(x)
x = Flatten()(x)
outputs = Dense(10, activation="softmax")(x)
model = Model(inputs, outputs)
model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=50, epochs=2, verbose=2)
print(model.predict(x_test.reshape(-1, 28, 28, 1)[:7] / 255.0, verbose=0).shape)
