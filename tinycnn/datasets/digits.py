"""MNIST or, if it is not available, digits that tinycnn draws; and a name for what it is."""

import os

from tinycnn.datasets import mnist, synthetic
from tinycnn.errors import DownloadError
from tinycnn.support import console
from tinycnn.support.arguments import integer, one_of
from tinycnn.utils import Array


def load_data(
    dataset: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    train: int | None = None,
    test: int | None = None,
) -> tuple[tuple[Array, Array], tuple[Array, Array], str]:
    """Loads MNIST, or draws digits and says so loudly.

    Args:
        dataset: "mnist", "synthetic" (drawn), or "auto": MNIST or, if it is in no folder and can't
            be downloaded, drawn digits.
        data_dir: as in `mnist.load_data`.
        train: at most how many training images, the first ones; None means all, or 60,000 drawn.
        test: likewise for the test images; None means all, or 10,000 drawn.

    Returns:
        `(x_train, y_train), (x_test, y_test), name`: arrays as from `mnist.load_data`, and what to
        call them in a title: "MNIST", "drawn digits (not MNIST)", or what `mnist.name_of` says.

    Raises:
        ValueError: if `dataset` is unknown, if "synthetic" comes with a `data_dir`, or if `train`
            or `test` is not a positive integer.
        DownloadError: if `dataset` is "mnist", which is in no folder and can't be downloaded.
        FileNotFoundError: as in `mnist.load_data`; drawn digits never replace a folder you named.
        IdxFormatError: as in `mnist.load_data`.

    Example:
        >>> (x_train, y_train), _, name = load_data("synthetic", train=200, test=100)
        drawing digits: 300/300 ...
        >>> x_train.shape, name
        ((200, 28, 28), 'drawn digits (not MNIST)')
    """
    one_of(dataset, ("auto", "mnist", "synthetic"), "dataset")
    if dataset == "synthetic" and data_dir is not None:
        raise ValueError(
            "drawn digits do not come from a folder: leave `data_dir` out, or ask for 'mnist'. "
            f"Received: dataset='synthetic', data_dir={os.fspath(data_dir)!r}"
        )
    train = train if train is None else integer(train, "train")
    test = test if test is None else integer(test, "test")
    if dataset != "synthetic":
        try:
            data = mnist.load_data(data_dir)
            (x_train, y_train), (x_test, y_test) = data
            name = mnist.name_of(data)
            return (x_train[:train], y_train[:train]), (x_test[:test], y_test[:test]), name
        except DownloadError as error:
            if dataset == "mnist":
                raise
            console.notice(f"{error}\n\n*** NO MNIST: taking digits drawn by tinycnn instead ***\n")
    return *synthetic.load_data(train or 60_000, test or 10_000), "drawn digits (not MNIST)"
