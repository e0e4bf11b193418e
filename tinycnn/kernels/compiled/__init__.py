"""The kernels that run: the functions of `kernels/reference/`, with the same meaning, in Numba.

The files of the same names as there hold the same functions; read `convolution.py` first. What they
are made of, from the bottom up:
    checks                what the public functions check of their arguments
    simd                  the vector type: as many numbers as a register holds
    jit                   compiles a kernel, caches it and launches it
    tiles                 sums that stay in registers, and the verbs that work on them
    blocks                runs of numbers copied, added, placed in an image
    windows               where the windows of a convolution are
    convolution_forward   the two products of a convolution: the outputs, ...
    convolution_dkernel   ... and the kernel's gradient
    warming               compiles all that a first training step needs

Rules for all kernels:
- The shapes decide how the work is cut into pieces, never the number of threads, and every sum has
  one order: the bits are the same for any number of threads.
- Kernels see flat arrays only, and check nothing. The public functions around them check shapes and
  dtypes, for a wrong shape would read past the end of an array.
- Compiled variants are a fixed set, all for float32 and float64: one for each of the TILES for the
  two kernels of the convolution, one of each other kernel.

A process that was forked (os.fork, multiprocessing's "fork") after a kernel has run is refused them
with an error: the OpenMP threads do not survive, and would get it killed. Use "spawn", or the NumPy
rung.
"""

from tinycnn.kernels.compiled.activations import *
from tinycnn.kernels.compiled.convolution import *
from tinycnn.kernels.compiled.fused import *
from tinycnn.kernels.compiled.images import *
from tinycnn.kernels.compiled.normalization import *
from tinycnn.kernels.compiled.optimizers import *
from tinycnn.kernels.compiled.pooling import *
from tinycnn.kernels.compiled.regularization import *
from tinycnn.kernels.compiled.warming import warm_up as warm_up
