/* For each page of a model and each target: all tensors, saliency, Grad-CAM, a step of SGD. */
"use strict";
output = input.map(({ page, targets, learning_rate }) => {
  const { model, samples, is_intact } = read_model(page);
  const { x } = samples[0];
  const run = forward(model, x);
  const results = targets.map((target) => {
    const gradients = backward(model, run, target);
    const cams = model.layers.map((layer, l) =>
      layer.output_shape.length === 3 && gradients[l + 1]
        ? grad_cam(model, run, gradients, l).cam
        : null,
    );
    return {
      gradients: gradients.map((all, l) => {
        if (!all) return null;
        const { parameters } = model.layers[l];
        const names = Object.keys(parameters).filter((name) => parameters[name].has_gradient);
        return { dx: all.dx, learned: names.map((name) => all[`d${name}`]) };
      }),
      cams,
      loss: target.kind === "loss" ? loss_forward(model, run, target.index) : null,
    };
  });
  const last = targets[targets.length - 1];
  const learned = last.kind === "loss" ? learn(model, run, last.index, learning_rate) : null;
  return {
    intact: is_intact(),
    outputs: run.map(({ y }) => y),
    results,
    checked: learned ? null : compare_with_python(model, page.check),
    learned:
      learned &&
      model.layers.map(({ parameters }) => Object.values(parameters).map(({ value }) => value)),
    losses: learned && [learned.before, learned.after],
  };
});
