/* The pad to draw a digit on, with a mouse, a finger, a pen or the keyboard. */
"use strict";

const STEP = CELLS; // how far a key moves the pen: a pixel

/** Fills `place` with the pad; changed(picture) gets the normalised bytes, or null for none. */
function make_pad(place, changed) {
  let grid = blank_grid();
  let pen = null; // where the pointer was last, while it draws
  const keys = { x: GRID / 2, y: GRID / 2, down: false, used: false };
  const canvas = element("canvas", {
    id: "drawing",
    role: "application",
    tabindex: "0",
    width: GRID,
    height: GRID,
    "aria-label": "Drawing pad",
    "aria-describedby": "pad-help pad-status",
  });
  const status = element("p", { id: "pad-status", role: "status" });

  const paint = () => {
    const drawing = canvas.getContext("2d");
    const image = drawing.createImageData(GRID, GRID);
    grid.forEach((ink, n) => image.data.set([255 * ink, 255 * ink, 255 * ink, 255], n * 4));
    drawing.putImageData(image, 0, 0);
    if (!keys.used) return;
    drawing.strokeStyle = keys.down ? "#ffa657" : "#79c0ff";
    drawing.lineWidth = 2;
    drawing.beginPath();
    drawing.arc(keys.x, keys.y, PEN, 0, 2 * Math.PI);
    drawing.stroke();
  };
  const tell = () => changed(normalize_digit(reduce_grid(grid)));
  const at = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    return { x: x * GRID, y: y * GRID };
  };
  const line_to = (point) => {
    draw_line(grid, pen.x, pen.y, point.x, point.y);
    pen = point;
    paint();
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    keys.used = false;
    pen = at(event);
    line_to(pen);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (pen) line_to(at(event));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      if (!pen) return;
      pen = null;
      tell();
    });
  }
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const move = by[event.key];
    if (event.key === " " || event.key === "Enter") keys.down = !keys.down;
    else if (!move) return;
    event.preventDefault();
    keys.used = true;
    const before = { x: keys.x, y: keys.y };
    if (move) {
      const within = (value) => Math.min(Math.max(value, 2 * STEP), GRID - 2 * STEP);
      keys.x = within(keys.x + move[0] * STEP);
      keys.y = within(keys.y + move[1] * STEP);
    }
    if (keys.down) draw_line(grid, before.x, before.y, keys.x, keys.y);
    paint();
    const [row, column] = [Math.floor(keys.y / CELLS), Math.floor(keys.x / CELLS)];
    const how = keys.down ? "down" : "up";
    status.textContent = `The pen is ${how}, at row ${row}, column ${column}.`;
    if (keys.down) tell();
  });
  const clear = element(
    "button",
    {
      type: "button",
      id: "clear",
      onclick: () => {
        grid = blank_grid();
        keys.down = false;
        status.textContent = "The pad is empty.";
        paint();
        tell();
      },
    },
    "Clear the pad",
  );
  place.replaceChildren(
    element("h3", {}, "Or draw one"),
    element(
      "p",
      { id: "pad-help" },
      "Draw with the mouse or a finger. With the keyboard, arrow keys move the pen, and the " +
        "space bar puts it down and lifts it. The page centres and scales the drawing as MNIST's " +
        "digits were.",
    ),
    canvas,
    element("p", {}, clear),
    status,
  );
  paint();
}
