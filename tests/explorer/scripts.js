/* Runs a piece of JavaScript behind the page's own scripts, on JSON from stdin; prints JSON.

    node scripts.js FOLDER task.js < input.json        (FOLDER is tinycnn/explorer)

The task sees `input`, and sets `output`. */
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [folder, task] = process.argv.slice(2);
globalThis.input = JSON.parse(fs.readFileSync(0, "utf-8"));
globalThis.output = null;
const scripts = [
  ...["engine", "network", "model", "words", "windows", "explain_activations"],
  ...["explain_forward", "explain_inputs", "explain_parameters", "explain", "draw"],
];
for (const name of scripts) {
  const file = path.join(folder, `${name}.js`);
  vm.runInThisContext(fs.readFileSync(file, "utf-8"), file);
}
vm.runInThisContext(fs.readFileSync(task, "utf-8"), task);
process.stdout.write(
  JSON.stringify(output, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value)),
);
