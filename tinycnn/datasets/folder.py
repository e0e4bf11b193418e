"""Pictures from a folder, a class in each folder in it: read batch by batch, never all at once.

    train = image_dataset_from_directory("photos", image_size=(64, 64), validation_split=0.2,
                                         subset="training", seed=1)
    model.fit(train, validation_data=..., epochs=10)

Legend: N pictures of H x W pixels with C channels, K classes.
Source: keras/src/utils/image_dataset_utils.py, keras/src/utils/dataset_utils.py
"""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.errors import PictureError
from tinycnn.support import console
from tinycnn.support.arguments import integer, number, one_of, pair, shown, truth
from tinycnn.support.keywords import refuse_unknown
from tinycnn.utils import Array, PyDataset, next_seed, to_categorical

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
FORMATS = ("BMP", "GIF", "JPEG", "PNG")
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}  # as Pillow calls them


class ImageDataset(PyDataset):
    """Batches of pictures and labels, made from files when they are asked for.

    `for x, y in dataset` goes through them, as do `fit`, `evaluate` and `predict`.

    Attributes:
        class_names: the names of the classes, by their numbers.
        file_paths: the files, in the order of `labels`.
        labels: (n,) integers; None if there are no labels.
    """

    def __init__(
        self,
        file_paths: list[str],
        labels: Array | None,
        class_names: list[str],
        label_mode: str | None,
        color_mode: str,
        batch_size: int,
        image_size: tuple[int, int],
        shuffle: bool,
        seed: int,
        interpolation: str,
    ) -> None:
        super().__init__()
        self.file_paths, self.labels, self.class_names = file_paths, labels, class_names
        self._label_mode, self._color_mode = label_mode, color_mode
        self._batch_size, self._image_size = batch_size, image_size
        self._shuffle, self._seed, self._interpolation = shuffle, seed, interpolation
        self._epochs = 0
        self._order = np.arange(len(file_paths))

    def __len__(self) -> int:
        """How many batches there are."""
        return -(-len(self.file_paths) // self._batch_size)

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`: (x, y), or x without labels.

        x is (N, H, W, C) of float32 from 0 to 255. y is (N,) of integers, or (N, K) one-hot, or
        (N, 1) of 0 and 1.

        Raises:
            IndexError: if there is no such batch.
            PictureError: if a file is not a picture.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} batches. Received: {index}")
        start = index % len(self) * self._batch_size
        chosen = self._order[start : start + self._batch_size]
        x = np.stack([self._picture(self.file_paths[i]) for i in chosen])
        if self.labels is None:
            return x
        y = self.labels[chosen]
        if self._label_mode == "categorical":
            y = to_categorical(y, len(self.class_names)).astype(np.float32)
        elif self._label_mode == "binary":
            y = y[:, None].astype(np.float32)
        return x, y

    def __iter__(self) -> Iterator[Any]:
        """Goes through the batches; with `shuffle` in a new order each time."""
        self.on_epoch_begin()
        return (self[i] for i in range(len(self)))

    def take(self, count: int) -> Iterator[Any]:
        """The first batches, at most `count` of them."""
        return islice(self, integer(count, "count"))

    def on_epoch_begin(self) -> None:
        """Shuffles the pictures, if they are to be shuffled."""
        if self._shuffle:
            rng = np.random.default_rng([self._seed, 1, self._epochs])
            self._order = rng.permutation(len(self.file_paths))
            self._epochs += 1

    def __getattr__(self, name: str) -> Any:
        if name in ("cache", "prefetch", "shuffle", "batch", "map", "repeat", "unbatch"):
            raise AttributeError(
                f"pictures from a folder are no tf.data.Dataset and have no `{name}`. Leave out "
                "cache, prefetch, shuffle, batch and repeat; for map, put a layer such as "
                "Rescaling(1 / 255) first in the model"
            )
        raise AttributeError(f"ImageDataset has no attribute {name!r}")

    def _picture(self, path: str) -> Array:
        """(H, W, C) of float32."""
        from PIL import Image  # Pillow is part of matplotlib

        try:
            with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
                pixels = np.asarray(image.convert(MODES[self._color_mode]))
        except OSError as error:
            if error.errno is not None:
                raise
            raise PictureError(f"{path}: not a picture, or damaged ({error})") from error
        except Exception as error:  # on damaged bytes Pillow raises half a dozen kinds
            why = f"{type(error).__name__}: {error}"
            raise PictureError(f"{path}: not a picture, or damaged ({why:.200})") from error
        pixels = pixels.reshape(*pixels.shape[:2], CHANNELS[self._color_mode])
        return resized(pixels, self._image_size, self._interpolation)


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    verbose: bool = True,
    **unknown: Any,
) -> Any:
    """The pictures in a folder, as batches for `fit`.

    Args:
        directory: has a folder for each class, and in these the files, however deep. Files that end
            in .bmp, .gif, .jpeg, .jpg or .png are taken.
        labels: "inferred" from the folders; None for pictures without labels.
        label_mode: "int" (N,), "categorical" (N, K) one-hot, "binary" (N, 1); None for no labels.
        class_names: the folders, in the order of their labels; None for all, by the alphabet.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: pictures in a batch.
        image_size: (H, W) that all pictures are brought to.
        shuffle: take the pictures in a new order in each epoch.
        seed: decides the order; needed if a split is to be shuffled. The orders are not Keras's.
        validation_split: the share of the pictures that are for validation.
        subset: "training" or "validation", or "both" for a list of the two.
        interpolation: "bilinear" or "nearest".
        verbose: False prints nothing.
        unknown: none; for Keras's other arguments there is an error.

    Returns:
        An ImageDataset.

    Raises:
        ValueError: for an argument out of range, or a folder without pictures.
        OSError: if the folder can't be read.

    Example:
        >>> train = image_dataset_from_directory("photos", image_size=(64, 64))  # doctest: +SKIP
        Found 300 files belonging to 2 classes.
    """
    known = "directory labels label_mode class_names color_mode batch_size image_size shuffle seed"
    known += " validation_split subset interpolation verbose"
    refuse_unknown("image_dataset_from_directory", unknown, known.split())
    if labels is not None:
        one_of(labels, ("inferred",), "labels")
    if label_mode is not None:
        one_of(label_mode, ("int", "categorical", "binary"), "label_mode")
    one_of(color_mode, [*CHANNELS], "color_mode")
    one_of(interpolation, ("bilinear", "nearest"), "interpolation")
    size, batch_size = pair(image_size, "image_size"), integer(batch_size, "batch_size")
    split = _checked_split(validation_split, subset, truth(shuffle, "shuffle"), seed)
    seed = next_seed() if seed is None else integer(seed, "seed", least=0)
    has_labels = labels is not None and label_mode is not None
    paths, numbers, names = _index(Path(directory), has_labels, class_names)
    if label_mode == "binary" and has_labels and len(names) != 2:
        raise ValueError(f"label_mode='binary' needs two classes. Received: {', '.join(names)}")
    if verbose:
        classes = f" belonging to {len(names)} classes" if has_labels else ""
        console.say(f"Found {len(paths)} files{classes}.")
    order = np.arange(len(paths))
    if shuffle:
        order = np.random.default_rng([seed, 0]).permutation(len(paths))
    at = len(paths) - int(split * len(paths))
    parts = {None: order, "training": order[:at], "validation": order[at:]}
    wanted = [subset] if subset != "both" else ["training", "validation"]
    found = []
    for part in wanted:
        chosen = parts[part]
        if not len(chosen):
            raise ValueError(f"there are no pictures for {part} in {directory}")
        if verbose and part:
            console.say(f"Using {len(chosen)} files for {part}.")
        dataset = ImageDataset(
            [paths[i] for i in chosen],
            numbers[chosen] if has_labels else None,
            names,
            label_mode,
            color_mode,
            batch_size,
            size,
            shuffle and not (subset == "both" and part == "validation"),
            seed,
            interpolation,
        )
        found.append(dataset)
    return found if subset == "both" else found[0]


def _checked_split(
    validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None
) -> float:
    """The share for validation; Keras's rules."""
    if validation_split is None and subset is None:
        return 0.0
    if validation_split is None or subset is None:
        raise ValueError(
            "`validation_split` and `subset` need each other. "
            f"Received: validation_split={shown(validation_split)}, subset={shown(subset)}"
        )
    one_of(subset, ("training", "validation", "both"), "subset")
    if shuffle and seed is None:
        raise ValueError(
            "a shuffled split needs a `seed`, or pictures could be in both of its parts"
        )
    return number(validation_split, "validation_split", 0.0, 1.0)


def _index(
    folder: Path, has_labels: bool, class_names: Sequence[str] | None
) -> tuple[list[str], Array, list[str]]:
    """The pictures' files, the numbers of their classes, and the names of these."""
    names = sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    if class_names is not None:
        if not has_labels or not set(class_names) <= set(names):
            raise ValueError(
                f"`class_names` must be some of the folders {', '.join(names) or 'in it: none'}, "
                f"and needs labels. Received: class_names={shown(class_names)}"
            )
        names = list(class_names)
    paths: list[str] = []
    numbers: list[int] = []
    for label, name in enumerate(names if has_labels else [""]):
        inside = [
            os.path.join(place, file)
            for place, folders, files in sorted(os.walk(folder / name))
            for file in sorted(files)
            if file.lower().endswith(ENDINGS)
        ]
        paths += inside
        numbers += [label] * len(inside)
    if not paths:
        where = f"the folders of {folder}" if has_labels else folder
        raise ValueError(
            f"there are no pictures in {where}: no files ending in {', '.join(ENDINGS)}"
        )
    return paths, np.array(numbers, np.int32), names if has_labels else []


def resized(pixels: Array, size: tuple[int, int], interpolation: str) -> Array:
    """A picture in another size, as TensorFlow's resize makes it: pixel centres keep their places.

    Args:
        pixels: (h, w, C).
        size: (H, W).
        interpolation: "nearest", or "bilinear" between four pixels, however much smaller it gets.

    Returns:
        (H, W, C) of float32.
    """
    pixels = pixels.astype(np.float32)
    for axis, after in enumerate(size):
        before = pixels.shape[axis]
        place = (np.arange(after, dtype=np.float32) + np.float32(0.5)) * np.float32(before / after)
        if interpolation == "nearest":
            pixels = pixels.take(np.minimum(place.astype(np.int64), before - 1), axis)
            continue
        place -= np.float32(0.5)
        first = np.floor(place).astype(np.int64)
        share = (place - first).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(3)])
        low, high = (pixels.take(np.clip(first + d, 0, before - 1), axis) for d in (0, 1))
        pixels = low + share * (high - low)
    return pixels
