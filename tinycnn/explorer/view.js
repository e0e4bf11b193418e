/* The page: it begins here, and is drawn anew whenever something else is chosen. */
"use strict";

/** Draws all that depends on what is chosen; `anew` if it is more than another number of the same view. */
function render(anew) {
  render_answer();
  render_samples();
  render_layers();
  render_target();
  document.body.classList.toggle("blank", !context);
  if (!context) {
    by_id("story").replaceChildren(
      element(
        "p",
        {},
        "Nothing is drawn yet, so there is nothing to compute. Draw a digit, or choose a picture.",
      ),
    );
    by_id("tasks").replaceChildren();
    return;
  }
  if (anew) {
    render_story();
    render_views();
    render_maps();
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
  badge.textContent = good
    ? `✓ Checked against Python: all ${tensors} outputs and gradients, ${numbers.toLocaleString("en")} numbers; largest difference ${short(largest)}, by rounding.`
    : `✗ This page does not compute what Python did. ${intact ? `The largest difference is ${short(largest)}, in the ${where}` : "Its numbers are damaged"}. Do not trust it; export it again.`;
}

/** What is chosen at first: the answer's score, and the largest output of the first sums. */
function choose_beginning() {
  const run = forward(model, samples[0].x);
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
    `${numbers.reduce((a, b) => a + b, 0).toLocaleString("en")} weights: every number of it, and how it comes about.`;
  make_learn();
  if (page.peak && String(model.input_shape) === String([SIDE, SIDE, 1])) {
    make_pad(by_id("pad"), (picture) => {
      drawn.x = picture && picture.map((byte) => byte * (page.peak / 255));
      state.sample = "drawn";
      compute();
      settle();
      render(true);
      write_address();
    });
  }
  choose_beginning();
  if (model.loss) by_id("right").value = chosen_sample().label ?? state.target.index;
  document.querySelector("main").hidden = false;
  render(true);
  by_id("undo").disabled = by_id("reset").disabled = true;
  by_id("undo").addEventListener("click", () => {
    changes.undo();
    changed("The last change is undone.");
    by_id("undo").focus();
  });
  by_id("reset").addEventListener("click", () => {
    while (changes.undone.length) changes.undo();
    changed("All changes are undone: the model is as it was exported.");
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
