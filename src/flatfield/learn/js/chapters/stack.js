// 4: periods compound from layer to layer; a last layer damps.
flatfield.chapter("stack", ({ layers, kernel, weights, draw, last }, page) => {
  const { rows, plane, layer } = flatfield;
  const profiles = [["flat input", [1]]];
  for (let i = 1; i <= layers; i++) {
    const taps = flatfield.weights.line(weights, kernel, draw + 100 * i);
    const gain = layer.sum(taps) / 2; // keep the mean at 1
    const out = plane.ring(profiles.at(-1)[1], taps.map((w) => w / (gain || 1)), 2);
    profiles.push([`layer ${i}, period ${out.length}`, out]);
  }
  const stacked = profiles.at(-1)[1];
  page.chart("damping", { bars: rows.damping(stacked, [1, 2, 3, 4, 5, 6, 7, 8, 9]) });
  if (last > 1) profiles.push([`last layer, kernel ${last}`, rows.boxed(stacked, last)]);
  page.chart("lanes", rows.lanes(profiles));
  const end = profiles.at(-1)[1];
  page.picture("field", plane.outer(end, end), { size: end.length > 8 ? 96 : 48, low: 0 });
  page.say("unevenness", layer.unevenness(end).toFixed(4));
});
