"""A model of tinycnn as the equal network of PyTorch, with PyTorch's own random weights."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tinycnn import layers
from tinycnn.support.geometry import window_padding

ACTIVATIONS = {
    "linear": lambda x, axis: x,
    "relu": lambda x, axis: functional.relu(x),
    "softmax": functional.softmax,
    "sigmoid": lambda x, axis: x.sigmoid(),
    "tanh": lambda x, axis: x.tanh(),
    "leaky_relu": lambda x, axis: functional.leaky_relu(x, 0.2),
    "elu": lambda x, axis: functional.elu(x),
    "silu": lambda x, axis: functional.silu(x),
    "swish": lambda x, axis: functional.silu(x),
    "softplus": lambda x, axis: functional.softplus(x),
}


class Call(nn.Module):
    """A function as a module without weights."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def network(model):
    """The equal network; its modules with weights have the names of the layers."""
    modules = OrderedDict()
    for layer in model.layers:
        for i, module in enumerate(_modules(layer)):
            has_weights = bool(module.state_dict())
            modules[layer.name if has_weights else f"{layer.name}-{i}"] = module
    return nn.Sequential(modules).eval()


def predict(net, x):
    """What it makes of tinycnn's inputs, laid out as tinycnn's outputs are."""
    x = torch.from_numpy(x)
    with torch.inference_mode():
        y = net(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)
    return (y.permute(0, 2, 3, 1) if y.ndim == 4 else y).numpy()


def _modules(layer):
    shape = layer.input_shape
    channels = 1 if len(shape) == 3 else -1  # PyTorch's axis of what is tinycnn's last
    kind = type(layer)
    if kind is layers.Conv2D:
        yield _padded(layer, layer.kernel_size, 0.0)
        yield nn.Conv2d(
            shape[2], layer.filters, layer.kernel_size, layer.strides, bias=layer.use_bias
        )
    elif kind is layers.Dense and len(shape) == 3:
        yield nn.Conv2d(shape[2], layer.units, 1, bias=layer.use_bias)
    elif kind is layers.Dense:
        yield nn.Linear(shape[-1], layer.units, bias=layer.use_bias)
    elif kind is layers.BatchNormalization:
        make = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        norm = make(shape[-1], eps=layer.epsilon, affine=layer.scale or layer.center)
        yield from _on_channels(norm, shape)
    elif kind is layers.Normalization and layer.parameters:
        make = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        yield from _on_channels(make(shape[-1], eps=1e-14, affine=False), shape)
    elif kind is layers.Normalization:
        mean, deviation = (
            torch.tensor(values, dtype=torch.float32).reshape(-1, *([1, 1] * (len(shape) == 3)))
            for values in (layer.mean, np.sqrt(layer.variance))
        )
        if layer.invert:
            yield Call(lambda x: x * deviation + mean)
        else:
            yield Call(lambda x: (x - mean) / deviation)
    elif kind is layers.MaxPooling2D:
        yield _padded(layer, layer.pool_size, float("-inf"))
        yield nn.MaxPool2d(layer.pool_size, layer.strides)
    elif kind is layers.AveragePooling2D:
        pad = _padded(layer, layer.pool_size, 0.0)
        pool = nn.AvgPool2d(layer.pool_size, layer.strides)
        yield Call(lambda x: pool(pad(x)) / pool(pad(x.new_ones(x.shape))))
    elif kind is layers.GlobalAveragePooling2D:
        yield Call(lambda x: x.mean((2, 3)))
    elif kind is layers.GlobalMaxPooling2D:
        yield Call(lambda x: x.amax((2, 3)))
    elif kind is layers.UpSampling2D:
        yield nn.Upsample(scale_factor=layer.size)
    elif kind is layers.ZeroPadding2D:
        (top, bottom), (left, right) = layer.padding
        yield nn.ZeroPad2d((left, right, top, bottom))
    elif kind is layers.Flatten or (kind is layers.Reshape and len(layer.output_shape) == 1):
        yield nn.Flatten()
    elif kind is layers.Reshape:
        if len(shape) == 3:
            yield Call(lambda x: x.permute(0, 2, 3, 1))
        yield Call(lambda x: x.reshape(len(x), *layer.output_shape))
        if len(layer.output_shape) == 3:
            yield Call(lambda x: x.permute(0, 3, 1, 2))
    elif kind is layers.Rescaling:
        yield Call(lambda x: x * layer.scale + layer.offset)
    elif kind is layers.LeakyReLU:
        yield nn.LeakyReLU(layer.negative_slope)
    elif kind is layers.ELU:
        yield nn.ELU(layer.alpha)
    elif kind is layers.ReLU:
        yield Call(lambda x: _relu(layer, x))
    if kind is not layers.ReLU and (activation := getattr(layer, "activation", None)):
        yield Call(lambda x: ACTIVATIONS[activation](x, channels))


def _on_channels(norm, shape):
    """A normalisation of the channels; BatchNorm1d wants rows as (N, C, L)."""
    if len(shape) == 2:
        yield Call(lambda x: x.transpose(1, 2))
    yield norm
    if len(shape) == 2:
        yield Call(lambda x: x.transpose(1, 2))


def _relu(layer, x):
    """As Keras defines its relu with all arguments."""
    below = layer.negative_slope * (x - layer.threshold)
    return torch.where(x > layer.threshold, x.clamp(max=layer.max_value or float("inf")), below)


def _padded(layer, size, value):
    H, W, _ = layer.input_shape
    (top, bottom), (left, right) = window_padding(H, W, size, layer.strides, layer.padding)
    return Call(lambda x: functional.pad(x, (left, right, top, bottom), value=value))
