"""KMNIST: ten characters of old Japanese handwriting (kuzushiji), in MNIST's form and sizes.

Where the files are looked for, and how they are verified, is in official.py. The set's licence is
CC BY-SA 4.0.

Source: T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto and D. Ha, "Deep Learning
for Classical Japanese Literature", 2018; the file sizes are those of TensorFlow Datasets.
"""

import os

from tinycnn.datasets.official import File, Official
from tinycnn.datasets.stand_in import Data, instead
from tinycnn.support.arguments import truth

MIRRORS = ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",)

# fmt: off
FILES = (
    File("train-images-idx3-ubyte", 18165135,
         "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    File("train-labels-idx1-ubyte", 29497,
         "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    File("t10k-images-idx3-ubyte", 3041136,
         "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    File("t10k-labels-idx1-ubyte", 5120,
         "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)
# fmt: on

CLASS_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def load_data(
    data_dir: str | os.PathLike[str] | None = None, offline: bool = False, stand_in: bool = True
) -> Data:
    """Loads KMNIST or, if it is not there and can't be downloaded, draws pictures, loudly.

    Args:
        data_dir: a folder with the four files, as for `mnist.load_data`. If None: the cache, else a
            download of 21 MB. TINYCNN_DATA_DIR is MNIST's only: the files have the same names.
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
        >>> (x_train, y_train), (x_test, y_test) = load_data("my/characters")  # doctest: +SKIP
    """
    official = Official("KMNIST", "kmnist", MIRRORS, FILES)
    if data_dir is not None or not truth(stand_in, "stand_in"):
        return official.load(data_dir, offline)
    return instead(lambda: official.load(None, offline), official.name, (28, 28), train=60_000)
