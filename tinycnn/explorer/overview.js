/* The upper half of the page: the story, the pictures, the answer, the layers, the target. */
"use strict";

function render_story() {
  by_id("story").replaceChildren(...story_of(context, chosen_sample(), page.class_names));
  const tasks = tasks_of(context, page.class_names).map(({ text, to, seen, focus }) =>
    element(
      "li",
      {},
      `${text} `,
      element(
        "button",
        {
          type: "button",
          onclick: () => {
            show(to, !focus);
            if (focus) by_id(focus).focus();
          },
        },
        "Go there",
      ),
      element(
        "details",
        {},
        element("summary", {}, "What there is to see"),
        element("p", {}, seen),
      ),
    ),
  );
  by_id("tasks").replaceChildren(...tasks);
}

/** A sample's name, with its class if the name does not tell it. */
function name_of_sample({ name, label }) {
  const known = label === null || name.endsWith(` ${class_name(label)}`);
  return known ? name : `${name}, a ${class_name(label)}`;
}

/** The buttons of the samples are made once; later only the chosen one changes. */
function render_samples() {
  const place = by_id("samples");
  if (!place.children.length) {
    samples.forEach((sample, n) => {
      const canvas = element("canvas", { class: "map", "aria-hidden": "true" });
      place.append(
        element(
          "button",
          { type: "button", "data-sample": n, onclick: () => choose_sample(n) },
          canvas,
          element("span", {}, name_of_sample(sample)),
        ),
      );
    });
  }
  for (const button of place.children) {
    const n = Number(button.dataset.sample);
    button.setAttribute("aria-pressed", String(n === state.sample));
    const { x } = samples[n];
    draw_picture(button.firstChild, x, model.input_shape, page.peak, scheme_now());
  }
}

function render_answer() {
  const place = by_id("answer");
  if (!context) {
    place.replaceChildren(element("p", {}, "Nothing is drawn yet."));
    return;
  }
  const { run } = context;
  const output = run[run.length - 1].y;
  if (model.output_shape.length !== 1) {
    place.replaceChildren(
      element("p", {}, `The output is ${output.length} numbers: see the last layer.`),
    );
    return;
  }
  const p = probabilities_of(model, run);
  const order = [...output.keys()]
    .sort((a, b) => output[b] - output[a])
    .slice(0, 10)
    .sort((a, b) => a - b);
  const exported = changes.count ? changes.output_as_exported(run[0].x) : null;
  const best = index_of_largest(output);
  const largest = Math.max(...order.map((k) => Math.abs(output[k]))) || 1;
  const rows = order.map((k) =>
    element(
      "tr",
      k === best ? { class: "mark" } : {},
      element("th", { scope: "row" }, class_name(k)),
      element(
        "td",
        { class: "bar" },
        styled(element("span", { class: output[k] < 0 ? "below" : "above" }), {
          width: `${(Math.abs(output[k]) / (p ? 1 : largest)) * 100}%`,
        }),
      ),
      element("td", { class: "term" }, p ? percent(output[k]) : short(output[k])),
      before_of(k, exported, p),
    ),
  );
  const { label, name } = chosen_sample();
  const right =
    label === null
      ? ""
      : label === best
        ? " That is right."
        : ` The right answer is “${class_name(label)}”.`;
  const others = output.length - order.length;
  place.replaceChildren(
    element("p", {}, `For “${name}” the answer is “${class_name(best)}”.${right}`),
    element("table", { class: "plain bars" }, element("tbody", {}, ...rows)),
    others ? element("p", {}, `The other ${others} are smaller.`) : "",
    loss_text(run),
  );
}

/** A cell with what output k was before anything was changed, if anything is. */
function before_of(k, exported, p) {
  return (
    exported &&
    element("td", { class: "term" }, `was ${p ? percent(exported[k]) : short(exported[k])}`)
  );
}

/** A sentence about the loss, if the model has one that the page knows. */
function loss_text(run) {
  if (!model.loss) return "";
  const { label } = chosen_sample();
  const index = state.target.kind === "loss" ? state.target.index : label;
  if (index === null) return "";
  const value = loss_forward(model, run, index);
  const scores = scores_of(model, run, "loss");
  const p = model.loss === "cross-entropy" ? softmax_forward(scores, scores.length)[index] : 0;
  const how =
    model.loss === "cross-entropy"
      ? `${MINUS}log(${Number(p.toPrecision(10))}) = ${short(value)}. It is 0 for a probability ` +
        "of 1, and large for a small one"
      : "the mean of the squared differences from 1 for the right answer and 0 for all others, " +
        short(value);
  return element("p", { id: "loss" }, `If “${class_name(index)}” is right, the loss is ${how}.`);
}

/** A name that may be broken behind each "_", as a long one must be. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [element("wbr"), part]);
}

function render_layers() {
  const place = by_id("layers");
  if (!place.children.length) {
    const add = (l, name, kind, shape, parameters) =>
      place.append(
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              "data-layer": l,
              onclick: () => show({ layer: l, view: "y", index: strongest(l) }),
            },
            element("span", { class: "name" }, ...breakable(name)),
            element("span", {}, kind),
            element("span", {}, shape.join(" × ")),
            element("span", {}, parameters ? `${parameters.toLocaleString("en")} weights` : ""),
          ),
        ),
      );
    add(-1, "picture", "what goes in", model.input_shape, 0);
    model.layers.forEach((layer, l) => {
      const sizes = Object.values(layer.parameters).map(({ shape }) => size_of(shape));
      const activation = { linear: "" }[layer.activation.name] ?? `, ${layer.activation.name}`;
      const is_function = layer.kind === "identity" && layer.class !== "Activation";
      const kind = is_function ? layer.class : layer.class + activation;
      add(
        l,
        layer.name,
        kind,
        layer.output_shape,
        sizes.reduce((a, b) => a + b, 0),
      );
    });
  }
  for (const button of place.querySelectorAll("button")) {
    button.disabled = !context;
    if (Number(button.dataset.layer) === state.layer) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** The index of a layer's largest output, where a look at it begins. */
function strongest(l) {
  return index_of_largest(tensor_of(context, l, "y").values);
}

function render_target() {
  const place = by_id("target");
  const size = size_of(model.output_shape);
  if (place.children.length === 1) {
    const choose = () => {
      const kind = place.querySelector("input:checked").value;
      const index = Math.min(
        Math.max(Math.round(Number(by_id("target-class").value)) || 0, 0),
        size - 1,
      );
      show({ target: { kind, index } });
    };
    const radio = (value, text) =>
      element(
        "label",
        {},
        element("input", { type: "radio", name: "target", value, onchange: choose }),
        ` ${text} `,
      );
    place.append(
      radio("score", model.output_shape.length === 1 ? "the score of" : "output number"),
    );
    if (model.loss) place.append(radio("loss", "the loss, if the right answer is"));
    const options = page.class_names.map((name, n) => element("option", { value: n }, name));
    place.append(
      size === page.class_names.length
        ? element(
            "select",
            { id: "target-class", "aria-label": "Class", onchange: choose },
            ...options,
          )
        : element("input", {
            id: "target-class",
            "aria-label": "Number",
            type: "number",
            min: 0,
            max: size - 1,
            onchange: choose,
          }),
    );
    place.append(
      element(
        "p",
        {},
        model.loss
          ? model.softmax === null
            ? "A score is an output of the network."
            : "A score is a class's sum z in the last layer, before softmax makes it a probability."
          : "The page has no loss for this model. It knows cross-entropy, and squared errors.",
      ),
    );
  }
  for (const input of place.querySelectorAll("input[type=radio]")) {
    input.checked = input.value === state.target.kind;
  }
  by_id("target-class").value = state.target.index;
}
