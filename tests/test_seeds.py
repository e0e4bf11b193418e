"""Seeds: equal ones where they are asked for, and no two alike where they are not."""

import random

import numpy as np
import pytest

from tinycnn import Conv2D, Dense, Dropout, Flatten, Input, Sequential, utils

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture(autouse=True)
def unchosen(monkeypatch):
    """No test leaves a choice of seeds behind, nor Python's and NumPy's generators seeded."""
    monkeypatch.setattr(utils, "_chosen", [])
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


def net(**arguments):
    layers = [Conv2D(4, 3, input_shape=(8, 8, 1)), Dropout(0.5), Flatten(), Dense(4)]
    return Sequential(layers, **arguments)


def test_models_made_alike_are_not_one_model_several_times():
    models = [net() for _ in range(20)]
    assert len({model.fingerprint() for model in models}) == 20
    assert len({model.seed for model in models}) == 20
    assert all(0 <= model.seed < 2**32 for model in models)


def test_a_seed_makes_a_model_repeatable_and_the_model_tells_its_own():
    assert net(seed=7).fingerprint() == net(seed=7).fingerprint() != net(seed=8).fingerprint()
    drawn = net()
    assert net(seed=drawn.seed).fingerprint() == drawn.fingerprint()


def test_set_random_seed_repeats_what_follows():
    def three(seed):
        utils.set_random_seed(seed)
        made = [net().fingerprint() for _ in range(3)]
        return made, random.random(), np.random.random()  # noqa: NPY002

    first, again, other = three(5), three(5), three(6)
    assert first == again
    assert len({*first[0], *other[0]}) == 6
    assert first[1:] != other[1:]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, None, True])
def test_a_seed_that_is_none(seed):
    with pytest.raises(ValueError, match="`seed` must be"):
        utils.set_random_seed(seed)


def test_layers_by_themselves_differ_too():
    def weights():
        layer = Dense(3)
        layer.forward(np.zeros((1, 4)))
        return layer.get_weights()[0]

    assert not np.array_equal(weights(), weights())


def test_a_model_file_keeps_the_seed(tmp_path):
    from tinycnn import load_model

    model = Sequential([Input((3,)), Dense(2)])
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").seed == model.seed
