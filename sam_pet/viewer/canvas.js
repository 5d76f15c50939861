// Draws the PNG of the kernel, and reports strokes and wheel turns in its pixels; all else happens in the kernel.
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = model.get("width");
  canvas.height = model.get("height");
  canvas.title = model.get("hint");
  canvas.dataset.name = model.get("name");
  canvas.style.cssText = "cursor:crosshair;touch-action:none;display:block";
  el.appendChild(canvas);
  const context = canvas.getContext("2d");
  let stroke = null;

  const pixel = (event) => [
    (event.offsetX * canvas.width) / canvas.clientWidth,
    (event.offsetY * canvas.height) / canvas.clientHeight,
  ];
  async function draw() {
    const count = model.get("count");
    const bitmap = await createImageBitmap(new Blob([model.get("png")], { type: "image/png" }));
    if (count !== model.get("count")) return;
    context.drawImage(bitmap, 0, 0);
    canvas.dataset.drawn = count;
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    stroke = { pixels: [pixel(event)], background: event.shiftKey };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    const [from, to] = [stroke.pixels.at(-1), pixel(event)];
    stroke.pixels.push(to);
    context.strokeStyle = stroke.background ? "#ff00ff" : "#00ff00";
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  });
  canvas.addEventListener("pointerup", () => {
    if (stroke) model.send({ kind: "stroke", ...stroke });
    stroke = null;
  });
  canvas.addEventListener("pointercancel", () => {
    stroke = null;
    draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    model.send({ kind: "wheel", turn: Math.sign(event.deltaY) });
  });
  model.on("change:count", draw);
  draw();
  return () => model.off("change:count", draw);
}
export default { render };
