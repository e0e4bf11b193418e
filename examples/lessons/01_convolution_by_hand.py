# %% [markdown]
# # 1. A convolution by hand
#
# **Question.** A network finds the strokes of a digit. By which arithmetic?
#
# Read, run each cell, fill in the exercise, and let the check look at it. No cell needs a
# connection, and nothing has to be downloaded.

# %%
import numpy as np

from tinycnn.datasets.synthetic import draw_digits
from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays
from tinycnn.support.geometry import window_padding

# %% [markdown]
# ## One number of the output
#
# A convolution lays a small **kernel** on a window of the image, multiplies what lies on top of
# each other, and adds up the products. That sum is one number of the output. Then the window moves
# on.

# %%
image = np.array(
    [
        [3, 2, 1, 1, 2],
        [2, 0, 1, 2, 3],
        [0, 0, 2, 3, 0],
        [0, 0, 3, 1, 1],
    ]
)
kernel = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
window = image[0:3, 2:5]  # the window of output (0, 2): its corner is at row 0, column 2
show_arrays({"image": image, "window": window, "kernel": kernel, "products": window * kernel})
print("the products add up to", (window * kernel).sum())
assert (window * kernel).sum() == -3

# %% [markdown]
# Real images come several at a time, have channels (red, green and blue, or the maps of the layer
# below), and a layer has many kernels, its **filters**. The letters are the same everywhere:
#
# - `x (N, H, W, C)`: N images of H x W pixels and C channels;
# - `kernel (KH, KW, C, F)`: F filters of KH x KW pixels, each as deep as the image;
# - `y (N, OH, OW, F)`: a map for each filter.
#
# With a **stride** of SH rows and SW columns between windows, and a bias for each filter:
#
#     y[n, i, j, f] = bias[f] + sum over u, v, c of x[n, i*SH + u, j*SW + v, c] * kernel[u, v, c, f]
#
# ## Exercise: the sum
#
# Everything around it is there. Padding "same" puts zeros around the image, so that with a stride
# of one the output is as large as the image. Write the value of `y[n, i, j, f]`, without the bias.


# %%
def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """The convolution of x (N, H, W, C) with kernel (KH, KW, C, F)."""
    KH, KW, C, F = kernel.shape
    SH, SW = strides
    N, H, W, _ = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, (KH, KW), strides, padding), (0, 0)))
    OH, OW = (x.shape[1] - KH) // SH + 1, (x.shape[2] - KW) // SW + 1
    y = np.zeros((N, OH, OW, F), x.dtype)
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        raise NotImplementedError("y[n, i, j, f] = ...")
    if bias is not None:
        y += bias
    return np.maximum(y, 0) if relu else y


# %%
report = check(conv2d_forward)  # check(conv2d_forward, hint=True) says more

# %% [markdown]
# ## What it does to a digit
#
# The kernel above gives large numbers where there is ink above and none below: at the lower edge
# of a stroke. At the upper edge its numbers are negative. With rows and columns exchanged, it
# finds upright edges.

# %%
seven = draw_digits([7], np.random.default_rng(2)) / 255.0  # (1, 28, 28), from 0 to 1
x = seven[..., np.newaxis]
lying = kernel[:, :, np.newaxis, np.newaxis].astype(float)  # (3, 3, 1, 1)
upright = lying.transpose(1, 0, 2, 3)
both = np.concatenate([lying, upright], axis=-1)  # two filters: (3, 3, 1, 2)
y = reference.conv2d_forward(x, both, None)
show_arrays({"digit": x[0, ..., 0], "filter 0": y[0, ..., 0], "filter 1": y[0, ..., 1]})

# %% [markdown]
# The window has fewer places than the image has pixels, so the map is smaller: 26 x 26 from 28 x
# 28. A stride of 2 leaves out every second place: 13 x 13.

# %%
assert y.shape == (1, 26, 26, 2)
strided = reference.conv2d_forward(x, both, None, strides=(2, 2))
assert strided.shape == (1, 13, 13, 2)
same = reference.conv2d_forward(x, both, None, padding="same")
assert same.shape[1:3] == x.shape[1:3]
print("valid", y.shape, " stride two", strided.shape, " same", same.shape)

# %% [markdown]
# ## A real mistake: rows for columns
#
# The mistake below stood in a public project (microsoft/ai-edu, there in its col2im). For a kernel
# of ones the code is right, and for many others, too.
#
# 1. Change `kernel_that_tells` until the two results differ.
# 2. Then repair the code.


# %%
def conv2d_of_a_project(x, kernel):
    """A convolution with stride one, without padding and bias; there is a mistake in it."""
    KH, KW, C, F = kernel.shape
    N, H, W, _ = x.shape
    y = np.zeros((N, H - KH + 1, W - KW + 1, F))
    for u in range(KH):
        for v in range(KW):
            for n, i, j, f in np.ndindex(y.shape):
                y[n, i, j, f] += x[n, i + u, j + v] @ kernel[v, u, :, f]
    return y


def kernel_that_tells():
    """A kernel (3, 3) for which the mistake makes a difference."""
    return [[1, 1, 1], [1, 1, 1], [1, 1, 1]]


# %%
tried = np.reshape(np.array(kernel_that_tells(), float), (3, 3, 1, 1))
small = image[np.newaxis, :, :, np.newaxis].astype(float)
theirs = conv2d_of_a_project(small, tried)
right = reference.conv2d_forward(small, tried, None)
show_arrays({"kernel": tried, "of the project": theirs, "right": right})
if not np.array_equal(theirs, right):
    print("They differ. The kernel shows the mistake; now repair the code.")
elif np.array_equal(tried, tried.transpose(1, 0, 2, 3)):
    print("Not found yet: with this kernel the mistake makes no difference.")
else:
    print("Repaired, and tested with a kernel that can tell.")

# %% [markdown]
# ## What to keep
#
# - A convolution is a sum of products at every place, with the same kernel everywhere.
# - A test can only find what its numbers can tell. Take numbers that are all different, and sizes,
#   too: H other than W, KH other than KW.
#
# Read on: `tinycnn.kernels.reference.conv2d_forward`. The next lesson does the same without loops.
