// 3: kernels painted on a plane, and weights that make a grid although the overlap is even.
flatfield.chapter("overlap", ({ kernel, stride, painted, weights, draw }, page) => {
  const { layer, rows, plane } = flatfield;
  page.chart("line", { cells: rows.paintedLine(kernel, stride, 4, painted) });
  page.chart("painted", { cells: rows.painted(kernel, stride, 4, painted) });
  const line = layer.overlap(kernel, stride);
  page.say("line", line.join(", "));
  page.say("plane", plane.outer(line, line).flat().join(", "));
  const box = line.map((count) => count);
  page.say("even", Math.min(...line) === Math.max(...line)
    ? `${stride} divides ${kernel}: even.`
    : `${stride} does not divide ${kernel}: unevenness ${layer.unevenness(box).toFixed(3)} along a line, ` +
      `${layer.unevenness(plane.outer(box, box).flat()).toFixed(3)} on the plane.`);
  const gains = plane.transposed([[1]], flatfield.weights.plane(weights, kernel, draw), stride);
  page.chart("gains", { cells: rows.gains(gains) });
  page.picture("field", gains, { size: 24, low: 0 });
  page.say("unevenness", plane.unevenness(gains).toFixed(3));
});
