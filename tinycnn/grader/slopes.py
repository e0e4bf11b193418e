"""The gradient by differences, from the forward alone: a judge between student and grader."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.grader.cases import Case
from tinycnn.kernels import reference
from tinycnn.utils import Array

STEP = 1e-5  # of float64 numbers of size 1: the error is some 1e-9
Arguments = dict[str, Any]


def slope(name: str, case: Case, tensor: str, index: tuple[int, ...]) -> float | None:
    """The derivative of sum(dy * forward) with respect to one number of what `tensor` belongs to.

    Args:
        name: of a backward function.
        case: the arguments.
        tensor: "dx", "dkernel", ...
        index: of the number.

    Returns:
        The central difference, or None for what is no gradient.
    """
    if name not in LOSSES:
        return None
    exact = {
        key: value.astype(float)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
        for key, value in case.arguments.items()
    }
    values, loss = LOSSES[name](exact)
    if tensor not in values:
        return None
    base = values[tensor].copy()
    sides = []
    for sign in (1, -1):
        moved = base.copy()
        moved[index] += sign * STEP
        sides.append(loss({**values, tensor: moved}))
    return float((sides[0] - sides[1]) / (2 * STEP))


Loss = tuple[dict[str, Array], Callable[[dict[str, Array]], Any]]


def _windows(a: Arguments) -> dict[str, Any]:
    return {key: a[key] for key in ("size", "pool_size", "strides", "padding") if key in a}


def _col2im(a: Arguments) -> Loss:
    where = _windows(a)
    values = {"dx": np.zeros(a["x_shape"])}
    return values, lambda v: (reference.im2col(v["dx"], **where) * a["dcols"]).sum()


def _masked(a: Arguments) -> Array:
    y = a.get("y")
    return np.asarray(a["dy"] if y is None else a["dy"] * (y > 0))


def _conv2d(a: Arguments) -> Loss:
    dy, where = _masked(a), _windows(a)
    values = {"dx": a["x"], "dkernel": a["kernel"], "dbias": np.zeros(dy.shape[-1])}

    def loss(v: dict[str, Array]) -> Any:
        return (reference.conv2d_forward(v["dx"], v["dkernel"], v["dbias"], **where) * dy).sum()

    return values, loss


def _dense(a: Arguments) -> Loss:
    dy = _masked(a)
    values = {"dx": a["x"], "dkernel": a["kernel"], "dbias": np.zeros(dy.shape[-1])}
    return values, lambda v: ((v["dx"] @ v["dkernel"] + v["dbias"]) * dy).sum()


def _relu(a: Arguments) -> Loss:
    x = np.where(a["y"] > 0, a["y"], -1.0)  # some x that has this y
    return {"dx": x}, lambda v: (np.maximum(v["dx"], 0) * a["dy"]).sum()


def _max_pool(a: Arguments) -> Loss:
    """The winners stay what they are: as long as they are the largest, only they count."""
    where = _windows(a)
    PH, PW = a["pool_size"]
    one_hot = np.eye(PH * PW)[a["winners"]]  # (N, OH, OW, C, PH*PW)
    N, OH, OW, C = a["winners"].shape

    def loss(v: dict[str, Array]) -> Any:
        cols = reference.im2col(v["dx"], PAIR, where["strides"], where.get("padding", "valid"))
        windows = cols.reshape(N, OH, OW, PH * PW, C).transpose(0, 1, 2, 4, 3)
        return ((windows * one_hot).sum(axis=-1) * a["dy"]).sum()

    PAIR = (PH, PW)
    return {"dx": np.zeros(a["x_shape"])}, loss


def _average_pool(a: Arguments) -> Loss:
    where = _windows(a)
    values = {"dx": np.zeros(a["x_shape"])}
    return values, lambda v: (reference.average_pool_forward(v["dx"], **where) * a["dy"]).sum()


def _softmax(a: Arguments) -> Loss:
    values = {"dx": np.log(a["y"])}  # some x that has this y
    return values, lambda v: (reference.softmax_forward(v["dx"]) * a["dy"]).sum()


def _cross_entropy(a: Arguments) -> Loss:
    values = {"dlogits": np.log(a["probabilities"])}

    def loss(v: dict[str, Array]) -> Any:
        return reference.softmax_cross_entropy_forward(v["dlogits"], a["targets"])[0].sum()

    return values, loss


def _batch_norm(a: Arguments) -> Loss:
    values = {"dx": a["x"], "dgamma": a["gamma"], "dbeta": np.zeros_like(a["gamma"])}

    def loss(v: dict[str, Array]) -> Any:
        statistics = a["mean"], a["variance"]
        if a.get("of_batch", True):
            statistics = reference.moments(v["dx"])
        y = reference.batch_norm_forward(
            v["dx"], v["dgamma"], v["dbeta"], *statistics, a["epsilon"]
        )
        return (y * a["dy"]).sum()

    return values, loss


LOSSES: dict[str, Callable[[Arguments], Loss]] = {
    "col2im": _col2im,
    "conv2d_backward": _conv2d,
    "dense_backward": _dense,
    "relu_backward": _relu,
    "max_pool_backward": _max_pool,
    "average_pool_backward": _average_pool,
    "softmax_backward": _softmax,
    "softmax_cross_entropy_backward": _cross_entropy,
    "batch_norm_backward": _batch_norm,
}
