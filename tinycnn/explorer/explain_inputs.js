/* How each kind of layer makes the gradient at its input: in blocks, see explain.js.

dz is the gradient at a layer's sums z, or at its output if it has no activation, and dx at its input:
how much the target changes per unit of the number. */
"use strict";

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
      const at = window * geometry.C + c;
      const factors = [gradients[l].dz[at], 1 / counts[at]];
      const label = `window of output row ${i}, column ${j}`;
      return { label, factors, value: factors[0] / counts[at], at };
    });
    return [
      { text: "An average shares its gradient equally among the inputs of its window." },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...link_to_largest(terms, "where the largest share comes from", l, "dz"),
    ];
  },
  global_max_pool: ({ model, run, gradients }, l, n) => {
    const C = last_axis(model.layers[l].input_shape);
    const c = n % C;
    const { x, z } = run[l];
    const count = global_max_counts(x, z)[c];
    const won = x[n] === z[c];
    const gradient = gradients[l].dz[c];
    const shared = won && count > 1;
    const terms = [
      {
        label: won ? (shared ? "dz × its share" : "dz") : `${short(z[c])} is larger, and won`,
        value: won ? gradient / count : 0,
        at: c,
        ...(shared ? { factors: [gradient, 1 / count] } : {}),
      },
    ];
    const who = won
      ? shared
        ? `one of ${count} that won`
        : "the one that won"
      : "not the largest";
    return [
      {
        text:
          "A global max-pool passes a map's gradient on to its largest number, in equal shares if " +
          `there are several. This input is ${who}.`,
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(
        terms,
        won ? "the gradient that arrives is 0." : "another number of the map is larger.",
      ),
      ...link_to_largest(terms, "where it comes from", l, "dz"),
    ];
  },
  zero_pad: ({ model, gradients }, l, n) => {
    const { input_shape, output_shape } = model.layers[l];
    const { OW, C, top, left } = geometry_of(model.layers[l]);
    const [h, w, c] = unravel(n, input_shape);
    const at = ((h + top) * OW + w + left) * C + c;
    const label = `its copy at ${place_of(at, output_shape)}`;
    const terms = [{ label, value: gradients[l].dz[at], at }];
    return [
      { text: "This input was copied to one place of the output, and has the gradient of it." },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(terms, "the gradient that arrives is 0."),
      ...link_to_largest(terms, "where it comes from", l, "dz"),
    ];
  },
  upsample: ({ model, gradients }, l, n) => {
    const { input_shape, output_shape } = model.layers[l];
    const [h, w, c] = unravel(n, input_shape);
    const geometry = geometry_of(model.layers[l]);
    const terms = pixels_of(geometry, h, w).map((copy) => {
      const at = (copy.h * geometry.W + copy.w) * geometry.C + c;
      return { label: `its copy at ${place_of(at, output_shape)}`, value: gradients[l].dz[at], at };
    });
    return [
      {
        text:
          `This input was copied to ${count_of(terms.length, "place")} of the output, and the ` +
          "gradients of all its copies add up.",
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...zero_blocks(terms, "no gradient comes back to any of its copies."),
      ...link_to_largest(terms, "where the largest share comes from", l, "dz"),
    ];
  },
  normalize: ({ model, gradients }, l, n) => {
    const layer = model.layers[l];
    const { deviation } = mean_and_deviation(constants_of(layer), n % last_axis(layer.input_shape));
    const factors = [gradients[l].dz[n], layer.invert ? deviation : 1 / deviation];
    const label = layer.invert ? "dz × deviation" : "dz × 1 / deviation";
    const terms = [{ label, factors, value: gradients[l].dx[n], at: n }];
    return [
      {
        text:
          `The input was ${layer.invert ? "multiplied" : "divided"} by the deviation, so its ` +
          "gradient is, too. The mean only shifts it, and plays no part.",
      },
      { sum: { name: "dx", terms, total: gradients[l].dx[n] } },
      ...link_to_largest(terms, "where it comes from", l, "dz"),
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
