"""Layers that run as one step: the same bits as one by one, and nothing that changes is missed."""

import copy
import functools
import gc
import itertools
import pickle
import threading
import weakref

import numpy as np
import pytest
from without_numba import compiled, launch, need, plans
from without_numba import together as kernels_together

from tinycnn import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    Reshape,
    Sequential,
    kernels,
)
from tinycnn.layers import fused, together
from tinycnn.layers.together import Together
from tinycnn.parameter import Parameter


@pytest.fixture(autouse=True)
def compiled_rung():
    need("numba")
    with kernels.use("numba"):
        yield


def network(*layers, seed=0, input_shape=(9, 8, 3)):
    layers = layers or (
        Conv2D(5, 3, activation="relu", padding="same"),
        MaxPooling2D(),
        Conv2D(6, (2, 3)),
        Activation("relu"),
        Flatten(),
        Dense(7, activation="relu"),
        Dense(4, activation="softmax"),
    )
    model = Sequential([*layers], seed=seed)
    model.build(input_shape)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def images(n=6, seed=1, input_shape=(9, 8, 3)):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *input_shape)).astype("float32")


def targets(n=6, seed=2):
    return np.eye(4, dtype="float32")[np.random.default_rng(seed).integers(0, 4, n)]


@pytest.fixture
def one_by_one(monkeypatch):
    """Calls a function with every layer, or pair of layers, as a step of its own."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(together, "_grouped", lambda steps: steps)
            return function()

    return call


def launches_of(work):
    """How many launches some work makes."""
    seen = []
    with launch.observed(lambda *launched: seen.append(launched) or True):
        work()
    return len(seen)


def results(model, x, from_logits=False, needs_dx=True):
    """The output, dx and all gradients of a forward and backward, as copies."""
    y = model.forward(x, training=True)
    dy = np.random.default_rng(3).standard_normal(y.shape).astype(y.dtype)
    dx = model.backward(dy, from_logits, needs_dx)
    return [None if a is None else a.copy() for a in (y, dx, *(p.grad for p in model.parameters))]


def same(some, others):
    for one, other in zip(some, others, strict=True):
        if one is None or other is None:
            assert one is other
        else:
            np.testing.assert_array_equal(one, other)


def kinds(model):
    model.forward(images(2))
    return [
        [type(part).__name__ for part in step.steps]
        if isinstance(step, Together)
        else type(step).__name__
        for step in model._steps
    ]


# --- what runs together ---------------------------------------------------------------------------


def test_neighbours_that_only_launch_kernels_run_together():
    model = network(
        Conv2D(4, 3, activation="relu"),
        MaxPooling2D(),
        Dropout(0.5),
        Reshape((3, 12)),
        Dense(5, activation="relu"),
        Flatten(),
        Dense(6, activation="tanh"),
        Dense(4),
        Activation("softmax"),
        Dense(4, activation="relu"),
        Dense(4, activation="softmax"),
    )
    assert kinds(model) == [
        "ConvPool",
        "Dropout",
        ["Reshape", "Dense", "Flatten"],
        "Dense",
        ["Dense", "Activation"],
        ["Dense", "Dense"],
    ]
    with fused.off():
        assert kinds(model) == [type(layer).__name__ for layer in model.layers]
    with kernels.use("numpy"):
        assert kinds(model)[2:5] == ["Reshape", "Dense", "Flatten"]


class OwnDense(Dense):
    """A user's own layer."""


def test_a_layer_of_ones_own_runs_alone():
    model = network(Flatten(), Dense(5), OwnDense(4), Dense(4), Dense(4, activation="softmax"))
    assert kinds(model) == [["Flatten", "Dense"], "OwnDense", ["Dense", "Dense"]]


def test_so_does_one_that_was_given_another_method(monkeypatch):
    model = network(Flatten(), Dense(5), Dense(4), Dense(4, activation="softmax"))
    assert kinds(model) == [["Flatten", "Dense", "Dense", "Dense"]]
    second, calls = model.layers[2], []
    healthy = second.backward
    second.backward = lambda dy: (calls.append(dy), healthy(dy))[1]
    assert kinds(model) == [["Flatten", "Dense"], "Dense", "Dense"]
    results(model, images(2))
    assert len(calls) == 1
    del second.backward
    assert kinds(model) == [["Flatten", "Dense", "Dense", "Dense"]]
    monkeypatch.setattr(Dense, "forward", lambda self, x, training=False: Dense_forward(self, x))
    assert kinds(model) == ["Flatten", "Dense", "Dense", "Dense"]


Dense_forward = Dense.forward


def counted(function, calls):
    """A wrapper that passes itself off as what it wraps."""

    @functools.wraps(function)
    def counting(*arguments, **keywords):
        calls.append(function.__name__)
        return function(*arguments, **keywords)

    return counting


@pytest.mark.parametrize("name", ["forward", "backward", "backward_from_z"])
@pytest.mark.parametrize("place", ["class", "layer"])
@pytest.mark.parametrize("batches_before", [0, 2])
def test_a_method_that_was_replaced_is_called_for_every_batch(
    monkeypatch, name, place, batches_before
):
    model, x, calls = network(Flatten(), Dense(5, "relu"), Dense(4, "softmax")), images(), []
    for _ in range(batches_before):
        results(model, x, name == "backward_from_z")
    target = Dense if place == "class" else model.layers[-1]
    monkeypatch.setattr(target, name, counted(getattr(target, name), calls))
    expected = 0
    for step in range(1, 4):
        results(model, x, name == "backward_from_z")
        expected = expected or len(calls)
        assert len(calls) == step * expected > 0


def test_a_class_of_unknown_origin_is_a_layer_like_any_other():
    space = {"Layer": Layer}
    exec("class Own(Layer):\n    def backward(self, dy):\n        return dy\n", space)
    model = network(Flatten(), space["Own"](), Dense(4), Dense(4, activation="softmax"))
    assert kinds(model) == ["Flatten", "Own", ["Dense", "Dense"]]


def test_the_second_time_all_of_it_is_one_launch():
    model, x = network(), images()
    dy = np.ones((6, 4), "float32")
    first = launches_of(lambda: model.forward(x)), launches_of(lambda: model.backward(dy))
    # Somebody observed it, so that nothing could be noted. How many there are on the way back
    # depends on the number of lanes.
    assert first[0] == 6 and first[1] >= 5
    model.forward(x)
    model.backward(dy)
    assert launches_of(lambda: model.forward(x)) == 1
    model.backward(dy, True, needs_dx=False)
    assert launches_of(lambda: model.backward(dy, True, needs_dx=False)) == 1
    model.backward(dy)  # NumPy has a part in the gradient of softmax
    assert launches_of(lambda: model.backward(dy)) > 1


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("needs_dx", [False, True])
def test_output_and_gradients_have_the_bits_of_the_layers_one_by_one(
    one_by_one, from_logits, needs_dx
):
    model = network()
    for n, seed in ((6, 1), (5, 2), (6, 3), (5, 4), (6, 5)):
        twin = copy.deepcopy(model)
        x = images(n, seed)
        expected = one_by_one(lambda twin=twin, x=x: results(twin, x, from_logits, needs_dx))
        same(results(model, x, from_logits, needs_dx), expected)


@pytest.mark.parametrize("n", [6, 7])
def test_so_has_a_training(one_by_one, n):
    x, y = images(20), targets(20)

    def trained():
        model = network()
        model.fit(x, y, batch_size=n, epochs=3, validation_split=0.25, verbose=0)
        return model.fingerprint(), model.predict(x, batch_size=n, verbose=0).tolist()

    assert trained() == one_by_one(trained)


def test_so_has_a_training_whose_layers_are_frozen_and_thawed(one_by_one):
    x, y = images(6), targets(6)

    def trained():
        model = network()
        for frozen in ((), (0,), (0, 2), (2,), (), (0, 2, 5)):
            for index, layer in enumerate(model.layers):
                layer.trainable = index not in frozen
            model.compile("adam", "categorical_crossentropy")
            for _ in range(3):
                model.train_on_batch(x, y)
        return model.fingerprint()

    assert trained() == one_by_one(trained)


def test_each_layer_keeps_what_it_would_keep(one_by_one):
    model, x = network(), images()
    model.forward(images(seed=9))
    twin = copy.deepcopy(model)
    model.forward(x)
    one_by_one(lambda: twin.forward(x))
    for layer, other in zip(model.layers, twin.layers, strict=True):
        same(layer.branches(), other.branches())
        for item, expected in zip(layer.recall(), other.recall(), strict=True):
            np.testing.assert_array_equal(item, expected)
    gradients = [np.ones((6, 4), "float32")] * 2
    for layers in zip(reversed(model.layers), reversed(twin.layers), strict=True):
        gradients = [layer.backward(dy) for layer, dy in zip(layers, gradients, strict=True)]
        np.testing.assert_array_equal(*gradients)


# --- what changes between two steps takes effect --------------------------------------------------


def another_parameter(model):
    kernel = model.layers[5].kernel
    model.layers[5].kernel = Parameter("kernel", kernel.value * 2)


def another_dtype(model):
    model.layers[6].dtype = "float64"
    for parameter in model.layers[6].parameters:
        parameter.value = parameter.value.astype("float64")


def no_bias(model):
    model.layers[0].bias.value = None


def changed_activation(model):
    model.layers[5].activation = "linear"


def changed_value(model):
    model.layers[2].kernel.value = model.layers[2].kernel.value * 2


def changed_weights(model):
    model.set_weights([w * 2 for w in model.get_weights()])


def value_of_another_layout(model):
    kernel = model.layers[5].kernel
    kernel.value = np.asfortranarray(kernel.value) * np.float32(2)


def rebuilt(model):
    layer = model.layers[5]
    layer.build(layer.input_shape, np.random.default_rng(8))


@pytest.mark.parametrize(
    "change",
    [
        another_dtype,
        another_parameter,
        changed_activation,
        changed_value,
        changed_weights,
        no_bias,
        rebuilt,
        value_of_another_layout,
    ],
)
def test_a_change_of_the_model_takes_effect(one_by_one, change):
    model, x = network(), images()
    if change is no_bias:
        model.layers[0].bias.value += 1
    before = [results(model, x) for _ in range(3)][-1]
    change(model)
    twin = copy.deepcopy(model)
    expected = one_by_one(lambda: results(twin, x))
    assert not np.array_equal(before[0], expected[0])
    for _ in range(3):
        same(results(model, x), expected)


def test_between_forward_and_backward_too(one_by_one):
    """A value, a cache, numbers in place, a layer that ran by itself."""

    def run(change):
        model, x = network(), images()
        for _ in range(2):
            results(model, x, True, needs_dx=False)
        x = x.copy()
        y = model.forward(x)
        change(model, x, y)
        model.backward(np.ones((6, 4), "float32"), from_logits=True, needs_dx=False)
        return [p.grad.copy() for p in model.parameters]

    def value(model, x, y):
        model.layers[6].kernel.value = model.layers[6].kernel.value * 3

    def input_in_place(model, x, y):
        x *= 2

    def cache(model, x, y):
        model.layers[5].cache = tuple(2 * item for item in model.layers[5].cache)

    def by_itself(model, x, y):
        model.layers[6].forward(np.full((6, 7), 2, "float32"))

    def frozen(model, x, y):
        model.layers[0].trainable = False

    unchanged = run(lambda *_: None)
    for change in (value, input_in_place, cache, by_itself, frozen):
        ours, expected = run(change), one_by_one(lambda change=change: run(change))
        same(ours, expected)
        assert change is frozen or any(map(np.any, map(np.subtract, ours, unchanged)))


def test_a_gradient_that_was_also_the_output_is_not_taken_for_it_the_next_time(one_by_one):
    def run():
        model, x = network(), images()
        outcome = []
        for same_array in (True, False, True):
            y = model.forward(x)
            dy = y if same_array else np.ones_like(y)
            outcome += [model.backward(dy, from_logits=True).copy()]
        return outcome

    same(run(), one_by_one(run))


def test_results_are_the_callers_to_keep():
    model, x = network(), images()
    kept = [results_not_copied(model, images(seed=s)) for s in range(4)]
    again = [results(model, images(seed=s), True) for s in range(4)]
    for some, others in zip(kept, again, strict=True):
        same(some, others)
    for some in kept:
        for other in kept:
            assert some is other or not any(map(np.shares_memory, some, other))
    assert x.size


def results_not_copied(model, x):
    y = model.forward(x, training=True)
    dy = np.random.default_rng(3).standard_normal(y.shape).astype(y.dtype)
    dx = model.backward(dy, from_logits=True)
    return [y, dx, *(p.grad for p in model.parameters)]


@pytest.mark.parametrize("kind", ["strided", "reversed", "float64", "uint8", "list"])
def test_any_input_is_taken(one_by_one, kind):
    x = images(12)
    given = {
        "strided": x[::2],
        "reversed": x[:6, ::-1],
        "float64": x[:6].astype("float64"),
        "uint8": (100 * abs(x[:6])).astype("uint8"),
        "list": x[:6].tolist(),
    }[kind]
    model = network()
    twin = copy.deepcopy(model)
    expected = one_by_one(lambda: results(twin, given))
    for other in (x[:6], given, given, x[6:], given):
        outcome = results(model, other)
        if other is given:
            same(outcome, expected)


def test_errors_are_those_of_the_layers(one_by_one):
    model, x = network(), images()
    for _ in range(2):
        results(model, x)
    twin = copy.deepcopy(model)

    def message(model, call):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            call(model)
        return str(caught.value)

    def wrong_input(model):
        model.forward(x[:, 1:])

    def wrong_gradient(model):
        model.forward(x)
        model.backward(np.ones((5, 4), "float32"))

    def no_forward(model):
        model.forward(x)
        model.forget()
        model.backward(np.ones((6, 4), "float32"))

    for call in (wrong_input, wrong_gradient, no_forward):
        assert message(model, call) == one_by_one(lambda call=call: message(twin, call))


# --- copies, threads, memory ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "pickle"],
)
def test_a_copy_in_the_middle_of_a_step_goes_its_own_way(copied):
    model, x = network(), images()
    expected = [results(model, x, True) for _ in range(3)][-1]
    y = model.forward(x, training=True)
    twin = copied(model)
    model.set_weights([w * 0 for w in model.get_weights()])
    results(model, x)
    dy = np.random.default_rng(3).standard_normal(y.shape).astype(y.dtype)
    dx = twin.backward(dy, from_logits=True)
    same([dx, *(p.grad for p in twin.parameters)], expected[1:])
    for _ in range(3):
        same(results(twin, x, True), expected)


def test_threads_that_predict_do_not_mix_their_images_up():
    model = network()
    xs = [images(n, seed=n) for n in (3, 4, 5, 6)]
    expected = [network().predict(x, verbose=0) for x in xs]
    found = [[] for _ in xs]

    def predict(i):
        for _ in range(30):
            found[i].append(model.predict(xs[i], verbose=0))

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for some, want in zip(found, expected, strict=True):
        assert len(some) == 30
        for one in some:
            np.testing.assert_array_equal(one, want)
    same(results(model, xs[0]), results(network(), xs[0]))


def test_what_a_forward_kept_is_freed_before_the_next_and_by_forget():
    model, x = network(), images()
    for _ in range(3):
        results(model, x)
    model.forward(x)
    kept = weakref.ref(model.layers[5].cache[0])
    assert kept() is not None
    model.forward(x)
    gc.collect()
    assert kept() is None
    kept = weakref.ref(model.layers[5].cache[0])
    model.forget()
    gc.collect()
    assert kept() is None


def models():
    """Models of one step that is several layers, of a pair alone, and of both."""
    yield network()
    yield network(
        Conv2D(4, 3, activation="relu"),
        MaxPooling2D(),
        Dropout(0.5),
        Flatten(),
        Dense(4, "softmax"),
    )


@pytest.mark.parametrize("use", ["predict", "evaluate", "fit", "forward, call and forget"])
def test_no_input_is_kept_after_use(use):
    for model in models():
        x, y = images(), targets()
        x_ = weakref.ref(x)
        if use == "fit":
            model.fit(x, y, verbose=0)
        elif use == "evaluate":
            model.evaluate(x, y, verbose=0)
        elif use == "predict":
            model.predict(x, verbose=0)
        else:
            model.forward(x)
            model(images(3))
            model.forget()
        del x
        gc.collect()
        assert x_() is None


def test_steps_that_are_no_longer_used_keep_nothing():
    gc.collect()
    gc.disable()
    try:
        for model in models():
            kept = []
            for _ in range(3):
                x = images()
                kept.append(weakref.ref(x))
                model.forward(x)
                with fused.off():
                    model.forward(x)
                del x
            model.forget()
            assert [ref() for ref in kept] == [None] * 3
    finally:
        gc.enable()


def test_the_convolution_of_a_pair_is_told_whether_to_go_on():
    shape = (9, 8, 16)  # of channels enough for the pair's backward to be one launch
    pair = (Conv2D(16, 3, activation="relu"), MaxPooling2D())
    model = network(*pair, Flatten(), Dense(4, "softmax"), input_shape=shape)
    x, dy = images(8, input_shape=shape), np.ones((8, 4), "float32")
    for needs_dx in (True, False, True):
        model.forward(x)
        seen = launches_of(lambda: model.backward(dy, True, needs_dx))  # noqa: B023
        model.backward(dy, True, needs_dx)
    assert seen == 1
    assert pair[0].needs_input_gradient


def test_a_parameter_of_ones_own_keeps_its_gradient():
    model, x = network(), images()
    extra = model.layers[2].add_parameter("extra", (3,), "zeros")
    for _ in range(3):
        extra.grad = None
        results(model, x, True, needs_dx=False)
        extra.grad = np.ones(3, "float32")
        results(model, x, True, needs_dx=False)
        assert extra.grad is not None and extra.grad.tolist() == [1, 1, 1]


def test_what_another_thread_does_to_the_layers_is_not_noted(one_by_one):
    """It forgets, or runs a layer, in the middle of the first forward of a shape."""
    x = images()
    expected = one_by_one(lambda: results(network(), x, True))
    for disturb in (
        lambda model: setattr(model.layers[4], "cache", ((2, 4, 2, 6),)),
        lambda model: setattr(model.layers[4], "cache", None),
    ):
        model, done = network(), []
        step, healthy = Together([*model.layers]), Flatten.forward

        def disturbed(self, x, training=False, model=model, disturb=disturb, done=done):
            y = healthy(self, x, training)  # noqa: B023
            if not done:
                done.append(disturb)
                disturb(model)
            return y

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Flatten, "forward", disturbed)
            step.forward(x)
        assert done and not step._memory
        for _ in range(2):
            same(results(model, x, True), expected)


def test_an_odd_first_batch_does_not_decide_for_the_later_ones():
    model = network()
    model.forward(images(12)[::2])
    model.forward(images())
    assert launches_of(lambda: model.forward(images())) == 1


def test_an_observer_is_gone_when_ctrl_c_comes_at_its_door():
    def interrupted(*launched):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), launch.observed(interrupted):
        network().forward(images())
    assert not launch.is_observed()
    door = launch.observed(interrupted)
    door.__enter__()
    assert launch.is_observed()
    del door  # as if Ctrl-C had come between it and its `with`
    gc.collect()
    assert not launch.is_observed()


def test_a_network_remembers_a_limited_number_of_shapes(monkeypatch):
    monkeypatch.setattr(kernels_together, "_MOST", 4)
    model = network()
    for n in range(1, 12):
        model.forward(images(n))
    assert len(model._steps[0]._memory) <= 4
    same(results(model, images(3)), results(network(), images(3)))


# --- work that can't be repeated so ---------------------------------------------------------------


def numpy_between(x):
    return compiled.relu_forward(compiled.relu_forward(x) * np.float32(2))


def numpy_at_the_end(x):
    return compiled.relu_forward(x) * np.float32(2)


def kernel_without_a_plan(x):
    return compiled.relu_forward(compiled.leaky_relu_forward(x, 0.5))


def a_part(x):
    return compiled.relu_forward(compiled.relu_forward(x)[1:])


def turned_round(x):
    return compiled.relu_forward(compiled.relu_forward(x).T)


def kernels_alone(x):
    return compiled.relu_forward(compiled.relu_forward(x).reshape(3, 2))


@pytest.mark.parametrize(
    "function",
    [numpy_between, numpy_at_the_end, kernel_without_a_plan, a_part, turned_round, kernels_alone],
)
def test_work_of_others_than_planned_kernels_is_done_as_it_is(function):
    memory, calls = {}, []

    def work(x):
        def once():
            calls.append(x)
            return [(function(x), "text"), ()]

        return kernels.repeated(memory, "key", (x,), once)

    for step in range(1, 4):
        x = np.arange(-2, 4, dtype="float32").reshape(2, 3) * step
        (y, text), nothing = work(x)
        np.testing.assert_array_equal(y, function(x))
        assert (text, nothing) == ("text", ())
    assert len(calls) == (1 if function is kernels_alone else 3)


def test_nor_is_work_of_much_memory(monkeypatch):
    monkeypatch.setattr(kernels_together, "_MOST_BYTES", 47)  # two arrays of six numbers take 48
    calls = []
    for _ in range(3):
        x = np.ones((2, 3), "float32")
        kernels.repeated({}, "key", (x,), lambda x=x: calls.append(1) or [(kernels_alone(x),)])
    assert len(calls) == 3


def test_what_is_given_may_not_be_the_same_array_twice():
    """The next time it need not be."""
    memory = {}

    def difference(x, y):
        def work():
            return [(compiled.relu_backward(compiled.relu_forward(x), y),)]

        return kernels.repeated(memory, "key", (x, y), work)[0][0]

    some, other = np.ones(3, "float32"), np.array([1, -1, 1], "float32")
    np.testing.assert_array_equal(difference(some, some), [1, 1, 1])
    np.testing.assert_array_equal(difference(some, other), [1, 0, 1])


def test_arrays_share_memory_only_if_they_are_not_used_at_the_same_time():
    model, x = network(), images()
    results(model, x, True, needs_dx=False)
    for _, together_, _ in model._steps[0]._memory.values():
        used = {}
        for number, step in enumerate(together_._plan.steps):
            for slot in step[2]:
                used.setdefault(slot.place, []).append(number)
        parts = {
            place: part
            for place, (*_, part) in enumerate(together_._made, len(together_._plan.given))
            if part
        }
        returned = {place for place, _ in together_._items}
        assert parts and not returned & set(parts)
        sizes = {place: part.stop - part.start for place, part in parts.items()}
        assert together_._size < sum(sizes.values()) + 16 * len(sizes)
        for place, slot in enumerate(together_._plan.made, len(together_._plan.given)):
            if place in parts:
                assert sizes[place] == np.prod(slot[1])
        for one, other in itertools.combinations(parts, 2):
            if used[one][0] <= used[other][-1] and used[other][0] <= used[one][-1]:
                a, b = parts[one], parts[other]
                assert a.stop <= b.start or b.stop <= a.start


def test_forgotten_plans_are_made_anew():
    memory, calls = {}, []
    x = np.ones((2, 3), "float32")

    def work():
        calls.append(1)
        return [(kernels_alone(x),)]

    for _ in range(3):
        kernels.repeated(memory, "key", (x,), work)
    assert len(calls) == 1
    plans.forget()
    for _ in range(3):
        kernels.repeated(memory, "key", (x,), work)
    assert len(calls) == 2


def test_while_kernels_are_only_planned_nothing_is_remembered():
    model, x = network(), images()
    with launch.planning():
        model.forward(x)
    assert not model._steps[0]._memory
    same(results(model, x), results(network(), x))
