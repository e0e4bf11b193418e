"""When numbers go wrong: the error names the first layer and tensor that is not finite, and why."""

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Activation,
    Adam,
    Callback,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling2D,
    NumericalError,
    Sequential,
)

BAD_STEP = 7  # of 5 steps an epoch: the third batch of the second
HIGH = "Most likely the learning rate is too high"


class Spoil(Layer):
    """The identity, until `now` is "forward" or "backward": then NaN."""

    now = ""

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = ()
        return x * np.nan if self.now == "forward" and training else x

    def backward(self, dy):
        return dy * np.nan if self.now == "backward" else dy


class SpoiledDense(Dense):
    """A Dense whose gradient by the kernel, and nothing else, becomes NaN."""

    now = ""

    def backward_from_z(self, dz):
        dx = super().backward_from_z(dz)
        if self.now == "gradient":
            self.kernel.grad = self.kernel.grad * np.float32(np.nan)
        return dx


def network(spoiled_at=None, optimizer=None, seed=0):
    layers = [
        Conv2D(4, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(3, (2, 2)),
        Activation("relu"),
        Flatten(),
        SpoiledDense(6, activation="relu"),
        Dense(3, activation="softmax"),
    ]
    if spoiled_at is not None:
        layers.insert(spoiled_at, Spoil())
    model = Sequential(layers, seed=seed)
    model.build((8, 8, 1))
    model.compile(optimizer or SGD(0.125), "categorical_crossentropy")
    return model


RNG = np.random.default_rng(0)
X, Y = RNG.random((18, 8, 8, 1), np.float32), np.eye(3)[RNG.integers(0, 3, 18)]


class AtStep(Callback):
    """Calls `act(model)` before a batch, at the bad step."""

    def __init__(self, act, step=BAD_STEP):
        self.act, self.step = act, step

    def on_train_batch_begin(self, batch, logs=None):
        if self.model.steps_trained == self.step:
            self.act(self.model)


def message(model, *callbacks, epochs=3, x=X, y=Y):
    """What the training's error says; and one line of it."""
    with pytest.raises(NumericalError) as caught:
        model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def weights_after(steps, place):
    """The fingerprint of a model that was trained for some steps while nothing went wrong."""

    def stop(model):
        model.stop_training = True

    model = network(place)
    # Stopped after the first batch after that many steps, so one step less.
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[AtStep(stop, steps - 1)])
    assert model.steps_trained == steps
    return model.fingerprint()


PARAMETERS = [
    (i, j) for i, layer in enumerate(network().layers) for j, _ in enumerate(layer.parameters)
]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("layer", "parameter"), PARAMETERS)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_weight_that_is_not_finite_is_located(layer, parameter, value, rung):
    def plant(model):
        model.layers[layer].parameters[parameter].value.flat[0] = value

    said = message(network(), AtStep(plant))
    name = ["kernel", "bias"][parameter]
    where = f"the {name} of layer {layer + 1} of 7, "
    assert "in epoch 2, batch 3, at learning rate 0.125. " in said
    assert f"The first tensor that is not finite: {where}" in said
    assert f"in 1 of {network().layers[layer].parameters[parameter].value.size} numbers" in said
    assert (HIGH in said) == (value == np.inf)


@pytest.mark.parametrize("place", range(8))
def test_a_layer_whose_output_is_not_finite_is_located(place, rung):
    def plant(model):
        model.layers[place].now = "forward"

    model = network(place)
    said = message(model, AtStep(plant))
    assert "the loss became nan in epoch 2, batch 3, " in said
    assert f"not finite: the output of layer {place + 1} of 8, Spoil(spoil), in " in said
    assert HIGH not in said
    assert model.fingerprint() == weights_after(BAD_STEP, place)


# The first place is below all that learns: its backward is not run in training.
@pytest.mark.parametrize("place", range(1, 8))
def test_a_layer_whose_gradient_is_not_finite_is_located(place, rung):
    def plant(model):
        model.layers[place].now = "backward"

    model = network(place)
    said = message(model, AtStep(plant))
    assert "a gradient is not finite in epoch 2, batch 3, " in said
    assert (
        f": the gradient with respect to the input of layer {place + 1} of 8, Spoil(spoil), "
        in said
    )
    assert HIGH not in said
    # It was found before the update.
    assert model.fingerprint() == weights_after(BAD_STEP, place)


def test_a_gradient_that_harms_one_layer_only_is_found_by_the_next_step(rung):
    def plant(model):
        model.layers[5].now = "gradient"

    said = message(network(), AtStep(plant))
    assert "epoch 2, batch 4, " in said
    assert ": the kernel of layer 6 of 7, SpoiledDense(spoiled_dense), in 72 of 72 numb" in said


def test_a_weight_that_goes_wrong_in_the_last_step_of_all(rung):
    def plant(model):
        model.layers[5].now = "gradient"

    said = message(network(), AtStep(plant, 14), epochs=3)
    assert "a weight is not finite in epoch 3, batch 5, " in said
    assert "the kernel of layer 6" in said


def test_the_gradient_by_the_first_weights_is_checked_itself(rung):
    model = Sequential([SpoiledDense(3, activation="softmax")])
    model.build((4,))
    model.compile("adam", "categorical_crossentropy")
    model.layers[0].now = "gradient"
    before = model.fingerprint()
    said = "a gradient is not finite. .*: the gradient with respect to the kernel of layer 1 of 1"
    with pytest.raises(NumericalError, match=said):
        model.train_on_batch(X[:4, 0, :4, 0], Y[:4])
    assert (model.fingerprint(), model.steps_trained) == (before, 0)


# --- why ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [Adam(1e10), Adam(1e38)])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_learning_rate_that_is_too_high_is_named(optimizer, rung):
    optimizer = type(optimizer).from_config(optimizer.get_config())
    assert HIGH in message(network(optimizer=optimizer), epochs=40)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_learning_rate_of_which_the_weights_grow_is_named(rung):
    # Least squares diverges, a factor a step, from a learning rate of 1 / largest eigenvalue on.
    model = Sequential([Dense(4), Dense(3)])
    model.compile(SGD(1.5), "mse")
    said = message(model, x=X[:, 0, :, 0], epochs=200)
    assert HIGH in said
    assert "at learning rate 1.5. " in said


@pytest.mark.parametrize("place", [0, 5])
def test_the_initial_weights_are_named(place, rung):
    model = network()
    model.layers[place].parameters[0].value.flat[-1] = np.nan
    said = message(model)
    assert "the loss became nan in epoch 1, batch 1, " in said
    assert f"the kernel of layer {place + 1} of 7" in said
    assert "It was so before the first step." in said
    assert HIGH not in said


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_data_that_are_too_large_are_named(rung):
    model = Sequential([Dense(4), Dense(3)])
    model.compile("sgd", "mse")
    said = message(model, x=np.full((18, 5), 1e30))
    assert "The data are too large: scale them to about 1." in said
    assert HIGH not in said
    model = Sequential([Dense(4), Dense(3)])
    model.compile("sgd", "mse")
    assert "The data are too large" in message(model, x=X[:, 0, :, 0], y=Y * 1e25)


def test_what_does_not_happen_again_is_said():
    class Once(Spoil):
        def forward(self, x, training=False):
            y = super().forward(x, training)
            self.now = ""
            return y

    model = network()
    model.add(Once())
    model.layers[-1].now = "forward"
    assert "Run again, layer by layer, the batch gives finite numbers only." in message(model)


def test_looking_changes_no_weight():
    class Statistic(Spoil):
        """Keeps the mean of what it sees, as batch normalisation does."""

        def build(self, input_shape, rng=None, dtype="float32"):
            from tinycnn.parameter import Parameter

            self.mean = Parameter("mean", np.zeros(input_shape, dtype), trainable=False)
            self.parameters = [self.mean]
            return self.finish_build(input_shape, input_shape, dtype)

        def forward(self, x, training=False):
            if training:
                self.mean.value += 1
            return super().forward(x, training)

    model = Sequential([Statistic(input_shape=(5,)), Dense(3), Spoil()])
    model.compile("sgd", "mse")
    model.layers[2].now = "forward"
    message(model, x=np.ones((18, 5)))
    assert model.layers[0].mean.value.tolist() == [1] * 5  # the one step, and not its repetition
