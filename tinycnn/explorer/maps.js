/* Tensors as pictures: how numbers are laid out in maps, and how they are coloured.

0 is the colour of the paper; blue is above 0 and orange below. A sign is never told by the colour
alone: every number is also printed with its sign where it is chosen. */
"use strict";

const COLOURS = {
  light: { zero: [255, 255, 255], above: [5, 80, 174], below: [188, 76, 0] },
  dark: { zero: [22, 27, 34], above: [121, 192, 255], below: [255, 166, 87] },
};
const SHORT = 64; // a vector of up to so many numbers has rows of 8, so that they can be printed

/** How many of n numbers are in a row of a map. */
function vector_width(n) {
  return Math.min(n, n <= SHORT ? 8 : 24);
}

/** How a tensor is laid out in maps of H x W: index(map, row, column), null where nothing is. */
function layout_of(shape, is_parameter, channel) {
  const size = size_of(shape);
  if (is_parameter && shape.length === 4) {
    const [KH, KW, C, F] = shape;
    const index = (f, u, v) => ((u * KW + v) * C + channel) * F + f;
    return { H: KH, W: KW, maps: F, name: "filter", channels: C, index };
  }
  if (is_parameter && shape.length === 2) {
    const [D, U] = shape;
    const W = vector_width(D);
    const index = (u, row, column) => (row * W + column < D ? (row * W + column) * U + u : null);
    return { H: Math.ceil(D / W), W, maps: U, name: "unit", index };
  }
  if (shape.length === 3) {
    const [H, W, C] = shape;
    return { H, W, maps: C, name: "map", index: (c, h, w) => (h * W + w) * C + c };
  }
  const W = shape.length === 1 ? vector_width(size) : last_axis(shape);
  const index = (map, row, column) => (row * W + column < size ? row * W + column : null);
  return { H: Math.ceil(size / W), W, maps: 1, name: "", index };
}

/** Where element n of a tensor lies: {map, row, column, channel}. */
function locate(n, shape, is_parameter) {
  const indices = unravel(n, shape);
  if (is_parameter && shape.length === 4) {
    const [row, column, channel, map] = indices;
    return { map, row, column, channel };
  }
  if (is_parameter && shape.length === 2) {
    const W = vector_width(shape[0]);
    const [row, column] = [Math.floor(indices[0] / W), indices[0] % W];
    return { map: indices[1], row, column, channel: 0 };
  }
  if (shape.length === 3)
    return { map: indices[2], row: indices[0], column: indices[1], channel: 0 };
  const W = shape.length === 1 ? vector_width(shape[0]) : last_axis(shape);
  return { map: 0, row: Math.floor(n / W), column: n % W, channel: 0 };
}

/** The largest absolute value, which gets the full colour. */
function scale_of(values) {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
}

/** A value's colour as [red, green, blue]; `scale` has the full colour. */
function colour_of(value, scale, scheme) {
  const { zero, above, below } = COLOURS[scheme];
  const end = value < 0 ? below : above;
  const share = Math.min(Math.abs(value) / scale, 1);
  return zero.map((from, n) => Math.round(from + (end[n] - from) * share));
}

/** Draws H x W pixels, pixel(row, column) being [red, green, blue] or null, onto a canvas. */
function draw_pixels(canvas, H, W, pixel) {
  canvas.width = W;
  canvas.height = H;
  const drawing = canvas.getContext("2d");
  const image = drawing.createImageData(W, H);
  for (let n = 0; n < H * W; n++) {
    const colour = pixel(Math.floor(n / W), n % W);
    if (colour) image.data.set([...colour, 255], n * 4);
  }
  drawing.putImageData(image, 0, 0);
}

/** Draws one map of a tensor. */
function draw_map(canvas, values, layout, map, scale, scheme) {
  draw_pixels(canvas, layout.H, layout.W, (row, column) => {
    const n = layout.index(map, row, column);
    return n === null ? null : colour_of(values[n], scale, scheme);
  });
}

/** Draws a picture as the eye sees it: gray, or red, green and blue; anything else as a map. */
function draw_picture(canvas, x, shape, peak, scheme) {
  const layout = layout_of(shape, false, 0);
  const seen = layout.maps === 1 || layout.maps === 3;
  if (shape.length !== 3 || !seen || x.some((value) => value < 0)) {
    draw_map(canvas, x, layout, 0, scale_of(x), scheme);
    return;
  }
  const brightest = peak || scale_of(x);
  draw_pixels(canvas, layout.H, layout.W, (row, column) =>
    [0, 1, 2].map((colour) => {
      const value = x[layout.index(layout.maps === 3 ? colour : 0, row, column)];
      return Math.min(255, Math.round((value / brightest) * 255));
    }),
  );
}
