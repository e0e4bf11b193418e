/* Reads the model out of the page, and checks what this page computes against Python.

The page holds one JSON object, whose parts page.py tells. Its `numbers` are little-endian floats in
base64. */
"use strict";

/** CRC-32 of arrays of bytes, one after the other, as in zlib: a single damaged bit changes it. */
function crc32(...parts) {
  let crc = -1;
  for (const bytes of parts) {
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return ~crc >>> 0;
}

/** The bytes that a base64 text stands for. */
function decode_base64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
  return bytes;
}

/** Little-endian float32 or float64 numbers as float64. */
function floats_of(bytes, dtype) {
  const size = dtype === "float64" ? 8 : 4;
  const view = new DataView(bytes.buffer);
  const result = new Float64Array(bytes.length / size);
  for (let n = 0; n < result.length; n++) {
    result[n] = size === 8 ? view.getFloat64(n * 8, true) : view.getFloat32(n * 4, true);
  }
  return result;
}

const size_of = (shape) => shape.reduce((product, length) => product * length, 1);

/** Sample n from bytes, rounded as the model's numbers are. */
function pixels_of_levels(levels, n, size, { peak, dtype }) {
  const round = dtype === "float64" ? Number : Math.fround;
  return Float64Array.from(levels.subarray(n * size, (n + 1) * size), (level) =>
    round(level / (255 / peak)),
  );
}

/** The page's model and samples: parameters get their `value`, samples their `x`.

is_intact() tells whether the numbers are those that Python wrote. */
function read_model(page) {
  const bytes = decode_base64(page.numbers);
  const all = floats_of(bytes, page.dtype);
  let start = 0;
  const take = (shape) => all.slice(start, (start += size_of(shape)));
  for (const layer of page.model.layers) {
    for (const parameter of Object.values(layer.parameters)) {
      parameter.value = take(parameter.shape);
    }
  }
  const shape = page.model.input_shape;
  page.check.x = take(shape);
  const levels = decode_base64(page.levels);
  page.samples.forEach((sample, n) => {
    sample.x = levels.length ? pixels_of_levels(levels, n, size_of(shape), page) : take(shape);
  });
  const is_intact = () => crc32(bytes, levels) === page.check.crc32;
  return { model: page.model, samples: page.samples, is_intact };
}

/** One number that no element can change unnoticed, and the scale to judge a difference by. */
function fingerprint(values) {
  let sum = 0;
  let scale = 0;
  values.forEach((value, n) => {
    const weight = 1 + ((n * 37) % 101) / 101;
    sum += weight * value;
    scale += weight * Math.abs(value);
  });
  return { sum, scale };
}

/** All tensors of one forward and one backward by name, in the order in which Python lists them. */
function tensors_of(model, x, target) {
  const run = forward(model, x);
  const tensors = run.map(({ y }, l) => [`output of ${model.layers[l].name}`, y]);
  const gradients = backward(model, run, target);
  model.layers.forEach((layer, l) => {
    if (!gradients[l]) return;
    tensors.push([`gradient at the input of ${layer.name}`, gradients[l].dx]);
    for (const [name, { has_gradient }] of Object.entries(layer.parameters)) {
      const title = `gradient of ${layer.name}'s ${name}`;
      if (has_gradient) tensors.push([title, gradients[l][`d${name}`]]);
    }
  });
  return tensors;
}

/** Compares all tensors with what Python stored of them: {largest, where, tensors, numbers}. */
function compare_with_python(model, check) {
  const tensors = tensors_of(model, check.x, check.target);
  let largest = 0;
  let where = "";
  let numbers = 0;
  tensors.forEach(([name, values], t) => {
    const { sum, scale } = fingerprint(values);
    numbers += values.length;
    const difference = Math.abs(sum - check.sums[t]) / (scale || 1);
    if (difference <= largest) return;
    largest = difference;
    where = name;
  });
  if (tensors.length !== check.sums.length) largest = Infinity;
  return { largest, where, tensors: tensors.length, numbers };
}

/** The penalty of all regularizers that the loss is added to: l2 * sum of value^2. */
function penalty_of(model) {
  let sum = 0;
  for (const { parameters } of model.layers) {
    for (const { value, l2, learns } of Object.values(parameters)) {
      if (learns && l2) sum += l2 * value.reduce((total, weight) => total + weight * weight, 0);
    }
  }
  return sum;
}

/** One step of SGD on the loss of one sample: {before, after, changes: {"layer name": step}}. */
function learn(model, run, index, learning_rate) {
  const before = loss_forward(model, run, index) + penalty_of(model);
  const gradients = backward(model, run, { kind: "loss", index });
  const steps = [];
  model.layers.forEach((layer, l) => {
    for (const [name, parameter] of Object.entries(layer.parameters)) {
      if (!parameter.learns || !gradients[l]) continue;
      const old = parameter.value.slice();
      const gradient = gradient_of(parameter, name, gradients[l]);
      sgd_update(parameter.value, gradient, learning_rate);
      steps.push({ layer: l, name, old, gradient, learning_rate });
    }
  });
  const after = loss_forward(model, forward(model, run[0].x), index) + penalty_of(model);
  return { before, after, steps };
}

/** Whether a difference from Python is rounding only; NaN is not. */
function is_small(difference) {
  return difference < 1e-10;
}
