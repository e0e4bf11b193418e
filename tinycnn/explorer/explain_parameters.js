/* How the gradient of a parameter adds up: in blocks, see explain.js.

dz is the gradient at a layer's sums z, and d<name> that of the parameter of this name: how much the
target changes per unit of the number. */
"use strict";

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
