"""Sequential: building, names, weights, the two folds."""

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Activation,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool2D,
    MaxPooling2D,
    ReLU,
    Rescaling,
    Sequential,
    Softmax,
)
from tinycnn.layers import fused

pytestmark = pytest.mark.usefixtures("numpy_rung")


def reference_network(**arguments):
    return Sequential(
        [
            Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        **arguments,
    )


def test_the_reference_network_is_keras_s():
    model = reference_network()
    assert model.count_params() == 93_322
    # (None, 26, 26, 32), ... as Keras prints them
    shapes = [
        (26, 26, 32),
        (13, 13, 32),
        (11, 11, 64),
        (5, 5, 64),
        (3, 3, 64),
        (576,),
        (64,),
        (10,),
    ]
    assert [layer.output_shape for layer in model.layers] == shapes
    assert [layer.count_params() for layer in model.layers] == [
        320,
        0,
        18_496,
        0,
        36_928,
        0,
        36_928,
        650,
    ]
    # The order and layout of Keras's get_weights
    assert [weight.shape for weight in model.get_weights()] == [
        (3, 3, 1, 32),
        (32,),
        (3, 3, 32, 64),
        (64,),
        (3, 3, 64, 64),
        (64,),
        (576, 64),
        (64,),
        (64, 10),
        (10,),
    ]
    assert all(weight.dtype == "float32" for weight in model.get_weights())


def test_layers_are_named_as_in_keras():
    model = Sequential(
        [
            Conv2D(1, 1),
            MaxPool2D(1),
            Conv2D(1, 1),
            ReLU(),
            Flatten(),
            Dense(1),
            Rescaling(1),
            Dense(1),
        ]
    )
    model.add(Softmax())
    model.add(Activation("relu"))
    assert [layer.name for layer in model.layers] == [
        "conv2d",
        "max_pooling2d",
        "conv2d_1",
        "re_lu",
        "flatten",
        "dense",
        "rescaling",
        "dense_1",
        "softmax",
        "activation",
    ]


def test_given_names_are_kept_and_do_not_count():
    # As Keras: only the names it makes itself are counted.
    model = Sequential([Dense(1, name="first"), Dense(1), Dense(1, name="last"), Dense(1)])
    assert [layer.name for layer in model.layers] == ["first", "dense", "last", "dense_1"]


def test_a_made_up_name_never_clashes_with_a_given_one():
    model = Sequential([Dense(1), Dense(1, name="dense_2"), Dense(1)])
    assert len({layer.name for layer in model.layers}) == 3
    assert model.layers[1].name == "dense_2"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sequential([Input((4,)), Dense(3), Dense(2)], seed=0),
        lambda: Sequential([Dense(3, input_shape=(4,)), Dense(2)], seed=0),
        lambda: Sequential([Dense(3, input_shape=[4]), Dense(2)], seed=0),
    ],
)
def test_ways_to_tell_the_shape(make):
    model = make()
    assert model.built
    assert [type(layer) for layer in model.layers] == [Dense, Dense]
    assert model.count_params() == 4 * 3 + 3 + 3 * 2 + 2
    # The weights depend on the seed and the place only.
    grown = Sequential(seed=0)
    grown.add(Dense(3))
    grown.add(Dense(2))
    grown.build((None, 4))
    for ours, theirs in zip(model.get_weights(), grown.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # And so they do if only the data tell it.
    late = Sequential([Dense(3), Dense(2)], seed=0)
    late.predict(np.zeros((1, 4)), verbose=0)
    np.testing.assert_array_equal(late.get_weights()[2], model.get_weights()[2])


def test_growing_a_model_keeps_what_is_there():
    model = Sequential([Input((4,)), Dense(3)])
    before = model.get_weights()
    model.add(Dense(2))
    assert model.output_shape == (2,)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_layer_that_does_not_fit_is_not_added():
    model = Sequential([Input((4,)), Dense(3)])
    for wrong in (Conv2D(2, 3), Dense(2, name="dense")):
        with pytest.raises(ValueError):
            model.add(wrong)
    assert [layer.name for layer in model.layers] == ["dense"]
    assert model.predict(np.zeros((1, 4)), verbose=0).shape == (1, 3)


def test_a_first_layer_that_does_not_fit_leaves_nothing():
    model = Sequential()
    with pytest.raises(ValueError, match="kernel_size"):
        model.add(Conv2D(2, 29, input_shape=(28, 28, 1)))
    assert model.layers == []
    assert model.input_shape is None


def test_seeds_decide_the_weights():
    weights = [
        Sequential([Input((4,)), Dense(3), Dense(3)], seed=s).get_weights() for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(weights[0][0], weights[1][0])
    assert not np.array_equal(weights[0][0], weights[2][0])
    # Two layers of one shape do not begin alike.
    square = Sequential([Input((3,)), Dense(3), Dense(3)]).get_weights()
    assert not np.array_equal(square[0], square[2])


def test_weights_go_out_and_in(small_model, small_data):
    x, _ = small_data(4)
    source, target = small_model(seed=1), small_model(seed=2)
    assert not np.array_equal(source.predict(x, verbose=0), target.predict(x, verbose=0))
    target.set_weights(source.get_weights())
    np.testing.assert_array_equal(source.predict(x, verbose=0), target.predict(x, verbose=0))
    # They are copies, both ways, and stay where they are.
    source.get_weights()[0][...] = 0
    values = [parameter.value for parameter in target.parameters]
    target.set_weights(source.get_weights())
    assert all(p.value is v for p, v in zip(target.parameters, values, strict=True))
    assert source.get_weights()[0].any()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda weights: weights[:-1],
        lambda weights: [*weights, weights[0]],
        lambda weights: [*weights[:-1], np.zeros(4)],
        lambda weights: [*weights[:-1], np.array(["a", "b", "c"])],
        lambda weights: [*weights[:-1], np.array([0, 1, None])],
    ],
    ids=["one too few", "one too many", "wrong shape", "text", "objects"],
)
def test_weights_that_do_not_fit_change_nothing(spoil, small_model):
    model = small_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"weight.*Received"):
        model.set_weights(spoil([weight + 1 for weight in before]))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# --- the two folds --------------------------------------------------------------------------------


def test_float64_model_is_float64_throughout(small_model, small_data, rung):
    x, y = small_data(4)
    model = small_model(dtype="float64")
    assert model.predict(x, verbose=0).dtype == "float64"
    _, gradients = model.loss_and_gradients(x, y)
    assert {array.dtype.name for array in [*gradients, *model.get_weights()]} == {"float64"}
    model.train_on_batch(x, y)
    assert {array.dtype.name for array in model.get_weights()} == {"float64"}
    # The same seed draws the same weights, but for the rounding.
    single = small_model()
    np.testing.assert_allclose(
        single.predict(x, verbose=0), small_model(dtype="float64").predict(x, verbose=0), atol=1e-6
    )


def test_folds_are_the_layers_one_after_the_other(small_model, small_data, rung):
    x, y = small_data(4)
    model, layers = small_model(), small_model().layers
    value = x
    for layer in layers:
        value = layer.forward(value)
    gradient = np.random.default_rng(0).standard_normal(value.shape, np.float32)
    with fused.off():  # what is fused may add up in another order: see test_fusion.py
        np.testing.assert_array_equal(model.forward(x), value)
        model.backward(gradient)
    for layer in reversed(layers):
        gradient = layer.backward(gradient)
    for ours, layer in zip(model.layers, layers, strict=True):
        for parameter, same in zip(ours.parameters, layer.parameters, strict=True):
            np.testing.assert_array_equal(parameter.grad, same.grad)


def test_the_first_layer_that_learns_makes_no_input_gradient(small_model, small_data, rung):
    x, y = small_data(4)
    model = small_model()
    _, expected = model.loss_and_gradients(x, y)
    assert model.layers[0].backward(np.ones((4, 4, 4, 3), np.float32)) is None
    assert model.layers[3].backward(np.ones((4, 5), np.float32)).shape == (4, 12)
    # With preprocessing in front nothing changes.
    scaled = small_model(first=[Rescaling(0.5, input_shape=(6, 6, 1)), Rescaling(2.0)])
    scaled.set_weights(model.get_weights())
    _, gradients = scaled.loss_and_gradients(x, y)
    for gradient, same in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(gradient, same)  # 0.5 and 2 are exact
    before = scaled.get_weights()
    scaled.fit(x, y, verbose=0)
    assert all((a != b).any() for a, b in zip(before, scaled.get_weights(), strict=True))


def test_input_gradients_can_be_asked_for(small_model, small_data, rung):
    x, _ = small_data(4)
    model = small_model(dtype="float64")
    x = x.astype("float64")
    model.layers[0].needs_input_gradient = True
    y = model.forward(x)
    up = np.random.default_rng(0).standard_normal(y.shape)
    dx = model.backward(up)
    # Along one random direction, against a central difference: h^2 = 1e-10, rounding 1e-16 / h.
    direction, h = np.random.default_rng(1).standard_normal(x.shape), 1e-5
    above, below = model.forward(x + h * direction), model.forward(x - h * direction)
    slope = ((above - below) * up).sum() / (2 * h)
    assert (dx * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_models_that_share_layers_do_not_disturb_each_other(small_model, small_data, rung):
    # A head of trained layers, looked at or trained by itself, as one does in Keras.
    x, y = small_data(4)
    model, expected = small_model(SGD(0.1)), small_model(SGD(0.1))
    expected.train_on_batch(x, y)
    expected.train_on_batch(x[:2], y[:2])

    model.train_on_batch(x, y)
    head = Sequential(model.layers[3:])
    head.predict(np.zeros((1, 12)), verbose=0)
    model.train_on_batch(x[:2], y[:2])
    for ours, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_gradients_come_in_the_order_of_the_weights_and_are_copies(small_model, small_data):
    x, y = small_data(4)
    model = small_model()
    _, gradients = model.loss_and_gradients(x, y)
    assert [g.shape for g in gradients] == [w.shape for w in model.get_weights()]
    before = [g.copy() for g in gradients]
    model.loss_and_gradients(x[:2], y[:2])
    for gradient, same in zip(gradients, before, strict=True):
        np.testing.assert_array_equal(gradient, same)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Input((3,)), Input((4,)), Dense(2)],
        lambda: [Input((3,)), Input((3,)), Dense(2)],
        lambda: [Dense(2, input_shape=(3,)), Input((3,))],
    ],
)
def test_a_second_input_is_refused(make):
    with pytest.raises(ValueError, match="Input can only be the first layer"):
        Sequential(make())


@pytest.mark.parametrize(
    ("make", "shape", "what"),
    [
        (lambda: [Input((3,)), Dense(2, input_shape=(4,))], (), "was made for"),
        (lambda: [Dense(2, input_shape=(3,)), Dense(2, input_shape=(3,))], (), "was made for"),
        (lambda: [Dense(2), Dense(2, input_shape=(3,))], (None, 4), "was made for"),
        (lambda: [Dense(5), built(Dense(2), (4,))], (None, 4), "has weights for"),
    ],
)
def test_shapes_that_contradict_each_other_are_refused(make, shape, what):
    with pytest.raises(ValueError, match=rf"{what} inputs of shape .*, and what reaches it here"):
        model = Sequential(make())
        model.build(shape)


def built(layer, shape):
    layer.build(shape)
    return layer


def test_shapes_that_agree_may_be_told_twice():
    layer = built(Dense(2), (3,))
    weights = layer.get_weights()
    model = Sequential([Input((5,)), Dense(3, input_shape=(5,)), layer])
    np.testing.assert_array_equal(model.get_weights()[2], weights[0])
