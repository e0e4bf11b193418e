"""What the page says of a number adds up to it, as it is printed, on random networks."""

import json

import nodejs
import numpy as np
import pytest
from architectures import random_model
from nodejs import needs_node
from printed import check_sum, number

from tinycnn import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Normalization,
    ReLU,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
)
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
            for kind in ("average_pool", "global_max_pool", "zero_pad", "upsample")
            for view in ("y", "dx")
        ),
        *((kind, view) for kind in ("rescale", "batch_norm", "normalize") for view in ("y", "dx")),
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


def test_moved_and_shared_numbers_are_named():
    """Worked by hand: 2 x 2 pixels, normalised, with a border, repeated, and the largest of all."""
    model = Sequential(
        [
            Normalization(mean=1, variance=4, input_shape=(2, 2, 1)),
            ZeroPadding2D(((1, 0), (0, 1))),
            UpSampling2D((1, 2)),
            GlobalMaxPooling2D(),
            Dense(2, use_bias=False),
        ],
        dtype="float64",
    )
    model.set_weights([[[3.0, 1.0]]])
    # (x - 1) / 2 is 1, 2, 2, 0; the largest, 2, is there twice, and each is repeated once.
    said = explained_numbers(model, [[[[3.0], [5.0]], [[5.0], [1.0]]]])
    assert "The input 3 is 2 away from the mean" in said[0, "y", 0]["text"]
    assert "the deviation 2." in said[0, "y", 0]["text"]
    assert "It lies in the border" in said[1, "y", 0]["text"] and said[1, "y", 0]["value"] == 0
    assert "copy of the input at row 0, column 1: 2." in said[1, "y", 4]["text"]
    assert "Every input fills 1 x 2 places" in said[2, "y", 8]["text"]
    assert "copy of the input at row 1, column 1: 2." in said[2, "y", 8]["text"]
    assert "2, from row 1, column 2. 4 inputs are equally large" in said[3, "y", 0]["text"]
    winner, loser = said[3, "dx", 8], said[3, "dx", 0]
    assert winner["sums"][0]["rows"] == [["dz x its share", "3 x 0.25", "0.7500000"]]
    assert "one of 4 that won" in winner["text"]
    assert "2 is larger, and won" in loser["text"] and loser["value"] == 0
    assert "another number of the map is larger. A small change" in loser["text"]
    copies = said[2, "dx", 4]["sums"][0]
    assert [row[0] for row in copies["rows"]] == [
        "its copy at row 1, column 2",
        "its copy at row 1, column 3",
    ]
    assert number(copies["total"]) == said[1, "dx", 1]["value"] == 1.5
    assert said[0, "dx", 1]["sums"][0]["rows"][0][:2] == ["dz x 1 / deviation", "1.5 x 0.5"]
    assert said[0, "dx", 1]["value"] == 0.75


def test_a_relu_with_arguments_and_silu_are_told_with_their_numbers():
    relu = ReLU(max_value=2, negative_slope=0.5, threshold=1, input_shape=(4,))
    said = explained_numbers(
        Sequential([relu, Activation("silu")], dtype="float64"), [[0.0, 1.5, 2.5, 1.0]]
    )
    formula = "relu(z) = z if z is above 1, and at most 2; else 0.5 x (z - 1)."
    outputs = [said[0, "y", n] for n in range(4)]
    assert [one["value"] for one in outputs] == [-0.5, 1.5, 2, 0]
    assert all(formula in one["text"] for one in outputs)
    gates = [said[0, "dz", n]["text"] for n in range(4)]
    assert "not above the threshold 1, where the slope is 0.5." in gates[0]
    assert "so the gradient passes as it is" in gates[1]
    assert "cut off at 2: a small change of it would not show" in gates[2]
    assert "not above the threshold 1: a small change of it would not show" in gates[3]
    assert "Here sigmoid(z) is 0.8808, and 2 x 0.8808 = 1.762." in said[1, "y", 2]["text"]
    slope = "0.8808 + (2) x 0.8808 x (1 - 0.8808) = 1.091."
    assert slope in said[1, "dz", 2]["text"]


def explained_numbers(model, x):
    """{(layer, view, index): explanation} of all numbers, for the score of output 0; in ASCII."""
    with use("numpy"):
        page = page_data(model, (np.array(x), None))
    picks = [(n + 0.5) / 18 for n in range(18)]
    given = [{"page": page, "target": {"kind": "score", "index": 0}, "picks": picks}]
    text = json.dumps(nodejs.run("explain_task.js", given), ensure_ascii=False)
    (explanations,) = json.loads(text.replace("\u00d7", "x").replace("\u2212", "-"))
    return {(one["l"], one["view"], one["n"]): one for one in explanations}
