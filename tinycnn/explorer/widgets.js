/* Pieces of the page: elements, printed sums, windows, the grid of numbers. */
"use strict";

/** The colours to draw with: the reader's choice of light or dark. */
function scheme_now() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** An element with attributes, listeners ("onclick") and children; a text is never markup. */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const by_id = (id) => document.getElementById(id);

// What goes wrong is seen, not only told to the console.
addEventListener("error", ({ message }) => {
  by_id("badge").className = "bad";
  by_id("badge").textContent = `✗ The page has failed: ${message}. Export it again.`;
});

/** A style for one element; the page's policy forbids style attributes. */
function styled(made, styles) {
  Object.assign(made.style, styles);
  return made;
}

const css = (colour) => `rgb(${colour.join(" ")})`;

// --- sums ----------------------------------------------------------------------------------------

/** A sum as a table: a row for each term, and the total below. */
function sum_table(sum) {
  const body = element("tbody");
  const table = element(
    "table",
    { class: "sum" },
    element("caption", {}, `How ${sum.name} adds up`),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "what"),
        element("th", { scope: "col", class: "product" }, "product"),
        element("th", { scope: "col" }, "number"),
      ),
    ),
    body,
  );
  const foot = element("tfoot");
  table.append(foot);
  const fill = (all) => {
    const { rows, total } = print_sum(sum, all);
    table.classList.toggle(
      "without-products",
      rows.every(({ product }) => !product),
    );
    body.replaceChildren(...rows.map((row) => sum_row(row, () => fill(true))));
    foot.replaceChildren(
      element(
        "tr",
        {},
        element("th", { scope: "row" }, `${sum.name} =`),
        element("td", { class: "product" }),
        element("td", { class: "total" }, total),
      ),
    );
  };
  fill(false);
  return table;
}

/** One row of a sum; a term that is a sum itself can be opened, and so can that of the others. */
function sum_row({ label, product, value, term, others }, show_all) {
  const name = element("th", { scope: "row" }, label);
  const row = element(
    "tr",
    others ? { class: "others" } : {},
    name,
    element("td", { class: "product" }, product),
    element("td", { class: "term" }, value),
  );
  if (others) {
    name.append(" ", element("button", { type: "button", onclick: show_all }, "show them"));
  } else if (term.terms) {
    const toggle = element("button", { type: "button", "aria-expanded": "false" }, "show its sum");
    toggle.addEventListener("click", () => {
      const open = toggle.getAttribute("aria-expanded") === "true";
      toggle.setAttribute("aria-expanded", String(!open));
      toggle.textContent = open ? "show its sum" : "hide its sum";
      if (open) row.nextSibling.remove();
      else {
        const inner = sum_table({ name: label, terms: term.terms(), total: term.value });
        row.after(element("tr", { class: "inner" }, element("td", { colspan: "3" }, inner)));
      }
    });
    name.append(" ", toggle);
  }
  return row;
}

/** A table of texts. */
function text_table({ head, rows, mark }) {
  return element(
    "table",
    { class: "plain" },
    element(
      "thead",
      {},
      element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))),
    ),
    element(
      "tbody",
      {},
      ...rows.map((row, n) =>
        element(
          "tr",
          n === mark ? { class: "mark" } : {},
          ...row.map((text) => element("td", {}, text)),
        ),
      ),
    ),
  );
}

// --- windows -------------------------------------------------------------------------------------

/** The input of a layer with the window in a frame, and the window's numbers beside it. */
function window_picture({ model, run }, { layer, channel, rows, columns }, filter, scheme) {
  const [H, W, C] = model.layers[layer].input_shape;
  const { x } = run[layer];
  const scale = scale_of(x);
  const canvas = element("canvas", { class: "map", role: "img" });
  const where = `rows ${rows[0]} to ${rows[1] - 1}, columns ${columns[0]} to ${columns[1] - 1}`;
  canvas.setAttribute("aria-label", `Input map ${channel} with the window: ${where}`);
  draw_map(canvas, x, layout_of([H, W, C], false, 0), channel, scale, scheme);
  const frame = styled(element("span", { class: "frame" }), {
    left: `${(columns[0] / W) * 100}%`,
    top: `${(rows[0] / H) * 100}%`,
    width: `${((columns[1] - columns[0]) / W) * 100}%`,
    height: `${((rows[1] - rows[0]) / H) * 100}%`,
  });
  const overview = element("span", { class: "overview" }, canvas, frame);
  const figures = [
    element(
      "figure",
      {},
      overview,
      element("figcaption", {}, C > 1 ? `input map ${channel}` : "the layer's input"),
    ),
  ];
  const [KH, KW] = [rows[1] - rows[0], columns[1] - columns[0]];
  if (KH * KW > 25) return element("div", { class: "window" }, ...figures);
  const inputs = [];
  for (let h = rows[0]; h < rows[1]; h++) {
    for (let w = columns[0]; w < columns[1]; w++) {
      const inside = h >= 0 && h < H && w >= 0 && w < W;
      inputs.push(inside ? x[(h * W + w) * C + channel] : null);
    }
  }
  const kernel = value_of(model.layers[layer], "kernel");
  figures.push(number_table("window", inputs, KW, scale, scheme));
  if (kernel) {
    const F = last_axis(model.layers[layer].output_shape);
    const weights = inputs.map((_, place) => kernel[(place * C + channel) * F + filter]);
    const products = inputs.map((input, place) => (input || 0) * weights[place]);
    figures.push(element("span", { class: "sign" }, "×"));
    figures.push(number_table(`filter ${filter}`, weights, KW, scale_of(kernel), scheme));
    figures.push(element("span", { class: "sign" }, "="));
    figures.push(number_table("products", products, KW, scale_of(products), scheme));
  }
  return element("div", { class: "window" }, ...figures);
}

/** Some numbers in rows of W on their colours; null is padding. */
function number_table(caption, values, W, scale, scheme) {
  const rows = [];
  for (let n = 0; n < values.length; n += W) {
    const cells = values.slice(n, n + W).map((value) => {
      if (value === null) return element("td", { class: "padding" }, "0");
      const colour = colour_of(value, scale, scheme);
      return styled(element("td", {}, rough(value)), {
        backgroundColor: css(colour),
        color: ink_on(colour),
      });
    });
    rows.push(element("tr", {}, ...cells));
  }
  const table = element("table", { class: "numbers" }, element("tbody", {}, ...rows));
  return element("figure", {}, table, element("figcaption", {}, caption));
}

/** A number for a small cell: two decimals, or fewer if it is large. */
function rough(value) {
  const size = Math.abs(value);
  const text = size >= 100 ? size.toFixed(0) : size >= 10 ? size.toFixed(1) : size.toFixed(2);
  return (value < 0 ? MINUS : "") + text;
}

/** Black or white, whichever stands out more from a colour: WCAG's relative luminance. */
function ink_on(colour) {
  const [red, green, blue] = colour.map((byte) => {
    const share = byte / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

// --- the grid of numbers -------------------------------------------------------------------------

const MOST_CELLS = 1600; // of a grid; of larger maps it shows the part around the chosen cell
const PART = 32; // side of that part
const WIDE = 8; // a grid of up to so many columns has its numbers printed in it

/** The part of H x W cells that is shown around (row, column): {top, left, height, width}. */
function part_of(H, W, row, column) {
  if (H * W <= MOST_CELLS) return { top: 0, left: 0, height: H, width: W };
  const start = (length, at) => Math.max(0, Math.min(at - PART / 2, length - PART));
  const [height, width] = [Math.min(H, PART), Math.min(W, PART)];
  return { top: start(H, row), left: start(W, column), height, width };
}

/** A grid of one map's numbers, to be walked with the arrow keys; choose(n) is called. */
function number_grid({ values, layout, map, row, column, scale, scheme, label, choose }) {
  const part = part_of(layout.H, layout.W, row, column);
  const with_numbers = part.width <= WIDE;
  const grid = styled(element("div", { role: "grid", class: "grid", "aria-label": label }), {
    gridTemplateColumns: `repeat(${part.width}, 1fr)`,
    maxWidth: `${part.width * (with_numbers ? 3.5 : 1.5)}rem`,
  });
  for (let r = part.top; r < part.top + part.height; r++) {
    const line = element("div", { role: "row" });
    for (let c = part.left; c < part.left + part.width; c++) {
      const n = layout.index(map, r, c);
      if (n === null) continue;
      const chosen = r === row && c === column;
      const text = with_numbers ? rough(values[n]) : short(values[n]);
      const attributes = {
        role: "gridcell",
        tabindex: chosen ? "0" : "-1",
        "aria-selected": String(chosen),
        "aria-label": `${text}, row ${r}, column ${c}`,
        title: short(values[n]),
        class: values[n] < 0 && !with_numbers ? "negative" : null,
        "data-row": r,
        "data-column": c,
        "data-index": n,
      };
      const cell = element("div", attributes, with_numbers ? text : null);
      const colour = colour_of(values[n], scale, scheme);
      line.append(styled(cell, { backgroundColor: css(colour), color: ink_on(colour) }));
    }
    grid.append(line);
  }
  grid.addEventListener("click", ({ target }) => {
    if (target.dataset.index) choose(Number(target.dataset.index));
  });
  grid.addEventListener("keydown", (event) => {
    const [r, c] = [Number(event.target.dataset.row), Number(event.target.dataset.column)];
    const to = {
      ArrowUp: [r - 1, c],
      ArrowDown: [r + 1, c],
      ArrowLeft: [r, c - 1],
      ArrowRight: [r, c + 1],
      Home: [r, 0],
      End: [r, layout.W - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    if (to.some((at) => at < 0) || to[0] >= layout.H || to[1] >= layout.W) return;
    const n = layout.index(map, ...to);
    if (n !== null) choose(n);
  });
  return grid;
}
