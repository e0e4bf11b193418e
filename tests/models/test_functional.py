"""Keras's functional API for a chain of layers: symbols, models of them, views on inner outputs."""

import copy
import pickle

import numpy as np
import pytest

from tinycnn import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPooling2D,
    Model,
    Sequential,
    Softmax,
    load_model,
)
from tinycnn.layers import fused

pytestmark = pytest.mark.usefixtures("numpy_rung")

rng = np.random.default_rng(0)
X, Y = rng.random((12, 8, 8, 1), np.float32), np.eye(3)[rng.integers(3, size=12)]


def layers():
    return [
        Conv2D(4, 3, activation="relu"),
        MaxPooling2D(),
        Flatten(),
        Dropout(0.25),
        Dense(3, activation="softmax"),
    ]


def sequential(seed=3):
    return Sequential([Input((8, 8, 1)), *layers()], seed=seed)


def functional(seed=3):
    x = inputs = Input(shape=(8, 8, 1))
    for layer in layers():
        x = layer(x)
    return Model(inputs=inputs, outputs=x, seed=seed)


def trained(model):
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, Y, batch_size=5, epochs=2, validation_split=0.25, verbose=0)
    return model, history.history


def test_a_chain_is_a_sequential_to_the_bit():
    (one, first), (other, second) = trained(sequential()), trained(functional())
    assert first == second
    assert one.fingerprint() == other.fingerprint()
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers[1:]]


def test_the_shapes_of_symbols_are_known_at_once_and_no_weights_are_made():
    convolution, inputs = Conv2D(4, 3), Input((8, 8, 1))
    x = convolution(inputs)
    assert inputs.shape == (None, 8, 8, 1)
    assert x.shape == (None, 6, 6, 4)
    assert not convolution.built and not convolution.parameters
    with pytest.raises(ValueError, match="`kernel_size`"):
        Conv2D(2, 7)(x)


def test_a_view_on_an_inner_output():
    model, _ = trained(sequential())
    for index, layer in enumerate(model.layers):
        view = Model(model.inputs, layer.output)
        y = X
        with fused.off():
            for below in model.layers[: index + 1]:
                y = below.forward(y)
        np.testing.assert_array_equal(view.predict(X, verbose=0), y)
        assert layer.output.shape == (None, *y.shape[1:])
    before = view.predict(X, verbose=0)
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(view.predict(X, verbose=0), model.predict(X, verbose=0))
    assert not np.array_equal(view.predict(X, verbose=0), before)


def test_a_view_on_several_outputs_predicts_a_list():
    model = sequential()
    outputs = [layer.output for layer in model.layers[:3]]
    view = Model(inputs=model.input, outputs=outputs)
    found = view.predict(X, batch_size=5, verbose=0)
    for values, called, output in zip(found, view(X), outputs, strict=True):
        np.testing.assert_array_equal(values, called)
        single = Model(model.inputs, output).predict(X, batch_size=5, verbose=0)
        np.testing.assert_array_equal(values, single)
    assert Model(model.inputs, [model.output]).predict(X, verbose=0).shape == (12, 3)
    with pytest.raises(ValueError, match=r"trained on one output.*a model with 3 outputs"):
        view.compile("adam", "mse")


def test_a_view_that_begins_further_up():
    model = sequential()
    below = Model(model.inputs, model.layers[1].output)
    above = Model(model.layers[2].input, model.outputs[0])
    assert [layer.name for layer in above.layers[1:]] == ["flatten", "dropout", "dense"]
    y = above.predict(below.predict(X, verbose=0), verbose=0)
    np.testing.assert_array_equal(y, model.predict(X, verbose=0))


def test_a_model_is_called_on_a_symbol_and_put_into_another():
    base = Sequential(layers()[:3], seed=1)
    inputs = Input((8, 8, 1))
    model = Model(inputs, Dense(3)(base(inputs)), seed=2)
    twin = Sequential([Input((8, 8, 1)), base, model.layers[-1]])
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    assert [*twin.layers] == [*base.layers, model.layers[-1]]
    base.trainable = False
    assert model.learning == model.layers[-1].parameters


def test_a_softmax_on_a_trained_model():
    model = Sequential([Input((8, 8, 1)), Flatten(), Dense(3)], seed=4)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    probabilities = Sequential([model, Softmax()])(X)
    exp = np.exp(model.predict(X, verbose=0).astype(float))
    np.testing.assert_allclose(probabilities, exp / exp.sum(axis=1, keepdims=True), rtol=1e-6)
    assert len(model.layers) == 2


def test_a_model_that_does_not_fit_changes_nothing():
    model = Sequential([Input((8, 8, 1)), Conv2D(2, 3)], seed=0)
    before = model.fingerprint()
    with pytest.raises(ValueError, match="`kernel_size`"):
        model.add(Sequential([Conv2D(2, 3), Conv2D(2, 5)]))
    assert len(model.layers) == 1 and model.fingerprint() == before
    model.add(Flatten())
    assert model.output_shape == (72,)
    blocks = [Sequential([Conv2D(2, 3), Conv2D(2, 1)]) for _ in range(2)]
    names = [layer.name for layer in Sequential([Input((8, 8, 1)), *blocks]).layers]
    assert names == ["conv2d", "conv2d_1", "conv2d_2", "conv2d_3"]
    named = Sequential([Dense(2, name="same")]), Sequential([Dense(2, name="same")])
    with pytest.raises(ValueError, match="a layer's name must be unique"):
        Sequential([Input((3,)), *named])


def two_inputs():
    a, b = Input((3,)), Input((3,))
    return Model([a, b], Dense(2)(a))


def two_branches():
    x = Dense(4)(inputs := Input((3,)))
    return Model(inputs, [Dense(2)(x), Dense(2)(x)])


def not_connected():
    return Model(Input((3,)), Dense(2)(Input((3,))))


def arithmetic():
    x = Dense(3)(inputs := Input((3,)))
    return x + inputs


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (two_inputs, ValueError, r"one chain of layers, with one input\. Received: 2 inputs"),
        (two_branches, ValueError, "all outputs must lie on it.*2 outputs on different branches"),
        (not_connected, ValueError, "no chain of layers leads from the inputs, Input, to the out"),
        (arithmetic, TypeError, "holds no numbers.* without branches or arithmetic between them"),
        (lambda: 2.0 * Input((3,)), TypeError, "holds no numbers, and only a layer can take it"),
        (lambda: np.exp(Input((3,))), TypeError, "holds no numbers"),
        (lambda: Dense(2)([Input((3,)), Input((3,))]), TypeError, "holds no numbers"),
        (lambda: Model(Input((3,)), X), ValueError, "`outputs` must be an Input, what layers made"),
        (lambda: Model(3, Input((3,))), ValueError, r"`inputs` must be .*\. Received: inputs=3"),
        (lambda: Model(Input((3,)), []), ValueError, r"`outputs` must .*Received: outputs=\[\]"),
        (lambda: Dense(2).output, AttributeError, "Dense has no input and no output until a model"),
        (lambda: sequential().get_layer("fc"), ValueError, r"dropout, dense\. Received: name='fc'"),
        (lambda: sequential().get_layer(index=5), ValueError, r"Received: index=5"),
        (lambda: sequential().get_layer(), ValueError, "get_layer takes a name or an index, one"),
        (lambda: Sequential().pop(), ValueError, "no layers: there is none to take off"),
        (lambda: Sequential([Dense(2)]).input, ValueError, "give the first layer an input_shape"),
    ],
)
def test_what_is_no_chain_is_refused_in_one_line(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_built_layer_goes_on_symbols_of_its_own_shape_only():
    layer = Dense(2)
    layer.build((3,))
    assert layer(Input((3,))).shape == (None, 2)
    with pytest.raises(ValueError, match=r"has weights for inputs of shape \(3,\).*\(None, 4\)"):
        layer(Input((4,)))


def test_a_layer_keeps_the_place_it_has_in_its_first_model():
    model = sequential()
    flatten = model.layers[2]
    Sequential([Input((3, 3, 4)), flatten])
    assert flatten.input.layers == (model.input.layers[0], *model.layers[:2])


def test_layers_of_one_s_own_can_be_called():
    class Twice(Layer):
        def forward(self, x, training=False):
            x = self.receive(x)
            self.cache = ()
            return 2 * x

    inputs = Input((3,))
    model = Model(inputs, Twice()(inputs))
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), [[2, 2, 2]])


def test_models_can_be_copied_saved_and_loaded(tmp_path):
    model, _ = trained(functional())
    y = model.predict(X, verbose=0)
    model.save(tmp_path / "model.npz")
    for twin in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        load_model(tmp_path / "model.npz"),
    ):
        np.testing.assert_array_equal(twin.predict(X, verbose=0), y)
        view = Model(twin.inputs, twin.layers[1].output)
        assert view.layers[0] is twin.layers[0] is not model.layers[0]


def test_a_long_chain_can_be_copied():
    x = inputs = Input((2,))
    for _ in range(400):
        x = Flatten()(x)
    model = Model(inputs, x)
    twin = copy.deepcopy(model.layers[-1])  # with the chain that it ends
    assert len(twin.input.layers) == 400
    assert len(pickle.loads(pickle.dumps(model)).layers) == 401


def test_pop_and_summary(capsys):
    model = functional()
    assert model.pop().units == 3
    assert model.output_shape == (36,)
    model.summary()
    printed = capsys.readouterr().out
    assert 'Model: "functional"' in printed
    assert "input_layer (InputLayer)" in printed and "dense" not in printed
    lines = []
    model.summary(print_fn=lines.append)
    assert "".join(lines).strip() == printed.strip()
    with pytest.raises(TypeError, match="summary has no argument `line_length`"):
        model.summary(line_length=100)


def test_the_layers_of_a_functional_model_begin_with_its_input():
    model = functional()
    first = model.layers[0]
    assert isinstance(first, Input) and first.name == "input_layer"
    assert model.get_layer(index=0) is first and model.get_layer("input_layer") is first
    assert model.get_layer(index=1) is model.layers[1] and model.layers[1].name == "conv2d"
    assert first.output is first.input is model.input and first.get_weights() == []
    assert first.output.shape == (None, 8, 8, 1) and first.count_params() == 0
    assert [name for name, *_ in model.rows()][:2] == [
        "input_layer (InputLayer)",
        "conv2d (Conv2D)",
    ]
    y = X
    for layer in model.layers:  # a fold by hand passes through it
        y = layer.forward(y)
    np.testing.assert_allclose(y, model.predict(X, verbose=0), 1e-6)
    assert Input not in map(type, sequential().layers)


@pytest.mark.parametrize("ending", [".npz", ".keras", ".h5"])
def test_a_saved_functional_model_still_begins_with_its_input(ending, tmp_path):
    if ending != ".npz":
        pytest.importorskip("h5py")
    inputs = Input((8, 8, 1), name="images")
    model = trained(Model(inputs, Dense(3, activation="softmax")(Flatten()(inputs)), seed=1))[0]
    path = tmp_path / f"model{ending}"
    model.save(path)
    loaded = load_model(path)
    names = [layer.name for layer in loaded.layers]
    assert names == ["images", "flatten", "dense"] == [layer.name for layer in model.layers]
    assert loaded.fingerprint() == model.fingerprint()
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    again = Model(loaded.inputs, loaded.layers[1].output)
    assert again.output_shape == (64,)
