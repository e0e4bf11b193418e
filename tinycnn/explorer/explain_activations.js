/* Activations, forward and backward, and the target, at which the backward begins: in blocks, see
explain.js.

dy is the gradient at a layer's output, and dz behind its activation: how much the target changes per
unit of the number. */
"use strict";

/** What an activation makes of z. */
function activation_blocks({ model, run }, l, n) {
  const { activation, output_shape } = model.layers[l];
  const z = run[l].z[n];
  const y = run[l].y[n];
  if (activation.name === "linear") return [];
  if (activation.name === "relu") {
    if (y > 0) return [{ text: `The sum is above 0, so relu lets it through: ${short(y)}.` }];
    return [{ text: `The sum ${short(z)} is not above 0, so relu makes it 0.` }];
  }
  if (activation.name === "silu") {
    const s = short(sigmoid(z));
    const product = `${short(z)} × ${s} = ${short(y)}`;
    return [{ text: `${formula_of(activation)}. Here sigmoid(z) is ${s}, and ${product}.` }];
  }
  if (activation.name !== "softmax") {
    return [{ text: `${formula_of(activation)}. It turns ${short(z)} into ${short(y)}.` }];
  }
  const K = last_axis(output_shape);
  const row = n - (n % K);
  const all = run[l].z.subarray(row, row + K);
  const largest = all.reduce((a, b) => Math.max(a, b));
  const powers = all.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b);
  return [
    {
      text:
        `${formula_of(activation)}. First the largest z, ${short(largest)}, is taken off all of ` +
        `them, which changes no result. The powers add up to ${short(sum)}, so this number ` +
        `becomes ${short(powers[n % K])} / ${short(sum)} = ${short(y)}.`,
    },
    {
      table: {
        head: ["number", "z", `e^(z ${MINUS} largest)`, "divided by the sum"],
        rows: [...all].map((value, k) => [
          String(k),
          short(value),
          short(powers[k]),
          short(run[l].y[row + k]),
        ]),
        mark: n % K,
      },
    },
  ];
}

/** Where the gradient at a layer's output comes from. */
function above({ model, gradients }, l, n) {
  if (!gradients[l + 1]) return [];
  const { name } = model.layers[l + 1];
  return [
    {
      text: `The next layer, ${name}, hands this number's gradient back: ${short(gradients[l].dy[n])}.`,
    },
    { link: { text: "where this gradient comes from", layer: l + 1, view: "dx", index: n } },
  ];
}

/** The gradient of the target with respect to score k, where the backward begins. */
function target_blocks({ model, run, target }, n) {
  const chosen = n === target.index;
  if (target.kind === "score") {
    return [
      {
        text:
          "The backward begins here. The target is " +
          (chosen
            ? "this score itself, so its gradient is 1."
            : "another score, so the gradient is 0."),
      },
    ];
  }
  const scores = scores_of(model, run, "loss");
  const right = chosen ? 1 : 0;
  if (model.loss === "cross-entropy") {
    const p = softmax_forward(scores, scores.length)[n];
    return [
      {
        text:
          "The backward begins here, at the loss. For softmax with cross-entropy the gradient is " +
          `the probability minus ${right}, as this is ${chosen ? "" : "not "}the right answer:`,
      },
      {
        sum: {
          name: "dz",
          terms: [
            { label: "probability", value: p },
            { label: chosen ? "minus 1 (right answer)" : "minus 0 (wrong answer)", value: -right },
          ],
          total: p - right,
        },
      },
    ];
  }
  const factors = [scores[n] - right, 2 / scores.length];
  return [
    {
      text:
        "The backward begins here, at the loss, the mean of the squared differences. The " +
        `gradient is the output's difference from ${right}, times 2 / ${scores.length}:`,
    },
    {
      sum: {
        name: "dy",
        terms: [{ label: "difference × 2 / K", factors, value: factors[0] * factors[1] }],
        total: factors[0] * factors[1],
      },
    },
  ];
}

/** Which part of a relu with a threshold or a largest output z lies on. */
function bounded_relu_text(z, slope, { max_value, threshold }) {
  if (z > threshold && slope) {
    return "The input lies where the relu passes it on, so the gradient passes as it is.";
  }
  if (z > threshold) {
    return (
      `The input is cut off at ${short(max_value)}: a small change of it would not show, so 0 ` +
      "goes on."
    );
  }
  const where = `The input is not above the threshold ${short(threshold)}`;
  return slope
    ? `${where}, where the slope is ${short(slope)}.`
    : `${where}: a small change of it would not show, so 0 goes on.`;
}

/** How the gradient passes the activation: dz from dy. */
function gate_blocks(context, l, n) {
  const { model, run, gradients } = context;
  const { activation, output_shape } = model.layers[l];
  const { dy, dz } = gradients[l];
  if (dy === null) return target_blocks(context, n); // the loss and the softmax in one
  const begins = gradients[l + 1] ? above(context, l, n) : target_blocks(context, n);
  if (activation.name === "softmax") {
    const K = last_axis(output_shape);
    const row = n - (n % K);
    const { y } = run[l];
    let mean = 0;
    for (let k = row; k < row + K; k++) mean += dy[k] * y[k];
    const factors = [dy[n] - mean, y[n]];
    return [
      ...begins,
      {
        text:
          "Behind a softmax all outputs add up to 1, so the gradient counts only as far as it " +
          `differs from the mean of all gradients, weighted by the outputs: ${short(mean)}.`,
      },
      {
        sum: {
          name: "dz",
          terms: [
            { label: `(dy ${MINUS} mean) × output`, factors, value: factors[0] * factors[1] },
          ],
          total: dz[n],
        },
      },
    ];
  }
  const { y, z } = run[l];
  const slope = ACTIVATIONS[activation.name].slope(y[n], z[n], activation);
  const terms = [{ label: "dy × slope", factors: [dy[n], slope], value: dy[n] * slope }];
  let text = `At this output the slope of ${activation.name} is ${short(slope)}.`;
  if (activation.name === "relu") {
    text = slope
      ? "The output is above 0, so relu's gate is open: the gradient passes as it is."
      : "The output is 0, so relu's gate is closed: 0 goes on. A small change of z would not show.";
  }
  if (activation.name === "bounded_relu") text = bounded_relu_text(z[n], slope, activation);
  if (activation.name === "silu") {
    const s = short(sigmoid(z[n]));
    text =
      `With s = sigmoid(z) = ${s} the slope of silu is s + z × s × (1 ${MINUS} s): ` +
      `${s} + (${short(z[n])}) × ${s} × (1 ${MINUS} ${s}) = ${short(slope)}.`;
  }
  if (activation.name === "linear") return begins;
  return [...begins, { text }, { sum: { name: "dz", terms, total: dz[n] } }];
}
