# %% [markdown]
# # 7. SGD, Adam, and a network that learns
#
# **Question.** All gradients are right. How far should each weight go?

# %%
import numpy as np

from tinycnn import CategoricalCrossentropy, Conv2D, Dense, Flatten, MaxPooling2D, kernels
from tinycnn.datasets import synthetic
from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.plotting import show_arrays
from tinycnn.utils import to_categorical

# %% [markdown]
# ## Two rules
#
# **Gradient descent** (SGD): against the gradient, `value -= learning_rate * gradient`. A weight
# with a gradient a thousand times as large takes steps a thousand times as long.
#
# **Adam** keeps two running means for each weight: m of the gradient, and v of its square. The
# step is `learning_rate * m / sqrt(v)`: about as long for every weight. Both means start at 0, so
# at first they are far too small. The **bias correction** divides them by what is missing:
#
#     m = beta_1 * m + (1 - beta_1) * gradient            m_hat = m / (1 - beta_1**step)
#     v = beta_2 * v + (1 - beta_2) * gradient**2         v_hat = v / (1 - beta_2**step)
#     value -= learning_rate * m_hat / (sqrt(v_hat) + epsilon)
#
# Without it, for a gradient that is always one, the first steps would be too long:

# %%
m = v = 0.0
for step in range(1, 1001):
    m, v = 0.9 * m + 0.1, 0.999 * v + 0.001
    if step in (1, 2, 10, 100, 1000):
        print(f"step {step:4}: {m / np.sqrt(v):5.2f} times the learning rate, not corrected")
        if step == 1:
            assert np.isclose(m / np.sqrt(v), 0.1 / np.sqrt(0.001))
assert np.isclose(m / (1 - 0.9**1000) / np.sqrt(v / (1 - 0.999**1000)), 1)  # corrected

# %% [markdown]
# ## Exercise: a step of Adam
#
# Change the three arrays **in place**: `m *= ...`, `value -= ...`. What stays in m and v is not
# corrected.


# %%
def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    """One step of Adam, in place on value, m and v; step counts from 1."""
    raise NotImplementedError("m[...] = ..., v[...] = ..., value -= ...")


# %%
report = check(adam_step)
adam_is_yours = report.status == "right"

# %% [markdown]
# ## A real mistake: the weights that stayed
#
# modern-fortran/neural-fortran had layers that never learned, and still read most digits, for the
# layers above did the work. This is how the same happens in Python. Repair it.


# %%
def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    """One step of gradient descent, in place; there is a mistake in it."""
    step = gradient * value.dtype.type(learning_rate)
    if velocity is None:
        value = value - step
        return
    velocity *= momentum
    velocity -= step
    value += velocity * momentum - step if nesterov else velocity


# %%
report = check(sgd_update)

# %% [markdown]
# ## Training, in the open
#
# Small drawn digits, four layers, and the loop that every library hides: shuffle, forward, loss,
# backward, update.

# %%
kernels.use("numpy")  # the readable kernels: nothing has to be compiled
(images, labels), (x_test, y_test) = synthetic.load_data(train=1000, test=500, seed=0)
x_train = images[..., np.newaxis].astype("float32") / 255
x_test = x_test[..., np.newaxis].astype("float32") / 255
y_train = to_categorical(labels, 10)
show_arrays({f"a {labels[n]}": images[n] for n in range(3)})


def train(update, epochs=3):
    """Trains a new network; returns the mean loss of each epoch, and the share it reads right."""
    rng = np.random.default_rng(0)
    layers = [Conv2D(8, (3, 3), activation="relu"), MaxPooling2D((2, 2)), Flatten(), Dense(10)]
    shape = x_train.shape[1:]
    for layer in layers:
        shape = layer.build(shape, rng)
    loss = CategoricalCrossentropy(from_logits=True)  # softmax is part of the loss
    parameters = [parameter for layer in layers for parameter in layer.parameters]
    memory = [(np.zeros_like(p.value), np.zeros_like(p.value)) for p in parameters]
    step, means = 0, []
    for _ in range(epochs):
        order, losses = rng.permutation(len(x_train)), []
        for start in range(0, len(order), 25):
            batch = order[start : start + 25]
            y = x_train[batch]
            for layer in layers:
                y = layer.forward(y, training=True)
            losses.append(loss.forward(y_train[batch], y))
            dy = loss.backward()
            for layer in reversed(layers):
                dy = layer.backward(dy)
            step += 1
            for parameter, (m, v) in zip(parameters, memory, strict=True):
                update(parameter.value, parameter.grad, m, v, step)
        means.append(np.mean(losses))
    y = x_test
    for layer in layers:
        y = layer.forward(y)
    return means, np.mean(y.argmax(axis=-1) == y_test)


def by_sgd(value, gradient, m, v, step):
    """Plain gradient descent."""
    reference.sgd_update(value, gradient, None, 0.1)


def by_adam(value, gradient, m, v, step):
    """Your Adam, if it is right; else tinycnn's."""
    if adam_is_yours:
        adam_step(value, gradient, m, v, step, 0.003, 0.9, 0.999, 1e-7)
    else:
        size = reference.adam_step_size(step, 0.003, 0.9, 0.999, value.dtype)
        reference.adam_update(value, gradient, m, v, size, 0.9, 0.999, 1e-7)


def by_nothing(value, gradient, m, v, step):
    """The mistake of above: a new array, which nobody sees."""
    value = value - 0.1 * gradient


# %%
curves = {}
for name, rule in [("SGD", by_sgd), ("Adam", by_adam), ("not written back", by_nothing)]:
    curves[name], accuracy = train(rule)
    print(f"{name:<17} reads {accuracy:.1%} of {len(y_test)} fresh digits")
    assert (accuracy > 0.5) == (name != "not written back")
show_arrays({name: np.round(means, 2) for name, means in curves.items()}, "loss of each epoch")
print("Adam is", "yours" if adam_is_yours else "tinycnn's: yours is not done yet")

# %% [markdown]
# A network that has learned nothing guesses, and reads about one digit in ten. Try other learning
# rates: ten times as large, a tenth. Which of the two rules takes it better?
#
# ## What to keep
#
# - Backward computes, the loss averages, the optimizer updates. One does not do the other's work.
# - Adam's steps are about as long as the learning rate, whatever the gradient.
# - In place: `value -= ...` changes the array that came in, `value = ...` does not.
#
# Read on: `tinycnn.kernels.reference.adam_step_size`, which derives the correction, and
# `tinycnn.Sequential.fit`, which is this loop.
