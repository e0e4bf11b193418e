/* The page: it begins here, and is drawn anew whenever something else is chosen. */
"use strict";

/** Draws what is chosen; `anew` if it is more than another number of the same view. */
function render(anew) {
  document.body.classList.toggle("blank", !context);
  if (anew || !context) {
    render_samples();
    render_answer();
    render_layers();
    render_target();
  }
  if (!context) {
    const text = "Nothing is drawn yet, so there is nothing to compute. Draw, or choose a picture.";
    by_id("story").replaceChildren(element("p", {}, text));
    by_id("tasks").replaceChildren();
    return;
  }
  if (anew) {
    render_story();
    render_views();
    render_maps();
    render_compare();
  }
  render_grid();
  render_explanation();
  render_edit();
}

/** The line that tells whether this page computes what Python did. */
function render_badge() {
  const { largest, where, tensors, numbers } = compare_with_python(model, page.check);
  const badge = by_id("badge");
  const intact = is_intact();
  const good = intact && is_small(largest);
  badge.className = good ? "good" : "bad";
  badge.dataset.largest = largest;
  const why = intact
    ? `The largest difference is ${short(largest)}, in the ${where}`
    : "Its numbers are damaged";
  badge.textContent = good
    ? `✓ Checked against Python: all ${tensors} outputs and gradients, ` +
      `${numbers.toLocaleString("en")} numbers; largest difference ${short(largest)}, by rounding.`
    : `✗ This page does not compute what Python did. ${why}. Do not trust it; export it again.`;
}

/** What is chosen at first: the answer's score, and the largest output of the first sums. */
function choose_beginning() {
  const run = forward(model, chosen_sample().x);
  state.target = { kind: "score", index: index_of_largest(run[run.length - 1].y) };
  const first = model.layers.findIndex(({ kind }) => kind === "conv2d" || kind === "dense");
  if (first >= 0) Object.assign(state, { layer: first, index: index_of_largest(run[first].y) });
  Object.assign(state, read_address());
  compute();
  settle();
}

function begin() {
  const numbers = model.layers.flatMap(({ parameters }) =>
    Object.values(parameters).map(({ shape }) => size_of(shape)),
  );
  by_id("model-name").textContent = model.name;
  by_id("summary").textContent =
    `One neural network, ${count_of(model.layers.length, "layer")}, ` +
    `${numbers.reduce((a, b) => a + b, 0).toLocaleString("en")} weights: ` +
    "every number of it, and how it comes about.";
  make_learn();
  if (page.peak && String(model.input_shape) === String([SIDE, SIDE, 1])) {
    make_pad(by_id("pad"), (picture) => {
      drawn.x = picture && picture.map((byte) => byte * (page.peak / 255));
      choose_sample("drawn");
    });
  }
  choose_beginning();
  if (by_id("right")) by_id("right").value = chosen_sample().label ?? state.target.index;
  document.querySelector("main").hidden = false;
  render(true);
  by_id("undo").addEventListener("click", () => {
    const done = changes.undo();
    changed(done ? "The last change is undone." : "There is no change to undo.");
  });
  by_id("reset").addEventListener("click", () => {
    changed(
      changes.reset()
        ? "All changes are undone: the model is as it was exported."
        : "There is nothing to undo: the model is as it was exported.",
    );
  });
  by_id("skip").addEventListener("click", (event) => {
    event.preventDefault();
    by_id("explanation").focus();
  });
  addEventListener("hashchange", () => show(read_address()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    by_id("grid").dataset.key = "";
    render(true);
  });
  document.documentElement.dataset.ready = performance.now();
  setTimeout(render_badge); // when the page can be seen
}

begin();
