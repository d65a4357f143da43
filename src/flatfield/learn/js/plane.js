// Layers on a torus: one period of the output of a flat field, exactly; planes are lists of rows.
flatfield.plane = (() => {
  const { modulo, count } = flatfield.layer;
  const blank = (height, width) => count(height, () => new Array(width).fill(0));
  const outer = (a, b) => a.map((x) => b.map((y) => x * y));

  function transposed(tile, kernel, stride, padding = 0) {
    const height = tile.length * stride, width = tile[0].length * stride;
    const out = blank(height, width);
    tile.forEach((row, i) => row.forEach((x, j) => kernel.forEach((taps, a) => taps.forEach((w, b) => {
      out[modulo(i * stride + a - padding, height)][modulo(j * stride + b - padding, width)] += w * x;
    }))));
    return out;
  }

  function convolved(tile, kernel, padding = 0) {
    const height = tile.length, width = tile[0].length;
    return tile.map((row, i) => row.map((_, j) => {
      let total = 0;
      kernel.forEach((taps, a) => taps.forEach((w, b) => {
        total += w * tile[modulo(i + a - padding, height)][modulo(j + b - padding, width)];
      }));
      return total;
    }));
  }

  // the same in one dimension: a ring of numbers
  const ring = (profile, kernel, stride) => {
    const out = new Array(profile.length * stride).fill(0);
    profile.forEach((x, n) => kernel.forEach((w, t) => { out[modulo(n * stride + t, out.length)] += w * x; }));
    return out;
  };

  function hat(scale) { // linear interpolation by a whole factor, as core.interpolation_kernel
    const first = Math.ceil((scale - 1) / 2 - scale);
    const taps = [];
    for (let o = first; o <= Math.floor((scale - 1) / 2 + scale); o++) {
      const weight = Math.max(0, 1 - Math.abs((o + 0.5) / scale - 0.5));
      if (weight > 1e-15) taps.push({ o, weight });
    }
    return { kernel: taps.map((tap) => tap.weight), padding: -taps[0].o };
  }

  function resized(tile, scale, mode) {
    if (mode === "nearest") return transposed(tile, outer(new Array(scale).fill(1), new Array(scale).fill(1)), scale);
    const { kernel, padding } = hat(scale);
    return transposed(tile, outer(kernel, kernel), scale, padding);
  }

  // pixel shuffle of scale^2 convolutions: phase (a, b) is convolved with kernels[a * scale + b]
  function shuffled(tile, kernels, scale, padding = 0) {
    const phases = kernels.map((kernel) => convolved(tile, kernel, padding));
    return count(tile.length * scale, (y) => count(tile[0].length * scale, (x) =>
      phases[(y % scale) * scale + (x % scale)][Math.floor(y / scale)][Math.floor(x / scale)]));
  }

  const unevenness = (tile) => flatfield.layer.unevenness(tile.flat());

  // amplitude of every line of the spectrum of a tile, without the constant's
  function spectrum(tile) {
    const height = tile.length, width = tile[0].length;
    return count(height, (u) => count(width, (v) => {
      let real = 0, imaginary = 0;
      tile.forEach((row, y) => row.forEach((value, x) => {
        const angle = 2 * Math.PI * ((u * y) / height + (v * x) / width);
        real += value * Math.cos(angle);
        imaginary -= value * Math.sin(angle);
      }));
      return u === 0 && v === 0 ? 0 : Math.hypot(real, imaginary) / (height * width);
    }));
  }

  return { blank, outer, ring, transposed, convolved, hat, resized, shuffled, unevenness, spectrum };
})();
