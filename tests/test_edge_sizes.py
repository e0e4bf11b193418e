"""Edge sizes crosswise: the rungs compared where the sizes meet on which the compiled one decides.

The compiled rung takes another way for one filter, for a whole panel of them, for a rest of one,
for one row, one image, a stride beyond the kernel, and so on. A test of each by itself, or of sizes
drawn at random, says little of where two of them meet. dx of a convolution with one filter behind a
whole panel of channels was wrong, silently, while 5,451 tests passed: the drawn sizes had up to 5
channels, the listed ones never a panel of channels before a single filter, and the gradient cases
had no more than 4 of either. The same hole could have hidden any mistake that needs two sizes: in
the packing, in the rests of a panel and of a tile, in phases of a stride, in strips and lines of
the fused pair, in the groups and slabs of dkernel.

So the axes below list the sizes on which code decides, in terms of LANES, and the default suite
runs a covering array of them: every *triple* of values meets. The full tier runs the whole product,
at 16, 8 and 4 lanes.

All numbers are small and whole, so every sum is exact whatever its order, in float32, too. The
rungs have to agree to the bit, ties and zeros included, and no branch can fall another way.
"""

import itertools

import naive
import numpy as np
import pytest
from covering import covering, everything
from processes import finish_tests, start_tests
from without_numba import compiled, simd

from tinycnn.kernels import reference

L = LANES = simd.LANES
P = 8  # rows of a tile; at 8 lanes the wide one has 6, and 4 in front of a pool
IMAGES = (0, 1, 4, 7, 8, 9) if L != 8 else (0, 1, 4, 5, 6, 7, 8, 9)  # around a tile's rows


def whole(shape, dtype, seed=0, most=2):
    """Whole numbers from -most to most."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


def assert_equal(actual, expected, what):
    """To the bit, with names, for all arrays of two tuples (or two arrays)."""
    if not isinstance(actual, tuple):
        actual, expected = (actual,), (expected,)
    assert len(actual) == len(expected)
    for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
        if other is None:
            assert one is None
            continue
        assert (one.shape, one.dtype) == (other.shape, other.dtype), (what, i)
        assert np.array_equal(one, other), f"result {i} differs at {what}"


# --- the convolution, with and without relu -------------------------------------------------------

CHANNELS = tuple(dict.fromkeys((1, 2, L - 1, L, L + 1, 2 * L, 3 * L)))
CONVOLUTION = {
    "C": CHANNELS,
    "F": tuple(dict.fromkeys((1, 2, L - 1, L, L + 1, 2 * L - 1, 2 * L, 2 * L + 1, 3 * L, 4 * L))),
    "kernel": ((1, 1), (1, 3), (3, 1), (2, 2), (3, 3), (5, 4)),
    "strides": ((1, 1), (2, 2), (1, 2), (3, 1), (6, 6)),
    # "small": images that are smaller than the kernel, so padding "same".
    "padding": ("valid", "same", "small"),
    # What an image has beyond one window.
    "extra": ((0, 0), (0, 6), (7, 0), (4, 3)),
    "N": IMAGES,
    "relu": (False, True),
    "bias": (False, True),
    "dtype": ("float32", "float64"),
}


def check_convolution(C, F, kernel, strides, padding, extra, N, relu, bias, dtype):
    """Forward, backward with and without dx, on both rungs."""
    what = str(locals())
    (KH, KW), (h, w) = kernel, extra
    H, W = (h + KH, w + KW) if padding != "small" else (1 + h // 4, 1 + w // 4)
    mode = "valid" if padding == "valid" else "same"
    x, k = whole((N, H, W, C), dtype), whole((KH, KW, C, F), dtype, 1)
    b = whole(F, dtype, 2, most=9) if bias else None
    y = reference.conv2d_forward(x, k, b, strides, mode, relu)
    assert_equal(compiled.conv2d_forward(x, k, b, strides, mode, relu), y, what)
    dy = whole(y.shape, dtype, 3)
    mask = y if relu else None
    for needs_dx in (True, False):
        arguments = (dy, x, k, strides, mode, mask, needs_dx)
        expected = reference.conv2d_backward(*arguments)
        assert_equal(compiled.conv2d_backward(*arguments), expected, what)


# Many outputs or inputs: where dkernel cuts outputs into groups and its rows into slabs, where a
# piece of the forward has many tiles, and sums come to thousands of terms.
MANY = {
    "C": (1, L, 6 * L),
    "F": (1, L, 2 * L + 1),
    "kernel": ((1, 1), (3, 3), (2, 7)),
    "strides": ((1, 1), (2, 1)),
    "padding": ("valid", "same"),
    "extra": ((15, 22), (0, 200), (90, 1)),
    "N": (1, 2, 2 * P + 1),
    "relu": (False, True),
    "bias": (True,),
    "dtype": ("float32", "float64"),
}

# Few channels: where dx is made of columns, in strips of an image and pieces of a row.
FEW = {
    "C": (1, 2, 3),
    "F": (2 * L, 4 * L + 1),
    "kernel": ((1, 2), (3, 3), (2, 5), (7, 7)),
    "strides": ((1, 1), (2, 2), (1, 3), (8, 1), (3, 9)),
    "padding": ("valid", "same"),
    "extra": ((1, 150), (50, 9), (17, 0)),
    "N": (1, 3),
    "relu": (False, True),
    "bias": (True,),
    "dtype": ("float32", "float64"),
}


# Few filters: where a filter has several lanes of a vector, as many neighbouring inputs are taken
# at once, some are left over, and a row of a window is short or long.
NARROW = {
    "C": (1, 2, 3, L, 2 * L + 3),
    "F": tuple(dict.fromkeys((1, 2, 3, 4, 5, L // 2 - 1, L // 2, L // 2 + 1, L + 3))),
    "kernel": ((1, 1), (3, 3), (2, 7), (5, 5)),
    "strides": ((1, 1), (2, 1)),
    "padding": ("valid", "same", "small"),
    "extra": ((0, 0), (4, 3), (2, 50)),
    "N": (1, P + 1),
    "relu": (False, True),
    "bias": (False, True),
    "dtype": ("float32", "float64"),
}

# Enough outputs, of long enough sums, for the filters beyond a whole vector or half of one to be
# taken by themselves.
CUT = {
    "C": (L, 2 * L + 1),
    "F": tuple(dict.fromkeys((L // 2 + 1, L // 2 + 2, L + 1, L + 2, 2 * L + 1))),
    "kernel": ((3, 3), (5, 4)),
    "padding": ("valid", "same"),
    "outputs": ((64, 65), (33, 130)),
    "N": (1, 2),
    "bias": (False, True),
    "dtype": ("float32", "float64"),
}


def check_cut(C, F, kernel, padding, outputs, N, bias, dtype):
    """The forward, alone and with relu and pool."""
    what = str(locals())
    (KH, KW), (OH, OW) = kernel, outputs
    H, W = (OH + KH - 1, OW + KW - 1) if padding == "valid" else (OH, OW)
    x, k = whole((N, H, W, C), dtype), whole((KH, KW, C, F), dtype, 1)
    b = whole(F, dtype, 2, most=9) if bias else None
    y = reference.conv2d_forward(x, k, b, (1, 1), padding, True)
    assert_equal(compiled.conv2d_forward(x, k, b, (1, 1), padding, True), y, what)
    pooled = reference.conv2d_relu_pool_forward(x, k, b, padding)
    assert_equal(compiled.conv2d_relu_pool_forward(x, k, b, padding), pooled, what)


# --- convolution, relu and pool in one ------------------------------------------------------------

PAIR = {
    "C": CHANNELS,
    "F": CONVOLUTION["F"],
    "kernel": ((1, 1), (1, 3), (3, 1), (2, 3), (3, 3), (5, 4)),
    "padding": ("valid", "same", "small"),
    # Outputs of the convolution: too few for a pool, one, and odd rests.
    "outputs": ((1, 4), (2, 2), (3, 2), (2, 5), (5, 7)),
    "N": (0, 1, 3, 4, 5, 17),
    "bias": (False, True),
    "dtype": ("float32", "float64"),
}


def check_pair(C, F, kernel, padding, outputs, N, bias, dtype):
    """The fused forward and backward, on both rungs; and unfused, from the same winners."""
    what = str(locals())
    (KH, KW), (OH, OW) = kernel, outputs
    H, W = (OH + KH - 1, OW + KW - 1) if padding == "valid" else (OH, OW)
    if padding == "small":
        H, W = max(1, OH // 2), max(1, OW // 2)
    mode = "valid" if padding == "valid" else "same"
    x, k = whole((N, H, W, C), dtype), whole((KH, KW, C, F), dtype, 1)
    b = whole(F, dtype, 2, most=9) if bias else None
    expected = reference.conv2d_relu_pool_forward(x, k, b, mode)
    assert_equal(compiled.conv2d_relu_pool_forward(x, k, b, mode), expected, what)
    y, winners = expected
    dy = whole(y.shape, dtype, 3)
    for needs_dx in (True, False):
        arguments = (dy, x, k, winners, mode, needs_dx)
        gradients = reference.conv2d_relu_pool_backward(*arguments)
        assert_equal(compiled.conv2d_relu_pool_backward(*arguments), gradients, what)
    z = compiled.conv2d_forward(x, k, b, (1, 1), mode, True)
    unfused, places = compiled.max_pool_forward(z, (2, 2), (2, 2))
    assert_equal(unfused, y, what)
    dz = compiled.max_pool_backward(dy, places, z.shape, (2, 2), (2, 2))
    apart = compiled.conv2d_backward(dz, x, k, (1, 1), mode, z)
    together = compiled.conv2d_relu_pool_backward(dy, x, k, winners, mode)
    assert_equal(apart, together, what)


# Lines in several parts, images in several strips.
STRIPS = {
    "C": (L, 3 * L, 7 * L),
    "F": (1, L + 1),
    "kernel": ((1, 1), (3, 3), (5, 2)),
    "padding": ("valid", "same"),
    "outputs": ((40, 9), (12, 30), (3, 60)),
    "N": (4, 5),
    "bias": (True,),
    "dtype": ("float32", "float64"),
}


# --- dense ----------------------------------------------------------------------------------------

DENSE = {
    "N": (0, 1, P - 1, P, P + 1, 300),
    "D": (1, 2, L - 1, L, L + 1, 40 * L),
    "F": CONVOLUTION["F"],
    "relu": (False, True),
    "bias": (False, True),
    "dtype": ("float32", "float64"),
}


def check_dense(N, D, F, relu, bias, dtype):
    what = str(locals())
    x, k = whole((N, D), dtype), whole((D, F), dtype, 1)
    b = whole(F, dtype, 2, most=9) if bias else None
    y = reference.dense_forward(x, k, b, relu)
    assert_equal(compiled.dense_forward(x, k, b, relu), y, what)
    dy = whole(y.shape, dtype, 3)
    for needs_dx in (True, False):
        arguments = (dy, x, k, y if relu else None, needs_dx)
        assert_equal(
            compiled.dense_backward(*arguments), reference.dense_backward(*arguments), what
        )


# --- pools ----------------------------------------------------------------------------------------

POOL = {
    "C": CHANNELS,
    "size": ((1, 1), (2, 2), (2, 3), (3, 1), (3, 3), (4, 5)),
    "strides": ((1, 1), (2, 2), (1, 3), (2, 1), (6, 6)),
    "padding": ("valid", "same", "small"),
    "extra": ((0, 0), (0, 6), (7, 0), (4, 3)),
    "N": (0, 1, 3),
    "dtype": ("float32", "float64"),
}


def check_pool(C, size, strides, padding, extra, N, dtype):
    """Max and average, forward and backward."""
    what = str(locals())
    (PH, PW), (h, w) = size, extra
    H, W = (h + PH, w + PW) if padding != "small" else (1 + h // 4, 1 + w // 4)
    mode = "valid" if padding == "valid" else "same"
    x = whole((N, H, W, C), dtype)
    y, winners = reference.max_pool_forward(x, size, strides, mode)
    assert_equal(compiled.max_pool_forward(x, size, strides, mode), (y, winners), what)
    dy = whole(y.shape, dtype, 3)
    arguments = (dy, winners, x.shape, size, strides, mode)
    expected = reference.max_pool_backward(*arguments)
    assert_equal(compiled.max_pool_backward(*arguments), expected, what)
    # Both divide one exact sum by one count: equal. Their backwards add up to 20 quotients, each
    # rounded, in orders of their own.
    mean = reference.average_pool_forward(x, size, strides, mode)
    assert_equal(compiled.average_pool_forward(x, size, strides, mode), mean, what)
    arguments = (dy, x.shape, size, strides, mode)
    dx = reference.average_pool_backward(*arguments)
    tolerance = 40 * np.finfo(dtype).eps
    actual = compiled.average_pool_backward(*arguments)
    np.testing.assert_allclose(actual, dx, rtol=0, atol=tolerance, err_msg=what)


# --- what works element by element, row by row or channel by channel ------------------------------

PIECE = 4096  # numbers of one piece of work
SIZES = (0, 1, 2, L - 1, L, L + 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1)

ELEMENTWISE = {"size": SIZES, "dtype": ("float32", "float64")}


def check_elementwise(size, dtype):
    """Relu and the other activations, dropout, rescaling."""
    what = str(locals())
    x, dy = whole(size, dtype), whole(size, dtype, 1)
    assert_equal(compiled.relu_forward(x), reference.relu_forward(x), what)
    y = reference.relu_forward(x)
    assert_equal(compiled.relu_backward(dy, y), reference.relu_backward(dy, y), what)
    kept = whole(size, "int64", 2) > 0
    assert_equal(compiled.dropout(x, kept, 0.5), reference.dropout(x, kept, 0.5), what)
    pixels = np.random.default_rng(3).integers(0, 256, size).astype(np.uint8)
    for values in (pixels, x, pixels.astype("int32")):
        arguments = (values, 0.25, -3.0, np.dtype(dtype))
        assert_equal(compiled.rescale(*arguments), reference.rescale(*arguments), what)
    few = 8 * np.finfo(dtype).eps  # last bits of numbers up to 2
    for name, arguments in {
        "sigmoid": (),
        "tanh": (),
        "leaky_relu": (0.25,),
        "elu": (0.5,),
    }.items():
        forward, backward = f"{name}_forward", f"{name}_backward"
        y = getattr(reference, forward)(x, *arguments)
        actual = getattr(compiled, forward)(x, *arguments)
        np.testing.assert_allclose(actual, y, rtol=0, atol=few, err_msg=f"{forward} {what}")
        dx = getattr(reference, backward)(dy, y, *arguments)
        actual = getattr(compiled, backward)(dy, y, *arguments)
        np.testing.assert_allclose(actual, dx, rtol=0, atol=4 * few, err_msg=f"{backward} {what}")


OPTIMIZERS = {
    # How many parameters, and which sizes they begin with: four go into one launch.
    "count": (1, 3, 4, 5, 8, 9),
    "first": range(len(SIZES)),
    "dtype": ("float32", "float64"),
}


def check_optimizers(count, first, dtype):
    """Equal to the bit, as both rungs do the same operations in the same order."""
    what = str(locals())
    sizes = [SIZES[(first + i) % len(SIZES)] for i in range(count)]

    def state():
        return [
            [np.abs(whole(size, dtype, 4 * i + j)) + j for i, size in enumerate(sizes)]
            for j in range(4)
        ]

    fresh, ours, theirs = state(), state(), state()
    rates = (0.125, 0.75, 0.875, 1e-7)
    compiled.adam_update_all(*ours, *rates)
    reference.adam_update_all(*theirs, *rates)
    for one, other in zip(ours, theirs, strict=True):
        assert_equal(tuple(one), tuple(other), f"adam {what}")
    for i in range(count):
        for moving, nesterov in ((False, False), (True, False), (True, True)):
            pairs = []
            for rung in (compiled, reference):
                value, gradient, velocity, _ = (arrays[i].copy() for arrays in fresh)
                rung.sgd_update(value, gradient, velocity if moving else None, 0.1, 0.9, nesterov)
                pairs.append((value, velocity))
            assert_equal(*pairs, f"sgd {what}")
        for centered, moving in itertools.product((False, True), repeat=2):
            pairs = []
            for rung in (compiled, reference):
                value, gradient, square, velocity = (arrays[i].copy() for arrays in fresh)
                mean = gradient / 2
                extra = (mean if centered else None, velocity if moving else None)
                rung.rmsprop_update(value, gradient, square, *extra, 0.1, 0.9, 0.5, 1e-7)
                pairs.append((value, square, mean, velocity))
            assert_equal(*pairs, f"rmsprop {what}")


ROWS = {"N": (0, 1, 2, 5, 64), "K": (1, 2, L - 1, L, L + 1, 100), "dtype": ("float32", "float64")}


def check_rows(N, K, dtype):
    """Softmax and the loss on it."""
    what = str(locals())
    logits, targets = whole((N, K), dtype, most=9), np.abs(whole((N, K), dtype, 1))
    tolerance = K * 4 * np.finfo(dtype).eps  # K exponentials, summed in two orders
    for name in ("softmax_forward", "log_softmax"):
        actual, expected = getattr(compiled, name)(logits), getattr(reference, name)(logits)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=9 * tolerance, err_msg=what)
    losses, p = reference.softmax_cross_entropy_forward(logits, targets)
    actual, q = compiled.softmax_cross_entropy_forward(logits, targets)
    np.testing.assert_allclose(actual, losses, rtol=tolerance, atol=9 * tolerance, err_msg=what)
    np.testing.assert_allclose(q, p, rtol=0, atol=tolerance, err_msg=what)
    expected = reference.softmax_cross_entropy_backward(p, targets)
    actual = compiled.softmax_cross_entropy_backward(p, targets)
    scale = 2 * K  # the sum of the targets
    np.testing.assert_allclose(actual, expected, rtol=0, atol=scale * tolerance, err_msg=what)


NORMALIZATION = {
    "M": (1, 2, 7, 64, 300),
    "C": (*CHANNELS, PIECE // 64, PIECE // 64 + 1, PIECE, PIECE + 1),
    "of_batch": (False, True),
    "dtype": ("float32", "float64"),
}


def check_normalization(M, C, of_batch, dtype):
    """Groups of rows: one, a whole number, a rest of one; more channels than a piece holds."""
    what = str(locals())
    x, dy = whole((M, C), dtype, most=9), whole((M, C), dtype, 1)
    gamma, beta = whole(C, dtype, 2, most=3), whole(C, dtype, 3)
    mean, variance = reference.moments(x)
    eps = np.finfo(dtype).eps
    # Sums of M numbers up to 9, and of their squares, in two orders.
    ours = compiled.moments(x)
    np.testing.assert_allclose(ours[0], mean, rtol=0, atol=20 * eps * 9, err_msg=what)
    np.testing.assert_allclose(ours[1], variance, rtol=0, atol=20 * eps * 81, err_msg=what)
    arguments = (x, gamma, beta, mean, variance, 0.5)
    np.testing.assert_allclose(
        compiled.batch_norm_forward(*arguments),
        reference.batch_norm_forward(*arguments),
        rtol=0,
        atol=100 * eps,
        err_msg=what,
    )
    arguments = (dy, x, gamma, mean, variance, 0.5, of_batch)
    results = zip(
        compiled.batch_norm_backward(*arguments),
        reference.batch_norm_backward(*arguments),
        strict=True,
    )
    for actual, expected in results:
        np.testing.assert_allclose(actual, expected, rtol=0, atol=40 * M * eps, err_msg=what)


AFFINE = {
    "N": (0, 1, 3),
    "size": ((1, 1), (1, 6), (5, 1), (4, 5)),
    "C": CHANNELS,
    "shift": (0.0, 1.0, -0.5, 7.0),
    "dtype": ("float32", "float64"),
}


def check_affine(N, size, C, shift, dtype):
    """Moved by a whole number, by half a pixel, and out of the image; all weights are halves."""
    what = str(locals())
    x = whole((N, *size, C), dtype)
    transforms = np.tile([[1.0, 0.0, shift], [0.0, 1.0, -shift / 2]], (N, 1, 1)).reshape(N, 2, 3)
    for name in ("affine_transform_forward", "affine_transform_backward"):
        expected = getattr(reference, name)(x, transforms)
        assert_equal(getattr(compiled, name)(x, transforms), expected, what)


# --- the tests ------------------------------------------------------------------------------------

# name: (check, axes, how many axes meet in the default suite)
CHECKS = {
    "convolution": (check_convolution, CONVOLUTION, 3),
    "convolution of many": (check_convolution, MANY, 2),
    "convolution of few channels": (check_convolution, FEW, 2),
    "convolution of few filters": (check_convolution, NARROW, 2),
    "convolution, cut by filters": (check_cut, CUT, 2),
    "convolution, relu, pool": (check_pair, PAIR, 3),
    "strips": (check_pair, STRIPS, 2),
    "dense": (check_dense, DENSE, 3),
    "pools": (check_pool, POOL, 3),
    "elementwise": (check_elementwise, ELEMENTWISE, 2),
    "optimizers": (check_optimizers, OPTIMIZERS, 2),
    "rows": (check_rows, ROWS, 3),
    "normalization": (check_normalization, NORMALIZATION, 2),
    "affine": (check_affine, AFFINE, 2),
}
each_check = pytest.mark.parametrize("name", CHECKS)


def run(check, rows):
    """Every row; the first failures are told together, as they say more than one."""
    failures = []
    for row in rows:
        try:
            check(**row)
        except AssertionError as error:
            failures.append(f"{row}: {str(error).strip().splitlines()[0]}")
            if len(failures) == 10:
                break
    assert not failures, "\n".join(failures)


@each_check
def test_edges_meet(name):
    check, axes, strength = CHECKS[name]
    run(check, covering(axes, strength))


@pytest.mark.full
@each_check
def test_all_edges_meet_numba(name):
    """All sizes with all strides, paddings and dtypes; relu and bias, which cost fourfold, drawn.

    Each triple of sizes thus meets relu and bias, or their absence, dozens of times.
    """
    check, axes, _ = CHECKS[name]
    run(check, everything(axes, drawn=("relu", "bias")))


@pytest.mark.full
@pytest.mark.parametrize("lanes", [lanes for lanes in ("16", "8", "4") if lanes != str(LANES)])
def test_all_edges_meet_at_other_lanes(lanes):
    selection = ("test_all_edges_meet_numba", "tests/test_edge_sizes.py", "full")
    finish_tests(start_tests(*selection, TINYCNN_LANES=lanes))


def test_drawn_axes_take_all_their_values_beside_the_product_of_the_others():
    axes = {"a": range(9), "b": range(8), "c": (True, False)}
    rows = everything(axes, drawn=("c",))
    assert [(row["a"], row["b"]) for row in rows] == list(itertools.product(range(9), range(8)))
    assert {(row["a"], row["c"]) for row in rows} == set(itertools.product(range(9), axes["c"]))
    assert len(everything(axes)) == 9 * 8 * 2


def test_a_covering_array_covers():
    axes = {"a": "xyz", "b": (1, 2), "c": (True, False, None), "d": range(4)}
    for strength in (2, 3):
        rows = covering(axes, strength)
        assert len(rows) < len(everything(axes))
        for names in itertools.combinations(axes, strength):
            met = {tuple(row[name] for name in names) for row in rows}
            assert met == set(itertools.product(*(axes[name] for name in names)))
    assert covering(axes, 4, tries=1) != []
    assert len(covering(axes, 4)) == len(everything(axes))


def test_the_reference_is_the_definition_where_edges_meet():
    """The small ones of the rows above, by nested loops: a mistake of both rungs cannot hide."""
    small = {**CONVOLUTION, "C": (1, 2, 3), "F": (1, 2, 3), "N": (0, 1, 2), "relu": (False,)}
    small["kernel"] = ((1, 1), (1, 3), (3, 1), (2, 2), (3, 3))
    for row in covering(small, 2):
        (KH, KW), (h, w) = row["kernel"], row["extra"]
        H, W = (h + KH, w + KW) if row["padding"] != "small" else (1 + h // 4, 1 + w // 4)
        mode = "valid" if row["padding"] == "valid" else "same"
        x = whole((row["N"], H, W, row["C"]), row["dtype"])
        k = whole((KH, KW, row["C"], row["F"]), row["dtype"], 1)
        y = naive.conv2d_forward(x, k, None, row["strides"], mode)
        actual = reference.conv2d_forward(x, k, None, row["strides"], mode)
        np.testing.assert_array_equal(actual, y, err_msg=str(row))
        dy = whole(y.shape, row["dtype"], 3)
        arguments = (dy, x, k, row["strides"], mode)
        expected = naive.conv2d_backward(*arguments)
        for one, other in zip(reference.conv2d_backward(*arguments), expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=str(row))
