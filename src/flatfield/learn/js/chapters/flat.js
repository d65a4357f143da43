// 8: the nearest flat weights, and flat-field correction as in a camera.
flatfield.chapter("flat", ({ kernel, stride, draw }, page) => {
  const { layer, plane, rows } = flatfield;
  const taps = flatfield.weights.line("random", kernel, draw);
  const flat = layer.flat(taps, stride);
  const pair = rows.pair(taps, stride);
  page.chart("taps", { taps: pair.taps });
  page.chart("gains", { gains: pair.gains });
  const length = (numbers) => Math.sqrt(layer.sum(numbers.map((x) => x * x)));
  page.say("before", layer.unevenness(layer.gains(taps, stride)).toFixed(3));
  page.say("after", layer.unevenness(layer.gains(flat, stride)).toFixed(3));
  page.say("change", `${((100 * length(taps.map((w, t) => w - flat[t]))) / length(taps)).toFixed(0)} %`);
  page.say("free", `${kernel - stride + 1} of ${kernel}`);

  const kernel2d = flatfield.weights.plane("positive", kernel, draw);
  const scene = layer.count(28, (y) => layer.count(28, (x) => // an even sky over a hill
    y < 17 + 3 * Math.sin(x / 3.6) ? 0.9 - 0.012 * y : 0.25 + 0.014 * y));
  const inside = (rows) => rows.slice(2 * stride, -2 * stride); // the torus joins sky and ground: not shown
  const seen = inside(plane.transposed(scene, kernel2d, stride)).map(inside);
  const field = plane.transposed([[1]], kernel2d, stride);
  const mean = layer.sum(field.flat()) / field.flat().length;
  const corrected = seen.map((row, y) => row.map((value, x) => (value * mean) / field[y % stride][x % stride]));
  const high = Math.max(...seen.flat(), ...corrected.flat());
  page.picture("seen", seen, { low: 0, high });
  page.picture("field", field, { size: 24 * stride, low: 0, high });
  page.picture("corrected", corrected, { low: 0, high });
  const phases = (picture) => layer.count(stride * stride, (f) => {
    const at = picture.flatMap((row, y) => row.filter((_, x) => (y % stride) * stride + (x % stride) === f));
    return layer.sum(at) / at.length;
  });
  page.say("seen", layer.unevenness(phases(seen)).toFixed(4));
  page.say("corrected", layer.unevenness(phases(corrected)).toFixed(4));
});
