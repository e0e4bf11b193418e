"""The picture of a model: a box for each layer, in order."""

from itertools import pairwise

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import tinycnn as keras
from tinycnn import Conv2D, Dense, Flatten, Input, Sequential

pytestmark = pytest.mark.usefixtures("numpy_rung")


def model():
    return Sequential(
        [Input((6, 5, 1)), Conv2D(4, 3, activation="relu"), Flatten(), Dense(3, name="$end$")]
    )


def texts(figure):
    return [text.get_text().split("\n") for text in figure.axes[0].texts if text.get_text()]


def test_every_layer_has_its_box_and_each_two_an_arrow(tmp_path):
    figure = keras.utils.plot_model(model(), tmp_path / "m.png", True, True, dpi=50)
    assert texts(figure) == [
        ["Input", "out: (None, 6, 5, 1)"],
        ["conv2d", "Conv2D", "in: (None, 6, 5, 1)", "out: (None, 4, 3, 4)"],
        ["flatten", "Flatten", "in: (None, 4, 3, 4)", "out: (None, 48)"],
        [r"\$end\$", "Dense", "in: (None, 48)", "out: (None, 3)"],
    ]
    arrows = [t for t in figure.axes[0].texts if getattr(t, "arrow_patch", None)]
    assert len(arrows) == 3
    pixels = matplotlib.image.imread(tmp_path / "m.png")
    assert pixels.shape[:2] == tuple(np.round(figure.get_size_inches()[::-1] * 50))
    assert 0.01 < np.mean(pixels[..., :3] < 0.9) < 0.5  # ink on white


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_the_boxes_do_not_overlap_and_follow_the_direction(rankdir):
    figure = keras.plotting.plot_model(model(), None, True, True, True, True, rankdir=rankdir)
    FigureCanvasAgg(figure).draw()
    boxes = [
        text.get_bbox_patch().get_window_extent()
        for text in figure.axes[0].texts
        if text.get_text()
    ]
    for before, after in pairwise(boxes):
        gap = before.y0 - after.y1 if rankdir == "TB" else after.x0 - before.x1
        assert gap > 5  # pixels, for the arrow
    assert ["activation: relu", "trainable"] == [texts(figure)[1][i] for i in (2, 5)]


def test_what_is_not_there_is_refused():
    with pytest.raises(TypeError, match="plot_model has no argument `show_dtype`"):
        keras.utils.plot_model(model(), None, show_dtype=True)
    with pytest.raises(ValueError, match="unknown rankdir; known are TB, LR"):
        keras.utils.plot_model(model(), None, rankdir="BT")
    with pytest.raises(ValueError, match="give the first layer an input_shape"):
        keras.utils.plot_model(Sequential([Dense(2)]), None)
