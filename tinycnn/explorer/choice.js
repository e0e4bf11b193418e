/* What is chosen on the page, what is computed for it, and how the address tells of it. */
"use strict";

const page = JSON.parse(by_id("data").textContent);
const { model, samples, is_intact } = read_model(page);
const changes = new Changes(model);
const drawn = { name: "your drawing", label: null, x: null };

// The picture is layer -1; a sample is a number or "drawn".
const state = {
  sample: page.first,
  layer: -1,
  view: "y",
  index: 0,
  target: { kind: "score", index: 0 },
};
let context = null; // the run and the gradients of the chosen sample; null for a blank pad

const chosen_sample = () => (state.sample === "drawn" ? drawn : samples[state.sample]);
const class_name = (index) => page.class_names[index % page.class_names.length];
const is_parameter = () => state.layer >= 0 && !["y", "dx", "dz", "cam"].includes(state.view);

/** Chooses something else; with `jump` the focus goes to the explained number. */
function show(choice, jump) {
  const before = { ...state };
  Object.assign(state, choice);
  const { kind, index } = before.target;
  const same_run =
    choice.sample !== "drawn" && // it may have been drawn on
    before.sample === state.sample &&
    kind === state.target.kind &&
    index === state.target.index;
  if (!same_run) compute();
  settle();
  render(!same_run || before.layer !== state.layer || before.view !== state.view);
  write_address();
  if (jump) {
    by_id("explanation").focus();
    by_id("explanation").scrollIntoView({ block: "nearest" });
  }
}

/** Chooses a sample, and its answer as the target of a score, or its class as that of the loss. */
function choose_sample(sample) {
  const { x, label } = sample === "drawn" ? drawn : samples[sample];
  if (!x) return show({ sample });
  const run = forward(model, x);
  const { kind } = state.target;
  const answer = index_of_largest(run[run.length - 1].y);
  const index = kind === "loss" && label !== null ? label : answer;
  show({ sample, target: { kind, index } });
  if (by_id("right")) by_id("right").value = label === null ? answer : label;
}

/** Runs the network on the chosen sample, forward and backward. */
function compute() {
  const sample = chosen_sample();
  context = null;
  if (!sample || !sample.x) return;
  context = context_of(model, forward(model, sample.x), state.target);
  context.label = sample.label;
  const { steps, before_step } = changes;
  Object.assign(context, { steps, before_step });
}

/** Brings what is chosen back to what there is. */
function settle() {
  if (!context) return;
  state.layer = Math.min(Math.max(state.layer, -1), model.layers.length - 1);
  if (!tensor_of(context, state.layer, state.view)) state.view = "y";
  const { values } = tensor_of(context, state.layer, state.view);
  if (!(state.index < values.length)) state.index = 0;
}

let address_timer = 0;

/** A choice as an address has it: "#sample=0&layer=1&view=y&index=7&target=score-3". */
function address_of({ sample, layer, view, index, target }) {
  const aim = `${target.kind}-${target.index}`;
  return `#sample=${sample}&layer=${layer}&view=${view}&index=${index}&target=${aim}`;
}

/** A link to another choice; the focus goes to the explained number. */
function link_to(choice, text) {
  const follow = (event) => {
    event.preventDefault();
    show(choice, true);
  };
  return element("a", { href: address_of({ ...state, ...choice }), onclick: follow }, text);
}

/** Writes the choice into the address.

It waits until nothing else has been chosen for a moment: browsers refuse to do it at every key. */
function write_address() {
  clearTimeout(address_timer);
  address_timer = setTimeout(() => {
    const text = address_of(state);
    if (location.hash !== text) history.replaceState(null, "", text);
  }, 150);
}

/** Reads the choice from the address; what makes no sense is left as it was. */
function read_address() {
  const words = new URLSearchParams(location.hash.slice(1));
  const natural = (text, below) =>
    /^\d+$/.test(text || "") && Number(text) < below ? Number(text) : null;
  const choice = {};
  const sample = natural(words.get("sample"), samples.length);
  if (sample !== null) choice.sample = sample;
  if (words.get("layer") === "-1") choice.layer = -1;
  const layer = natural(words.get("layer"), model.layers.length);
  if (layer !== null) choice.layer = layer;
  if (/^[a-z_]+$/.test(words.get("view") || "")) choice.view = words.get("view");
  const index = natural(words.get("index"), 2 ** 31);
  if (index !== null) choice.index = index;
  const [, kind, number] = /^(score|loss)-(\d+)$/.exec(words.get("target") || "") || [];
  const target = natural(number, size_of(model.output_shape));
  if (target !== null && (kind === "score" || model.loss)) choice.target = { kind, index: target };
  return choice;
}
