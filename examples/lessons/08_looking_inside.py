# %% [markdown]
# # 8. Looking inside, and honest accuracy
#
# **Question.** The network reads most digits. What does it look at, and what may you claim?

# %%
from pathlib import Path

import numpy as np

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, explorer, inspection, kernels
from tinycnn.datasets import synthetic
from tinycnn.grader import check
from tinycnn.kernels import reference
from tinycnn.model_selection import wilson_interval
from tinycnn.plotting import show_arrays
from tinycnn.support.geometry import output_length, window_padding

# %%
kernels.use("numpy")  # the readable kernels: nothing has to be compiled
(x_train, y_train), (x_test, y_test) = synthetic.load_data(train=2500, test=1000, seed=0)
x_train = x_train[..., np.newaxis].astype("float32") / 255
x_test = x_test[..., np.newaxis].astype("float32") / 255
model = Sequential(
    [
        Conv2D(8, (3, 3), activation="relu", input_shape=(28, 28, 1)),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ],
    seed=0,
)
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=4)

# %% [markdown]
# ## What a filter has learned
#
# Nobody told the filters what to look for. Below are the first three, and above them their maps of
# one digit, after relu. To which parts of the strokes does each of them answer?

# %%
filters = model.layers[0].kernel.value  # (3, 3, 1, 8)
maps = inspection.feature_maps(model, model.layers[0], x_test[:1])
show_arrays({"digit": x_test[0], **{f"map {f}": maps[0, ..., f] for f in range(3)}})
show_arrays({f"filter {f}": np.round(filters[..., 0, f], 1) for f in range(3)})
assert maps.shape == (1, 26, 26, 8)

# %% [markdown]
# ## Which pixels does it decide by?
#
# The gradient of a score with respect to the **image** says how much each pixel matters: saliency.
# It is the same backward as in training, one step further, down to the pixels. Training never
# needs that last step.

# %%
chosen = model.predict(x_test[:2], verbose=0).argmax(axis=1)
saliency = np.abs(inspection.saliency(model, x_test[:2], chosen))
pictures = {}
for n in range(2):
    pictures[f"digit {n}, read as {chosen[n]}"] = x_test[n]
    pictures[f"its saliency, {n}"] = saliency[n]
show_arrays(pictures)

# %% [markdown]
# ## Exercise: the last step
#
# A pixel stands in several windows. Its gradient is the sum of what the windows say: col2im. Write
# the one line that brings the gradient of window (i, j) of image n back to its pixels.


# %%
def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    """The gradient (N, H, W, C) of the images from that of their windows (N*OH*OW, KH*KW*C)."""
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, size, strides, padding)
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    windows = dcols.reshape(N, OH, OW, KH, KW, C)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dcols.dtype)
    for n, i, j in np.ndindex(N, OH, OW):
        raise NotImplementedError("dx[n, ...] += windows[n, i, j]")
    return dx[:, top : top + H, left : left + W]


# %%
report = check(col2im)

# %% [markdown]
# ## How good is it?
#
# On the digits it learned from, the number flatters: it has seen the answers. Only fresh digits
# count. And even that number has luck in it. The interval below holds the true share in nineteen
# of twenty cases.

# %%
seen = model.evaluate(x_train, y_train, verbose=0)[1]
fresh = model.evaluate(x_test, y_test, verbose=0)[1]
right = round(fresh * len(x_test))
low, high = wilson_interval(right, len(x_test))
print(f"digits it learned from: {seen:.1%};  fresh ones: {fresh:.1%}")
print(f"{right} of {len(x_test)} fresh ones: the true share lies between {low:.1%} and {high:.1%}")
assert low < fresh < high
shifted = np.pad(x_test, ((0, 0), (0, 0), (0, 3), (0, 0)))[:, :, 3:]  # three pixels to the left
moved = model.evaluate(shifted, y_test, verbose=0)[1]
lost = np.count_nonzero(x_test[:, :, :3].any(axis=(1, 2, 3)))
print(f"the same, three pixels to the left: {moved:.1%} ({lost} of them lose ink at the edge)")
assert moved < low and lost < 20

# %% [markdown]
# Hardly anything has changed but their place, and the network falls. It has learned *these*
# digits, in the middle of the picture. That is what may be claimed, and no more. Where is it
# wrong, and how sure is it there?

# %%
probabilities = model.predict(x_test, verbose=0)
mistakes = inspection.confident_mistakes(y_test, probabilities)[:3]
for n in mistakes:
    guess = probabilities[n].argmax()
    print(f"a {y_test[n]}, read as {guess}, with probability {probabilities[n, guess]:.2f}")
show_arrays({f"{y_test[n]} read as {probabilities[n].argmax()}": x_test[n] for n in mistakes})

# %% [markdown]
# ## A real mistake: an accuracy with dice in it
#
# **Dropout** sets a part of the numbers to 0, at random, while a network trains, so that it does
# not lean on single ones. Whoever uses the network must switch it off. karpathy/nanoGPT once did
# not: the function was called without saying which mode it is. Read the code, and make the two
# accuracies equal.


# %%
def scores_of_a_project(features, kernel, bias, training, rng):
    """The scores (N, 10) of the last layer, with dropout before it; there is a mistake in it."""
    kept = rng.random(features.shape) >= 0.5
    features = reference.dropout(features, kept, 0.5)
    return reference.dense_forward(features, kernel, bias)


# %%
features = inspection.feature_maps(model, model.layers[2], x_test)
rng = np.random.default_rng(0)
accuracies = []
for _ in range(2):
    scores = scores_of_a_project(features, *model.layers[3].get_weights(), False, rng)
    accuracies.append(float(np.mean(scores.argmax(axis=1) == y_test)))
print("twice the same network, twice the same digits:", accuracies)
if accuracies[0] == accuracies[1] == float(np.mean(probabilities.argmax(axis=1) == y_test)):
    print("Repaired: both are the accuracy of above.")
else:
    print("Not repaired yet: they are not the accuracy of above.")

# %% [markdown]
# ## Take your network home
#
# The last cell writes it into one page for a browser, with the digits that it misreads. The page
# takes any number apart, forward and backward, and needs no connection. Draw a digit of your own,
# click on its pixels and on the maps, and answer two questions. How many products add up to one
# number of the first layer? And backward: in how many windows does a pixel in the middle lie?

# %%
page = Path("output/lesson_8.html").absolute()
page.parent.mkdir(exist_ok=True)
shown = [*mistakes, *range(5)]
explorer.export(model, page, (x_test[shown], y_test[shown]))
print(f"Open it by a double click: {page}")

# %% [markdown]
# ## What to keep
#
# - Saliency is backward, down to the pixels.
# - Judge by digits that were never used, say how many, and say which kind.
# - The mode of a network, training or use, is a thing to check before any number is believed.
#
# Read on: `tinycnn.explorer.export`, `tinycnn.inspection.grad_cam`,
# `tinycnn.model_selection.cross_validate`.
