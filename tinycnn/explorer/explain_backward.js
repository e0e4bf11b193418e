/* How each kind of layer makes its gradients: in blocks, see explain.js.

dy is the gradient at a layer's output, dz behind its activation, dx at its input, and d<name> that
of a parameter: how much the target changes per unit of the number. */
"use strict";

// --- the gradient at an input --------------------------------------------------------------------

/** What is added to an explanation whose terms are all 0: why, and what follows. */
function zero_blocks(terms, why, then = " A small change here would not change the target.") {
  const zeros = terms.filter(({ value }) => value === 0).length;
  if (zeros < terms.length || !terms.length) return [];
  return [{ text: `So the gradient is 0: ${why}${then}` }];
}

/** How each kind of layer makes the gradient dx at its input n from its dz: blocks. */
const INPUT_GRADIENTS = {
  conv2d: ({ model, gradients }, l, n) => {
    const layer = model.layers[l];
    const geometry = geometry_of(layer);
    const [h, w, c] = unravel(n, layer.input_shape);
    const { C, KW, OW } = geometry;
    const F = last_axis(layer.output_shape);
    const kernel = value_of(layer, "kernel");
    const { dz } = gradients[l];
    const windows = windows_that_see(geometry, h, w);
    const products = ({ i, j, u, v }) =>
      Array.from({ length: F }, (_, f) => {
        const weight = kernel[((u * KW + v) * C + c) * F + f];
        const at = (i * OW + j) * F + f;
        return { label: `filter ${f}`, factors: [dz[at], weight], value: dz[at] * weight, at };
      });
    const terms = windows.map((window) => ({
      label: `window of output row ${window.i}, column ${window.j}`,
      value: products(window).reduce((sum, term) => sum + term.value, 0),
      terms: () => products(window),
    }));
    const all = windows.flatMap(products);
    const arriving = all.filter(({ factors }) => factors[0] !== 0).length;
    if (!windows.length) return [{ text: "No window sees this input, so its gradient is 0." }];
    return [
      {
        text:
          `This input lies in ${count_of(windows.length, "window")} of the layer, each with ` +
          `${count_of(F, "filter")}. A product dz × weight says how much the target changes by ` +
          "way of one window and one filter: dz is the gradient of the window's sum, and the " +
          "weight is what this input is multiplied by there. " +
          (arriving
            ? `${arriving} of these ${all.length} dz are not 0.`
            : `All of these ${all.length} dz are 0.`),
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(
        terms,
        arriving
          ? "the weights are 0, or the products cancel."
          : "no gradient comes back through any of these windows.",
      ),
      ...link_to_largest(terms, "where the largest share comes from", l, "dz"),
    ];
  },
  dense: ({ model, gradients }, l, n) => {
    const layer = model.layers[l];
    const D = last_axis(layer.input_shape);
    const U = last_axis(layer.output_shape);
    const [row, d] = [Math.floor(n / D), n % D];
    const kernel = value_of(layer, "kernel");
    const terms = Array.from({ length: U }, (_, u) => {
      const gradient = gradients[l].dz[row * U + u];
      const weight = kernel[d * U + u];
      const at = row * U + u;
      return { label: `unit ${u}`, factors: [gradient, weight], value: gradient * weight, at };
    });
    return [
      {
        text:
          `This input is multiplied by a weight for each of the ${count_of(U, "unit")}. Each ` +
          "product dz × weight says how much the target changes by way of one unit.",
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(terms, "no gradient comes back through any unit."),
      ...link_to_largest(terms, "where the largest share comes from", l, "dz"),
    ];
  },
  max_pool: ({ model, run, gradients }, l, n) => {
    const layer = model.layers[l];
    const geometry = geometry_of(layer);
    const [h, w, c] = unravel(n, layer.input_shape);
    const { winners } = max_pool_forward(run[l].x, geometry);
    const terms = windows_that_see(geometry, h, w).map(({ i, j, u, v }) => {
      const out = (i * geometry.OW + j) * geometry.C + c;
      const won = winners[out] === u * geometry.KW + v;
      const [top, left] = [i * geometry.SH - geometry.top, j * geometry.SW - geometry.left];
      const row = top + Math.floor(winners[out] / geometry.KW);
      const column = left + (winners[out] % geometry.KW);
      const who = won ? "this input won" : `row ${row}, column ${column} won`;
      const label = `window of output row ${i}, column ${j}: ${who}`;
      const tie = !won && run[l].y[out] === run[l].x[n];
      return { label, value: won ? gradients[l].dz[out] : 0, won, tie, at: out };
    });
    const won = terms.filter((term) => term.won).length;
    if (!terms.length) return [{ text: "No window sees this input, so its gradient is 0." }];
    const tie = terms.some((term) => term.tie);
    let why = "another input of the window is larger, and takes it all.";
    if (won) why = "the gradient that arrives at the window is 0.";
    if (tie)
      why = "another input of the window is equal and comes first: by the rule it takes it all.";
    return [
      {
        text:
          "A max-pool passes each window's gradient on to the one input that won. This input " +
          `lies in ${count_of(terms.length, "window")}, and won in ${won || "none"}.`,
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(terms, why, tie ? "" : undefined),
      ...link_to_largest(terms, "where it comes from", l, "dz"),
    ];
  },
  average_pool: ({ model, gradients }, l, n) => {
    const geometry = geometry_of(model.layers[l]);
    const [h, w, c] = unravel(n, model.layers[l].image);
    const counts = window_counts(geometry);
    const terms = windows_that_see(geometry, h, w).map(({ i, j }) => {
      const window = i * geometry.OW + j;
      const factors = [gradients[l].dz[window * geometry.C + c], 1 / counts[window]];
      const label = `window of output row ${i}, column ${j}`;
      return { label, factors, value: factors[0] / counts[window], at: window * geometry.C + c };
    });
    return [
      { text: "An average shares its gradient equally among the inputs of its window." },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...link_to_largest(terms, "where the largest share comes from", l, "dz"),
    ];
  },
  batch_norm: ({ model, gradients }, l, n) => {
    const { parameters, epsilon } = model.layers[l];
    const c = n % parameters.moving_mean.value.length;
    const factors = [gradients[l].dz[n], batch_norm_scale(parameters, epsilon, c)];
    const terms = [{ label: "dz × scale", factors, value: factors[0] * factors[1], at: n }];
    return [
      { text: "The input was multiplied by the channel's scale, so its gradient is, too." },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...link_to_largest(terms, "where it comes from", l, "dz"),
    ];
  },
  rescale: ({ model, gradients }, l, n) => {
    const factors = [gradients[l].dz[n], model.layers[l].scale];
    const terms = [{ label: "dz × scale", factors, value: factors[0] * factors[1], at: n }];
    return [
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...link_to_largest(terms, "where it comes from", l, "dz"),
    ];
  },
  identity: (context, l, n) => {
    if (context.model.layers[l].activation.name !== "linear") return gate_blocks(context, l, n);
    return [{ text: "The layer passes every gradient on as it is." }, ...above(context, l, n)];
  },
};

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
  const slope = ACTIVATIONS[activation.name].slope(run[l].y[n], activation.alpha);
  const terms = [{ label: "dy × slope", factors: [dy[n], slope], value: dy[n] * slope }];
  let text = `At this output the slope of ${activation.name} is ${short(slope)}.`;
  if (activation.name === "relu") {
    text = slope
      ? "The output is above 0, so relu's gate is open: the gradient passes as it is."
      : "The output is 0, so relu's gate is closed: 0 goes on. A small change of z would not show.";
  }
  if (activation.name === "linear") return begins;
  return [...begins, { text }, { sum: { name: "dz", terms, total: dz[n] } }];
}

// --- the gradients of parameters -----------------------------------------------------------------

/** The terms of the gradient of element n of a layer's parameter. */
const PARAMETER_GRADIENTS = {
  conv2d: ({ model, run, gradients }, l, name, n) => {
    const layer = model.layers[l];
    const geometry = geometry_of(layer);
    const { W, C, OH, OW } = geometry;
    const F = last_axis(layer.output_shape);
    const { dz } = gradients[l];
    const terms = [];
    const [u, v, c, f] =
      name === "kernel" ? unravel(n, layer.parameters.kernel.shape) : [0, 0, 0, n];
    for (let i = 0; i < OH; i++) {
      for (let j = 0; j < OW; j++) {
        const gradient = dz[(i * OW + j) * F + f];
        const label = `output row ${i}, column ${j}`;
        if (name === "bias") {
          terms.push({ label, value: gradient });
          continue;
        }
        const h = i * geometry.SH + u - geometry.top;
        const w = j * geometry.SW + v - geometry.left;
        const inside = h >= 0 && h < geometry.H && w >= 0 && w < W;
        const input = inside ? run[l].x[(h * W + w) * C + c] : 0;
        terms.push({ label, factors: [input, gradient], value: input * gradient });
      }
    }
    return terms;
  },
  dense: ({ model, run, gradients }, l, name, n) => {
    const D = last_axis(model.layers[l].input_shape);
    const U = last_axis(model.layers[l].output_shape);
    const { x } = run[l];
    const { dz } = gradients[l];
    const rows = x.length / D;
    return Array.from({ length: rows }, (_, row) => {
      const gradient = dz[row * U + (n % U)];
      if (name === "bias") return { label: `dz of unit ${n % U}`, value: gradient };
      const input = x[row * D + Math.floor(n / U)];
      const label = `input ${Math.floor(n / U)}, unit ${n % U}`;
      return { label, factors: [input, gradient], value: input * gradient };
    });
  },
  batch_norm: ({ model, run, gradients }, l, name, c) => {
    const { parameters, epsilon, output_shape } = model.layers[l];
    const C = parameters.moving_mean.value.length;
    const s = 1 / Math.sqrt(parameters.moving_variance.value[c] + epsilon);
    const terms = [];
    for (let n = c; n < run[l].x.length; n += C) {
      const gradient = gradients[l].dz[n];
      const x_hat = (run[l].x[n] - parameters.moving_mean.value[c]) * s;
      const label = place_of(n, output_shape);
      if (name === "beta") terms.push({ label, value: gradient });
      else terms.push({ label, factors: [gradient, x_hat], value: gradient * x_hat });
    }
    return terms;
  },
};

/** How the gradient of element n of a layer's parameter adds up: blocks. */
function parameter_gradient_blocks(context, l, name, n) {
  const layer = context.model.layers[l];
  const terms = PARAMETER_GRADIENTS[layer.kind](context, l, name, n);
  const zeros = terms.filter(({ value }) => value === 0).length;
  const product = name === "kernel" ? "its input × dz" : name === "gamma" ? "dz × x̂" : "dz";
  return [
    {
      text:
        `This number is used ${count_of(terms.length, "time")}, and each use counts: ${product}, ` +
        "where dz is the gradient of the sum it went into." +
        (zeros ? ` ${zeros.toLocaleString("en")} of the products are 0.` : ""),
    },
    { sum: { name: `d${name}`, terms, total: context.gradients[l][`d${name}`][n] } },
    ...zero_blocks(terms, "every product has a factor that is 0."),
  ];
}
