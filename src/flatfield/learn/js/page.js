// The page: charts drawn when they come near, redrawn when a control moves or the look changes.
flatfield.page = (() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("specs"), themes = read("themes");
  flatfield.tables = read("tables");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const views = {}, rows = {}, pending = new Set(), awake = new Map();

  function track(promise) {
    pending.add(promise);
    promise.finally(() => pending.delete(promise));
    return promise;
  }

  async function embed(name) {
    const place = document.querySelector(`[data-chart="${name}"]`);
    const config = themes[dark.matches ? "dark" : "light"];
    const done = await vegaEmbed(place, specs[name], { actions: false, renderer: "svg", config });
    return done.view;
  }

  function draw(name, data) {
    rows[name] = data;
    views[name] ??= embed(name);
    return track(views[name].then((view) => {
      if (rows[name] !== data) return view; // a later move of the control has overtaken this one
      for (const [set, values] of Object.entries(data ?? {})) {
        view.data(set, values.map((row) => ({ ...row })));
      }
      return view.resize().runAsync();
    }));
  }

  function controls(section) {
    const at = {};
    for (const input of section.querySelectorAll("input[name], select[name]")) {
      at[input.name] = input.type === "range" ? Number(input.value)
        : input.type === "checkbox" ? input.checked : input.value;
      const shown = section.querySelector(`output[for="${input.id}"]`);
      if (shown) shown.textContent = input.value;
    }
    return at;
  }

  function update(section) {
    const act = flatfield.chapters.find((chapter) => chapter.name === section.id)?.act;
    if (!act) return;
    const say = (name, text) => { section.querySelector(`[data-say="${name}"]`).textContent = text; };
    const chart = (name, data) => draw(`${section.id}-${name}`, data);
    const picture = (name, ...more) =>
      flatfield.picture(section.querySelector(`[data-picture="${name}"]`), ...more);
    act(controls(section), { say, chart, picture, section });
  }

  function wake(section) {
    if (awake.has(section)) return;
    awake.set(section, 0);
    update(section);
    for (const { dataset } of section.querySelectorAll("[data-chart]")) {
      if (!views[dataset.chart]) draw(dataset.chart); // one that no control moves
    }
    section.addEventListener("input", () => { // many moves within a frame are one
      cancelAnimationFrame(awake.get(section));
      awake.set(section, requestAnimationFrame(() => update(section)));
    });
  }

  function redraw() {
    for (const name of Object.keys(views)) {
      views[name].then((view) => view.finalize());
      delete views[name];
      draw(name, rows[name]);
    }
    awake.forEach((_, section) => update(section));
  }

  const frame = () => new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)));

  async function settle() { // for the tests: everything awake, and nothing left to do
    document.querySelectorAll("main section").forEach(wake);
    await frame();
    while (pending.size) await Promise.all(pending);
  }

  async function shown(name, set) { return (await views[name]).data(set); }

  function start() {
    const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (entry.isIntersecting) wake(entry.target);
    }), { rootMargin: "300px" });
    document.querySelectorAll("main section").forEach((section) => near.observe(section));
    dark.addEventListener("change", redraw);
  }

  return { start, settle, shown, draw };
})();

flatfield.chapter = (name, act) => flatfield.chapters.push({ name, act });
