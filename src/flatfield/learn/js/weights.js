// Weights to choose from. Random ones come from a seed, so that a page shows the same twice.
flatfield.weights = (() => {
  const { count } = flatfield.layer;

  function stream(seed) { // mulberry32
    let state = (seed * 0x9e3779b9) >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  const random = (n, seed) => {
    const next = stream(seed);
    return count(n, () => Math.round(100 * (1.5 * next() - 0.4)) / 100); // mostly positive: a flat field stays bright
  };

  const bilinear = (k) => { // Long, Shelhamer & Darrell 2015
    const factor = Math.floor((k + 1) / 2);
    const centre = k % 2 ? factor - 1 : factor - 0.5;
    return count(k, (t) => 1 - Math.abs(t - centre) / factor);
  };

  function line(kind, k, seed = 1) {
    if (kind === "ones") return new Array(k).fill(1);
    if (kind === "filter") return count(k, (t) => t + 1);
    if (kind === "bilinear") return bilinear(k);
    if (kind === "positive") return random(k, seed).map((w) => Math.round(100 * (0.3 + Math.abs(w))) / 100);
    return random(k, seed);
  }

  function plane(kind, k, seed = 1) {
    if (kind !== "random" && kind !== "positive") return flatfield.plane.outer(line(kind, k), line(kind, k));
    const drawn = line(kind, k * k, seed);
    return count(k, (row) => drawn.slice(row * k, (row + 1) * k));
  }

  return { line, plane, random };
})();
