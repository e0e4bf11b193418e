/* The inside of the chosen layer: views, maps, the grid of numbers, one number explained. */
"use strict";

/** The views of a layer that there are: [[title, [[view, name], ...]], ...]. */
function views_of(l) {
  if (l < 0) {
    return [
      ["Forward", [["y", "the picture"]]],
      ["Backward", [["dx", "its gradient (saliency)"]]],
    ];
  }
  const layer = model.layers[l];
  const names = Object.keys(layer.parameters);
  const output = layer.activation.name === "linear" ? "output" : "sums z";
  const backward_views = [
    ["dx", "gradient at the input"],
    ["dz", `gradient at the ${output}`],
  ];
  for (const name of names) backward_views.push([`d${name}`, `gradient of the ${name}`]);
  backward_views.push(["cam", "Grad-CAM"]);
  return [
    ["Forward", [["y", "output"], ...names.map((name) => [name, name.replace("_", " ")])]],
    ["Backward", backward_views.filter(([view]) => tensor_of(context, l, view))],
  ];
}

function render_views() {
  const layer = model.layers[state.layer];
  by_id("layer-title").textContent = layer ? `Inside ${layer.name}` : "Inside the picture";
  by_id("layer-text").textContent = layer
    ? sentence_of(layer)
    : "These are the numbers that the network is given.";
  const place = by_id("views");
  if (place.dataset.key !== views_key()) {
    place.dataset.key = views_key();
    const groups = views_of(state.layer).filter(([, views]) => views.length);
    place.replaceChildren(
      ...groups.map(([title, views]) =>
        element(
          "fieldset",
          {},
          element("legend", {}, title),
          ...views.map(([view, name]) =>
            element(
              "label",
              {},
              element("input", {
                type: "radio",
                name: "view",
                value: view,
                onchange: () => show({ view, index: first_index(view) }),
              }),
              ` ${name}`,
            ),
          ),
        ),
      ),
    );
  }
  for (const input of place.querySelectorAll("input")) input.checked = input.value === state.view;
}

const views_key = () => JSON.stringify([state.layer, views_of(state.layer)]);

/** Where a view begins: at its number of the largest size. */
function first_index(view) {
  const { values } = tensor_of(context, state.layer, view);
  return index_of_largest(values.map(Math.abs));
}

/** The chosen view's tensor, its layout, and where the chosen number lies in it. */
function chosen_view() {
  const { values, shape } = tensor_of(context, state.layer, state.view);
  const where = locate(state.index, shape, is_parameter());
  return { values, shape, where, layout: layout_of(shape, is_parameter(), where.channel) };
}

function render_maps() {
  const { values, where, layout } = chosen_view();
  const scale = scale_of(values);
  const place = by_id("maps");
  place.hidden = layout.maps === 1;
  by_id("maps-text").textContent = maps_text(values, layout);
  place.replaceChildren();
  for (let map = 0; map < layout.maps && layout.maps > 1; map++) {
    const canvas = element("canvas", { class: "map", "aria-hidden": "true" });
    draw_map(canvas, values, layout, map, scale, scheme_now());
    const [low, high] = range_of(values, layout, map);
    const dead = low === 0 && high === 0;
    const text = dead ? "0 everywhere" : `from ${short(low)} to ${short(high)}`;
    place.append(
      element(
        "button",
        {
          type: "button",
          "data-map": map,
          class: dead ? "dead" : null,
          "aria-label": `${layout.name} ${map}, ${text}`,
          title: text,
          onclick: () => choose_map(map),
        },
        canvas,
        element("span", {}, String(map)),
      ),
    );
  }
  by_id("channel").replaceChildren();
  if (layout.channels > 1) {
    const input = element("input", {
      id: "channel-number",
      type: "number",
      min: 0,
      max: layout.channels - 1,
      value: where.channel,
      onchange: ({ target }) => {
        const channel = Math.min(
          Math.max(Math.round(Number(target.value)) || 0, 0),
          layout.channels - 1,
        );
        const other = layout_of(chosen_view().shape, true, channel);
        const { map, row, column } = chosen_view().where;
        show({ index: other.index(map, row, column) });
        render_maps();
        render_grid();
      },
    });
    const label = `Weights for input map (0 to ${layout.channels - 1}) `;
    by_id("channel").append(element("label", { for: "channel-number" }, label), input);
  }
  by_id("legend").textContent =
    `Colours: blue is above 0, up to ${short(scale)}; orange, with a bar, is below 0, down to ` +
    `${short(-scale)}; no colour is 0.`;
}

/** The smallest and the largest number of a map. */
function range_of(values, layout, map) {
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < layout.H; row++) {
    for (let column = 0; column < layout.W; column++) {
      const n = layout.index(map, row, column);
      if (n === null) continue;
      low = Math.min(low, values[n]);
      high = Math.max(high, values[n]);
    }
  }
  return [low, high];
}

/** Which maps stand out, and which are 0 everywhere. */
function maps_text(values, layout) {
  if (layout.maps === 1) return "";
  const maps = Array.from({ length: layout.maps }, (_, map) => {
    const [low, high] = range_of(values, layout, map);
    return { map, low, high, size: Math.max(Math.abs(low), Math.abs(high)) };
  });
  const dead = maps.filter(({ size }) => size === 0);
  const top = [...maps].sort((a, b) => b.size - a.size).slice(0, 3);
  const strong = top
    .filter(({ size }) => size > 0)
    .map(({ map, low, high }) => `${map} (${short(high >= -low ? high : low)})`);
  const several = `${layout.maps} ${layout.name}s.`;
  const strongest_text = strong.length ? ` The largest numbers are in ${strong.join(", ")}.` : "";
  const names = dead.map(({ map }) => map);
  const is = dead.length === 1 ? "is" : "are";
  const list = names.length > 12 ? `${names.slice(0, 12).join(", ")}, ...` : names.join(", ");
  return (
    several + strongest_text + (dead.length ? ` ${dead.length} ${is} 0 everywhere: ${list}.` : "")
  );
}

/** A button that compares this layer's maps for this picture with those for the other pictures. */
function render_compare() {
  const { layout } = chosen_view();
  const place = by_id("compare");
  place.replaceChildren();
  const others = samples.filter((sample) => sample !== chosen_sample());
  if (state.view !== "y" || state.layer < 0 || layout.maps === 1 || !others.length) return;
  const compare = () => place.replaceChildren(compare_table(layout, others));
  place.append(
    element(
      "button",
      { type: "button", id: "compare-maps", onclick: compare },
      "Compare with the other pictures",
    ),
  );
}

/** The maps that have a larger share of the layer's output for this picture than for the others. */
function compare_table(layout, others) {
  const { layer } = state;
  const here = shares_of(context.run[layer].y, layout.maps);
  const there = others.map(({ x }) => shares_of(forward(model, x)[layer].y, layout.maps));
  const rows = here.map((share, map) => {
    const shares = there.map((all) => all[map]);
    const usual = shares.reduce((a, b) => a + b) / shares.length;
    const most = index_of_largest(shares);
    return { map, share, usual, most: `${percent(shares[most])}, ${others[most].name}` };
  });
  rows.sort((a, b) => b.share - b.usual - (a.share - a.usual));
  const head = ["map", "share here", "in the others, on average", "in the others, at most"];
  const texts = rows
    .slice(0, 8)
    .map(({ map, share, usual, most }) => [String(map), percent(share), percent(usual), most]);
  const { name } = chosen_sample();
  return element(
    "div",
    {},
    element(
      "p",
      {},
      `These maps answer to “${name}” more than to the other pictures. A share is a map's part ` +
        "of all outputs of the layer, without their signs.",
    ),
    text_table({ head, rows: texts, mark: null }),
  );
}

/** The share of each of C maps in the sum of all sizes. */
function shares_of(values, C) {
  const sums = new Array(C).fill(0);
  let total = 0;
  values.forEach((value, n) => {
    sums[n % C] += Math.abs(value);
    total += Math.abs(value);
  });
  return sums.map((sum) => sum / (total || 1));
}

/** Chooses another map at the same row and column. */
function choose_map(map) {
  const { where, layout } = chosen_view();
  const n = layout.index(map, where.row, where.column);
  show({ index: n === null ? layout.index(map, 0, 0) : n });
}

function render_grid() {
  const { values, shape, where, layout } = chosen_view();
  for (const button of by_id("maps").children) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.map) === where.map));
  }
  const place = by_id("grid");
  const part = part_of(layout.H, layout.W, where.row, where.column);
  const key = [state.layer, state.view, where.map, where.channel, part.top, part.left].join();
  const old = place.querySelector("[role=grid]");
  if (place.dataset.key === key && old && old.values === values) {
    for (const cell of old.querySelectorAll("[aria-selected=true]")) {
      cell.setAttribute("aria-selected", "false");
      cell.tabIndex = -1;
    }
    const cell = old.querySelector(`[data-index="${state.index}"]`);
    cell.setAttribute("aria-selected", "true");
    cell.tabIndex = 0;
    if (old.contains(document.activeElement)) cell.focus();
    return;
  }
  const had_focus = old && old.contains(document.activeElement);
  place.dataset.key = key;
  const numbers = `${shape.join(" × ")} number${size_of(shape) === 1 ? "" : "s"}`;
  const title = layout.maps > 1 ? `${layout.name} ${where.map}` : numbers;
  const grid = number_grid({
    values,
    layout,
    map: where.map,
    row: where.row,
    column: where.column,
    scale: scale_of(values),
    scheme: scheme_now(),
    label: `${title}, ${layout.H} rows of ${layout.W}: arrow keys choose a number`,
    choose: (index) => show({ index }),
  });
  grid.values = values;
  place.replaceChildren(element("h3", {}, title), grid);
  if (part.height < layout.H || part.width < layout.W) {
    const text =
      `Rows ${part.top} to ${part.top + part.height - 1} and columns ${part.left} to ` +
      `${part.left + part.width - 1} are shown; the arrow keys move on.`;
    place.append(element("p", {}, text));
  }
  if (had_focus) grid.querySelector("[aria-selected=true]").focus();
}

function render_explanation() {
  const { title, value, blocks } = explain(context, state.layer, state.view, state.index);
  by_id("number-title").textContent = title;
  by_id("number").textContent = `The number is ${short(value)}.`;
  const filter = state.index % last_axis(model.layers[Math.max(state.layer, 0)].output_shape);
  by_id("blocks").replaceChildren(
    ...blocks.map((block) => {
      if (block.text) return element("p", {}, block.text);
      if (block.sum) return sum_table(block.sum);
      if (block.table) return text_table(block.table);
      if (block.window) return window_picture(context, block.window, filter, scheme_now());
      const { text, layer, view, index } = block.link;
      return element("p", {}, "Look at ", link_to({ layer, view, index }, text), ".");
    }),
  );
}
