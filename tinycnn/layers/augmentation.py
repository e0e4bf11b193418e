"""Augmentation: in training every image is moved, turned, zoomed or flipped, anew at each step.

An affine transform takes the place of each output pixel to a place in the input, between four
pixels, which are blended; outside, the image is 0. The transforms are (N, 2, 3), one per image:

    (column, row) of the input = A @ (j, i, 1) for column j and row i of the output

They lead from the output back to the input: an A that adds 2 to the column moves the image left by
2. In inference the layers do nothing. Each of them interpolates, so every further one in a row
blurs a little more.

Legend: cx = (W - 1) / 2 and cy = (H - 1) / 2, the centre of the image.

Source: keras/src/layers/preprocessing/image_preprocessing/random_translation.py,
random_rotation.py, random_zoom.py with `fill_mode="constant"`, and random_flip.py. Keras's own
default fill mode is "reflect", which is not implemented here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import integer, number, one_of
from tinycnn.support.geometry import output_size
from tinycnn.utils import Array

__all__ = ["RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"]

Factor = float | Sequence[float]


class RandomAffine(Layer):
    """Base of the layers here, which differ in the transforms they draw.

    `rng` draws them. A model sets it before every training step, from `seed` or else from its own.
    If you use the layer alone, set it or pass a `seed`; otherwise each forward draws from a fresh,
    unpredictable one.
    """

    rng: np.random.Generator | None = None
    training_if_called = True

    def __init__(self, fill_mode: str = "constant", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fill_mode = one_of(fill_mode, ("constant",), "fill_mode")
        self.seed = None if seed is None else integer(seed, "seed", least=0)
        if self.seed is not None:
            self.rng = np.random.default_rng(self.seed)

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "input_shape")
        return self.finish_build(input_shape, input_shape, dtype)

    def transforms(self, count: int, rng: np.random.Generator) -> Array:
        """Draws a transform for each of `count` images: (count, 2, 3), float64."""
        raise NotImplementedError

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = each image under a transform of its own; y = x in inference."""
        x = self.receive(x)
        # None in inference. Float64 whatever the model's dtype, so the draws are the same for both.
        transforms = None
        if training:
            transforms = self.transforms(len(x), self.rng or np.random.default_rng())
        self.cache = (transforms,)
        return x if transforms is None else kernels.affine_transform_forward(x, transforms)

    def backward(self, dy: Array) -> Array:
        """dx: each pixel's gradient goes to the four it was blended from; dx = dy in inference."""
        (transforms,) = self.recall()
        dy = self.receive_gradient(dy)
        return dy if transforms is None else kernels.affine_transform_backward(dy, transforms)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "fill_mode": self.fill_mode, "seed": self.seed}

    def _around_center(self, linear: Array) -> Array:
        """The transforms with these linear parts (N, 2, 2) that keep the image's centre fixed."""
        H, W, _ = self.input_shape or (0, 0, 0)
        center = np.array([[(W - 1) / 2], [(H - 1) / 2]])
        # (N, 2, 2) @ (2, 1) -> (N, 2, 1)
        return np.concatenate([linear, center - linear @ center], axis=2)


class RandomTranslation(RandomAffine):
    """Moves each image up or down and sideways.

    Args:
        height_factor: how far, as a share of the height, from -1 (up) to 1 (down). It is drawn
            between the two of a pair (lower, upper); a number f means (-f, f).
        width_factor: likewise for the width; negative is to the left.
        fill_mode: "constant", the only one here: zeros come in from outside.
        seed: of the layer's own noise; None leaves it to the model.

    Input shape: (N, H, W, C). Output shape: the same.

    Raises:
        ValueError: for an argument out of range, or an input that is not a batch of images.

    Example:
        >>> x = np.reshape([1.0, 2.0, 3.0, 4.0], (1, 1, 4, 1))
        >>> RandomTranslation(0, (0.25, 0.25)).forward(x, training=True).ravel()
        array([0., 1., 2., 3.])
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "constant",
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, **kwargs)
        self.height_factor = _bounds(height_factor, "height_factor")
        self.width_factor = _bounds(width_factor, "width_factor")

    def transforms(self, count: int, rng: np.random.Generator) -> Array:
        """column = j - share * W, row = i - share * H."""
        H, W, _ = self.input_shape or (0, 0, 0)
        transforms = np.tile(np.eye(2, 3), (count, 1, 1))
        transforms[:, 1, 2] = -H * rng.uniform(*self.height_factor, count)
        transforms[:, 0, 2] = -W * rng.uniform(*self.width_factor, count)
        return transforms

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors}


class RandomRotation(RandomAffine):
    """Turns each image about its centre.

    Args:
        factor: how far, as a share of a full turn, from -1 to 1; positive is counter-clockwise. It
            is drawn between the two of a pair (lower, upper); a number f means (-f, f). So 0.05
            turns by up to 18 degrees.
        fill_mode: "constant", the only one here: zeros come in from outside.
        seed: of the layer's own noise; None leaves it to the model.

    Input shape: (N, H, W, C). Output shape: the same.

    Raises:
        ValueError: for an argument out of range, or an input that is not a batch of images.

    Example:
        >>> x = np.reshape([1.0, 2.0, 3.0, 4.0], (1, 2, 2, 1))
        >>> RandomRotation((0.25, 0.25)).forward(x, training=True).reshape(2, 2).round(6)
        array([[2., 4.],
               [1., 3.]])
    """

    def __init__(self, factor: Factor, fill_mode: str = "constant", **kwargs: Any) -> None:
        super().__init__(fill_mode, **kwargs)
        self.factor = _bounds(factor, "factor")

    def transforms(self, count: int, rng: np.random.Generator) -> Array:
        """(column - cx, row - cy) = [[cos, -sin], [sin, cos]] @ (j - cx, i - cy)."""
        angle = 2 * np.pi * rng.uniform(*self.factor, count)
        cos, sin = np.cos(angle), np.sin(angle)
        return self._around_center(np.stack([cos, -sin, sin, cos], axis=1).reshape(count, 2, 2))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "factor": self.factor}


class RandomZoom(RandomAffine):
    """Makes each image smaller or larger about its centre.

    Args:
        height_factor: from -1 to 1. The output shows 1 + factor times the height, so positive makes
            the image smaller, negative larger: 0.25 shows 5/4 of it, -0.5 its middle half. It is
            drawn between the two of a pair (lower, upper); a number f means (-f, f).
        width_factor: likewise for the width; None draws one factor for both.
        fill_mode: "constant", the only one here: zeros come in from outside.
        seed: of the layer's own noise; None leaves it to the model.

    Input shape: (N, H, W, C). Output shape: the same.

    Raises:
        ValueError: for an argument out of range, or an input that is not a batch of images.

    Example:
        >>> x = np.reshape([0.0, 0.0, 6.0, 0.0, 0.0], (1, 1, 5, 1))
        >>> RandomZoom(0, (-0.5, -0.5)).forward(x, training=True).ravel()
        array([0., 3., 6., 3., 0.])
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "constant",
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, **kwargs)
        self.height_factor = _bounds(height_factor, "height_factor")
        self.width_factor = None
        if width_factor is not None:
            self.width_factor = _bounds(width_factor, "width_factor")

    def transforms(self, count: int, rng: np.random.Generator) -> Array:
        """column - cx = zoom * (j - cx), row - cy = zoom * (i - cy)."""
        linear = np.zeros((count, 2, 2))
        linear[:, 0, 0] = linear[:, 1, 1] = 1 + rng.uniform(*self.height_factor, count)
        if self.width_factor is not None:
            linear[:, 0, 0] = 1 + rng.uniform(*self.width_factor, count)
        return self._around_center(linear)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors}


class RandomFlip(Layer):
    """Mirrors each image, or leaves it, with equal chances.

    `rng` draws which; see `RandomAffine`. A digit is not the same in a mirror: for pictures of
    things, not for MNIST.

    Args:
        mode: "horizontal" mirrors left and right, "vertical" top and bottom, and
            "horizontal_and_vertical" does both or neither: as in Keras 3 it turns half of the
            images upside down.

    Input shape: (N, H, W, C). Output shape: the same.

    Raises:
        ValueError: for an unknown mode, or an input that is not a batch of images.

    Example:
        >>> RandomFlip("horizontal").forward(np.ones((1, 2, 2, 1))).shape
        (1, 2, 2, 1)
    """

    rng: np.random.Generator | None = None

    def __init__(self, mode: str = "horizontal_and_vertical", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = one_of(mode, ("horizontal", "vertical", "horizontal_and_vertical"), "mode")

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "input_shape")
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = some images mirrored; y = x in inference."""
        x = self.receive(x)
        # Which images; None in inference.
        chosen = (self.rng or np.random.default_rng()).random(len(x)) <= 0.5 if training else None
        self.cache = (chosen,)
        return x if chosen is None else self._flipped(x, chosen)

    def backward(self, dy: Array) -> Array:
        """dx = dy, mirrored where x was: a mirror image's mirror image is the image."""
        (chosen,) = self.recall()
        dy = self.receive_gradient(dy)
        return dy if chosen is None else self._flipped(dy, chosen)

    def _flipped(self, images: Array, chosen: Array) -> Array:
        rows = slice(None, None, -1 if "vertical" in self.mode else 1)
        columns = slice(None, None, -1 if "horizontal" in self.mode else 1)
        flipped = images.copy()
        flipped[chosen] = images[chosen][:, rows, columns]
        return flipped

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mode": self.mode}


def _bounds(factor: Factor, name: str) -> tuple[float, float]:
    """`factor` as (lower, upper), both in [-1, 1].

    Raises:
        ValueError: for anything else.
    """
    try:
        if isinstance(factor, Sequence | np.ndarray):
            lower, upper = sorted(number(bound, name) for bound in factor)
        else:
            upper = abs(number(factor, name))
            lower = -upper
        if -1 <= lower and upper <= 1:
            return lower, upper
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"`{name}` must be a number in [-1, 1] or a pair (lower, upper) of them. "
        f"Received: {name}={factor!r}"
    )
