/* How each kind of layer makes an output: in blocks, see explain.js. */
"use strict";

/** The windows of a layer's geometry as pairs: window (i, j) begins at pixel (h, w). */
function window_start({ SH, SW, top, left }, i, j) {
  return { h: i * SH - top, w: j * SW - left };
}

/** The pixels of window (i, j), those outside of the image included: {u, v, h, w, inside}. */
function pixels_of(geometry, i, j) {
  const { H, W, KH, KW } = geometry;
  const start = window_start(geometry, i, j);
  const pixels = [];
  for (let u = 0; u < KH; u++) {
    for (let v = 0; v < KW; v++) {
      const h = start.h + u;
      const w = start.w + v;
      pixels.push({ u, v, h, w, inside: h >= 0 && h < H && w >= 0 && w < W });
    }
  }
  return pixels;
}

/** The windows that see pixel (h, w), with the pixel's place in each: {i, j, u, v}. */
function windows_that_see(geometry, h, w) {
  const { KH, KW, SH, SW, OH, OW, top, left } = geometry;
  const windows = [];
  for (let i = 0; i < OH; i++) {
    const u = h + top - i * SH;
    if (u < 0 || u >= KH) continue;
    for (let j = 0; j < OW; j++) {
      const v = w + left - j * SW;
      if (v >= 0 && v < KW) windows.push({ i, j, u, v });
    }
  }
  return windows;
}

/** The sentence about the window that an output looks at, and its picture. */
function window_blocks(l, geometry, i, j, channel, all_channels) {
  const { H, W, C, KH, KW } = geometry;
  const { h, w } = window_start(geometry, i, j);
  const rows = `rows ${h} to ${h + KH - 1}`.replaceAll("-", MINUS);
  const columns = `columns ${w} to ${w + KW - 1}`.replaceAll("-", MINUS);
  const where = all_channels
    ? C > 1
      ? ` of all ${C} maps`
      : ""
    : C > 1
      ? ` of map ${channel}`
      : "";
  const outside = h < 0 || w < 0 || h + KH > H || w + KW > W;
  return [
    {
      text:
        `It looks at a window of ${KH} × ${KW} of the layer's input: ${rows}, ${columns}${where}.` +
        (outside
          ? " Part of the window lies outside of the picture; there is no input there."
          : ""),
    },
    { window: { layer: l, channel, rows: [h, h + KH], columns: [w, w + KW] } },
  ];
}

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

/** A link to where the largest term comes from, if that is known: `at` is its index. */
function link_to_largest(terms, text, layer, view) {
  const inner = ({ label, terms: own }) =>
    own().map((term) => ({ ...term, label: `${label}, ${term.label}` }));
  const all = terms.flatMap((term) => (term.terms ? inner(term) : [term]));
  const known = all.filter((term) => typeof term.at === "number");
  if (!known.length) return [];
  const largest = known.reduce((a, b) => (Math.abs(b.value) > Math.abs(a.value) ? b : a));
  const what = largest.value === 0 ? "one of the terms that are 0" : text;
  return [{ link: { text: `${what} (${largest.label})`, layer, view, index: largest.at } }];
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
      Dropout: "Dropout drops numbers in training only. Here it passes everything on.",
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
