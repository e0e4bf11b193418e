"""What is drawn on the page is normalised as `normalize_digit` does it."""

import nodejs
import numpy as np
import pytest
from nodejs import needs_node

from tinycnn.datasets.normalization import SIDE, normalize_digit

pytestmark = needs_node

GRID = 140


def strokes(rng):
    """One to three broken lines, and dots, anywhere on the grid and over its rim."""
    size = rng.choice([25, 75, GRID])  # small digits, too
    start = rng.uniform(-5, GRID + 5 - size, 2)
    return [
        (start + rng.uniform(0, size, (rng.integers(1, 6), 2))).tolist()
        for _ in range(rng.integers(1, 4))
    ]


def test_two_hundred_drawings_become_the_pictures_of_python():
    drawings = [strokes(np.random.default_rng(seed)) for seed in range(200)]
    results = nodejs.run("draw_task.js", drawings)
    assert len(results) == 200
    for result in results:
        pixels = np.reshape(result["pixels"], (SIDE, SIDE))
        assert pixels.any() and not pixels[[0, -1]].any() and not pixels[:, [0, -1]].any()
        expected = normalize_digit(pixels).astype(float)
        # One level of gray: where a byte lies at a half, the last bit of a sum decides.
        assert np.abs(np.reshape(result["picture"], (SIDE, SIDE)) - expected).max() <= 1
    assert len({tuple(result["picture"]) for result in results}) > 190


def test_a_line_has_the_pen_s_width_and_round_ends():
    (result,) = nodejs.run("draw_task.js", [[[[40, 70], [100, 70]]]])
    pixels = np.reshape(result["pixels"], (SIDE, SIDE))
    # 60 cells by 14, and a disk of radius 7, in pixels of 25 cells; the rim is made of whole cells.
    assert pixels.sum() == pytest.approx((60 * 14 + np.pi * 7**2) / 25, rel=0.01)
    rows, columns = (np.flatnonzero(pixels.sum(axis=axis)) for axis in (1, 0))
    assert (rows.min(), rows.max()) == (12, 15)  # cells 63 to 76
    assert (columns.min(), columns.max()) == (6, 21)  # cells 33 to 106


def test_a_blank_grid_has_no_picture():
    assert nodejs.run("draw_task.js", [[]])[0]["picture"] is None
