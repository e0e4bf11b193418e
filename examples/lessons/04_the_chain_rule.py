# %% [markdown]
# # 4. The chain rule, through a dense layer
#
# **Question.** The loss is one number, far above. How does a single weight, deep in the network,
# learn in which direction it should move?

# %%
import numpy as np

from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays

# %% [markdown]
# ## Nudge a weight
#
# A dense layer is `y = x @ kernel + bias`: N samples with D numbers each, U units, and every unit
# sees every number. Say that the layers above have already told us `dy`: by how much the loss L
# grows for each step of each y. Now we move one weight by a little, and look at L.

# %%
x = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]])  # N = 2 samples, D = 3
kernel = np.array([[0.5, -1.0], [2.0, 0.0], [1.0, 3.0]])  # (3, 2): U = 2 units
bias = np.array([0.0, 1.0])
dy = np.array([[1.0, -2.0], [0.5, 3.0]])


def loss(kernel):
    """A loss whose gradient with respect to y is dy."""
    return float((dy * reference.dense_forward(x, kernel, bias)).sum())


h = 1e-3
nudged = kernel.copy()
nudged[2, 1] += h
slope = (loss(nudged) - loss(kernel)) / h
paths = x[:, 2] * dy[:, 1]  # through sample 0, and through sample 1
print(f"slope of the loss along kernel[2, 1]: {slope:.6f}")
print("x[n, 2] * dy[n, 1], for each sample:", paths, " together", paths.sum())
assert abs(slope - paths.sum()) < 1e-6
assert paths.sum() == -9

# %% [markdown]
# The weight `kernel[2, 1]` multiplies `x[n, 2]`, and the product goes into `y[n, 1]`. So a step of
# the weight moves `y[n, 1]` by `x[n, 2]`, and that moves the loss by `x[n, 2] * dy[n, 1]`: along a
# path we **multiply**. It happens in every sample, so over the paths we **add**. That is all of
# backpropagation:
#
#     dkernel[d, u] = sum over n of x[n, d] * dy[n, u]
#
# In the same way, `bias[u]` goes into `y[n, u]` with the factor one, and `x[n, d]` goes into every
# `y[n, u]` with the factor `kernel[d, u]`. Each sum is a product of matrices, and the shapes say
# which: `dkernel` must come out as `(D, U)`.

# %%
right = reference.dense_backward(dy, x, kernel)
show_arrays({"x": x, "kernel": kernel, "dy": dy, "dkernel": right[1]})
assert right[1][2, 1] == paths.sum()
assert [gradient.shape for gradient in right] == [(2, 3), (3, 2), (2,)]

# %% [markdown]
# ## Exercise: three gradients
#
# If the layer has a relu at its end, `y` is given, and dy has to pass the relu first: that line is
# there. Nothing is divided by N; only the loss does that.


# %%
def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    """dx (N, D), dkernel (D, U) and dbias (U,) of y = x @ kernel + bias.

    needs_dx=False says that nobody needs dx: it may be None then.
    """
    if y is not None:
        dy = np.where(y > 0, dy, np.zeros_like(dy))
    raise NotImplementedError("return dx, dkernel, dbias")


# %%
report = check(dense_backward)

# %% [markdown]
# ## A real mistake: a link of the chain is missing
#
# haifengl/smile had this mistake in its relu. With a dy of ones the code is right. Let the grader
# show you numbers for which it is not, then repair it.


# %%
def relu_backward(dy, y):
    """The gradient of relu; there is a mistake in it."""
    return np.where(y > 0, np.ones_like(dy), np.zeros_like(dy))


y = np.array([0.0, 2.0, 0.0, 3.0])
assert np.array_equal(relu_backward(np.ones(4), y), reference.relu_backward(np.ones(4), y))

# %%
report = check(relu_backward)

# %% [markdown]
# ## Why backwards?
#
# One pass from the loss down gives the slope along *every* weight. Nudging needs a forward pass
# for each weight. For a layer from 784 pixels to 10 units that is

# %%
D, U = 28 * 28, 10
assert (D, U) == (784, 10)
print(f"{D * U + U:,} forward passes, or one backward")

# %% [markdown]
# ## What to keep
#
# - Along a path multiply, over the paths add.
# - A layer's backward gets dy, and hands dx to the layer below: its dy.
# - A dy of ones hides half of the mistakes. Test with random numbers.
#
# Read on: `tinycnn.kernels.reference.dense_backward`, and the docstring of
# `tinycnn.kernels.reference.conv2d_backward`, which derives the same for a convolution.
