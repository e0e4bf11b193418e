"""Winograd's convolution gives the direct sums' outputs, no less exactly, at all sizes it takes."""

import itertools
from unittest import mock

import numpy as np
import pytest
from without_numba import compiled, convolution_columns, launch, plans, simd, winograd

from tinycnn.kernels import reference

LANES = simd.LANES


@pytest.fixture(autouse=True)
def wherever_possible(monkeypatch):
    monkeypatch.setattr(winograd, "pays", lambda shape, *_: winograd.possible(shape))
    monkeypatch.setattr(convolution_columns, "pays", lambda *_: False)
    plans.forget()  # those that were made by what pays
    yield
    plans.forget()


def arrays(N, H, W, C, F, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((3, 3, C, F)) / np.sqrt(9 * C)
    made = (rng.standard_normal((N, H, W, C)), kernel, rng.standard_normal(F))
    return [a.astype(dtype) for a in made]


# Even and odd lengths; channels and filters of a vector, one more, one less, several; one image,
# and more windows than a piece has.
SIZES = list(
    itertools.product(
        (1, 7), ((4, 4), (4, 7), (7, 4), (5, 9)), (LANES, LANES + 1, 2 * LANES - 1, 2 * LANES)
    )
)
FILTERS = (1, LANES, LANES + 3, 3 * LANES)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("N", "size", "C"), SIZES)
def test_all_sizes_crosswise(N, size, C, padding):
    for F in FILTERS:
        x, kernel, bias = arrays(N, *size, C, F)
        with launch.planning() as codes:
            compiled.conv2d_forward(x.copy(), kernel.copy(), bias.copy(), padding=padding)
        assert "_winograd" in {code.name for code in codes}
        for relu, b in ((False, None), (True, bias)):
            y = compiled.conv2d_forward(x, kernel, b, (1, 1), padding, relu)
            expected = reference.conv2d_forward(x, kernel, b, (1, 1), padding, relu)
            # Sums of some hundred numbers around 1, in float64.
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
        pooled, winners = compiled.conv2d_relu_pool_forward(x, kernel, bias, padding)
        expected, theirs = reference.conv2d_relu_pool_forward(x, kernel, bias, padding)
        np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-13)
        # Random numbers in float64 are further apart than that.
        np.testing.assert_array_equal(winners, theirs)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("C", "F"), [(3, LANES), (LANES + 1, 2 * LANES - 1), (5, 3 * LANES + 2)])
def test_the_gradient_with_respect_to_x(C, F, padding):
    """Its convolution takes the kernel flipped, with filters as channels."""
    x, kernel, _ = arrays(2, 7, 6, C, F)
    y = reference.conv2d_forward(x, kernel, None, (1, 1), padding)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    with launch.planning() as codes:
        compiled.conv2d_backward(dy.copy(), x.copy(), kernel.copy(), (1, 1), padding)
    assert "_winograd" in {code.name for code in codes}
    ours = compiled.conv2d_backward(dy, x, kernel, (1, 1), padding)
    theirs = reference.conv2d_backward(dy, x, kernel, (1, 1), padding)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_float32_is_no_less_exact_than_the_direct_sums():
    worst = {True: 0.0, False: 0.0}
    for seed in range(5):
        x, kernel, bias = arrays(8, 12, 12, 4 * LANES, 2 * LANES, "float32", seed)
        exact = reference.conv2d_forward(*(a.astype("float64") for a in (x, kernel, bias)))
        for way in worst:
            pays = (lambda shape, *_: winograd.possible(shape)) if way else (lambda *_: False)
            plans.forget()
            with mock.patch.object(winograd, "pays", pays):
                y = compiled.conv2d_forward(x, kernel, bias)
            worst[way] = max(worst[way], abs(y - exact).max())
    assert 0 < worst[True] <= worst[False]


def test_equal_outputs_stay_equal():
    """A pool's winner is the first of equals: an even surface has to give four equal outputs."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((3, 3, LANES, LANES)).astype("float32")
    x = np.empty((3, 8, 8, LANES), "float32")
    x[:] = rng.standard_normal(LANES)
    _, winners = compiled.conv2d_relu_pool_forward(x, kernel, None)
    assert set(winners.ravel()) == {0, 4}
    stripes = np.repeat(rng.standard_normal((3, 8, 1, LANES)), 8, axis=2).astype("float32")
    _, winners = compiled.conv2d_relu_pool_forward(stripes, kernel, None)
    assert set(winners.ravel()) == {0, 2, 4}  # never the right one of a row's two


def test_numbers_that_are_none_stay_so():
    x, kernel, bias = arrays(1, 8, 8, LANES, LANES, "float32")
    x[0, 0, 0, 0] = np.nan
    y = compiled.conv2d_forward(x, kernel, bias)
    assert np.isnan(y[0, 0, 0]).all() and not np.isnan(y[0, 2:, 2:]).any()


def test_it_is_taken_where_it_pays(monkeypatch):
    monkeypatch.undo()
    shape = (64, 28, 28, 4 * LANES, 3, 3, 1, 1, 26, 26, 4 * LANES)
    assert winograd.pays(shape, (0, 0, 0, 0), True) and winograd.pays(shape, (0, 0, 0, 0), False)
    for place, value in ((0, 0), (3, LANES - 1), (4, 5), (6, 2), (8, 1), (10, LANES - 1)):
        other = (*shape[:place], value, *shape[place + 1 :])
        assert not winograd.pays(other, (0, 0, 0, 0), False)
    # Three of the six windows of three outputs a side are half empty, one has a single output.
    small = (64, 5, 5, 4 * LANES, 3, 3, 1, 1, 3, 3, 4 * LANES)
    assert not winograd.pays(small, (0, 0, 0, 0), False)
    # Between many zeros the direct sums have less to do.
    framed = (64, 7, 7, 4 * LANES, 3, 3, 1, 1, 5, 5, 4 * LANES)
    assert winograd.pays(framed, (0, 0, 0, 0), False)
    assert not winograd.pays(framed, (2, 2, 2, 2), False)
