// 6: one frequency goes in; the wave and its images come out.
flatfield.chapter("spectra", ({ frequency, upsampler }, page) => {
  const { rows, tables, layer } = flatfield;
  const kernel = tables.upsamplers[upsampler];
  const w = (frequency / 32) * Math.PI;
  page.chart("lines", { lines: rows.spectrum(kernel, 2, w) });
  page.chart("waves", { samples: rows.waves(kernel, 2, w) });
  page.chart("curves", { at: [{ frequency: frequency / 32 }] });
  const [wave, image] = layer.images(kernel, 2, w);
  page.say("frequency", `${(frequency / 32).toFixed(3)} π`);
  page.say("wave", wave.toFixed(4));
  page.say("image", image.toFixed(4));
});
