"""A museum of wrong code: real mistakes of public projects, as small patches of tinycnn.

    with bugs.active(bugs.BUGS["conv2d: stride forgotten in the backward"]):
        ...

Each bug replaces a piece of the source of one function, or of a few, for the time of the `with`:
the museum holds what was wrong and not a copy of what is right. A piece that is not found exactly
once is an error, so a patch cannot silently go stale. test_museum.py runs the checks on all of
them, and prints which check caught which.

The sources are public threads and files; what they did wrong is carried over to our arithmetic. By
`kind` it is told which checks owe the bug's discovery: "backward" bugs are the business of the
gradient and adjoint checks alone, the others may also be left to recorded and hand-worked numbers.
"""

import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from without_numba import need, plans


class Edit(NamedTuple):
    """In the source of `target` ("module:function" below tinycnn), `new` stands for `old`."""

    target: str
    old: str
    new: str


class Bug(NamedTuple):
    """A mistake.

    name: what is wrong.
    mechanism: the kind of slip, shared by many bugs.
    kind: "backward", "layer", "loss", "optimizer" or "initializer".
    source: "owner/repository#thread" or "owner/repository path", and what was wrong there.
    edits: the patch.
    rung: the one that has it, "numpy" or "numba".
    """

    name: str
    mechanism: str
    kind: str
    source: str
    edits: tuple[Edit, ...]
    rung: str = "numpy"


@contextmanager
def active(bug: Bug) -> Iterator[None]:
    """tinycnn with this bug in it; it shows on the rung `bug.rung`."""
    need(bug.rung)
    healthy = [(function, function.__code__) for function in map(_function, _targets(bug))]
    try:
        for function, code in zip(map(_function, _targets(bug)), _patched(bug), strict=True):
            function.__code__ = code
        _forget(bug)
        yield
    finally:
        for function, code in healthy:
            function.__code__ = code
        _forget(bug)


def _forget(bug):
    """Empties the caches of the functions: what they answered before came from the other code."""
    for target in _targets(bug):
        clear = getattr(pkgutil.resolve_name(f"tinycnn.{target}"), "cache_clear", None)
        if clear is not None:
            clear()
    if bug.rung == "numba":  # and so do the plans that they were asked for
        plans.forget()


def _targets(bug):
    return list(dict.fromkeys(edit.target for edit in bug.edits))


def _function(target):
    return inspect.unwrap(pkgutil.resolve_name(f"tinycnn.{target}"))


def _patched(bug):
    """The code of each function with its pieces replaced."""
    for target in _targets(bug):
        function = _function(target)
        source = textwrap.dedent(inspect.getsource(function))
        for edit in bug.edits:
            if edit.target == target:
                if source.count(edit.old) != 1 or edit.old == edit.new:
                    raise ValueError(
                        f"{bug.name}: {target} must hold this piece once, and not "
                        f"{source.count(edit.old)} times:\n{edit.old}"
                    )
                source = source.replace(edit.old, edit.new)
        made = {}
        exec(compile(source, f"<{bug.name}>", "exec"), function.__globals__, made)
        yield inspect.unwrap(made[function.__name__]).__code__


IM2COL = "kernels.reference:im2col"
COL2IM = "kernels.reference:col2im"
CONV = "kernels.reference:conv2d_backward"
POOL_FORWARD = "kernels.reference:max_pool_forward"
POOL = "kernels.reference:max_pool_backward"
POOL_LAYER = "layers.pooling:MaxPooling2D."
DENSE = "kernels.reference:dense_backward"
RELU = "kernels.reference:relu_backward"
SOFTMAX = "kernels.reference:softmax_backward"
LOG_SOFTMAX = "kernels.reference:log_softmax"
CROSSENTROPY = "kernels.reference:softmax_cross_entropy_backward"
ON_LOGITS = "losses.crossentropy:_Crossentropy."
CATEGORICAL = "losses:CategoricalCrossentropy."
SQUARED = "losses:MeanSquaredError."
MEAN = "losses.base:mean_of"
ELEMENTWISE = "losses.elementwise:_Elementwise."
BINARY = "losses:BinaryCrossentropy."
HUBER = "losses:Huber."
STEP_SIZE = "kernels.reference:adam_step_size"
ADAM = "kernels.reference:adam_update"
SGD = "kernels.reference:sgd_update"
RMSPROP = "kernels.reference:rmsprop_update"
ADAGRAD = "kernels.reference:adagrad_update"
ADADELTA = "kernels.reference:adadelta_update"
NADAM = "kernels.reference:nadam_update"
NADAM_NUMBERS = "kernels.reference.adaptive:nadam_numbers"
AMSGRAD = "kernels.reference:amsgrad_update"
CLIPPED = "optimizers:Optimizer._clipped"
DECAY = "optimizers.base:decay_weights"
BATCH_NORM = "kernels.reference:batch_norm_backward"
MOMENTS = "kernels.reference:moments"
COUNTS = "kernels.reference.pooling:_counts"
DROPOUT = "kernels.reference:dropout"
DROPOUT_LAYER = "layers.regularization:Dropout."
FANS = "initializers:fans"
UNIFORM = "initializers:_uniform"
NORMAL = "initializers:_truncated_normal"

RELU_LINE = "return np.where(y > 0, dy, np.zeros((), dy.dtype))"
SOFTMAX_LINE = "return y * (dy - (dy * y).sum(axis=-1, keepdims=True))"
CORRECTION = " * np.sqrt(one - power_2) / (one - power_1)"
DRAW = "rng.uniform(-limit, limit, shape)"


def _to_every(tied: str, share: str) -> tuple[Edit, ...]:
    """A max-pool that gives each input of a window for which `tied` holds a `share` of dy."""
    return (
        Edit(POOL_LAYER + "forward", "(x.shape, winners)", "(x.shape, winners, x, y)"),
        Edit(
            POOL_LAYER + "backward",
            "x_shape, winners = self.recall()",
            "x_shape, winners, x, y = self.recall()\n"
            "    how = (self.pool_size, self.strides, self.padding)\n"
            "    inside = kernels.im2col(np.ones_like(x), *how)  # 0 in the padding: not an input\n"
            "    cols = np.where(inside > 0, kernels.im2col(x, *how), -np.inf)\n"
            "    cols = cols.reshape(*y.shape[:3], -1, y.shape[3])\n"
            f"    tied = {tied}",
        ),
        Edit(
            POOL_LAYER + "backward",
            "return kernels.max_pool_backward(\n"
            "        dy, winners, x_shape, self.pool_size, self.strides, self.padding\n"
            "    )",
            "return sum(\n"
            "        kernels.max_pool_backward(\n"
            f"            np.where(tied[:, :, :, k], {share}, 0), np.full_like(winners, k),\n"
            "            x_shape, self.pool_size, self.strides, self.padding)\n"
            "        for k in range(tied.shape[3])\n"
            "    )",
        ),
    )


_ALL = [
    # --- our own ----------------------------------------------------------------------------------
    Bug(
        "conv2d: with one filter the flipped kernel of dx is read forwards",
        "decided by one stride alone",
        "backward",
        "tinycnn/tinycnn kernels/compiled_convolution.py: `if steps[4] != 1 or F != WIDE`; "
        "5,451 tests passed, for no one filter met a whole panel of channels in any of them",
        (
            Edit(
                "kernels.compiled.convolution_forward:_launch",
                "packed = steps != _in_order(shape) or",
                "packed = steps[4] != 1 or",
            ),
        ),
        rung="numba",
    ),
    # --- backward: sums that are not sums ---------------------------------------------------------
    Bug(
        "max-pool: overlapping windows overwrite each other",
        "assignment for accumulation",
        "backward",
        "0809zheng/CS231n-assignment2019#19: `=` for `+=` passed, for stride and window were equal",
        (
            Edit(
                POOL,
                "+= np.where(won, dy, 0)",
                "= np.where(\n"
                "                won, dy, dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW])",
            ),
        ),
    ),
    Bug(
        "col2im: overlapping windows overwrite each other",
        "assignment for accumulation",
        "backward",
        "oreilly-japan/deep-learning-from-scratch#27: a reader replaces += by = in col2im",
        (Edit(COL2IM, "+= windows", "= windows"),),
    ),
    Bug(
        "dense: input gradient added twice, the second time with stepped weights",
        "a term counted twice",
        "backward",
        "itskonrad/miniMNIST-c#7: input_grad is summed again in the loop that updates the weights",
        (Edit(DENSE, "dy @ kernel.T if", "dy @ (2 * kernel - 0.01 * dkernel).T if"),),
    ),
    Bug(
        "dense: input gradient through weights that were already stepped",
        "update before backward",
        "backward",
        "VikParuchuri/zero_to_gpt#12: the gradient is pulled through the layer after its update",
        (Edit(DENSE, "dy @ kernel.T if", "dy @ (kernel - 0.01 * dkernel).T if"),),
    ),
    # --- backward: scales -------------------------------------------------------------------------
    Bug(
        "dense: kernel gradient divided by N in the layer",
        "a scale too many or missing",
        "backward",
        "SkalskiP/ILearnDeepLearning.py src/layers/dense.py: dw / n in every layer",
        (Edit(DENSE, "dkernel = x.T @ dy", "dkernel = x.T @ dy / len(x)"),),
    ),
    Bug(
        "conv2d: bias gradient divided by N, the kernel's not",
        "a scale too many or missing",
        "backward",
        "SkalskiP/ILearnDeepLearning.py src/layers/convolutional.py: / n for db only",
        (Edit(CONV, "dy.sum(axis=0)", "dy.sum(axis=0) / len(x)"),),
    ),
    Bug(
        "conv2d: kernel gradient averaged over images and pixels",
        "a scale too many or missing",
        "backward",
        "sebgao/cTensor#3: a factor 1/(B*H*W) in the gradient of the weights",
        (Edit(CONV, "(cols.T @ dy)", "(cols.T @ dy / len(dy))"),),
    ),
    Bug(
        "dense: bias gradient is a mean for a sum",
        "a scale too many or missing",
        "backward",
        "kvfrans/notes#5: mean over the batch where the influence paths add up",
        (Edit(DENSE, "dy.sum(axis=0)", "dy.mean(axis=0)"),),
    ),
    Bug(
        "softmax: gradient twice too large",
        "a scale too many or missing",
        "backward",
        "markroxor/fromscratchtoml#65: gradient of softmax off by a factor of two",
        (Edit(SOFTMAX, "return y", "return 2 * y"),),
    ),
    Bug(
        "rescaling: the factor does not reach the gradient",
        "a scale too many or missing",
        "backward",
        "cvlab-yonsei/EWGS#1: the scaling factor has no effect on the gradient",
        (Edit("layers.preprocessing:Rescaling.backward", "(dy) * self.scale", "(dy)"),),
    ),
    # --- backward: Jacobians ----------------------------------------------------------------------
    Bug(
        "softmax: only the diagonal of the Jacobian",
        "missing terms of a Jacobian",
        "backward",
        "eriklindernoren/ML-From-Scratch activation_functions.py: Softmax.gradient is p (1 - p)",
        (Edit(SOFTMAX, SOFTMAX_LINE, "return dy * y * (1 - y)"),),
    ),
    Bug(
        "softmax: the sum over the row is missing",
        "missing terms of a Jacobian",
        "backward",
        "HomericIntelligence/Odyssey#2134: softmax backward without its dot product",
        (Edit(SOFTMAX, SOFTMAX_LINE, "return y * dy"),),
    ),
    Bug(
        "softmax: the sum runs over the batch",
        "wrong axis of a reduction",
        "backward",
        "ethanfetaya/NRI#25: softmax along the batch dimension instead of the classes",
        (Edit(SOFTMAX, "axis=-1", "axis=0"),),
    ),
    # --- backward: relu ---------------------------------------------------------------------------
    Bug(
        "relu: the function itself for its derivative",
        "another function's derivative",
        "backward",
        "andersbll/nnet nnet/helpers.py: tanh_d returns tanh",
        (Edit(RELU, RELU_LINE, "return dy * y"),),
    ),
    Bug(
        "relu: the derivative of the sigmoid",
        "another function's derivative",
        "backward",
        "jeffheaton/encog-dotnet-core#124: the ReLU class holds the sigmoid's derivative",
        (Edit(RELU, RELU_LINE, "return dy * y * (1 - y)"),),
    ),
    Bug(
        "relu: >= 0 asked of the output, which always holds",
        "wrong mask",
        "backward",
        "iamtrask/Grokking-Deep-Learning#13: with >= units that are off still learn",
        (Edit(RELU, "y > 0", "y >= 0"),),
    ),
    Bug(
        "relu: the gradient from above is dropped",
        "a factor of the chain rule missing",
        "backward",
        "haifengl/smile#528: `=` for `*=`: a relu passes 0 or 1 down",
        (Edit(RELU, "dy, np", "np.ones_like(dy), np"),),
    ),
    Bug(
        "dense: relu's derivative forgotten",
        "a factor of the chain rule missing",
        "backward",
        "dannyneil/spiking_relu_conversion#1: relu outputs handled as if linear",
        (Edit(DENSE, "dy = relu_backward(dy, y)", "pass"),),
    ),
    Bug(
        "conv2d: relu's derivative forgotten for the input",
        "a factor of the chain rule missing",
        "backward",
        "dannyneil/spiking_relu_conversion#1: the same in a convolution, for dx alone",
        (
            Edit(CONV, "if y is not None:", "upstream = dy.reshape(-1, F)\n    if y is not None:"),
            Edit(CONV, "dcols = dy @ kernel.", "dcols = upstream @ kernel."),
        ),
    ),
    Bug(
        "relu: writes into the gradient it was given",
        "in-place change of an argument",
        "backward",
        "oreilly-japan/deep-learning-from-scratch common/layers.py: dout[self.mask] = 0",
        (Edit(RELU, RELU_LINE, "dy[y <= 0] = 0\n    return dy"),),
    ),
    Bug(
        "relu: writes its output over its input",
        "in-place change of an argument",
        "backward",
        "deepakcrk/CNN_ForDummies#20: activations overwrite the images that the backward needs",
        (
            Edit(
                "kernels.reference:relu_forward",
                "return np.maximum(x, 0)",
                "return np.maximum(x, 0, out=x)",
            ),
        ),
    ),
    Bug(
        "relu: the gradient passes where the output is NaN",
        "wrong mask",
        "backward",
        "tenstorrent/tt-metal#57455: comparisons that are false for NaN leave it a gradient",
        (Edit(RELU, "y > 0", "~(y <= 0)"),),
    ),
    Bug(
        "dense: gradients add up from call to call",
        "a term counted twice",
        "backward",
        "karpathy/micrograd#102: a second backward counts the first again",
        (
            Edit(
                "layers.core:Dense.backward_from_z",
                "self.bias.grad = dbias",
                "self.bias.grad = dbias + (0 if self.bias.grad is None else self.bias.grad)",
            ),
        ),
    ),
    # --- backward: caches -------------------------------------------------------------------------
    Bug(
        "max-pool: the backward uses up its indices",
        "stale or damaged cache",
        "backward",
        "chainer/chainer#2062: += on a view of the stored indices, so a second backward is wrong",
        (Edit(POOL, "winners == i * PW + j", "winners == 0\n            winners -= 1"),),
    ),
    Bug(
        "activations: the first batch is remembered for ever",
        "stale or damaged cache",
        "backward",
        "keras-team/keras#1254: the cached input of a layer is returned after it has changed",
        (
            Edit(
                "layers.core:Dense.forward",
                "self.cache = (x, z, y)",
                "self.cache = self.cache or (x, z, y)",
            ),
        ),
    ),
    Bug(
        "flatten: the shape of the first batch is remembered for ever",
        "stale or damaged cache",
        "backward",
        "fetchai/ledger#1469: a cache that only new input data refreshes",
        (
            Edit(
                "layers.core:Flatten.forward",
                "self.cache = (x.shape,)",
                "self.cache = self.cache or (x.shape,)",
            ),
        ),
    ),
    # --- backward: results that go nowhere --------------------------------------------------------
    Bug(
        "conv2d: the kernel's gradient is computed and not kept",
        "unused result",
        "backward",
        "modern-fortran/neural-fortran#141: conv2d never updated, yet the net reaches 93%",
        (
            Edit(
                "layers.convolutional:Conv2D.backward_from_z",
                "dx, self.kernel.grad, dbias",
                "dx, _, dbias",
            ),
        ),
    ),
    Bug(
        "conv2d: no gradient passes a 'same' padding",
        "unused result",
        "backward",
        "tiny-dnn/tiny-dnn#415: with padding::same nothing is propagated to the previous layer",
        (
            Edit(
                CONV,
                "return col2im(dcols,",
                "return (padding == 'valid') * col2im(dcols,",
            ),
        ),
    ),
    Bug(
        "flatten: layers disconnected in the backward pass",
        "unused result",
        "backward",
        "modern-fortran/neural-fortran#142: the convolutions were cut off below flatten",
        (
            Edit(
                "layers.core:Flatten.backward",
                "return self.receive_gradient(dy).reshape(x_shape)",
                "return 0 * self.receive_gradient(dy).reshape(x_shape)",
            ),
        ),
    ),
    # --- backward: axes ---------------------------------------------------------------------------
    Bug(
        "col2im: rows and columns of the window swapped",
        "swapped axes",
        "backward",
        "microsoft/ai-edu MiniFramework/jit_utility.py: col2im reads [..., j, i] for [..., i, j]",
        (Edit(COL2IM, "windows[:, :, :, i, j]", "windows[:, :, :, j % KH, i % KW]"),),
    ),
    Bug(
        "col2im: columns taken channel by channel",
        "swapped axes",
        "backward",
        "ravin-d-27/PyDeepFlow#85: wrong column index of im2col and col2im",
        (
            Edit(
                COL2IM,
                "dcols.reshape(N, OH, OW, KH, KW, C)",
                "dcols.reshape(N, OH, OW, C, KH, KW).transpose(0, 1, 2, 4, 5, 3)",
            ),
        ),
    ),
    Bug(
        "conv2d: kernel gradient transposed in the wrong order",
        "swapped axes",
        "backward",
        "nntrainer/nntrainer#705: the weight gradient of several filters transposed",
        (Edit(CONV, "(cols.T @ dy)", "(dy.T @ cols)"),),
    ),
    Bug(
        "conv2d: input and output channels exchanged by a reshape",
        "swapped axes",
        "backward",
        "apache/systemds#541: filters (F, C) for (C, F); the tests had C = F = 1",
        (
            Edit(
                CONV,
                "kernel.reshape(KH * KW * C, F).T",
                "kernel.reshape(F, KH * KW * C)",
            ),
        ),
    ),
    Bug(
        "max-pool: the winner's row and column exchanged",
        "swapped axes",
        "backward",
        "HIPS/autograd#245: max-pool along the wrong directions, the shape correct",
        (Edit(POOL, "i * PW + j", "j * PH + i"),),
    ),
    Bug(
        "flatten: the last two axes of the gradient exchanged",
        "swapped axes",
        "backward",
        "tensorflow/tensorflow#18377: gradients with the last two dimensions flipped",
        (
            Edit(
                "layers.core:Flatten.backward",
                ".reshape(x_shape)",
                ".reshape(*x_shape[:-2], x_shape[-1], x_shape[-2]).swapaxes(-1, -2)",
            ),
        ),
    ),
    Bug(
        "conv2d: the kernel is rotated for the input gradient",
        "flipped kernel",
        "backward",
        "nntrainer/nntrainer#705: multiplied by the weight rotated by 180 degrees",
        (Edit(CONV, "dy @ kernel.reshape", "dy @ kernel[::-1, ::-1].reshape"),),
    ),
    Bug(
        "dense: one bias gradient for all units",
        "wrong axis of a reduction",
        "backward",
        "rasbt/stat453-deep-learning-ss21#5: a sum without its axis, broadcast over the biases",
        (Edit(DENSE, "dy.sum(axis=0)", "np.full(dy.shape[1], dy.sum())"),),
    ),
    Bug(
        "conv2d: bias gradient of one image only",
        "wrong axis of a reduction",
        "backward",
        "mlpack/mlpack#3679: the error for its sum over the batch; right for batches of 1",
        (Edit(CONV, "dy.sum(axis=0)", "dy[: len(dy) // len(x)].sum(axis=0)"),),
    ),
    # --- backward: windows ------------------------------------------------------------------------
    Bug(
        "conv2d: stride forgotten in the backward",
        "wrong window or stride",
        "backward",
        "enggen/Deep-Learning-Coursera#7: h and w not multiplied by the stride",
        (
            Edit(
                COL2IM,
                "i : i + SH * OH : SH, j : j + SW * OW : SW",
                "i : i + OH, j : j + OW",
            ),
        ),
    ),
    Bug(
        "max-pool: the pool's size for its stride",
        "wrong window or stride",
        "backward",
        "devitocodes/joey#5: wrong gradients when the stride is less than the window",
        (Edit(POOL, "SH, SW = strides", "SH, SW = pool_size"),),
    ),
    Bug(
        "conv2d: the last window is left out of the kernel's gradient",
        "wrong window or stride",
        "backward",
        "iamtrask/Grokking-Deep-Learning#43: range(H - KH) drops the last position",
        (Edit(CONV, "(cols.T @ dy)", "(cols[:-1].T @ dy[:-1])"),),
    ),
    Bug(
        "col2im: the index of another loop for the column",
        "wrong window or stride",
        "backward",
        "NervanaSystems/neon#111: the gradient is written at m where d is meant",
        (
            Edit(
                COL2IM,
                "j : j + SW * OW : SW] +=",
                "min(i, KW - 1) : min(i, KW - 1) + SW * OW : SW] +=",
            ),
        ),
    ),
    # --- backward: padding ------------------------------------------------------------------------
    Bug(
        "col2im: padding not cropped off",
        "wrong side of the padding",
        "backward",
        "tensorflow/tensorflow#11092: the forward has the padding's offset and the backward not",
        (Edit(COL2IM, "dx[:, top : top + H, left : left + W]", "dx[:, :H, :W]"),),
    ),
    Bug(
        "col2im: the padding of the height for that of the width",
        "wrong side of the padding",
        "backward",
        "renmengye/np-conv2d#2: dys[0], the height, where dys[1] is meant",
        (
            Edit(
                COL2IM,
                "return dx[:, top : top + H, left : left + W]",
                "left = min(top, left + right)\n    return dx[:, top : top + H, left : left + W]",
            ),
        ),
    ),
    Bug(
        "max-pool: the padding cropped off at the other end",
        "wrong side of the padding",
        "backward",
        "tensorflow/tensorflow#10216: argmax indices that leave out the padding",
        (
            Edit(
                POOL,
                "return dx[:, top : top + H, left : left + W]",
                "return dx[:, bottom : bottom + H, right : right + W]",
            ),
        ),
    ),
    Bug(
        "conv2d: padded, then the unpadded image used",
        "wrong side of the padding",
        "backward",
        "microsoft/ai-edu MiniFramework/jit_utility.py: im2col pads and then takes the input",
        (
            Edit(
                CONV,
                "cols = im2col(x, (KH, KW), strides, padding)",
                "around = window_padding(*x.shape[1:3], (KH, KW), strides, padding)\n"
                "    late = ((0, 0), *((0, sum(pair)) for pair in around), (0, 0))\n"
                "    cols = im2col(np.pad(x, late), (KH, KW), strides)",
            ),
        ),
    ),
    # --- backward: ties ---------------------------------------------------------------------------
    Bug(
        "max-pool: every tied input gets the whole gradient",
        "wrong rule for ties",
        "backward",
        "Theano/Theano#5248: back-propagated to all inputs equal to the maximum",
        _to_every("cols == y[..., None, :]", "dy"),
    ),
    Bug(
        "max-pool: inputs close to the largest count as tied",
        "wrong rule for ties",
        "backward",
        "mni-ml/framework#22: the mask is built with is_close, to a hundredth",
        _to_every("np.abs(cols - y[..., None, :]) < 1e-2", "dy"),
    ),
    Bug(
        "max-pool: tied inputs share the gradient",
        "wrong rule for ties",
        "backward",
        "tensorflow/tensorflow#51682: reduce_max divides among the maxima, max-pool does not",
        _to_every("cols == y[..., None, :]", "dy / tied.sum(axis=3)"),
    ),
    Bug(
        "max-pool: the last of equal inputs wins",
        "wrong rule for ties",
        "backward",
        "facebookresearch/CrypTen#90: ties handled otherwise than in the reference framework",
        (Edit(POOL_FORWARD, "(value > y)", "(value >= y)"),),
    ),
    # --- backward: precision ----------------------------------------------------------------------
    Bug(
        "col2im: gradients summed in float32",
        "dtype",
        "backward",
        "pytorch/pytorch#8175: a buffer without its dtype forces float32",
        (Edit(COL2IM, "dcols.dtype", "np.float32"),),
    ),
    Bug(
        "col2im: float64 from float32",
        "dtype",
        "backward",
        "oreilly-japan/deep-learning-from-scratch common/util.py: np.zeros without a dtype",
        (Edit(COL2IM, "dcols.dtype", "np.float64"),),
    ),
    # --- the other layers: backward ---------------------------------------------------------------
    Bug(
        "batch norm: mean and variance taken as constants",
        "a path left out",
        "backward",
        "facebookresearch/CrypTen#143: ignores that the statistics are a function of the input",
        (Edit(BATCH_NORM, "if of_batch:", "if False:"),),
    ),
    Bug(
        "batch norm: variance taken as a constant",
        "a path left out",
        "backward",
        "deeplearning4j/deeplearning4j#8379: derivatives by way of mean and variance added later",
        (Edit(BATCH_NORM, " - x_hat * (dgamma / M)", ""),),
    ),
    Bug(
        "batch norm: input gradient without gamma",
        "a scale too many or missing",
        "backward",
        "denizyuret/Knet.jl#288: dy times scales computed, dx made without it; scales began as 1",
        (Edit(BATCH_NORM, "dy * (gamma * s)", "dy * s"),),
    ),
    Bug(
        "dropout: gradient scaled and not masked",
        "a mask left out",
        "backward",
        "ddbourgin/numpy-ml#94: the backward divides by 1 - p, and does not apply the mask",
        (Edit(DROPOUT_LAYER + "backward", "kernels.dropout(dy, kept, self.rate)", "dy / 0.6"),),
    ),
    Bug(
        "dropout: mask guessed from output by input, so inputs of 0 count as kept",
        "a mask left out",
        "backward",
        "kaldi-asr/kaldi#3890: in_deriv is out_deriv where the input is 0, dropped or not",
        (
            Edit(
                DROPOUT_LAYER + "forward",
                "self.cache = (kept,)",
                "self.cache = (kept | (x == 0),)",
            ),
        ),
    ),
    Bug(
        "sigmoid: derivative of the sigmoid of the output",
        "wrong derivative of an activation",
        "backward",
        "dwhitena/gophernet#6: sigmoid' applied to what the sigmoid has already been applied to",
        (
            Edit(
                "kernels.reference:sigmoid_backward",
                "return dy * y * (1 - y)",
                "return dy * sigmoid_forward(y) * (1 - sigmoid_forward(y))",
            ),
        ),
    ),
    Bug(
        "leaky relu: no slope in the backward",
        "wrong derivative of an activation",
        "backward",
        "deeplearning4j/deeplearning4j#8178: the backprop op does not take alpha",
        (
            Edit(
                "kernels.reference:leaky_relu_backward",
                "dy.dtype.type(negative_slope)",
                "dy.dtype.type(0)",
            ),
        ),
    ),
    Bug(
        "elu: output plus alpha, of an output taken twice",
        "wrong derivative of an activation",
        "backward",
        "mlpack/mlpack#1540: Fn(y) + alpha where y is f(x) already",
        (
            Edit(
                "kernels.reference:elu_backward",
                "(y + dy.dtype.type(alpha))",
                "(elu_forward(y, alpha) + dy.dtype.type(alpha))",
            ),
        ),
    ),
    Bug(
        "l2: gradient without the 2",
        "a scale too many or missing",
        "backward",
        "jingtinghuang/CS231n-Spring-2017#3: dW += reg*W for a penalty of reg*sum(W^2)",
        (Edit("regularizers:L2.gradient", "(2 * self.l2)", "self.l2"),),
    ),
    Bug(
        "l2: gradient subtracted",
        "wrong sign",
        "backward",
        "chainer/chainer#261: g -= decay * p, so that weights grow",
        (Edit("regularizers:L2.gradient", "(2 * self.l2)", "(-2 * self.l2)"),),
    ),
    # --- the other layers: what they compute ------------------------------------------------------
    Bug(
        "batch norm: moving variance unbiased",
        "another framework's convention",
        "layer",
        "pytorch/pytorch#106366: running_var is unbiased, and Keras's is not",
        (
            Edit(
                "layers.normalization:BatchNormalization.update_statistics",
                "_, _, *batch, training = self.recall()",
                "x, _, mean, variance, training = self.recall()\n"
                "    M = x.size // x.shape[-1]\n"
                "    batch = mean, variance * M / (M - 1)",
            ),
        ),
    ),
    Bug(
        "batch norm: variance divided by M - 1",
        "another framework's convention",
        "layer",
        "pytorch/pytorch#1410: which variance to normalise with, and which to keep",
        (
            Edit(
                MOMENTS,
                "np.square(rows - mean).mean(axis=0)",
                "np.square(rows - mean).sum(axis=0) / (len(rows) - 1)",
            ),
        ),
    ),
    Bug(
        "dropout: kept values divided by the rate",
        "a scale too many or missing",
        "layer",
        "lmjohns3/theanets#123: divided by weight, the share that is dropped",
        (Edit(DROPOUT, "1 / (1 - rate) if rate < 1", "1 / rate if rate"),),
    ),
    Bug(
        "dropout: active in inference",
        "training's behaviour in inference",
        "layer",
        "karpathy/nanoGPT#240: the functional form called without asking for the mode",
        (Edit(DROPOUT_LAYER + "forward", "if not training:", "if False:"),),
    ),
    Bug(
        "average pool: zeros of the padding counted",
        "another framework's convention",
        "layer",
        "apache/tvm#1144: TensorFlow leaves them out of the count, the operator did not",
        (
            Edit(
                COUNTS,
                "np.minimum(starts + window, length) - np.maximum(starts, 0)",
                "0 * starts + window",
            ),
        ),
    ),
    Bug(
        "silu: the derivative at the output",
        "another function's derivative",
        "backward",
        "ooples/AiDotNet.Tensors#186: the backward of swish is given another tensor than z",
        (Edit("layers.activations:Activated.dz_of", ".dx(dy, z, y)", ".dx(dy, y, y)"),),
    ),
    Bug(
        "softplus: exp of a large input",
        "overflow",
        "layer",
        "rushter/MLAlgorithms#30: log(1 + exp(z)) is infinite for a large z",
        (
            Edit(
                "kernels.reference:softplus_forward",
                "np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))",
                "np.log1p(np.exp(x))",
            ),
        ),
    ),
    Bug(
        "upsampling: only one copy of a pixel sends its gradient back",
        "assignment for accumulation",
        "backward",
        "huggingface/candle#3507: the gradient of nearest upsampling is written over, not added",
        (Edit("kernels.reference:upsample_backward", ".sum(axis=(2, 4))", "[:, :, 0, :, 0]"),),
    ),
    Bug(
        "zero padding: two of the four sides ignored",
        "wrong side of the padding",
        "layer",
        "gmalivenko/onnx2keras#45: a ZeroPadding2D that is not symmetric is made symmetric",
        (
            Edit(
                "layers.reshaping:_sides",
                "return (top, bottom), (left, right)",
                "return (top, top), (left, left)",
            ),
        ),
    ),
    Bug(
        "global max-pool: every tied pixel gets the whole gradient",
        "wrong rule for ties",
        "layer",
        "mni-ml/framework#22: dy times a mask, which several equal maxima multiply",
        (
            Edit(
                "kernels.reference:global_max_pool_backward",
                "shares = dy.reshape(N, 1, 1, C) / won.sum(axis=(1, 2), keepdims=True)"
                ".astype(dy.dtype)",
                "shares = dy.reshape(N, 1, 1, C)",
            ),
        ),
    ),
    Bug(
        "normalization: divided by the variance",
        "deviation, variance and limit mixed up",
        "layer",
        "rinuboney/ladder#17: (z - m) / v, where v is no standard deviation",
        (
            Edit(
                "layers.preprocessing:Normalization.mean_and_deviation",
                "np.maximum(np.sqrt(variance),",
                "np.maximum(variance,",
            ),
        ),
    ),
    # --- loss -------------------------------------------------------------------------------------
    Bug(
        "crossentropy: gradient not divided by N",
        "a scale too many or missing",
        "loss",
        "jxgu1016/MNIST_center_loss_pytorch#9: the gradient needs to be divided by the batch size",
        (Edit(ON_LOGITS + "_backward_on_logits", "(dlogits / len(targets))", "dlogits"),),
    ),
    Bug(
        "crossentropy: value and gradient divided by N twice",
        "a scale too many or missing",
        "loss",
        "TreB1eN/InsightFace_Pytorch#22: a mean divided by the batch size again",
        (
            Edit(MEAN, "np.float64)) / losses.size\n", "np.float64)) / losses.size**2\n"),
            Edit(ON_LOGITS + "_backward_on_logits", "/ len(targets)", "/ len(targets) ** 2"),
        ),
    ),
    Bug(
        "crossentropy: mean over the classes too",
        "wrong axis of a reduction",
        "loss",
        "jax-ml/jax#1023: np.mean of the products scales by 1 / classes",
        (
            Edit(ON_LOGITS + "_forward_on_logits", "shape[:-1])", "shape[:-1]) / K"),
            Edit(ON_LOGITS + "_backward_on_logits", "/ len(targets)", "/ targets.size"),
        ),
    ),
    Bug(
        "mean squared error: the 2 of the derivative is missing",
        "a scale too many or missing",
        "loss",
        "davisking/dlib#1169: the gradient of (x - y)^2 without its 2",
        (Edit(SQUARED + "slopes", "2 * (p", "1 * (p"),),
    ),
    Bug(
        "crossentropy: gradient y - p",
        "wrong sign",
        "loss",
        "dennybritz/nn-from-scratch#11: delta_3 with the opposite sign",
        (
            Edit(
                CROSSENTROPY,
                "probabilities * targets.sum(axis=-1, keepdims=True) - targets",
                "targets - probabilities * targets.sum(axis=-1, keepdims=True)",
            ),
        ),
    ),
    Bug(
        "crossentropy: targets are taken to add up to 1",
        "missing terms of a Jacobian",
        "loss",
        "tensorflow/tensorflow#60314: targets of all zeros have a gradient",
        (Edit(CROSSENTROPY, " * targets.sum(axis=-1, keepdims=True)", ""),),
    ),
    Bug(
        "crossentropy: the binary form for the categorical one",
        "another function's derivative",
        "loss",
        "eriklindernoren/ML-From-Scratch#98: - y log p - (1 - y) log(1 - p), with its gradient",
        (
            Edit(
                CATEGORICAL + "of_samples",
                "(y_true * np.log(q))",
                "(y_true * np.log(q) + (1 - y_true) * np.log(1 - q))",
            ),
            Edit(CATEGORICAL + "backward", "-y_true / q", "-y_true / q + (1 - y_true) / (1 - q)"),
        ),
    ),
    Bug(
        "crossentropy: clipped probabilities keep their gradient",
        "wrong clipping",
        "loss",
        "ayrna/skordinal#122: the floor makes the loss constant, the gradient divides by it",
        (Edit(CATEGORICAL + "backward", "p == q", "q > 0"),),
    ),
    Bug(
        "crossentropy: probabilities are not clipped",
        "wrong clipping",
        "loss",
        "snipsco/ntm-lasagne#5: NaN when a prediction is 0 or 1",
        (Edit(CATEGORICAL + "of_samples", "np.clip(p, EPSILON, 1 - EPSILON)", "p.copy()"),),
    ),
    Bug(
        "log-softmax: one sum for the whole batch",
        "wrong axis of a reduction",
        "loss",
        "rickwierenga/MLFundamentals#1: exp(z) divided by the sum over all rows",
        (
            Edit(
                LOG_SOFTMAX,
                "np.exp(shifted).sum(axis=-1, keepdims=True)",
                "np.exp(shifted).sum(keepdims=True)",
            ),
        ),
    ),
    Bug(
        "log-softmax: the maximum is not subtracted",
        "overflow",
        "loss",
        "numenta/nupic-legacy#3818: exp of large logits overflows",
        (Edit(LOG_SOFTMAX, "x - x.max(axis=-1, keepdims=True)", "x"),),
    ),
    Bug(
        "log-softmax: the maximum is subtracted if positive",
        "overflow",
        "loss",
        "FluxML/NNlib.jl#43: max(0, maximum), so that large negative logits fail",
        (
            Edit(
                LOG_SOFTMAX,
                "x.max(axis=-1, keepdims=True)",
                "np.maximum(x.max(axis=-1, keepdims=True), 0)",
            ),
        ),
    ),
    Bug(
        "log-softmax: one maximum for the whole batch",
        "overflow",
        "loss",
        "blackportal-ai/delta#165: a global maximum, stable for one row only",
        (Edit(LOG_SOFTMAX, "x.max(axis=-1, keepdims=True)", "x.max()"),),
    ),
    Bug(
        "crossentropy: a mean summed in float32",
        "dtype",
        "loss",
        "numpy/numpy#5681: sums of many float32 numbers need a float64",
        (Edit(MEAN, "float(losses.sum(dtype=np.float64))", "float(losses.sum())"),),
    ),
    Bug(
        "binary crossentropy: no gradient where the label is 0",
        "missing terms of a Jacobian",
        "loss",
        "deeplearning4j/nd4j#1328: the gradient is always 0 if the label is 0",
        (Edit(BINARY + "slopes", "(1 - t) / (1 - q) - t / q", "-t / q"),),
    ),
    Bug(
        "binary crossentropy: averaged over the samples only",
        "a scale too many or missing",
        "loss",
        "oysteijo/simd_neuralnet#1: the gradient is off by the number of outputs",
        (
            Edit(
                ELEMENTWISE + "backward",
                "p.size // p.shape[-1] if self.sums else p.size",
                "p.size // p.shape[-1]",
            ),
        ),
    ),
    Bug(
        "binary crossentropy: exp of a large logit",
        "overflow",
        "loss",
        "borgwang/tinynn#7: log(1 + exp(z)) overflows",
        (
            Edit(
                BINARY + "of_each",
                "np.maximum(z, zero) - z * t + np.log1p(np.exp(-np.abs(z)))",
                "np.log1p(np.exp(z)) - z * t + zero",
            ),
        ),
    ),
    Bug(
        "mean absolute error: the gradient is not divided by the size",
        "a scale too many or missing",
        "loss",
        "nntrainer/nntrainer#1810: the backward is to scale with the size of the tensor",
        (Edit(ELEMENTWISE + "backward", " * (1 / averaged)", " + 0 * averaged"),),
    ),
    Bug(
        "huber: a large error to one side costs nothing",
        "wrong mask",
        "loss",
        "marlbenchmark/on-policy#47: e > d where abs(e) > d was meant",
        (
            Edit(
                HUBER + "of_each",
                "delta * e - half * (delta * delta))",
                "(delta * e - half * (delta * delta)) * (p > t))",
            ),
        ),
    ),
    Bug(
        "divergence: divided by the first axis only",
        "wrong axis of a reduction",
        "loss",
        "neuralmagic/sparseml#674: inputs of three axes are scaled by the size of the first",
        (
            Edit(
                ELEMENTWISE + "backward",
                "p.size // p.shape[-1] if self.sums else p.size",
                "len(p) if self.sums else p.size",
            ),
        ),
    ),
    # --- optimizers -------------------------------------------------------------------------------
    Bug(
        "adam: multiplied by the bias corrections",
        "wrong bias correction",
        "optimizer",
        "karpathy/convnetjs#70: multiplication where the paper divides",
        (Edit(STEP_SIZE, CORRECTION, " * (one - power_1) / np.sqrt(one - power_2)"),),
    ),
    Bug(
        "adam: bias correction without the power of t",
        "wrong bias correction",
        "optimizer",
        "eriklindernoren/ML-From-Scratch#35: 1 - beta for 1 - beta^t",
        (
            Edit(STEP_SIZE, "(np.float32(beta_1)) ** t", "(np.float32(beta_1))"),
            Edit(STEP_SIZE, "(np.float32(beta_2)) ** t", "(np.float32(beta_2))"),
        ),
    ),
    Bug(
        "adam: no bias correction",
        "wrong bias correction",
        "optimizer",
        "EurekaLabsAI/micrograd#2: bias correction added to AdamW",
        (Edit(STEP_SIZE, CORRECTION, " + 0 * power_1 + 0 * power_2"),),
    ),
    Bug(
        "adam: the moment itself is divided by its correction",
        "wrong bias correction",
        "optimizer",
        "PennyLaneAI/pennylane#1929: a = (beta a + (1 - beta) g) / (1 - beta), and a is kept",
        (
            Edit(
                ADAM,
                "m += (gradient - m) * scalar(1 - beta_1)",
                "m += (gradient - m) * scalar(1 - beta_1)\n    m /= scalar(1 - beta_1)",
            ),
        ),
    ),
    Bug(
        "adam: the corrected moment takes the moment's place",
        "wrong bias correction",
        "optimizer",
        "frgfm/holocron#1: corrected in place, so that the corrections pile up",
        (Edit(ADAM, "value -= (m * scalar(step_size))", "m *= scalar(step_size)\n    value -= m"),),
    ),
    Bug(
        "adam: t counts parameters for steps",
        "wrong step counter",
        "optimizer",
        "DiffSharp/DiffSharp#292: the step is incremented for each parameter",
        (
            Edit(
                "optimizers:Optimizer.update",
                "self._iterations += 1",
                "self._iterations += len(learning)",
            ),
        ),
    ),
    Bug(
        "adam: t begins at 2",
        "wrong step counter",
        "optimizer",
        "tensorflow/tensorflow#35444: the first local step is said to be 2",
        (Edit(STEP_SIZE, "scalar(step)", "scalar(step + 1)"),),
    ),
    Bug(
        "adam: t stays at 1",
        "wrong step counter",
        "optimizer",
        "allenai/OLMo-core#317: the step is not incremented",
        (Edit("optimizers:Optimizer.update", "self._iterations += 1", "self._iterations = 1"),),
    ),
    Bug(
        "adam: epsilon inside the square root",
        "epsilon misplaced",
        "optimizer",
        "CyberZHG/keras-radam#29: sqrt(v + epsilon), a thousand times too much",
        (Edit(ADAM, "np.sqrt(v) + scalar(epsilon)", "np.sqrt(v + scalar(epsilon))"),),
    ),
    Bug(
        "adam: epsilon after the bias correction",
        "epsilon misplaced",
        "optimizer",
        "tensorflow/tensorflow#9047: the paper's Algorithm 1, for the form with epsilon hat",
        (
            Edit(
                "optimizers:Adam._update_all",
                "self.epsilon",
                "self.epsilon * (1 - self.beta_2**self.iterations) ** 0.5",
            ),
        ),
    ),
    Bug(
        "adam: epsilon subtracted",
        "wrong sign",
        "optimizer",
        "tensorflow/tensorflow#61411: sqrt(v) - epsilon in the denominator",
        (Edit(ADAM, "np.sqrt(v) + scalar(epsilon)", "np.sqrt(v) - scalar(epsilon)"),),
    ),
    Bug(
        "sgd: the step goes uphill",
        "wrong sign",
        "optimizer",
        "iamtrask/Grokking-Deep-Learning#55: `-=` and `+=` of the kernel's update mixed up",
        (Edit(SGD, "value -= step\n        return", "value += step\n        return"),),
    ),
    Bug(
        "sgd: the new value is not written back",
        "unused result",
        "optimizer",
        "modern-fortran/neural-fortran#141: the update of a layer is missing",
        (Edit(SGD, "value -= step\n        return", "value = value - step\n        return"),),
    ),
    Bug(
        "momentum: the velocity is zeroed at every step",
        "momentum or learning rate misplaced",
        "optimizer",
        "kozistr/pytorch_optimizer#516: the buffer is made anew before each update",
        (Edit(SGD, "velocity *= scalar(momentum)", "velocity *= 0"),),
    ),
    Bug(
        "momentum: the coefficient on the gradient",
        "momentum or learning rate misplaced",
        "optimizer",
        "ooples/AiDotNet#2008: v + mu g for mu v + g, so that the velocity never decays",
        (
            Edit(
                SGD,
                "velocity *= scalar(momentum)\n    velocity -= step",
                "velocity -= step * scalar(momentum)",
            ),
        ),
    ),
    Bug(
        "momentum: the learning rate outside the velocity",
        "momentum or learning rate misplaced",
        "optimizer",
        "apache/mxnet#15533: the two differ as soon as the learning rate changes",
        (
            Edit(
                SGD,
                "velocity -= step\n"
                "    value += velocity * scalar(momentum) - step if nesterov else velocity",
                "velocity -= gradient\n"
                "    ahead = velocity * scalar(momentum) - gradient if nesterov else velocity\n"
                "    value += scalar(learning_rate) * ahead",
            ),
        ),
    ),
    Bug(
        "nesterov: the velocity with the wrong sign",
        "wrong sign",
        "optimizer",
        "PaddlePaddle/Paddle#12231: - g lr + mu v lr for - (g + mu v) lr; nets did not converge",
        (Edit(SGD, "+= velocity * scalar", "+= -velocity * scalar"),),
    ),
    Bug(
        "nesterov: the whole velocity on top of the look-ahead",
        "a term counted twice",
        "optimizer",
        "oysteijo/simd_neuralnet#17: the real update adds the interim one again",
        (Edit(SGD, "(momentum) - step if", "(momentum) + velocity if"),),
    ),
    Bug(
        "rmsprop: epsilon outside the square root",
        "epsilon misplaced",
        "optimizer",
        "keras-team/keras#4356: epsilon belongs inside the root",
        (
            Edit(
                RMSPROP,
                "np.sqrt(variance + scalar(epsilon))",
                "(np.sqrt(variance) + scalar(epsilon))",
            ),
        ),
    ),
    Bug(
        "rmsprop: a variance that is rounded below zero",
        "overflow",
        "optimizer",
        "CanReader/FastNN#12: E[g^2] - E[g]^2 can be negative by far more than epsilon",
        (
            Edit(
                RMSPROP,
                "np.maximum(mean_square - mean_gradient * mean_gradient, 0)",
                "mean_square - mean_gradient * mean_gradient",
            ),
        ),
    ),
    Bug(
        "rmsprop: the learning rate on the velocity too",
        "momentum or learning rate misplaced",
        "optimizer",
        "BRML/climin#29: the step before, which holds the rate already, times the rate",
        (
            Edit(
                RMSPROP,
                "velocity *= scalar(momentum)",
                "velocity *= scalar(momentum * learning_rate)",
            ),
        ),
    ),
    Bug(
        "adagrad: the step goes uphill",
        "wrong sign",
        "optimizer",
        "PaddlePaddle/Paddle#4184: `+=` of the step, where `-=` was meant",
        (Edit(ADAGRAD, "value -= scalar", "value += scalar"),),
    ),
    Bug(
        "adadelta: the step is measured before it is made",
        "momentum or learning rate misplaced",
        "optimizer",
        "yacineMahdid/artificial-intelligence-and-machine-learning#43: both means first, then the "
        "step from them",
        (
            Edit(
                ADADELTA,
                "size_of_steps = np.sqrt(mean_square_step + scalar(epsilon))",
                "mean_square_step *= scalar(rho)\n"
                "    size_of_steps = np.sqrt(mean_square_step + scalar(epsilon))",
            ),
            Edit(
                ADADELTA,
                "(mean_square + scalar(epsilon))\n    mean_square_step *= scalar(rho)",
                "(mean_square + scalar(epsilon))",
            ),
        ),
    ),
    Bug(
        "adadelta: the mean of the squares is added to itself",
        "a term counted twice",
        "optimizer",
        "tensorflow/tensorflow#644: accum += accum * rho + ..., where `=` was meant",
        (Edit(ADADELTA, "mean_square *= scalar(rho)", "mean_square *= scalar(1 + rho)"),),
    ),
    Bug(
        "nadam: the momentum of the step twice in the product",
        "a term counted twice",
        "optimizer",
        "pytorch/pytorch#92699: mu_product * mu * mu_next, though mu_product holds mu already",
        (Edit(NADAM_NUMBERS, "one - product * next_mu", "one - product * mu * next_mu"),),
    ),
    Bug(
        "nadam: the correction of the first step in every step",
        "wrong bias correction",
        "optimizer",
        "FluxML/Flux.jl#789: the powers are taken from the betas, and not from the state",
        (
            Edit(NADAM_NUMBERS, "b2 ** scalar(step)", "b2"),
            Edit(NADAM_NUMBERS, "product = scalar(momentum_product)", "product = mu"),
        ),
    ),
    Bug(
        "nadam: the corrected moment takes the moment's place",
        "wrong bias correction",
        "optimizer",
        "deeplearning4j/nd4j#1891: muli and divi, which change m, where mul and div were meant",
        (
            Edit(
                NADAM,
                "m_hat = share_m * m / whole_m +",
                "m *= share_m / whole_m\n    m_hat = m +",
            ),
        ),
    ),
    Bug(
        "amsgrad: the maximum is not kept",
        "unused result",
        "optimizer",
        "pytorch/pytorch#4034: the new maximum is only a local variable",
        (Edit(AMSGRAD, "np.maximum(v_max, v, out=v_max)", "v_max = np.maximum(v_max, v)"),),
    ),
    Bug(
        "weight decay: by way of Adam's moments",
        "weight decay misplaced",
        "optimizer",
        "anhquan0412/basic_model_scratch#2: an L2 term in the gradient, which Adam then divides",
        (
            Edit(
                "optimizers:Optimizer.update",
                "for value in values:",
                "gradients = [g + self.weight_decay * v for g, v in zip(gradients, values)]\n"
                "        for value in ():",
            ),
        ),
    ),
    Bug(
        "weight decay: without the learning rate",
        "weight decay misplaced",
        "optimizer",
        "tensorflow/addons#2282: the share itself is taken off, whatever the rate",
        (Edit(DECAY, " * scalar(learning_rate)", ""),),
    ),
    Bug(
        "weight decay: the same for every weight",
        "weight decay misplaced",
        "optimizer",
        "e-sensing/torchopt#14: the decay is not multiplied by the value",
        (Edit(DECAY, "value -= value * scalar", "value -= scalar"),),
    ),
    Bug(
        "global_clipnorm: each gradient by its own norm",
        "wrong clipping",
        "optimizer",
        "huggingface/transformers#581: clips to a local norm of 1 instead of a global one",
        (
            Edit(
                CLIPPED,
                "return clip_by_norm(gradients, self.global_clipnorm)",
                "return [clip_by_norm([g], self.global_clipnorm)[0] for g in gradients]",
            ),
        ),
    ),
    Bug(
        "clipnorm: all gradients by their common norm",
        "wrong clipping",
        "optimizer",
        "tensorflow/tensorflow#29108: one argument, of all gradients here and of each there",
        (
            Edit(
                CLIPPED,
                "[clip_by_norm([gradient], self.clipnorm)[0] for gradient in gradients]",
                "clip_by_norm(gradients, self.clipnorm)",
            ),
        ),
    ),
    Bug(
        "schedule: the first step is step 1",
        "wrong step counter",
        "optimizer",
        "VectorInstitute/FL4Health#274: the scheduler's count starts at 1 for 0",
        (
            Edit(
                "optimizers:Optimizer.update",
                "learning_rate = self._rate()\n    self._iterations += 1",
                "self._iterations += 1\n    learning_rate = self._rate()",
            ),
        ),
    ),
    # --- initializers -----------------------------------------------------------------------------
    Bug(
        "fans: without the receptive field",
        "wrong fans",
        "initializer",
        "tensorflow/swift-apis#22: a convolution initialised like a dense layer",
        (
            Edit(
                FANS,
                "receptive_field * shape[-2], receptive_field * shape[-1]",
                "shape[-2], shape[-1]",
            ),
        ),
    ),
    Bug(
        "fans: fan_out without the receptive field",
        "wrong fans",
        "initializer",
        "keras-team/keras#2252: outputs of the forward for inputs of the backward",
        (Edit(FANS, "receptive_field * shape[-1]", "shape[-1]"),),
    ),
    Bug(
        "fans: the sum of the kernel's axes",
        "wrong fans",
        "initializer",
        "FluxML/Flux.jl#442: sum(dims), right for dense layers only",
        (
            Edit(
                FANS,
                "return receptive_field * shape[-2], receptive_field * shape[-1]",
                "return sum(shape[:-1]), shape[-1]",
            ),
        ),
    ),
    Bug(
        "uniform: the deviation for the limit",
        "deviation, variance and limit mixed up",
        "initializer",
        "keras-team/keras#372: sqrt(3) is missing, standard deviations passed as scales",
        (Edit(UNIFORM, "3 * variance", "variance"),),
    ),
    Bug(
        "uniform: no square root",
        "deviation, variance and limit mixed up",
        "initializer",
        "dlvu/vugrad#2: the square root of Glorot's formula was not taken",
        (Edit(UNIFORM, "math.sqrt(3 * variance)", "3 * variance"),),
    ),
    Bug(
        "normal: not widened for the tails cut off",
        "deviation, variance and limit mixed up",
        "initializer",
        "keras-team/keras#8048: a truncated normal has 0.88 of the deviation asked for",
        (Edit(NORMAL, " / TRUNCATED_STDDEV", ""),),
    ),
    Bug(
        "normal: clipped at two deviations instead of drawn again",
        "wrong distribution",
        "initializer",
        "keras-team/keras#8048: the Theano backend's truncated normal is another distribution",
        (
            Edit(
                NORMAL,
                "while (outside := np.abs(values) > 2).any():\n"
                "        values[outside] = rng.standard_normal(int(outside.sum()))",
                "values = np.clip(values, -2, 2)",
            ),
        ),
    ),
    Bug(
        "glorot_normal: brackets missing around the fans",
        "deviation, variance and limit mixed up",
        "initializer",
        "mlverse/torch#555: sqrt(2 / fan_in + fan_out)",
        (
            Edit(
                "initializers:glorot_normal",
                "2 / sum(fans(shape))",
                "2 / fans(shape)[0] + fans(shape)[1]",
            ),
        ),
    ),
    Bug(
        "glorot_normal: a 3 for the 2",
        "a scale too many or missing",
        "initializer",
        "tflearn/tflearn#870: sqrt(3 / (in + out)) as a standard deviation",
        (Edit("initializers:glorot_normal", "2 / sum", "3 / sum"),),
    ),
    Bug(
        "he_uniform: LeCun's variance",
        "a scale too many or missing",
        "initializer",
        "LBANN/lbann#316: He's initializer followed LeCun",
        (Edit("initializers:he_uniform", "2 / fans", "1 / fans"),),
    ),
    Bug(
        "uniform: positive weights only",
        "wrong distribution",
        "initializer",
        "jax-ml/jax#1195: a uniform draw begins at 0 by default",
        (Edit(UNIFORM, "(-limit,", "(0,"),),
    ),
    Bug(
        "uniform: one random weight for all",
        "wrong distribution",
        "initializer",
        "EurekaLabsAI/micrograd#2: a neuron reuses a single random weight",
        (Edit(UNIFORM, DRAW, "np.full(shape, rng.uniform(-limit, limit))"),),
    ),
    Bug(
        "uniform: weights of zero",
        "wrong distribution",
        "initializer",
        "tensorflow/models#1529: the random draw commented out, zeros instead",
        (Edit(UNIFORM, DRAW, "(0 * rng.uniform(-limit, limit, shape))"),),
    ),
    Bug(
        "uniform: a normal draw",
        "wrong distribution",
        "initializer",
        "dmlc/minpy#158: Xavier's uniform drawn from a normal distribution",
        (Edit(UNIFORM, DRAW, "(limit / math.sqrt(3) * rng.standard_normal(shape))"),),
    ),
    Bug(
        "uniform: every layer draws the same numbers",
        "wrong distribution",
        "initializer",
        "sony/nnabla#493: initial weights need a generator of their own",
        (Edit(UNIFORM, DRAW, "np.random.default_rng(0).uniform(-limit, limit, shape)"),),
    ),
]

BUGS = {bug.name: bug for bug in _ALL}
