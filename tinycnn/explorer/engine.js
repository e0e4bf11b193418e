/* The arithmetic of a network in plain loops and float64, forward and backward.

The functions have the names and formulas of tinycnn/kernels/reference/, where each backward is
derived. There is one sample at a time, so there is no batch axis N.

Legend: an image has H x W pixels and C channels; a layer makes OH x OW outputs with F filters of
KH x KW, and its windows move by SH, SW. A dense layer has D inputs and U units. Every tensor is a
flat Float64Array in memory order: pixel (h, w, c) of an image is at (h*W + w)*C + c, and weight
(u, v, c, f) of a kernel at ((u*KW + v)*C + c)*F + f. z is what an activation is applied to. */
"use strict";

// --- sliding windows -----------------------------------------------------------------------------

/** How many windows fit along one axis. */
function output_length(length, size, stride, padding) {
  if (padding === "same") return Math.ceil(length / stride);
  return Math.floor((length - size) / stride) + 1;
}

/** Zeros before the first pixel along one axis; if their number is odd, one more is at the end. */
function padding_before(length, size, stride, padding) {
  if (padding === "valid") return 0;
  const total = (output_length(length, size, stride, "same") - 1) * stride + size - length;
  return Math.floor(Math.max(total, 0) / 2);
}

/** All numbers about windows of KH x KW over an image of H x W x C. */
function window_geometry([H, W, C], [KH, KW], [SH, SW], padding) {
  const OH = output_length(H, KH, SH, padding);
  const OW = output_length(W, KW, SW, padding);
  const top = padding_before(H, KH, SH, padding);
  const left = padding_before(W, KW, SW, padding);
  return { H, W, C, KH, KW, SH, SW, OH, OW, top, left };
}

/** Calls visit(window, place, pixel) for each pixel of each window, left to right and downwards.

window is i*OW + j, place is u*KW + v in the window, and pixel is h*W + w in the image, with
h = i*SH + u - top and w = j*SW + v - left. What lies outside the image is left out. */
function each_pixel({ H, W, KH, KW, SH, SW, OH, OW, top, left }, visit) {
  for (let i = 0; i < OH; i++) {
    for (let j = 0; j < OW; j++) {
      for (let u = 0; u < KH; u++) {
        const h = i * SH + u - top;
        if (h < 0 || h >= H) continue;
        for (let v = 0; v < KW; v++) {
          const w = j * SW + v - left;
          if (w >= 0 && w < W) visit(i * OW + j, u * KW + v, h * W + w);
        }
      }
    }
  }
}

// --- convolution and dense -----------------------------------------------------------------------

/** z[i,j,f] = bias[f] + sum over u, v, c of x[i*SH + u, j*SW + v, c] * kernel[u,v,c,f]. */
function conv2d_forward(x, kernel, bias, geometry) {
  const { KH, KW, C, OH, OW } = geometry;
  const F = kernel.length / (KH * KW * C);
  const z = new Float64Array(OH * OW * F);
  if (bias) z.forEach((_, n) => (z[n] = bias[n % F]));
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) {
      const input = x[pixel * C + c];
      const weight = (place * C + c) * F;
      for (let f = 0; f < F; f++) z[window * F + f] += input * kernel[weight + f];
    }
  });
  return z;
}

/** Each product of the forward passes dz on to both of its factors: dkernel and dx. */
function conv2d_backward(dz, x, kernel, geometry) {
  const { KH, KW, C } = geometry;
  const F = kernel.length / (KH * KW * C);
  const dx = new Float64Array(x.length);
  const dkernel = new Float64Array(kernel.length);
  const dbias = new Float64Array(F);
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) {
      const input = pixel * C + c;
      const weight = (place * C + c) * F;
      for (let f = 0; f < F; f++) {
        dkernel[weight + f] += x[input] * dz[window * F + f];
        dx[input] += dz[window * F + f] * kernel[weight + f];
      }
    }
  });
  dz.forEach((gradient, n) => (dbias[n % F] += gradient));
  return { dx, dkernel, dbias };
}

/** z[u] = bias[u] + sum over d of x[d] * kernel[d,u], for every row of D inputs. */
function dense_forward(x, kernel, bias, D) {
  const U = kernel.length / D;
  const z = new Float64Array((x.length / D) * U);
  if (bias) z.forEach((_, n) => (z[n] = bias[n % U]));
  x.forEach((input, n) => {
    const row = Math.floor(n / D) * U;
    const weight = (n % D) * U;
    for (let u = 0; u < U; u++) z[row + u] += input * kernel[weight + u];
  });
  return z;
}

/** dkernel[d,u] = sum of x[d]*dz[u], dbias[u] = sum of dz[u], dx[d] = sum of dz[u]*kernel[d,u]. */
function dense_backward(dz, x, kernel, D) {
  const U = kernel.length / D;
  const dx = new Float64Array(x.length);
  const dkernel = new Float64Array(kernel.length);
  const dbias = new Float64Array(U);
  x.forEach((input, n) => {
    const row = Math.floor(n / D) * U;
    const weight = (n % D) * U;
    for (let u = 0; u < U; u++) {
      dkernel[weight + u] += input * dz[row + u];
      dx[n] += dz[row + u] * kernel[weight + u];
    }
  });
  dz.forEach((gradient, n) => (dbias[n % U] += gradient));
  return { dx, dkernel, dbias };
}

// --- pooling: every channel by itself ------------------------------------------------------------

/** The largest value of every window, and its place in the window: of equals the first. */
function max_pool_forward(x, geometry) {
  const { C, OH, OW } = geometry;
  const y = new Float64Array(OH * OW * C);
  const winners = new Int32Array(OH * OW * C).fill(-1);
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) {
      const out = window * C + c;
      if (winners[out] >= 0 && !(x[pixel * C + c] > y[out])) continue;
      y[out] = x[pixel * C + c];
      winners[out] = place;
    }
  });
  return { y, winners };
}

/** dx: each output's gradient goes to the one input that won. */
function max_pool_backward(dy, winners, geometry) {
  const { H, W, C } = geometry;
  const dx = new Float64Array(H * W * C);
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) {
      if (winners[window * C + c] === place) dx[pixel * C + c] += dy[window * C + c];
    }
  });
  return dx;
}

/** How many pixels of the image each window covers; zeros around it are not counted. */
function window_counts(geometry) {
  const counts = new Int32Array(geometry.OH * geometry.OW);
  each_pixel(geometry, (window) => counts[window]++);
  return counts;
}

/** The mean of every window. */
function average_pool_forward(x, geometry) {
  const { C, OH, OW } = geometry;
  const counts = window_counts(geometry);
  const sums = new Float64Array(OH * OW * C);
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) sums[window * C + c] += x[pixel * C + c];
  });
  return sums.map((sum, n) => sum / counts[Math.floor(n / C)]);
}

/** dx: every window shares its gradient equally among its pixels. */
function average_pool_backward(dy, geometry) {
  const { H, W, C } = geometry;
  const counts = window_counts(geometry);
  const dx = new Float64Array(H * W * C);
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) dx[pixel * C + c] += dy[window * C + c] / counts[window];
  });
  return dx;
}

// --- batch normalisation in inference: mean and variance are constants ---------------------------

/** gamma / sqrt(variance + epsilon): what a channel's distance from its mean is multiplied by. */
function batch_norm_scale({ gamma, moving_variance }, epsilon, c) {
  return (gamma ? gamma.value[c] : 1) / Math.sqrt(moving_variance.value[c] + epsilon);
}

/** y = (x - mean) * gamma / sqrt(variance + epsilon) + beta. */
function batch_norm_forward(x, parameters, epsilon) {
  const { beta, moving_mean } = parameters;
  return x.map((value, n) => {
    const c = n % moving_mean.value.length;
    const scale = batch_norm_scale(parameters, epsilon, c);
    return (value - moving_mean.value[c]) * scale + (beta ? beta.value[c] : 0);
  });
}

/** dx = dy * gamma / sqrt(variance + epsilon), dgamma = sum of dy * x_hat, dbeta = sum of dy. */
function batch_norm_backward(dy, x, parameters, epsilon) {
  const { moving_mean, moving_variance } = parameters;
  const C = moving_mean.value.length;
  const dgamma = new Float64Array(C);
  const dbeta = new Float64Array(C);
  const dx = dy.map((gradient, n) => {
    const c = n % C;
    const distance = x[n] - moving_mean.value[c];
    dgamma[c] += (gradient * distance) / Math.sqrt(moving_variance.value[c] + epsilon);
    dbeta[c] += gradient;
    return gradient * batch_norm_scale(parameters, epsilon, c);
  });
  return { dx, dgamma, dbeta };
}

// --- activations: y = f(z), and the slope f'(z) from y -------------------------------------------

const ACTIVATIONS = {
  linear: { forward: (z) => z, slope: () => 1 },
  relu: { forward: (z) => Math.max(z, 0), slope: (y) => (y > 0 ? 1 : 0) },
  leaky_relu: { forward: (z, a) => (z > 0 ? z : a * z), slope: (y, a) => (y > 0 ? 1 : a) },
  elu: { forward: (z, a) => (z > 0 ? z : a * Math.expm1(z)), slope: (y, a) => (y > 0 ? 1 : y + a) },
  sigmoid: { forward: (z) => 1 / (1 + Math.exp(-z)), slope: (y) => y * (1 - y) },
  tanh: { forward: (z) => Math.tanh(z), slope: (y) => 1 - y * y },
};

/** log(softmax(z)) over the last axis, of length K; the largest z is subtracted first. */
function log_softmax(z, K) {
  const result = new Float64Array(z.length);
  for (let n = 0; n < z.length; n += K) {
    const row = z.subarray(n, n + K);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
    row.forEach((value, k) => (result[n + k] = value - largest - Math.log(sum)));
  }
  return result;
}

/** y_k = exp(z_k) / sum of exp over the last axis. */
function softmax_forward(z, K) {
  return log_softmax(z, K).map(Math.exp);
}

/** dz_k = y_k * (dy_k - sum of dy * y). */
function softmax_backward(dy, y, K) {
  const sums = new Float64Array(y.length / K);
  y.forEach((value, n) => (sums[Math.floor(n / K)] += dy[n] * value));
  return y.map((value, n) => value * (dy[n] - sums[Math.floor(n / K)]));
}

/** y = f(z) for an activation {name, alpha}; K is the length of the last axis. */
function activation_forward({ name, alpha }, z, K) {
  if (name === "softmax") return softmax_forward(z, K);
  return z.map((value) => ACTIVATIONS[name].forward(value, alpha));
}

/** dz = dy * f'(z). */
function activation_backward({ name, alpha }, dy, y, K) {
  if (name === "softmax") return softmax_backward(dy, y, K);
  return dy.map((gradient, n) => gradient * ACTIVATIONS[name].slope(y[n], alpha));
}

// --- layers: z from x; from dz the gradients of x and of the parameters --------------------------

const value_of = (layer, name) => layer.parameters[name] && layer.parameters[name].value;
const last_axis = (shape) => shape[shape.length - 1];

/** The geometry of a layer that has windows. */
function geometry_of(layer) {
  return window_geometry(layer.image, layer.window, layer.strides, layer.padding);
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
  batch_norm: {
    forward: (l, x) => batch_norm_forward(x, l.parameters, l.epsilon),
    backward: (l, dz, x) => batch_norm_backward(dz, x, l.parameters, l.epsilon),
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
    const dz = fused ? dy : activation_backward(activation, dy, run[l].y, last_axis(output_shape));
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
