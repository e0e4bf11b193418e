/* What the explanations say of windows, and of the terms that they make. */
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
