"""Another processor, played here: kernels that add up the same numbers in another order.

SIMD width, fused multiply-adds, the BLAS and its version all change the order in which sums are
rounded, and so their last bits, and so now and then the side on which a relu, a pool or an argmax
falls. `replace(module, seed)` puts each kernel of a rung that adds up behind one that first
permutes what is added: channels, samples, units, rows for columns. Exact sums stay exact, and the
same call gives the same bits; all else is rounded as it might be elsewhere. To find comparisons of
two orders of summation behind a branch, run tests with several seeds:

    OTHER_SUMS=compiled:7,reference:8 python -m pytest tests/test_x.py
"""

import functools
from types import ModuleType, SimpleNamespace

import numpy as np


def order(seed, length):
    """A permutation, always the same for a seed and a length."""
    return np.random.default_rng([seed, length]).permutation(length)


def conv2d_forward(kernel_function, seed):
    """Channels in another order, and for odd seeds the kernel by columns instead of by rows."""

    def function(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
        if np.ndim(x) != 4 or np.ndim(kernel) != 4 or x.shape[3] != kernel.shape[2]:
            return kernel_function(x, kernel, bias, strides, padding, relu)
        C = order(seed, x.shape[3])
        x, kernel = x[..., C], kernel[:, :, C]
        if seed % 2 == 0:
            return kernel_function(x, kernel, bias, strides, padding, relu)
        x, kernel = x.transpose(0, 2, 1, 3), kernel.transpose(1, 0, 2, 3)
        y = kernel_function(x, kernel, bias, strides[::-1], padding, relu)
        return np.ascontiguousarray(y.transpose(0, 2, 1, 3))

    return function


def conv2d_backward(kernel_function, seed):
    """Samples and filters in another order."""

    def function(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
        try:
            N, F = order(seed, len(x)), order(seed, kernel.shape[3])
            turned = (dy[N][..., F], x[N], kernel[..., F])
            mask = None if y is None else y[N][..., F]
        except (IndexError, TypeError):  # shapes that the kernel itself refuses
            return kernel_function(dy, x, kernel, strides, padding, y, needs_dx)
        turned_dx, turned_dk, turned_db = kernel_function(*turned, strides, padding, mask, needs_dx)
        dkernel, dbias = np.empty_like(turned_dk), np.empty_like(turned_db)
        dkernel[..., F], dbias[F] = turned_dk, turned_db
        dx = None
        if turned_dx is not None:
            dx = np.empty_like(turned_dx)
            dx[N] = turned_dx
        return dx, dkernel, dbias

    return function


def dense_forward(kernel_function, seed):
    """The inputs of a unit in another order."""

    def function(x, kernel, bias, relu=False):
        if np.ndim(x) != 2 or np.ndim(kernel) != 2 or x.shape[1] != len(kernel):
            return kernel_function(x, kernel, bias, relu)
        D = order(seed, len(kernel))
        return kernel_function(x[:, D], kernel[D], bias, relu)

    return function


def dense_backward(kernel_function, seed):
    """Samples and units in another order."""

    def function(dy, x, kernel, y=None, needs_dx=True):
        try:
            N, U = order(seed, len(x)), order(seed, kernel.shape[1])
            turned = (dy[N][:, U], x[N], kernel[:, U])
            mask = None if y is None else y[N][:, U]
        except (IndexError, TypeError):
            return kernel_function(dy, x, kernel, y, needs_dx)
        turned_dx, turned_dk, turned_db = kernel_function(*turned, mask, needs_dx)
        dkernel, dbias = np.empty_like(turned_dk), np.empty_like(turned_db)
        dkernel[:, U], dbias[U] = turned_dk, turned_db
        dx = None
        if turned_dx is not None:
            dx = np.empty_like(turned_dx)
            dx[N] = turned_dx
        return dx, dkernel, dbias

    return function


def by_last_axis(kernel_function, seed, results=1):
    """For the kernels over logits: classes in another order; the first `results` have them, too."""

    def function(*arrays):
        K = order(seed, arrays[0].shape[-1]) if arrays[0].ndim else ...
        try:
            turned = kernel_function(*(array[..., K] for array in arrays))
        except IndexError:
            return kernel_function(*arrays)
        several = turned if isinstance(turned, tuple) else (turned,)
        answers = []
        for array in several:
            answer = array
            if array.shape == arrays[0].shape:
                answer = np.empty_like(array)
                answer[..., K] = array
            answers.append(answer)
        return tuple(answers) if isinstance(turned, tuple) else answers[0]

    return function


def moments(kernel_function, seed):
    """Samples in another order."""
    return lambda x: kernel_function(x[order(seed, len(x))])


def batch_norm_backward(kernel_function, seed):
    """Samples in another order."""

    def function(dy, x, *rest):
        if dy.shape != x.shape:
            return kernel_function(dy, x, *rest)
        N = order(seed, len(x))
        turned, dgamma, dbeta = kernel_function(dy[N], x[N], *rest)
        dx = np.empty_like(turned)
        dx[N] = turned
        return dx, dgamma, dbeta

    return function


def fused_forward(kernel_function, seed):
    """Channels in another order."""

    def function(x, kernel, bias, padding="valid"):
        if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
            return kernel_function(x, kernel, bias, padding)
        C = order(seed, x.shape[3])
        return kernel_function(x[..., C], kernel[:, :, C], bias, padding)

    return function


def fused_backward(kernel_function, seed):
    """Samples and filters in another order."""

    def function(dy, x, kernel, winners, padding="valid", needs_dx=True):
        N, F = order(seed, len(x)), order(seed, kernel.shape[3])
        turned_dx, turned_dk, turned_db = kernel_function(
            dy[N][..., F], x[N], kernel[..., F], winners[N][..., F], padding, needs_dx
        )
        dkernel, dbias = np.empty_like(turned_dk), np.empty_like(turned_db)
        dkernel[..., F], dbias[F] = turned_dk, turned_db
        dx = None
        if turned_dx is not None:
            dx = np.empty_like(turned_dx)
            dx[N] = turned_dx
        return dx, dkernel, dbias

    return function


TURNED = {
    "conv2d_forward": conv2d_forward,
    "conv2d_backward": conv2d_backward,
    "dense_forward": dense_forward,
    "dense_backward": dense_backward,
    "conv2d_relu_pool_forward": fused_forward,
    "conv2d_relu_pool_backward": fused_backward,
    "moments": moments,
    "batch_norm_backward": batch_norm_backward,
    "softmax_forward": by_last_axis,
    "log_softmax": by_last_axis,
    "softmax_backward": by_last_axis,
    "softmax_cross_entropy_forward": by_last_axis,
    "softmax_cross_entropy_backward": by_last_axis,
}


def kernels(module: ModuleType, seed: int) -> SimpleNamespace:
    """A rung whose kernels add up in another order; the module itself stays as it is."""
    names = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    turned = {name: _turned(module, name, seed) for name in TURNED}
    return SimpleNamespace(**names | turned)


def replace(module: ModuleType, seed: int) -> None:
    """Puts them in the place of the module's own."""
    for name in TURNED:
        setattr(module, name, _turned(module, name, seed))


def _turned(module, name, seed):
    function = getattr(module, name)
    return functools.wraps(function)(TURNED[name](function, seed))
