# %% [markdown]
# # 2. The same as a product of matrices
#
# **Question.** A convolution in nested loops is right, and nobody trains a network with it. What
# takes the place of the loops?

# %%
import importlib.util
from time import perf_counter

import numpy as np

from tinycnn import kernels
from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays
from tinycnn.support.geometry import output_length, window_padding

# %% [markdown]
# ## Windows as rows
#
# Computers multiply matrices faster than anything else. So the windows of the image are written
# out, each as one row of a matrix: **im2col**. The kernel becomes a column in the same order. Then
# one product of matrices makes every sum at once.

# %%
image = np.arange(1, 13).reshape(3, 4)
kernel = np.array([[1, 0], [0, -2]])
x = image[np.newaxis, :, :, np.newaxis].astype(float)
cols = reference.im2col(x, (2, 2))
column = kernel.reshape(4, 1)
show_arrays({"image": image, "im2col": cols, "kernel": column, "product": cols @ column})
assert cols.shape == (6, 4)  # six windows of four pixels
assert np.array_equal(
    (cols @ column).reshape(1, 2, 3, 1),
    reference.conv2d_forward(x, kernel.reshape(2, 2, 1, 1).astype(float), None),
)
print("the image has", x.size, "numbers, and the matrix", cols.size)
assert (x.size, cols.size) == (12, 24)

# %% [markdown]
# A pixel in the middle stands in several rows. That is the price: memory. With windows of 3 x 3
# and a stride of one, the matrix has up to nine times as many numbers as the image.
#
# ## Exercise: im2col
#
# Row (n, i, j) holds the window of output (i, j) of image n. Inside a row the order is (row,
# column, channel), as in a kernel `(KH, KW, C, F)` that is reshaped to `(KH*KW*C, F)`. Write one
# row.


# %%
def im2col(x, size, strides=(1, 1), padding="valid"):
    """The windows of x (N, H, W, C) as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, size, strides, padding), (0, 0)))
    OH, OW = (x.shape[1] - KH) // SH + 1, (x.shape[2] - KW) // SW + 1
    cols = np.zeros((N, OH, OW, KH * KW * C), x.dtype)
    for n, i, j in np.ndindex(N, OH, OW):
        raise NotImplementedError("cols[n, i, j] = ...")
    return cols.reshape(N * OH * OW, KH * KW * C)


# %%
report = check(im2col)

# %% [markdown]
# ## A real mistake: channels and filters exchanged
#
# With im2col a convolution is short. The one below has a mistake that apache/systemds had, too:
# the tests had one channel and one filter. For them it is right. Which line is it? Let the grader
# show you where the result is wrong, then repair it.


# %%
def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """A convolution by im2col; there is a mistake in it."""
    KH, KW, C, F = kernel.shape
    N, H, W, _ = x.shape
    OH = output_length(H, KH, strides[0], padding)
    OW = output_length(W, KW, strides[1], padding)
    cols = reference.im2col(x, (KH, KW), strides, padding)  # (N*OH*OW, KH*KW*C)
    y = cols @ kernel.reshape(F, KH * KW * C).T
    if bias is not None:
        y = y + bias
    y = y.reshape(N, OH, OW, F)
    return np.maximum(y, 0) if relu else y


one = kernel.reshape(2, 2, 1, 1).astype(float)  # one channel, one filter: both are right
assert np.array_equal(conv2d_forward(x, one, None), reference.conv2d_forward(x, one, None))

# %%
report = check(conv2d_forward)

# %% [markdown]
# ## The ladder
#
# The same convolution three ways: loops in Python, a product of matrices in NumPy, and, where
# Numba is installed, tinycnn's compiled kernel. The times are those of your machine, now.


# %%
def by_loops(x, kernel):
    """Seven loops: four here, and `sum` takes the other three."""
    KH, KW, C, F = kernel.shape
    N, H, W, _ = x.shape
    y = np.zeros((N, H - KH + 1, W - KW + 1, F), x.dtype)
    for n, i, j, f in np.ndindex(y.shape):
        y[n, i, j, f] = (x[n, i : i + KH, j : j + KW] * kernel[..., f]).sum()
    return y


def seconds(work):
    """The shortest of three runs."""
    times = []
    for _ in range(3):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


rng = np.random.default_rng(0)
x = rng.random((1, 28, 28, 1)).astype(np.float32)
kernel = rng.standard_normal((3, 3, 1, 8)).astype(np.float32)
ways = {
    "loops in Python": lambda: by_loops(x, kernel),
    "im2col in NumPy": lambda: reference.conv2d_forward(x, kernel, None),
}
if importlib.util.find_spec("numba"):
    with kernels.use("numba"):
        if kernels.active() == "numba":
            compiled = kernels.conv2d_forward
            ways["compiled by Numba"] = lambda: compiled(x, kernel, None)
slowest = None
for name, work in ways.items():
    assert np.allclose(work(), by_loops(x, kernel), atol=1e-4)  # first equal, then timed
    took = seconds(work)
    slowest = slowest or took
    print(f"{name:<18} {took * 1e3:9.3f} ms   {slowest / took:8,.0f} times as fast")

# %% [markdown]
# ## What to keep
#
# - im2col copies every window into a row, and a convolution is one product of matrices.
# - `reshape` never complains while the number of elements is right. Think of which axis is which.
# - First equal, then timed: a fast wrong answer is worth nothing.
#
# Read on: `tinycnn.kernels.reference.im2col`, which does it without a loop over the pixels.
