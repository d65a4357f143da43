// More rows: stacks, spectra, flat weights.
Object.assign(flatfield.rows, (() => {
  const { layer } = flatfield;
  const { clean } = flatfield.rows;

  function lanes(profiles, positions = 32) {
    const longest = Math.max(...profiles.map(([, profile]) => profile.length));
    const cells = profiles.flatMap(([name, profile], lane) => {
      const wide = longest / profile.length;
      const most = Math.max(...profile.map(Math.abs)) || 1;
      return layer.count(Math.ceil(positions / wide), (i) => {
        const value = profile[i % profile.length];
        return { lane, name, left: clean(i * wide), right: clean((i + 1) * wide), base: -lane,
                 tip: clean(-lane + (0.64 * value) / most), value: clean(value) };
      });
    });
    const labels = profiles.map(([name, profile], lane) => ({
      lane, at: -lane + 0.67, label: `${name}: unevenness ${layer.unevenness(profile).toFixed(3)}`,
    }));
    return { cells, labels };
  }

  function boxed(profile, k) {
    return profile.map((_, m) => layer.sum(layer.count(k, (t) => profile[(m + t) % profile.length])) / k);
  }

  function damping(profile, kernels) {
    return kernels.map((kernel) => {
      const left = layer.unevenness(boxed(profile, kernel));
      return { kernel, unevenness: left > 1e-12 ? clean(left) : 0, label: left.toFixed(2) };
    });
  }

  function spectrum(kernel, stride, frequency) {
    return layer.images(kernel, stride, frequency).map((amplitude, q) => {
      const theta = (frequency / Math.PI + 2 * q) / stride;
      return { kind: q ? "image" : "wave", place: clean(theta <= 1 ? theta : 2 - theta), amplitude: clean(amplitude) };
    });
  }

  function waves(kernel, stride, frequency) {
    const samples = 24, margin = 4;
    const wave = layer.count(samples + 2 * margin, (i) => Math.cos(frequency * (i - margin)));
    const out = layer.multiply(layer.spread(wave.length, kernel, { stride }), wave);
    const places = out.map((_, m) => (m - (kernel.length - 1) / 2) / stride - margin);
    return [
      ...layer.count(samples, (i) => ({ signal: "input", place: i, value: clean(Math.cos(frequency * i)) })),
      ...out.map((value, m) => ({ signal: "output", place: clean(places[m]), value: clean(value) }))
        .filter((row, m) => places[m] >= -0.5 && places[m] <= samples - 0.5),
    ];
  }

  function pair(kernel, stride) {
    const kinds = [["as drawn", kernel], ["flat", layer.flat(kernel, stride)]];
    return {
      taps: kinds.flatMap(([weights, taps]) => taps.map((w, tap) => (
        { weights, tap, value: clean(w), phase: String(tap % stride) }))),
      gains: kinds.flatMap(([weights, taps]) => layer.gains(taps, stride).map((gain, phase) => (
        { weights, phase: String(phase), gain: clean(gain) }))),
    };
  }

  return { lanes, boxed, damping, spectrum, waves, pair };
})());
