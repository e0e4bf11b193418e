"""Looking inside a model: what it mixes up, what its layers see, which pixels it decides by.

This computes numbers; `plotting` draws them. Nothing is learned here, but a backward sets the
gradients of the parameters, as always. Layers run in inference mode: dropout is off.

Legend: N samples, K classes, images of H x W pixels and C channels. The score of a class is its
logit, which is the input of a final softmax; in a model without one it is the output itself.

Sources: Simonyan, Vedaldi and Zisserman 2014, "Deep inside convolutional networks", section 3
(saliency); Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.kernels.reference import col2im, im2col
from tinycnn.layers import Layer, Normalization, Rescaling
from tinycnn.models import Sequential
from tinycnn.support.arguments import integer
from tinycnn.support.geometry import Pair
from tinycnn.utils import Array

# --- what a model mixes up ------------------------------------------------------------------------


def confusion_matrix(y_true: Array, y_pred: Array, num_classes: int | None = None) -> Array:
    """How often class i was taken for class j.

    Args:
        y_true: (N,) class numbers.
        y_pred: (N,) class numbers; for probabilities (N, K), their `.argmax(axis=-1)`.
        num_classes: K; if None, the largest number that occurs, plus 1.

    Returns:
        counts (K, K): a row for each true class, a column for each predicted one.

    Raises:
        ValueError: if the two do not hold class numbers below `num_classes`, or differ in length.
    """
    y_true, y_pred = _class_numbers(y_true, "y_true"), _class_numbers(y_pred, "y_pred")
    if len(y_true) != len(y_pred):
        raise ValueError(
            "`y_true` and `y_pred` must hold the same number of samples. "
            f"Received: {len(y_true)} and {len(y_pred)}"
        )
    largest = int(max(y_true.max(), y_pred.max()))
    K = largest + 1 if num_classes is None else integer(num_classes, "num_classes", largest + 1)
    return np.bincount(y_true * K + y_pred, minlength=K * K).reshape(K, K)


def precision_and_recall(counts: Array) -> tuple[Array, Array]:
    """Precision and recall of each class.

    Args:
        counts: (K, K) from `confusion_matrix`.

    Returns:
        precision (K,), the share of samples taken for the class that do belong to it, and
        recall (K,), the share of samples of the class that were taken for it. NaN where there
        are no such samples.
    """
    right = counts.diagonal()
    with np.errstate(invalid="ignore"):  # 0 of 0
        return right / counts.sum(axis=0), right / counts.sum(axis=1)


def finite(probabilities: Array) -> Array:
    """Returns the probabilities if all are finite: argmax would make class 0 out of NaN.

    Raises:
        ValueError: for NaN or infinity.
    """
    if not np.isfinite(probabilities).all():
        raise ValueError(
            "`probabilities` must be finite: the model answers with NaN or infinity, so its "
            "weights are damaged; train it again, or load them from a file"
        )
    return probabilities


def confident_mistakes(y_true: Array, probabilities: Array) -> Array:
    """The samples that a model gets wrong, starting with those it is surest of.

    Args:
        y_true: (N,) class numbers.
        probabilities: (N, K).

    Returns:
        Their indices, by the wrong class's probability, highest first.

    Raises:
        ValueError: for probabilities that are not finite.
    """
    y_true = _class_numbers(y_true, "y_true")
    wrong = np.flatnonzero(finite(probabilities).argmax(axis=-1) != y_true)
    return wrong[np.argsort(-probabilities[wrong].max(axis=-1), kind="stable")]


# --- what it reads --------------------------------------------------------------------------------


def brightest_pixel(model: Sequential) -> int:
    """The brightest value of a pixel that a model reads: 255 if it scales bytes down, else 1.

    It is read off the first `Rescaling` or `Normalization` that comes before any weights. Numbers
    from 0 to 1 have a mean m and a deviation of at most sqrt(m - m**2), together at most 1.21: a
    `Normalization` with more has seen bytes.

    Args:
        model: any model whose weights are there.
    """
    for layer in model.chain:
        if isinstance(layer, Rescaling):
            return 255 if abs(layer.scale) < 0.1 else 1
        if isinstance(layer, Normalization):
            mean, deviation = layer.mean_and_deviation()
            return 255 if np.max(mean + deviation) > 1.21 and not layer.invert else 1
        if layer.parameters:
            break
    return 1


# --- what its layers see --------------------------------------------------------------------------


def feature_maps(model: Sequential, layer: Layer, x: Array) -> Array:
    """The output of one of the model's layers for a batch.

    Args:
        model: any model.
        layer: one of `model.layers`.
        x: (N, *input_shape).

    Returns:
        (N, *layer.output_shape); for a convolution (N, H, W, C), which is C maps of H x W.

    Raises:
        ValueError: if the layer is not the model's, or `x` does not fit it.
        RuntimeError: while another thread uses the model.
    """
    below, _ = _cut(model, layer, x)
    with model.at_work("feature_maps"):
        return below.predict(x, verbose=0)


def dead_maps(maps: Array) -> Array:
    """Which channels are 0 everywhere: after a relu, units that no sample activates.

    Args:
        maps: (N, ..., C), from `feature_maps`, of one sample or, better, of many.

    Returns:
        (C,) of bool.
    """
    return np.asarray(np.all(maps == 0, axis=tuple(range(maps.ndim - 1))))


# --- which pixels it decides by -------------------------------------------------------------------


def saliency(model: Sequential, x: Array, classes: int | Sequence[int] | Array) -> Array:
    """The gradient of a class's score with respect to each pixel; pictures show its absolute value.

    Args:
        model: one with a score for each class.
        x: (N, *input_shape).
        classes: the class whose score is taken, or one for each sample.

    Returns:
        (N, *input_shape): how much the score changes per unit of each pixel.

    Raises:
        ValueError: for a class that the model doesn't have, or an `x` that does not fit it.
        RuntimeError: while another thread uses the model.
    """
    model.build(np.shape(x)[1:])
    with model.at_work("saliency"):
        return _score_gradient(model, x, classes)


def grad_cam(
    model: Sequential, layer: Layer, x: Array, classes: int | Sequence[int] | Array
) -> Array:
    """Grad-CAM: where in a layer's maps A the evidence for a class lies.

    alpha[n, c] = mean over i, j of dscore[n] / dA[n, i, j, c]              (equation 1)
    cam[n, i, j] = max(0, sum over c of alpha[n, c] * A[n, i, j, c])        (equation 2)

    Args:
        model: one with a score for each class.
        layer: one of `model.layers` that makes maps, usually the last convolution.
        x: (N, *input_shape).
        classes: as for `saliency`.

    Returns:
        cam (N, H, W), of the size of the layer's maps, not normalised.

    Raises:
        ValueError: as for `saliency`, or if the layer is not the model's, makes no maps, or is the
            model's last.
        RuntimeError: while another thread uses the model.
    """
    below, above = _cut(model, layer, x)
    with model.at_work("grad_cam"):
        maps = below.predict(x, verbose=0)
        if maps.ndim != 4 or not above.chain:
            raise ValueError(
                "`layer` must make maps (N, H, W, C) and have layers after it. "
                f"Received: {layer} with output {maps.shape}"
            )
        alpha = _score_gradient(above, maps, classes).mean(axis=(1, 2), keepdims=True)
    return np.maximum((alpha * maps).sum(axis=-1), 0)


def _cut(model: Sequential, layer: Layer, x: Array) -> tuple[Sequential, Sequential]:
    """The model up to `layer`, and the rest; both made of the model's own layers."""
    model.build(np.shape(x)[1:])
    if layer not in model.chain:
        raise ValueError(f"`layer` must be one of {model.layers}. Received: {layer!r}")
    end = model.chain.index(layer) + 1
    below, above = model.chain[:end], model.chain[end:]
    made = (Sequential(layers, seed=model.seed, dtype=model.dtype) for layers in (below, above))
    return next(made), next(made)


def _score_gradient(model: Sequential, x: Array, classes: int | Sequence[int] | Array) -> Array:
    """The gradient of each sample's score for its class with respect to `x`."""
    if len(model.output_shape) != 1:
        raise ValueError(
            f"the model must have one score for each class. Received: output {model.output_shape}"
        )
    (K,) = model.output_shape
    chosen = _class_numbers(np.broadcast_to(classes, len(x)), "classes", K)
    model.forward(x)
    # A sample's score depends on no other sample, so one backward serves all of them: the gradient
    # of the sum of the scores. dscore (N, K) is 1 at each sample's class.
    head = model.logits_layer()
    from_logits = head is not None and head.activation == "softmax"
    dx = model.backward(np.eye(K, dtype=model.dtype)[chosen], from_logits)
    return np.asarray(dx)


# --- what the machinery does ----------------------------------------------------------------------


def window_sources(
    image_size: Pair, size: Pair, strides: Pair = (1, 1), padding: str = "valid"
) -> Array:
    """Which pixel each cell of the im2col matrix copies: im2col of the pixels' numbers.

    Args:
        image_size: (H, W).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        (OH*OW, KH*KW) of int: pixel (i, j) has the number i*W + j, and -1 is padding.
    """
    numbers = np.arange(1, image_size[0] * image_size[1] + 1).reshape(1, *image_size, 1)
    return im2col(numbers, size, strides, padding) - 1


def window_counts(
    image_size: Pair, size: Pair, strides: Pair = (1, 1), padding: str = "valid"
) -> Array:
    """How many windows see each pixel, and so how many gradients col2im adds up there.

    Args:
        image_size: (H, W).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        (H, W) of int: col2im of ones.
    """
    ones = np.ones_like(window_sources(image_size, size, strides, padding))
    return col2im(ones, (1, *image_size, 1), size, strides, padding)[0, :, :, 0]


def augmented(layer: Layer, image: Array, count: int, seed: int = 0) -> Array:
    """What an augmentation layer makes of one image, `count` times.

    Args:
        layer: any layer that is random in training and draws from its `rng`.
        image: (H, W, C).
        count: how many times.
        seed: the seed of the layer's generator.

    Returns:
        (count, H, W, C).
    """
    if hasattr(layer, "rng"):
        layer.rng = np.random.default_rng(seed)
    return layer.forward(np.repeat(image[np.newaxis], count, axis=0), training=True)


def _class_numbers(values: Any, name: str, classes: int | None = None) -> Array:
    """`values` as (N,) class numbers below `classes`, N > 0.

    Raises:
        ValueError: for anything else.
    """
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.size == 0 or numbers.dtype.kind not in "ui":
        raise ValueError(
            f"`{name}` must hold class numbers, one integer a sample. "
            f"Received: {numbers.dtype} of shape {numbers.shape}"
        )
    if numbers.min() < 0 or (classes is not None and numbers.max() >= classes):
        limit = "" if classes is None else f" and below {classes}"
        raise ValueError(
            f"`{name}` must hold numbers from 0 on{limit}. "
            f"Received: from {numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int64)
