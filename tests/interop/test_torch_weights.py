"""tinycnn.interop.torch_weights: real PyTorch reads what is written, and its files are read."""

import json
import os
import struct
import sys
from importlib import import_module

import interop_networks
import numpy as np
import pytest

from tinycnn import (
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Layer,
    ModelFileError,
    Sequential,
    layers,
)
from tinycnn.interop import torch_tensors, torch_weights
from tinycnn.layers import LAYERS

reference = pytest.mark.reference
pytestmark = pytest.mark.usefixtures("numpy_rung")

#: Sums of at most a few hundred products of numbers around 1, in another order.
TOLERANCE = 1e-5


@pytest.fixture
def safetensors():
    pytest.importorskip("safetensors.numpy", reason="no safetensors")
    return import_module("safetensors")


@pytest.fixture
def torch(safetensors):
    torch = pytest.importorskip("torch", reason="no PyTorch")
    import_module("safetensors.torch")
    torch.manual_seed(0)
    return torch


def small(**arguments):
    made = [Input((6, 5, 2)), Conv2D(3, 2), BatchNormalization(), Flatten(), Dense(4)]
    return Sequential(made, seed=0, **arguments)


def equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert (np.abs(ours - theirs) / np.maximum(np.abs(ours), 1)).max() < TOLERANCE


def refused(model, path, match, **arguments):
    """The file is refused for that reason, with its name, and no weight has changed."""
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=match) as caught:
        torch_weights.load_weights(model, path, **arguments)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize("function", [torch_weights.load_weights, torch_weights.save_weights])
def test_a_missing_safetensors_is_named_with_the_cure(monkeypatch, tmp_path, function):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"needs safetensors, .*'tinycnn\[safetensors\]'$"):
        function(small(), tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == []


def test_every_layer_has_its_equal():
    with_weights = {Conv2D, Dense, BatchNormalization, layers.Normalization}
    without = {Flatten, layers.Reshape, *torch_tensors.WITHOUT_WEIGHTS}
    assert with_weights | without == set(LAYERS.values())


# --- beside real PyTorch --------------------------------------------------------------------------


@reference
@pytest.mark.parametrize("group", range(10))
def test_pytorch_loads_what_is_written_and_predicts_the_same(torch, safetensors, tmp_path, group):
    import interop_torch

    path = tmp_path / "a.safetensors"
    for seed in range(group * 12, group * 12 + 12):
        model = interop_networks.network(seed)
        x = interop_networks.inputs(model)
        torch_weights.save_weights(model, path)
        net = interop_torch.network(model)
        net.load_state_dict(safetensors.torch.load_file(path))  # strict: no name too many or few
        equal(model.predict(x, verbose=0), interop_torch.predict(net, x))


@reference
@pytest.mark.parametrize("group", range(10))
def test_what_pytorch_wrote_is_loaded_and_predicts_the_same(torch, safetensors, tmp_path, group):
    import interop_torch

    path = tmp_path / "a.safetensors"
    for seed in range(group * 12, group * 12 + 12):
        model = interop_networks.network(seed)
        x = interop_networks.inputs(model)
        net = interop_torch.network(model)
        for name, tensor in net.state_dict().items():
            if name.endswith("running_mean"):
                tensor.uniform_(-0.5, 0.5)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
        for layer in model.layers:  # what the layer has no parameter for stays as PyTorch begins
            norm = getattr(net, str(layer.name), None)
            if type(layer) is BatchNormalization and norm.affine:
                if layer.scale:
                    torch.nn.init.uniform_(norm.weight, 0.5, 2)
                if layer.center:
                    torch.nn.init.uniform_(norm.bias, -1, 1)
        safetensors.torch.save_file(net.state_dict(), path)
        torch_weights.load_weights(model, path)
        equal(model.predict(x, verbose=0), interop_torch.predict(net, x))


@reference
def test_a_plain_network_of_pytorch_s_with_names_of_its_own(torch, safetensors, tmp_path):
    """The reference network as a PyTorch tutorial would write it, and back."""
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU()
    )
    net.extend([nn.MaxPool2d(2), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()])
    net.extend([nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(1)]).eval()
    names, path = ["0", "3", "6", "9", "11"], tmp_path / "a.safetensors"
    safetensors.torch.save_file(net.state_dict(), path)
    model = Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            Conv2D(64, 3, activation="relu"),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    torch_weights.load_weights(model, path, names)
    x = interop_networks.inputs(model, n=3)
    with torch.inference_mode():
        y = net(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    equal(model.predict(x, verbose=0), y)
    refused(model, path, r"lacks 10 of the model's .* conv2d\.bias among .* out of 0, 11, 3, 6, 9$")

    torch_weights.save_weights(model, tmp_path / "b.safetensors", names)
    for name, tensor in safetensors.torch.load_file(tmp_path / "b.safetensors").items():
        assert torch.equal(tensor, net.state_dict()[name])


@reference
def test_the_random_networks_hold_every_layer_here_too(torch):
    models = [interop_networks.network(seed) for seed in range(120)]
    assert {type(layer) for one in models for layer in one.layers} == set(LAYERS.values())
    shapes = {
        (len(layer.input_shape), len(layer.output_shape))
        for model in models
        for layer in model.layers
        if type(layer) is layers.Reshape
    }
    assert shapes == {(1, 3), (2, 3), (3, 1), (3, 2), (3, 3)}


@reference
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_float_types_are_converted(torch, safetensors, tmp_path, dtype):
    import interop_torch

    model, path = small(), tmp_path / "a.safetensors"
    net = interop_torch.network(model).to(getattr(torch, dtype))
    safetensors.torch.save_file(net.state_dict(), path)
    torch_weights.load_weights(model, path)
    x = interop_networks.inputs(model)
    equal(model.predict(x, verbose=0), interop_torch.predict(net.float(), x))


@reference
def test_a_file_of_torch_save_is_refused_as_the_pickle_it_is(torch, tmp_path):
    import interop_torch

    net, path = interop_torch.network(small()), tmp_path / "a.pth"
    for zipped in (True, False):
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=zipped)
        refused(small(), path, r"a pickle, which can run anything .* safetensors\.torch\.save_file")


# --- the file itself, without PyTorch -------------------------------------------------------------


@reference
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_is_read_again_to_the_bit(safetensors, tmp_path, dtype):
    for seed in range(30):
        model = interop_networks.network(seed) if dtype == "float32" else small(dtype=dtype)
        torch_weights.save_weights(model, tmp_path / "a.safetensors")
        before = model.get_weights()
        model.set_weights([np.zeros_like(weight) for weight in before])
        torch_weights.load_weights(model, os.fspath(tmp_path / "a.safetensors"))
        for was, now in zip(before, model.get_weights(), strict=True):
            assert was.dtype == now.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(was, now)


@reference
def test_each_number_has_its_place(safetensors, tmp_path):
    """Worked by hand: two pixels of two channels, flattened and added up."""
    model = Sequential([Input((1, 2, 2)), Conv2D(2, (1, 2), padding="same"), Flatten(), Dense(1)])
    kernel = np.arange(8).reshape(1, 2, 2, 2)  # (KH, KW, C, F)
    model.set_weights([kernel, [10, 11], [[0], [1], [2], [3]], [20]])
    torch_weights.save_weights(model, tmp_path / "a.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert {name: array.tolist() for name, array in found.items()} == {
        # (F, C, KH, KW)
        "conv2d.weight": [[[[0, 4]], [[2, 6]]], [[[1, 5]], [[3, 7]]]],
        "conv2d.bias": [10, 11],
        # By pixel and then channel here, by channel and then pixel there.
        "dense.weight": [[0, 2, 1, 3]],
        "dense.bias": [20],
    }


@reference
def test_a_normalisation_with_half_its_parameters_takes_only_the_neutral_other_half(
    safetensors, tmp_path
):
    path = tmp_path / "a.safetensors"
    model = Sequential([BatchNormalization(scale=False, input_shape=(2,))])
    torch_weights.save_weights(model, path)
    found = safetensors.numpy.load_file(path)
    assert found["batch_normalization.weight"].tolist() == [1, 1]
    found["batch_normalization.weight"] = np.float32([1, 2])
    safetensors.numpy.save_file(found, path)
    refused(model, path, "weight must be ones: the model's layer has no such parameter")
    del found["batch_normalization.weight"]
    safetensors.numpy.save_file(found, path)
    refused(model, path, "lacks 1 of the model's")


@reference
def test_a_failed_write_leaves_the_old_file(safetensors, tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("disk on fire")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="on fire"):
        torch_weights.save_weights(small(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.safetensors"]


class Doubled(Layer):
    def forward(self, x, training=False):
        return 2 * self.receive(x)

    def backward(self, dy):
        return 2 * dy


@reference
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Sequential([Doubled(input_shape=(3,)), Dense(2)]), r"own layers .*\(doubled\)$"),
        (lambda: Sequential([Conv2D(2, 1, input_shape=(3, 3, 1)), Flatten()]), r"\(3, 3, 2\)$"),
        (lambda: Sequential([Dense(2)]), "give the first layer an input_shape"),
        (
            lambda: Sequential([layers.Normalization(axis=None, input_shape=(3,))]),
            r"has no layer for .* with mean= and variance=, .*\(normalization\)$",
        ),
        (
            lambda: Sequential([layers.Normalization(invert=True, input_shape=(3,))]),
            "that is inverted",
        ),
        (
            lambda: Sequential(
                [Input((4, 3, 2)), Flatten(), layers.Reshape((3, 4, 2)), Conv2D(1, 1)]
            ),
            r"reshape the image itself\. Received: Reshape\(reshape\) behind .* \(4, 3, 2\)$",
        ),
        (
            lambda: Sequential([layers.Reshape((-1,), input_shape=(3, 3, 2))]),
            r"ends in a flattened image.* \(3, 3, 2\)$",
        ),
    ],
)
def test_a_model_without_an_equal_is_refused(safetensors, tmp_path, make, match):
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match=match):
        torch_weights.save_weights(make(), path)
    assert os.listdir(tmp_path) == []
    torch_weights.save_weights(small(), path)
    with pytest.raises(ValueError, match=match):
        torch_weights.load_weights(make(), path)


@reference
def test_a_normalization_s_constants_are_running_statistics(safetensors, tmp_path):
    model, path = Sequential([layers.Normalization(input_shape=(2,))]), tmp_path / "a.safetensors"
    model.layers[0].adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
    torch_weights.save_weights(model, path)
    found = safetensors.numpy.load_file(path)
    assert {name: array.tolist() for name, array in found.items()} == {
        "normalization.running_mean": [2, 20],
        "normalization.running_var": [1, 100],
        "normalization.num_batches_tracked": 0,
    }
    other = Sequential([layers.Normalization(input_shape=(2,))])
    torch_weights.load_weights(other, path)
    assert other.predict(np.float32([[4, 40]]), verbose=0).tolist() == [[2, 2]]


@reference
def test_a_layer_made_with_its_constants_has_no_weights(safetensors, tmp_path):
    made = layers.Normalization(mean=0.5, variance=2.0, invert=True, input_shape=(2,))
    torch_weights.save_weights(Sequential([made]), tmp_path / "a.safetensors")
    assert safetensors.numpy.load_file(tmp_path / "a.safetensors") == {}


@reference
@pytest.mark.parametrize("shape", [(3, 3, 1), (1, 1, 3)])
def test_a_reshape_of_a_flattened_image_whose_order_is_the_same_is_taken(
    safetensors, tmp_path, shape
):
    model = Sequential([Flatten(input_shape=shape), layers.Reshape(shape), Dense(2)])
    torch_weights.save_weights(model, tmp_path / "a.safetensors")


@reference
@pytest.mark.parametrize("shape", [(3, 3, 1), (1, 1, 3)])
def test_a_flattened_end_whose_order_is_the_same_is_taken(safetensors, tmp_path, shape):
    torch_weights.save_weights(Sequential([Flatten(input_shape=shape)]), tmp_path / "a.safetensors")


@reference
@pytest.mark.parametrize("name", ["a", "a.pt", "a.safetensors.bak", ".safetensors"])
def test_another_ending_is_refused(safetensors, tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.safetensors\. Received: "):
        torch_weights.save_weights(small(), tmp_path / name)
    assert os.listdir(tmp_path) == []


@reference
@pytest.mark.parametrize(
    ("names", "match"),
    [
        ("0", "must be a list of text"),
        ([0, 1, 2], "must be a list of text"),
        (["a", "b", ""], "must be a list of text"),
        (["a", "b"], r"3 different names, one for each of conv2d, batch_normalization, dense\."),
        (["a", "b", "b"], "3 different names"),
    ],
)
def test_wrong_names_are_refused(safetensors, tmp_path, names, match):
    path = tmp_path / "a.safetensors"
    torch_weights.save_weights(small(), path)
    for function in (torch_weights.save_weights, torch_weights.load_weights):
        with pytest.raises(ValueError, match=match):
            function(small(), path, names)


# --- damaged files and files made to deceive ------------------------------------------------------


def written(tmp_path, header, data=b""):
    """A file of these bytes behind a header as safetensors has it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "made.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@reference
def test_every_truncation_is_refused(safetensors, tmp_path):
    torch_weights.save_weights(small(), tmp_path / "a.safetensors")
    whole, cut = (tmp_path / "a.safetensors").read_bytes(), tmp_path / "cut"
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        refused(small(), cut, "not a complete .safetensors file")


@reference
def test_flipped_bytes_never_crash(safetensors, tmp_path):
    """Either the file is refused, or it was read: then all shapes are still right."""
    torch_weights.save_weights(small(), tmp_path / "a.safetensors")
    whole, path = (tmp_path / "a.safetensors").read_bytes(), tmp_path / "flipped"
    rng, outcomes = np.random.default_rng(0), set()
    for _ in range(300):
        content = bytearray(whole)
        for at in rng.integers(0, len(content), rng.integers(1, 9)):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        model = small()
        try:
            torch_weights.load_weights(model, path)
            outcomes.add("read")
        except ModelFileError as error:
            assert str(error).isprintable()
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@reference
@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda t: t.pop("dense.bias"), r"the file lacks 1 of the model's weights, dense\.bias"),
        (lambda t: t.update(more=np.zeros(2)), r"the model lacks 1 of the file's weights, more"),
        (
            lambda t: t.update({"dense.bias": np.zeros(3)}),
            r"dense\.bias is \(3,\) in the file, ",
        ),
        (
            lambda t: t.update({"dense.bias": np.zeros(4, "i4")}),
            r"dense\.bias is of I32; tinycnn reads F",
        ),
        (lambda t: t.update({"dense.bias": np.full(4, np.nan)}), "NaN, infinity, or a number that"),
        (lambda t: t.update({"dense.bias": np.full(4, 1e300)}), "a number that float32 can't hold"),
        (lambda t: t.update({"a\x1b[31m\u202e": np.zeros(2)}), r"weights, a\?\[31m\? among them"),
        (lambda t: t.clear(), "the file lacks 8 of the model's weights"),
    ],
)
def test_a_file_of_another_network_is_refused(safetensors, tmp_path, edit, match):
    path = tmp_path / "a.safetensors"
    torch_weights.save_weights(small(), path)
    tensors = dict(safetensors.numpy.load_file(path))
    edit(tensors)
    safetensors.numpy.save_file(tensors, path)
    refused(small(), path, match)


@reference
def test_half_precision_of_the_other_kind_is_refused(safetensors, tmp_path):
    header = {"dense.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    model = Sequential([Dense(2, use_bias=False, input_shape=(3,))])
    refused(model, written(tmp_path, header, bytes(12)), r"is of BF16; .*save network\.float\(\)$")


@reference
@pytest.mark.parametrize(
    "header",
    [
        b"[" * 10_000,
        b"{",
        b"{}" + b" " * 5,
        b'{"__metadata__":{"a":' + b'{"a":' * 1000,
        {"dense.weight": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 24]}},
        {"dense.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [24, 0]}},
        {"dense.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 2**40]}},
        {"dense.weight": {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}},
        {"dense.weight": {"dtype": "O", "shape": [2, 3], "data_offsets": [0, 24]}},
        {"dense.weight": 3},
    ],
)
def test_a_file_made_to_deceive_is_refused(safetensors, tmp_path, header):
    model = Sequential([Dense(2, use_bias=False, input_shape=(3,))])
    match = "not a complete .safetensors file|the file lacks 1 of the model's"
    refused(model, written(tmp_path, header, bytes(24)), match)


@reference
@pytest.mark.parametrize("content", [b"", b"text" * 99, b"\x89HDF\r\n\x1a\n" * 9, b"\xff" * 64])
def test_something_else_is_refused(safetensors, tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    refused(small(), path, "not a complete .safetensors file")


@reference
def test_our_own_model_file_and_an_empty_zip_are_refused(safetensors, tmp_path):
    small().save(tmp_path / "a.npz")
    refused(small(), tmp_path / "a.npz", "it seems: a pickle|far larger")


@reference
def test_a_file_without_an_end_is_not_read(safetensors, tmp_path, monkeypatch):
    refused(small(), tmp_path, "a folder, a pipe or a device")
    refused(small(), "/dev/zero", "a folder, a pipe or a device")
    monkeypatch.setattr(torch_weights, "MAX_HEADER_BYTES", 10_000)
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**40)
    refused(small(), tmp_path / "sparse", "far larger than the model's weights")


@reference
def test_a_missing_file_is_an_os_error(safetensors, tmp_path):
    with pytest.raises(FileNotFoundError):
        torch_weights.load_weights(small(), tmp_path / "a.safetensors")
