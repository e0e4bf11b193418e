"""tinycnn.interop.onnx: what onnxruntime computes is what `predict` does."""

import os
import sys

import interop_networks
import numpy as np
import pytest

from tinycnn import Conv2D, Dense, Dropout, Flatten, Input, Layer, Sequential
from tinycnn.interop import onnx as tinycnn_onnx
from tinycnn.layers import (
    LAYERS,
    GlobalMaxPooling2D,
    Normalization,
    ReLU,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)

reference = pytest.mark.reference
pytestmark = pytest.mark.usefixtures("numpy_rung")

#: Sums of at most a few hundred products of numbers around 1, in another order.
TOLERANCE = 1e-5


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx", reason="no onnx")


@pytest.fixture
def run():
    """A function that runs a file in onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime")

    def run(path, x):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
        (y,) = session.run(None, {"x": x})
        return y

    return run


def small():
    return Sequential([Input((6, 5, 2)), Conv2D(3, 2), Flatten(), Dense(4)], seed=0)


def test_every_layer_has_its_node():
    assert set(tinycnn_onnx.NODES) == set(LAYERS.values())


def test_a_missing_onnx_is_named_with_the_cure(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"^ONNX export needs onnx, .*'tinycnn\[onnx\]'$"):
        tinycnn_onnx.export(small(), tmp_path / "a.onnx")
    assert os.listdir(tmp_path) == []


# --- beside onnxruntime ---------------------------------------------------------------------------


@reference
@pytest.mark.parametrize("group", range(10))
def test_random_networks_compute_the_same(onnx, run, tmp_path, group):
    path = tmp_path / "a.onnx"
    for seed in range(group * 12, group * 12 + 12):
        model = interop_networks.network(seed)
        x = interop_networks.inputs(model)
        tinycnn_onnx.export(model, path)
        ours, theirs = model.predict(x, verbose=0), run(path, x)
        assert theirs.dtype == np.float32 and ours.shape == theirs.shape
        difference = np.abs(ours - theirs) / np.maximum(np.abs(ours), 1)
        assert difference.max() < TOLERANCE, (seed, model.layers)
        single = run(path, x[:1])
        np.testing.assert_allclose(single, theirs[:1], rtol=TOLERANCE, atol=TOLERANCE)


@reference
def test_the_random_networks_hold_every_layer_and_each_way_to_end():
    models = [interop_networks.network(seed) for seed in range(120)]
    drawn = {type(layer) for model in models for layer in model.layers}
    assert drawn == set(LAYERS.values())
    assert {len(model.input_shape) for model in models} == {1, 2, 3}
    assert {len(model.output_shape) for model in models} == {1, 2, 3}


@reference
@pytest.mark.parametrize("seed", range(120))
def test_a_transpose_stands_at_each_end_of_the_images_and_none_between(onnx, tmp_path, seed):
    """A Flatten and a Reshape are such ends; the output (N, C) of a global pool has no order."""
    model = interop_networks.network(seed)
    tinycnn_onnx.export(model, tmp_path / "a.onnx")
    nodes = [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node]
    images = len(model.input_shape) == 3
    expected = ["Transpose"] * images
    for layer in model.layers:
        becomes = len(layer.output_shape) == 3
        if type(layer) in (Flatten, Reshape):
            expected += ["Transpose"] * images + [type(layer).__name__] + ["Transpose"] * becomes
        elif images and not becomes:
            expected.append("Flatten")
        images = becomes
    expected += ["Transpose"] * images
    assert [node for node in nodes if node in ("Transpose", "Flatten", "Reshape")] == expected


@reference
def test_what_does_nothing_in_inference_is_left_out(onnx, run, tmp_path):
    model = Sequential([Dropout(0.5, input_shape=(3,))])
    tinycnn_onnx.export(model, tmp_path / "a.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node] == ["Identity"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(run(tmp_path / "a.onnx", x), x)


@reference
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"max_value": 6.0},
        {"max_value": 0.0},
        {"negative_slope": 0.5},
        {"threshold": 1.0},
        {"max_value": 2.0, "negative_slope": 0.25, "threshold": 0.5},
        {"max_value": 1.0, "threshold": 2.0},
        {"negative_slope": 1.5, "threshold": 1.0},
    ],
)
def test_a_relu_keeps_its_arguments(onnx, run, tmp_path, arguments):
    """At its edges, too."""
    model = Sequential([ReLU(**arguments, input_shape=(9,))])
    tinycnn_onnx.export(model, tmp_path / "a.onnx")
    x = np.float32([[-9, -1, -0.0, 0, 0.5, 1, 2, 6, 9]])
    np.testing.assert_array_equal(run(tmp_path / "a.onnx", x), model.predict(x, verbose=0))


@reference
@pytest.mark.parametrize("shape", [(3,), (4, 3), (5, 4, 3)])
@pytest.mark.parametrize("axis", [-1, None])
@pytest.mark.parametrize("invert", [False, True])
def test_an_adapted_normalization_is_written(onnx, run, tmp_path, shape, axis, invert):
    x = np.random.default_rng(0).normal(3, 2, (7, *shape)).astype(np.float32)
    x[..., 1] = 0.5  # a channel that never changes is divided by 1e-7
    layer = Normalization(axis=axis, invert=invert)
    layer.adapt(x)
    model = Sequential([Input(shape), layer])
    tinycnn_onnx.export(model, tmp_path / "a.onnx")
    ours = model.predict(x, verbose=0)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", x), ours, rtol=TOLERANCE, atol=TOLERANCE)


@reference
def test_moved_numbers_are_the_same_to_the_bit(onnx, run, tmp_path):
    model = Sequential(
        [
            Reshape((3, 4, 2), input_shape=(24,)),
            ZeroPadding2D(((1, 0), (0, 2))),
            UpSampling2D((3, 2)),
            Reshape((4, 6, -1)),
            GlobalMaxPooling2D(),
        ]
    )
    x = np.random.default_rng(0).normal(size=(5, 24)).astype(np.float32)
    for count in range(1, len(model.layers) + 1):
        part = Sequential([type(one)(**one.get_config()) for one in model.layers[:count]])
        part.build((24,))
        tinycnn_onnx.export(part, tmp_path / "a.onnx")
        np.testing.assert_array_equal(run(tmp_path / "a.onnx", x), part.predict(x, verbose=0))


@reference
def test_layers_may_be_named_as_the_graph_s_ends_are(onnx, run, tmp_path):
    model = Sequential([Input((3,)), Dense(2, name="y"), Dense(2, name="x")], seed=0)
    tinycnn_onnx.export(model, tmp_path / "a.onnx")
    x = interop_networks.inputs(model)
    ours = model.predict(x, verbose=0)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", x), ours, rtol=TOLERANCE, atol=TOLERANCE)


@reference
def test_the_shapes_are_told(onnx, tmp_path):
    tinycnn_onnx.export(small(), tmp_path / "a.onnx")
    graph = onnx.load(tmp_path / "a.onnx").graph

    def told(value):
        axes = value.type.tensor_type.shape.dim
        return value.name, [axis.dim_param or axis.dim_value for axis in axes]

    assert [told(value) for value in graph.input] == [("x", ["N", 6, 5, 2])]
    assert [told(value) for value in graph.output] == [("y", ["N", 4])]


@reference
def test_equal_models_make_equal_files(onnx, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        tinycnn_onnx.export(small(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


# --- what can't be written ------------------------------------------------------------------------


class Doubled(Layer):
    def forward(self, x, training=False):
        return 2 * self.receive(x)

    def backward(self, dy):
        return 2 * dy


class Stranger(Dense):
    """Its forward may do anything."""


@reference
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: Sequential([Doubled(input_shape=(3,))]),
            r"can't be written as ONNX.* Doubled\(doubled\)$",
        ),
        (lambda: Sequential([Stranger(2, input_shape=(3,))]), r"Received: Stranger\(stranger\)$"),
        (lambda: Sequential([Dense(2, input_shape=(3,))], dtype="float64"), "model of float64$"),
        (lambda: Sequential([Dense(2)]), "give the first layer an input_shape"),
        (lambda: Sequential(), "the model has no layers"),
    ],
)
def test_what_onnx_does_not_know_is_refused(onnx, tmp_path, make, match):
    (tmp_path / "a.onnx").write_bytes(b"old")
    with pytest.raises(ValueError, match=match):
        tinycnn_onnx.export(make(), tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.onnx"]


@reference
def test_a_layer_whose_forward_was_replaced_is_refused(onnx, tmp_path):
    model = small()
    model.layers[1].forward = lambda x, training=False: x
    with pytest.raises(ValueError, match=r"Received: Flatten\(flatten\)"):
        tinycnn_onnx.export(model, tmp_path / "a.onnx")


@reference
@pytest.mark.parametrize("name", ["a", "a.onnx.bak", "onnx", ".onnx", "a.ONNX"])
def test_another_ending_is_refused(onnx, tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.onnx\. Received: "):
        tinycnn_onnx.export(small(), tmp_path / name)
    assert os.listdir(tmp_path) == []


@reference
def test_a_file_of_two_gibibytes_is_refused(onnx, tmp_path, monkeypatch):
    monkeypatch.setattr(tinycnn_onnx, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"up to 2 GiB\. Received: a model of 271 parameters"):
        tinycnn_onnx.export(small(), tmp_path / "a.onnx")
    assert os.listdir(tmp_path) == []


@reference
def test_a_missing_folder_is_an_os_error(onnx, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        tinycnn_onnx.export(small(), tmp_path / "none" / "a.onnx")
