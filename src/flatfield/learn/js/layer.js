// Arithmetic of one layer, the page's own: the tests hold every function against flatfield.core.
const flatfield = { chapters: [] };

flatfield.layer = (() => {
  const modulo = (a, b) => ((a % b) + b) % b;
  const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
  const count = (n, make) => Array.from({ length: n }, (_, i) => make(i));

  // y[m] = sum of w[t] x[n] over t d = m + p - s n
  function spread(n, kernel, { stride = 1, padding = 0, dilation = 1 } = {}) {
    const outputs = (n - 1) * stride + dilation * (kernel.length - 1) + 1 - 2 * padding;
    return count(Math.max(0, outputs), (m) =>
      count(n, (i) => {
        const reach = m + padding - stride * i;
        return reach % dilation === 0 ? kernel[reach / dilation] ?? 0 : 0;
      }),
    );
  }

  const multiply = (matrix, x) => matrix.map((row) => sum(row.map((w, n) => w * x[n])));

  function overlap(kernel, stride, dilation = 1) {
    const counts = new Array(stride).fill(0);
    for (let t = 0; t < kernel; t++) counts[(t * dilation) % stride] += 1;
    return counts;
  }

  function gains(kernel, stride, dilation = 1) {
    const phases = new Array(stride).fill(0);
    kernel.forEach((w, t) => (phases[(t * dilation) % stride] += w));
    return phases;
  }

  function unevenness(phases) {
    const mean = sum(phases) / phases.length;
    const power = sum(phases.map((g) => g * g));
    const away = sum(phases.map((g) => (g - mean) ** 2));
    return power > 0 ? Math.sqrt(away / power) : 0;
  }

  // G* = (sum of G[f] / n[f]) / (sum of 1 / n[f]); (G* - G[f]) / n[f] goes to every tap of phase f
  function flat(kernel, stride) {
    const taps = overlap(kernel.length, stride);
    const drawn = gains(kernel, stride);
    if (taps.includes(0)) return kernel.map(() => 0); // a phase that nothing reaches is 0, and so are all
    const goal = sum(drawn.map((g, f) => g / taps[f])) / sum(taps.map((n) => 1 / n));
    return kernel.map((w, t) => w + (goal - drawn[t % stride]) / taps[t % stride]);
  }

  // |H((w + 2 pi q) / s)| / s for every q
  function images(kernel, stride, frequency) {
    return count(stride, (q) => {
      const theta = (frequency + 2 * Math.PI * q) / stride;
      const real = sum(kernel.map((w, t) => w * Math.cos(theta * t)));
      const imaginary = sum(kernel.map((w, t) => w * Math.sin(theta * t)));
      return Math.hypot(real, imaginary) / stride;
    });
  }

  return { modulo, sum, count, spread, multiply, overlap, gains, unevenness, flat, images };
})();
