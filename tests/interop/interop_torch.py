"""A model of tinycnn as the equal network of PyTorch, with PyTorch's own random weights."""

from collections import OrderedDict

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
    import torch

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
        if len(shape) == 2:  # BatchNorm1d wants (N, C, L)
            yield Call(lambda x: x.transpose(1, 2))
        yield norm
        if len(shape) == 2:
            yield Call(lambda x: x.transpose(1, 2))
    elif kind is layers.MaxPooling2D:
        yield _padded(layer, layer.pool_size, float("-inf"))
        yield nn.MaxPool2d(layer.pool_size, layer.strides)
    elif kind is layers.AveragePooling2D:
        pad = _padded(layer, layer.pool_size, 0.0)
        pool = nn.AvgPool2d(layer.pool_size, layer.strides)
        yield Call(lambda x: pool(pad(x)) / pool(pad(x.new_ones(x.shape))))
    elif kind is layers.GlobalAveragePooling2D:
        yield Call(lambda x: x.mean((2, 3)))
    elif kind is layers.Flatten:
        yield nn.Flatten()
    elif kind is layers.Rescaling:
        yield Call(lambda x: x * layer.scale + layer.offset)
    elif kind is layers.LeakyReLU:
        yield nn.LeakyReLU(layer.negative_slope)
    elif kind is layers.ELU:
        yield nn.ELU(layer.alpha)
    if activation := getattr(layer, "activation", None):
        yield Call(lambda x: ACTIVATIONS[activation](x, channels))


def _padded(layer, size, value):
    H, W, _ = layer.input_shape
    (top, bottom), (left, right) = window_padding(H, W, size, layer.strides, layer.padding)
    return Call(lambda x: functional.pad(x, (left, right, top, bottom), value=value))
