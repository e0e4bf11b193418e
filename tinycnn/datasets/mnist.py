"""MNIST: handwritten digits, 60,000 to learn from and 10,000 to test by.

Where the files are looked for, and how they are verified, is in official.py.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
"""

import os
from pathlib import Path

from tinycnn.datasets.official import Data, File, Official
from tinycnn.support import console
from tinycnn.support.files import expanded

# Tried in this order, by https only. yann.lecun.com no longer has the files.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)


# fmt: off
FILES = (
    File("train-images-idx3-ubyte", 9912422,
         "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
         "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    File("train-labels-idx1-ubyte", 28881,
         "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    File("t10k-images-idx3-ubyte", 1648877,
         "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    File("t10k-labels-idx1-ubyte", 4542,
         "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
# fmt: on


def load_data(
    data_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    *,
    path: str | os.PathLike[str] | None = None,
) -> Data:
    """Loads MNIST, or a data set in MNIST's files.

    Args:
        data_dir: a folder with the four files, each packed (`train-images-idx3-ubyte.gz`) or not
            (`train-images-idx3-ubyte`). A name with a dot (`train-images.idx3-ubyte`) or a folder
            of the file's own name, as unzip tools and Kaggle make them, will also do, as will
            Keras's `mnist.npz`. If None: TINYCNN_DATA_DIR, else the cache, else a download.
        offline: if True, no connection is opened.
        path: Keras's argument, also taken in the place of `data_dir`: a file `mnist.npz`, as it is
            or in Keras's own folder, `~/.keras/datasets`. If there is none, the data come from
            where they come without it, and a notice says so.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8: images of shape (N, 28, 28) with values
        from 0 to 255, labels of shape (N,) from 0 to 9. For the official MNIST N is 60000 and
        10000.

    Raises:
        DownloadError: if no mirror delivers a file, or the cache lacks one and `offline` is True;
            the message says what to do.
        FileNotFoundError: if `data_dir` or TINYCNN_DATA_DIR lacks a file.
        IdxFormatError: if a file there is damaged, or its content does not have MNIST's form.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data("my/digits")  # doctest: +SKIP
    """
    if path is None and data_dir is not None and os.fspath(data_dir).endswith(".npz"):
        data_dir, path = None, data_dir
    if path is not None:
        found = _keras_archive(path)
        if found is None:
            console.notice(
                f"there is no {os.fspath(path)}; MNIST is taken from elsewhere", once=True
            )
        data_dir = found or data_dir
    return _official().load(data_dir, offline)


def _keras_archive(path: str | os.PathLike[str]) -> Path | None:
    """The file that Keras would read, if there is one."""
    keras = Path(os.environ.get("KERAS_HOME") or expanded("~/.keras"))
    places = (expanded(path), keras / "datasets" / path)
    return next((place for place in places if place.is_file()), None)


def name_of(data: Data) -> str:
    """What to call the data: "MNIST" only if every byte is that of the official files.

    Args:
        data: what `load_data` returned.

    Returns:
        "MNIST" or "data in MNIST's format (not MNIST)".
    """
    (x_train, y_train), (x_test, y_test) = data
    others = _official().differing([x_train, y_train, x_test, y_test])
    return "data in MNIST's format (not MNIST)" if others else "MNIST"


def _official() -> Official:
    return Official("MNIST", "mnist", MIRRORS, FILES, "TINYCNN_DATA_DIR", "mnist.npz")
