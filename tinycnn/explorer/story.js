/* The sentences about this model that the page opens with, and the tasks to try. */
"use strict";

/** A probability in words. */
function percent(share) {
  if (share > 0.99999 && share < 1) return "over 99.999 %";
  if (share < 0.00001 && share > 0) return "under 0.001 %";
  return `${(share * 100).toFixed(share > 0.999 || share < 0.001 ? 3 : 1)} %`;
}

/** How many zeros a layer puts around an image. */
function zeros_text({ kind, padding }) {
  if (kind !== "zero_pad") return "";
  const [[top, bottom], [left, right]] = padding;
  const rows = `${top} above, ${bottom} below`;
  return `Rows and columns of zeros are put around every map: ${rows}, ${left} left, ${right} right.`;
}

/** What a layer does, in a sentence or two. */
function sentence_of(layer) {
  const shape = layer.output_shape.join(" × ");
  const F = last_axis(layer.output_shape);
  const window = layer.window ? layer.window.join(" × ") : "";
  const activation = {
    linear: "",
    relu: " relu then turns every sum below 0 into 0.",
    softmax: " softmax then turns the sums into probabilities that add up to 1.",
  }[layer.activation.name];
  const tail = activation === undefined ? ` Then: ${formula_of(layer.activation)}.` : activation;
  const strides = layer.strides ? layer.strides.join(" × ") : "";
  const steps = strides && strides !== "1 × 1" ? `, in steps of ${strides}` : "";
  const text = {
    conv2d:
      `${count_of(F, "filter")} of ${window} slide over the layer's input${steps}. ` +
      `Each makes a map of its own: ${shape} numbers.`,
    dense:
      `${count_of(F, "unit")} each add up all ${last_axis(layer.input_shape)} inputs, ` +
      "multiplied by weights of their own.",
    max_pool:
      `Of every window of ${window}${steps} the largest value goes on, map by map. ` +
      `That leaves ${shape} numbers.`,
    average_pool:
      `Of every window of ${window}${steps} the mean goes on, map by map. ` +
      `That leaves ${shape} numbers.`,
    global_max_pool: `Of every map the largest value goes on. That leaves ${shape} numbers.`,
    zero_pad: `${zeros_text(layer)} That makes ${shape} numbers.`,
    upsample:
      `Every number is repeated, so that it fills ${window} places. ` +
      `That makes ${shape} numbers.`,
    normalize: layer.invert
      ? "Every number is multiplied by a deviation, and a mean is added."
      : "The mean is taken off every number, and what is left is divided by the deviation.",
    batch_norm: "Each channel is shifted and scaled by numbers that the layer has learned.",
    rescale:
      `Every number is multiplied by ${short(layer.scale || 0)}` +
      (layer.offset ? `, and ${short(layer.offset)} is added.` : "."),
    identity:
      {
        Flatten: `The maps are laid out in one row of ${shape} numbers.`,
        Reshape: `The numbers get another shape, ${shape}, in the same order.`,
      }[layer.class] ||
      (layer.activation.name === "linear"
        ? "In this page the layer passes everything on unchanged."
        : "It works on each number."),
  }[layer.kind];
  return text + tail;
}

/** The index of the largest of some numbers. */
function index_of_largest(values) {
  return values.reduce((best, value, n) => (value > values[best] ? n : best), 0);
}

/** Probabilities of the classes, if the model has them. */
function probabilities_of(model, run) {
  return model.softmax !== null && model.output_shape.length === 1 ? run[run.length - 1].y : null;
}

/** Elements: what this network makes of this sample, forward and backward. */
function story_of(context, sample, class_names) {
  const { model, run, target, gradients } = context;
  const numbers = model.layers.reduce(
    (sum, { parameters }) =>
      sum + Object.values(parameters).reduce((all, { shape }) => all + size_of(shape), 0),
    0,
  );
  const output = run[run.length - 1].y;
  const best = index_of_largest(output);
  const p = probabilities_of(model, run);
  const paragraphs = [];
  const say = (...parts) => paragraphs.push(element("p", {}, ...parts));
  const answer =
    model.output_shape.length !== 1
      ? `It answers with ${output.length} numbers.`
      : p
        ? `It takes it for “${class_names[best]}”, with a probability of ${percent(p[best])}.`
        : `Its largest output is ${short(output[best])}, for “${class_names[best]}”.`;
  say(
    `This network has ${count_of(model.layers.length, "layer")} and ` +
      `${numbers.toLocaleString("en")} numbers that it has learned. It looks at the picture ` +
      `“${sample.name}”. ${answer}`,
  );
  const l = model.layers.findIndex(({ kind }) => kind === "conv2d" || kind === "dense");
  if (l >= 0) {
    const layer = model.layers[l];
    const index = index_of_largest(run[l].y);
    const terms = OUTPUTS[layer.kind](context, l, index).find(({ sum }) => sum).sum.terms;
    const products = terms.flatMap((term) => (term.terms ? term.terms() : [term]));
    const bias = layer.parameters.bias ? 1 : 0;
    say(
      "Forward: every number in it is a sum that you can check. ",
      link_to({ layer: l, view: "y", index }, `The largest output of ${layer.name}`),
      ` is ${short(run[l].y[index])}. It is made of ` +
        `${count_of(products.length - bias, "product")} of an input and a weight` +
        (bias ? ", and a bias." : "."),
    );
  }
  if (gradients[0] && gradients[0].dx.some((value) => value !== 0)) {
    const { dx } = gradients[0];
    const shape = model.input_shape;
    const sizes = dx.map(Math.abs);
    const index = index_of_largest(sizes);
    const zeros = dx.filter((value) => value === 0).length;
    const what =
      target.kind === "score"
        ? `the score of “${class_names[target.index % class_names.length]}”`
        : `the loss for the right answer “${class_names[target.index]}”`;
    say(
      `Backward: the gradient tells how ${what} would change with each number. It depends most on `,
      link_to({ layer: -1, view: "dx", index }, `the picture at ${place_of(index, shape)}`),
      `: per unit there it would change by ${short(dx[index])}.` +
        (zeros
          ? ` Of ${dx.length.toLocaleString("en")} numbers of the picture, ` +
            `${zeros.toLocaleString("en")} have the gradient 0.`
          : ""),
    );
  }
  return paragraphs;
}

/** Three things to try, with what there is to see: {text, to, seen}. */
function tasks_of(context, class_names) {
  const { model, run, gradients } = context;
  const tasks = [];
  const conv = model.layers.findIndex(({ kind }) => kind === "conv2d");
  const dense = model.layers.findIndex(({ kind }) => kind === "dense");
  const first = conv >= 0 ? conv : dense;
  if (first >= 0) {
    const layer = model.layers[first];
    const index = index_of_largest(run[first].y);
    const C = last_axis(layer.output_shape);
    tasks.push({
      text:
        `Find out which ${conv >= 0 ? "filter" : "unit"} of ${layer.name} answers most to this ` +
        "picture, and why.",
      to: { layer: first, view: "y", index },
      seen:
        `It is number ${index % C}: its largest output here is ${short(run[first].y[index])}. ` +
        "The explanation shows the products: the largest have a bright input on a large weight." +
        (C > 1 && samples.length > 1 && conv >= 0
          ? " “Compare with the other pictures” tells which maps answer to this picture above all."
          : ""),
    });
  }
  const gated = model.layers.findIndex(
    ({ activation }, l) => activation.name === "relu" && gradients[l] && gradients[l].dy,
  );
  if (gated >= 0) {
    const { dy, dz } = gradients[gated];
    const lost = dz.findIndex((value, n) => value === 0 && dy[n] !== 0);
    const open = dz.filter((value) => value !== 0).length;
    if (lost >= 0) {
      tasks.push({
        text: `Find a number of ${model.layers[gated].name} at which the gradient is stopped.`,
        to: { layer: gated, view: "dz", index: lost },
        seen:
          `A gradient of ${short(dy[lost])} arrives, but the output is 0: relu's gate is closed, ` +
          "and 0 goes on. " +
          `${open.toLocaleString("en")} of ${dz.length.toLocaleString("en")} gradients pass.`,
      });
    }
  }
  if (model.loss && context.label !== null) {
    const index = context.label;
    const before = loss_forward(model, run, index);
    const last = model.layers.findLastIndex(({ parameters }) => parameters.kernel);
    const all = backward(model, run, { kind: "loss", index })[last];
    tasks.push({
      text:
        `Let the network learn that this is “${class_names[index]}”, with one step, in part 3 of ` +
        "this page.",
      to: { layer: last, view: "dkernel", index: index_of_largest(all.dkernel.map(Math.abs)) },
      focus: "step",
      seen:
        `The loss is ${short(before)} before the step, and smaller after it, unless the learning ` +
        "rate is too large. Every weight changes by the learning rate times its gradient, and " +
        "this weight of its layer changes most.",
    });
  }
  return tasks;
}
