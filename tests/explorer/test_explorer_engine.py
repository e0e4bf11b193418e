"""The page's arithmetic, under Node, against tinycnn's in float64 on random networks."""

import base64

import nodejs
import numpy as np
import pytest
from architectures import random_model
from nodejs import needs_node
from without_numba import needs_numba

from tinycnn import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Normalization,
    ReLU,
    Sequential,
    inspection,
    kernels,
)
from tinycnn.explorer.describe import shown_parameters
from tinycnn.explorer.page import page_data
from tinycnn.layers import LAYERS, fused
from tinycnn.losses import CategoricalCrossentropy, MeanSquaredError

pytestmark = [needs_node, pytest.mark.usefixtures("numpy_rung")]

# Two orders of a sum of a few hundred products differ by some 1e-15; cancellation in the layers
# below may magnify that.
TOLERANCE = 1e-12
RATE = 0.05
COUNT = 205


def close(got, expected):
    """The largest difference, relative to the largest number of the tensor."""
    got, expected = np.asarray(got, float).reshape(-1), np.asarray(expected, float).reshape(-1)
    assert got.shape == expected.shape
    scale = np.abs(expected).max(initial=0) or 1
    return np.abs(got - expected).max(initial=0) / scale


def targets_of(model, page, rng):
    """A score and, where the page takes a loss, a loss."""
    size = int(np.prod(model.output_shape))
    targets = [{"kind": "score", "index": int(rng.integers(size))}]
    if page["model"]["loss"]:
        targets.append({"kind": "loss", "index": int(rng.integers(size))})
    return targets


@pytest.fixture(scope="module")
def computed():
    """(model, x, targets, page, what Node makes of it) of all random networks."""
    cases = []
    with kernels.use("numpy"):
        for seed in range(COUNT):
            model, x = random_model(seed)
            page = page_data(model, (x, None))
            cases.append((model, x, targets_of(model, page, np.random.default_rng(seed)), page))
    given = [
        {"page": page, "targets": targets, "learning_rate": RATE} for *_, targets, page in cases
    ]
    results = nodejs.run("engine_task.js", given)
    return [(*case, result) for case, result in zip(cases, results, strict=True)]


def expected_gradients(model, page, x, target):
    """[(dx, [dparameter, ...]) or None for each layer], and the loss."""
    softmax = model.last_softmax()
    cross = page["model"]["loss"] == "cross-entropy"
    with fused.off():
        y = model.forward(x)
        on_logits = softmax is not None and (target["kind"] == "score" or cross)
        scores = softmax.z if on_logits else y
        dy = np.zeros(scores.size)
        dy[target["index"]] = 1
        dy, value = dy.reshape(scores.shape), None
        if target["kind"] == "loss":
            loss = CategoricalCrossentropy(from_logits=True) if cross else MeanSquaredError()
            value = loss.forward(dy, scores)
            dy = loss.backward()
        result = [None] * len(model.layers)
        for layer, dx in model.backward_steps(dy, on_logits):
            learned = [p.grad.copy() for p in layer.parameters if p.trainable]
            result[model.layers.index(layer)] = dx, learned
    if on_logits:
        result[model.layers.index(softmax) + 1 :] = [None] * (
            len(model.layers) - model.layers.index(softmax) - 1
        )
    return result, value


def test_every_kind_of_layer_and_loss_is_among_them(computed):
    kinds = {layer["kind"] for *_, page, _ in computed for layer in page["model"]["layers"]}
    assert kinds == {
        *("conv2d", "dense", "max_pool", "average_pool", "global_max_pool", "zero_pad", "upsample"),
        *("batch_norm", "normalize", "rescale", "identity"),
    }
    drawn = {type(layer) for model, *_ in computed for layer in model.layers}
    assert drawn == set(LAYERS.values())
    activations = {
        layer["activation"]["name"] for *_, page, _ in computed for layer in page["model"]["layers"]
    }
    assert activations == {
        *("linear", "relu", "leaky_relu", "elu", "sigmoid", "tanh", "softmax"),
        *("silu", "softplus", "bounded_relu"),
    }
    losses = {page["model"]["loss"] for *_, page, _ in computed}
    assert losses == {"cross-entropy", "mean squared error", None}
    assert len(computed) >= 200


def test_the_outputs_of_all_layers(computed):
    for model, x, _, _, result in computed:
        assert result["intact"]
        for layer, got in zip(model.layers, result["outputs"], strict=True):
            x = layer.forward(x)
            assert close(got, x) < TOLERANCE, layer


def test_the_gradients_of_all_layers_and_parameters_and_the_loss(computed):
    compared = 0
    for model, x, targets, page, result in computed:
        for target, got in zip(targets, result["results"], strict=True):
            expected, loss = expected_gradients(model, page, x, target)
            if loss is not None:
                assert got["loss"] == pytest.approx(loss, rel=TOLERANCE)
            for ours, theirs in zip(got["gradients"], expected, strict=True):
                assert (ours is None) == (theirs is None)
                if theirs is not None:
                    assert close(ours["dx"], theirs[0]) < TOLERANCE
                    for a, b in zip(ours["learned"], theirs[1], strict=True):
                        assert close(a, b) < TOLERANCE
                        compared += 1
    assert compared > COUNT


def test_saliency_and_grad_cam_are_those_of_inspection(computed):
    compared = 0
    for model, x, targets, _, result in computed:
        if len(model.output_shape) != 1:
            continue
        got, index = result["results"][0], targets[0]["index"]
        saliency = inspection.saliency(model, x, [index])
        assert close(got["gradients"][0]["dx"], saliency) < TOLERANCE
        for layer, cam in zip(model.layers, got["cams"], strict=True):
            if cam is not None:
                expected = inspection.grad_cam(model, layer, x, [index])
                assert close(cam, expected) < TOLERANCE
                compared += 1
    assert compared > 100


def test_a_step_of_learning_is_tinycnn_s(computed):
    compared = 0
    for model, x, targets, page, result in computed:
        if not page["model"]["loss"] or model.loss is None:
            continue
        index = targets[-1]["index"]
        one_hot = np.eye(model.output_shape[0])[[index]]
        y = one_hot if model.loss.name != "sparse_categorical_crossentropy" else np.array([index])
        # Statistics of one sample teach nothing, so the page learns as in inference.
        before, gradients = model.loss_and_gradients(x, y, training=False)
        for parameter, gradient in zip(model.learning, gradients, strict=True):
            kernels.sgd_update(parameter.value, gradient, None, RATE)
        after = model.test_on_batch(x, y)
        assert result["losses"] == pytest.approx([before, np.ravel(after)[0]], rel=1e-11)
        for layer, values in zip(model.layers, result["learned"], strict=True):
            for parameter, got in zip(shown_parameters(layer), values, strict=True):
                assert close(got, parameter.value) < TOLERANCE
                compared += 1
    assert compared > COUNT


EDGES = np.array([[-7.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 6.0, 7.0]])


def test_edges_of_activations_and_ties_are_tinycnn_s():
    """Numbers at which a slope changes, which random networks do not meet; and a deviation of 0."""
    layers = [
        *(ReLU(), ReLU(negative_slope=0.5), ReLU(max_value=6.0), ReLU(max_value=2.0)),
        *(ReLU(threshold=1.0), ReLU(6.0, 0.5, 1.0), ReLU(0.0), ReLU(1.0, 0.25, 2.0)),
        *(Activation(name) for name in ("elu", "leaky_relu", "silu", "softplus")),
        *(Normalization(mean=0.5, variance=0.0), Normalization(mean=[0.5] * 9, variance=[4] * 9)),
    ]
    given, expected = [], []
    for layer in layers:
        model = Sequential([layer, Dense(2, use_bias=False)], dtype="float64")
        model.build((9,))
        page = page_data(model, (EDGES, None))
        targets = [{"kind": "score", "index": 0}]
        given.append({"page": page, "targets": targets, "learning_rate": RATE})
        expected.append((layer.forward(EDGES), expected_gradients(model, page, EDGES, targets[0])))
    ties = Sequential([GlobalMaxPooling2D(input_shape=(2, 3, 2)), Dense(2)], dtype="float64")
    x = np.array([[[[1, 5], [2, 0], [2, 0]], [[2, -1], [0, 5], [1, 1]]]], float)
    page = page_data(ties, (x, None))
    given.append({"page": page, "targets": targets, "learning_rate": RATE})
    expected.append((ties.layers[0].forward(x), expected_gradients(ties, page, x, targets[0])))
    for result, (y, (gradients, _)) in zip(
        nodejs.run("engine_task.js", given), expected, strict=True
    ):
        assert close(result["outputs"][0], y) < TOLERANCE
        got = result["results"][0]["gradients"][0]["dx"]
        assert close(got, gradients[0][0]) < TOLERANCE


def small_model():
    model = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(8, 8, 1)),
            MaxPooling2D(),
            Flatten(),
            Dense(4, activation="softmax"),
        ],
        seed=1,
    )
    model.build()
    return model


def test_the_page_s_own_check_is_green_and_one_damaged_weight_turns_it_red():
    page = page_data(small_model())
    data = bytearray(base64.b64decode(page["numbers"]))
    damaged = []
    parameters = small_model().count_params()
    for n in range(parameters):
        bad = data.copy()
        bad[4 * n + 2] ^= 1  # the eighth bit of the fraction: 0.4 to 0.8 percent of the weight
        damaged.append({**page, "numbers": base64.b64encode(bad).decode()})
    last = data.copy()
    last[0] ^= 1  # the last bit of the first weight
    damaged.append({**page, "numbers": base64.b64encode(last).decode()})
    good, *bad = nodejs.run("check_task.js", [page, *damaged])
    assert good["intact"] and good["ok"] and good["largest"] < TOLERANCE
    assert good["tensors"] == 4 + 4 + 4
    assert not any(result["intact"] for result in bad)
    # The numbers alone see it too, but for those weights whose inputs are all 0, and zero biases.
    seen = [result["largest"] > 1e-10 for result in bad[:-1]]
    assert np.mean(seen) > 0.9


def test_a_damaged_engine_turns_it_red():
    page = page_data(small_model())
    page["check"]["sums"][5] *= 1 + 1e-9
    (result,) = nodejs.run("check_task.js", [page])
    assert result["intact"] and not result["ok"]
    assert result["where"] == "gradient of conv2d's kernel"


@pytest.mark.parametrize("rung", [pytest.param("numba", marks=needs_numba), "numpy"])
def test_the_float32_kernels_agree_to_their_precision(rung):
    """The page computes in float64, from the same float32 weights."""
    model = small_model()
    x = np.random.default_rng(0).random((1, 8, 8, 1), np.float32)
    task = {"page": page_data(model, (x, None)), "targets": [{"kind": "score", "index": 1}]}
    (result,) = nodejs.run("engine_task.js", [task])
    with kernels.use(rung):
        expected = model.predict(x, verbose=0)
        saliency = inspection.saliency(model, x, [1])
    assert close(result["outputs"][-1], expected) < 1e-5
    assert close(result["results"][0]["gradients"][0]["dx"], saliency) < 1e-5
