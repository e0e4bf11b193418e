# %% [markdown]
# # 5. Softmax, cross-entropy, and who divides by N
#
# **Question.** The network gives ten scores, and says "seven". It was a one. How wrong is that, in
# one number, and in which direction should each score move?

# %%
import numpy as np

from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays

# %% [markdown]
# ## From scores to a loss
#
# **Softmax** makes probabilities of the scores, which are called logits: `exp` makes them
# positive, and a division makes them add up to one. The **cross-entropy** is minus the logarithm
# of the probability of the right class. It is 0 if the network is certain and right, and it grows
# without end the surer the network is of something wrong.

# %%
logits = np.array([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0]])  # N = 2 samples, K = 3 classes
targets = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # one-hot: the second class, the first
losses, probabilities = reference.softmax_cross_entropy_forward(logits, targets)
show_arrays({"logits": logits, "probabilities": probabilities, "targets": targets})
print("losses:", losses)
assert np.allclose(losses, [-np.log(probabilities[0, 1]), np.log(3)])
print(f"guessing among three costs log(3) = {np.log(3):.4f}, among ten {np.log(10):.4f}")

# %% [markdown]
# ## The gradient
#
# Nudge every logit, and look at the loss of its sample.

# %%
h = 1e-5
slopes = np.zeros_like(logits)
for n, k in np.ndindex(logits.shape):
    for sign in (1, -1):
        nudged = logits.copy()
        nudged[n, k] += sign * h
        moved, _ = reference.softmax_cross_entropy_forward(nudged, targets)
        slopes[n, k] += sign * moved[n] / (2 * h)
show_arrays({"probabilities": probabilities, "targets": targets, "slopes of the loss": slopes})
assert np.allclose(slopes.sum(axis=1), 0)

# %% [markdown]
# Look at the three pictures together: the slopes are something very simple. Too much probability
# pushes a score down, too little pulls it up, and the pushes of a sample add up to nothing.
#
# ## Exercise: the gradient of each loss
#
# Write what you see. It holds for targets that add up to one. For any other targets, each
# probability first has to be multiplied by the sum of the sample's targets; the check asks for
# that, too. Nothing is divided by N here.


# %%
def softmax_cross_entropy_backward(probabilities, targets):
    """The gradient (N, K) of each sample's own loss with respect to its logits."""
    raise NotImplementedError("dlogits = ...")


# %%
report = check(softmax_cross_entropy_backward)

# %% [markdown]
# ## Who divides by N?
#
# The loss of a batch is the **mean** over its samples, so that it does not depend on the size of
# the batch. So its gradient has a factor 1/N. It belongs in one place: here, in the loss. Whoever
# forgets it takes steps that are N times too long; whoever has it in the layers as well takes
# steps that are N times too short. Both still learn something, which is why nobody notices.

# %%
for N in (1, 8, 64):
    x = np.ones((N, 5))  # N equal samples: the gradient of the mean must not depend on N
    _, p = reference.softmax_cross_entropy_forward(np.zeros((N, 3)), np.eye(3)[[1] * N])
    dlogits = reference.softmax_cross_entropy_backward(p, np.eye(3)[[1] * N])
    forgotten = reference.dense_backward(dlogits, x, np.zeros((5, 3)))[1][0, 1]
    right = reference.dense_backward(dlogits / N, x, np.zeros((5, 3)))[1][0, 1]
    print(f"N = {N:2}: divided by N {right:.4f}, forgotten {forgotten:9.4f}")
    assert np.isclose(forgotten, right * N)
    assert np.isclose(right, -2 / 3)

# %% [markdown]
# ## A real mistake: a score of a thousand
#
# This softmax follows the formula to the letter, as did the one of numenta/nupic-legacy. For
# scores like those above nothing is wrong with it. The grader shows scores for which it is wrong.
# Repair it: what may be subtracted from all scores of a sample, without changing any probability?


# %%
def softmax_forward(x):
    """The probabilities (N, K) of logits (N, K); there is a mistake in it."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True)


assert np.allclose(softmax_forward(logits), probabilities, rtol=1e-12)

# %%
report = check(softmax_forward)

# %% [markdown]
# ## What to keep
#
# - Softmax and cross-entropy together have the simplest gradient there is.
# - Only the loss divides by N.
# - Right on paper is not right in floating point: test with large numbers, too.
#
# Read on: `tinycnn.kernels.reference.softmax_cross_entropy_backward`, which derives the gradient.
