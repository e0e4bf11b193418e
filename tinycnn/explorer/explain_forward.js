/* How each kind of layer makes an output: in blocks, see explain.js. */
"use strict";

/** A term for each product of a window and a filter, channel by channel, and one for the bias. */
function conv2d_terms({ x }, layer, i, j, f) {
  const geometry = geometry_of(layer);
  const { W, C, KW } = geometry;
  const kernel = value_of(layer, "kernel");
  const bias = value_of(layer, "bias");
  const F = last_axis(layer.output_shape);
  const pixels = pixels_of(geometry, i, j);
  const products = (c) =>
    pixels.map(({ u, v, h, w, inside }) => {
      const input = inside ? x[(h * W + w) * C + c] : 0;
      const weight = kernel[((u * KW + v) * C + c) * F + f];
      const where = `row ${h}, column ${w}`.replaceAll("-", MINUS);
      const label = inside ? where : `${where} (outside: 0)`;
      const at = inside ? (h * W + w) * C + c : null;
      return { label, factors: [input, weight], value: input * weight, at };
    });
  const terms = [];
  for (let c = 0; c < C && C > 1; c++) {
    const value = products(c).reduce((sum, term) => sum + term.value, 0);
    terms.push({ label: `input map ${c}`, value, channel: c, terms: () => products(c) });
  }
  if (C === 1) terms.push(...products(0));
  if (bias) terms.push({ label: `bias of filter ${f}`, value: bias[f] });
  return terms;
}

/** The sentence about an output that is a copy of the layer's input number `at`, and a link. */
function copy_blocks(x, at, input_shape, l, before) {
  const text = `${before}This is a copy of the input at ${place_of(at, input_shape)}: ${short(x[at])}.`;
  return [
    { text },
    { link: { text: "the number that is copied", layer: l - 1, view: "y", index: at } },
  ];
}

/** How each kind of layer makes its output n: blocks. */
const OUTPUTS = {
  conv2d: (context, l, n) => {
    const layer = context.model.layers[l];
    const [i, j, f] = unravel(n, layer.output_shape);
    const terms = conv2d_terms(context.run[l], layer, i, j, f);
    const parts = terms.filter((term) => term.terms);
    const strongest = parts.reduce(
      (a, b) => (Math.abs(b.value) > Math.abs(a.value) ? b : a),
      parts[0],
    );
    const channel = strongest ? strongest.channel : 0;
    return [
      ...window_blocks(l, geometry_of(layer), i, j, channel, true),
      {
        text:
          `Each input is multiplied by the weight at the same place of filter ${f}. ` +
          "The products" +
          (layer.parameters.bias ? " and the filter's bias" : "") +
          " are added up:",
      },
      { sum: { name: "z", terms, total: context.run[l].z[n] } },
      ...activation_blocks(context, l, n),
      ...link_to_largest(terms, "the input with the largest share", l - 1, "y"),
    ];
  },
  dense: (context, l, n) => {
    const layer = context.model.layers[l];
    const D = last_axis(layer.input_shape);
    const U = last_axis(layer.output_shape);
    const [row, u] = [Math.floor(n / U), n % U];
    const { x, z } = context.run[l];
    const kernel = value_of(layer, "kernel");
    const bias = value_of(layer, "bias");
    const terms = Array.from({ length: D }, (_, d) => ({
      label: input_place(context.model, l, row * D + d),
      factors: [x[row * D + d], kernel[d * U + u]],
      value: x[row * D + d] * kernel[d * U + u],
      at: row * D + d,
    }));
    if (bias) terms.push({ label: `bias of unit ${u}`, value: bias[u] });
    return [
      {
        text:
          `Each of the ${count_of(D, "input")} is multiplied by a weight of its own for unit ` +
          `${u}. The products${bias ? " and the bias" : ""} are added up:`,
      },
      { sum: { name: "z", terms, total: z[n] } },
      ...activation_blocks(context, l, n),
      ...link_to_largest(terms, "the input with the largest share", l - 1, "y"),
    ];
  },
  max_pool: ({ model, run }, l, n) => {
    const layer = model.layers[l];
    const geometry = geometry_of(layer);
    const [i, j, c] = unravel(n, layer.output_shape);
    const { winners } = max_pool_forward(run[l].x, geometry);
    const pixels = pixels_of(geometry, i, j).filter(({ inside }) => inside);
    const place = ({ h, w }) => (h * geometry.W + w) * geometry.C + c;
    const input = (pixel) => run[l].x[place(pixel)];
    const won = pixels.findIndex(({ u, v }) => u * geometry.KW + v === winners[n]);
    const equal = pixels.filter((pixel) => input(pixel) === run[l].y[n]).length;
    return [
      ...window_blocks(l, geometry, i, j, c, false),
      {
        text:
          `The largest of the ${count_of(pixels.length, "value")} goes on: ` +
          `${short(run[l].y[n])}, from row ${pixels[won].h}, column ${pixels[won].w}` +
          (equal > 1 ? `, the first of ${equal} equal ones.` : "."),
      },
      {
        table: {
          head: ["row", "column", "value", "goes on?"],
          rows: pixels.map((pixel, p) => [
            String(pixel.h),
            String(pixel.w),
            factor(input(pixel)),
            p === won
              ? "yes, the winner"
              : input(pixel) === run[l].y[n]
                ? "no, equal but later"
                : "no",
          ]),
          mark: won,
        },
      },
      { link: { text: "the winner", layer: l - 1, view: "y", index: place(pixels[won]) } },
    ];
  },
  average_pool: ({ model, run }, l, n) => {
    const layer = model.layers[l];
    const geometry = geometry_of(layer);
    const C = geometry.C;
    const [i, j] = [Math.floor(n / C / geometry.OW), Math.floor(n / C) % geometry.OW];
    const pixels = pixels_of(geometry, i, j).filter(({ inside }) => inside);
    const terms = pixels.map(({ h, w }) => {
      const input = run[l].x[(h * geometry.W + w) * C + (n % C)];
      const value = input / pixels.length;
      return { label: `row ${h}, column ${w}`, factors: [input, 1 / pixels.length], value };
    });
    return [
      ...window_blocks(l, geometry, i, j, n % C, false),
      {
        text:
          `The output is the mean: each of the ${count_of(pixels.length, "value")} counts ` +
          `1 / ${pixels.length}.`,
      },
      { sum: { name: "mean", terms, total: run[l].z[n] } },
    ];
  },
  global_max_pool: ({ model, run }, l, c) => {
    const [H, W, C] = model.layers[l].input_shape;
    const { x, z } = run[l];
    const pixels = Array.from({ length: H * W }, (_, pixel) => pixel * C + c);
    const largest = pixels.sort((a, b) => x[b] - x[a] || a - b).slice(0, 8);
    const count = global_max_counts(x, z)[c];
    const equal = count > 1 ? ` ${count} inputs are equally large; this is the first.` : "";
    const shown = largest.length > 1 ? ` These are the ${largest.length} largest:` : "";
    return [
      { window: { layer: l, channel: c, rows: [0, H], columns: [0, W] } },
      {
        text:
          `Of the ${count_of(pixels.length, "value")} of map ${c} the largest goes on: ` +
          `${short(z[c])}, from ${place_of((largest[0] - c) / C, [H, W, 1])}.${equal}${shown}`,
      },
      {
        table: {
          head: ["row", "column", "value", "goes on?"],
          rows: largest.map((at) => [
            String(Math.floor(at / C / W)),
            String(Math.floor(at / C) % W),
            factor(x[at]),
            x[at] === z[c] ? "yes" : "no",
          ]),
          mark: 0,
        },
      },
      { link: { text: "the largest", layer: l - 1, view: "y", index: largest[0] } },
    ];
  },
  zero_pad: ({ model, run }, l, n) => {
    const { H, W, C, top, left } = geometry_of(model.layers[l]);
    const [i, j, c] = unravel(n, model.layers[l].output_shape);
    const [h, w] = [i - top, j - left];
    if (h < 0 || h >= H || w < 0 || w >= W) {
      return [{ text: "It lies in the border that the layer puts around the input, so it is 0." }];
    }
    return copy_blocks(run[l].x, (h * W + w) * C + c, model.layers[l].input_shape, l, "");
  },
  upsample: ({ model, run }, l, n) => {
    const { input_shape, output_shape, window } = model.layers[l];
    const [i, j, c] = unravel(n, output_shape);
    const [h, w] = [Math.floor(i / window[0]), Math.floor(j / window[1])];
    const at = (h * input_shape[1] + w) * input_shape[2] + c;
    const repeated = `Every input fills ${window.join(" × ")} places of the output. `;
    return copy_blocks(run[l].x, at, input_shape, l, repeated);
  },
  normalize: ({ model, run }, l, n) => {
    const layer = model.layers[l];
    const c = n % last_axis(layer.input_shape);
    const constants = constants_of(layer);
    const { mean, deviation } = mean_and_deviation(constants, c);
    const x = run[l].x[n];
    const known =
      `For ${constants.mean.length === 1 ? "all numbers" : `channel ${c}`} the layer has the mean ` +
      `${short(mean)} and the variance ${short(constants.variance[c % constants.variance.length])}, ` +
      `which no training changes. The root of the variance is the deviation ${short(deviation)}.`;
    const text = layer.invert
      ? `${known} The input is multiplied by the deviation, and the mean is added:`
      : `${known} The input ${short(x)} is ${short(x - mean)} away from the mean. That is divided ` +
        "by the deviation:";
    const factors = layer.invert ? [x, deviation] : [x - mean, 1 / deviation];
    const label = layer.invert ? "input × deviation" : "distance × 1 / deviation";
    const terms = [{ label, factors, value: factors[0] * factors[1] }];
    if (layer.invert) terms.push({ label: "mean", value: mean });
    return [{ text }, { sum: { name: "output", terms, total: run[l].z[n] } }];
  },
  batch_norm: ({ model, run }, l, n) => {
    const { parameters, epsilon } = model.layers[l];
    const c = n % parameters.moving_mean.value.length;
    const distance = run[l].x[n] - parameters.moving_mean.value[c];
    const scale = batch_norm_scale(parameters, epsilon, c);
    const gamma = parameters.gamma ? parameters.gamma.value[c] : 1;
    const terms = [
      {
        label: "distance from the mean × scale",
        factors: [distance, scale],
        value: distance * scale,
      },
    ];
    if (parameters.beta) terms.push({ label: "beta", value: parameters.beta.value[c] });
    return [
      {
        text:
          `The input is ${short(run[l].x[n])}. In training the layer has noted that channel ${c} ` +
          `has the mean ${short(parameters.moving_mean.value[c])} and the variance ` +
          `${short(parameters.moving_variance.value[c])}. The scale is gamma / √(variance + ` +
          `${short(epsilon)}), with gamma ${short(gamma)}: ${short(scale)}.`,
      },
      { sum: { name: "output", terms, total: run[l].z[n] } },
    ];
  },
  rescale: ({ model, run }, l, n) => {
    const { scale, offset } = model.layers[l];
    const terms = [
      { label: "input × scale", factors: [run[l].x[n], scale], value: run[l].x[n] * scale },
      { label: "offset", value: offset },
    ];
    return [{ sum: { name: "output", terms, total: run[l].z[n] } }];
  },
  identity: (context, l, n) => {
    const layer = context.model.layers[l];
    const same = `The input is ${short(context.run[l].x[n])}. `;
    const what = {
      Flatten:
        "Flatten computes nothing: it lays the maps out in one row. " +
        `This is ${place_of(n, layer.input_shape)}.`,
      Reshape:
        "Reshape computes nothing: the numbers get another shape, in the same order. " +
        `In the input this is ${place_of(n, layer.input_shape)}.`,
      Dropout: "Dropout drops numbers in training only. Here it passes everything on.",
      GaussianNoise: "The layer adds noise in training only. Here it passes everything on.",
      RandomFlip: "The layer mirrors pictures in training only. Here it passes them on.",
      RandomTranslation: "The layer moves pictures in training only. Here it passes them on.",
      RandomRotation: "The layer turns pictures in training only. Here it passes them on.",
      RandomZoom: "The layer zooms pictures in training only. Here it passes them on.",
    }[layer.class];
    const linear = layer.activation.name === "linear";
    const text = linear ? what || "The layer passes its input on unchanged." : "";
    return [
      { text: same + text },
      ...activation_blocks(context, l, n),
      { link: { text: "the number in the layer before", layer: l - 1, view: "y", index: n } },
    ];
  },
};
