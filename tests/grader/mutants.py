"""Wrong solutions with a known cause: what students get wrong, written into a solution of loops.

The grader keeps its known mistakes as changes of tinycnn's formulas in NumPy. These are changes of
another text that computes the same in loops, so that a cause is recognised by what comes out and
not by how it is written. The causes are written down by hand, from the change, and not from what
the grader says.

Sources: the catalogue of the teaching issue (forums of the public courses), and the museum in
bugs.py, whose mistakes are made here once more in loops.
"""

from pathlib import Path
from typing import NamedTuple

LOOPS = Path(__file__).with_name("solutions") / "loops.py"
SOURCE = LOOPS.read_text("utf-8")


class Mutant(NamedTuple):
    """In the source of `function`, `new` stands for `old`, which is there once."""

    function: str
    old: str
    new: str
    cause: str

    @property
    def name(self):
        return f"{self.function}: {self.cause}"


def mutated(mutant):
    """The source of the whole solution with one mutant in it."""
    return changed(SOURCE, mutant)


def changed(source, mutant):
    """`source` with one mutant more."""
    _, start, rest = source.partition(f"def {mutant.function}(")
    whole = start + rest.split("\n\n\n")[0]
    if whole.count(mutant.old) != 1:
        raise ValueError(f"{mutant}: found {whole.count(mutant.old)} times")
    return source.replace(whole, whole.replace(mutant.old, mutant.new))


def module_of(source, name="mutant"):
    """The names that a source defines."""
    namespace = {"__name__": name}
    exec(compile(source, f"<{name}>", "exec"), namespace)
    return namespace


READ = "big[n, i * SH + u, j * SW + v, c]"
OVERLAP = "windows that overlap overwrite each other"
TOTAL = "total += x[n, d] * kernel[d, u]"
CONV = "total += big[n, i * SH + u, j * SW + v, c] * kernel[u, v, c, f]"
DK = "dkernel[u, v, c, f] += big[n, i * SH + u, j * SW + v, c] * g"
DX = "dbig[n, i * SH + u, j * SW + v, c] += kernel[u, v, c, f] * g"
PADDED = "big, OH, OW, top, left = padded(x, (KH, KW), strides, padding)"
LAST = "the last row and column of windows is left out"

MUTANTS = [
    # --- im2col and col2im ------------------------------------------------------------------------
    Mutant(
        "im2col",
        "                for u in range(KH):\n                    for v in range(KW):\n"
        "                        for c in range(C):",
        "                for c in range(C):\n                    for u in range(KH):\n"
        "                        for v in range(KW):",
        "the columns are in the order of channel, row, column",
    ),
    Mutant(
        "im2col",
        "                for u in range(KH):\n                    for v in range(KW):",
        "                for v in range(KW):\n                    for u in range(KH):",
        "rows and columns inside the window are exchanged",
    ),
    Mutant(
        "im2col",
        "        for i in range(OH):\n            for j in range(OW):",
        "        for j in range(OW):\n            for i in range(OH):",
        "the windows are taken column by column of the output",
    ),
    Mutant("im2col", READ, "big[n, i + u, j + v, c]", "the stride is ignored"),
    Mutant(
        "im2col",
        READ,
        "big[n, i * SH + KH - 1 - u, j * SW + KW - 1 - v, c]",
        "the window is read upside down and backwards",
    ),
    Mutant(
        "im2col",
        READ,
        "big[0, i * SH + u, j * SW + v, c]",
        "the first image is read for every image",
    ),
    Mutant(
        "im2col",
        READ,
        "big[n, i * SH + u, j * SW + v, 0]",
        "the first channel is read for every channel",
    ),
    Mutant(
        "im2col",
        "padded(x, size, strides, padding)",
        'padded(x, size, strides, "valid")',
        "the padding is left out",
    ),
    Mutant("col2im", "+= dcols", "= dcols", OVERLAP),
    Mutant(
        "col2im",
        "                for u in range(KH):\n                    for v in range(KW):\n"
        "                        for c in range(C):",
        "                for c in range(C):\n                    for u in range(KH):\n"
        "                        for v in range(KW):",
        "the columns are taken channel by channel",
    ),
    Mutant("col2im", "i * SH + u, j * SW + v", "i + u, j + v", "the stride is forgotten"),
    Mutant(
        "col2im",
        "big[:, top : top + H, left : left + W, :]",
        "big[:, :H, :W, :]",
        "the padding is cut off at the end only",
    ),
    Mutant(
        "col2im",
        "big[:, top : top + H, left : left + W, :]",
        "big",
        "the padding is not cut off",
    ),
    Mutant(
        "col2im",
        "                row += 1\n    return",
        "                row += 1\n        break\n    return",
        "only the first image gets its gradient",
    ),
    Mutant(
        "col2im",
        "i * SH + u, j * SW + v",
        "i * SH + KH - 1 - u, j * SW + KW - 1 - v",
        "the window is put back rotated by 180 degrees",
    ),
    # --- convolution ------------------------------------------------------------------------------
    Mutant(
        "conv2d_forward",
        CONV,
        CONV.replace("i * SH", "i").replace("j * SW", "j"),
        "the stride is ignored",
    ),
    Mutant(
        "conv2d_forward",
        CONV,
        CONV.replace("kernel[u, v", "kernel[KH - 1 - u, KW - 1 - v"),
        "the kernel is flipped",
    ),
    Mutant(
        "conv2d_forward", "for c in range(C)", "for c in range(1)", "only the first channel counts"
    ),
    Mutant(
        "conv2d_forward",
        "for c in range(C)",
        "for c in [C - 1]",
        "only the last channel counts, for each channel overwrites the one before",
    ),
    Mutant(
        "conv2d_forward",
        CONV,
        CONV.replace("+=", "="),
        "only the last product counts, for each one overwrites the one before",
    ),
    Mutant(
        "conv2d_forward",
        f"                                {CONV}\n"
        "                    if bias is not None:\n                        total += bias[f]\n",
        f"                                {CONV}\n"
        "                                total += 0.0 if bias is None else bias[f]\n",
        "the bias is added once for each number of the window",
    ),
    Mutant("conv2d_forward", "total += bias[f]", "pass", "the bias is not added"),
    Mutant("conv2d_forward", "total += bias[f]", "total -= bias[f]", "the bias is subtracted"),
    Mutant(
        "conv2d_forward",
        "total += bias[f]",
        "total += bias[0]",
        "the first filter's bias is added for every filter",
    ),
    Mutant(
        "conv2d_forward",
        "if relu and total < 0",
        "if total < 0",
        "relu is applied although nobody asks for it",
    ),
    Mutant("conv2d_forward", "if relu and total < 0", "if False", "relu is forgotten"),
    Mutant(
        "conv2d_forward",
        "                    if bias is not None:\n                        total += bias[f]\n"
        "                    if relu and total < 0:\n                        total = 0.0\n",
        "                    if relu and total < 0:\n                        total = 0.0\n"
        "                    if bias is not None:\n                        total += bias[f]\n",
        "relu is applied before the bias is added",
    ),
    Mutant(
        "conv2d_forward",
        "        for i in range(OH):\n            for j in range(OW):",
        "        for i in range(OH - 1):\n            for j in range(OW - 1):",
        LAST,
    ),
    Mutant(
        "conv2d_forward",
        "kernel[u, v, c, f]",
        "kernel[u, v, c, 0]",
        "the first filter is used for every filter",
    ),
    Mutant(
        "conv2d_forward",
        "total += big[n,",
        "total += big[0,",
        "the first image is read for every image",
    ),
    Mutant(
        "conv2d_forward",
        PADDED,
        f'strides, padding = strides, "valid"\n    {PADDED}',
        'the padding "same" is ignored',
    ),
    Mutant(
        "conv2d_forward",
        "y[n, i, j, f] = total",
        "y[n, i, j, f] = total\n                    return y",
        "only the first window is computed",
    ),
    Mutant(
        "conv2d_backward",
        DX,
        DX.replace("i * SH", "i").replace("j * SW", "j"),
        "the stride is forgotten",
    ),
    Mutant(
        "conv2d_backward",
        DK,
        DK.replace("i * SH", "i").replace("j * SW", "j"),
        "for the kernel gradient, the stride is ignored",
    ),
    Mutant(
        "conv2d_backward",
        DX,
        DX.replace("kernel[u, v", "kernel[KH - 1 - u, KW - 1 - v"),
        "the kernel is rotated for the input gradient",
    ),
    Mutant(
        "conv2d_backward",
        DK,
        DK.replace("kernel[u, v", "kernel[KH - 1 - u, KW - 1 - v"),
        "the kernel gradient is rotated by 180 degrees",
    ),
    Mutant(
        "conv2d_backward",
        DX,
        DX.replace("+=", "="),
        "windows and filters overwrite each other in dx",
    ),
    Mutant(
        "conv2d_backward",
        DK,
        DK.replace("+=", "="),
        "only the last window's part of the kernel gradient is kept",
    ),
    Mutant(
        "conv2d_backward",
        "dbias[f] += g",
        "dbias[f] = g",
        "the bias gradient comes from the last window only",
    ),
    Mutant(
        "conv2d_backward",
        "dbias[f] += g",
        "dbias += g",
        "one sum over all filters is the bias gradient of each",
    ),
    Mutant(
        "conv2d_backward", "dbias[f] += g", "dbias[f] += g / N", "the bias gradient is divided by N"
    ),
    Mutant(
        "conv2d_backward",
        "dbias[f] += g",
        "dbias[f] += g / (N * OH * OW)",
        "the bias gradient is a mean over images and places",
    ),
    Mutant(
        "conv2d_backward",
        "dbias[f] += g",
        "dbias[f] += g if n == 0 else 0",
        "the bias gradient comes from the first image only",
    ),
    Mutant("conv2d_backward", DK, DK + " / N", "the kernel gradient is divided by N"),
    Mutant(
        "conv2d_backward",
        "if y is not None and y[n, i, j, f] <= 0",
        "if False",
        "relu's derivative is forgotten",
    ),
    Mutant(
        "conv2d_backward",
        DX,
        DX.replace("* g", "* dy[n, i, j, f]"),
        "relu's derivative is forgotten for dx",
    ),
    Mutant(
        "conv2d_backward",
        "return dbig[",
        "return 0 * dbig[",
        "dx is 0 everywhere, whatever comes in",
    ),
    Mutant(
        "conv2d_backward",
        "dbig[:, top : top + H, left : left + W, :]",
        "dbig[:, :H, :W, :]",
        "the padding is cut off at the end only",
    ),
    Mutant(
        "conv2d_backward",
        DK,
        DK.replace("c] * g", "0] * g"),
        "the first channel is read for every channel of the kernel gradient",
    ),
    Mutant(
        "conv2d_backward",
        "dbig[:, top : top + H, left : left + W, :], dkernel, dbias",
        "dkernel, dbias, dbig[:, top : top + H, left : left + W, :]",
        "the results come in the order dkernel, dbias, dx",
    ),
    # --- pools ------------------------------------------------------------------------------------
    Mutant(
        "max_pool_forward",
        "best = -math.inf",
        "best = 0.0",
        "the search for the largest number starts at 0",
    ),
    Mutant(
        "max_pool_forward",
        "if value > best",
        "if inside",
        "the last number of the window is taken",
    ),
    Mutant(
        "max_pool_forward",
        "best = -math.inf",
        "best = math.inf",
        "y is inf everywhere, whatever comes in",
    ),
    Mutant(
        "max_pool_forward",
        "winner = u * PW + v",
        "winner = v * PH + u",
        "the winner's row and column are exchanged",
    ),
    Mutant(
        "max_pool_forward",
        "winner = u * PW + v",
        "winner = u * PH + v",
        "the winner's row is multiplied by the window's height",
    ),
    Mutant(
        "max_pool_forward",
        "winner = u * PW + v",
        "winner = u * PW + v + 1",
        "the winner's place is counted from 1",
    ),
    Mutant(
        "max_pool_forward",
        "                            r = i * SH + u - top\n"
        "                            s = j * SW + v - left\n",
        "                            r, s = i + u - top, j + v - left\n",
        "the stride is ignored",
    ),
    Mutant(
        "max_pool_forward",
        "if inside else -math.inf",
        "if inside else 0.0",
        "the zeros of the padding can win",
    ),
    Mutant("max_pool_backward", "+= dy", "= dy", OVERLAP),
    Mutant(
        "max_pool_backward",
        "i * SH + u - top, j * SW + v - left",
        "i + u - top, j + v - left",
        "the stride is forgotten",
    ),
    Mutant(
        "max_pool_backward", "+= dy[n, i, j, c]", "+= 1", "the winner gets a 1 and not its gradient"
    ),
    Mutant(
        "max_pool_backward",
        "c] += dy[n, i, j, c]\n",
        "c] += dy[n, i, j, c]\n        return dx\n",
        "only the first image gets its gradient",
    ),
    Mutant(
        "max_pool_backward",
        "c] += dy[n, i, j, c]\n",
        "c] += dy[n, i, j, c]\n                break\n            break\n",
        "only the first window gets its gradient",
    ),
    Mutant(
        "max_pool_backward",
        "                    u = winners[n, i, j, c] // PW\n"
        "                    v = winners[n, i, j, c] % PW\n"
        "                    dx[n, i * SH + u - top, j * SW + v - left, c] += dy[n, i, j, c]\n",
        "                    for r in range(max(i * SH - top, 0), min(i * SH - top + PH, H)):\n"
        "                        a, b = max(j * SW - left, 0), min(j * SW - left + PW, W)\n"
        "                        dx[n, r, a:b, c] += dy[n, i, j, c]\n",
        "every input of the window gets the gradient",
    ),
    Mutant(
        "max_pool_backward",
        "                    u = winners[n, i, j, c] // PW\n"
        "                    v = winners[n, i, j, c] % PW\n",
        "                    u = winners[n, i, j, c] % PH\n"
        "                    v = winners[n, i, j, c] // PH\n",
        "the winner's row and column are exchanged",
    ),
    Mutant(
        "average_pool_forward",
        "total / count",
        "total / (PH * PW)",
        "the zeros of the padding are counted",
    ),
    Mutant("average_pool_forward", "total / count", "total", "the sum is taken, and not the mean"),
    Mutant(
        "average_pool_forward",
        "total / count",
        "total / PH",
        "the sum is divided by the window's height alone",
    ),
    Mutant(
        "average_pool_backward",
        "((r1 - r0) * (s1 - s0))",
        "PH",
        "the gradient is divided by the window's height alone",
    ),
    Mutant(
        "average_pool_backward", " / ((r1 - r0) * (s1 - s0))", "", "the gradient is not divided"
    ),
    Mutant("average_pool_backward", "+= dy", "= dy", OVERLAP),
    # --- dense, relu ------------------------------------------------------------------------------
    Mutant("dense_forward", "kernel[d, u]", "kernel[u, d]", "the kernel is transposed"),
    Mutant("dense_forward", "total += bias[u]", "pass", "the bias is not added"),
    Mutant(
        "dense_forward",
        TOTAL,
        TOTAL.replace("+=", "="),
        "only the last product counts, for each one overwrites the one before",
    ),
    Mutant("dense_forward", "if relu and total < 0", "if False", "relu is forgotten"),
    Mutant(
        "dense_backward",
        "dkernel[d, u] += x[n, d] * g",
        "dkernel[d, u] += x[n, d] * g / N",
        "the kernel gradient is divided by N",
    ),
    Mutant(
        "dense_backward", "dbias[u] += g", "dbias[u] += g / N", "the bias gradient is divided by N"
    ),
    Mutant(
        "dense_backward",
        "dbias[u] += g",
        "dbias += g",
        "one sum over all units is the bias gradient of each",
    ),
    Mutant(
        "dense_backward",
        "return dx, dkernel, dbias",
        "return dx, dkernel, dy.sum()",
        "the bias gradient is one number, a sum over everything",
    ),
    Mutant(
        "dense_backward",
        "return dx, dkernel, dbias",
        "return dx, dkernel.T, dbias",
        "the kernel gradient is transposed",
    ),
    Mutant(
        "dense_backward",
        "dx[n, d] += kernel[d, u] * g",
        "dx[n, d] = kernel[d, u] * g",
        "only the last unit's part of dx is kept",
    ),
    Mutant(
        "dense_backward",
        "dkernel[d, u] += x",
        "dkernel[d, u] = x",
        "only the last sample's part of the kernel gradient is kept",
    ),
    Mutant(
        "dense_backward",
        "kernel[d, u] * g",
        "kernel[u, d] * g",
        "the kernel is not transposed for dx",
    ),
    Mutant(
        "dense_backward",
        "if y is not None and y[n, u] <= 0",
        "if False",
        "relu's derivative is forgotten",
    ),
    Mutant(
        "relu_forward",
        "y[x > 0] = x[x > 0]",
        "y[x > 0] = 1",
        "a 1 stands for every positive number",
    ),
    Mutant("relu_forward", "y = np.zeros_like(x)", "y = -x", "the absolute value is taken"),
    Mutant(
        "relu_backward",
        "dx[y > 0] = dy[y > 0]",
        "dx[dy > 0] = dy[dy > 0]",
        "the mask is made of dy and not of y",
    ),
    Mutant(
        "relu_backward",
        "dx[y > 0] = dy[y > 0]",
        "dx[y > 0] = 1",
        "the mask alone is returned, without dy",
    ),
    Mutant(
        "relu_backward",
        "dx[y > 0] = dy[y > 0]",
        "dx[y >= 0] = dy[y >= 0]",
        "dx is the argument dy, unchanged",
    ),
    Mutant(
        "relu_backward",
        "dx[y > 0] = dy[y > 0]",
        "dx = dy * y",
        "dy is multiplied by y, and not by relu's derivative",
    ),
    Mutant(
        "relu_backward",
        "dx = np.zeros_like(dy)",
        "dx = dy\n    dx[y <= 0] = 0",
        "it changes an array that it was given",
    ),
    # --- softmax, cross-entropy -------------------------------------------------------------------
    Mutant(
        "softmax_forward",
        "        for k in range(K):\n            y[n, k] /= total\n    return y",
        "    return y / y.sum(axis=0)",
        "the sum runs over the batch and not over the classes",
    ),
    Mutant(
        "softmax_forward",
        "        for k in range(K):\n            y[n, k] /= total\n    return y",
        "    return y / y.sum()",
        "one sum is taken over the whole batch",
    ),
    Mutant(
        "softmax_forward",
        "y[n, k] = math.exp(x[n, k] - largest)",
        "y[n, k] = np.exp(x[n, k])",
        "the maximum is not subtracted",
    ),
    Mutant(
        "softmax_forward",
        "largest = x[n, 0]",
        "largest = x.max()",
        "one maximum is subtracted from the whole batch",
    ),
    Mutant(
        "softmax_forward",
        "        for k in range(K):\n            y[n, k] /= total\n",
        "",
        "the result is not divided by the sum",
    ),
    Mutant(
        "softmax_forward",
        "N, K = x.shape",
        "N, K = x.shape\n    x -= x.max(axis=-1, keepdims=True)",
        "it changes an array that it was given",
    ),
    Mutant(
        "softmax_backward",
        "dx[n, j] -= dy[n, i] * y[n, i] * y[n, j]",
        "pass",
        "only the diagonal of the Jacobian is used",
    ),
    Mutant(
        "softmax_backward",
        "y[n, i] * (1 - y[n, i])\n                else:\n"
        "                    dx[n, j] -= dy[n, i] * y[n, i] * y[n, j]",
        "y[n, i]",
        "the sum over the row is missing",
    ),
    Mutant(
        "softmax_cross_entropy_forward", "losses[n] -= ", "losses[n] += ", "the minus is missing"
    ),
    Mutant(
        "softmax_cross_entropy_forward",
        "targets[n, k] * log_p",
        "targets[n, k] * log_p / N",
        "the losses are divided by N",
    ),
    Mutant(
        "softmax_cross_entropy_forward",
        "targets[n, k] * log_p",
        "targets[n, k] * log_p / K",
        "the mean over the classes is taken, and not the sum",
    ),
    Mutant(
        "softmax_cross_entropy_forward",
        "return losses, probabilities",
        "return losses.mean(), probabilities",
        "the mean over the samples is returned",
    ),
    Mutant(
        "softmax_cross_entropy_forward",
        "targets[n, k] * log_p",
        "targets[n, k] * np.log(np.exp(log_p) + 1e-8)",
        "1e-8 is added to the probability before its logarithm is taken",
    ),
    Mutant(
        "softmax_cross_entropy_forward",
        "targets[n, k] * log_p",
        "targets[n, k] * np.log(np.exp(log_p))",
        "the probability is computed first, and then its logarithm",
    ),
    Mutant(
        "softmax_cross_entropy_backward",
        "weight * probabilities[n, k] - targets[n, k]",
        "targets[n, k] - weight * probabilities[n, k]",
        "the sign is wrong: targets minus probabilities",
    ),
    Mutant(
        "softmax_cross_entropy_backward",
        "weight * probabilities[n, k] - targets[n, k]",
        "(weight * probabilities[n, k] - targets[n, k]) / N",
        "the gradient is divided by N",
    ),
    Mutant(
        "softmax_cross_entropy_backward",
        "weight * probabilities[n, k] - targets[n, k]",
        "probabilities[n, k] - targets[n, k]",
        "the targets are taken to add up to 1",
    ),
    Mutant(
        "softmax_cross_entropy_backward",
        "weight * probabilities[n, k] - targets[n, k]",
        "(weight * probabilities[n, k] - targets[n, k]) * targets[n, k]",
        "only the target's own class gets a gradient",
    ),
    Mutant(
        "softmax_forward",
        "        for k in range(K):\n            y[n, k] /= total\n    return y",
        "    return y / y.sum(axis=1)",
        "the sums have lost their axis, and are divided along the columns",
    ),
    # --- optimizers -------------------------------------------------------------------------------
    Mutant("sgd_update", "value[index] -= step", "value[index] += step", "the step goes uphill"),
    Mutant(
        "sgd_update",
        "momentum * velocity[index] - step\n            if",
        "-step\n            if",
        "the velocity is zeroed at every step",
    ),
    Mutant(
        "sgd_update",
        "velocity[index] = momentum * velocity[index] - step",
        "velocity[index] = momentum * velocity[index] + step",
        "the gradient is added to the velocity",
    ),
    Mutant("sgd_update", "if nesterov", "if False", "nesterov is ignored"),
    Mutant(
        "sgd_update",
        "for index",
        "value = value.copy()\n    for index",
        "the new value is not written into the array",
    ),
    Mutant(
        "adam_step",
        "m_hat = m[index] / (1 - beta_1**step)\n        v_hat = v[index] / (1 - beta_2**step)",
        "m_hat = m[index]\n        v_hat = v[index]",
        "there is no bias correction",
    ),
    Mutant(
        "adam_step",
        "v_hat = v[index] / (1 - beta_2**step)",
        "v_hat = v[index]",
        "only the first moment is corrected",
    ),
    Mutant(
        "adam_step",
        "m_hat = m[index] / (1 - beta_1**step)",
        "m_hat = m[index]",
        "only the second moment is corrected",
    ),
    Mutant(
        "adam_step",
        "for index",
        "step = step - 1\n    for index",
        "the steps are counted from 0 in the bias correction",
    ),
    Mutant(
        "adam_step",
        "for index",
        "beta_1, beta_2 = beta_2, beta_1\n    for index",
        "beta_1 and beta_2 are exchanged",
    ),
    Mutant(
        "adam_step",
        "(1 - beta_2) * g * g",
        "(1 - beta_2) * g",
        "the second moment is made of the gradient, which is not squared",
    ),
    Mutant(
        "adam_step",
        "(1 - beta_1) * g\n",
        "(1 - beta_1) * g * g\n",
        "the first moment is made of the squared gradient",
    ),
    Mutant(
        "adam_step",
        "(math.sqrt(v_hat) + epsilon)",
        "math.sqrt(v_hat + epsilon)",
        "epsilon stands inside the root",
    ),
    Mutant("adam_step", "(math.sqrt(v_hat) + epsilon)", "(v_hat + epsilon)", "the root is missing"),
    Mutant(
        "adam_step",
        "for index",
        "m, v = m.copy(), v.copy()\n    for index",
        "the moments are not written into their arrays",
    ),
    # --- extra exercises, and everything together -------------------------------------------------
    Mutant("batch_norm_forward", "variance[c] + epsilon", "variance[c]", "epsilon is left out"),
    Mutant(
        "batch_norm_forward",
        "math.sqrt(variance[c] + epsilon)",
        "variance[c] + epsilon",
        "the variance divides, and not its root",
    ),
    Mutant(
        "batch_norm_backward", "if of_batch", "if False", "mean and variance are taken as constants"
    ),
    Mutant(
        "batch_norm_backward",
        " - x_hat * (dx_hat * x_hat).sum() / M",
        "",
        "the variance is taken as a constant",
    ),
    Mutant("batch_norm_backward", "dy[..., c] * gamma[c]", "dy[..., c]", "gamma is left out of dx"),
    Mutant("dropout", "x[index] / (1 - rate)", "x[index]", "what is kept is not scaled"),
    Mutant(
        "dropout",
        "if kept[index] and rate < 1",
        "if not kept[index] and rate < 1",
        "what should be kept is dropped, and the other way round",
    ),
    Mutant(
        "network_step",
        "softmax_cross_entropy_backward(probabilities, targets) / N",
        "softmax_cross_entropy_backward(probabilities, targets)",
        "the gradient is not divided by N",
    ),
    Mutant(
        "network_step",
        'conv_kernel, (1, 1), "valid", z)',
        'conv_kernel, (1, 1), "valid")',
        "relu's derivative is forgotten",
    ),
    Mutant("network_step", "losses.sum() / N", "losses.sum()", "the loss is a sum and not a mean"),
    Mutant(
        "network_step",
        "    sgd_update(conv_kernel, dconv_kernel, None, learning_rate)\n",
        "",
        "the convolution's kernel is not updated",
    ),
    Mutant(
        "network_step",
        "    dflat, ddense_kernel, ddense_bias = dense_backward(dlogits, flat, dense_kernel)\n",
        "    _, ddense_kernel, ddense_bias = dense_backward(dlogits, flat, dense_kernel)\n"
        "    sgd_update(dense_kernel, ddense_kernel, None, learning_rate)\n"
        "    dflat, _, _ = dense_backward(dlogits, flat, dense_kernel)\n"
        "    ddense_kernel = 0 * ddense_kernel\n",
        "the dense kernel is updated before the gradient goes through it",
    ),
]
