"""The kernels that run: the functions of `kernels/reference/`, with the same meaning, in Numba.

Files of the same name hold the same functions as there; read `convolution.py` first. What they are
built on, from the bottom up:
    checks                how the public functions check their arguments
    simd                  the vector type: as many numbers as a register holds
    words                 what threads agree by, and how kernels find their arguments
    jit                   compiles a function, and keeps it for later processes
    team                  the threads, and how they share out a kernel's pieces
    launch                what a kernel is, and how it is launched
    plans                 what a public function launches, decided once for each shape and dtype
    together              the plans of many functions as one, for work that comes again and again
    tiles                 sums that stay in registers, and the operations on them
    blocks                runs of numbers copied, added, placed in an image
    windows               where the windows of a convolution are
    panels                a kernel as tiles read it
    convolution_forward   the two products of a convolution: the outputs, ...
    convolution_dkernel   ... and the kernel's gradient
    convolution_columns   the gradient with respect to x where it has few channels
    warming               compiles all that a first training step needs

Rules for all kernels:
- The shapes decide how the work is cut into pieces, never the number of threads, and every sum has
  one order. So the bits are the same for any number of threads.
- Kernels see flat arrays only, check nothing and allocate nothing. The public functions around them
  check shapes and dtypes, because a wrong shape would read past the end of an array; most do so
  when they write a plan, which is found again by shapes and dtypes that have passed.
- The compiled variants are a fixed set, all for float32 and float64: one for each of the tiles for
  the two kernels of the convolution, and one of each other kernel.
- What no training spends its time on has no kernel: the function is the reference's own.

A process that is forked from here may use the kernels: it starts threads of its own.
"""

from tinycnn.kernels.compiled.activations import *
from tinycnn.kernels.compiled.adaptive import *
from tinycnn.kernels.compiled.convolution import *
from tinycnn.kernels.compiled.fused import *
from tinycnn.kernels.compiled.images import *
from tinycnn.kernels.compiled.more_activations import *
from tinycnn.kernels.compiled.normalization import *
from tinycnn.kernels.compiled.optimizers import *
from tinycnn.kernels.compiled.pooling import *
from tinycnn.kernels.compiled.regularization import *
from tinycnn.kernels.compiled.team import get_num_threads as get_num_threads
from tinycnn.kernels.compiled.team import set_num_threads as set_num_threads
from tinycnn.kernels.compiled.team import taking_turns as taking_turns
from tinycnn.kernels.compiled.together import repeated as repeated
from tinycnn.kernels.compiled.warming import warm_up as warm_up
from tinycnn.kernels.reference.reshaping import *
