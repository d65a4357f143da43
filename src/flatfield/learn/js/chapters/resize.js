// 5: the shapes of a resize-convolution, arrow by arrow, and what it costs.
flatfield.chapter("resize", ({ channels, out, side, scale, kernel, mode }, page) => {
  const big = side * scale, border = kernel - 1;
  const shape = (c, n) => `${c} × ${n} × ${n}`;
  page.say("image", shape(channels, side));
  page.say("upsampled", shape(channels, big));
  page.say("padded", shape(channels, big + border));
  page.say("convolved", shape(out, big));
  page.say("interpolation", `${mode} × ${scale}`);
  page.say("padding", `pad ${border / 2}`);
  page.say("kernel", `${out} kernels ${channels} × ${kernel} × ${kernel}`);
  const pairs = channels * out * side * side;
  const costs = { plain: (scale * kernel) ** 2, deconvolution: (2 * scale) ** 2,
                  phases: (kernel + scale - 1) ** 2, mixing: kernel ** 2 };
  const folds = mode === "nearest";
  for (const [name, each] of Object.entries(costs)) {
    const known = folds || name === "plain" || name === "deconvolution";
    page.say(`${name}-each`, known ? each.toLocaleString("en") : "–");
    page.say(`${name}-all`, known ? (each * pairs).toLocaleString("en") : "–");
  }
});
