/* What is chosen on the page, what is computed for it, and how the address tells of it. */
"use strict";

const page = JSON.parse(by_id("data").textContent);
const { model, samples, is_intact } = read_model(page);
const changes = new Changes(model);
const drawn = { name: "your drawing", label: null, x: null };

// The picture is layer -1; a sample is a number or "drawn".
const state = { sample: 0, layer: -1, view: "y", index: 0, target: { kind: "score", index: 0 } };
let context = null; // the run and the gradients of the chosen sample; null for a blank pad

const chosen_sample = () => (state.sample === "drawn" ? drawn : samples[state.sample]);
const class_name = (index) => page.class_names[index % page.class_names.length];
const is_parameter = () => state.layer >= 0 && !["y", "dx", "dz", "cam"].includes(state.view);

/** Chooses something else; with `jump` the focus goes to the explained number. */
function show(choice, jump) {
  const before = { ...state };
  Object.assign(state, choice);
  const same = before.sample === state.sample && before.target === state.target;
  if (!same) compute();
  settle();
  render(!same || before.layer !== state.layer || before.view !== state.view);
  write_address();
  if (jump) {
    by_id("explanation").focus();
    by_id("explanation").scrollIntoView({ block: "nearest" });
  }
}

/** Runs the network on the chosen sample, forward and backward. */
function compute() {
  const sample = chosen_sample();
  context = null;
  if (!sample || !sample.x) return;
  context = context_of(model, forward(model, sample.x), state.target);
  context.label = sample.label;
  context.steps = changes.steps;
}

/** Brings what is chosen back to what there is. */
function settle() {
  if (!context) return;
  state.layer = Math.min(Math.max(state.layer, -1), model.layers.length - 1);
  if (!tensor_of(context, state.layer, state.view)) state.view = "y";
  const { values } = tensor_of(context, state.layer, state.view);
  if (!(state.index < values.length)) state.index = 0;
}

/** The choice as the address has it: "#sample=0&layer=1&view=y&index=7&target=score-3". */
function write_address() {
  const { sample, layer, view, index, target } = state;
  const text = `#sample=${sample}&layer=${layer}&view=${view}&index=${index}&target=${target.kind}-${target.index}`;
  if (location.hash !== text) history.replaceState(null, "", text);
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
