"""The page in a real browser: opened from a file, clicked, typed into, drawn on, read."""

import re
import time

import numpy as np
import pytest
from chromium import AXE, Page, needs_axe, needs_browser
from printed import check_sum, number

from tinycnn import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    ReLU,
    Rescaling,
    Reshape,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
    kernels,
)
from tinycnn.datasets.normalization import normalize_digit
from tinycnn.explorer import export
from tinycnn.gradient_check.cases import reference_network
from tinycnn.layers import fused

pytestmark = [pytest.mark.browser, needs_browser]

ENTER, SPACE, TAB = "\ue007", " ", "\ue004"
UP, DOWN, LEFT, RIGHT = "\ue013", "\ue015", "\ue012", "\ue014"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with kernels.use("numpy"):
        page = Page(tmp_path_factory.mktemp("profile"))
        yield page
        page.close()


@pytest.fixture
def reference(page, file):
    """The page of the reference network, opened."""
    page.look()
    page.open(file)
    return page


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "reference.html"
    export(model(), path)
    return path


def model(dtype="float32"):
    """The reference network, with the same weights in either dtype, and biases that are not 0."""
    made = reference_network(seed=3)
    made.build()
    rng = np.random.default_rng(0)
    for parameter in made.parameters:
        if parameter.name == "bias":
            parameter.value[...] = rng.normal(0, 0.05, parameter.value.shape)
    copy = reference_network(seed=3, dtype=dtype)
    copy.build()
    copy.set_weights(made.get_weights())
    copy.compile("sgd", "sparse_categorical_crossentropy")
    return copy


def sums(page):
    """The printed sums of the explained number: (rows of three texts, total)."""
    script = """
      return [...document.querySelectorAll("#blocks > table.sum")].map((table) => [
        [...table.querySelectorAll("tbody > tr")].map((row) => [
          row.cells[0].firstChild.textContent, row.cells[1].textContent, row.cells[2].textContent]),
        table.querySelector(".total").textContent]);
    """
    return page.run(script)


def text(page, css):
    return page.run("return document.querySelector(arguments[0]).innerText", css)


def go(page, **choice):
    """To another number by the address, as a teacher's link does, at once."""
    words = "&".join(f"{name}={value}" for name, value in choice.items())
    page.run("location.hash = arguments[0]; show(read_address());", words)


# --- it opens -------------------------------------------------------------------------------------


def test_it_opens_without_a_request_an_error_or_a_warning(reference, file):
    assert set(reference.requests()) <= {file.resolve().as_uri(), "data:,"}
    assert reference.errors() == []
    badge = text(reference, "#badge")
    assert badge.startswith("✓ Checked against Python: all 26 outputs and gradients")
    assert float(reference.run("return document.getElementById('badge').dataset.largest")) < 1e-12


def sizes():
    """Models of many sizes: (name, model)."""
    colour = Sequential([Conv2D(32, 3, padding="same", activation="relu", input_shape=(64, 64, 3))])
    for filters in (32, 64, 64):
        colour.add(Conv2D(filters, 3, padding="same", activation="relu"))
        colour.add(MaxPooling2D())
    for layer in (GlobalAveragePooling2D(), Dense(10, activation="softmax")):
        colour.add(layer)
    wide = [Flatten(input_shape=(28, 28, 1)), Dense(6280, "relu"), Dense(10, activation="softmax")]
    return {"reference": model(), "colour": colour, "20 MB": Sequential(wide)}


@pytest.mark.parametrize("name", list(sizes()))
def test_it_is_small_and_quick(page, tmp_path, name):
    """With `-s` it prints a row of the table of sizes and times."""
    made, path = sizes()[name], tmp_path / "page.html"
    start = time.perf_counter()
    export(made, path)
    writing = time.perf_counter() - start
    times = []
    for _ in range(5):  # the quickest: other programs may be running, too
        page.open(path)
        times.append(float(page.run("return document.documentElement.dataset.ready")))
    assert text(page, "#badge").startswith("✓")
    run, both = page.run(
        """
      const { x } = chosen_sample();
      const best = (action) => Math.min(...[1, 2, 3].map(() => {
        const start = performance.now();
        action();
        return performance.now() - start;
      }));
      return [best(() => forward(model, x)), best(compute)];
    """
    )
    size = path.stat().st_size
    print(
        f"{name}: {made.count_params():,} parameters, {size:,} bytes, written in {writing:.1f} s, "
        f"interactive after {min(times):.0f} ms, forward {run:.0f} ms, backward {both - run:.0f} ms"
    )
    assert name != "reference" or (size <= 700_000 and min(times) <= 1000)
    assert page.errors() == []


def test_the_policy_lets_nothing_in_and_nothing_out(reference):
    script = """
      const done = arguments[0];
      const made = document.createElement("script");
      made.textContent = "window.injected = true";
      document.body.append(made);
      const button = document.createElement("button");
      button.setAttribute("onclick", "window.injected = true");
      document.body.append(button);
      button.click();
      const image = new Image();
      image.src = "https://example.com/x.png";
      setTimeout("window.evaluated = true");
      fetch("https://example.com/").then(() => done("fetched"), () =>
        setTimeout(() => done([window.injected === true, window.evaluated === true]), 100));
    """
    assert reference.driver.execute_async_script(script) == [False, False]
    blocked = reference.errors()
    assert sum("Content Security Policy" in line for line in blocked) >= 5


def test_a_damaged_number_turns_the_check_red(page, file, tmp_path):
    whole = file.read_text("utf-8")
    start = whole.index('"numbers":"') + 2000
    digit = "A" if whole[start] != "A" else "B"
    damaged = tmp_path / "damaged.html"
    damaged.write_text(whole[:start] + digit + whole[start + 1 :], "utf-8")
    page.open(damaged)
    assert text(page, "#badge").startswith("✗ This page does not compute what Python did.")
    assert page.run("return document.getElementById('badge').className") == "bad"
    damaged.write_text(whole.replace('"numbers":"', '"numbers":'), "utf-8")
    page.open(damaged)
    assert text(page, "#badge").startswith("✗ The page has failed: ")


def test_it_teaches_before_the_first_click(reference):
    exact = model("float64")
    x = np.asarray(reference.run("return Array.from(chosen_sample().x)")).reshape(1, 28, 28, 1)
    p = exact.predict(x, verbose=0)[0]
    story = text(reference, "#story")
    assert "8 layers and 93,322 numbers" in story
    assert (
        f"takes it for “{p.argmax()}”, with a probability of {p.max():.1%}".replace("%", " %")
        in story
    )
    largest = exact.layers[0].forward(x).max()
    assert f"is {largest:.4g}. It is made of 9 products" in story
    logits = exact.last_softmax()
    exact.forward(x)
    dy = np.eye(10)[[p.argmax()]]
    dx = exact.backward(dy, from_logits=True)
    assert logits is not None
    row, column = np.unravel_index(np.abs(dx[0, :, :, 0]).argmax(), (28, 28))
    assert f"the picture at row {row}, column {column}" in story
    assert f"{(dx == 0).sum()} have the gradient 0" in story or not (dx == 0).any()
    tasks = reference.run(
        "return [...document.querySelectorAll('#tasks li details p')].map((p) => p.textContent)"
    )
    assert len(tasks) == 3 and all(tasks)
    (rows, total), *_ = sums(reference)  # the explained number is there from the start
    check_sum(rows, total)


# --- numbers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tensors():
    """Every output and gradient for the first sample, in float64."""
    exact = model("float64")

    def of(x, index):
        with fused.off():
            outputs, y = [], x
            for layer in exact.layers:
                y = layer.forward(y)
                outputs.append(y[0])
            exact.forward(x)
            dx = {}
            dy = np.eye(10)[[index]]
            for layer, gradient in exact.backward_steps(dy, from_logits=True):
                dx[exact.layers.index(layer)] = gradient[0]
            return outputs, dx, [[p.grad for p in layer.parameters] for layer in exact.layers]

    return of


def test_the_terms_of_random_pixels_forward_and_backward_add_up_to_python_s_numbers(
    reference, tensors
):
    x = np.asarray(reference.run("return Array.from(samples[4].x)")).reshape(1, 28, 28, 1)
    outputs, dx, learned = tensors(x, 7)
    rng = np.random.default_rng(0)
    counts = {"y": 0, "dx": 0, "dkernel": 0}
    for n in range(260):
        layer = int(rng.choice([0, 1, 2, 3, 4, 6, 7]))
        views = {0: ["y", "dkernel"], 1: ["dx"], 3: ["dx"]}.get(layer, ["y", "dx", "dkernel"])
        view = views[n % len(views)]
        source = {"y": outputs, "dx": dx, "dkernel": [all_of and all_of[0] for all_of in learned]}
        flat = source[view][layer].reshape(-1)
        index = int(rng.integers(flat.size))
        go(reference, sample=4, layer=layer, view=view, index=index, target="score-7")
        if not sums(reference):
            assert "No window sees this input" in text(reference, "#blocks") and flat[index] == 0
            continue
        (rows, total), *_ = sums(reference)
        check_sum(rows, total)
        got, decimals = number(total), len(total.partition(".")[2])
        expected = flat[index]
        if view == "y" and layer < 7:
            assert max(got, 0) == pytest.approx(expected, rel=1e-6, abs=10.0**-decimals)
        elif view != "y":
            assert got == pytest.approx(expected, rel=1e-6, abs=10.0**-decimals)
        counts[view] += 1
    assert counts["y"] >= 60 and counts["dx"] + counts["dkernel"] >= 100
    assert reference.errors() == []


def test_the_told_winners_of_a_pool_are_python_s(reference):
    exact = model("float64")
    x = np.asarray(reference.run("return Array.from(samples[2].x)")).reshape(1, 28, 28, 1)
    maps = exact.layers[0].forward(x)
    y, winners = kernels.max_pool_forward(maps, (2, 2), (2, 2))
    ties = 0
    for index in np.random.default_rng(0).integers(0, y.size, 30):
        i, j, c = np.unravel_index(index, y.shape[1:])
        go(reference, sample=2, layer=1, view="y", index=index)
        told = text(reference, "#blocks")
        u, v = divmod(int(winners[0, i, j, c]), 2)
        assert f"from row {2 * i + u}, column {2 * j + v}" in told
        window = maps[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        equal = int((window == window.max()).sum())
        assert (f"the first of {equal} equal ones" in told) == (equal > 1)
        ties += equal > 1
    assert 0 < ties < 30


def test_a_term_that_is_a_sum_can_be_opened_and_all_terms_shown(reference):
    go(reference, sample=0, layer=2, view="y", index=1000)
    (rows, total), *_ = sums(reference)
    assert rows[-1][0].startswith("21 more, together")  # of 32 maps and a bias
    reference.run("document.querySelector('#blocks .others button').click()")
    (rows, whole), *_ = sums(reference)
    assert len(rows) == 33 and number(whole) == pytest.approx(number(total), rel=1e-6)
    check_sum(rows, whole)
    reference.run("document.querySelector('#blocks table.sum button[aria-expanded]').click()")
    inner = reference.run(
        """
      const table = document.querySelector("#blocks .inner table");
      return [[...table.querySelectorAll("tbody > tr")].map((row) =>
        [...row.cells].map((cell) => cell.textContent)), table.querySelector(".total").textContent];
    """
    )
    assert len(inner[0]) == 9
    check_sum(*inner)


def test_every_map_of_a_layer_is_there_and_a_chosen_value_is_python_s(reference, tensors):
    x = np.asarray(reference.run("return Array.from(samples[0].x)")).reshape(1, 28, 28, 1)
    outputs, _, _ = tensors(x, 0)
    for layer, y in enumerate(outputs):
        go(reference, sample=0, layer=layer, view="y", index=0)
        maps = reference.run("return document.querySelectorAll('#maps button').length")
        assert maps == (y.shape[-1] if y.ndim == 3 else 0)
        dead = reference.run("return document.querySelectorAll('#maps .dead').length")
        assert dead == (np.all(y == 0, axis=(0, 1)).sum() if y.ndim == 3 else 0)
    go(reference, sample=0, layer=3, view="y", index=0)
    reference.run("document.querySelector('#maps [data-map=\"9\"]').click()")
    reference.run('document.querySelector(\'#grid [data-row="2"][data-column="3"]\').click()')
    assert "row 2, column 3, map 9" in text(reference, "#number-title")
    value = number(text(reference, "#number").removeprefix("The number is ").rstrip("."))
    assert value == pytest.approx(outputs[3][2, 3, 9], rel=1e-3)


# --- changing -------------------------------------------------------------------------------------


def output_of(page):
    return np.asarray(page.run("return Array.from(context.run[context.run.length - 1].y)"))


def set_number(page, value):
    page.run(
        """
      const box = document.getElementById("edit-number");
      box.value = arguments[0];
      box.dispatchEvent(new Event("change"));
    """,
        str(value),
    )


def test_an_edit_is_python_s_edit_and_undo_brings_every_bit_back(reference):
    x = np.asarray(reference.run("return Array.from(samples[0].x)")).reshape(1, 28, 28, 1)
    exact = model("float64")
    go(reference, sample=0)
    before = output_of(reference)
    index = 1234  # of the kernel (3, 3, 32, 64)
    go(reference, sample=0, layer=2, view="kernel", index=index)
    set_number(reference, 0.75)
    exact.layers[2].kernel.value.reshape(-1)[index] = 0.75
    edited = output_of(reference)
    assert np.abs(edited - exact.predict(x, verbose=0)[0]).max() < 1e-12
    assert "is now 0.75" in text(reference, "#changed")
    go(reference, layer=4, view="bias", index=5)
    set_number(reference, -0.5)
    exact.layers[4].bias.value[5] = -0.5
    assert np.abs(output_of(reference) - exact.predict(x, verbose=0)[0]).max() < 1e-12
    reference.run("document.getElementById('undo').click()")
    assert np.array_equal(output_of(reference), edited)
    reference.run("document.getElementById('undo').click()")
    assert np.array_equal(output_of(reference), before)
    reference.run("document.getElementById('undo').click()")
    assert "no change to undo" in text(reference, "#changed")
    set_number(reference, "")
    assert "nothing is changed" in text(reference, "#changed")


def test_a_filter_is_set_to_zero_and_all_changes_are_undone(reference):
    exact = model("float64")
    x = np.asarray(reference.run("return Array.from(samples[0].x)")).reshape(1, 28, 28, 1)
    go(reference, sample=0)
    before = output_of(reference)
    go(reference, sample=0, layer=0, view="kernel", index=7)
    reference.run("document.getElementById('zero').click()")
    exact.layers[0].kernel.value[..., 7] = 0
    assert np.abs(output_of(reference) - exact.predict(x, verbose=0)[0]).max() < 1e-12
    assert "was" in text(reference, "#answer")
    reference.run("document.getElementById('step').click()")
    reference.run("document.getElementById('reset').click()")
    assert np.array_equal(output_of(reference), before)


def test_a_step_of_learning_is_python_s_and_every_change_is_explained(reference):
    x = np.asarray(reference.run("return Array.from(samples[3].x)")).reshape(1, 28, 28, 1)
    exact = model("float64")
    go(reference, sample=3)
    reference.run(
        "document.getElementById('right').value = 3; document.getElementById('rate').value = 0.1"
    )
    reference.run("document.getElementById('step').click()")
    before, gradients = exact.loss_and_gradients(x, np.array([3]), training=False)
    for parameter, gradient in zip(exact.learning, gradients, strict=True):
        parameter.value -= 0.1 * gradient
    after = exact.loss_and_gradients(x, np.array([3]), training=False)[0]
    told = text(reference, "#changed")
    got = [number(word) for word in re.findall(r"[\d.]+\d", told)]
    assert got == pytest.approx([before, after], rel=1e-3)
    assert after < before and "It fell." in told
    values = reference.run(
        """return model.layers.flatMap((layer) =>
             Object.values(layer.parameters).map(({ value }) => Array.from(value)))"""
    )
    for ours, parameter in zip(values, exact.parameters, strict=True):
        scale = np.abs(parameter.value).max()
        assert np.abs(np.asarray(ours) - parameter.value.reshape(-1)).max() < 1e-12 * scale
    go(reference, layer=7, view="kernel", index=13)
    (rows, total), *_ = sums(reference)
    check_sum(rows, total)
    assert rows[0][0] == "value before" and "learning rate \u00d7 gradient" in rows[1][0]
    assert number(total) == pytest.approx(exact.layers[7].kernel.value.reshape(-1)[13], rel=1e-6)


# --- drawing --------------------------------------------------------------------------------------


def drawn(page):
    """(the picture that the network gets, what Python makes of the same ink), bytes."""
    picture = page.run("return drawn.x && Array.from(drawn.x)")
    assert picture is not None
    return np.rint(np.reshape(picture, (28, 28)) * 255)


def test_a_finger_draws_and_the_picture_is_normalised_as_in_python(page, file):
    page.look(width=320, height=640)
    page.open(file)
    page.command("Emulation.setTouchEmulationEnabled", enabled=True)
    box = page.run(
        """const canvas = document.getElementById("drawing");
           canvas.scrollIntoView({ block: "center" });
           const { left, top, width, height } = canvas.getBoundingClientRect();
           return [left, top, width, height];"""
    )
    left, top, width, height = box

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": left + x * width, "y": top + y * height}]
        page.command("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    touch("touchStart", 0.3, 0.2)
    for step in range(1, 11):
        touch("touchMove", 0.3 + 0.04 * step, 0.2)
    for step in range(1, 11):
        touch("touchMove", 0.7 - 0.02 * step, 0.2 + 0.06 * step)
    touch("touchEnd")
    page.command("Emulation.setTouchEmulationEnabled", enabled=False)
    there = page.run("return document.getElementById('drawing').getBoundingClientRect().top")
    assert there == pytest.approx(top, abs=2)  # the finger did not move the page
    assert page.run("return state.sample") == "drawn"
    assert "your drawing" in text(page, "#answer")
    picture = drawn(page)
    assert picture.max() == 255
    # The 7 that was drawn: ink above, none below on the left.
    assert picture[:14].sum() > picture[14:].sum() and not picture[20:, :10].any()
    ours = output_of(page)
    expected = model("float64").predict(picture[None, ..., None] / 255, verbose=0)[0]
    assert np.abs(ours - expected).max() < 1e-12
    assert np.array_equal(normalize_digit(picture), picture)  # it is in MNIST's form already


def test_a_mouse_draws_and_a_blank_pad_predicts_nothing(reference):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    canvas = reference.driver.find_element(By.ID, "drawing")
    chain = ActionChains(reference.driver, duration=20)
    chain.move_to_element_with_offset(canvas, 0, -80).click_and_hold()
    chain.move_by_offset(0, 80).move_by_offset(0, 80).release().perform()
    picture = drawn(reference)
    assert np.ptp(np.flatnonzero(picture.any(axis=1))) + 1 == 20
    assert reference.run("return document.querySelectorAll('#answer .bars tr').length") == 10
    reference.run("document.getElementById('clear').click()")
    assert text(reference, "#answer") == "Nothing is drawn yet."
    assert "%" not in text(reference, "main")
    assert reference.run("return document.querySelectorAll('#answer .bars').length") == 0
    reference.run("document.querySelector('#samples button').click()")
    assert reference.run("return document.querySelectorAll('#answer .bars tr').length") == 10
    assert reference.errors() == []


# --- for everyone ---------------------------------------------------------------------------------


def tab_to(page, css, most=150):
    """Presses Tab until an element that fits has the focus."""
    for _ in range(most):
        page.press(TAB)
        if page.run("return document.activeElement.matches(arguments[0])", css):
            return
    raise AssertionError(f"Tab does not come to {css}")


def test_a_whole_tour_by_keyboard(reference):
    page = reference
    tab_to(page, "#skip", 1)
    page.press(ENTER)
    assert page.run("return document.activeElement.id") == "explanation"
    page.driver.refresh()
    page.wait("return document.getElementById('badge').textContent")
    tab_to(page, "#tasks button")
    page.press(ENTER)
    assert page.run("return document.activeElement.id") == "explanation"
    page.driver.refresh()
    page.wait("return document.getElementById('badge').textContent")
    tab_to(page, "[data-sample='2']")
    page.press(ENTER)
    assert page.run("return [state.sample, document.activeElement.dataset.sample]") == [2, "2"]
    # Draw a stroke, and clear the pad.
    tab_to(page, "#drawing")
    page.press(UP, UP, UP, SPACE, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, SPACE)
    assert "pen is up" in text(page, "#pad-status")
    assert drawn(page).any() and page.run("return state.sample") == "drawn"
    tab_to(page, "#clear")
    page.press(ENTER)
    assert text(page, "#answer") == "Nothing is drawn yet."
    page.driver.refresh()
    page.wait("return document.getElementById('badge').textContent")
    # A layer, its target, its view, a map, a pixel.
    tab_to(page, "[data-layer='2']")
    page.press(ENTER)
    assert text(page, "#layer-title") == "Inside conv2d_1"
    tab_to(page, "#target input")
    page.press(RIGHT)
    assert page.run("return state.target.kind") == "loss"
    tab_to(page, "#target-class")
    page.press("4")
    assert page.run("return state.target.index") == 4
    tab_to(page, "#views input")
    for _ in range(3):
        page.press(RIGHT)
    assert page.run("return state.view") == "dx"
    tab_to(page, "[data-map='5']")
    page.press(ENTER)
    assert page.run("return document.activeElement.dataset.map") == "5"
    tab_to(page, "[role=gridcell]")
    before = page.run("return state.index")
    row, column = page.run("const { where } = chosen_view(); return [where.row, where.column]")
    page.press(DOWN if row < 6 else UP, RIGHT if column < 6 else LEFT)
    after = page.run("return state.index")
    assert abs(after - before) == abs(
        ((1 if row < 6 else -1) * 13 + (1 if column < 6 else -1)) * 32
    )
    assert page.run("return document.activeElement.dataset.index") == str(after)
    assert "map 5" in text(page, "#number-title")
    # A term opened; a weight edited; undone; a step taken.
    tab_to(page, "#blocks button[aria-expanded]")
    page.press(ENTER)
    assert page.run("return document.querySelectorAll('#blocks .inner').length") == 1
    tab_to(page, "#edit button")
    page.press(ENTER)
    assert page.run("return [state.view, document.activeElement.id]") == ["kernel", "explanation"]
    tab_to(page, "#edit-number")
    page.press("\ue009a", "0.5", ENTER)
    assert "is now 0.5" in text(page, "#changed")
    tab_to(page, "#step")
    page.press(ENTER)
    assert "The loss was" in text(page, "#changed")
    tab_to(page, "#undo")
    page.press(ENTER, ENTER)
    assert page.run("return changes.count") == 0
    assert page.errors() == []


VIEWS = [
    *("", "layer=-1&view=dx&index=400", "layer=2&view=y&index=999", "layer=2&view=kernel&index=4"),
    *("layer=2&view=dx&index=2000", "layer=0&view=dkernel&index=40", "layer=1&view=y&index=77"),
    *("layer=1&view=dx&index=5000", "layer=4&view=cam&index=4", "layer=6&view=dkernel&index=99"),
    *("layer=7&view=y&index=3", "layer=7&view=dz&index=3&target=loss-3", "layer=5&view=y&index=2"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_width_scrolls_sideways(page, file, width, scheme, tmp_path):
    page.look(width=width, scheme=scheme)
    page.open(file)
    for view in VIEWS:
        go(page, fragment=f"&{view}")
        wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], view
    page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, file, scheme):
    page.look(scheme=scheme)
    page.open(file)
    with open(AXE, encoding="utf-8") as source:
        page.run(source.read())
    found = []
    for view in VIEWS:
        go(page, fragment=f"&{view}")
        result = page.driver.execute_async_script("axe.run().then(arguments[0])")
        assert len(result["passes"]) > 20
        found += [
            (view, one["id"], [node["html"] for node in one["nodes"]][:3])
            for one in result["violations"]
        ]
    assert found == []


def test_nothing_moves_by_itself(page, file):
    page.look(motion="reduce")
    page.open(file)
    assert page.run("return document.getAnimations().length") == 0
    page.look()
    page.open(file)
    assert page.run("return document.getAnimations().length") == 0


@pytest.mark.parametrize("view", ["layer=0&view=kernel&index=0", "layer=-1&view=dx&index=0"])
def test_a_negative_number_shows_its_sign_without_colour(reference, view):
    go(reference, fragment=f"&{view}")
    cells = reference.run(
        """return [...document.querySelectorAll("#grid [role=gridcell]")].map((cell) => [
             tensor_of(context, state.layer, state.view).values[cell.dataset.index] < 0,
             cell.getAttribute("aria-label").startsWith("\u2212"),
             cell.textContent.startsWith("\u2212") ||
               getComputedStyle(cell).backgroundImage !== "none"])"""
    )
    assert {tuple(cell) for cell in cells} == {(True, True, True), (False, False, False)}


def test_it_prints_what_is_explained_and_no_controls(reference):
    reference.look(media="print")
    hidden = ["#samples", "#pad", "#tasks", "#edit", "#learn"]
    shown = ["#story", "#answer", "#grid", "#explanation"]
    script = "return document.querySelector(arguments[0]).offsetParent !== null"
    assert [reference.run(script, css) for css in hidden] == [False] * 5
    assert [reference.run(script, css) for css in shown] == [True] * 4


def test_a_link_leads_to_the_same_page(page, file):
    page.open(file)
    page.run("document.querySelector('[data-sample=\"5\"]').click()")
    page.run("document.querySelector('[data-layer=\"4\"]').click()")
    page.run("document.querySelector('#views [value=dx]').click()")
    page.run("document.querySelector('#maps [data-map=\"3\"]').click()")
    inside = "return [...document.querySelectorAll('main > section')].map((s) => s.innerHTML)"
    expected = page.run(inside)[:4]
    fragment = page.wait("return location.hash.includes('view=dx') && location.hash")
    page.open(file, fragment)
    assert page.run(inside)[:4] == expected
    time.sleep(0.3)  # the page waits before it writes the address
    assert page.run("return location.hash") == fragment
    page.run("location.hash = '#layer=0&view=y&index=3'")
    page.wait("return document.getElementById('number-title').textContent.includes('map 3')")
    for wrong in (
        "#sample=99&layer=77&view=nothing&index=-1&target=score-1000",
        "#layer=2&view=constructor&index=99999999&target=loss-9",
        "#view=__proto__&sample=drawn",
        "#%3Cimg%3E",
    ):
        page.open(file, wrong)
        assert page.errors() == []
        assert text(page, "#number").startswith("The number is ")


# --- any model ------------------------------------------------------------------------------------

NASTY = "<img src=x onerror=window.injected=1>"


def others():
    rgb = Sequential(
        [
            Conv2D(4, (3, 2), (2, 1), "same", activation="elu", input_shape=(9, 12, 3)),
            BatchNormalization(),
            AveragePooling2D((2, 3), (1, 2), "same"),
            Conv2D(3, 2, activation="tanh"),
            GlobalAveragePooling2D(),
            Dense(5, activation="softmax"),
        ]
    )
    dense = Sequential([Dense(7, "relu", input_shape=(5,)), Dropout(0.5), Dense(3)])
    raw = Sequential(
        [
            Rescaling(1 / 255, input_shape=(28, 28, 1)),
            Conv2D(2, 5, 3, activation="leaky_relu"),
            MaxPooling2D(3, 1),
            Flatten(),
            Dense(10, activation="softmax"),
            Activation("linear"),
        ]
    )
    picture = Sequential(
        [Conv2D(1, 3, padding="same", activation="sigmoid", input_shape=(6, 8, 1))]
    )
    frozen = Sequential([Flatten(input_shape=(3, 3, 1)), Dense(2, "softmax")])
    frozen.trainable = False
    newer = Sequential(
        [
            RandomFlip("horizontal", input_shape=(12, 10, 2)),
            Normalization(mean=[0.5, 0.25], variance=[0.25, 0.5]),
            ZeroPadding2D(((1, 2), (0, 3))),
            Conv2D(3, 3, activation="silu"),
            GaussianNoise(0.1),
            UpSampling2D((2, 1)),
            ReLU(max_value=0.5, negative_slope=0.1, threshold=0.1),
            Conv2D(4, 3, strides=2, activation="softplus"),
            Normalization(name="a_long_name_of_a_normalization_layer"),
            GlobalMaxPooling2D(),
            Reshape((2, 2)),
            Flatten(),
            Dense(3, activation="softmax"),
        ],
        seed=2,
    )
    big = Sequential([MaxPooling2D(2, input_shape=(60, 70, 1)), Flatten(), Dense(2)])
    named = Sequential(
        [
            Conv2D(2, 3, name=NASTY, input_shape=(6, 6, 1)),
            Flatten(name="<!--<script>window.injected=1<"),
            Dense(2, activation="softmax", name="{{script}}"),
        ],
        name=f"{NASTY}&lt;",
    )
    return {
        **{"rgb": rgb, "dense": dense, "raw": raw, "picture": picture},
        **{"frozen": frozen, "newer": newer, "big": big, "named": named},
    }


@pytest.mark.parametrize("name", list(others()))
def test_other_models_show_all_their_views_without_an_error(page, tmp_path, name):
    made = others()[name]
    names = [NASTY, "</script><script>window.injected=1</script>"] if name == "named" else None
    export(made, tmp_path / "page.html", class_names=names)
    page.look()
    page.open(tmp_path / "page.html")
    assert text(page, "#badge").startswith("✓")
    seen = page.run(
        """
      const seen = [];
      for (const target of [{ kind: "score", index: 1 }, { kind: "loss", index: 0 }]) {
        if (target.kind === "loss" && !model.loss) continue;
        for (let layer = -1; layer < model.layers.length; layer++) {
          show({ layer, view: "y", index: 0, target });
          for (const view of views_of(layer).flatMap(([, views]) => views.map(([v]) => v))) {
            for (const share of [0, 0.5, 0.99]) {
              const { values } = tensor_of(context, layer, view);
              show({ view, index: Math.floor(share * values.length) });
              seen.push(`${layer} ${view} ${document.getElementById("number").textContent}`);
            }
          }
        }
      }
      return seen;
    """
    )
    assert len(seen) > 9 * len(made.layers)
    if page.run("return Boolean(document.getElementById('step'))"):
        page.run("document.getElementById('step').click()")
    assert page.errors() == []
    assert page.run("return [window.injected, document.images.length]") == [None, 0]
    if name == "named":
        assert text(page, "h1") == f"Inside {NASTY}&lt;"
        assert NASTY in text(page, "#layers") and NASTY in text(page, "#answer")
        assert page.run("return document.title") == f"Inside {NASTY}&lt;"


NEWER_VIEWS = [f"layer={layer}&view={view}&index=5" for layer in range(13) for view in ("y", "dx")]


@pytest.fixture(scope="module")
def newer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("newer") / "newer.html"
    export(others()["newer"], path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_width_scrolls_sideways_with_the_newer_layers(page, newer_file, width, scheme):
    page.look(width=width, scheme=scheme)
    page.open(newer_file)
    for view in NEWER_VIEWS:
        go(page, fragment=f"&{view}")
        wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], view
    assert page.errors() == []


@needs_axe
def test_axe_finds_nothing_at_the_newer_layers(page, newer_file):
    page.look()
    page.open(newer_file)
    with open(AXE, encoding="utf-8") as source:
        page.run(source.read())
    for view in NEWER_VIEWS:
        go(page, fragment=f"&{view}")
        result = page.driver.execute_async_script("axe.run().then(arguments[0])")
        assert [one["id"] for one in result["violations"]] == [], view


def test_the_printed_sums_of_the_newer_layers_add_up(page, newer_file):
    page.look()
    page.open(newer_file)
    counted = 0
    for layer in range(13):
        for view in ("y", "dx", "dz"):
            for share in np.random.default_rng(layer).random(3):
                script = "const t = tensor_of(context, arguments[0], arguments[1]);"
                script += "return t && Array.from(t.values)"
                values = page.run(script, layer, view)
                index = int(share * len(values))
                go(page, layer=layer, view=view, index=index)
                for rows, total in sums(page):
                    check_sum(rows, total)
                    counted += 1
                value = text(page, "#number").removeprefix("The number is ").removesuffix(".")
                assert number(value) == pytest.approx(values[index], rel=1e-3)
    assert counted >= 40


def test_a_large_map_shows_the_part_around_the_chosen_number(page, tmp_path):
    export(others()["big"], tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    go(page, layer=-1, view="y", index=59 * 70 + 69)
    assert page.run("return document.querySelectorAll('#grid [role=gridcell]').length") == 32 * 32
    page.run("document.querySelector('#grid [aria-selected=true]').focus()")
    for _ in range(40):
        page.press(LEFT)
    assert page.run("return [state.index, document.activeElement.dataset.index]") == [
        *(59 * 70 + 29, str(59 * 70 + 29)),
    ]
