"""How results show themselves: in a line, and as HTML."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adam,
    CategoricalCrossentropy,
    Dense,
    Flatten,
    History,
    MeanSquaredError,
    Sequential,
    plotting,
)
from tinycnn.losses import LOSSES
from tinycnn.optimizers import OPTIMIZERS, Optimizer
from tinycnn.optimizers.schedules import ExponentialDecay


def parsed(text):
    """The HTML, which here is XML as well, so that every tag is closed."""
    return ElementTree.fromstring(f"<page>{text}</page>")


def cells(page):
    """The rows of the table, the header first."""
    return [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]


def history(**values):
    made = History()
    for epoch in range(len(next(iter(values.values()), []))):
        made.on_epoch_end(epoch, {name: of[epoch] for name, of in values.items()})
    return made


# --- History --------------------------------------------------------------------------------------


def test_a_history_tells_its_last_epoch():
    assert repr(History()) == "History(no epoch)"
    assert repr(history(loss=[0.5])) == "History(1 epoch: loss 0.5000)"
    made = history(accuracy=[0.1, 0.9], loss=[2.0, 0.00012345])
    assert repr(made) == "History(2 epochs: accuracy 0.9000, loss 1.2345e-04)"


def test_a_history_in_html_has_every_number_and_a_curve_for_each_metric():
    made = history(loss=[2.0, 1.0], val_loss=[3.0, 0.5], accuracy=[0.25, 0.5])
    page = parsed(made._repr_html_())
    assert cells(page) == [
        ["epoch", "loss", "val_loss", "accuracy"],
        ["1", "2.0000", "3.0000", "0.2500"],
        ["2", "1.0000", "0.5000", "0.5000"],
    ]
    titles = [caption.text for caption in page.iter("figcaption")]
    assert titles == [
        "loss (blue), val_loss (dashed): from 0.5 to 3",
        "accuracy: from 0.25 to 0.5",
    ]
    loss, val_loss, accuracy = (line.attrib["points"].split() for line in page.iter("polyline"))
    height = [float(point.split(",")[1]) for point in loss + val_loss]
    # One scale for both: down the page is down in value.
    order = np.argsort([2.0, 1.0, 3.0, 0.5])
    assert list(np.argsort(height)) == list(order[::-1])


def test_a_long_history_shows_its_last_ten_epochs_and_says_so():
    page = parsed(history(loss=list(map(float, range(25))))._repr_html_())
    rows = cells(page)
    assert [row[0] for row in rows[1:]] == [str(epoch) for epoch in range(16, 26)]
    assert "".join(next(page.iter("caption")).itertext()) == "the last ten epochs"


@pytest.mark.parametrize(
    "values",
    [
        {"loss": [np.nan, 1.0]},
        {"loss": [1.0]},
        {"note": ["<b>bold</b>", "text"]},
        {"big": [10**400, 1]},
        {"array": [np.ones(3), np.ones(3)]},
    ],
)
def test_whatever_a_callback_logged_can_be_shown(values):
    made = history(**values)
    assert repr(made).startswith("History(")
    page = parsed(made._repr_html_())
    assert len(cells(page)) == 1 + len(made.epoch)
    assert not list(page.iter("b")) and not list(page.iter("polyline"))


def test_the_history_of_a_metric_that_came_later_is_shown_without_it():
    made = history(loss=[1.0, 2.0])
    made.history["late"] = [3.0]
    assert cells(parsed(made._repr_html_()))[0] == ["epoch", "loss"]


# --- Sequential -----------------------------------------------------------------------------------


def test_a_model_tells_its_size_and_shapes():
    model = Sequential([Flatten(input_shape=(4, 4, 1)), Dense(10)], name="tiny")
    assert repr(model) == "<Sequential 'tiny': 2 layers, 170 parameters, (4, 4, 1) -> (10,)>"
    assert repr(Sequential()) == "<Sequential 'sequential': 0 layers, not built yet>"


def test_a_model_that_is_not_built_is_not_built_by_being_looked_at():
    model = Sequential([Dense(3)])
    assert repr(model) == "<Sequential 'sequential': 1 layer, not built yet>"
    assert cells(parsed(model._repr_html_()))[1] == ["dense (Dense)", "?", "0 (unbuilt)"]
    assert not model.layers[0].built


def test_a_model_in_html_is_its_summary(capsys):
    model = Sequential([Flatten(input_shape=(4, 4, 1)), Dense(10, name="a<b")])
    page = parsed(model._repr_html_())
    assert cells(page)[1:] == [
        ["flatten (Flatten)", "(None, 16)", "0"],
        ["a<b (Dense)", "(None, 10)", "170"],
    ]
    model.summary()
    text = capsys.readouterr().out
    assert all(cell in text for row in cells(page) for cell in row)
    assert "Trainable params: 170" in "".join(next(page.iter("caption")).itertext())


# --- optimizers, losses, schedules ----------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_the_call_that_makes_it(name):
    made = OPTIMIZERS[name](learning_rate=0.125, clipnorm=2.0)
    again = eval(repr(made), dict(OPTIMIZERS))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert repr(OPTIMIZERS[name]()) == f"{name}(learning_rate={OPTIMIZERS[name]().learning_rate})"


def test_what_differs_from_the_defaults_is_told():
    assert repr(SGD(0.1, momentum=0.9)) == "SGD(learning_rate=0.1, momentum=0.9)"
    schedule = ExponentialDecay(0.1, 10, 0.5)
    assert eval(repr(schedule), {"ExponentialDecay": ExponentialDecay})(10) == schedule(10)
    assert repr(Adam(schedule)).startswith("Adam(learning_rate=ExponentialDecay(")


def test_an_optimizer_in_html_tells_every_setting_and_its_steps():
    page = parsed(SGD(0.1, momentum=0.5)._repr_html_())
    told = dict(cells(page)[1:])
    assert told["momentum"] == "0.5" and told["weight_decay"] == "None"
    assert set(told) == set(SGD().get_config())
    assert "".join(next(page.iter("caption")).itertext()) == "SGD, 0 steps made"


def test_an_optimizer_of_ones_own():
    class Mine(Optimizer):
        def update_step(self, value, gradient, learning_rate):
            value -= learning_rate * gradient

    assert repr(Mine(0.5)) == "Mine(learning_rate=0.5)"


def test_a_loss_is_the_call_that_makes_it():
    for name, loss in LOSSES.items():
        assert repr(loss()) == f"{name}()"
    loss = CategoricalCrossentropy(from_logits=True)
    assert repr(loss) == "CategoricalCrossentropy(from_logits=True)"
    assert repr(MeanSquaredError()) == "MeanSquaredError()"


# --- pictures -------------------------------------------------------------------------------------


def test_every_picture_shows_itself_in_a_notebook():
    figure = plotting.plot_history(history(loss=[1.0, 0.5]))
    for shown in (figure, plotting.contact_sheet([figure])):
        png, _ = shown._repr_png_()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
