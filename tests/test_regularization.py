"""What training adds: penalties in the loss, noise, moving statistics; and all of it saved."""

import numpy as np
import pytest

from tinycnn import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Sequential,
    load_model,
    regularizers,
)
from tinycnn.errors import ModelFileError
from tinycnn.gradient_check import check_model
from tinycnn.regularizers import L2


@pytest.fixture
def model():
    """A function that makes a compiled network of the layers beyond the reference one."""

    def make(optimizer="adam", seed=0, **arguments):
        made = Sequential(
            [
                Conv2D(4, 3, kernel_regularizer=L2(0.05), input_shape=(6, 6, 1), use_bias=False),
                BatchNormalization(momentum=0.9),
                AveragePooling2D((2, 2), strides=1),
                Conv2D(5, 2, activation="elu"),
                Flatten(),
                Dropout(0.3),
                Dense(4, activation="tanh", kernel_regularizer="l2"),
                Dense(3, activation="softmax"),
            ],
            seed=seed,
            **arguments,
        )
        made.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        return made

    return make


def penalty(model):
    return 0.05 * np.sum(np.square(model.layers[0].kernel.value)) + 0.01 * np.sum(
        np.square(model.layers[6].kernel.value)
    )


# --- penalties ------------------------------------------------------------------------------------


def test_l2_by_hand():
    # 0.5 * (1 + 4) and 2 * 0.5 * (1, -2): no factor 1/2 in the penalty
    value = np.array([1.0, -2.0])
    assert L2(0.5)(value) == 2.5
    np.testing.assert_array_equal(L2(0.5).gradient(value), [1, -2])
    assert L2().l2 == regularizers.get("l2").l2 == 0.01


def test_the_penalty_counts_in_training_and_in_evaluation(rung, model, small_data):
    x, y = small_data(10)
    network = model("sgd", dtype="float64")
    bare = model("sgd", dtype="float64")
    bare.set_weights(network.get_weights())
    for layer in bare.layers:
        for parameter in layer.parameters:
            parameter.regularizer = None
    expected = penalty(network)
    assert expected > 0.1
    close = {"rel": 1e-12}  # sums of a hundred products in float64
    for name in ("test_on_batch", "evaluate"):
        arguments = {"verbose": 0, "batch_size": 4} if name == "evaluate" else {}
        losses = [getattr(m, name)(x, y, **arguments)[0] for m in (network, bare)]
        assert losses[0] == pytest.approx(losses[1] + expected, **close)
    losses, gradients = zip(*(m.loss_and_gradients(x, y) for m in (network, bare)), strict=True)
    assert losses[0] == pytest.approx(losses[1] + expected, **close)
    learned = [p for p in network.parameters if p.trainable]
    for parameter, with_penalty, without in zip(learned, *gradients, strict=True):
        factor = {id(network.layers[0].kernel): 0.1, id(network.layers[6].kernel): 0.02}
        difference = factor.get(id(parameter), 0) * parameter.value
        np.testing.assert_allclose(with_penalty - without, difference, rtol=0, atol=1e-14)
    losses = [m.train_on_batch(x, y)[0] for m in (network, bare)]
    assert losses[0] == pytest.approx(losses[1] + expected, **close)
    history = network.fit(x, y, validation_data=(x, y), verbose=0).history
    assert history["val_loss"][0] == pytest.approx(
        network.evaluate(x, y, batch_size=32, verbose=0)[0], **close
    )


def test_only_the_penalty_draws_a_weight_that_meets_zeros(rung):
    """w shrinks by 1 - 2 * 0.1 * 0.5 = 0.9 at each step of SGD."""
    network = Sequential([Dense(2, use_bias=False, kernel_regularizer=L2(0.5), input_shape=(3,))])
    network.compile("sgd", "mse")
    network.optimizer.learning_rate = 0.1
    network.set_weights([np.ones((3, 2))])
    for _ in range(2):
        network.train_on_batch(np.zeros((4, 3)), np.zeros((4, 2)))
    np.testing.assert_allclose(network.get_weights()[0], np.full((3, 2), 0.81), rtol=1e-6)


def test_the_whole_network_passes_the_gradient_check(rung, model, small_data):
    report = check_model(model(), *small_data(5))
    report.raise_if_failed()
    assert len(report.comparisons) == 9
    assert not any("moving" in comparison.name for comparison in report.comparisons)


def test_a_wrong_factor_in_the_penalty_is_rejected(numpy_rung, model, small_data, monkeypatch):
    monkeypatch.setattr(L2, "gradient", lambda self, value: self.l2 * value)
    assert not check_model(model(), *small_data(5)).passed


# --- statistics -----------------------------------------------------------------------------------


def statistics(network):
    return [p.value.copy() for p in network.parameters if not p.trainable]


def same(one, other):
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_only_a_training_step_moves_the_statistics(rung, model, small_data):
    network, (x, y) = model(), small_data(8)
    before = statistics(network)
    assert len(before) == 2
    network.loss_and_gradients(x, y)
    network.loss_and_gradients(x, y, training=False)
    network.predict(x, verbose=0)
    network.evaluate(x, y, verbose=0)
    network.forward(x, training=True)
    check_model(network, x, y, directions=1)
    assert same(statistics(network), before)
    batch = network.layers[0].forward(x).reshape(-1, 4)
    network.train_on_batch(x, y)
    after = statistics(network)
    # Rounded in float32.
    np.testing.assert_allclose(after[0], 0.1 * batch.mean(axis=0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(after[1], 0.9 + 0.1 * batch.var(axis=0), rtol=1e-5)


def test_a_loss_that_is_not_finite_moves_no_statistic(rung, model, small_data):
    network, (x, y) = model(), small_data(8)
    network.train_on_batch(x, y)
    weights = network.get_weights()
    weights[-1][:] = np.nan  # the bias of the last layer; the statistics come from before it
    network.set_weights(weights)
    assert not np.isfinite(network.train_on_batch(x, y)[0])
    for before, after in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_goes_on_from_a_file_to_the_same_bits(rung, model, small_data, tmp_path, epochs):
    """Noise, statistics, penalties: a file holds all that the next epochs hang on."""
    x, y = small_data(20)
    whole = model()
    history = whole.fit(x, y, batch_size=8, epochs=2 * epochs, verbose=0).history
    half = model()
    half.fit(x, y, batch_size=8, epochs=epochs, verbose=0)
    half.save(tmp_path / "half.npz")
    loaded = load_model(tmp_path / "half.npz")
    assert same(statistics(loaded), statistics(half))
    assert loaded.layers[0].kernel_regularizer.l2 == 0.05
    rest = loaded.fit(x, y, batch_size=8, epochs=epochs, verbose=0).history
    assert rest["loss"] == history["loss"][epochs:]
    assert same(loaded.get_weights(), whole.get_weights())


def test_a_model_file_with_another_regularizer_is_refused(numpy_rung, model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        regularizers, "serialize", lambda regularizer: {"class_name": "L9", "config": {}}
    )
    model().save(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match="unknown regularizer"):
        load_model(tmp_path / "model.npz")


def test_weights_list_statistics_where_keras_does(numpy_rung, model):
    assert [w.shape for w in model().get_weights()[:6]] == [
        *((3, 3, 1, 4), (4,), (4,), (4,), (4,), (2, 2, 4, 5))
    ]
    names = [p.name for p in model().parameters[:5]]
    assert names == ["kernel", "gamma", "beta", "moving_mean", "moving_variance"]


def test_the_network_learns(rung):
    """Batch statistics in training, moving ones in evaluation: both must tell the classes apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    x = rng.random((200, 6, 6, 1))
    x[labels == 1, :3] += 0.5
    network = Sequential(
        [
            Conv2D(6, 3, input_shape=(6, 6, 1)),
            BatchNormalization(momentum=0.8),
            Conv2D(6, 3, activation="leaky_relu"),
            GlobalAveragePooling2D(),
            Dropout(0.2),
            Dense(2, activation="softmax"),
        ]
    )
    network.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    # Each processor's rounding is another training. With these numbers 60 seeds of 60 had all 200
    # right; with twice the rate and 15 epochs one of 60 had 191.
    network.optimizer.learning_rate = 0.005
    network.fit(x, labels, batch_size=20, epochs=20, verbose=0)
    assert network.evaluate(x, labels, verbose=0)[1] > 0.95
