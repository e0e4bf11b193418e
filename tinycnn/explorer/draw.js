/* What is drawn on the page, and how it becomes a picture like those of MNIST.

Strokes leave ink on a grid of GRID x GRID cells, which is reduced by area to SIDE x SIDE pixels.
Then `normalize_digit` does what tinycnn/datasets/normalization.py does with such a picture. */
"use strict";

const SIDE = 28; // of MNIST's pictures
const BOX = 20; // the ink fits into a box of this side
const CENTRE = 14; // the pixel where the centre of mass is, in both directions
const CELLS = 5; // of the grid for each pixel, in both directions
const GRID = SIDE * CELLS;
const PEN = 7; // radius of the pen in cells

/** An empty grid: 0 is paper, 1 is ink. */
function blank_grid() {
  return new Float64Array(GRID * GRID);
}

/** Draws a line from (x0, y0) to (x1, y1), in cells, onto the grid; the rim stays paper. */
function draw_line(grid, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  const from = (a, b) => Math.max(CELLS, Math.floor(Math.min(a, b) - PEN));
  const to = (a, b) => Math.min(GRID - CELLS - 1, Math.ceil(Math.max(a, b) + PEN));
  for (let row = from(y0, y1); row <= to(y0, y1); row++) {
    for (let column = from(x0, x1); column <= to(x0, x1); column++) {
      const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
      // The nearest point of the line is this share of the way from its start.
      const share = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
      const distance = Math.hypot(px - share * dx, py - share * dy);
      if (distance <= PEN) grid[row * GRID + column] = 1;
    }
  }
}

/** The grid as SIDE x SIDE pixels: each is the mean of its cells. */
function reduce_grid(grid) {
  const pixels = new Float64Array(SIDE * SIDE);
  grid.forEach((ink, n) => {
    const [row, column] = [Math.floor(n / GRID), n % GRID];
    pixels[Math.floor(row / CELLS) * SIDE + Math.floor(column / CELLS)] += ink / CELLS ** 2;
  });
  return pixels;
}

/** Rounds to the nearest integer, halves to the even one, as NumPy and Python do. */
function round_half_even(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** How much each of `size` pixels weighs in each of `target` pixels, resampled by area. */
function area_weights(size, target) {
  return Array.from({ length: target }, (_, t) =>
    Array.from({ length: size }, (_, pixel) => {
      const covered =
        Math.min(((t + 1) * size) / target, pixel + 1) - Math.max((t * size) / target, pixel);
      return Math.max(covered, 0) * (target / size);
    }),
  );
}

/** SIDE x SIDE light ink on black as MNIST has it, bytes from 0 to 255; null if there is no ink. */
function normalize_digit(pixels) {
  const rows = [];
  const columns = [];
  pixels.forEach((ink, n) => {
    if (!ink) return;
    rows.push(Math.floor(n / SIDE));
    columns.push(n % SIDE);
  });
  if (!rows.length) return null;
  const [first_row, first_column] = [Math.min(...rows), Math.min(...columns)];
  const height = Math.max(...rows) - first_row + 1;
  const width = Math.max(...columns) - first_column + 1;
  const longest = Math.max(height, width);
  const h = Math.max(1, round_half_even((height * BOX) / longest));
  const w = Math.max(1, round_half_even((width * BOX) / longest));
  // (h, height) @ (height, width) @ (width, w) -> (h, w)
  const of_rows = area_weights(height, h);
  const of_columns = area_weights(width, w);
  const box = new Float64Array(h * w);
  for (let i = 0; i < h; i++) {
    const row = new Float64Array(width);
    for (let r = 0; r < height; r++) {
      const start = (first_row + r) * SIDE + first_column;
      for (let c = 0; c < width; c++) row[c] += of_rows[i][r] * pixels[start + c];
    }
    for (let j = 0; j < w; j++) {
      for (let c = 0; c < width; c++) box[i * w + j] += row[c] * of_columns[j][c];
    }
  }
  return centred(box, h, w);
}

/** Scales a box of ink to bytes up to 255, and places it with its centre of mass at CENTRE. */
function centred(box, h, w) {
  const peak = box.reduce((a, b) => Math.max(a, b));
  const bytes = box.map((ink) => round_half_even(ink * (255 / peak)));
  const mass = bytes.reduce((a, b) => a + b);
  const row_mean = bytes.reduce((sum, byte, n) => sum + byte * Math.floor(n / w), 0) / mass;
  const column_mean = bytes.reduce((sum, byte, n) => sum + byte * (n % w), 0) / mass;
  const within = (value, most) => Math.min(Math.max(round_half_even(value), 0), most);
  const top = within(CENTRE - row_mean, SIDE - h);
  const left = within(CENTRE - column_mean, SIDE - w);
  const picture = new Float64Array(SIDE * SIDE);
  bytes.forEach((byte, n) => {
    picture[(top + Math.floor(n / w)) * SIDE + left + (n % w)] = byte;
  });
  return picture;
}
