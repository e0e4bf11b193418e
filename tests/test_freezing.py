"""`trainable`: what is frozen does not change, and costs no gradient work that nobody needs."""

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adam,
    BatchNormalization,
    Checkpoint,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPooling2D,
    Sequential,
    load_model,
)
from tinycnn.parameter import Parameter

X = np.random.default_rng(1).random((12, 6, 6, 2), np.float32)
Y = np.eye(3)[np.random.default_rng(2).integers(0, 3, 12)]


def network(frozen=(), optimizer="adam", **arguments):
    """Two convolutions (0, 2), a batch normalisation (1), two dense layers (5, 6)."""
    model = Sequential(
        [
            Conv2D(3, 2, activation="relu", input_shape=(6, 6, 2), **arguments),
            BatchNormalization(momentum=0.5),
            Conv2D(4, 2, activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(5, activation="tanh", **arguments),
            Dense(3, activation="softmax"),
        ],
        seed=3,
    )
    for index in frozen:
        model.layers[index].trainable = False
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def changed(model, before):
    """Which arrays of the weights have changed."""
    return [not np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True)]


def weights_of(model, index):
    """The slice of `get_weights` that is the layer's."""
    start = sum(len(layer.parameters) for layer in model.layers[:index])
    return range(start, start + len(model.layers[index].parameters))


@pytest.mark.parametrize("frozen", [(0,), (5,), (0, 1, 2), (1,), (6,), (0, 5), (0, 1, 2, 5)])
def test_frozen_layers_keep_their_weights_and_the_others_learn(frozen, rung):
    model = network(frozen)
    before = model.get_weights()
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    kept = {i for index in frozen for i in weights_of(model, index)}
    assert changed(model, before) == [i not in kept for i in range(len(before))]


def test_freezing_and_thawing_takes_effect_at_once(numpy_rung):
    model = network(optimizer=Adam(0.01))
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    model.layers[0].trainable = False
    model.fit(X, Y, verbose=0)
    assert changed(model, before)[:2] == [False, False] and changed(model, before)[-1]
    model.layers[0].trainable = True
    model.fit(X, Y, verbose=0)  # its moments have waited for it
    assert all(changed(model, before))


def test_what_was_frozen_when_the_training_began_needs_a_new_optimizer(numpy_rung):
    model = network(frozen=[0])
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = True
    with pytest.raises(ValueError, match="compile again once more layers are trainable"):
        model.fit(X, Y, verbose=0)
    before = model.get_weights()
    model.compile("adam", "categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    assert all(changed(model, before))


def test_no_gradient_work_below_the_lowest_layer_that_learns(rung):
    model = network(frozen=[0, 1, 2])
    asked = []
    for layer in model.layers[:5]:
        layer.backward = lambda dy, layer=layer: asked.append(layer)
    model.train_on_batch(X, Y)
    assert asked == [] and not model.layers[5].needs_input_gradient
    whole = network(frozen=[0, 1, 2])
    dx = whole.backward(np.ones_like(whole.forward(X)))  # somebody wants it: all the way down
    assert dx.shape == X.shape and np.any(dx)


def test_a_backward_without_dx_returns_none_whatever_the_lowest_layer_makes(numpy_rung):
    model = Sequential([BatchNormalization(input_shape=(4,)), Dense(2)])
    y = model.forward(np.ones((3, 4)))
    assert model.backward(y, needs_dx=False) is None
    assert model.backward(y).shape == (3, 4)
    with pytest.raises(ValueError, match="ends neither in a softmax nor in a sigmoid"):
        model.backward(y, from_logits=True)


def test_the_gradients_of_the_others_are_those_of_an_unfrozen_model(numpy_rung):
    model, free = network(frozen=[2, 6]), network()
    loss, gradients = model.loss_and_gradients(X, Y)
    free_loss, all_gradients = free.loss_and_gradients(X, Y)
    assert loss == free_loss
    learns = [p.learns for p in model.parameters if p.trainable]
    expected = [g for g, kept in zip(all_gradients, learns, strict=True) if kept]
    assert len(gradients) == len(expected) == 6
    assert all(np.array_equal(a, b) for a, b in zip(gradients, expected, strict=True))


def test_a_frozen_batch_normalisation_is_in_inference(rung):
    layer = BatchNormalization()
    layer.build((2,))
    x = X[..., :2].reshape(-1, 2)
    free = layer.forward(x, training=True)
    layer.trainable = False
    frozen = layer.forward(x, training=True)
    np.testing.assert_array_equal(frozen, layer.forward(x))
    assert not np.allclose(frozen, free)
    layer.update_statistics()
    np.testing.assert_array_equal(layer.moving_mean.value, np.zeros(2))
    dy = np.ones_like(x)
    np.testing.assert_array_equal(layer.backward(dy), dy / np.sqrt(np.float32(1.001)))


def test_a_frozen_layer_is_not_regularized(numpy_rung):
    free, frozen = network(kernel_regularizer="l2"), network(kernel_regularizer="l2")
    plain = network()
    assert free.test_on_batch(X, Y)[0] > plain.test_on_batch(X, Y)[0]
    frozen.trainable = False
    assert frozen.test_on_batch(X, Y) == plain.test_on_batch(X, Y)


def test_dropout_is_not_frozen(numpy_rung):
    layer = Dropout(0.5, trainable=False)
    layer.rng = np.random.default_rng(0)
    assert (layer.forward(np.ones((4, 50)), training=True) == 0).any()


def test_a_frozen_model_learns_nothing_and_says_so(numpy_rung):
    model = network()
    model.trainable = False
    assert [layer.trainable for layer in model.layers] == [False] * 7
    before = model.fingerprint()
    with pytest.warns(UserWarning, match="no parameter of the model learns"):
        model.fit(X, Y, verbose=0)
    model.layers[0].trainable = True  # as in Keras the model's own flag is above its layers'
    with pytest.warns(UserWarning, match="no parameter of the model learns"):
        model.fit(X, Y, verbose=0)
    assert model.fingerprint() == before and model.learning == []
    model.trainable = True
    model.fit(X, Y, verbose=0)
    assert model.fingerprint() != before


@pytest.mark.parametrize("value", [None, "no", [], 2, np.array([True])])
def test_trainable_is_true_or_false(value):
    layer, model = Dense(2), network()
    for act in (
        lambda: Dense(2, trainable=value),
        lambda: Sequential(trainable=value),
        lambda: setattr(layer, "trainable", value),
        lambda: setattr(model, "trainable", value),
    ):
        with pytest.raises(ValueError, match="`trainable` must be True or False"):
            act()
    assert layer.trainable and model.trainable and model.layers[0].trainable


def test_a_parameter_made_by_hand_is_frozen_with_its_layer(numpy_rung):
    class Own(Dense):
        def build(self, input_shape, rng=None, dtype="float32"):
            self.extra = Parameter("extra", np.zeros(2, dtype))
            super().build(input_shape, rng, dtype)
            self.parameters.append(self.extra)
            return self.finish_build(input_shape, self.output_shape, dtype)

    layer = Own(2, trainable=False)
    layer.build((3,))
    assert [p.frozen for p in layer.parameters] == [True] * 3
    layer.trainable = True
    assert [p.learns for p in layer.parameters] == [True] * 3


def test_frozen_layers_are_saved_and_go_on_frozen(tmp_path, numpy_rung):
    model = network(frozen=[0, 1])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert [layer.trainable for layer in loaded.layers] == [False, False, *[True] * 5]
    assert loaded.trainable
    for each in (model, loaded):
        each.fit(X, Y, verbose=0)
    assert loaded.fingerprint() == model.fingerprint()
    model.trainable = False
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert not loaded.trainable and loaded.learning == []


def test_a_model_made_frozen_leaves_its_layers_as_they_are(tmp_path, numpy_rung):
    model = Sequential([Dense(2, input_shape=(3,)), Dense(1, trainable=False)], trainable=False)
    model.save(tmp_path / "model.npz")
    for each in (model, load_model(tmp_path / "model.npz")):
        assert not each.trainable and each.learning == []
        assert [layer.trainable for layer in each.layers] == [True, False]


def test_a_model_frozen_after_its_training_can_be_saved(tmp_path, numpy_rung):
    model = network()
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    for each in (model, loaded):
        each.fit(X, Y, verbose=0)
    assert loaded.fingerprint() == model.fingerprint()


def test_a_training_is_resumed_with_the_layers_frozen_as_they_were(tmp_path, numpy_rung):
    def trained(epochs, frozen, resume):
        model = network(frozen, SGD(0.1, momentum=0.9))
        hook = Checkpoint(tmp_path / "checkpoint.npz", resume=resume)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[hook])
        return model.fingerprint()

    whole = trained(4, [0], resume=False)
    trained(2, [0], resume=False)
    with pytest.raises(ValueError, match=r"layers\[0\].trainable` was False"):
        trained(4, [], resume=True)
    assert trained(4, [0], resume=True) == whole


def test_the_summary_counts_what_learns(capsys):
    model = network(frozen=[0])
    model.summary()
    text = capsys.readouterr().out
    total = model.count_params()
    kept = 3 * 8 + 3 + 6  # the first convolution, and the moving statistics
    assert f" Trainable params: {total - kept:,} (" in text
    assert f" Non-trainable params: {kept:,} (" in text


def test_the_config_of_a_layer_says_whether_it_is_frozen():
    layer = Dense(2, trainable=False)
    assert layer.get_config()["trainable"] is False
    assert Dense.from_config(layer.get_config()).trainable is False
    assert Dense(2).get_config()["trainable"] is True
    assert Input.from_config(Input((3,)).get_config()).input_shape == (3,)

    class Own(Layer):
        def __init__(self, size, name=None):
            super().__init__(name=name)
            self.size = size

        def get_config(self):
            return {**super().get_config(), "size": self.size}

    own = Own(3)
    own.trainable = False
    again = Own.from_config(own.get_config())
    assert again.size == 3 and again.trainable is False
