"""The commands of `tinycnn`, each a thin layer over what any script can use.

A command imports what it needs when it runs, so that `tinycnn --help` is quick and works where
Numba does not.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from tinycnn import __version__
from tinycnn.support.console import notice, say
from tinycnn.support.scripts import end
from tinycnn.utils import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinycnn.layers import Conv2D
    from tinycnn.models import Sequential

MODEL = Path("output/mnist_cnn.npz")
SURE = 0.9  # on photos of MNIST's test images 0.1% were wrong above it, 35% below
FEWEST = 5  # the fewest images that can be split into training and validation data
SHAPES = (28, 28, 1), (10,)  # input and output of a model that reads digits
PACKAGES = ("numpy", "numba", "llvmlite", "matplotlib", "requests", "h5py")
SETTINGS = ("TINYCNN_", "NUMBA_", "OMP_", "OPENBLAS_")  # beginnings of the variables that matter


def train(arguments: argparse.Namespace) -> int:
    """Trains the reference network, and saves it with a picture of its history."""
    from tinycnn import kernels
    from tinycnn.callbacks import Checkpoint
    from tinycnn.datasets import digits
    from tinycnn.gradient_check.cases import reference_network
    from tinycnn.plotting import plot_history
    from tinycnn.support.files import claim_folder
    from tinycnn.utils import to_categorical

    if arguments.images is not None and arguments.images < FEWEST:
        end(f"--images must be at least {FEWEST}. Received: {arguments.images}")
    if arguments.dataset == "synthetic" and arguments.data_dir is not None:
        end("drawn digits do not come from a folder: leave out --data-dir or --dataset synthetic")
    if arguments.kernels:
        kernels.use(arguments.kernels)
    folder = arguments.output_dir
    claim_folder(folder)
    if (folder / MODEL.name).exists():
        notice(f"{folder / MODEL.name} will be replaced by the new model")
    (x, y), (x_test, y_test), dataset = digits.load_data(
        arguments.dataset, arguments.data_dir, train=arguments.images, test=arguments.images
    )
    x, x_test = (np.asarray(a[..., np.newaxis] / np.float32(255)) for a in (x, x_test))
    y, y_test = to_categorical(y, 10), to_categorical(y_test, 10)
    say(f"data: {dataset}, {len(x):,} training and {len(x_test):,} test images")

    model = reference_network(arguments.seed)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    model.warm_up(x[: arguments.batch_size], y[: arguments.batch_size])
    say(f"kernels: {kernels.active()}")
    history = model.fit(
        x,
        y,
        arguments.batch_size,
        arguments.epochs,
        callbacks=[Checkpoint(folder / "checkpoint.npz", resume=arguments.resume)],
        validation_split=0.2,
    )
    loss, accuracy = np.asarray(model.evaluate(x_test, y_test, verbose=0))
    say(f"test loss: {loss:.4f}, test accuracy: {accuracy:.4f} ({dataset})")
    say(f"fingerprint of the weights: {model.fingerprint()} (seed {model.seed})")
    model.save(folder / MODEL.name)
    say(f"wrote {folder / MODEL.name}")
    title = f"{dataset}: CNN, {model.count_params():,} parameters, test accuracy {accuracy:.4f}"
    _save(plot_history(history, title), folder / "training_history.png")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Checks every gradient, on the chosen kernels or on all that this machine can run."""
    from tinycnn import gradient_check

    return gradient_check.main([arguments.kernels] if arguments.kernels else ["numpy", "numba"])


def read(arguments: argparse.Namespace) -> int:
    """Reads a digit from a picture file, and draws what the network sees of it."""
    from tinycnn.datasets.normalization import normalize_digit
    from tinycnn.datasets.pictures import read_picture, several_digits
    from tinycnn.plotting import plot_reading

    picture = read_picture(arguments.photo)
    image = normalize_digit(picture)
    model = _reader_of_digits(arguments.model)
    (probabilities,) = _probabilities(model, image[np.newaxis], arguments.model)

    order = np.argsort(-probabilities)
    best, second = order[:2]
    answer = f"{arguments.photo.name}: {best}, probability {probabilities[best]:.1%}"
    say(answer)
    say("  ".join(f"{digit}: {probabilities[digit]:.1%}" for digit in order))
    if several_digits(image):
        notice("this looks like several digits; the network knows only one at a time")
    if probabilities[best] < SURE:
        notice(f"the network is unsure: {best}, or perhaps {second}")
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    names = [str(digit) for digit in range(10)]
    figure = plot_reading(picture, image, probabilities, names, answer)
    _save(figure, arguments.output_dir / f"{arguments.photo.stem}_as_seen.png")
    return 0


def look(arguments: argparse.Namespace) -> int:
    """Draws what a saved model sees, what it decides by and where it is wrong."""
    from tinycnn import plotting
    from tinycnn.datasets import digits
    from tinycnn.layers import Conv2D
    from tinycnn.support.files import claim_folder

    model = _reader_of_digits(arguments.model)
    convolutions = [layer for layer in model.chain if isinstance(layer, Conv2D)]
    if not convolutions:
        end(f"{arguments.model} has no Conv2D: it has no filters to look at")
    claim_folder(arguments.output_dir)
    _, (images, y), dataset = digits.load_data(
        data_dir=arguments.data_dir, train=1, test=arguments.images
    )
    probabilities = _probabilities(model, images, arguments.model)
    title = f"{dataset}: {arguments.model.name}, {model.count_params():,} parameters, "
    title += f"accuracy {np.mean(probabilities.argmax(axis=1) == y):.4f} on {len(y):,} test images"
    say(title)

    figures = []
    for name, figure in _looks(model, convolutions, images, y, probabilities, title):
        _save(figure, arguments.output_dir / f"{name}.png")
        figures.append(figure)
    _save(plotting.contact_sheet(figures), arguments.output_dir / "contact_sheet.png")
    return 0


def _looks(
    model: "Sequential",
    convolutions: "list[Conv2D]",
    images: Array,
    y: Array,
    probabilities: Array,
    title: str,
) -> "Iterator[tuple[str, Figure]]":
    """Names and pictures of what `look` draws, each drawn when it is asked for."""
    from tinycnn import inspection, plotting

    x = _pixels(model, images)
    chosen = probabilities.argmax(axis=1)
    _, each = np.unique(y, return_index=True)  # the first image of each digit
    first = convolutions[0]
    # Grad-CAM takes the last convolution whose maps are fine enough to show something.
    fine = [layer for layer in convolutions if min((layer.output_shape or (0,))[:2]) >= 10]
    last = (fine or convolutions)[-1]
    shown = images[..., np.newaxis] / np.float32(255)
    digits = shown[each], y[each], probabilities[each]
    counts = inspection.confusion_matrix(y, chosen, 10)
    yield "confusion_matrix", plotting.plot_confusion_matrix(counts, title)
    yield "predictions", plotting.plot_predictions(*digits, title)
    yield "mistakes", plotting.plot_mistakes(shown, y, probabilities, title)
    name = first.name or "convolution"
    yield "filters", plotting.plot_filters(first.kernel.value, title, name)
    saliency = inspection.saliency(model, x[each], chosen[each])
    yield "saliency", plotting.plot_saliency(shown[each], saliency, chosen[each], title)
    cams = inspection.grad_cam(model, last, x[each], chosen[each])
    name = last.name or "convolution"
    yield "grad_cam", plotting.plot_grad_cam(shown[each], cams, chosen[each], title, name)
    for layer in model.chain:
        if layer.parameters:
            maps = inspection.feature_maps(model, layer, x[:1000])
            name = layer.name or type(layer).__name__
            yield f"maps_{name}", plotting.plot_feature_maps(shown[0], maps, title, name)


def explore(arguments: argparse.Namespace) -> int:
    """Writes an offline page of a saved model."""
    from tinycnn.explorer import export
    from tinycnn.models import load_model

    _check_there(arguments.model)
    model = load_model(arguments.model)
    page = arguments.output or arguments.model.with_suffix(".html")
    if page.resolve() == arguments.model.resolve():
        end(f"the page would replace the model: give --output another name than {page}")
    samples = None if arguments.samples is None else _read_samples(arguments.samples)
    try:
        export(model, page, samples)
    except ValueError as error:  # a layer it can't show, samples that do not fit
        end(str(error))
    say(f"wrote {page} ({page.stat().st_size:,} bytes): open it in a browser")
    return 0


def info(arguments: argparse.Namespace) -> int:
    """Prints what a bug report needs: versions, processor, kernels, folders and variables."""
    from tinycnn import kernels
    from tinycnn.support.files import cache_folder

    rung = kernels.active()
    facts = {
        "tinycnn": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernels": rung,
    }
    if rung == "numba":
        from tinycnn.kernels.compiled.simd import LANES

        facts["SIMD lanes"] = f"{LANES} of float32"
        facts["threads"] = str(kernels.get_num_threads())
    for package in PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            facts[package] = "not installed"
    facts["package"] = str(Path(__file__).parent)
    folder = cache_folder()
    facts["data cache"] = f"{folder}{'' if folder.exists() else ' (not there yet)'}"
    for name in sorted(name for name in os.environ if name.startswith(SETTINGS)):
        facts[name] = os.environ[name]
    width = max(map(len, facts))
    for name, fact in facts.items():
        say(f"{name:<{width}}  {fact}")
    return 0


# --- what they share ------------------------------------------------------------------------------


def _reader_of_digits(path: Path) -> "Sequential":
    """The model in a file, if it sorts images (28, 28, 1) into ten digits."""
    from tinycnn.models import load_model

    _check_there(path)
    model = load_model(path)
    shapes = model.input_shape, model.output_shape
    if shapes != SHAPES:
        end(f"{path} does not read digits: its shapes are {shapes[0]} to {shapes[1]}")
    return model


def _check_there(path: Path) -> None:
    """Ends the program unless there is a model file at `path`."""
    if not path.exists():
        end(f"the model file {path} does not exist. `tinycnn train` makes one, {MODEL}")


def _read_samples(path: Path) -> tuple[Array, Array | None]:
    """x and y, or None, of an .npz."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["x"], file["y"] if "y" in file else None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        why = str(error).partition("\n")[0]
        end(f"{path} is not an .npz with the samples as `x` ({why})")


def _pixels(model: "Sequential", images: Array) -> Array:
    """Images (N, 28, 28) of 0 to 255 as the model wants them: 0 to 1, unless it rescales itself."""
    from tinycnn.inspection import brightest_pixel

    x: Array = images[..., np.newaxis].astype("float32") / np.float32(255 / brightest_pixel(model))
    return x


def _probabilities(model: "Sequential", images: Array, path: Path) -> Array:
    """(N, 10): the model's probabilities, also if it ends in logits."""
    from tinycnn import kernels

    outputs = model.predict(_pixels(model, images), verbose=0)
    if not np.isfinite(outputs).all():
        end(f"{path} answers with NaN: its weights are damaged. Train it again")
    if not np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        outputs = kernels.softmax_forward(outputs)
    return np.asarray(outputs)


def _save(figure: "Figure", path: Path) -> None:
    """Writes a picture, whole or not at all, and says where."""
    from tinycnn.support.files import atomic_write

    with atomic_write(path) as file:
        figure.savefig(file, format="png")
    say(f"wrote {path}")


def _processor() -> str:
    """The processor's name as its maker gives it, or what the system calls it."""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                command, capture_output=True, check=True, text=True
            ).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()
