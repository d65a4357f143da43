// 2: five ones go in; what arrives where?
flatfield.chapter("uniform", ({ kernel, stride, padding, dilation, weights, draw }, page) => {
  const { layer, rows } = flatfield;
  const inputs = [1, 1, 1, 1, 1];
  const taps = flatfield.weights.line(weights, kernel, draw);
  const matrix = layer.spread(inputs.length, taps, { stride, padding, dilation });
  const phaseOf = (m) => (m + padding) % stride;
  const places = matrix.map((_, m) => (m + padding - (dilation * (kernel - 1)) / 2) / stride);
  page.chart("ribbons", rows.ribbons(matrix, inputs, { places, phaseOf }));
  page.chart("contributions", { parts: rows.contributions(matrix, inputs, { stride, padding }) });
  const gains = layer.gains(taps, stride, dilation);
  const counts = layer.overlap(kernel, stride, dilation);
  const outputs = layer.multiply(matrix, inputs);
  page.say("weights", taps.map((w) => Number(w.toFixed(2))).join(", "));
  page.say("output", outputs.map((y) => Number(y.toFixed(2))).join(" "));
  page.say("overlap", counts.join(", "));
  page.say("gains", gains.map((g) => Number(g.toFixed(4))).join(", "));
  page.say("unevenness", layer.unevenness(gains).toFixed(4));
  const even = Math.max(...counts) === Math.min(...counts);
  const flat = layer.unevenness(gains) < 1e-3;
  page.say("verdict", flat
    ? even ? "Even overlap and equal gains: flat." : "Uneven overlap, but these weights make up for it: flat."
    : even ? "Even overlap, and still a grid: the weights of the phases differ."
           : "A grid: some phases are written to more strongly than others.");
});
