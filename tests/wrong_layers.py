"""The museum's other room: wrong layers and losses of a user's own, each with what must be said.

    for wrong in WRONG_LAYERS: ...

The bugs of bugs.py are patches of tinycnn; these break the rules of layers/base.py instead, in ways
that a comparison of slopes alone lets pass, or fails without a word of why.
"""

from typing import Any, NamedTuple

import numpy as np

from tinycnn.layers import Dense, Dropout, Layer
from tinycnn.losses import Loss
from tinycnn.parameter import Parameter

X = np.random.default_rng(3).standard_normal((3, 4))


class Scale(Layer):
    """y = scale * x, right; the others are this one with a slip."""

    def build(self, input_shape, rng=None, dtype="float32"):
        self.scale = self.add_parameter(
            "scale", input_shape, lambda shape, *_: np.linspace(0.5, 2, shape[0]), rng, dtype
        )
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return self.scale.value * x

    def backward(self, dy):
        (x,) = self.recall()
        self.scale.grad = (dy * x).sum(axis=0)
        return dy * self.scale.value


class GlobalNoise(Layer):
    """The noise of NumPy's global generator, and a backward that is nonsense."""

    def forward(self, x, training=False):
        return self.receive(x) + np.random.normal(size=x.shape)  # noqa: NPY002

    def backward(self, dy):
        return 17 * dy


class OwnNoise(Layer):
    """A generator of its own, which goes on from call to call."""

    def __init__(self):
        super().__init__()
        self.generator = np.random.default_rng(0)

    def forward(self, x, training=False):
        self.cache = (self.generator.random(x.shape),)
        return self.receive(x) * self.cache[0]

    def backward(self, dy):
        return dy * self.recall()[0]


class InnerNoise(Layer):
    """A dropout inside, to which nobody gives its generator."""

    def __init__(self):
        super().__init__()
        self.dropout = Dropout(0.5)

    def forward(self, x, training=False):
        return self.dropout.forward(self.receive(x), training)

    def backward(self, dy):
        return self.dropout.backward(dy)


class CountsItsCalls(Layer):
    """Something kept from one forward to the next."""

    calls = 0

    def forward(self, x, training=False):
        self.calls += 1
        return self.receive(x) * self.calls

    def backward(self, dy):
        return dy * self.calls


class ChangesX(Layer):
    """A relu that saves memory."""

    def forward(self, x, training=False):
        x = self.receive(x)
        x[x < 0] = 0
        self.cache = (x,)
        return x

    def backward(self, dy):
        return dy * (self.recall()[0] > 0)


class ChangesDy(Scale):
    """A backward that scales dy where it stands."""

    def backward(self, dy):
        dx = super().backward(dy)
        dy *= self.scale.value
        return dx


class ChangesXInBackward(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.recall()[0][...] = 0
        return dx


class ChangesY(Layer):
    """tanh whose backward works in y, which is the caller's."""

    def forward(self, x, training=False):
        y = np.tanh(self.receive(x))
        self.cache = (y,)
        return y

    def backward(self, dy):
        (y,) = self.recall()
        y *= -y
        y += 1
        return dy * y


class OneBuffer(Scale):
    """All outputs in one array."""

    def forward(self, x, training=False):
        y = super().forward(x)
        if not hasattr(self, "buffer"):
            self.buffer = np.empty_like(y)
        self.buffer[...] = y
        return self.buffer


class MovesStatistics(Scale):
    """A running mean that moves in forward instead of `update_statistics`."""

    def build(self, input_shape, rng=None, dtype="float32"):
        shape = super().build(input_shape, rng, dtype)
        self.mean = self.add_parameter("mean", input_shape, "zeros", rng, dtype)
        self.mean.trainable = False
        self.parameters.append(self.mean)
        return shape

    def forward(self, x, training=False):
        y = super().forward(x)
        self.mean.value[...] = 0.9 * self.mean.value + 0.1 * x.mean(axis=0)
        return y


class AddsUpGradients(Scale):
    """`grad` as PyTorch keeps it, which nobody sets to zero here."""

    def backward(self, dy):
        before = self.scale.grad
        dx = super().backward(dy)
        if before is not None:
            self.scale.grad = self.scale.grad + before
        return dx


class Forgotten(Scale):
    """A Parameter that is not listed."""

    def build(self, input_shape, rng=None, dtype="float32"):
        shape = super().build(input_shape, rng, dtype)
        self.hide(Parameter("offset", np.ones(input_shape, dtype)))  # not by add_parameter
        return shape

    def hide(self, offset):
        self.offset = offset

    def shown(self):
        return self.offset

    def forward(self, x, training=False):
        return super().forward(x) + self.shown().value


class ForgottenInAList(Forgotten):
    def hide(self, offset):
        self.offsets = [offset]

    def shown(self):
        return self.offsets[0]


class ForgottenInADict(Forgotten):
    def hide(self, offset):
        self.more = {"offset": (offset,)}

    def shown(self):
        return self.more["offset"][0]


class ForgottenInALayer(Layer):
    """A Dense inside, whose parameters are not handed on."""

    def build(self, input_shape, rng=None, dtype="float32"):
        self.dense = Dense(2)
        return self.finish_build(input_shape, self.dense.build(input_shape, rng, dtype), dtype)

    def forward(self, x, training=False):
        return self.dense.forward(x, training)

    def backward(self, dy):
        return self.dense.backward(dy)


class ReturnsFloat32(Scale):
    def forward(self, x, training=False):
        return super().forward(x).astype(np.float32)


class Float32Inside(Scale):
    """Right in float32; in float64 the digits are lost on the way."""

    def forward(self, x, training=False):
        return super().forward(np.asarray(x, np.float32).astype(np.float64))


class Jumps(Layer):
    """round(x), at places where it jumps: no slope between 0 and infinity is one."""

    def forward(self, x, training=False):
        x = self.receive(x)
        return np.round(x - x + 0.5 + np.where(x == X, 0, np.sign(x - X)) * 1e-12) + 1e-3 * x

    def backward(self, dy):
        return 100 * dy


class RoughEverywhere(Layer):
    """Noise that is the same for the same x: a gap of slopes at every element, and no kink."""

    def forward(self, x, training=False):
        x = self.receive(x)
        return x + np.sin(1e13 * x)

    def backward(self, dy):
        return 17 * dy


class WrongLayer(NamedTuple):
    """An exhibit: the layer or loss, and the words that the report must hold."""

    layer: Any
    words: str


class _Squares(Loss):
    """The mean square, right."""

    def forward(self, y_true, y_pred):
        self.cache = (y_pred - y_true,)
        return float(np.square(self.cache[0]).mean())

    def backward(self):
        (difference,) = self.recall()
        return 2 * difference / difference.size


class LossOfEachSample(_Squares):
    """Not the mean but all of them; its gradient is right for the sum."""

    def forward(self, y_true, y_pred):
        super().forward(y_true, y_pred)
        return np.square(self.cache[0]).sum(axis=1)

    def backward(self):
        return 2 * self.recall()[0]


class LossThatChangesPredictions(_Squares):
    def forward(self, y_true, y_pred):
        y_pred -= y_true
        self.cache = (y_pred,)
        return float(np.square(y_pred).mean())


class LossThatChangesTargets(_Squares):
    def backward(self):
        gradient = super().backward()
        self.y_true[...] = 0
        return gradient

    def forward(self, y_true, y_pred):
        self.y_true = y_true
        return super().forward(y_true, y_pred)


class NoisyLoss(_Squares):
    def forward(self, y_true, y_pred):
        return super().forward(y_true, y_pred) + np.random.normal()  # noqa: NPY002


RIGHT = Scale, _Squares
IN_PLACE = "in place: it must leave what it was given as it is"
TWICE = "two different outputs for the same x"
WRONG_LAYERS = [
    WrongLayer(GlobalNoise, TWICE),
    WrongLayer(OwnNoise, TWICE),
    WrongLayer(InnerNoise, TWICE),
    WrongLayer(CountsItsCalls, TWICE),
    WrongLayer(ChangesX, f"forward changes x {IN_PLACE}"),
    WrongLayer(ChangesDy, f"backward changes dy {IN_PLACE}"),
    WrongLayer(ChangesXInBackward, f"backward changes x {IN_PLACE}"),
    WrongLayer(ChangesY, f"backward changes y {IN_PLACE}"),
    WrongLayer(OneBuffer, "forward writes every output into one array"),
    WrongLayer(MovesStatistics, "forward changes the parameter mean"),
    WrongLayer(AddsUpGradients, "two different gradients for one dy"),
    WrongLayer(Forgotten, "self.offset (a Parameter named 'offset') is not in self.parameters"),
    WrongLayer(ForgottenInAList, "self.offsets[0] (a Parameter named 'offset') is not in"),
    WrongLayer(ForgottenInADict, "self.more['offset'][0] (a Parameter named 'offset') is not in"),
    WrongLayer(ForgottenInALayer, "self.dense.kernel (a Parameter named 'kernel') is not in"),
    WrongLayer(ReturnsFloat32, "forward returns float32 for an x of float64"),
    WrongLayer(Float32Inside, "forward rounds to float32 on the way"),
    WrongLayer(Jumps, "forward jumps here, which is not a kink"),
    WrongLayer(RoughEverywhere, "forward jumps here, which is not a kink"),
    WrongLayer(LossOfEachSample, "one number. Received: an array of shape (3,)"),
    WrongLayer(LossThatChangesPredictions, f"forward changes y_pred {IN_PLACE}"),
    WrongLayer(LossThatChangesTargets, f"backward changes y_true {IN_PLACE}"),
    WrongLayer(NoisyLoss, "forward gives two different losses"),
]
