// Pictures: planes of numbers as grey pixels, and buttons that move a slider by themselves.
flatfield.picture = (canvas, plane, { size = plane.length, low = null, high = null } = {}) => {
  const height = size, width = size; // a period is repeated as often as it fits, and cut
  const values = plane.flat();
  const dimmest = low ?? Math.min(...values), brightest = high ?? Math.max(...values);
  const range = brightest - dimmest > 1e-9 ? brightest - dimmest : 0; // flat is flat: rounding is not magnified
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const value = plane[y % plane.length][x % plane[0].length];
    const share = range ? Math.min(1, Math.max(0, (value - dimmest) / range)) : 0.6;
    const grey = Math.round(255 * share), at = 4 * (y * width + x);
    pixels.data.set([grey, grey, grey, 255], at);
  }
  context.putImageData(pixels, 0, 0);
};

document.querySelectorAll("button[data-play]").forEach((button) => {
  const slider = document.getElementById(button.dataset.play);
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const step = () => {
    if (Number(slider.value) >= Number(slider.max)) return stop();
    slider.stepUp();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) >= Number(slider.max)) slider.value = slider.min;
    button.textContent = "Stop";
    timer = setInterval(step, 350);
  });
});
