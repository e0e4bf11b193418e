# %% [markdown]
# # 3. Relu and pooling
#
# **Question.** Between its convolutions a network throws numbers away: all that are negative, and
# three of every four. What becomes of their gradients?

# %%
import numpy as np

from tinycnn.datasets.synthetic import draw_digits
from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays
from tinycnn.support.geometry import window_padding

# %% [markdown]
# ## Relu
#
# `y = max(x, 0)`. A small step of a positive x moves y by as much; a small step of a negative x
# does not move y at all. So backward lets a gradient through where y is positive, and stops it
# elsewhere. (At exactly 0 there is a corner, and no slope. The rule there is: none gets through.)

# %%
x = np.array([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]])
dy = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])
y = reference.relu_forward(x)
dx = reference.relu_backward(dy, y)
show_arrays({"x": x, "y": y, "dy, from above": dy, "dx": dx})
assert dx.sum() == 90  # 10 + 30 + 50

# %% [markdown]
# ## Max-pooling
#
# A window moves over each channel, and its largest number is kept. Backward has to know who won,
# so forward writes down the winner's place in its window: row times the window's width, plus
# column.

# %%
x = np.array([[1.0, 4, 2, 0], [3, 2, 5, 5], [0, 1, 9, 6], [2, 2, 8, 1]]).reshape(1, 4, 4, 1)
y, winners = reference.max_pool_forward(x, (2, 2), (2, 2))
show_arrays({"x": x, "y": y, "winners": winners})
assert winners[0, 0, 1, 0] == 2  # of two fives, the first
assert winners[0, 0, 0, 0] == 1  # the four is in row 0, column 1 of its window

# %% [markdown]
# On the map of a convolution this makes the picture smaller, and keeps what was found: there is an
# edge, more or less here.

# %%
digit = draw_digits([5], np.random.default_rng(1))[..., np.newaxis] / 255.0
edge = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]).reshape(3, 3, 1, 1)
maps = reference.conv2d_forward(digit, edge, None, relu=True)
pooled, _ = reference.max_pool_forward(maps, (2, 2), (2, 2))
show_arrays({"digit": digit, "convolution, relu": maps, "pooled": pooled})
assert pooled.size * 4 == maps.size

# %% [markdown]
# ## Exercise: the largest, and where it was
#
# The padding is minus infinity, which never wins. Write the two values for one window. Of equal
# values the first wins, row by row.


# %%
def max_pool_forward(x, pool_size, strides, padding="valid"):
    """The largest value of each window of x (N, H, W, C), and its place in the window."""
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    around = ((0, 0), *window_padding(H, W, pool_size, strides, padding), (0, 0))
    x = np.pad(x, around, constant_values=-np.inf)
    OH, OW = (x.shape[1] - PH) // SH + 1, (x.shape[2] - PW) // SW + 1
    y = np.zeros((N, OH, OW, C), x.dtype)
    winners = np.zeros((N, OH, OW, C), np.int32)
    for n, i, j, c in np.ndindex(N, OH, OW, C):
        raise NotImplementedError("y[n, i, j, c] = ... and winners[n, i, j, c] = ...")
    return y, winners


# %%
report = check(max_pool_forward)

# %% [markdown]
# ## A real mistake: one line of backward
#
# Each output's gradient goes to the input that won. Nothing gets lost, so the gradients add up to
# the same before and after. This backward is a solution to a well-known course
# (0809zheng/CS231n-assignment2019). It passed the course's check, whose windows do not overlap.
# Below they do in the second picture. Repair it, so that nothing gets lost there either.


# %%
def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    """The gradient of max_pool_forward; there is a mistake in it."""
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, pool_size, strides, padding)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dy.dtype)
    for n, i, j, c in np.ndindex(dy.shape):
        u, v = divmod(int(winners[n, i, j, c]), PW)
        dx[n, i * SH + u, j * SW + v, c] = dy[n, i, j, c]
    return dx[:, top : top + H, left : left + W]


# %%
for strides in ((2, 2), (1, 1)):
    y, winners = reference.max_pool_forward(x, (2, 2), strides)
    dx = max_pool_backward(np.ones(y.shape), winners, x.shape, (2, 2), strides)
    show_arrays({"x": x, "winners": winners, "dx for a dy of ones": dx}, f"strides {strides}")
    print("dy adds up to", y.size, "and dx to", int(dx.sum()))

# %%
report = check(max_pool_backward)

# %% [markdown]
# ## What to keep
#
# - Relu and pooling learn nothing. They decide where gradients flow: to what was positive, to what
#   won.
# - Where several paths meet, gradients **add up**: `+=`, not `=`.
# - Windows that do not overlap can't tell the two apart. A test needs windows that do.
#
# Read on: `tinycnn.kernels.reference.max_pool_backward`.
