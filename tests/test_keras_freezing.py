"""Against live Keras: what `trainable = False` keeps, and what it lets go on.

python -m pytest -m reference tests/test_keras_freezing.py
"""

import numpy as np
import pytest
from test_keras_live import import_keras

import tinycnn
from tinycnn.utils import set_random_seed

pytestmark = pytest.mark.reference

X = np.random.default_rng(1).random((16, 6, 6, 2)).astype("float32")
Y = np.eye(3, dtype="float32")[np.random.default_rng(2).integers(0, 3, 16)]
# Three steps of SGD on numbers of about 1 in float32, summed in two orders.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def network(library, layers, frozen):
    """The same network of either library; `frozen` are layers' numbers, or "model"."""
    model = library.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 2, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.5),
            layers.Conv2D(4, 2, activation="tanh", kernel_regularizer="l2"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    if frozen == "model":
        model.trainable = False
        model.layers[0].trainable = True  # which does not thaw it
    else:
        for index in frozen:
            model.layers[index].trainable = False
    return model


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.filterwarnings("ignore:no parameter of the model learns")
@pytest.mark.parametrize("frozen", [(), (0,), (1,), (0, 1), (0, 1, 2), (2,), (4,), "model"])
@pytest.mark.parametrize("rung", ["numpy", "numba"])
def test_frozen_layers_are_keras_s(frozen, rung):
    keras, _ = import_keras()
    set_random_seed(0)
    theirs = network(keras, keras.layers, frozen)
    with tinycnn.kernels.use(rung):
        ours = network(tinycnn, tinycnn.layers, frozen)
        ours.build()
        before = ours.get_weights()
        theirs.set_weights(before)
        arguments = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
        histories = []
        for library, model in ((tinycnn, ours), (keras, theirs)):
            optimizer = library.optimizers.SGD(0.1, momentum=0.5)
            model.compile(optimizer, "categorical_crossentropy")
            histories.append(model.fit(X, Y, **arguments).history["loss"])
        np.testing.assert_allclose(*histories, **CLOSE)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        learned = sum(p.value.size for p in ours.learning)
        assert learned == sum(int(np.prod(w.shape)) for w in theirs.trainable_weights)
        moved = [not np.array_equal(a, b) for a, b in zip(before, ours.get_weights(), strict=True)]
        assert any(moved) == (frozen != "model")
        np.testing.assert_allclose(
            ours.evaluate(X, Y, verbose=0), theirs.evaluate(X, Y, verbose=0), **CLOSE
        )
