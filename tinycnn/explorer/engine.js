/* The arithmetic of all layers in plain loops and float64, forward and backward.

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

/** The same for every channel by itself: visit(out, in, place), both in memory order.

out is window*C + c, in is pixel*C + c. */
function each_number(geometry, visit) {
  const { C } = geometry;
  each_pixel(geometry, (window, place, pixel) => {
    for (let c = 0; c < C; c++) visit(window * C + c, pixel * C + c, place);
  });
}

/** Zeros, as many as the windows have outputs, or as the image has numbers. */
const zeros_of_windows = ({ OH, OW, C }) => new Float64Array(OH * OW * C);
const zeros_of_image = ({ H, W, C }) => new Float64Array(H * W * C);

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
  const y = zeros_of_windows(geometry);
  const winners = new Int32Array(y.length).fill(-1);
  each_number(geometry, (out, input, place) => {
    if (winners[out] >= 0 && !(x[input] > y[out])) return;
    y[out] = x[input];
    winners[out] = place;
  });
  return { y, winners };
}

/** dx: each output's gradient goes to the one input that won. */
function max_pool_backward(dy, winners, geometry) {
  const dx = zeros_of_image(geometry);
  each_number(geometry, (out, input, place) => {
    if (winners[out] === place) dx[input] += dy[out];
  });
  return dx;
}

/** The largest value of every channel, of which there are C. */
function global_max_pool_forward(x, C) {
  const y = x.slice(0, C);
  x.forEach((value, n) => (y[n % C] = Math.max(y[n % C], value)));
  return y;
}

/** How many of a channel's pixels are the largest. */
function global_max_counts(x, y) {
  const counts = new Int32Array(y.length);
  x.forEach((value, n) => (counts[n % y.length] += value === y[n % y.length] ? 1 : 0));
  return counts;
}

/** dx: each channel's gradient goes to its largest pixel, in equal shares if there are several. */
function global_max_pool_backward(dy, x, y) {
  const C = y.length;
  const counts = global_max_counts(x, y);
  return x.map((value, n) => (value === y[n % C] ? dy[n % C] / counts[n % C] : 0));
}

/** How many pixels of the image each output's window covers; zeros around it are not counted. */
function window_counts(geometry) {
  const counts = zeros_of_windows(geometry);
  each_number(geometry, (out) => counts[out]++);
  return counts;
}

/** The mean of every window. */
function average_pool_forward(x, geometry) {
  const counts = window_counts(geometry);
  const sums = zeros_of_windows(geometry);
  each_number(geometry, (out, input) => (sums[out] += x[input]));
  return sums.map((sum, out) => sum / counts[out]);
}

/** dx: every window shares its gradient equally among its pixels. */
function average_pool_backward(dy, geometry) {
  const counts = window_counts(geometry);
  const dx = zeros_of_image(geometry);
  each_number(geometry, (out, input) => (dx[input] += dy[out] / counts[out]));
  return dx;
}

// --- moving numbers ------------------------------------------------------------------------------

/** Zeros around an image are the padding of windows of 1 x 1, each of which copies its pixel. */
function zero_padding_geometry([H, W, C], [[top, bottom], [left, right]]) {
  const [OH, OW] = [top + H + bottom, left + W + right];
  return { H, W, C, KH: 1, KW: 1, SH: 1, SW: 1, OH, OW, top, left };
}

/** y: the image, with zeros around it. */
function zero_pad_forward(x, geometry) {
  const y = zeros_of_windows(geometry);
  each_number(geometry, (out, input) => (y[out] = x[input]));
  return y;
}

/** dx: dy without its border, as no pixel is in it. */
function zero_pad_backward(dy, geometry) {
  const dx = zeros_of_image(geometry);
  each_number(geometry, (out, input) => (dx[input] = dy[out]));
  return dx;
}

/** A pool's windows, the other way round: they lie on the output, and a pixel fills each. */
function upsampling_geometry([H, W, C], size) {
  return window_geometry([H * size[0], W * size[1], C], size, size, "valid");
}

/** y: every pixel, repeated. */
function upsample_forward(x, geometry) {
  const y = zeros_of_image(geometry);
  each_number(geometry, (window, output) => (y[output] = x[window]));
  return y;
}

/** dx: the sum of dy over a pixel's copies. */
function upsample_backward(dy, geometry) {
  const dx = zeros_of_windows(geometry);
  each_number(geometry, (window, output) => (dx[window] += dy[output]));
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

// --- normalisation by constants ------------------------------------------------------------------

/** What a channel of a Normalization is shifted by, and its deviation, at least 1e-7. */
function mean_and_deviation({ mean, variance }, c) {
  const deviation = Math.max(Math.sqrt(variance[c % variance.length]), 1e-7);
  return { mean: mean[c % mean.length], deviation };
}

/** y = (x - mean) / deviation for C channels, or the inverse of it. */
function normalization_forward(x, constants, C, invert) {
  return x.map((value, n) => {
    const { mean, deviation } = mean_and_deviation(constants, n % C);
    return invert ? mean + value * deviation : (value - mean) / deviation;
  });
}

/** dx = dy / deviation, or dy * deviation for the inverse. */
function normalization_backward(dy, constants, C, invert) {
  return dy.map((gradient, n) => {
    const { deviation } = mean_and_deviation(constants, n % C);
    return invert ? gradient * deviation : gradient / deviation;
  });
}

// --- activations: y = f(z), and the slope f'(z) from y and z; `of` are an activation's settings --

const sigmoid = (z) => 1 / (1 + Math.exp(-z));

/** A relu with a line below its threshold and a largest output, which may be null. */
function bounded_relu(z, { max_value, negative_slope, threshold }) {
  if (z > threshold) return Math.min(z, max_value ?? Infinity);
  return negative_slope ? negative_slope * (z - threshold) : 0;
}

/** Its slope; at a largest output of 6 it is 0, at any other one 1, both as in Keras. */
function bounded_relu_slope(z, { max_value, negative_slope, threshold }) {
  if (!(z > threshold)) return z < threshold ? negative_slope : 0;
  const most = max_value ?? Infinity;
  return z < most || (z === most && !(most === 6 && !threshold)) ? 1 : 0;
}

const ACTIVATIONS = {
  linear: { forward: (z) => z, slope: () => 1 },
  relu: { forward: (z) => Math.max(z, 0), slope: (y) => (y > 0 ? 1 : 0) },
  leaky_relu: {
    forward: (z, of) => (z > 0 ? z : of.alpha * z),
    slope: (y, z, of) => (y > 0 ? 1 : of.alpha),
  },
  elu: {
    forward: (z, of) => (z > 0 ? z : of.alpha * Math.expm1(z)),
    slope: (y, z, of) => (y > 0 ? 1 : y + of.alpha),
  },
  bounded_relu: { forward: bounded_relu, slope: (y, z, of) => bounded_relu_slope(z, of) },
  silu: {
    forward: (z) => z * sigmoid(z),
    slope: (y, z) => sigmoid(z) + z * sigmoid(z) * (1 - sigmoid(z)),
  },
  softplus: {
    forward: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
    slope: (y) => -Math.expm1(-y),
  },
  sigmoid: { forward: sigmoid, slope: (y) => y * (1 - y) },
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

/** y = f(z) for an activation {name, alpha, ...}; K is the length of the last axis. */
function activation_forward(activation, z, K) {
  const { name } = activation;
  if (name === "softmax") return softmax_forward(z, K);
  return z.map((value) => ACTIVATIONS[name].forward(value, activation));
}

/** dz = dy * f'(z). */
function activation_backward(activation, dy, { z, y }, K) {
  const { name } = activation;
  if (name === "softmax") return softmax_backward(dy, y, K);
  return dy.map((gradient, n) => gradient * ACTIVATIONS[name].slope(y[n], z[n], activation));
}
