/* Draws strokes: what the grid becomes, and the normalised picture of it. */
"use strict";
output = input.map((strokes) => {
  const grid = blank_grid();
  for (const points of strokes) {
    points.forEach(([x, y], n) => {
      const [x0, y0] = points[Math.max(n - 1, 0)];
      draw_line(grid, x0, y0, x, y);
    });
  }
  const pixels = reduce_grid(grid);
  return { pixels, picture: normalize_digit(pixels) };
});
