"""Pictures from a folder: which files, in which order, of which class; the same pixels as Keras."""

import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tinycnn import Dense, Flatten, Input, PictureError, Rescaling, Sequential, utils
from tinycnn.datasets.folder import image_dataset_from_directory, resized

pytestmark = pytest.mark.usefixtures("numpy_rung")


def picture(path, seed, size=(9, 7), mode="RGB"):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, *channels), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def photos(tmp_path):
    """Two classes, six and five pictures, some of them deeper; and what is to be passed over."""
    root = tmp_path / "photos"
    for i in range(6):
        picture(root / "cats" / f"{i}.png", i)
    for i in range(4):
        picture(root / "ants" / f"{i}.PNG", 10 + i, (5, 12))
    picture(root / "ants" / "more" / "x.bmp", 20)
    (root / "ants" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    picture(root / ".hidden" / "a.png", 30)
    picture(root / "loose.png", 31)
    return root


def names(dataset):
    return [os.path.basename(path) for path in dataset.file_paths]


def plain(photos, **arguments):
    settings = {"shuffle": False, "image_size": (9, 7), "batch_size": 4, "verbose": False}
    return image_dataset_from_directory(photos, **{**settings, **arguments})


def test_classes_are_the_folders_by_the_alphabet(photos, capsys):
    dataset = plain(photos, verbose=True)
    assert capsys.readouterr().out == "Found 11 files belonging to 2 classes.\n"
    assert dataset.class_names == ["ants", "cats"] and len(dataset) == 3
    ants = [f"{i}.PNG" for i in range(4)] + ["x.bmp"]
    assert names(dataset) == ants + [f"{i}.png" for i in range(6)]
    assert dataset.labels.tolist() == [0] * 5 + [1] * 6
    batches = list(dataset)
    assert [x.shape for x, _ in batches] == [(4, 9, 7, 3), (4, 9, 7, 3), (3, 9, 7, 3)]
    assert {x.dtype.name for x, _ in batches} == {"float32"}
    np.testing.assert_array_equal(batches[-1][0][-1], picture(photos / "cats" / "5.png", 5))
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), dataset.labels)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("int", [0, 0, 0, 0]),
        ("categorical", [[1, 0]] * 4),
        ("binary", [[0]] * 4),
    ],
)
def test_forms_of_labels(photos, mode, expected):
    assert plain(photos, label_mode=mode)[0][1].tolist() == expected


def test_pictures_without_labels(photos):
    for arguments in ({"labels": None}, {"label_mode": None}):
        dataset = plain(photos, **arguments)
        assert isinstance(dataset[0], np.ndarray)
    assert len(plain(photos, labels=None).file_paths) == 13  # those in no class as well
    model = Sequential([Input((9, 7, 3)), Flatten(), Dense(2)])
    assert model.predict(plain(photos / "cats", labels=None), verbose=0).shape == (6, 2)


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_colours(photos, mode, channels):
    x, _ = plain(photos, color_mode=mode)[2]
    assert x.shape == (3, 9, 7, channels)
    if mode == "rgba":
        assert (x[..., 3] == 255).all()


def test_the_classes_that_are_asked_for(photos):
    dataset = plain(photos, class_names=["cats"])
    assert dataset.labels.tolist() == [0] * 6 and dataset.class_names == ["cats"]
    turned = plain(photos, class_names=["cats", "ants"])
    assert turned.labels.tolist() == [0] * 6 + [1] * 5


# --- orders ---------------------------------------------------------------------------------------


def test_each_epoch_has_its_own_order_and_a_seed_decides(photos):
    def labels(dataset):
        return [np.concatenate([y for _, y in dataset]).tolist() for _ in range(4)]

    def first_pixels(dataset):
        return [float(x[0, 0, 0, 0]) for x, _ in dataset]

    made = {seed: plain(photos, shuffle=True, seed=seed) for seed in (1, 2)}
    one = labels(made[1])
    assert len({tuple(epoch) for epoch in one}) > 1
    assert all(sum(epoch) == 6 for epoch in one)
    assert labels(plain(photos, shuffle=True, seed=1)) == one != labels(made[2])
    again = plain(photos, shuffle=True, seed=1)
    assert first_pixels(again) != first_pixels(again)


def test_a_split_has_every_picture_once(photos, capsys):
    for shuffle in (False, True):
        arguments = {"validation_split": 0.3, "seed": 4, "shuffle": shuffle, "verbose": True}
        training = plain(photos, subset="training", **arguments)
        validation = plain(photos, subset="validation", **arguments)
        assert (len(training.file_paths), len(validation.file_paths)) == (8, 3)
        everything = {*training.file_paths, *validation.file_paths}
        assert everything == set(plain(photos).file_paths)
        both = plain(photos, subset="both", **arguments)
        assert [d.file_paths for d in both] == [training.file_paths, validation.file_paths]
    assert "Using 8 files for training.\n" in capsys.readouterr().out


def test_training_on_a_folder(photos):
    model = Sequential([Input((9, 7, 3)), Rescaling(1 / 255), Flatten(), Dense(2)], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    train = plain(photos, shuffle=True, seed=0)
    history = model.fit(train, validation_data=plain(photos), epochs=3, verbose=0)
    assert len(history.history["val_loss"]) == 3 and model.optimizer.iterations == 9


def test_take(photos):
    assert len(list(plain(photos).take(2))) == 2
    with pytest.raises(IndexError, match="there are 3 batches"):
        plain(photos)[3]


def test_a_batch_is_all_that_is_in_memory(tmp_path):
    for i in range(40):
        picture(tmp_path / "a" / f"{i}.png", i, (200, 200))
    dataset = plain(tmp_path, image_size=(200, 200), batch_size=2)
    list(dataset)
    tracemalloc.start()
    try:
        for x, _ in dataset:
            assert x.nbytes == 2 * 200 * 200 * 3 * 4
        # Two pictures as float32 are 1 MB, all of them 19.
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()


# --- sizes ----------------------------------------------------------------------------------------


def test_resizing_by_hand():
    """Twice as wide: centres at -0.25, 0.25, 0.75, 1.25 of the input's; half: between two."""
    row = np.array([[[0.0], [8.0]]])
    assert resized(row, (1, 4), "bilinear").ravel().tolist() == [0.0, 2.0, 6.0, 8.0]
    assert resized(row, (1, 4), "nearest").ravel().tolist() == [0.0, 0.0, 8.0, 8.0]
    four = np.array([[[0.0], [1.0], [2.0], [9.0]]])
    assert resized(four, (1, 2), "bilinear").ravel().tolist() == [0.5, 5.5]
    assert resized(four, (3, 1), "bilinear").ravel().tolist() == [1.5, 1.5, 1.5]


@pytest.mark.reference
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(9, 7), (4, 5), (17, 3), (8, 30)])
def test_the_same_pictures_and_labels_as_keras(photos, size, interpolation):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras = pytest.importorskip("keras", reason="no Keras")
    for path in (photos / "ants").glob("*.PNG"):
        path.rename(path.with_suffix(".png"))
    arguments = {"image_size": size, "interpolation": interpolation, "label_mode": "categorical"}
    ours = plain(photos, **arguments)
    theirs = keras.utils.image_dataset_from_directory(
        str(photos), shuffle=False, batch_size=4, verbose=False, **arguments
    )
    assert ours.class_names == theirs.class_names and ours.file_paths == theirs.file_paths
    for (x, y), (their_x, their_y) in zip(ours, theirs, strict=True):
        # Of 255; the weights of a pixel's four neighbours are rounded to float32.
        np.testing.assert_allclose(x, their_x, atol=1e-3)
        np.testing.assert_array_equal(y, their_y)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": [1, 2]}, "unknown labels"),
        ({"label_mode": "one-hot"}, "unknown label_mode"),
        ({"color_mode": "cmyk"}, "unknown color_mode"),
        ({"interpolation": "lanczos3"}, "unknown interpolation; known are bilinear, nearest"),
        ({"image_size": 0}, "`image_size`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"validation_split": 0.2}, "need each other"),
        ({"subset": "training"}, "need each other"),
        ({"validation_split": 0.2, "subset": "test", "seed": 1}, "unknown subset"),
        ({"validation_split": 1.5, "subset": "training"}, "`validation_split` must be in"),
        ({"validation_split": 0.2, "subset": "both", "shuffle": True}, "needs a `seed`"),
        ({"validation_split": 0.05, "subset": "validation"}, "no pictures for validation"),
        ({"class_names": ["dogs"]}, "`class_names` must be some of the folders ants, cats"),
        ({"label_mode": "binary", "class_names": ["ants"]}, "needs two classes"),
        ({"crop_to_aspect_ratio": True}, "has no argument `crop_to_aspect_ratio`"),
    ],
)
def test_wrong_arguments_are_named(photos, arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        plain(photos, **arguments)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(ValueError, match="there are no pictures in the folders of"):
        plain(tmp_path)
    with pytest.raises(FileNotFoundError):
        plain(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n" * 9])
def test_what_is_no_picture_is_named(photos, content):
    path = photos / "ants" / "0.PNG"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=r"0\.PNG: not a picture, or damaged"):
        plain(photos)[0]


def test_what_tensorflow_s_data_sets_have_is_told(photos):
    for name in ("prefetch", "cache", "map"):
        with pytest.raises(AttributeError, match=f"have no `{name}`. Leave out cache, prefetch"):
            getattr(plain(photos), name)
    assert not hasattr(plain(photos), "anything")
    assert utils.image_dataset_from_directory is image_dataset_from_directory
