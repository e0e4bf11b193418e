"""CIFAR-10: photos of ten kinds of things, 50,000 to learn from and 10,000 to test by.

Where the files are looked for, and their format, is in cifar_format.py.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import os

from tinycnn.datasets.cifar_format import Archive, load
from tinycnn.datasets.stand_in import Data

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

ARCHIVE = Archive(
    name="CIFAR-10",
    folder="cifar10",
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
    file="cifar-10-binary.tar.gz",
    size=170052171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    inner="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test="test_batch.bin",
    classes=(10,),
)


def load_data(
    data_dir: str | os.PathLike[str] | None = None, offline: bool = False, stand_in: bool = True
) -> Data:
    """Loads CIFAR-10 or, if it is not there and can't be downloaded, draws pictures, loudly.

    Args:
        data_dir: a folder with `cifar-10-binary.tar.gz`, or with the files unpacked from it. If
            None: the cache, else a download of 170 MB.
        offline: if True, no connection is opened.
        stand_in: whether drawn pictures may stand in, see stand_in.py; never for a `data_dir`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: pictures (N, 32, 32, 3) with values from 0
        to 255, labels (N, 1) from 0 to 9, whose names are `CLASS_NAMES`.

    Raises:
        DownloadError: if it can't be had, and nothing may stand in; the message says what to do.
        FileNotFoundError: if `data_dir` lacks a file.
        DataFileError: if a file is damaged.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data("my/pictures")  # doctest: +SKIP
    """
    return load(ARCHIVE, data_dir, offline, stand_in)
