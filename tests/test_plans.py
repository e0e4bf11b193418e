"""Plans of the compiled rung: each for its shapes, dtypes and options, and for no others."""

import itertools

import numpy as np
import pytest
from processes import finish, start
from without_numba import compiled, launch, plans

from tinycnn import kernels
from tinycnn.kernels import reference


def random(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


# Of each public function that has plans: arguments whose results depend on everything a plan is
# found by. Among them are arrays of as many numbers in other shapes.


def conv2d(rung, rng, dtype):
    x, kernel, bias = (random(rng, dtype, *s) for s in ((2, 6, 6, 4), (3, 3, 4, 5), (5,)))
    tall, wide = (x.reshape(2, H, W, 4) for H, W in ((4, 9), (9, 4)))
    for strides, padding in itertools.product(((1, 1), (2, 1), (1, 2)), ("valid", "same")):
        for images, b, relu in ((x, bias, False), (x, None, True), (tall, bias, True)):
            y = rung.conv2d_forward(images, kernel, b, strides, padding, relu)
            yield y
            dy = random(rng, dtype, *y.shape)
            yield from rung.conv2d_backward(dy, images, kernel, strides, padding)
            # Which numbers of y are positive must not depend on a rounding.
            y = random(rng, dtype, *y.shape)
            yield from rung.conv2d_backward(dy, images, kernel, strides, padding, y, False)
        yield rung.conv2d_forward(wide, kernel, bias, strides, padding)


def dense(rung, rng, dtype):
    x, kernel, bias = (random(rng, dtype, *s) for s in ((6, 4), (4, 5), (5,)))
    for b, relu in ((bias, False), (None, False), (bias, True)):
        yield rung.dense_forward(x, kernel, b, relu)
    dy, y = random(rng, dtype, 6, 5), random(rng, dtype, 6, 5)
    yield from rung.dense_backward(dy, x, kernel)
    yield from rung.dense_backward(dy, x, kernel, y)
    yield from rung.dense_backward(dy, x, kernel, y, False)
    yield rung.dense_forward(x.reshape(4, 6), random(rng, dtype, 6, 4), None)


def fused(rung, rng, dtype):
    for C in (1, 30):  # by `_dkernel` or the two backwards, and by `_scatter`
        x, kernel, bias = (random(rng, dtype, *s) for s in ((4, 8, 7, C), (3, 2, C, 5), (5,)))
        for padding, b in itertools.product(("valid", "same"), (bias, None)):
            y, winners = rung.conv2d_relu_pool_forward(x, kernel, b, padding)
            yield y
            dy = random(rng, dtype, *y.shape)
            for needs_dx in (True, False):
                arguments = (dy, x, kernel, winners, padding, needs_dx)
                yield from rung.conv2d_relu_pool_backward(*arguments)


def softmax(rung, rng, dtype):
    for shape in ((6, 4), (4, 6), (3, 8)):
        logits, targets = random(rng, dtype, *shape), abs(random(rng, dtype, *shape))
        yield from (rung.softmax_forward(logits), rung.log_softmax(logits))
        losses, p = rung.softmax_cross_entropy_forward(logits, targets)
        yield from (losses, p, rung.softmax_cross_entropy_backward(p, targets))


def relu(rung, rng, dtype):
    for shape in ((), (0, 3), (24,), (4, 6), (2, 3, 4)):
        yield rung.relu_backward(random(rng, dtype, *shape), random(rng, dtype, *shape))


@pytest.mark.parametrize("results_of", [conv2d, dense, fused, softmax, relu])
def test_no_plan_is_taken_for_another(results_of):
    """In turns, so that each call meets the plans of all the others; the second time with these."""
    plans.forget()
    for dtype in ("float32", "float64", "float32", "float64"):
        # Sums of some hundred numbers around 1.
        tolerance = 1e-4 if dtype == "float32" else 1e-12
        both = (results_of(rung, np.random.default_rng(0), dtype) for rung in (compiled, reference))
        for ours, theirs in zip(*both, strict=True):
            if theirs is None:
                assert ours is None
                continue
            assert (ours.dtype, ours.shape) == (np.dtype(dtype), theirs.shape)
            assert ours.flags.carray
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def mark(piece, done, other):
    done[piece] = 1


@pytest.mark.parametrize("pieces", [(3, 7, 3, 0, 7), (7, 3)])
def test_no_launch_is_taken_for_one_of_more_pieces(pieces):
    marking = launch.kernel(mark)
    for count in pieces:
        done = np.zeros(9, np.int64)
        marking(count, (done, done))
        assert done.tolist() == [1] * count + [0] * (9 - count)


def test_nor_for_one_of_other_dtypes():
    marking = launch.kernel(mark)
    for dtype in ("float32", "float64", "int64", "uint8", "float32"):
        done = np.zeros(9, dtype)
        marking(9, (done, np.zeros(1)))
        assert done.tolist() == [1] * 9


def add_all(piece, total, first, second):
    for i in range(2):
        total[piece] += launch.array_from(first, i, total)[piece]
    total[piece] += 100 * launch.array_from(second, 0, total)[piece]


def test_nor_for_one_of_longer_lists():
    adding = launch.kernel(add_all)
    ones = [np.ones(4) for _ in range(3)]
    for first in (ones[:2], ones, ones[:2]):
        total = np.zeros(4)
        adding(4, (total, first, [np.full(4, 2.0)]))
        assert total.tolist() == [202] * 4


def test_a_plan_takes_arrays_however_they_lie_in_memory():
    rng = np.random.default_rng(0)
    x, kernel = random(rng, "float64", 3, 8, 8, 2), random(rng, "float64", 3, 3, 2, 4)
    expected = compiled.conv2d_forward(x, kernel, None)
    before = plans.plan_for.cache_info().currsize
    fixed = x.copy()
    fixed.flags.writeable = False
    unaligned = np.frombuffer(b"." + x.tobytes(), "float64", offset=1).reshape(x.shape)
    for same in (np.asfortranarray(x), x[::-1].copy()[::-1], fixed, unaligned):
        np.testing.assert_array_equal(compiled.conv2d_forward(same, kernel, None), expected)
    assert plans.plan_for.cache_info().currsize == before


def test_results_are_the_callers():
    x = np.ones((2, 3), "float32")
    first = compiled.softmax_forward(x)
    kept = first.copy()
    assert compiled.softmax_forward(2 * x) is not first
    first[:] = 7
    np.testing.assert_array_equal(compiled.softmax_forward(x), kept)


def test_what_is_wrong_is_refused_every_time():
    x, kernel = np.ones((1, 4, 4, 2)), np.ones((3, 3, 3, 1))
    before = plans.plan_for.cache_info().currsize
    for _ in range(3):
        with pytest.raises(ValueError, match="do not fit"):
            compiled.conv2d_forward(x, kernel, None)
        with pytest.raises(TypeError, match="`x` must be float32 or float64"):
            compiled.conv2d_forward(x.astype(np.int64), kernel, None)
        with pytest.raises(ValueError, match="`kernel` must have 4 axes"):
            compiled.conv2d_forward(x, kernel[0], None)
        with pytest.raises(TypeError, match="Received: x float64, bias float32"):
            compiled.dense_forward(x[0, 0], x[0, 0, :2], np.ones(2, "float32"))
    assert plans.plan_for.cache_info().currsize == before


def test_the_plans_are_not_kept_without_end():
    assert 0 < plans.plan_for.cache_info().maxsize <= 10_000


def test_warming_up_leaves_a_plan_s_constants_alone():
    """It puts zeros into all arrays it meets. A plan that it makes is there to stay."""
    x = np.array([[1e4, 1.0], [3.0, 3.0]])
    plans.forget()
    with launch.planning():
        compiled.softmax_forward(x.copy())
        compiled.conv2d_forward(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 3)), None)
    np.testing.assert_array_equal(compiled.log_softmax(x)[0], [0, 1 - 1e4])
    np.testing.assert_array_equal(compiled.softmax_forward(x), [[1, 0], [0.5, 0.5]])
    y = compiled.conv2d_forward(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 3)), None)
    np.testing.assert_array_equal(y, np.full((1, 2, 2, 3), 4.0))


def test_python_threads_may_make_the_same_plan_at_once():
    code = """
import sys, threading
import numpy as np
from tinycnn.kernels import compiled, reference
from tinycnn.kernels.compiled import plans
sys.setswitchinterval(1e-6)
rng = np.random.default_rng(0)
x, kernel = rng.standard_normal((2, 6, 6, 3)), rng.standard_normal((3, 3, 3, 5))
expected = reference.conv2d_forward(x, kernel, None)
compiled.conv2d_forward(x, kernel, None)
wrong = []
def work(barrier):
    for _ in range(50):
        barrier.wait()
        plans.forget()
        y = compiled.conv2d_forward(x, kernel, None)
        if abs(y - expected).max() > 1e-12:
            wrong.append(1)
barrier = threading.Barrier(4)
workers = [threading.Thread(target=work, args=(barrier,)) for _ in range(4)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(len(wrong))
"""
    assert finish(start(code))[0].split() == ["0"]


# --- NumPy's warnings -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numba", "numpy"])
def test_settings_beyond_the_dtype_warn_of_nothing(name):
    """They become infinite or 0 on the way to the kernels, whatever the caller has set."""
    w, g, m, v = (np.ones(3, "float32") for _ in range(4))
    x = np.ones((2, 2), "float32")
    huge, tiny = 1e200, 1e-200
    with kernels.use(name), np.errstate(all="raise"):
        kernels.sgd_update(w, g, None, huge)
        kernels.sgd_update(w, g, m, tiny, tiny, True)
        kernels.adam_update(w, g, m, v, np.float32(1), 0.9, 0.999, tiny)
        kernels.adam_update_all([w], [g], [m], [v], huge, 0.9, 0.999, tiny)
        kernels.amsgrad_update(w, g, m, v, v.copy(), np.float32(1), 0.9, 0.999, huge)
        kernels.nadam_update(w, g, m, v, huge, 1, 0.9, 0.9, 0.999, tiny)
        kernels.rmsprop_update(w, g, v, m, m.copy(), huge, 0.9, 0.9, tiny)
        kernels.leaky_relu_backward(x, kernels.leaky_relu_forward(x, huge), huge)
        kernels.elu_backward(x, kernels.elu_forward(-x, huge), huge)
        kernels.dropout(x, x > 0, 1 - tiny)
        kernels.rescale(x, huge, tiny, np.dtype("float32"))
        kernels.moments(np.linspace(-huge, huge, 10_000)[:, None])
        mean, variance = kernels.moments(x * np.float32(1e-38))
        kernels.batch_norm_forward(x, x[0], x[0], mean, variance, tiny)
        kernels.batch_norm_backward(x, x, x[0], mean, variance, tiny)


@pytest.mark.parametrize("name", ["numba", "numpy"])
def test_arrays_that_can_t_be_updated_in_place_warn_of_nothing(name):
    w, g, m, v = (np.ones((3, 4), "float32")[:, ::2] for _ in range(4))
    with kernels.use(name), np.errstate(all="raise"):
        kernels.sgd_update(w, g, None, 1e30)
        kernels.sgd_update(w, g, None, 1e30)
        kernels.adam_update_all([w, m], [g, g], [m.copy(), m], [v, v.copy()], 1e38, 0.9, 0.9, 1e-30)
