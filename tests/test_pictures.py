"""A user's own picture: drawn digits made into photos and drawings are read as on MNIST."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from tinycnn import Conv2D, Flatten, MaxPooling2D, PictureError, Rescaling, Sequential
from tinycnn.datasets import pictures, synthetic
from tinycnn.datasets.normalization import normalize_digit
from tinycnn.datasets.pictures import find_ink, read_picture, several_digits

COUNT = 24


@pytest.fixture(scope="module")
def digits():
    """Images and labels that the reader has not learned."""
    return synthetic.load_data(train=1, test=COUNT, seed=9)[1]


@pytest.fixture(scope="module")
def reader():
    """A function from images (N, 28, 28), 0 to 255, to the digits that a small network reads.

    Its convolution is drawn, its last layer solved for. Training would amplify the rounding of
    each processor to a network of its own; this one's ten scores are the same to 3e-5 everywhere,
    and the two best are 0.017 apart or more in every picture that is counted below.
    """
    layers = [Rescaling(1 / 255, input_shape=(28, 28, 1)), Conv2D(64, 9, activation="relu")]
    model = Sequential([*layers, MaxPooling2D(4), Flatten()], seed=3)

    def features(images):
        found = model.predict(np.stack(images), batch_size=500, verbose=0)
        return np.hstack([found, np.ones((len(found), 1))])  # float64, and a 1 for the biases

    (x, y), _ = synthetic.load_data(train=8000, test=1, seed=0)
    of_digits = features(x)
    squares = of_digits.T @ of_digits + np.eye(of_digits.shape[1])
    weights = np.linalg.solve(squares, of_digits.T @ np.eye(10)[y])
    return lambda images: (features(images) @ weights).argmax(axis=1)


def photo(digit, rng):
    """A digit (28, 28) as a photo (400, 300): dark ink, off the middle, uneven light, noise."""
    big = Image.fromarray(digit).resize((196, 196), Image.Resampling.BICUBIC)
    ink = np.zeros((400, 300))
    top, left = rng.integers(0, 400 - 196), rng.integers(0, 300 - 196)
    ink[top : top + 196, left : left + 196] = np.asarray(big) / 255
    i, j = np.mgrid[-0.5:0.5:400j, -0.5:0.5:300j]
    down, right, vignette = rng.uniform(-60, 60), rng.uniform(-60, 60), rng.uniform(0, 80)
    light = 190 + down * i + right * j - vignette * (i * i + j * j)
    noisy = light * (1 - 0.7 * ink) + rng.normal(0, 6, ink.shape)
    return noisy.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(digits):
    rng = np.random.default_rng(0)
    return [photo(x, rng) for x in digits[0]]


def saved(path, pixels, mode="L", **options):
    """What `read_picture` makes of gray pixels saved under a mode and a format."""
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return read_picture(path)


# --- the digits are read --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_photos_are_read_like_the_digits_themselves(digits, photos, reader, tmp_path, name):
    x, y = digits
    direct = np.mean(reader(x) == y)
    seen = [normalize_digit(saved(tmp_path / name, picture, "RGB")) for picture in photos]
    assert direct > 0.9
    # One of them may be lost to the noise; none was when this was written.
    assert np.mean(reader(seen) == y) >= direct - 1 / COUNT


def test_both_polarities_get_the_same_answer(photos, reader):
    dark = [normalize_digit(picture) for picture in photos]
    light = [normalize_digit(255 - picture) for picture in photos]
    # Sums are rounded in another order: a value may fall on the other side of a half.
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(dark, light, strict=True)) <= 1
    np.testing.assert_array_equal(reader(dark), reader(light))


@pytest.mark.parametrize("shape", [(60, 45), (1600, 1200)])
def test_any_size_will_do(digits, photos, reader, shape):
    sized = [np.asarray(Image.fromarray(p).resize(shape[::-1])) for p in photos[:10]]
    right = np.mean(reader([normalize_digit(p) for p in sized]) == digits[1][:10])
    assert right >= np.mean(reader(digits[0][:10]) == digits[1][:10]) - 0.1


def test_artefacts_of_jpeg_around_a_drawing_are_not_ink(digits, tmp_path):
    for x in digits[0][:10]:
        page = 255 - np.pad(np.kron(x, np.ones((8, 8), np.uint8)), 40)
        clean = normalize_digit(page).astype(int)
        packed = normalize_digit(saved(tmp_path / "a.jpg", page, quality=40))
        # One pixel of the digit's edge moved would already be 100 and more in places.
        assert np.abs(packed - clean).mean() < 3


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_kind_of_pixels_gives_the_same_gray(mode, tmp_path):
    pixels = np.zeros((40, 30), np.uint8)
    pixels[10:30, 12:17] = 255
    name = "a.tiff" if mode == "CMYK" else "a.png"
    np.testing.assert_array_equal(saved(tmp_path / name, pixels, mode), pixels)


def test_sixteen_bits_are_not_cut_off(tmp_path):
    values = np.linspace(0, 60000, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_picture(tmp_path / "a.png"), values / (60000 / 255), atol=1)


@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper(ink, tmp_path):
    # As drawing programs save it: every pixel has the colour of the ink, most are transparent.
    pixels = np.full((50, 40, 4), ink, np.uint8)
    pixels[..., 3] = 0
    pixels[10:40, 15:25, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    expected = np.full((50, 40), 255 - ink, np.uint8)
    expected[10:40, 15:25] = ink
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), expected)


def test_a_photo_is_turned_upright(photos, tmp_path):
    sideways = Image.fromarray(photos[0]).transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise"
    sideways.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), photos[0])


def test_large_pictures_are_reduced(tmp_path):
    assert saved(tmp_path / "a.png", np.zeros((3000, 2000), np.uint8)).shape == (1120, 747)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_damaged_files_are_pictures_or_one_error(photos, tmp_path, form):
    buffer = io.BytesIO()
    Image.fromarray(photos[0][:60, :60]).save(buffer, form)
    whole, path = buffer.getvalue(), tmp_path / "a"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        damaged = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.integers(1, 8)):
            if damaged:
                damaged[rng.integers(min(len(damaged), 200))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own, about a size that is suspicious
                assert read_picture(path).ndim == 2
        except PictureError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 10


# --- the ink --------------------------------------------------------------------------------------


def page_with_a_bar():
    """White paper (200, 150) with a dark upright bar."""
    page = np.full((200, 150), 220.0)
    page[50:150, 70:84] = 40
    return page


def box(ink):
    """(top, bottom, left, right) of what is not 0."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_ink_is_where_it_is():
    ink = find_ink(page_with_a_bar())
    assert box(ink) == (50, 149, 70, 83)
    assert (ink[50:150, 70:84] > 0.99).all()


def test_dirt_and_the_edge_of_the_table_are_not_ink():
    page = page_with_a_bar()
    page[20:23, 20:23] = page[180, 100:104] = 40
    page[:, 140:] = 30
    assert box(find_ink(page)) == (50, 149, 70, 83)


def test_a_digit_that_touches_the_rim_is_still_ink():
    assert box(find_ink(page_with_a_bar()[50:])) == (0, 99, 70, 83)


def test_a_loose_stroke_belongs_to_the_digit():
    page = page_with_a_bar()
    page[30:40, 70:110] = 40
    assert box(find_ink(page)) == (30, 149, 70, 109)


def test_thin_lines_become_as_thick_as_mnist_s():
    page = np.full((280, 280), 255.0)
    page[40:240, 100] = page[140, 100:200] = 0
    ink = find_ink(page)
    assert 200 * pictures.THIN - 3 < np.count_nonzero(ink[80]) < 200 * pictures.THIN + 3


@pytest.mark.parametrize("kind", ["noise", "gradient", "noise in a gradient"])
def test_paper_alone_is_no_digit(kind):
    rng = np.random.default_rng(0)
    for _ in range(10):
        page = np.full((300, 200), 180.0)
        if "noise" in kind:
            page += rng.normal(0, 8, page.shape)
        if "gradient" in kind:
            page += np.linspace(-40, 40, 200) + np.linspace(0, 30, 300)[:, None]
        with pytest.raises(PictureError, match="stands out from the paper"):
            normalize_digit(page)


def test_pieces_by_hand():
    # A spiral, in which no two neighbours have the same way to the end, and three others.
    text = """
        ##### #
        #   # #
        # # #
        # ### ##
        #     ##
        ######
    """
    rows = text.strip("\n").splitlines()[:-1]
    mask = np.array([[c == "#" for c in row[8:].ljust(8)] for row in rows])
    pieces = pictures._pieces(mask)
    assert ((pieces > 0) == mask).all()
    # The last column of the frame touches the block at a corner: (5, 5) and (4, 6).
    assert len({pieces[0, 0], pieces[2, 2], pieces[5, 5], pieces[3, 6]}) == 1
    assert pieces[0, 6] not in (0, pieces[0, 0])
    assert pieces[0, 6] == pieces[1, 6]


def test_several_digits_are_noticed(digits):
    x = digits[0]
    singles = [several_digits(image) for image in x]
    assert np.mean(singles) <= 1 / COUNT
    for a, b in zip(x[::2], x[1::2], strict=True):
        pair = np.zeros((40, 80), np.uint8)
        pair[6:34, 6:34], pair[6:34, 40:68] = a, b
        assert several_digits(normalize_digit(pair))
