"""What the page says of a number adds up to it, as it is printed, on random networks."""

import nodejs
import numpy as np
import pytest
from architectures import random_model
from nodejs import needs_node
from printed import check_sum, number

from tinycnn import Conv2D, Flatten, MaxPooling2D, Sequential
from tinycnn.explorer.page import page_data
from tinycnn.kernels import use

pytestmark = needs_node


@pytest.fixture(scope="module")
def explained():
    """(page, explanations) of random networks, each with a score and a loss as the target."""
    given = []
    with use("numpy"):
        for seed in range(32):
            model, x = random_model(seed + 1000)
            page = page_data(model, (x, None))
            size = int(np.prod(model.output_shape))
            rng = np.random.default_rng(seed)
            for kind in ["score", "loss"][: 2 if page["model"]["loss"] else 1]:
                target = {"kind": kind, "index": int(rng.integers(size))}
                given.append({"page": page, "target": target, "picks": rng.random(2).tolist()})
    pages = [one["page"] for one in given]
    return list(zip(pages, nodejs.run("explain_task.js", given), strict=True))


def test_all_printed_sums_add_up(explained):
    seen = set()
    for page, explanations in explained:
        for one in explanations:
            for total in one["sums"]:
                check_sum(total["rows"], total["total"])
            kind = page["model"]["layers"][max(one["l"], 0)]["kind"]
            seen.add((kind, one["view"]))
    parameters = [(kind, name) for kind in ("conv2d", "dense") for name in ("kernel", "bias")]
    parameters += [("batch_norm", name) for name in ("gamma", "beta")]
    assert seen >= {
        *((kind, view) for kind in ("conv2d", "dense", "max_pool") for view in ("y", "dx", "dz")),
        *(
            (kind, view)
            for kind in ("average_pool", "rescale", "batch_norm")
            for view in ("y", "dx")
        ),
        *parameters,
        *((kind, f"d{name}") for kind, name in parameters),
        ("conv2d", "cam"),
    }


def test_the_printed_total_is_the_number(explained):
    compared = 0
    for page, explanations in explained:
        for one in explanations:
            layer = page["model"]["layers"][max(one["l"], 0)]
            if one["view"] == "cam" or one["view"] in layer["parameters"] or not one["sums"]:
                continue
            expected = one["z"] if one["z"] is not None else one["value"]
            # Where a loss begins, its sum dy comes before the dz that it becomes.
            total = next((t for t in one["sums"] if t["name"] != "dy"), one["sums"][0])
            last = 10.0 ** -len(total["total"].partition(".")[2])
            assert number(total["total"]) == pytest.approx(expected, rel=1e-6, abs=last), one
            compared += 1
    assert compared > 700


def test_ties_and_padding_are_named():
    model = Sequential(
        [Conv2D(1, 3, padding="same", use_bias=False, input_shape=(4, 4, 1)), MaxPooling2D(3, 1)]
    )
    model.add(Flatten())
    model.set_weights([np.ones((3, 3, 1, 1))])
    x = np.ones((1, 4, 4, 1))
    with use("numpy"):
        page = page_data(model, (x, None))
    given = [{"page": page, "target": {"kind": "score", "index": 0}, "picks": [0.0, 0.4]}]
    (explanations,) = nodejs.run("explain_task.js", given)
    texts = {(one["l"], one["view"], one["n"]): one for one in explanations}
    corner = texts[0, "y", 0]
    outside = [row for row in corner["sums"][0]["rows"] if "(outside: 0)" in row[0]]
    assert len(outside) == 5 and all(number(value) == 0 for _, _, value in outside)
    assert "lies outside of the picture" in corner["text"]
    # The four inner windows of the convolution see nine ones each.
    assert "the first of 4 equal ones" in texts[1, "y", 0]["text"]
    smaller, tie = texts[1, "dx", 0], texts[1, "dx", 6]
    assert number(smaller["sums"][0]["total"]) == number(tie["sums"][0]["total"]) == 0
    assert "is larger, and takes it all. A small change here would not" in smaller["text"]
    assert "is equal and comes first" in tie["text"] and "small change" not in tie["text"]
