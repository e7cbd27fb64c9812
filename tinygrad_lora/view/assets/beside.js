// Two steppers that go together, and a mark at the box where they differ first.
function pair(root) {
  root.setAttribute("data-live", "");
  const { partners, boxes } = JSON.parse(root.querySelector(":scope > .partners").textContent);
  const runs = [...root.querySelectorAll(".tl-stepper")];
  let following = false;
  runs.forEach((run, i) => {
    run.addEventListener("tl-step", (event) => {
      if (following) return;
      let step = event.detail; // a step without a partner leaves the other one where it was before
      while (step > 0 && !(step in partners[i])) step -= 1;
      following = true;
      runs[1 - i].dispatchEvent(new CustomEvent("tl-go", { detail: partners[i][step] || 0 }));
      following = false;
    });
    run.querySelectorAll(`[data-box="${boxes[i]}"]`).forEach((box) => {
      const frame = box.querySelector("rect").getBBox();
      const sign = document.createElementNS(box.namespaceURI, "text");
      sign.setAttribute("class", "differs");
      sign.setAttribute("x", frame.x + frame.width);
      sign.setAttribute("y", frame.y - 4);
      sign.textContent = "\u2260 differs first";
      box.append(sign);
      box.setAttribute("data-differs", "");
    });
  });
  document.addEventListener("keydown", (event) => { // on a page of its own, before anything is focused
    if (event.target !== document.body || !ownsPage(root)) return;
    if (!runs[0].dispatchEvent(new KeyboardEvent("keydown", { key: event.key, cancelable: true }))) event.preventDefault();
  });
}

const scope = document.currentScript ? document.currentScript.getRootNode() : document;
scope.querySelectorAll(".tl-beside:not([data-live])").forEach(pair);
