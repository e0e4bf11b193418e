"""The public checks of other courses, made again from what their notebooks and tests do.

The sizes, the inputs, what is compared and how closely are theirs. Where a course pads by a number
of pixels, the padding here is "same" or "valid", whichever is nearer. `grader.py scoreboard` shows
them the wrong solutions of tests/grader.
"""

from collections.abc import Callable

import numpy as np

from tinycnn.grader.definitions import definition

Check = Callable[[Callable], bool]


def close(a, b, tolerance: float) -> bool:
    """Largest relative error, as CS231n's rel_error computes it."""
    if a is None or np.shape(a) != np.shape(b):
        return False
    return bool(np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))) < tolerance)


def right(name: str, *arguments):
    """tinycnn's results as a tuple."""
    results = definition(name)(*arguments)
    return results if isinstance(results, tuple) else (results,)


def compared(name: str, arguments, compare: Callable[[np.ndarray, np.ndarray], bool]) -> Check:
    """A check that compares all results on one input."""

    def check(function: Callable) -> bool:
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        got = function(*copies)
        got = got if isinstance(got, tuple) else (got,)
        wanted = right(name, *arguments)
        return len(got) == len(wanted) and all(map(compare, got, wanted))

    return check


def means(a, b) -> bool:
    """deeplearning.ai's assertions: the means agree."""
    return a is not None and bool(np.isclose(np.mean(a), np.mean(b), rtol=1e-5, atol=1e-8))


def sums(a, b) -> bool:
    """dlsys's: the sums agree to a tenth."""
    return a is not None and bool(abs(np.sum(a) - np.sum(b)) < 1e-1)


def elements(rng, a, b) -> bool:
    """minitorch's grad_check: one element, to a hundredth."""
    if a is None or np.shape(a) != np.shape(b):
        return False
    index = tuple(int(rng.integers(n)) for n in np.shape(b))
    return bool(abs(a[index] - b[index]) <= 1e-2 + 1e-2 * abs(b[index]))


def deeplearning_ai() -> dict[str, Check]:
    """Convolutional Neural Networks, week 1: convolution model, step by step."""
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(10, 4, 4, 3)), rng.normal(size=(2, 2, 3, 8))
    bias, pooled = rng.normal(size=8), rng.normal(size=(5, 5, 3, 2))
    (z,) = right("conv2d_forward", x, kernel, bias, (2, 2), "same")
    y, winners = right("max_pool_forward", pooled, (2, 2), (1, 1))
    checks = {
        "conv2d_forward": compared("conv2d_forward", (x, kernel, bias, (2, 2), "same"), means),
        "conv2d_backward": compared("conv2d_backward", (z, x, kernel, (2, 2), "same"), means),
        "max_pool_forward": compared("max_pool_forward", (pooled, (2, 2), (1, 1)), means),
    }
    dy = rng.normal(size=y.shape)
    arguments = (dy, winners, pooled.shape, (2, 2), (1, 1))
    checks["max_pool_backward"] = compared("max_pool_backward", arguments, means)
    return checks


def cs231n() -> dict[str, Check]:
    """Assignment 2 (2026), as far as its notebooks' relative errors go; none of them asserts."""
    rng = np.random.default_rng(231)

    def exact(a, b):
        return close(a, b, 1e-6)

    def line_of(low, high, *shape):
        return np.linspace(low, high, int(np.prod(shape))).reshape(shape)

    x, kernel = line_of(-0.1, 0.5, 2, 4, 4, 3), line_of(-0.2, 0.3, 4, 4, 3, 3)
    bias = np.linspace(-0.1, 0.2, 3)
    image, weights = rng.normal(size=(4, 5, 5, 3)), rng.normal(size=(3, 3, 3, 2))
    dy = rng.normal(size=(4, 5, 5, 2))
    pool = line_of(-0.3, 0.4, 2, 4, 4, 3)
    _, winners = right("max_pool_forward", rng.normal(size=(3, 8, 8, 2)), (2, 2), (2, 2))
    a, k, b = line_of(-0.1, 0.5, 2, 120), line_of(-0.2, 0.3, 120, 3), line_of(-0.3, 0.1, 3)
    back = rng.normal(size=(10, 5)), rng.normal(size=(10, 6)), rng.normal(size=(6, 5))
    scores, targets = rng.normal(size=(50, 10)) * 1e-3, np.eye(10)[rng.integers(10, size=50)]
    p = right("softmax_forward", scores)[0]
    normal = [rng.normal(size=(4, 5)) * 5 + 12, rng.normal(size=5), rng.normal(size=5)]
    mean, variance = normal[0].mean(0), normal[0].var(0)
    step = [line_of(-0.4, 0.6, 4, 5), line_of(-0.6, 0.4, 4, 5)]
    moments = [line_of(0.6, 0.9, 4, 5), line_of(0.7, 0.5, 4, 5)]
    both = (2, 2), (2, 2)
    return {
        "conv2d_forward": compared("conv2d_forward", (x, kernel, bias, (2, 2), "same"), exact),
        "conv2d_backward": compared("conv2d_backward", (dy, image, weights, (1, 1), "same"), exact),
        "max_pool_forward": compared("max_pool_forward", (pool, *both), exact),
        "max_pool_backward": compared(
            "max_pool_backward",
            (rng.normal(size=(3, 4, 4, 2)), winners, (3, 8, 8, 2), *both),
            exact,
        ),
        "dense_forward": compared("dense_forward", (a, k, b), exact),
        "dense_backward": compared("dense_backward", back, exact),
        "relu_forward": compared("relu_forward", (line_of(-0.5, 0.5, 3, 4),), exact),
        "relu_backward": compared(
            "relu_backward",
            (rng.normal(size=(10, 10)), np.maximum(rng.normal(size=(10, 10)), 0)),
            exact,
        ),
        "softmax_cross_entropy_forward": compared(
            "softmax_cross_entropy_forward", (scores, targets), exact
        ),
        "softmax_cross_entropy_backward": compared(
            "softmax_cross_entropy_backward", (p, targets), exact
        ),
        "batch_norm_forward": compared(
            "batch_norm_forward", (*normal, mean, variance, 1e-5), exact
        ),
        "batch_norm_backward": compared(
            "batch_norm_backward",
            (rng.normal(size=(4, 5)), normal[0], normal[1], mean, variance, 1e-5),
            exact,
        ),
        "sgd_update": in_place("sgd_update", (*step, moments[0], 1e-3, 0.9), (0, 2)),
        "adam_step": in_place("adam_step", (*step, *moments, 6, 1e-2, 0.9, 0.999, 1e-8), (0, 2, 3)),
    }


def in_place(name: str, arguments, places: tuple[int, ...]) -> Check:
    """A check of an optimizer's step on one input."""

    def check(function: Callable) -> bool:
        got, wanted = (
            [a.copy() if isinstance(a, np.ndarray) else a for a in arguments] for _ in range(2)
        )
        function(*got)
        definition(name)(*wanted)
        return all(close(got[place], wanted[place], 1e-6) for place in places)

    return check


def minitorch() -> dict[str, Check]:
    """grad_check: the sum of the outputs, one element of each gradient."""
    rng = np.random.default_rng(10)
    image, weights = rng.normal(size=(2, 6, 6, 2)), rng.normal(size=(2, 2, 2, 3))
    ones = np.ones((2, 6, 6, 3))
    a, k = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))

    def one(a, b):
        return elements(np.random.default_rng(10), a, b)

    y = np.maximum(rng.normal(size=(3, 4)), 0)
    p = right("softmax_forward", rng.normal(size=(2, 4)))[0]
    return {
        "conv2d_forward": compared(
            "conv2d_forward", (image, weights, None, (1, 1), "same"), lambda a, b: close(a, b, 1e-2)
        ),
        "conv2d_backward": compared("conv2d_backward", (ones, image, weights, (1, 1), "same"), one),
        "max_pool_forward": compared(
            "max_pool_forward", (image, (2, 2), (2, 2)), lambda a, b: close(a, b, 1e-2)
        ),
        "dense_backward": compared("dense_backward", (np.ones((3, 2)), a, k), one),
        "relu_backward": compared("relu_backward", (np.ones((3, 4)), y), one),
        "softmax_backward": compared("softmax_backward", (np.ones((2, 4)), p), one),
    }


def dlsys() -> dict[str, Check]:
    """hw2 and hw4 (needle): positive inputs, sums, gradients of a sum."""
    rng = np.random.default_rng(0)

    def positive(*shape):
        return (rng.integers(0, 99, shape) + 1) / 20

    def near(a, b):
        return close(a, b, 1e-4)

    image, weights = rng.normal(size=(3, 7, 7, 4)), rng.normal(size=(3, 3, 4, 5))
    ones = np.ones((3, 7, 7, 5))
    a, k, b = positive(4, 5), positive(5, 3), positive(3)
    value, gradient, speed = positive(3, 4), positive(3, 4), np.zeros((3, 4))
    return {
        "relu_forward": compared("relu_forward", (positive(2, 2),), near),
        "relu_backward": compared("relu_backward", (np.ones((2, 2)), positive(2, 2)), near),
        "conv2d_forward": compared("conv2d_forward", (image, weights, None, (1, 1), "same"), sums),
        "conv2d_backward": compared(
            "conv2d_backward", (ones, image, weights, (1, 1), "same"), near
        ),
        "dense_forward": compared("dense_forward", (a, k, b), near),
        "dense_backward": compared("dense_backward", (np.ones((4, 3)), a, k), near),
        "softmax_cross_entropy_forward": compared(
            "softmax_cross_entropy_forward", (positive(5, 10), np.eye(10)[[3, 1, 4, 1, 5]]), near
        ),
        "sgd_update": in_place("sgd_update", (value, gradient, speed, 0.01, 0.9), (0, 2)),
        "adam_step": in_place(
            "adam_step",
            (value, gradient, 0 * value, 0 * value, 1, 1e-2, 0.9, 0.999, 1e-8),
            (0, 2, 3),
        ),
    }


def tinytorch() -> dict[str, Check]:
    """The convolution's value test: one channel, strides 1, a kernel that is its own rotation."""
    image = np.arange(1.0, 17).reshape(1, 4, 4, 1)
    kernel = np.eye(2).reshape(2, 2, 1, 1)

    def near(a, b):
        return close(a, b, 1e-5)

    return {
        "conv2d_forward": compared("conv2d_forward", (image, kernel, None), near),
        "max_pool_forward": compared("max_pool_forward", (image, (2, 2), (2, 2)), near),
        "relu_forward": compared("relu_forward", (np.array([-2.0, -1, 0, 1, 2]),), near),
        "softmax_forward": compared("softmax_forward", (np.array([[1.0, 2, 3]]),), near),
    }


COURSES = {
    "deeplearning.ai C4W1": deeplearning_ai,
    "CS231n a2": cs231n,
    "minitorch": minitorch,
    "dlsys hw2/hw4": dlsys,
    "TinyTorch": tinytorch,
}
