"""Dropout and noise: in training any number may be missing or off, so none can be relied on.

Source: Srivastava et al. 2014, in the inverted form (Section 10): the scaling is done in training,
and inference does nothing. keras/src/layers/regularization/dropout.py, gaussian_noise.py
"""

from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer
from tinycnn.support.arguments import integer, number
from tinycnn.utils import Array

__all__ = ["Dropout", "GaussianNoise"]


class Dropout(Layer):
    """Sets a random share of its input to 0 in training; in inference it does nothing.

    What is kept is divided by 1 - rate, so that the mean of an output is that of its input. Each
    training step drops other elements. `rng` draws them. A model sets it before every step. If you
    use the layer alone, set it yourself; otherwise each forward draws from a fresh, unpredictable
    one.

    Args:
        rate: the probability of being dropped, 0 to 1 (in some textbooks p is that of being kept).
        seed: of the layer's own noise; None leaves it to the model.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Dropout(0.5).forward(np.array([[1.0, 2.0]]))
        array([[1., 2.]])
    """

    rng: np.random.Generator | None = None

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = None if seed is None else integer(seed, "seed", least=0)
        if self.seed is not None:
            self.rng = np.random.default_rng(self.seed)
        self.rate = number(rate, "rate", low=0.0)
        if self.rate > 1:
            raise ValueError(f"`rate` must be in [0, 1]. Received: rate={rate!r}")

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = x / (1 - rate) where kept, else 0; y = x in inference."""
        x = self.receive(x)
        if not training:
            self.cache = (None,)
            return x
        rng = self.rng or np.random.default_rng()
        # float32 whatever the model's dtype, so that both dtypes drop the same elements.
        kept = np.asarray(rng.random(x.shape, dtype=np.float32)) >= self.rate
        self.cache = (kept,)  # which elements were kept; None in inference: all
        return kernels.dropout(x, kept, self.rate)

    def backward(self, dy: Array) -> Array:
        """dx = dy / (1 - rate) where kept, else 0; dx = dy in inference."""
        (kept,) = self.recall()
        dy = self.receive_gradient(dy)
        return dy if kept is None else kernels.dropout(dy, kept, self.rate)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class GaussianNoise(Layer):
    """Adds normally distributed noise to its input in training; in inference it does nothing.

    Each training step draws other noise. `rng` draws it. A model sets it before every step. If you
    use the layer alone, set it yourself; otherwise each forward draws from a fresh, unpredictable
    one.

    Args:
        stddev: the standard deviation of the noise, 0 to 1.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> GaussianNoise(0.5).forward(np.array([[1.0, 2.0]]))
        array([[1., 2.]])
    """

    rng: np.random.Generator | None = None

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = number(stddev, "stddev", low=0.0)
        if self.stddev > 1:
            raise ValueError(f"`stddev` must be in [0, 1]. Received: stddev={stddev!r}")

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = x + noise; y = x in inference."""
        x = self.receive(x)
        self.cache = ()
        if not training:
            return x
        rng = self.rng or np.random.default_rng()
        # float32 whatever the model's dtype, so that both dtypes get the same noise.
        noise = np.asarray(rng.standard_normal(x.shape, dtype=np.float32)).astype(x.dtype)
        return x + noise * x.dtype.type(self.stddev)

    def backward(self, dy: Array) -> Array:
        """dx = dy: the noise does not depend on x."""
        self.recall()
        return self.receive_gradient(dy)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "stddev": self.stddev}
