"""The pictures: what they show, read back from the figure; and that everything can be read."""

import io
from unittest import mock

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from tinycnn import History, inspection, plotting

# As long as they get; the pictures must also bear a longer one.
TITLE = "drawn digits (not MNIST): CNN, 93,322 parameters, test accuracy 0.9907"
RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 8, 7, 1))
LABELS = np.arange(12) % 10
PROBABILITIES = RNG.dirichlet(np.full(10, 0.2), 12)
MAPS = np.maximum(RNG.standard_normal((5, 4, 3, 70)), 0)
MAPS[..., 1] = 0
MAPS[0, ..., 2] = 0


def history(**values):
    result = History()
    for epoch in range(3):
        result.on_epoch_end(epoch, {name: value + epoch for name, value in values.items()})
    return result


def counts(K, largest):
    return np.random.default_rng(1).integers(0, 20, (K, K)) + np.diag(np.full(K, largest))


BOTH = {"accuracy": 0.8, "loss": 0.5, "val_accuracy": 0.7, "val_loss": 0.6}
FIGURES = {
    "history": lambda title: plotting.plot_history(history(**BOTH), title),
    "history, loss only": lambda title: plotting.plot_history(history(loss=1.0), title),
    "confusion": lambda title: plotting.plot_confusion_matrix(counts(10, 60000), title),
    "confusion of 2": lambda title: plotting.plot_confusion_matrix(counts(2, 7), title),
    "confusion of 26": lambda title: plotting.plot_confusion_matrix(counts(26, 900), title),
    "confusion, empty class": lambda t: plotting.plot_confusion_matrix(np.diag([3, 0, 1]), t),
    "predictions": lambda t: plotting.plot_predictions(IMAGES, LABELS, PROBABILITIES, t),
    "one prediction": lambda title: plotting.plot_predictions(
        IMAGES[:1], LABELS[:1], PROBABILITIES[:1], title
    ),
    "mistakes": lambda title: plotting.plot_mistakes(IMAGES, LABELS, PROBABILITIES, title, 7),
    "one mistake": lambda title: plotting.plot_mistakes(IMAGES, LABELS, PROBABILITIES, title, 1),
    "no mistakes": lambda title: plotting.plot_mistakes(IMAGES[:3], [0, 1, 2], np.eye(3), title),
    "filters": lambda title: plotting.plot_filters(RNG.standard_normal((3, 2, 1, 32)), title),
    "one filter": lambda title: plotting.plot_filters(np.zeros((5, 5, 1, 1)), title),
    "deep filters": lambda title: plotting.plot_filters(
        RNG.standard_normal((3, 3, 32, 64)), title, "a_layer_with_a_long_name"
    ),
    "filters of 3": lambda title: plotting.plot_filters(RNG.standard_normal((1, 7, 3, 2)), title),
    "maps": lambda title: plotting.plot_feature_maps(IMAGES[0], MAPS, title, "conv2d_10"),
    "one map": lambda title: plotting.plot_feature_maps(IMAGES[0], MAPS[:1, ..., :1], title),
    "signed maps": lambda t: plotting.plot_feature_maps(IMAGES[0], MAPS[..., :12] - 100, t),
    "units": lambda title: plotting.plot_feature_maps(IMAGES[0], MAPS[:, 0, 0], title),
    "saliency": lambda title: plotting.plot_saliency(IMAGES, -IMAGES, LABELS, title),
    "one saliency": lambda title: plotting.plot_saliency(IMAGES[:1], -IMAGES[:1], [3], title),
    "grad-cam": lambda title: plotting.plot_grad_cam(IMAGES, MAPS[[0] * 12, ..., 0], LABELS, title),
    "no evidence": lambda title: plotting.plot_grad_cam(
        IMAGES[:2], MAPS[:2, ..., 1], [0, 1], title
    ),
    "im2col": lambda title: plotting.plot_im2col(IMAGES[0, :5, :5, 0], title=title),
    "im2col of 36 x 25": lambda title: plotting.plot_im2col(
        IMAGES[0, :6, :6, 0], (5, 5), padding="same", title=title
    ),
    "im2col of one window": lambda title: plotting.plot_im2col(
        IMAGES[0, :2, :2, 0], (2, 2), title=title
    ),
    "augmentation": lambda title: plotting.plot_augmentation(
        IMAGES[0], {"RandomTranslation": IMAGES[:8], "RandomRotation": IMAGES[:8]}, title
    ),
    "reading": lambda title: plotting.plot_reading(
        np.zeros((40, 90, 3), int), IMAGES[0, ..., 0], PROBABILITIES[0], "0123456789", title
    ),
    "one augmentation": lambda t: plotting.plot_augmentation(IMAGES[0], {"Shift": IMAGES[:1]}, t),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


def drawn_texts(figure):
    """Every text that reaches the canvas, with its box in pixels; and the canvas's size."""
    drawn, draw = {}, Text.draw

    def note(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn[id(text)] = text
        draw(text, renderer)

    canvas = FigureCanvasAgg(figure)
    with mock.patch.object(Text, "draw", note):
        canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [(text, text.get_window_extent(renderer)) for text in drawn.values()]
    return boxes, canvas.get_width_height()


def faults(figure):
    """What can't be read: texts that leave the figure or meet, and axes without a label."""
    assert figure.dpi == 100
    boxes, (width, height) = drawn_texts(figure)
    for i, (text, box) in enumerate(boxes):
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            yield f"{text.get_text()!r} leaves the figure: {box}"
        for other, its_box in boxes[:i]:
            # Boxes hold a pixel of air on each side.
            if min(box.x1, its_box.x1) - max(box.x0, its_box.x0) > 1 and (
                min(box.y1, its_box.y1) - max(box.y0, its_box.y0) > 1
            ):
                yield f"{text.get_text()!r} meets {other.get_text()!r}"
    shown = {id(text) for text, _ in boxes}
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            if not axes.get_ylabel():
                yield "a colour bar has no label"
            continue
        place = axes.get_subplotspec()
        for which, axis, span in (("x", axes.xaxis, "colspan"), ("y", axes.yaxis, "rowspan")):
            common = getattr(figure, f"get_sup{which}label")()
            labels = {axis.get_label_text(), common if which == "y" or "pixel" in common else ""}
            if not any(id(text) in shown for text in axis.get_ticklabels()):
                # Axes without numbers may share the label of the row or the column they are in.
                labels |= {
                    getattr(other, f"{which}axis").get_label_text()
                    for other in figure.axes
                    if other.get_label() != "<colorbar>"
                    and getattr(other.get_subplotspec(), span) == getattr(place, span)
                }
            if not any(labels) and "kernel" not in common:
                yield f"{which} axis without a label in {axes.get_title()!r}"


@every_figure
def test_everything_can_be_read(name):
    figure = FIGURES[name](TITLE)
    assert list(faults(figure)) == []
    assert figure.get_suptitle().endswith(TITLE)


# The narrowest ones.
@pytest.mark.parametrize("name", [name for name in FIGURES if "one" in name or "history" in name])
def test_a_long_title_is_broken_into_lines(name):
    long = "data in MNIST's format (not MNIST), shifted and rotated: " + TITLE
    assert list(faults(FIGURES[name](long))) == []


def test_every_picture_is_tried():
    used = {name for make in FIGURES.values() for name in make.__code__.co_names}
    pictures = {name for name in plotting.__all__ if name.startswith("plot_")}
    assert pictures - {"plot_model"} <= used  # boxes, without axes: models/test_plot_model.py


def test_the_check_finds_what_can_not_be_read():
    figure = FIGURES["history"](TITLE)
    assert list(faults(figure)) == []
    figure.axes[0].set_ylabel("")
    figure.text(0.99, 0.5, "too far right")
    figure.text(0.3, 0.3, "one")
    figure.text(0.3, 0.31, "two")
    left, met, label = sorted(faults(figure), key=lambda fault: fault.split(" ")[-2])
    found = "\n".join([left, met, label])
    assert "'too far right' leaves the figure" in found
    assert "'two' meets 'one'" in found
    assert "y axis without a label in 'Accuracy'" in found


def test_saving_needs_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    file = io.BytesIO()
    FIGURES["history"](TITLE).savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


# --- what they show -------------------------------------------------------------------------------


def words(axes):
    return [text.get_text() for text in axes.texts]


def picture(axes):
    return np.ma.getdata(axes.images[0].get_array())


def test_history_curves_show_the_numbers():
    figure = plotting.plot_history(history(**BOTH), "data and model")
    accuracy, loss = figure.axes
    for axes, name, first in ((accuracy, "accuracy", (0.8, 0.7)), (loss, "loss", (0.5, 0.6))):
        training, validation = axes.get_lines()
        assert list(training.get_xdata()) == [1, 2, 3]
        assert list(training.get_ydata()) == [first[0], first[0] + 1, first[0] + 2]
        assert list(validation.get_ydata()) == [first[1], first[1] + 1, first[1] + 2]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", name)
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["training", "validation"]
    assert figure.get_suptitle() == "data and model"


def test_history_without_validation_or_metrics():
    (axes,) = plotting.plot_history(history(loss=1.0)).axes
    assert len(axes.get_lines()) == 1


def test_confusion_matrix_shows_counts_recall_and_precision():
    figure = plotting.plot_confusion_matrix(np.array([[8, 2, 0], [0, 5, 0], [1, 0, 0]]))
    assert figure.get_suptitle() == "Confusion matrix: 13 of 16 right (81.25%)"
    matrix, recall, precision = figure.axes
    at = {text.get_position(): text.get_text() for text in matrix.texts}
    assert at == {(0, 0): "8", (1, 0): "2", (1, 1): "5", (0, 2): "1"}  # (predicted, true)
    # 8 of the row 8 2 0, 5 of 5, 0 of 1; 8 of the column 8 0 1, 5 of 2 5 0, 0 of nothing.
    assert words(recall) == ["80.0", "100.0", "0.0"]
    assert words(precision) == ["88.9", "71.4", "-"]


def test_confusion_matrix_tells_mistakes_by_colour():
    figure = plotting.plot_confusion_matrix(np.array([[9000, 3], [1, 9000]]))
    right, wrong = (image.to_rgba(image.get_array())[..., :3] for image in figure.axes[0].images)
    blue, orange, pale = right[0, 0], wrong[0, 1], wrong[1, 0]
    assert blue[2] > blue[0] + 0.2
    assert orange[0] > orange[2] + 0.2
    assert pale.sum() > orange.sum() + 0.2


def test_predictions_show_every_probability():
    figure = plotting.plot_predictions(IMAGES[:2], [0, 1], np.array([[0.7, 0.3], [0.75, 0.25]]))
    first, second, *bars = figure.axes
    np.testing.assert_array_equal(picture(second), IMAGES[1, ..., 0])
    assert first.get_title() == "0 (70.0%), right"
    assert second.get_title() == "0 (75.0%), WRONG: is 1"
    assert [[bar.get_height() for bar in axes.patches] for axes in bars] == [
        [0.7, 0.3],
        [0.75, 0.25],
    ]
    # Told by more than by colour.
    assert [[bar.get_hatch() for bar in axes.patches] for axes in bars] == [
        [None, None],
        ["////", None],
    ]


def test_mistakes_show_the_surest_first():
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8]])
    figure = plotting.plot_mistakes(IMAGES[:3], [0, 0, 1], probabilities)
    assert figure.get_suptitle() == "Mistakes: the 2 most confident of 2 in 3"
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("0 read as 1, 90.0%", "0 read as 1, 60.0%")
    np.testing.assert_array_equal(picture(first), IMAGES[1, ..., 0])
    none = plotting.plot_mistakes(IMAGES[:2], [1, 1], probabilities[:2])
    assert none.get_suptitle() == "No mistakes in 2 images"
    assert none.axes == []


def test_a_reading_shows_the_picture_the_input_and_the_probabilities():
    image, small = np.arange(12).reshape(3, 4), np.arange(4).reshape(2, 2)
    probabilities = np.array([0.2, 0.7, 0.1])
    figure = plotting.plot_reading(image, small, probabilities, ["a", "b", "c"], "title")
    original, seen, answer = figure.axes
    np.testing.assert_array_equal(picture(original), image)
    np.testing.assert_array_equal(picture(seen), small)
    assert (original.get_title(), seen.get_title()) == ("picture, 4 x 3", "network's input, 2 x 2")
    assert [bar.get_height() for bar in answer.patches] == [0.2, 0.7, 0.1]
    colours = [bar.get_facecolor() for bar in answer.patches]
    assert colours[0] == colours[2] != colours[1]
    assert figure.get_suptitle() == "title"


def test_filters_lie_on_one_scale():
    kernel = RNG.standard_normal((3, 2, 1, 5))
    figure = plotting.plot_filters(kernel, layer="conv2d")
    assert figure.get_suptitle() == "conv2d: 5 filters of 3 x 2 x 1"
    *filters, bar = figure.axes
    limit = np.abs(kernel).max()
    for f, axes in enumerate(filters):
        np.testing.assert_array_equal(picture(axes), kernel[:, :, 0, f])
        assert axes.images[0].get_clim() == (-limit, limit)
    assert bar.get_ylabel() == "weight"


def test_filters_of_many_channels_are_tiles():
    kernel = RNG.standard_normal((3, 2, 20, 40))
    figure = plotting.plot_filters(kernel, layer="conv2d_1")
    assert figure.get_suptitle() == (
        "conv2d_1: first 32 of 40 filters of 3 x 2 x 20, on the first 16 input channels"
    )
    tiles = picture(figure.axes[0])
    for c, f in np.ndindex(16, 32):
        top, left = 4 * c, 3 * f
        np.testing.assert_array_equal(tiles[top : top + 3, left : left + 2], kernel[:, :, c, f])


def test_feature_maps_each_on_their_own_scale_and_the_dead_are_labelled():
    figure = plotting.plot_feature_maps(IMAGES[0], MAPS, layer="conv2d")
    first, *maps = figure.axes
    assert figure.get_suptitle() == (
        "conv2d: first 64 of 70 maps of 4 x 3, 2 at 0 here, 1 dead (0 for all 5 images)"
    )
    np.testing.assert_array_equal(picture(first), IMAGES[0, ..., 0])
    assert len(maps) == 64
    assert [axes.get_title() for axes in maps[1:3]] == ["1: dead", "2: 0 here"]
    assert [len(axes.images) for axes in maps[:4]] == [1, 0, 0, 1]
    assert [axes.patch.get_hatch() for axes in maps[:4]] == [None, "///", "///", None]
    np.testing.assert_array_equal(picture(maps[3]), MAPS[0, ..., 3])
    assert maps[3].images[0].get_clim() == (0, MAPS[0, ..., 3].max())
    # Of one sample nobody knows whether a map is dead.
    alone = plotting.plot_feature_maps(IMAGES[0], MAPS[:1])
    assert [axes.get_title() for axes in alone.axes[2:4]] == ["1: 0 here", "2: 0 here"]


def test_maps_below_zero_have_white_in_the_middle():
    maps = MAPS[:1, ..., :2] - 0.5
    axes = plotting.plot_feature_maps(IMAGES[0], maps).axes[1]
    size = np.abs(maps[0, ..., 0]).max()
    assert axes.images[0].get_clim() == (-size, size)
    np.testing.assert_allclose(axes.images[0].cmap(0.5)[:3], 1, atol=0.02)  # 256 steps


def test_units_are_bars_and_the_dead_are_marked():
    units = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    figure = plotting.plot_feature_maps(IMAGES[0], units, layer="dense")
    assert figure.get_suptitle() == "dense: 3 units, 2 at 0 here, 1 dead (0 for all 2 images)"
    bars = figure.axes[1]
    assert [bar.get_height() for bar in bars.patches] == [0, 2, 0]
    assert bars.get_lines()[0].get_xdata().tolist() == [0]
    with pytest.raises(ValueError, match=r"Received: maps of shape \(2, 3, 4\)"):
        plotting.plot_feature_maps(IMAGES[0], np.zeros((2, 3, 4)))


def test_saliency_shows_the_largest_slope_of_all_channels():
    gradients = RNG.standard_normal((2, 8, 7, 3))
    figure = plotting.plot_saliency(IMAGES[:2], gradients, [4, 9])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["class 4", "class 9"]
    np.testing.assert_array_equal(picture(figure.axes[0]), IMAGES[0, ..., 0])
    np.testing.assert_array_equal(picture(figure.axes[3]), np.abs(gradients[1]).max(axis=-1))


def test_grad_cam_is_stretched_over_the_image():
    figure = plotting.plot_grad_cam(
        IMAGES[:2], MAPS[:2, ..., 0] * [[[1]], [[0]]], [4, 9], layer="conv2d_1"
    )
    image, cam = figure.axes[2].images
    np.testing.assert_array_equal(cam.get_array(), MAPS[0, ..., 0])
    assert cam.get_extent() == image.get_extent()
    assert "conv2d_1" in figure.get_suptitle()
    assert cam.cmap(0.0)[3] == 0  # where there is no evidence the image is seen
    assert [axes.get_title() for axes in figure.axes[2:]] == ["", "0 everywhere"]


def test_im2col_names_the_source_of_every_cell():
    image = np.arange(9.0).reshape(3, 3)
    image_axes, matrix, copies = plotting.plot_im2col(image, (2, 2), padding="same").axes
    assert words(image_axes) == [str(i) for i in range(9)]
    sources = inspection.window_sources((3, 3), (2, 2), padding="same")
    assert words(matrix) == ["-" if i < 0 else str(i) for i in sources.ravel()]
    np.testing.assert_array_equal(picture(matrix), np.append(image, 0)[sources])
    assert words(copies) == ["1", "2", "2", "2", "4", "4", "2", "4", "4"]
    assert [text.get_text() for text in matrix.get_yticklabels()][:4] == [
        "0, 0",
        "0, 1",
        "0, 2",
        "1, 0",
    ]
    assert [text.get_text() for text in matrix.get_xticklabels()] == [
        "0, 0",
        "0, 1",
        "1, 0",
        "1, 1",
    ]


def test_im2col_frames_a_pixel_and_its_copies():
    figure = plotting.plot_im2col(np.zeros((3, 3)), (2, 2))
    # The window's frame first; then pixel 4 in the image, its 4 copies, and where their number is.
    assert [len(axes.patches) for axes in figure.axes] == [2, 5, 1]
    centres = [patch.get_xy()[:4].mean(axis=0).tolist() for patch in figure.axes[1].patches[1:]]
    assert centres == [[3, 0], [2, 1], [1, 2], [0, 3]]  # (column, row)
    assert "pixel 4 and its 4 copies" in figure.get_supxlabel()


def test_im2col_refuses_what_could_not_be_read():
    with pytest.raises(ValueError, match="Received: 49 windows of 4"):
        plotting.plot_im2col(np.zeros((8, 8)), (2, 2))


def test_augmentation_shows_a_row_for_each_layer():
    figure = plotting.plot_augmentation(IMAGES[0], {"a": IMAGES[1:3], "b": IMAGES[3:5]})
    shown = [picture(axes) for axes in figure.axes]
    for actual, n in zip(shown, [0, 1, 2, 0, 3, 4], strict=True):
        np.testing.assert_array_equal(actual, IMAGES[n, ..., 0])
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["a", "b"]


def test_contact_sheet_holds_all_pictures_side_by_side():
    figures = [FIGURES[name](TITLE) for name in ("one mistake", "units", "no mistakes")]
    sheet = plotting.contact_sheet(figures, columns=2, width=600)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels.shape[1] == 600
    assert [figure.dpi for figure in figures] == [100, 100, 100]
    first, second, third = sheet.images
    assert (first.ox, second.ox) == (15, 307)
    # The third goes under the shorter of the two.
    assert third.ox == (15 if first.get_size()[0] < second.get_size()[0] else 307)
    assert (pixels[..., :3].min(axis=2) < 128).mean() > 0.005
