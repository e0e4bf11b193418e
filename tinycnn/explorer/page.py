"""Writes the page: one HTML file that holds the model, its samples, the engine and the view.

The file's parts are beside this one, and are put together here, unchanged, so that the page's
source can be read as it stands in the repository. The page's content security policy allows the
scripts and the style that are in it, by their hashes, and no connection at all.
"""

import base64
import hashlib
import html
import json
import os
import zlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.explorer.check import in_float64, sums_of
from tinycnn.explorer.describe import Description, describe_model, shown_parameters
from tinycnn.explorer.samples import Samples, samples_of
from tinycnn.models import Sequential
from tinycnn.support.files import atomic_write
from tinycnn.support.serialization import plain
from tinycnn.utils import Array

MOST_BYTES = 20_000_000  # of the parameters of a model; base64 makes a third more of them
SCRIPTS = (  # in the order in which they build on each other
    *("engine.js", "network.js", "model.js", "words.js", "windows.js", "explain_activations.js"),
    *("explain_forward.js", "explain_inputs.js", "explain_parameters.js", "explain.js"),
    *("draw.js", "maps.js", "widgets.js", "pad.js", "story.js", "change.js"),
    *("choice.js", "overview.js", "inside.js", "view.js"),
)


def export(
    model: Sequential,
    path: str | os.PathLike[str],
    samples: tuple[Any, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Writes a page that shows a model at work, every number of its forward and its backward.

    The page is one file that needs no connection and no server: open it by a double click. The same
    model and samples give the same bytes on the same machine.

    Args:
        model: a `Sequential` of tinycnn's layers, with parameters of up to 20 MB.
        path: the HTML file to write; an older one of that name is replaced.
        samples: (x, y): 1 to 100 samples (N, *input_shape), as the model was trained on them, and
            their class numbers (N,) or None. None draws digits for a model that reads images
            (28, 28, 1), and makes noise for any other.
        class_names: a name for each class; None takes the numbers.

    Raises:
        ValueError: for a layer that the page can't show, a model that is too large or not finite,
            or samples or names that do not fit it.
        OSError: if the file can't be written.

    Example:
        >>> model = Sequential([Flatten(input_shape=(28, 28, 1)), Dense(10, "softmax")])
        >>> export(model, "page.html")
    """
    text = assembled(model.name, page_data(model, samples, class_names))
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def page_data(
    model: Sequential,
    samples: tuple[Any, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Description:
    """What a page holds of a model, as plain values; `read_model` in model.js reads it.

    Args:
        model: as for `export`.
        samples: likewise.
        class_names: likewise.

    Returns:
        {"dtype", "class_names", "peak", "first", "samples", "model", "numbers", "levels", "check"}.
        "numbers" are all parameters, a picture of noise and the samples, in base64; the samples may
        be in "levels" instead, as bytes. "check" is what Python computes from the noise.

    Raises:
        ValueError: as for `export`.
    """
    model.build()
    size = sum(parameter.value.nbytes for parameter in model.parameters)
    if size > MOST_BYTES:
        raise ValueError(
            f"a page takes up to {MOST_BYTES / 1e6:.0f} MB of parameters: browsers are slow with "
            f"more. Received: a model of {size / 1e6:.1f} MB"
        )
    if not all(np.isfinite(parameter.value).all() for parameter in model.parameters):
        raise ValueError("the model's weights hold NaN or infinity: train it again")
    described = describe_model(model)
    taken = samples_of(model, samples)
    exact = in_float64(model)
    return {
        "dtype": model.dtype,
        "class_names": _class_names(class_names, model.output_shape),
        "peak": taken.peak,
        "first": _hardest(exact, taken),
        "samples": [
            {"name": name, "label": label}
            for name, label in zip(taken.names, taken.labels, strict=True)
        ],
        "model": described,
        **_numbers_and_check(model, exact, described, taken),
    }


def _class_names(names: Sequence[str] | None, output_shape: tuple[int, ...]) -> list[str]:
    """A name for each of the K numbers on the output's last axis."""
    K = output_shape[-1]
    if names is None:
        return [str(k) for k in range(K)]
    if isinstance(names, str) or len(names) != K or not all(isinstance(n, str) for n in names):
        raise ValueError(
            f"`class_names` must hold {K} names, one for each class. "
            f"Received: class_names={names!r:.100}"
        )
    return list(names)


# --- its numbers ---------------------------------------------------------------------------------


def _hardest(model: Sequential, samples: Samples) -> int:
    """The sample that the page opens with: the one whose right answer has the lowest output."""
    labelled = [(n, label) for n, label in enumerate(samples.labels) if label is not None]
    if not labelled or len(model.output_shape) != 1:
        return 0
    with kernels.use("numpy"):
        outputs = model.predict(samples.x, verbose=0)
    return min(labelled, key=lambda pair: float(outputs[pair]))[0]


def _numbers_and_check(
    model: Sequential, exact: Sequential, described: Description, samples: Samples
) -> Description:
    """All numbers of the page as base64, and what Python computes of a picture of noise."""
    peak = float(np.abs(samples.x).max()) or 1.0
    shape = model.input_shape or ()
    noise = (np.random.default_rng(1).random(shape) * peak).astype(model.dtype)
    x = np.asarray(samples.x, model.dtype)
    levels = _gray_levels(x, samples.peak)
    shown = [one.value for layer in model.chain for one in shown_parameters(layer)]
    arrays = [*shown, noise]
    if not levels:
        arrays.append(x)
    data = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    target = {"kind": "loss" if described["loss"] else "score", "index": 0}
    return {
        "numbers": base64.b64encode(data).decode(),
        "levels": base64.b64encode(levels).decode(),
        "check": {
            "crc32": zlib.crc32(data + levels),
            "target": target,
            "sums": sums_of(exact, described, noise, target),
        },
    }


def _gray_levels(x: Array, peak: int | None) -> bytes:
    """The samples as bytes, a quarter of the size, if they are bytes times peak / 255; else b""."""
    if peak is None:
        return b""
    levels = np.rint(x * (255 / peak)).clip(0, 255)
    same = np.array_equal((levels / (255 / peak)).astype(x.dtype), x)
    return levels.astype(np.uint8).tobytes() if same else b""


# --- putting it together --------------------------------------------------------------------------


def _part(name: str) -> str:
    """A file beside this one."""
    return resources.files("tinycnn.explorer").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """A text as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def assembled(name: str, data: Description) -> str:
    """The page's text: page.html with everything in its place."""
    script = "\n" + "\n".join(_part(part) for part in SCRIPTS)
    style = "\n" + _part("style.css")
    # Inside a script element only "<" could end it; JSON may write any character as \uXXXX.
    text = json.dumps(data, separators=(",", ":"), default=plain).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    places = {  # in the order in which they stand in page.html
        "{{policy}}": policy,
        "{{title}}": html.escape(name),
        "{{style}}": style,
        "{{data}}": text,
        "{{script}}": script,
    }
    page = _part("page.html")
    pieces = []
    for place, content in places.items():
        before, found, page = page.partition(place)
        if not found:
            raise ValueError(f"page.html has no {place}")
        pieces += [before, content]
    return "".join([*pieces, page])
