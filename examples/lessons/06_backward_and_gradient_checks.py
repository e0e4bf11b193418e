# %% [markdown]
# # 6. Backward through a convolution, and how to know that it is right
#
# **Question.** With a wrong gradient a network often still learns, only worse. How do you find
# out?

# %%
import numpy as np

from tinycnn import ReLU, kernels
from tinycnn.grader import check
from tinycnn.gradient_check import check_layer, numerical_gradient
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays

# %% [markdown]
# ## A slope, measured
#
# The derivative along one weight can be measured without any formula: take a step h up and one
# down, and divide the difference by 2h. How small should h be? If it is large, the curve bends
# away within the step. If it is tiny, two almost equal numbers are subtracted, and only rounding
# is left.

# %%
right = 1 - np.tanh(0.5) ** 2  # the slope of tanh at 0.5
print("        h   error in float64   in float32")
errors = {}
for power in range(1, 13):
    h = 10.0**-power
    errors[power] = []
    for dtype in (np.float64, np.float32):
        up, down = dtype(0.5) + dtype(h), dtype(0.5) - dtype(h)
        slope = (np.tanh(up) - np.tanh(down)) / dtype(2 * h)
        errors[power].append(abs(float(slope) / right - 1))
    print(f"{h:9.0e}   {errors[power][0]:16.1e}   {errors[power][1]:10.1e}")
assert min(errors, key=lambda power: errors[power][0]) in (5, 6)
assert errors[5][0] < 1e-9 < errors[5][1]

# %% [markdown]
# So gradients are checked in float64, with a step of about 1e-5, and a relative error below 1e-7
# is a pass. In float32 no step is good enough for that.
#
# ## A convolution is a dense layer on windows
#
# The second lesson made a convolution a product of matrices, and the fourth went backward through
# one. Together:
#
#     forward    y = cols @ kernel + bias                          cols = im2col(x)
#     backward   dkernel = ?      dbias = ?      dcols = ?         dx = col2im(dcols)
#
# `col2im` is im2col backwards: a pixel was copied into several windows, so it gets the sum of
# their gradients.

# %%
x = np.arange(1.0, 10).reshape(1, 3, 3, 1)
cols = reference.im2col(x, (2, 2))
copies = reference.col2im(np.ones_like(cols), x.shape, (2, 2))
show_arrays({"x": x, "im2col(x)": cols, "col2im of ones": copies})
assert copies.max() == 4  # the pixel in the middle is in all four windows

# %% [markdown]
# ## Exercise: the backward of a convolution
#
# Write the three gradients of the product. Each has the shape of what it is the gradient of.


# %%
def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    """dx, dkernel and dbias of conv2d_forward; the last two are sums over the images.

    needs_dx=False says that nobody needs dx: it may be None then.
    """
    KH, KW, C, F = kernel.shape
    if y is not None:  # the layer had a relu
        dy = np.where(y > 0, dy, np.zeros_like(dy))
    dy = dy.reshape(-1, F)  # (N*OH*OW, F)
    cols = reference.im2col(x, (KH, KW), strides, padding)  # (N*OH*OW, KH*KW*C)
    columns = kernel.reshape(KH * KW * C, F)
    raise NotImplementedError("dkernel = ..., dbias = ..., dcols = ...")
    # dx = reference.col2im(dcols, x.shape, (KH, KW), strides, padding)
    # return dx, dkernel.reshape(KH, KW, C, F), dbias


# %%
report = check(conv2d_backward)

# %% [markdown]
# ## A real mistake: the stride
#
# An answer in enggen/Deep-Learning-Coursera had the mistake below. It is held against measured
# slopes.
#
# 1. Change `strides_that_tell` until the two differ.
# 2. Then repair the code.


# %%
def dkernel_of_a_project(dy, x, kernel, strides):
    """The gradient of the kernel (KH, KW, C, F); there is a mistake in it."""
    KH, KW, _, _ = kernel.shape
    dkernel = np.zeros_like(kernel)
    for n, i, j, f in np.ndindex(dy.shape):
        dkernel[..., f] += x[n, i : i + KH, j : j + KW] * dy[n, i, j, f]
    return dkernel


def strides_that_tell():
    """(SH, SW) for which the mistake makes a difference."""
    return (1, 1)


# %%
rng = np.random.default_rng(0)
strides = strides_that_tell()
x = rng.standard_normal((2, 7, 6, 1))
kernel = rng.standard_normal((3, 2, 1, 1))
dy = rng.standard_normal(reference.conv2d_forward(x, kernel, None, strides).shape)
analytic = dkernel_of_a_project(dy, x, kernel, strides)
numeric = numerical_gradient(
    lambda: dy * reference.conv2d_forward(x, kernel, None, strides), kernel
)
difference = np.round(analytic - numeric, 6)
show_arrays({"analytic": analytic, "numeric": numeric, "difference": difference})
if np.abs(analytic - numeric).max() > 1e-7 * np.abs(numeric).max():
    print("They differ. These strides show the mistake; now repair the code.")
elif tuple(strides) == (1, 1):
    print("Not found yet: with these strides the mistake makes no difference.")
else:
    print("Repaired, and tested with strides that can tell.")

# %% [markdown]
# ## Kinks
#
# At 0 the slope of relu is 0 on the left and 1 on the right. The measured slope, from both sides,
# is one half, and no backward says that. It is not a mistake: the gradient only has to lie between
# the two. tinycnn's checker looks at both sides, and calls such a place a kink.

# %%
with kernels.use("numpy"):  # the readable kernels: nothing has to be compiled
    report = check_layer(ReLU(), [[0.0, 1.0, -2.0]])
print(report)
assert report.comparisons[0].count("kink") == 1
assert report.passed

# %% [markdown]
# ## What to keep
#
# - A backward is tested against slopes: in float64, from both sides, with a random dy.
# - Test where code tends to be wrong: strides, padding, overlaps, ties, more than one image.
# - "It learns" is no test.
#
# Read on: `tinycnn.gradient_check.check_layer`, for any layer, also one of your own.
