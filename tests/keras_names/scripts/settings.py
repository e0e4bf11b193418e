"""The settings of layers, as plain values."""

import keras

layer = keras.layers.Dense(7, activation="relu", name="middle")
config = layer.get_config()
print(config["units"], config["activation"], config["use_bias"], config["name"])
again = keras.layers.Dense.from_config({"units": 7, "activation": "relu", "name": "middle"})
print(again.units, again.name)
relu = keras.activations.get("relu")
print(relu is keras.activations.relu, keras.activations.serialize(relu))
optimizer = keras.optimizers.get("adam")
print(type(optimizer).__name__, round(float(optimizer.learning_rate), 6))
print(type(keras.regularizers.get("l2")).__name__, type(keras.losses.get("mse")).__name__)
