"""CIFAR-100: photos of a hundred kinds of things, 50,000 to learn from and 10,000 to test by.

Where the files are looked for, and their format, is in cifar_format.py.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import os

from tinycnn.datasets.cifar_format import Archive, load
from tinycnn.datasets.stand_in import Data
from tinycnn.support.arguments import one_of

ARCHIVE = Archive(
    name="CIFAR-100",
    folder="cifar100",
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    file="cifar-100-binary.tar.gz",
    size=168513733,
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    inner="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    classes=(20, 100),
)


def load_data(
    label_mode: str = "fine",
    data_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    stand_in: bool = True,
) -> Data:
    """Loads CIFAR-100 or, if it is not there and can't be downloaded, draws pictures, loudly.

    Args:
        label_mode: "fine" for 100 classes, "coarse" for the 20 groups of five that they form.
        data_dir: a folder with `cifar-100-binary.tar.gz`, or with the files unpacked from it. If
            None: the cache, else a download of 169 MB.
        offline: if True, no connection is opened.
        stand_in: whether drawn pictures may stand in, see stand_in.py; never for a `data_dir`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: pictures (N, 32, 32, 3) with values from 0
        to 255, labels (N, 1) from 0 to 99, or to 19.

    Raises:
        ValueError: for another `label_mode`.
        DownloadError: if it can't be had, and nothing may stand in; the message says what to do.
        FileNotFoundError: if `data_dir` lacks a file.
        DataFileError: if a file is damaged.

    Example:
        >>> (x_train, y_train), _ = load_data("coarse", "my/pictures")  # doctest: +SKIP
    """
    column = ("coarse", "fine").index(one_of(label_mode, ("coarse", "fine"), "label_mode"))
    return load(ARCHIVE, data_dir, offline, stand_in, column)
