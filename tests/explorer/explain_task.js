/* Explains numbers of every view of every layer: what is printed of them, and what it must be. */
"use strict";

/** All sums of some blocks, with those that their terms open into. */
function sums_in(blocks) {
  const found = [];
  const add = (sum) => {
    found.push(sum);
    for (const { value, label, terms } of sum.terms) {
      if (terms) add({ name: label, terms: terms(), total: value });
    }
  };
  blocks.filter(({ sum }) => sum).forEach(({ sum }) => add(sum));
  return found;
}

/** A printed sum as texts. */
function printed(sum, all) {
  const { rows, total } = print_sum(sum, all);
  return {
    name: sum.name,
    total,
    rows: rows.map(({ label, product, value }) => [label, product, value]),
  };
}

output = input.map(({ page, target, picks }) => {
  const { model, samples } = read_model(page);
  const context = context_of(model, forward(model, samples[0].x), target);
  const explained = [];
  for (let l = -1; l < model.layers.length; l++) {
    const own = l < 0 ? [] : Object.keys(model.layers[l].parameters);
    for (const view of ["y", "dz", "dx", "cam", ...own, ...own.map((name) => `d${name}`)]) {
      const tensor = tensor_of(context, l, view);
      if (!tensor) continue;
      for (const pick of picks) {
        const n = Math.floor(pick * tensor.values.length);
        const { title, value, blocks } = explain(context, l, view, n);
        const sums = sums_in(blocks).map((sum) => printed(sum, false));
        const z = l >= 0 && view === "y" ? context.run[l].z[n] : null;
        const links = blocks.filter(({ link }) => link).map(({ link }) => link);
        for (const link of links) {
          const there = tensor_of(context, link.layer, link.view);
          if (!(link.index < there.values.length)) throw new Error(`${title}: ${link.text}`);
        }
        explained.push({ l, view, n, title, value, z, sums, text: JSON.stringify(blocks) });
      }
    }
  }
  return explained;
});
