"""Batches that are handed out, beside real Keras: the same losses, epoch by epoch."""

import os

import numpy as np
import pytest

from tinycnn import Dense, Input, Sequential, utils

pytestmark = [
    pytest.mark.reference,
    pytest.mark.usefixtures("numpy_rung"),
    # Both say it; the numbers of batches in the words are ours.
    pytest.mark.filterwarnings("ignore:.*ran out of data:UserWarning"),
]

RNG = np.random.default_rng(0)
X, Y = RNG.random((24, 3), np.float32), RNG.random((24, 2), np.float32)
BATCHES = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 24, 5)]  # 5, 5, 5, 5, 4


def endless():
    while True:
        yield from BATCHES


def numbered(base):
    class Numbered(base):
        def __len__(self):
            return len(BATCHES)

        def __getitem__(self, i):
            return BATCHES[i]

    return Numbered()


CASES = {
    "arrays, 2 steps of 5": lambda base: ((X, Y), {"steps_per_epoch": 2, "epochs": 4}),
    "arrays, 5 steps of 5": lambda base: ((X, Y), {"steps_per_epoch": 5, "epochs": 2}),
    "a generator, 4 steps": lambda base: ((endless(),), {"steps_per_epoch": 4, "epochs": 3}),
    "numbered": lambda base: ((numbered(base),), {"epochs": 3}),
    "numbered, 3 steps": lambda base: ((numbered(base),), {"steps_per_epoch": 3, "epochs": 3}),
    "numbered validation": lambda base: (
        (X, Y),
        {"epochs": 2, "validation_data": numbered(base), "validation_steps": 2},
    ),
    "steps of validation": lambda base: (
        (X, Y),
        {"epochs": 2, "validation_data": (X, Y), "validation_steps": 2},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_losses_and_steps(case):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras = pytest.importorskip("keras", reason="no Keras")
    theirs = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    ours = Sequential([Input((3,)), Dense(2)])
    ours.set_weights(theirs.get_weights())
    found = []
    for model, base in ((theirs, keras.utils.PyDataset), (ours, utils.PyDataset)):
        model.compile("sgd", "mse")
        data, arguments = CASES[case](base)
        settings = {"batch_size": 5} if len(data) == 2 else {}
        history = model.fit(*data, shuffle=False, verbose=0, **settings, **arguments)
        steps = int(model.optimizer.iterations)
        found.append((history.history, history.epoch, history.params["steps"], steps))
    expected, actual = found
    assert actual[1:] == expected[1:] and actual[0].keys() == expected[0].keys()
    for name, values in actual[0].items():
        # float32 in another order of sums, over up to 15 steps.
        np.testing.assert_allclose(values, expected[0][name], rtol=1e-5)
    for weight, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    inputs = numbered(keras.utils.PyDataset), numbered(utils.PyDataset)
    for name in ("evaluate", "predict"):
        pair = [getattr(m, name)(i, verbose=0) for m, i in zip((theirs, ours), inputs, strict=True)]
        np.testing.assert_allclose(pair[1], pair[0], rtol=1e-5)
