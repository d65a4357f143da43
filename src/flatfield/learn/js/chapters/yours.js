// 9: a stack of one's own.
flatfield.yours = (() => {
  const { plane, layer, weights } = flatfield;

  function through(tile, { type, kernel, scale }, kind, seed) { // one layer on the torus
    const drawn = (offset = 0) => weights.plane(kind, kernel, seed + offset);
    if (type === "deconvolution") return plane.transposed(tile, drawn(), scale);
    if (type === "sub-pixel") return plane.shuffled(tile, layer.count(scale * scale, drawn), scale);
    if (type === "conv") return plane.convolved(tile, drawn());
    return plane.convolved(plane.resized(tile, scale, type), drawn());
  }

  const normal = (tile) => { // mean 1, so that layers can be compared
    const mean = layer.sum(tile.flat()) / tile.flat().length;
    return Math.abs(mean) > 1e-9 ? tile.map((row) => row.map((x) => x / mean)) : tile;
  };

  function run(stack, kind, seed) {
    let tile = [[1]];
    return stack.map((step, i) => {
      const alone = through([[1]], step, kind, seed + 1000 * i);
      tile = normal(through(tile, step, kind, seed + 1000 * i));
      return { step, gains: alone, alone: plane.unevenness(alone), tile, sofar: plane.unevenness(tile) };
    });
  }

  function overlap({ type, kernel, scale }) {
    if (type !== "deconvolution") return type === "conv" ? "" : "1";
    const counts = layer.overlap(kernel, scale);
    const least = Math.min(...counts) ** 2, most = Math.max(...counts) ** 2;
    return least === most ? String(most) : `${least}..${most}`;
  }

  function code(stack) {
    let channels = 64;
    const lines = stack.flatMap(({ type, kernel, scale }, i) => {
      const into = channels;
      channels = i === stack.length - 1 ? 3 : channels / 2;
      const conv = (outputs) => `nn.Conv2d(${into}, ${outputs}, ${kernel}, padding="same")`;
      if (type === "deconvolution") {
        const surplus = kernel - scale, padding = Math.max(0, Math.ceil(surplus / 2)), extra = 2 * padding - surplus;
        const more = extra ? `, output_padding=${extra}` : "";
        return [`nn.ConvTranspose2d(${into}, ${channels}, ${kernel}, stride=${scale}, padding=${padding}${more})`];
      }
      if (type === "sub-pixel") return [conv(channels * scale * scale), `nn.PixelShuffle(${scale})`];
      if (type === "conv") return [conv(channels)];
      return [`nn.Upsample(scale_factor=${scale}, mode="${type}")`, conv(channels)];
    });
    const body = lines.map((line) => `    ${line},\n`).join("");
    return `from torch import nn\n\nmodel = nn.Sequential(\n${body})\n`;
  }

  // row by row: 4 2 / 2 1
  const told = (gains) => gains.map((row) => row.map((g) => String(Number(g.toFixed(2)))).join(" ")).join(" / ");

  return { run, overlap, told, code };
})();

flatfield.chapter("yours", (at, page) => {
  const { yours, rows, plane } = flatfield;
  const stack = ["a", "b", "c"].map((slot) => (
    { type: at[`type-${slot}`], kernel: at[`kernel-${slot}`], scale: Number(at[`scale-${slot}`]) }));
  stack.push({ type: at["type-d"], kernel: at["kernel-d"], scale: 1 });
  const chosen = stack.filter((step) => step.type !== "none");
  const steps = yours.run(chosen, at.weights, at.draw);
  const body = page.section.querySelector("tbody");
  body.replaceChildren(...steps.map(({ step, gains, alone, tile, sofar }, i) => {
    const row = document.createElement("tr");
    const cells = [`${i + 1}`, `${step.type} ${step.kernel}${step.scale > 1 ? `, × ${step.scale}` : ""}`,
                   yours.overlap(step), yours.told(gains), alone.toFixed(3), `${tile.length} × ${tile.length}`, sofar.toFixed(3)];
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }));
  const tile = steps.length ? steps.at(-1).tile : [[1]];
  page.picture("field", tile, { size: tile.length > 12 ? 72 : 48, low: 0 });
  page.chart("tile", { cells: rows.gains(tile) });
  page.chart("spectrum", { cells: rows.gains(plane.spectrum(tile)) });
  page.say("verdict", steps.length === 0 ? "No layer: nothing happens to the flat field."
    : plane.unevenness(tile) < 1e-3 ? "The flat field comes out flat."
    : `The flat field comes out with a grid of ${tile.length} × ${tile.length} pixels, unevenness ` +
      `${plane.unevenness(tile).toFixed(3)}.`);
  page.say("code", yours.code(chosen));
});

document.querySelector("#yours button[data-copy]").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const code = document.querySelector('[data-say="code"]');
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch { // a page from a file may have no clipboard: leave the text selected
    window.getSelection().selectAllChildren(code);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
