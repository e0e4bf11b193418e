"""Fashion-MNIST: grey pictures of ten kinds of clothes, in MNIST's form and sizes.

Where the files are looked for, and how they are verified, is in official.py.

Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017.
"""

import os

from tinycnn.datasets.official import File, Official
from tinycnn.datasets.stand_in import Data, instead
from tinycnn.support.arguments import truth

MIRRORS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)

# fmt: off
FILES = (
    File("train-images-idx3-ubyte", 26421880,
         "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    File("train-labels-idx1-ubyte", 29515,
         "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    File("t10k-images-idx3-ubyte", 4422102,
         "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    File("t10k-labels-idx1-ubyte", 5148,
         "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
# fmt: on

CLASS_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def load_data(
    data_dir: str | os.PathLike[str] | None = None, offline: bool = False, stand_in: bool = True
) -> Data:
    """Loads Fashion-MNIST or, if it is not there and can't be downloaded, draws pictures, loudly.

    Args:
        data_dir: a folder with the four files, as for `mnist.load_data`. If None: the cache, else a
            download of 31 MB. TINYCNN_DATA_DIR is MNIST's only: the files have the same names.
        offline: if True, no connection is opened.
        stand_in: whether drawn pictures may stand in, see stand_in.py; never for a `data_dir`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: pictures (N, 28, 28) with values from 0 to
        255, labels (N,) from 0 to 9, whose names are `CLASS_NAMES`.

    Raises:
        DownloadError: if it can't be had, and nothing may stand in; the message says what to do.
        FileNotFoundError: if `data_dir` lacks a file.
        IdxFormatError: if a file there is damaged, or its content does not have MNIST's form.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data("my/clothes")  # doctest: +SKIP
    """
    official = Official("Fashion-MNIST", "fashion_mnist", MIRRORS, FILES)
    if data_dir is not None or not truth(stand_in, "stand_in"):
        return official.load(data_dir, offline)
    return instead(lambda: official.load(None, offline), official.name, (28, 28), train=60_000)
