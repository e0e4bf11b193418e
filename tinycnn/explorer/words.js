/* Numbers and places in words.

What is printed must add up: short numbers are for sentences, and a sum gets as many decimals as its
terms need. A minus is U+2212, which is as wide as a plus. */
"use strict";

// --- numbers and places in words -----------------------------------------------------------------

const MINUS = "\u2212";

/** A number for a sentence: four digits, with a minus that can be seen. */
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text = size.toPrecision(4);
  if (size >= 1e-4 && size < 1e6) text = String(Number(text));
  return (value < 0 ? MINUS : "") + text.replace("e-", `e${MINUS}`).replace("e+", "e");
}

/** A factor of a product: seven digits, as many as a float32 holds. */
function factor(value) {
  return String(Number(value.toPrecision(7))).replaceAll("-", MINUS);
}

/** How many decimals the printed terms need, so that they add up to the printed total. */
function decimals_for(printed, total) {
  const largest = Math.max(...printed.map(Math.abs), 0);
  const scale = Math.abs(total) > 1e-12 * largest ? Math.abs(total) : largest;
  if (!scale) return 1;
  // Each number is off by up to half of its last decimal: together by less than 1e-6 of the total.
  const needed = Math.ceil(Math.log10((printed.length + 1) / (1e-6 * scale)));
  return Math.min(Math.max(needed, 4), 60);
}

/** A number with so many decimals. */
function fixed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + text;
}

/** "1 window", "3 windows". */
function count_of(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The indices of flat element n of a tensor of this shape. */
function unravel(n, shape) {
  const indices = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    indices.unshift(n % shape[axis]);
    n = Math.floor(n / shape[axis]);
  }
  return indices;
}

/** Element n of a layer's output or input, in words. */
function place_of(n, shape) {
  const indices = unravel(n, shape);
  const map = shape[2] > 1 ? `, map ${indices[2]}` : "";
  if (shape.length === 3) return `row ${indices[0]}, column ${indices[1]}${map}`;
  if (shape.length === 1) return `number ${n}`;
  return `place (${indices.join(", ")})`;
}

/** Input n of a layer, in words; behind a Flatten, by its place before it was laid out in a row. */
function input_place(model, l, n) {
  let shape = model.layers[l].input_shape;
  while (shape.length === 1 && l > 0 && model.layers[l - 1].kind === "identity") {
    l -= 1;
    shape = model.layers[l].input_shape;
  }
  return shape.length === 3 ? `input ${n} (${place_of(n, shape)})` : `input ${n}`;
}

/** What an activation does, as a formula. */
function formula_of({ name, alpha, max_value, negative_slope, threshold }) {
  const most = typeof max_value === "number" ? `, and at most ${short(max_value)}` : "";
  const distance = threshold ? `(z ${MINUS} ${short(threshold)})` : "z";
  const below = negative_slope ? `${short(negative_slope)} × ${distance}` : "0";
  return {
    bounded_relu: `relu(z) = z if z is above ${short(threshold || 0)}${most}; else ${below}`,
    silu: "silu(z) = z × sigmoid(z)",
    softplus: "softplus(z) = log(1 + e^z)",
    relu: "relu(z) = z if z is above 0, else 0",
    leaky_relu: `leaky_relu(z) = z if z is above 0, else ${short(alpha || 0)} × z`,
    elu: `elu(z) = z if z is above 0, else ${short(alpha || 0)} × (e^z ${MINUS} 1)`,
    sigmoid: `sigmoid(z) = 1 / (1 + e^(${MINUS}z))`,
    tanh: "tanh(z), which lies between \u22121 and 1",
    softmax: "softmax(z) = e^z, divided by the sum of all these powers",
  }[name];
}

/** Element n of a parameter, in words. */
function weight_place(layer, name, n) {
  const indices = unravel(n, layer.parameters[name].shape);
  if (indices.length === 4) {
    const [u, v, c, f] = indices;
    return `filter ${f}, row ${u}, column ${v}, for input map ${c}`;
  }
  if (indices.length === 2) return `from input ${indices[0]} to unit ${indices[1]}`;
  const owner = { conv2d: "filter", dense: "unit" }[layer.kind] || "channel";
  const [count] = layer.parameters[name].shape;
  if (layer.kind === "normalize" && count !== last_axis(layer.input_shape))
    return "of all channels";
  return `of ${owner} ${n}`;
}

const MOST_TERMS = 12; // of a sum that are printed at first

/** A sum as it is printed: {rows: [{label, product, value, term}], total}, all of them texts.

Of many terms the largest are printed, and the others in one row, {label, value, others}. With
`all` every term has a row. */
function print_sum({ terms, total }, all) {
  const many = terms.length > MOST_TERMS + 1 && !all;
  const by_size = (a, b) => Math.abs(b.value) - Math.abs(a.value);
  const shown = many ? [...terms].sort(by_size).slice(0, MOST_TERMS) : terms;
  const set = new Set(shown);
  const others = terms.filter((term) => !set.has(term));
  const rest = others.reduce((sum, term) => sum + term.value, 0);
  const printed = [...shown.map(({ value }) => value), rest];
  const decimals = decimals_for(printed, total);
  const rows = shown.map((term) => ({
    label: term.label,
    product: term.factors ? term.factors.map(factor).join(" × ") : "",
    value: fixed(term.value, decimals),
    term,
  }));
  if (many) {
    const zeros = others.filter(({ value }) => value === 0).length;
    const label =
      `${others.length.toLocaleString("en")} more, together` +
      (zeros ? ` (${zeros.toLocaleString("en")} of them are 0)` : "");
    rows.push({ label, product: "", value: fixed(rest, decimals), others: others.length });
  }
  return { rows, total: fixed(total, decimals) };
}
