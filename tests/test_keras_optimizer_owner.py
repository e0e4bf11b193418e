"""Real Keras on whose an optimizer is: it belongs to the variables of its first model."""

import numpy as np
import pytest

import tinycnn
from tinycnn import kernels

pytestmark = pytest.mark.reference

X, Y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)


def network(library):
    layers = [library.layers.Dense(2)]
    if library is tinycnn:
        return library.Sequential([tinycnn.Input((3,)), *layers])
    return library.Sequential([library.layers.Input((3,)), *layers])


@pytest.mark.parametrize("name", ["keras", "tinycnn"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_an_optimizer_is_refused_by_a_second_model_and_goes_on_with_its_own(name, optimizer):
    library = pytest.importorskip("keras") if name == "keras" else tinycnn
    with kernels.use("numpy"):
        used = getattr(library.optimizers, optimizer)(0.1)
        first, second = network(library), network(library)
        for model in (first, second):
            model.compile(used, "mse")
        first.fit(X, Y, verbose=0)
        with pytest.raises(ValueError, match=r"make a new one|recreate a new optimizer"):
            second.fit(X, Y, verbose=0)
        first.compile(used, "mse")
        first.fit(X, Y, verbose=0)
        assert int(used.iterations) == 2
