"""Weights are read, changed and written back."""

import keras
import numpy as np
from keras.layers import Dense

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784) / 255.0
model = keras.Sequential([keras.Input((784,)), Dense(6, "relu", name="hidden"), Dense(10)])
for weight in model.weights:
    print(weight.name, tuple(weight.shape), weight.trainable, weight.numpy().dtype)
hidden = model.get_layer("hidden")
kernel, bias = hidden.get_weights()
hidden.set_weights([np.zeros_like(kernel), np.ones_like(bias)])
print(float(hidden.get_weights()[1].sum()), hidden.count_params(), len(model.layers))
print(hidden.output.shape, hidden.input.shape, model.inputs[0].shape, model.outputs[0].shape)
print(np.array(model.trainable_variables[0]).shape)
