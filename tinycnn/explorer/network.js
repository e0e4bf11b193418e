/* The layers by their kinds, and the network of them: forward, backward, and what is made of both.

The legend is that of engine.js. A layer is described in describe.py. */
"use strict";

// --- layers: z from x; from dz the gradients of x and of the parameters --------------------------

const value_of = (layer, name) => layer.parameters[name] && layer.parameters[name].value;
const last_axis = (shape) => shape[shape.length - 1];

/** The geometry of a layer that has windows, or moves pixels as one that has. */
function geometry_of({ kind, image, window, strides, padding }) {
  if (kind === "zero_pad") return zero_padding_geometry(image, padding);
  if (kind === "upsample") return upsampling_geometry(image, window);
  return window_geometry(image, window, strides, padding);
}

/** The mean and the variance of a Normalization: adapted, or the constants it was made with. */
function constants_of(layer) {
  const { mean, variance } = layer.parameters;
  return mean ? { mean: mean.value, variance: variance.value } : layer.constants;
}

/** A layer's own arithmetic, without its activation. */
const KINDS = {
  conv2d: {
    forward: (l, x) =>
      conv2d_forward(x, value_of(l, "kernel"), value_of(l, "bias"), geometry_of(l)),
    backward: (l, dz, x) => conv2d_backward(dz, x, value_of(l, "kernel"), geometry_of(l)),
  },
  dense: {
    forward: (l, x) =>
      dense_forward(x, value_of(l, "kernel"), value_of(l, "bias"), last_axis(l.input_shape)),
    backward: (l, dz, x) => dense_backward(dz, x, value_of(l, "kernel"), last_axis(l.input_shape)),
  },
  max_pool: {
    forward: (l, x) => max_pool_forward(x, geometry_of(l)).y,
    backward: (l, dz, x) => {
      const { winners } = max_pool_forward(x, geometry_of(l));
      return { dx: max_pool_backward(dz, winners, geometry_of(l)) };
    },
  },
  average_pool: {
    forward: (l, x) => average_pool_forward(x, geometry_of(l)),
    backward: (l, dz) => ({ dx: average_pool_backward(dz, geometry_of(l)) }),
  },
  global_max_pool: {
    forward: (l, x) => global_max_pool_forward(x, last_axis(l.input_shape)),
    backward: (l, dz, x) => {
      const y = global_max_pool_forward(x, last_axis(l.input_shape));
      return { dx: global_max_pool_backward(dz, x, y) };
    },
  },
  zero_pad: {
    forward: (l, x) => zero_pad_forward(x, geometry_of(l)),
    backward: (l, dz) => ({ dx: zero_pad_backward(dz, geometry_of(l)) }),
  },
  upsample: {
    forward: (l, x) => upsample_forward(x, geometry_of(l)),
    backward: (l, dz) => ({ dx: upsample_backward(dz, geometry_of(l)) }),
  },
  batch_norm: {
    forward: (l, x) => batch_norm_forward(x, l.parameters, l.epsilon),
    backward: (l, dz, x) => batch_norm_backward(dz, x, l.parameters, l.epsilon),
  },
  normalize: {
    forward: (l, x) =>
      normalization_forward(x, constants_of(l), last_axis(l.input_shape), l.invert),
    backward: (l, dz) => ({
      dx: normalization_backward(dz, constants_of(l), last_axis(l.input_shape), l.invert),
    }),
  },
  rescale: {
    forward: (l, x) => x.map((value) => value * l.scale + l.offset),
    backward: (l, dz) => ({ dx: dz.map((gradient) => gradient * l.scale) }),
  },
  identity: { forward: (l, x) => x, backward: (l, dz) => ({ dx: dz }) },
};

// --- the network: a fold forward, and the same fold reversed -------------------------------------

/** What every layer computes from one sample: [{x, z, y}, ...]. */
function forward(model, x) {
  return model.layers.map((layer) => {
    const z = KINDS[layer.kind].forward(layer, x);
    const y = activation_forward(layer.activation, z, last_axis(layer.output_shape));
    const step = { x, z, y };
    x = y;
    return step;
  });
}

/** Whether a target is taken below the model's last softmax, on its logits.

A class's score always is, and so is the cross-entropy, whose gradient is softmax minus one-hot. */
function is_on_logits(model, kind) {
  return model.softmax !== null && (kind === "score" || model.loss === "cross-entropy");
}

/** What a score or the loss is taken of: the logits, or else the output. */
function scores_of(model, run, kind) {
  return is_on_logits(model, kind) ? run[model.softmax].z : run[run.length - 1].y;
}

/** The loss if `index` were the right answer: cross-entropy on logits, or mean squared error. */
function loss_forward(model, run, index) {
  const scores = scores_of(model, run, "loss");
  if (model.loss === "cross-entropy") return -log_softmax(scores, scores.length)[index];
  const squares = scores.map((score, k) => (score - (k === index ? 1 : 0)) ** 2);
  return squares.reduce((sum, square) => sum + square) / scores.length;
}

/** The gradient of a target, {kind: "score" or "loss", index}, with respect to the scores. */
function target_gradient(model, run, { kind, index }) {
  const scores = scores_of(model, run, kind);
  const one_hot = scores.map((_, k) => (k === index ? 1 : 0));
  if (kind === "score") return one_hot;
  if (model.loss === "cross-entropy") {
    return softmax_forward(scores, scores.length).map((p, k) => p - one_hot[k]);
  }
  return scores.map((score, k) => (2 * (score - one_hot[k])) / scores.length);
}

/** The gradients of a target: [{dy, dz, dx, dkernel, ...}, ...], null where it does not come by. */
function backward(model, run, target) {
  const gradients = model.layers.map(() => null);
  const on_logits = is_on_logits(model, target.kind);
  let dy = target_gradient(model, run, target);
  for (let l = on_logits ? model.softmax : model.layers.length - 1; l >= 0; l--) {
    const { kind, activation, output_shape } = model.layers[l];
    const fused = on_logits && l === model.softmax; // dy is the gradient of z already
    const dz = fused ? dy : activation_backward(activation, dy, run[l], last_axis(output_shape));
    gradients[l] = { dy: fused ? null : dy, dz };
    Object.assign(gradients[l], KINDS[kind].backward(model.layers[l], dz, run[l].x));
    dy = gradients[l].dx;
  }
  return gradients;
}

// --- looking inside, learning --------------------------------------------------------------------

/** How much a class's score changes per unit of each pixel. */
function saliency(model, x, index) {
  return backward(model, forward(model, x), { kind: "score", index })[0].dx;
}

/** Where in a layer's maps the evidence lies: alpha (C), the mean gradients, and cam (H, W). */
function grad_cam(model, run, gradients, l) {
  const C = last_axis(model.layers[l].output_shape);
  const maps = run[l].y;
  const alpha = new Float64Array(C);
  gradients[l + 1].dx.forEach((gradient, n) => (alpha[n % C] += gradient / (maps.length / C)));
  const sums = new Float64Array(maps.length / C);
  maps.forEach((value, n) => (sums[Math.floor(n / C)] += alpha[n % C] * value));
  return { alpha, cam: sums.map((sum) => Math.max(sum, 0)) };
}

/** value -= learning_rate * gradient, in place. */
function sgd_update(value, gradient, learning_rate) {
  value.forEach((_, n) => (value[n] -= learning_rate * gradient[n]));
}

/** The loss's gradient for one parameter; its penalty l2 * sum of value^2 adds 2 * l2 * value. */
function gradient_of({ value, l2 }, name, gradients) {
  return gradients[`d${name}`].map((gradient, n) => gradient + 2 * l2 * value[n]);
}
