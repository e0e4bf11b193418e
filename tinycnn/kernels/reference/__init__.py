"""Every formula of the library in plain NumPy: the kernels to read.

There is a file for each subject. `convolution.py` is the one to read first, then `pooling.py` and
`activations.py`; `normalization.py`, `regularization.py`, `images.py`, `optimizers.py`,
`adaptive.py`, `more_activations.py`, `reshaping.py` and `fused.py` stand by themselves.
`kernels/compiled/` has the same functions with the same signatures in files of the same names,
written in Numba, to run; what is not worth that, it takes from here. The tests compare both with
the definition (`tests/naive.py`, nested loops).

Each file has its own legend. In all of them the gradient of the loss with respect to `foo` is
called `dfoo`, and has foo's shape.

Rules: no function changes an array that it was given, except the `*_update`, which exist for that.
The dtype of the result is the dtype of `x`. The layers check shapes; these functions do not.
"""

from tinycnn.kernels.reference.activations import *
from tinycnn.kernels.reference.adaptive import *
from tinycnn.kernels.reference.convolution import *
from tinycnn.kernels.reference.fused import *
from tinycnn.kernels.reference.images import *
from tinycnn.kernels.reference.more_activations import *
from tinycnn.kernels.reference.normalization import *
from tinycnn.kernels.reference.optimizers import *
from tinycnn.kernels.reference.pooling import *
from tinycnn.kernels.reference.regularization import *
from tinycnn.kernels.reference.reshaping import *
