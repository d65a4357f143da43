// Rows for the charts, field by field what flatfield.figures makes in Python.
flatfield.rows = (() => {
  const { layer } = flatfield;
  const clean = (x) => Math.round(x * 1e9) / 1e9 + 0;
  const three = (x) => String(Number(x.toPrecision(3)));

  function bars(side, values, places, half, phases) {
    const most = Math.max(...values.map(Math.abs)) || 1;
    const base = side === "in" ? 1 : 0, up = side === "in" ? 1 : -1;
    return values.map((value, index) => ({
      side, index, left: clean(places[index] - half), right: clean(places[index] + half), place: clean(places[index]),
      base, tip: clean(base + (up * 0.8 * Math.abs(value)) / most), value: clean(value),
      phase: phases[index] >= 0 ? String(phases[index]) : "input", lit: true,
    }));
  }

  function ribbons(matrix, inputs, { places = null, phaseOf = () => 0, lit = () => true } = {}) {
    const outputs = layer.multiply(matrix, inputs);
    const where = places ?? outputs.map((_, m) => m);
    const half = 0.42 * (where.length > 1 ? where[1] - where[0] : 1);
    const cells = [
      ...bars("in", inputs, inputs.map((_, n) => n), 0.42, inputs.map(() => -1)),
      ...bars("out", outputs, where, half, outputs.map((_, m) => phaseOf(m))),
    ];
    const links = [];
    matrix.forEach((row, m) => row.forEach((weight, n) => {
      if (weight === 0) return;
      links.push({ from: n, to: clean(where[m]), weight: clean(weight), phase: String(phaseOf(m)),
                   input: n, output: m, lit: lit(m, n) });
    }));
    return { cells, links };
  }

  function matrix(numbers, lit = () => false) {
    return numbers.flatMap((row, output) => row.map((value, input) => ({
      output, input, value: clean(value), label: value ? three(value) : "", lit: lit(output, input),
    })));
  }

  function contributions(numbers, inputs, { stride, padding = 0 }) {
    return numbers.flatMap((taps, output) => {
      const phase = String((output + padding) % stride);
      const parts = taps.flatMap((w, input) => (w ? [{ output, input, value: clean(w * inputs[input]), phase }] : []));
      return parts.length ? parts : [{ output, input: -1, value: 0, phase }];
    });
  }

  function gains(plane) {
    return plane.flatMap((row, y) => row.map((gain, x) => ({ y, x, gain: clean(gain) })));
  }

  function painted(kernel, stride, side, done) {
    const size = (side - 1) * stride + kernel;
    const counts = flatfield.plane.blank(size, size);
    const last = { row: Math.floor((done - 1) / side) * stride, column: ((done - 1) % side) * stride };
    const inBrush = (y, x) => y >= last.row && y < last.row + kernel && x >= last.column && x < last.column + kernel;
    for (let i = 0; i < done; i++) {
      const row = Math.floor(i / side) * stride, column = (i % side) * stride;
      for (let a = 0; a < kernel; a++) for (let b = 0; b < kernel; b++) counts[row + a][column + b] += 1;
    }
    return counts.flatMap((line, y) => line.map((count, x) => ({ x, y, count, label: String(count), lit: inBrush(y, x) })));
  }

  function paintedLine(kernel, stride, side, painted) {
    const done = Math.min(painted, side), start = (done - 1) * stride;
    const counts = new Array((side - 1) * stride + kernel).fill(0);
    for (let i = 0; i < done; i++) for (let t = 0; t < kernel; t++) counts[i * stride + t] += 1;
    return counts.map((count, x) => ({ x, y: 0, count, label: String(count), lit: x >= start && x < start + kernel }));
  }

  return { clean, ribbons, matrix, contributions, gains, painted, paintedLine };
})();
