"""fit, evaluate, predict: Keras's semantics, and randomness that the seed decides."""

from itertools import chain

import numpy as np
import pytest

import tinycnn
from tinycnn import (
    SGD,
    Adam,
    Callback,
    CategoricalCrossentropy,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Layer,
    MaxPooling2D,
    NumericalError,
    Rescaling,
    Sequential,
)
from tinycnn.support import data


class Recorder(Layer):
    """The identity; notes the samples it sees, and whether in training."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.trained, self.inferred = [], []

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = ()
        (self.trained if training else self.inferred).append([int(v) for v in x[:, 0]])
        return x


class Noise(Layer):
    """Switches a random half of its inputs off; notes every mask and every generator."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.rng = None
        self.masks = []

    def forward(self, x, training=False):
        x = self.receive(x)
        mask = np.ones_like(x)
        if training:
            mask = (self.rng.random(x.shape) < 0.5).astype(x.dtype)
            self.masks.append(mask)
        self.cache = (mask,)
        return x * mask

    def backward(self, dy):
        (mask,) = self.recall()
        return dy * mask


def recording_model(optimizer=None, seed=0, **arguments):
    """A recorder under one weight that starts at 0 and, by default, never moves."""
    model = Sequential(
        [Input((1,)), Recorder(), Dense(1, use_bias=False, kernel_initializer="zeros")],
        seed=seed,
        **arguments,
    )
    model.compile(optimizer or SGD(0.0), "mse")
    return model


def numbered(n):
    """Samples that are their own number, and targets of 0."""
    return np.arange(float(n)).reshape(n, 1), np.zeros((n, 1))


pytestmark = pytest.mark.usefixtures("numpy_rung")


# --- the validation split -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "split", "at"),
    [
        (60000, 0.2, 48000),
        # Keras's rounding, measured: 1 - 0.8 is 0.19999999999999996 in floating point.
        (60000, 0.8, 11999),
        (60000, 0.9, 5999),
        (100, 0.8, 19),
        (10, 0.5, 5),
        (7, 0.5, 3),
        (5, 0.01, 4),
    ],
)
def test_split_is_keras_s_to_the_rounding(n, split, at):
    assert data.split_at(n, split) == at


@pytest.mark.parametrize(("n", "split"), [(10, 0.9), (1, 0.5), (3, 1e-20)])
def test_split_that_leaves_a_part_empty_is_an_error(n, split):
    with pytest.raises(ValueError, match=f"both need at least one.*of {n} samples"):
        data.split_at(n, split)


def test_the_last_part_is_for_validation_before_any_shuffling():
    model = recording_model()
    model.fit(*numbered(100), batch_size=8, validation_split=0.8, verbose=0)
    layer = model.layers[0]
    # floor(100 * (1 - 0.8)) = 19, see above
    assert sorted(chain(*layer.trained)) == list(range(19))
    assert list(chain(*layer.inferred)) == list(range(19, 100))  # in the order they are in
    assert [len(b) for b in layer.inferred] == [8] * 10 + [1]


def test_validation_data_replaces_the_split():
    model = recording_model()
    x_val = np.array([[1000.0], [1001.0]])
    model.fit(
        *numbered(6), validation_split=0.5, validation_data=(x_val, np.zeros((2, 1))), verbose=0
    )
    assert sorted(chain(*model.layers[0].trained)) == list(range(6))
    assert model.layers[0].inferred == [[1000, 1001]]


# --- the order of the samples ---------------------------------------------------------------------


def test_unshuffled_batches_keep_the_order_and_the_last_one_is_smaller():
    model = recording_model()
    model.fit(*numbered(7), batch_size=3, epochs=2, shuffle=False, verbose=0)
    assert model.layers[0].trained == [[0, 1, 2], [3, 4, 5], [6]] * 2
    assert model.steps_trained == 6


def orders(model, n, *fits, **arguments):
    """The order of the samples in every epoch of `fits`, each a number of epochs."""
    for epochs in fits:
        model.fit(*numbered(n), batch_size=n, epochs=epochs, verbose=0, **arguments)
    return model.layers[0].trained


def test_each_epoch_of_each_fit_has_a_permutation_of_its_own():
    seen = orders(recording_model(), 50, 2, 2)
    assert all(sorted(order) == list(range(50)) for order in seen)
    assert len({tuple(order) for order in [*seen, list(range(50))]}) == 5


def test_order_depends_on_the_seed_and_the_epoch_of_the_models_life_only():
    expected = orders(recording_model(seed=3), 20, 3)
    assert orders(recording_model(seed=3), 20, 1, 2) == expected
    assert orders(recording_model(seed=4), 20, 3) != expected
    # The number that `initial_epoch` starts with is for the eyes: epochs lived are counted.
    assert orders(recording_model(seed=3), 20, 5, initial_epoch=2) == expected


def test_a_permutation_is_cut_into_batches():
    whole = orders(recording_model(), 20, 1)[0]
    model = recording_model()
    model.fit(*numbered(20), batch_size=8, verbose=0)
    assert model.layers[0].trained == [whole[:8], whole[8:16], whole[16:]]


def test_samples_and_targets_stay_together():
    model = Sequential([Input((1,)), Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(0.0), "mse")
    x, _ = numbered(20)
    # y = x for each sample: the loss is 0 in any order, but only of pairs.
    assert model.fit(x, x, batch_size=3, verbose=0).history["loss"] == [0.0]


def test_samples_are_chosen_from_arrays_of_any_strides():
    x = np.arange(240).reshape(20, 3, 4)
    order = np.random.default_rng(0).permutation(20)[:8]
    for array in (x, x[::2].repeat(2, axis=0)[::-1], x.transpose(0, 2, 1), np.asfortranarray(x)):
        batch = data.Data(array, array[:, 0]).chosen(order)
        np.testing.assert_array_equal(batch.x, np.stack([array[i] for i in order]))
        np.testing.assert_array_equal(batch.y, np.stack([array[i, 0] for i in order]))
    # One row in the memory, seen as 2^40: nothing but the batch is copied.
    endless = np.broadcast_to(np.arange(4.0), (1 << 40, 4))
    assert data.Data(endless, endless).chosen(order).x.shape == (8, 4)


# --- noise ----------------------------------------------------------------------------------------


def noisy_model(seed=0):
    model = Sequential([Input((8,)), Noise(), Dense(8, "relu"), Noise(), Dense(1)], seed=seed)
    model.compile(SGD(0.01), "mse")
    return model


def noisy_data():
    return np.ones((12, 8)), np.zeros((12, 1))


def masks(model, layer=0):
    return np.array(model.layers[layer].masks)


def test_noise_is_new_in_every_step_and_for_every_layer():
    model = noisy_model()
    model.fit(*noisy_data(), batch_size=4, epochs=2, verbose=0)
    first, second = masks(model, 0), masks(model, 2)
    assert first.shape == second.shape == (6, 4, 8)
    # Of 12 masks of 32 random bits no two are equal by chance (66 pairs at 2^-32).
    assert len({mask.tobytes() for mask in [*first, *second]}) == 12


def test_noise_depends_on_the_seed_and_the_step_only():
    whole, halves, other = noisy_model(), noisy_model(), noisy_model(seed=1)
    whole.fit(*noisy_data(), batch_size=4, epochs=2, verbose=0)
    for _ in range(2):
        halves.fit(*noisy_data(), batch_size=4, verbose=0)
        halves.predict(noisy_data()[0], verbose=0)  # draws nothing
    other.fit(*noisy_data(), batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(masks(whole), masks(halves))
    for ours, theirs in zip(whole.get_weights(), halves.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(masks(whole), masks(other))


def test_there_is_no_noise_in_inference():
    model = noisy_model()
    x, y = noisy_data()
    model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.test_on_batch(x, y)
    model.loss_and_gradients(x, y, training=False)
    assert model.layers[0].masks == []
    assert model.layers[0].rng is None
    model.fit(x, y, batch_size=12, validation_data=(x, y), verbose=0)
    assert len(model.layers[0].masks) == 1


def test_gradients_are_those_of_the_next_step():
    # loss_and_gradients draws the noise of the step to come, as often as it is asked.
    model = noisy_model()
    x, y = noisy_data()
    first, again = model.loss_and_gradients(x, y), model.loss_and_gradients(x, y)
    before = model.get_weights()
    loss = model.train_on_batch(x, y)
    assert first[0] == again[0] == loss
    np.testing.assert_array_equal(masks(model)[0], masks(model)[2])
    for old, new, gradient in zip(before, model.get_weights(), first[1], strict=True):
        np.testing.assert_array_equal(new, old - gradient * np.float32(0.01))


# --- what an epoch reports ------------------------------------------------------------------------


def test_means_count_samples_not_batches():
    # The weight is 0 and stays 0, so the losses are y^2: 0, 0, 0, 0, 100. Their mean is 20; the
    # mean of the means of the batches (0, 0, 100) would be 33.3.
    x, y = np.ones((5, 1)), np.array([[0.0], [0.0], [0.0], [0.0], [10.0]])
    model = recording_model()
    assert model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history == {"loss": [20.0]}
    assert model.evaluate(x, y, batch_size=2, verbose=0) == 20.0
    history = model.fit(x, y, batch_size=5, validation_data=(x, y), verbose=0)
    assert history.history["val_loss"] == [20.0]


def test_accuracy_counts_samples_not_batches(small_model, small_data):
    model = small_model(SGD(0.0))
    x, _ = small_data(5)
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.zeros_like(kernel), [0, 1, 0]])  # always says 1
    y = np.eye(3)[[1, 1, 1, 1, 0]]
    # 4 of 5; the mean of the batches' 1, 1 and 0 would be 0.667. Batches of 2, 2, 1.
    history = model.fit(
        x, y, batch_size=2, shuffle=False, validation_data=(x, y), verbose=0
    ).history
    assert history["accuracy"] == history["val_accuracy"] == [0.8]
    assert model.evaluate(x, y, batch_size=2, verbose=0)[1] == 0.8


def test_loss_is_from_before_the_update_and_validation_from_after_it():
    # y = w x with x = y = 1, lr = 1/4: loss (1 - w)^2, gradient -2 (1 - w), so 1 - w halves each
    # step: 1, 1/2, 1/4. All exact in binary.
    model = recording_model(SGD(0.25))
    one = np.ones((1, 1))
    history = model.fit(one, one, epochs=2, validation_data=(one, one), verbose=0)
    assert history.history == {"loss": [1.0, 0.25], "val_loss": [0.25, 0.0625]}
    assert model.train_on_batch(one, one) == 0.0625
    assert model.test_on_batch(one, one) == 1 / 64
    assert model.evaluate(one, one, verbose=0) == 1 / 64


def test_history_has_keras_s_keys_in_keras_s_order(small_model, small_data):
    history = small_model().fit(
        *small_data(10), epochs=4, initial_epoch=2, validation_split=0.2, verbose=0
    )
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [2, 3]
    assert all(type(v) is float for values in history.history.values() for v in values)
    assert all(len(values) == 2 for values in history.history.values())
    assert history.params == {"epochs": 4, "steps": 1, "verbose": 0}


def test_nothing_is_left_to_do_if_the_first_epoch_is_the_last(small_model, small_data):
    model = small_model()
    before = model.get_weights()
    history = model.fit(*small_data(4), epochs=2, initial_epoch=2, verbose=0)
    assert history.epoch == []
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_without_metrics_there_is_a_loss_alone():
    model = recording_model()
    x, y = numbered(4)
    assert list(model.fit(x, y, validation_split=0.5, verbose=0).history) == ["loss", "val_loss"]
    assert type(model.evaluate(x, y, verbose=0)) is float
    assert type(model.train_on_batch(x, y)) is float


# --- one batch, many batches, all the same --------------------------------------------------------


def test_one_batch_of_fit_is_train_on_batch(small_model, small_data, rung):
    x, y = small_data(8)
    by_fit, by_hand = small_model(), small_model()
    history = by_fit.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
    assert by_hand.train_on_batch(x, y) == [history["loss"][0], history["accuracy"][0]]
    for ours, theirs in zip(by_fit.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert by_fit.test_on_batch(x, y) == by_fit.evaluate(x, y, batch_size=8, verbose=0)


def test_evaluate_does_not_depend_on_the_batch_size(small_model, small_data, rung):
    x, y = small_data(37)
    model = small_model()
    loss, accuracy = model.evaluate(x, y, batch_size=37, verbose=0)
    for batch_size in (1, 5, 32, 100):
        values = model.evaluate(x, y, batch_size=batch_size, verbose=0)
        # float32 sums of 12 products may be taken in another order: some 1e-7.
        assert values[0] == pytest.approx(loss, rel=2e-6)
        assert values[1] == accuracy


def test_predict_does_not_depend_on_the_batch_size(small_model, small_data, rung):
    x, _ = small_data(37)
    model = small_model()
    whole = model.predict(x, batch_size=37, verbose=0)
    assert whole.shape == (37, 3)
    assert whole.dtype == "float32"
    for batch_size in (1, 5, 32):
        # As above; probabilities are at most 1.
        np.testing.assert_allclose(
            model.predict(x, batch_size=batch_size, verbose=0), whole, rtol=0, atol=1e-6
        )
    # One by one, each sample by itself.
    np.testing.assert_allclose(model.predict(x[20:21], verbose=0), whole[20:21], rtol=0, atol=1e-6)


def test_nothing_is_learned_by_looking(small_model, small_data, rung):
    x, y = small_data(6)
    model = small_model()
    model.fit(x, y, verbose=0)
    before, state = model.get_weights(), model.optimizer.iterations
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    model.test_on_batch(x, y)
    model.loss_and_gradients(x, y)
    assert (model.optimizer.iterations, model.steps_trained, model.epochs_trained) == (state, 1, 1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_data_are_left_alone(small_model, small_data, rung):
    x, y = small_data(10)
    x_before, y_before = x.copy(), y.copy()
    model = small_model()
    model.fit(x, y, batch_size=4, validation_split=0.2, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)


@pytest.mark.parametrize("work", ["predict", "evaluate", "fit"])
def test_caches_are_dropped_at_the_end(work, small_model, small_data):
    model = small_model()
    x, y = small_data(4)
    model.forward(x)
    assert all(layer.cache is not None or layer.forward_apart for layer in model.layers)
    getattr(model, work)(*(x, y)[: 1 if work == "predict" else 2], verbose=0)
    assert all(layer.cache is None and not layer.forward_apart for layer in model.layers)


def test_images_may_come_without_their_one_channel(small_model, small_data):
    x, y = small_data(6)
    model, same = small_model(), small_model()
    model.fit(x[..., 0], y, verbose=0)
    same.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.predict(x[..., 0], verbose=0), same.predict(x, verbose=0))
    assert model.evaluate(x[..., 0], y, verbose=0) == same.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "float16", "bool"])
def test_any_numbers_will_do(dtype, small_model, small_data):
    x, y = small_data(6)
    x = (x > 0.5).astype(dtype)
    prediction = small_model().predict(x, verbose=0)
    assert prediction.dtype == "float32"
    expected = small_model().predict(x.astype("float32"), verbose=0)
    np.testing.assert_array_equal(prediction, expected)
    small_model().fit(x, y.astype(dtype), verbose=0)


def test_lists_will_do():
    model = recording_model(SGD(0.25))
    assert model.fit([[1.0]], [[1.0]], verbose=0).history == {"loss": [1.0]}
    assert model.predict([[1.0], [2.0]], verbose=0).tolist() == [[0.5], [1.0]]


@pytest.mark.parametrize("labels", [[0, 1, 2, 0], [[0], [1], [2], [0]], [0.0, 1.0, 2.0, 0.0]])
def test_integer_labels_are_the_one_hot_ones(labels, small_model, small_data):
    x, _ = small_data(4)
    sparse, dense = small_model(loss="sparse_categorical_crossentropy"), small_model()
    expected = dense.fit(x, np.eye(3)[[0, 1, 2, 0]], verbose=0).history
    assert sparse.fit(x, np.array(labels), verbose=0).history == expected
    for ours, theirs in zip(sparse.get_weights(), dense.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# --- callbacks ------------------------------------------------------------------------------------


class Tracer(Callback):
    """Notes every call in a list that it shares with others."""

    def __init__(self, name, events):
        self.name, self.events = name, events

    def on_train_begin(self, logs=None):
        self.events.append(f"{self.name} train begin")

    def on_train_end(self, logs=None):
        self.events.append(f"{self.name} train end {logs['loss']}")

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"{self.name} epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"{self.name} epoch {epoch} end {logs['loss']}")

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append(f"{self.name} batch {batch} begin")

    def on_train_batch_end(self, batch, logs=None):
        self.events.append(f"{self.name} batch {batch} end {logs['loss']}")


def test_callbacks_are_called_in_keras_s_order():
    events = []
    model = recording_model()
    # Losses 1 and 9: the running mean is 1, then 5.
    model.fit(
        [[1.0], [1.0]],
        [[1.0], [3.0]],
        batch_size=1,
        shuffle=False,
        verbose=0,
        callbacks=[Tracer("a", events), Tracer("b", events)],
    )
    moments = [
        "train begin",
        "epoch 0 begin",
        "batch 0 begin",
        "batch 0 end 1.0",
        "batch 1 begin",
        "batch 1 end 5.0",
        "epoch 0 end 5.0",
        "train end 5.0",
    ]
    assert events == [f"{name} {moment}" for moment in moments for name in "ab"]


class Hook(Callback):
    """A callback made of one function for one hook."""

    def __init__(self, hook, function):
        setattr(self, hook, lambda *arguments: function(self, *arguments))


def test_callbacks_know_the_model_and_share_their_logs(small_model, small_data):
    seen = []

    def write(self, epoch, logs):
        seen.append((self.model.optimizer.learning_rate, self.params["steps"], sorted(logs)))
        logs["learning_rate"] = self.model.optimizer.learning_rate

    def read(self, epoch, logs):
        seen.append(logs["learning_rate"])

    history = small_model(SGD(0.5)).fit(
        *small_data(10),
        batch_size=3,
        validation_split=0.2,
        verbose=0,
        callbacks=[Hook("on_epoch_end", write), Hook("on_epoch_end", read)],
    )
    keys = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert seen == [(0.5, 3, keys), 0.5]
    assert list(history.history) == [*keys, "learning_rate"]
    assert history.history["learning_rate"] == [0.5]


def stop(self, *_):
    self.model.stop_training = True


def test_training_stops_after_the_epoch(small_model, small_data):
    model = small_model()
    history = model.fit(*small_data(4), epochs=5, verbose=0, callbacks=[Hook("on_epoch_end", stop)])
    assert history.epoch == [0]
    # The wish was for that fit alone.
    assert model.fit(*small_data(4), epochs=2, verbose=0).epoch == [0, 1]


def test_training_stops_after_the_batch(small_model, small_data):
    events = []
    model = small_model()
    history = model.fit(
        *small_data(10),
        batch_size=2,
        epochs=5,
        validation_split=0.2,
        verbose=0,
        callbacks=[Hook("on_train_batch_end", stop), Tracer("t", events)],
    )
    assert model.steps_trained == 1
    # As in Keras the epoch is still validated, reported and ended.
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert [event.split(" end")[0] for event in events if "end" in event] == [
        "t batch 0",
        "t epoch 0",
        "t train",
    ]


def test_learning_rate_may_be_changed_on_the_way():
    # 1 - w is 1; halved at lr 1/4 (see above); untouched at lr 0.
    def freeze(self, epoch, logs):
        self.model.optimizer.learning_rate = 0.0

    model = recording_model(SGD(0.25))
    one = np.ones((1, 1))
    history = model.fit(one, one, epochs=3, verbose=0, callbacks=[Hook("on_epoch_end", freeze)])
    assert history.history["loss"] == [1.0, 0.25, 0.25]


# --- when numbers go wrong ------------------------------------------------------------------------


def poison(at_step):
    def hook(self, batch, logs):
        if self.model.steps_trained == at_step:
            self.model.parameters[-1].value[...] = np.nan

    return Hook("on_train_batch_begin", hook)


def test_a_loss_that_is_not_finite_ends_the_training(small_model, small_data, rung):
    model, x, y = small_model(SGD(0.125)), *small_data(8)
    expected = small_model(SGD(0.125))
    expected.fit(x, y, batch_size=2, verbose=0)
    expected.fit(x, y, batch_size=2, verbose=0, callbacks=[StopAfter(2)])
    with pytest.raises(NumericalError) as caught:
        # Steps 0 to 3 are epoch 1, so step 6 is the third batch of epoch 2.
        model.fit(x, y, batch_size=2, epochs=3, verbose=0, callbacks=[poison(6)])
    message = str(caught.value)
    assert "\n" not in message
    for part in ("nan", "epoch 2", "batch 3", "0.125"):
        assert part in message
    assert isinstance(caught.value, ArithmeticError)
    # The weights are as before that step; but for the poisoned ones, which the test wrote.
    assert model.steps_trained == model.optimizer.iterations == 6
    for ours, theirs in zip(model.get_weights()[:-1], expected.get_weights()[:-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


class StopAfter(Callback):
    """Stops after so many batches."""

    def __init__(self, batches):
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == self.batches


def test_a_callback_may_stop_before_the_error(small_model, small_data):
    seen = []

    def stop_on_nan(self, batch, logs):
        if not np.isfinite(logs["loss"]):
            seen.append(batch)
            self.model.stop_training = True

    model = small_model()
    model.fit(
        *small_data(8),
        batch_size=2,
        epochs=3,
        verbose=0,
        callbacks=[poison(1), Hook("on_train_batch_end", stop_on_nan)],
    )
    assert seen == [1]
    assert model.steps_trained == 1


def test_a_step_without_a_finite_loss_is_no_step(small_model, small_data):
    x, y = small_data(4)
    model = small_model()
    model.parameters[-1].value[...] = np.nan
    before = model.get_weights()
    loss, _ = model.train_on_batch(x, y)
    assert np.isnan(loss)
    assert model.optimizer.iterations == 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# --- warnings -------------------------------------------------------------------------------------


def test_images_not_divided_by_255_are_warned_of_once(small_model, small_data):
    x, y = small_data(8)
    with pytest.warns(UserWarning, match="divide them by 255") as caught:
        small_model().fit(
            (x * 255).astype(np.uint8), y, batch_size=2, epochs=2, validation_split=0.5, verbose=0
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__  # it points at the user's line
    assert "\n" not in str(caught[0].message)


def test_scaled_images_are_not_warned_of(small_model, small_data):
    # Warnings are errors in this suite.
    x, y = small_data(4)
    small_model().fit(x, y, verbose=0)
    small_model().fit(x * 2 - 1, y, verbose=0)
    scaled = small_model(first=[Rescaling(1 / 255, input_shape=(6, 6, 1))])
    scaled.fit((x * 255).astype(np.uint8), y, verbose=0)
    recording_model().fit(*numbered(9), verbose=0)  # no images


def test_softmax_below_a_loss_on_logits_is_warned_of(small_model, small_data):
    with pytest.warns(UserWarning, match=r"from_logits=True.*softmax") as caught:
        model = small_model(loss=CategoricalCrossentropy(from_logits=True))
    assert len(caught) == 1
    # And it is the right loss all the same, as in Keras.
    x, y = small_data(4)
    assert model.test_on_batch(x, y) == small_model().test_on_batch(x, y)


# --- learning, on both rungs ----------------------------------------------------------------------


def classifier(seed):
    model = Sequential(
        [
            Conv2D(8, (3, 3), activation="relu", input_shape=(12, 12, 1)),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dense(32, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    return model


def random_task():
    rng = np.random.default_rng(0)
    return rng.random((32, 12, 12, 1)), np.eye(10)[rng.integers(0, 10, 32)]


def test_overfits_32_images_with_random_labels(rung):
    x, y = random_task()
    model = classifier(seed=0)
    model.fit(x, y, batch_size=16, epochs=80, verbose=0)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy == 1.0
    assert loss < 0.1  # ln 10 = 2.3 at first


def test_same_seed_same_bits_other_seed_other_bits(rung):
    x, y = random_task()

    def train(seed):
        model = classifier(seed)
        history = model.fit(x, y, batch_size=7, epochs=2, validation_split=0.2, verbose=0).history
        return history, model.get_weights()

    (history, weights), (history_again, weights_again), (_, others) = train(0), train(0), train(1)
    assert history == history_again
    for weight, same, other in zip(weights, weights_again, others, strict=True):
        np.testing.assert_array_equal(weight, same)
        assert not np.array_equal(weight, other)


@pytest.mark.parametrize("cut", [lambda dy: dy[:1], lambda dy: dy[0], lambda dy: None])
def test_a_loss_whose_gradient_has_another_shape_is_refused(cut):
    class Cut(tinycnn.losses.MeanSquaredError):
        def backward(self):
            return cut(super().backward())

    model = tinycnn.Sequential([tinycnn.layers.Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("sgd", Cut())
    weights = model.get_weights()
    with pytest.raises(ValueError, match=r"Cut\.backward must return the gradient .* \(6, 3\)"):
        model.train_on_batch(np.ones((6, 4), np.float32), np.ones((6, 3), np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("value", "received"),
    [(np.ones(6), "an array of shape (6,)"), (None, "None"), ("0.5", "'0.5'"), (1j, "1j")],
)
def test_a_loss_that_is_no_number_is_refused(value, received):
    class Wrong(tinycnn.losses.MeanSquaredError):
        def forward(self, y_true, y_pred):
            super().forward(y_true, y_pred)
            return value

    model = tinycnn.Sequential([tinycnn.layers.Dense(3, input_shape=(4,))])
    model.compile("sgd", Wrong())
    with pytest.raises(TypeError) as caught:
        model.train_on_batch(np.ones((6, 4), np.float32), np.ones((6, 3), np.float32))
    assert "Wrong.forward must return the mean loss of the batch, one number" in str(caught.value)
    assert str(caught.value).endswith(f"Received: {received}")
