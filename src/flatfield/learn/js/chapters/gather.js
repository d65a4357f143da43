// 1: the filter [1, 2, 3] gathers 1..7 and spreads 1..5.
flatfield.chapter("gather", ({ step }, page) => {
  const { layer, rows } = flatfield;
  const filter = [1, 2, 3];
  const spreading = layer.spread(5, filter);
  const gathering = spreading[0].map((_, m) => spreading.map((row) => row[m])); // the transpose
  const seven = [1, 2, 3, 4, 5, 6, 7], five = [1, 2, 3, 4, 5];
  const at = step - 1; // 0 on the slider is all of them
  const one = (index) => at < 0 || index === at;
  page.chart("conv", rows.ribbons(gathering, seven, { places: [1, 2, 3, 4, 5], lit: (m) => one(m) }));
  page.chart("spread", rows.ribbons(spreading, five, { places: [-1, 0, 1, 2, 3, 4, 5], lit: (_, n) => one(n) }));
  page.chart("band", { cells: rows.matrix(gathering, (m) => m === at) });
  page.chart("transpose", { cells: rows.matrix(spreading, (_, n) => n === at) });
  const gathered = layer.multiply(gathering, seven), written = layer.multiply(spreading, five);
  if (at < 0) {
    page.say("conv", `1 to 7 come out as ${gathered.join(" ")}.`);
    page.say("spread", `1 to 5 come out as ${written.join(" ")}.`);
    return;
  }
  const products = filter.map((w, t) => `${w}·${seven[at + t]}`).join(" + ");
  page.say("conv", `Output ${step} gathers ${products} = ${gathered[at]}.`);
  const parts = filter.map((w) => `${w}·${five[at]} = ${w * five[at]}`).join(", ");
  page.say("spread", `Input ${step}, which is ${five[at]}, writes ${parts}; outputs ${step} to ${step + 2} add it up.`);
});
