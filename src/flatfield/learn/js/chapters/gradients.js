// 7: the backward pass: a strided convolution spreads its gradient, max pooling picks one, jitter averages.
flatfield.gradients = (() => {
  const { layer, plane } = flatfield;
  const roll = (field, dy, dx) => field.map((row, y) => row.map((_, x) =>
    field[layer.modulo(y - dy, field.length)][layer.modulo(x - dx, row.length)]));
  const shifts = (stride, many) => layer.count(many, (i) => [Math.floor(i / stride) % stride, i % stride]);
  const average = (fields) => fields[0].map((row, y) => row.map((_, x) =>
    layer.sum(fields.map((field) => field[y][x])) / fields.length));

  function strided(kernel, stride, many) { // one period of the gradient of the sum of all outputs
    const tile = plane.transposed([[1]], flatfield.weights.plane("ones", kernel), stride);
    return average(shifts(stride, many).map(([dy, dx]) => roll(tile, dy, dx)));
  }

  function pooled(field, window) { // 1 where an input is the largest of its window
    const out = plane.blank(field.length, field[0].length);
    for (let y = 0; y + window <= field.length; y += window) for (let x = 0; x + window <= field.length; x += window) {
      let best = [y, x];
      for (let a = 0; a < window; a++) for (let b = 0; b < window; b++) {
        if (field[y + a][x + b] > field[best[0]][best[1]]) best = [y + a, x + b];
      }
      out[best[0]][best[1]] = 1;
    }
    return out;
  }

  // the picture is shifted, the gradient taken, and shifted back
  const jittered = (field, window, many) =>
    average(shifts(window, many).map(([dy, dx]) => roll(pooled(roll(field, dy, dx), window), -dy, -dx)));

  const scene = (side) => layer.count(side, (y) => layer.count(side, (x) =>
    Math.sin(0.5 * x + 0.2 * y) + Math.cos(0.41 * y - 0.13 * x) + 0.3 * Math.sin(1.9 * x + 1.3 * y)));

  return { strided, jittered, scene };
})();

flatfield.chapter("gradients", ({ kernel, stride, jitter }, page) => {
  const { gradients, plane, rows } = flatfield;
  const many = Math.min(jitter, stride * stride);
  const tile = gradients.strided(kernel, stride, many);
  page.chart("gains", { cells: rows.gains(tile) });
  page.picture("strided", tile, { size: 24, low: 0 });
  page.say("unevenness", plane.unevenness(tile).toFixed(3));
  const field = gradients.scene(24);
  const picked = gradients.jittered(field, stride, many);
  page.picture("scene", field);
  page.picture("pooled", picked, { low: 0 });
  const reached = picked.flat().filter((g) => g > 0).length;
  page.say("pooled", `${reached} of ${field.length ** 2} inputs receive any gradient`);
  page.say("shifts", many === 1 ? "one pass, no jitter" : `the mean of ${many} shifts`);
});
