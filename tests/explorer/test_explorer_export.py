"""The page as a file: what is in it, what is refused, and the command that writes it."""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tinycnn import (
    Conv2D,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    Sequential,
    TinyCNNError,
    __main__,
    explorer,
    kernels,
)
from tinycnn.explorer import page
from tinycnn.explorer.page import page_data
from tinycnn.gradient_check.cases import reference_network

pytestmark = pytest.mark.usefixtures("numpy_rung")


def reader(**arguments):
    """A small model that reads digits."""
    model = Sequential(
        [
            Conv2D(2, 5, 3, activation="relu", input_shape=(28, 28, 1)),
            Flatten(),
            Dense(10, activation="softmax"),
        ],
        seed=0,
        **arguments,
    )
    model.build()
    return model


def data_of(path):
    """The JSON object in a page."""
    text = path.read_text("utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(found)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for path in pages:
        explorer.export(reader(), path)
    assert pages[0].read_bytes() == pages[1].read_bytes()
    other = reader()
    other.parameters[0].value[0, 0, 0, 0] += 1
    explorer.export(other, pages[1])
    assert pages[0].read_bytes() != pages[1].read_bytes()


def test_the_reference_network_s_page_is_small_and_names_no_other_place(tmp_path):
    explorer.export(reference_network(seed=0), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert (tmp_path / "page.html").stat().st_size <= 700_000
    assert "://" not in text
    assert not re.search(r"\bimport\b\s*[({]|\beval\b|\bFunction\(|innerHTML|XMLHttpRequest", text)
    assert "{{" not in re.sub(r'<script type="application/json".*', "", text, flags=re.DOTALL)


def test_the_policy_allows_what_is_in_the_page_and_nothing_else(tmp_path):
    explorer.export(reader(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)

    def named(content):
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    assert parts == {
        "default-src": "'none'",
        "script-src": named(script),
        "style-src": named(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_names_are_data_not_markup(tmp_path):
    nasty = "<img src=x onerror=alert(1)>"
    model = Sequential([Dense(2, input_shape=(3,), name=nasty)], name=f"{nasty}&amp;")
    explorer.export(model, tmp_path / "page.html", class_names=["</script><b>", nasty])
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<img" not in text and "<b>" not in text and text.count("</script>") == 2
    assert "<title>Inside &lt;img src=x onerror=alert(1)&gt;&amp;amp;</title>" in text
    data = data_of(tmp_path / "page.html")
    assert data["class_names"] == ["</script><b>", nasty]
    assert data["model"]["layers"][0]["name"] == nasty


def test_what_the_page_begins_with():
    data = page_data(reader())
    assert [sample["label"] for sample in data["samples"]] == [*range(10), None, None, None]
    assert data["samples"][10]["name"] == "horizontal stroke"
    levels = np.frombuffer(base64.b64decode(data["levels"]), np.uint8).reshape(13, 28, 28)
    assert levels.max() == 255 and (levels[10] > 0).sum(axis=1).max() == 20
    assert levels[10].any(axis=1).sum() == 3 and levels[11].any(axis=0).sum() == 3
    assert data["peak"] == 1 and data["model"]["loss"] == "cross-entropy"
    noise = page_data(Sequential([Dense(3, input_shape=(4,))]))
    assert [sample["name"] for sample in noise["samples"]] == ["noise 0", "noise 1", "noise 2"]
    assert noise["levels"] == "" and noise["model"]["loss"] == "mean squared error"


def test_samples_of_one_s_own_are_kept_to_the_bit():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    images[0, 0, 0, 0] = 255
    data = page_data(reader(), (images / np.float32(255), np.array([3, 1, 4])))
    assert data["peak"] == 1 and [s["label"] for s in data["samples"]] == [3, 1, 4]
    assert base64.b64decode(data["levels"]) == images.tobytes()
    odd = np.float32(0.123) * (images / np.float32(255))
    data = page_data(reader(), (odd, None))
    assert data["peak"] is None and data["levels"] == ""  # nothing can be drawn in this scale
    stored = np.frombuffer(base64.b64decode(data["numbers"]), "<f4")
    assert np.array_equal(stored[-odd.size :], odd.reshape(-1))


class Unknown(Layer):
    """A layer of a user's own."""


def twisted():
    """A layer with a forward of its own on one object."""
    layer = LeakyReLU()
    layer.forward = lambda x, training=False: x
    return layer


@pytest.mark.parametrize(
    ("layer", "words"),
    [(Unknown(name="mine"), "can't show Unknown, layer 'mine'"), (twisted(), "LeakyReLU")],
)
def test_a_layer_it_can_t_show_is_named(layer, words, tmp_path):
    model = Sequential([Dense(2, input_shape=(2,)), layer])
    with pytest.raises(ValueError, match=words) as error:
        explorer.export(model, tmp_path / "page.html")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "page.html").exists()


def test_a_model_that_is_too_large_or_not_finite_is_refused(tmp_path, monkeypatch):
    units = page.MOST_BYTES // 4 // 1001 + 1
    large = Sequential([Dense(units, kernel_initializer="zeros", input_shape=(1000,))])
    with pytest.raises(ValueError, match=r"up to 20 MB .* Received: a model of 20\.0 MB"):
        explorer.export(large, tmp_path / "page.html")
    monkeypatch.setattr(page, "MOST_BYTES", 4 * reader().count_params())
    assert page_data(reader())["dtype"] == "float32"
    with pytest.raises(ValueError, match="Received: a model of"):
        page_data(reader(dtype="float64"))
    broken = reader()
    broken.parameters[0].value[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="hold NaN or infinity"):
        explorer.export(broken, tmp_path / "page.html")
    huge = Sequential([Dense(2, input_shape=(2,)), Dense(2)], dtype="float64")
    huge.set_weights([np.full(w.shape, 1e300) for w in huge.get_weights()])
    with pytest.raises(ValueError, match="answers with NaN or infinity"):
        explorer.export(huge, tmp_path / "page.html")


X = np.zeros((2, 28, 28, 1), np.float32)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (X, "must be a pair"),
        ((X, None, None), "must be a pair"),
        ((X[:0], None), "at least one sample"),
        ((np.zeros((101, 28, 28, 1)), None), "up to 100 samples. Received: 101"),
        ((X[:, :9], None), "28, 28, 1"),
        ((X * np.nan, None), "NaN"),
        ((X, [1]), "class numbers from 0 to 9, one for each of the 2 samples"),
        ((X, [1.0, 2.0]), "Received: float64"),
        ((X, [0, 10]), "class numbers from 0 to 9"),
        ((X, [-1, 0]), "class numbers from 0 to 9"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, words):
    with pytest.raises(ValueError, match=words):
        page_data(reader(), samples)


@pytest.mark.parametrize("names", ["0123456789", ["a"] * 9, [*range(10)]])
def test_class_names_that_do_not_fit_are_refused(names):
    with pytest.raises(ValueError, match="`class_names` must hold 10 names"):
        page_data(reader(), class_names=names)


def test_an_old_page_stays_if_a_new_one_can_not_be_written(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(ValueError):
        explorer.export(reader(), path, (X[:0], None))
    assert path.read_text() == "old"
    with pytest.raises(FileNotFoundError):
        explorer.export(reader(), tmp_path / "no" / "page.html")


def test_exporting_changes_nothing_of_the_model():
    model = reader()
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.fingerprint()
    gradients = [parameter.grad for parameter in model.parameters]
    page_data(model)
    assert model.fingerprint() == before
    assert [parameter.grad for parameter in model.parameters] == gradients


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a model and some samples of its own, and the hook for errors put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    reader().save("model.npz")
    Sequential([Flatten(input_shape=(28, 28, 1)), Dense(3)]).save("other.npz")
    np.savez("samples.npz", x=X + np.float32(0.25), y=np.array([7, 8]))
    np.savez("nothing.npz", z=X)
    np.savez("pickled.npz", x=np.array([object()], dtype=object))
    np.save("array.npy", X)
    (tmp_path / "text").write_text("no archive")
    return tmp_path


def test_the_command_writes_the_page(here, capsys):
    with kernels.use("numpy"):
        assert __main__.main(["explore", "model.npz"]) == 0
        assert (
            __main__.main(["explore", "model.npz", "-o", "b.html", "--samples", "samples.npz"]) == 0
        )
    size = (here / "model.html").stat().st_size
    assert capsys.readouterr().out.splitlines()[0] == (
        f"wrote model.html ({size:,} bytes): open it in a browser"
    )
    assert len(data_of(here / "model.html")["samples"]) == 13
    assert [s["label"] for s in data_of(here / "b.html")["samples"]] == [7, 8]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.npz"], "the model file nowhere.npz does not exist"),
        (["text"], "not a complete tinycnn model file"),
        (["model.npz", "-o", "model.npz"], "the page would replace the model"),
        (["model.npz", "-o", "no/page.html"], "no folder"),
        (["model.npz", "--samples", "nowhere.npz"], "nowhere.npz"),
        (["model.npz", "--samples", "text"], "text is not an .npz with the samples as `x`"),
        (["model.npz", "--samples", "nothing.npz"], "nothing.npz is not an .npz with"),
        (["model.npz", "--samples", "pickled.npz"], "pickled.npz is not an .npz with"),
        (["model.npz", "--samples", "array.npy"], "array.npy is not an .npz with"),
        (["other.npz", "--samples", "samples.npz"], "class numbers from 0 to 2"),
    ],
)
def test_a_mistake_ends_in_a_line(here, words, told, capsys):
    try:
        __main__.main(["explore", *words])
    except SystemExit as end:
        assert end.code == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
    except (OSError, TinyCNNError) as error:  # the hook for errors makes a line of it
        line = str(error)
    else:
        raise AssertionError("it did not end")
    assert told in line


# --- colours --------------------------------------------------------------------------------------


def luminance(colour):
    """WCAG's relative luminance of a colour of bytes."""
    share = np.asarray(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear, linear @ [0.2126, 0.7152, 0.0722]


def lab(linear):
    """CIELAB of linear sRGB, for the white D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = (matrix @ np.clip(linear, 0, 1)) / [0.9505, 1.0, 1.089]
    f = [np.cbrt(t) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear sRGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("deficiency", list(DEFICIENCIES))
def test_above_below_and_zero_differ_for_every_eye(scheme, deficiency):
    text = (Path(explorer.__file__).parent / "maps.js").read_text("utf-8")
    (found,) = re.findall(
        rf"{scheme}: {{ zero: (\[.*?\]), above: (\[.*?\]), below: (\[.*?\]) }}", text
    )
    seen = [
        lab(np.asarray(DEFICIENCIES[deficiency]) @ luminance(json.loads(colour))[0])
        for colour in found
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(seen[a] - seen[b]) >= 20  # CIE 1976
