/* Changing the model on the page: a number, a filter, a step of learning; and back again. */
"use strict";

const MOST_KEPT = 2e7; // numbers that are kept for undoing; then the oldest changes are forgotten

/** The model's parameters, which can be changed and put back, to the bit. */
class Changes {
  constructor(model) {
    this.model = model;
    this.exported = new Map(); // what was changed, as it was exported: {layer, name, old} by both
    this.start_anew();
  }

  start_anew() {
    this.undone = []; // what each change has replaced: [{layer, name, old}, ...]
    this.forgotten = 0; // changes that can't be undone one by one any more
    this.forget_step();
  }

  /** What the last change was, if it was a step of learning: see `context_of`. */
  forget_step() {
    this.steps = [];
    this.before_step = null;
  }

  get count() {
    return this.undone.length + this.forgotten;
  }

  value_of({ layer, name }) {
    return this.model.layers[layer].parameters[name].value;
  }

  /** Notes what a change is going to replace: [{layer, name}, ...]. */
  keep(places) {
    const olds = places.map((place) => ({ ...place, old: this.value_of(place).slice() }));
    for (const one of olds) {
      const key = `${one.layer} ${one.name}`;
      if (!this.exported.has(key)) this.exported.set(key, one);
    }
    this.undone.push(olds);
    const kept = () => this.undone.flat().reduce((sum, { old }) => sum + old.length, 0);
    while (this.undone.length > 1 && kept() > MOST_KEPT) {
      this.undone.shift();
      this.forgotten += 1;
    }
    this.forget_step();
  }

  /** Sets elements of a parameter to a number. */
  set(place, indices, number) {
    this.keep([place]);
    for (const n of indices) this.value_of(place)[n] = number;
  }

  /** One step of SGD on the loss of the run's sample: its {before, after, steps}. */
  learn(run, index, learning_rate) {
    const places = this.model.layers.flatMap(({ parameters }, layer) =>
      Object.keys(parameters)
        .filter((name) => parameters[name].learns)
        .map((name) => ({ layer, name })),
    );
    this.keep(places);
    this.before_step = context_of(this.model, run, { kind: "loss", index });
    const learned = learn(this.model, run, index, learning_rate);
    this.steps = learned.steps;
    return learned;
  }

  /** Takes the last change back; false if there is none. */
  undo() {
    const olds = this.undone.pop();
    for (const one of olds || []) this.value_of(one).set(one.old);
    this.forget_step();
    return Boolean(olds);
  }

  /** Takes all changes back; false if there are none. */
  reset() {
    const any = this.count > 0;
    for (const one of this.exported.values()) this.value_of(one).set(one.old);
    this.start_anew();
    return any;
  }

  /** The output for x of the model as it was exported. */
  output_as_exported(x) {
    const kept = [...this.exported.values()];
    const now = kept.map((one) => this.value_of(one).slice());
    for (const one of kept) this.value_of(one).set(one.old);
    const run = forward(this.model, x);
    kept.forEach((one, n) => this.value_of(one).set(now[n]));
    return run[run.length - 1].y;
  }
}

/** The indices of a whole filter or unit, `f` on the last axis of a kernel. */
function indices_of_filter(shape, f) {
  const F = last_axis(shape);
  return Array.from({ length: size_of(shape) / F }, (_, n) => n * F + f);
}

// --- what is seen of it --------------------------------------------------------------------------

/** After a change of parameters: everything is computed again. */
function changed(text) {
  compute();
  settle();
  render(true);
  by_id("changed").textContent = text;
}

function render_edit() {
  const place = by_id("edit");
  const layer = model.layers[state.layer];
  const parameter =
    layer && (layer.parameters[state.view] || layer.parameters[state.view.slice(1)]);
  if (!parameter || !is_parameter()) {
    const to = model.layers.findIndex(({ parameters }) => parameters.kernel);
    const go = () => show({ layer: to, view: "kernel", index: 0 }, true);
    place.replaceChildren(
      element("h3", {}, "A weight"),
      element(
        "p",
        {},
        "Choose the kernel, the bias or another parameter of a layer, and a number of it. Then " +
          "it can be changed here.",
      ),
      to < 0
        ? ""
        : element(
            "p",
            {},
            element(
              "button",
              { type: "button", onclick: go },
              `Go to the kernel of ${model.layers[to].name}`,
            ),
          ),
    );
    return;
  }
  const name = layer.parameters[state.view] ? state.view : state.view.slice(1);
  const { index } = state;
  const value = parameter.value[index];
  const limit = Number((2 * scale_of(parameter.value)).toPrecision(2));
  const set = (number, indices, text) => {
    changes.set({ layer: state.layer, name }, indices, number);
    changed(text);
  };
  const set_one = (input) => {
    const number = Number(input.value);
    if (input.value.trim() === "" || !Number.isFinite(number)) {
      by_id("changed").textContent = "That is not a number: nothing is changed.";
      return;
    }
    set(number, [index], `${title} was ${short(value)} and is now ${short(number)}.`);
    by_id(input.id).focus();
  };
  const title = `${name} of ${layer.name}, ${weight_place(layer, name, index)},`;
  const box = element("input", { id: "edit-number", type: "number", step: "any", value });
  const slider = element("input", {
    id: "edit-slider",
    type: "range",
    min: -limit,
    max: limit,
    step: limit / 200,
    value,
  });
  box.addEventListener("change", () => set_one(box));
  slider.addEventListener("change", () => set_one(slider));
  const parts = [
    element("h3", {}, "A weight"),
    element("p", {}, `${name} of ${layer.name}: ${weight_place(layer, name, index)}`),
    element("p", {}, element("label", { for: "edit-number" }, "Its value "), box),
    element("p", {}, element("label", { for: "edit-slider" }, "or slide it "), slider),
  ];
  if (name === "kernel") {
    const f = index % last_axis(parameter.shape);
    const what = layer.kind === "conv2d" ? "filter" : "unit";
    const zero = () =>
      set(
        0,
        indices_of_filter(parameter.shape, f),
        `All weights of ${what} ${f} of ${layer.name} are now 0.`,
      );
    parts.push(
      element(
        "p",
        {},
        element(
          "button",
          { type: "button", id: "zero", onclick: zero },
          `Set all weights of ${what} ${f} to 0`,
        ),
      ),
    );
  }
  place.replaceChildren(...parts);
}

/** The form for a step of learning; made once. */
function make_learn() {
  const place = by_id("learn");
  place.replaceChildren(element("h3", {}, "Learn this picture"));
  const learns = model.layers.some(({ parameters }) =>
    Object.values(parameters).some((p) => p.learns),
  );
  if (!model.loss || !learns) {
    place.append(
      element(
        "p",
        {},
        model.loss
          ? "All layers are frozen: nothing would change."
          : "The page has no loss for this model.",
      ),
    );
    return;
  }
  const options = page.class_names.map((name, n) => element("option", { value: n }, name));
  const step = () => {
    if (!context) return;
    const rate = Number(by_id("rate").value);
    if (!(rate > 0 && rate < 1e6)) {
      by_id("changed").textContent =
        "The learning rate must be a number above 0: nothing is changed.";
      return;
    }
    const index = Number(by_id("right").value);
    const { before, after, steps } = changes.learn(context.run, index, rate);
    changed(
      `The loss was ${short(before)} before the step and is ${short(after)} now. ` +
        (after < before
          ? "It fell."
          : "It did not fall: the step was too large, or there was nothing to learn."),
    );
    show_steps(steps);
  };
  place.append(
    element(
      "p",
      {},
      element("label", { for: "right" }, "The right answer is "),
      element("select", { id: "right" }, ...options),
    ),
    element(
      "p",
      {},
      element("label", { for: "rate" }, "Learning rate "),
      element("input", { id: "rate", type: "number", min: 0, step: "any", value: 0.01 }),
    ),
    element(
      "p",
      {},
      element("button", { type: "button", id: "step", onclick: step }, "Take one step of learning"),
    ),
    element(
      "p",
      {},
      "Every weight that learns moves against its gradient, by the learning rate times the " +
        "gradient of the loss: plain SGD, whatever the model was trained with.",
    ),
    element("div", { id: "steps" }),
  );
}

/** What a step has changed, with links to the numbers that changed most. */
function show_steps(steps) {
  const rows = steps.map(({ layer, name, gradient, learning_rate }) => {
    const index = index_of_largest(gradient.map(Math.abs));
    const count = gradient.filter((value) => value !== 0).length;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, `${model.layers[layer].name}: ${name}`),
      element("td", {}, `${count.toLocaleString("en")} of ${gradient.length.toLocaleString("en")}`),
      element(
        "td",
        {},
        link_to({ layer, view: name, index }, short(-learning_rate * gradient[index])),
      ),
    );
  });
  const head = ["what", "numbers changed", "the largest change"].map((text) =>
    element("th", { scope: "col" }, text),
  );
  by_id("steps").replaceChildren(
    element(
      "table",
      { class: "plain" },
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}
