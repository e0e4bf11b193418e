"""Pictures of any form, and files that only say that they are one."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image
from test_examples import run

from tinycnn import Dense, Flatten, Input, PictureError, Sequential
from tinycnn.datasets.normalization import normalize_digit
from tinycnn.datasets.pictures import FORMATS, read_picture

pytestmark = pytest.mark.usefixtures("numpy_rung")

SIZES = [(1, 1), (1, 40), (40, 1), (2, 700), (700, 2), (29, 1000), (1000, 29), (17, 300), (3, 29)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_pictures_of_any_form_are_read_or_refused(size, seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, size)
    line = np.full(size, 250)
    line[size[0] // 3 : size[0] // 3 + 2, size[1] // 4 : -1] = 5
    for picture in (noise, line, line.T[: size[0]], np.tile([0, 255], (size[0], size[1]))):
        try:
            digit = normalize_digit(picture)
        except PictureError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert digit.shape == (28, 28)
            assert digit.max() == 255


@pytest.mark.parametrize("width", [1, 2, 5, 8, 20, 40])
@pytest.mark.parametrize("turned", [False, True])
def test_stripes_are_read_or_refused(width, turned):
    picture = np.where(np.arange(80)[:, None] // width % 2, 0, 255) * np.ones((80, 40), int)
    try:
        assert normalize_digit(picture.T if turned else picture).shape == (28, 28)
    except PictureError as error:
        assert len(str(error).splitlines()) == 1


def encoded(format, mode="L", **options):
    file = io.BytesIO()
    pixels = np.full((60, 60), 255, np.uint8)
    pixels[10:50, 28:32] = 0
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_the_formats_that_are_read(format, tmp_path):
    path = tmp_path / "digit.of_any_ending"
    path.write_bytes(encoded(format))
    assert normalize_digit(read_picture(path)).sum() > 0


@pytest.mark.parametrize("format", ["EPS", "PPM", "TGA", "PCX", "ICO", "PDF", "SGI"])
def test_other_formats_are_refused_whatever_their_name(format, tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    def started(*_):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    path = tmp_path / "digit.png"
    path.write_bytes(encoded(format))
    with pytest.raises(PictureError, match="not of a format that is read here, PNG, JPEG"):
        read_picture(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_float_tiff_with_nan_is_refused(bad, tmp_path):
    pixels = np.full((40, 40), 0.5, np.float32)
    pixels[10:20, 20] = bad
    Image.fromarray(pixels).save(tmp_path / "digit.tiff")
    with pytest.raises(PictureError, match="NaN or infinity among its pixels"):
        read_picture(tmp_path / "digit.tiff")


def broken(seed):
    """A picture of a random format with a few bytes changed, or cut off."""
    rng = np.random.default_rng(seed)
    data = bytearray(encoded(FORMATS[seed % len(FORMATS)], "RGB" if seed % 2 else "L"))
    for place in rng.integers(0, len(data), rng.integers(1, 20)):
        data[place] = rng.integers(256)
    return bytes(data[: rng.integers(1, len(data) + 1)]) if seed % 3 == 0 else bytes(data)


def check_broken(seeds, path):
    for seed in seeds:
        path.write_bytes(broken(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of odd metadata
            try:
                normalize_digit(read_picture(path))
            except PictureError as error:
                assert len(str(error).splitlines()) == 1, seed


def test_damaged_pictures_are_read_or_refused(tmp_path):
    check_broken(range(60), tmp_path / "digit.png")


@pytest.mark.full
def test_many_damaged_pictures_are_read_or_refused(tmp_path):
    check_broken(range(60, 6000), tmp_path / "digit.png")


def test_a_network_that_answers_with_nan_is_an_error(tmp_path):
    model = Sequential([Input((28, 28, 1)), Flatten(), Dense(10, activation="softmax")], seed=0)
    model.layers[1].kernel.value[0] = np.nan
    model.save(tmp_path / "model.npz")
    (tmp_path / "digit.png").write_bytes(encoded("PNG"))
    process = run(
        "classify_my_digit.py",
        *(tmp_path / "digit.png", "--model", tmp_path / "model.npz"),
        home=tmp_path,
        TINYCNN_KERNELS="numpy",
    )
    assert process.returncode == 1
    assert "answers with NaN" in process.stderr
    assert "nan%" not in process.stdout


def test_probabilities_that_are_no_numbers_are_refused_everywhere():
    from tinycnn import inspection, plotting

    images, labels = np.zeros((2, 8, 8, 1)), np.array([0, 1])
    bad = np.array([[0.5, 0.5], [np.nan, 0.5]])
    for call in (
        lambda: inspection.confident_mistakes(labels, bad),
        lambda: plotting.plot_predictions(images, labels, bad),
        lambda: plotting.plot_mistakes(images, labels, bad),
        lambda: plotting.plot_reading(images[0, ..., 0], images[0, ..., 0], bad[1], ["a", "b"]),
    ):
        with pytest.raises(ValueError, match="`probabilities` must be finite"):
            call()
