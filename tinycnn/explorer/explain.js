/* Takes one number of the network apart: the terms that it is the sum of, in words and numbers.

An explanation is {title, value, blocks}; a block is one of
    {text}                                   a sentence or two
    {sum: {name, terms, total}}              terms that add up to the total
    {table: {head, rows, mark}}              rows of texts; row number `mark` stands out
    {window: {layer, channel, rows, columns}}  the part of a layer's input that is looked at
    {link: {text, layer, view, index}}       where to look next
and a term is {label, factors, value, terms}: `factors` are the numbers whose product it is, and
`terms`, if there is such a function, returns the terms that it is itself the sum of.

Nothing here touches the document. The legend is that of engine.js. */
"use strict";

/** Everything that an explanation may need: the model, one run of it, its gradients, the target.

After a step of learning, `steps` are its changes, and `before_step` is the context before it. */
function context_of(model, run, target) {
  const gradients = backward(model, run, target);
  return { model, run, target, gradients, steps: [], before_step: null };
}

/** What the last step of learning did to number n of a parameter, and why. */
function step_blocks({ model, before_step }, { layer, name, old, gradient, learning_rate }, n) {
  const { l2 } = model.layers[layer].parameters[name];
  const change = -learning_rate * gradient[n];
  const factors = [-learning_rate, gradient[n]];
  const sum = {
    name: "new value",
    terms: [
      { label: "value before", value: old[n] },
      { label: `${MINUS}learning rate × gradient`, factors, value: change },
    ],
    total: old[n] + change,
  };
  const penalty = l2
    ? ` Its L2 penalty added 2 × ${short(l2)} × ${short(old[n])} = ${short(2 * l2 * old[n])} to it.`
    : "";
  return [
    { text: "The last step of learning took the learning rate times the loss's gradient off it:" },
    { sum },
    { text: `Before the step this gradient added up like this.${penalty}` },
    ...parameter_gradient_blocks(before_step, layer, name, n),
  ];
}

/** A parameter itself: its use, its gradient, or what the last step of learning did to it. */
function parameter_blocks(context, l, name, n) {
  const layer = context.model.layers[l];
  const { has_gradient } = layer.parameters[name];
  const rows = size_of(layer.output_shape.slice(0, -1));
  const uses = {
    conv2d: `It is used in each of the ${layer.output_shape.slice(0, 2).join(" × ")} windows.`,
    dense: `It is used ${count_of(rows, "time")} for each picture.`,
    batch_norm: "It is used for every number of its channel.",
    normalize: "It is used for every number of its channel or channels; no training changes it.",
  }[layer.kind];
  const blocks = [{ text: uses }];
  const step = context.steps.find((one) => one.layer === l && one.name === name);
  if (step) blocks.push(...step_blocks(context, step, n));
  else if (has_gradient && context.gradients[l]) {
    const gradient = context.gradients[l][`d${name}`][n];
    const more = `gets ${gradient > 0 ? "larger" : "smaller"}, by ${short(Math.abs(gradient))}`;
    blocks.push({
      text:
        `The target's gradient for it is ${short(gradient)}: ` +
        (gradient === 0
          ? "a small change of it would not change the target."
          : `if it grows a little, the target ${more} per unit.`),
    });
  }
  if (has_gradient && context.gradients[l]) {
    blocks.push({
      link: {
        text: "how the target's gradient for it adds up",
        layer: l,
        view: `d${name}`,
        index: n,
      },
    });
  }
  return blocks;
}

// --- one number of any view ----------------------------------------------------------------------

/** A member of an object that is its own: a view's name may come from the address. */
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** The numbers of a view of layer l, and their shape; null if there are none for this target. */
function tensor_of({ model, run, gradients }, l, view) {
  if (l < 0) {
    const shape = model.input_shape;
    if (view === "y") return { values: run[0].x, shape };
    return view === "dx" && gradients[0] ? { values: gradients[0].dx, shape } : null;
  }
  const layer = model.layers[l];
  if (view === "y") return { values: run[l].y, shape: layer.output_shape };
  const parameter = own(layer.parameters, view);
  if (parameter) return { values: parameter.value, shape: parameter.shape };
  if (!gradients[l]) return null;
  if (view === "dz") return { values: gradients[l].dz, shape: layer.output_shape };
  if (view === "dx") return { values: gradients[l].dx, shape: layer.input_shape };
  if (view === "cam") {
    if (layer.output_shape.length !== 3 || !gradients[l + 1]) return null;
    const [H, W] = layer.output_shape;
    return { values: grad_cam(model, run, gradients, l).cam, shape: [H, W, 1] };
  }
  const of = own(layer.parameters, view.slice(1));
  return of && of.has_gradient ? { values: gradients[l][view], shape: of.shape } : null;
}

function cam_blocks({ model, run, gradients }, l, n) {
  const C = last_axis(model.layers[l].output_shape);
  const { alpha, cam } = grad_cam(model, run, gradients, l);
  const terms = Array.from({ length: C }, (_, c) => {
    const factors = [alpha[c], run[l].y[n * C + c]];
    return { label: `map ${c}`, factors, value: factors[0] * factors[1] };
  });
  const total = terms.reduce((sum, { value }) => sum + value, 0);
  return [
    {
      text:
        "Grad-CAM asks how much each map speaks for the target: alpha is the mean of the map's " +
        "gradient. At each place it adds up alpha × the map's value.",
    },
    { sum: { name: "sum", terms, total } },
    {
      text: total > 0 ? `So it is ${short(cam[n])}.` : "The sum is not above 0, so it counts as 0.",
    },
  ];
}

/** Explains number n of a view of layer l; the picture is layer -1. */
function explain(context, l, view, n) {
  const { model } = context;
  const { values, shape } = tensor_of(context, l, view);
  const name = l < 0 ? "the picture" : model.layers[l].name;
  const value = values[n];
  const place = place_of(n, shape);
  if (view === "y" && l < 0) {
    return {
      title: `The picture at ${place}`,
      value,
      blocks: [{ text: "This is what the network is given." }],
    };
  }
  if (view === "y") {
    const blocks = OUTPUTS[model.layers[l].kind](context, l, n);
    return { title: `Output of ${name}: ${place}`, value, blocks };
  }
  if (view === "dz") {
    const linear = model.layers[l].activation.name === "linear";
    return {
      title: `Gradient at ${linear ? "the output" : "the sum z"} of ${name}: ${place}`,
      value,
      blocks: gate_blocks(context, l, n),
    };
  }
  if (view === "dx") {
    const layer = model.layers[Math.max(l, 0)];
    const title = `Gradient at ${l <= 0 ? "the picture" : `the input of ${name}`}: ${place}`;
    return { title, value, blocks: INPUT_GRADIENTS[layer.kind](context, Math.max(l, 0), n) };
  }
  if (view === "cam") {
    return { title: `Grad-CAM of ${name}: ${place}`, value, blocks: cam_blocks(context, l, n) };
  }
  const layer = model.layers[l];
  if (layer.parameters[view]) {
    const title = `${view} of ${name}: ${weight_place(layer, view, n)}`;
    return { title, value, blocks: parameter_blocks(context, l, view, n) };
  }
  const parameter = view.slice(1);
  const title = `Gradient of ${name}'s ${parameter}: ${weight_place(layer, parameter, n)}`;
  return { title, value, blocks: parameter_gradient_blocks(context, l, parameter, n) };
}
