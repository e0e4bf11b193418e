"""One convolution, one relu, one max-pool, forward and backward, with every number printed.

The numbers are small integers, so that each one can be checked with pencil and paper; each step is
also done by the layer and compared. What to look for: im2col turns the convolution into a matrix
product, relu stops what was not positive, the pool sends its gradient to the one input that won
(there is a tie to see it by), and col2im adds up what several windows say about the same pixel.
"""

import argparse

import numpy as np

from tinycnn import Conv2D, MaxPooling2D, kernels
from tinycnn.kernels.reference import col2im, im2col
from tinycnn.support.console import say

argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
kernels.use("numpy")  # the reference rung: plain NumPy, the one to read


def show(title: str, array: np.ndarray, formula: str = "") -> None:
    """Prints an array of small integers under a title."""
    say(f"\n{title}, shape {array.shape}{'  =  ' + formula if formula else ''}")
    say(str(np.squeeze(array).astype(int)))


def check(title: str, by_hand: np.ndarray, by_layer: np.ndarray | None) -> None:
    """Says that two results are equal, or stops."""
    if not np.array_equal(by_hand, by_layer):
        raise ArithmeticError(f"{title}: by hand\n{by_hand}\nbut the layer says\n{by_layer}")
    say(f"    the layer's {title} is the same")


# --- an image of 5 x 5 pixels with one channel, a kernel of 2 x 2, one filter, a bias of -1
x = np.array(
    [
        [3, 2, 1, 1, 2],
        [2, 0, 1, 2, 3],
        [0, 0, 2, 3, 0],
        [0, 0, 3, 1, 1],
        [2, 3, 2, 1, 2],
    ],
    float,
).reshape(1, 5, 5, 1)
kernel = np.array([[-2, 1], [-2, 2]], float).reshape(2, 2, 1, 1)
bias = np.array([-1.0])
show("x", x)
show("kernel", kernel)

conv = Conv2D(1, (2, 2), activation="relu")
conv.build((5, 5, 1), dtype="float64")
conv.set_weights([kernel, bias])
pool = MaxPooling2D((2, 2))

say("\n======== forward ========")
cols = im2col(x, (2, 2))
show("cols: every 2 x 2 window of x as a row", cols)
z = cols @ kernel.reshape(4, 1) + bias
show("z", z.reshape(4, 4), "cols @ kernel + bias, laid out as 4 x 4 again")
y = np.maximum(z, 0).reshape(1, 4, 4, 1)
show("y", y, "max(z, 0)")
check("convolution", y, conv.forward(x))

windows = y.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, 4)
pooled = windows.max(axis=-1).reshape(1, 2, 2, 1)
winners = windows.argmax(axis=-1)
show("pooled: the largest of every 2 x 2 window of y", pooled)
show("winners: its place in the window, 0 1 above 2 3; of equals the first", winners)
check("pooling", pooled, pool.forward(y))

say("\n======== backward ========")
dpooled = np.array([[1, 2], [3, 4]], float).reshape(1, 2, 2, 1)
show("dpooled: the gradient that comes from above", dpooled)
dy = np.zeros((4, 4))
for i in range(2):
    for j in range(2):
        row, column = divmod(int(winners[i, j]), 2)
        dy[2 * i + row, 2 * j + column] = dpooled[0, i, j, 0]
dy = dy.reshape(1, 4, 4, 1)
show("dy: it goes to the winners, the others get 0; of two equal winners, to the first", dy)
check("dy", dy, pool.backward(dpooled))

dz = np.where(y > 0, dy, 0).reshape(16, 1)
show(
    "dz",
    dz.reshape(4, 4),
    "dy where z > 0: the last window was all 0 after relu, so nothing comes back",
)
dkernel = (cols.T @ dz).reshape(2, 2, 1, 1)
dbias = dz.sum(axis=0)
show("dkernel", dkernel, "cols^T @ dz")
show("dbias", dbias, "sum of dz")
dcols = dz @ kernel.reshape(4, 1).T
show("dcols", dcols, "dz @ kernel^T")
dx = col2im(dcols, (1, 5, 5, 1), (2, 2))
show("dx", dx, "col2im(dcols): each pixel adds up what its windows say")
check("dx", dx, conv.backward(dy))
check("dkernel", dkernel, conv.kernel.grad)
check("dbias", dbias, conv.bias.grad)
say("\nall numbers agree")
