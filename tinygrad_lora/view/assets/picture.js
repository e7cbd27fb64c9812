// A picture that is alive. What is shown is one svg at a time: the whole, or the inside of a closed box.

const root = document.currentScript.parentElement, stage = root.querySelector(".stage");
const insides = new Map([...root.querySelectorAll("template")].map(t => [t.dataset.inside, t.content]));
const MAP_FROM = 100, STEP = 60; // boxes in a picture with a map; pixels that an arrow key moves
const trail = []; // the pictures around the one that is shown, and where the focus was in each
let svg, view, size, matches = [], current = -1;

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const button = (text, label, onclick) => make("button", { type: "button", textContent: text, ariaLabel: label, title: label, onclick });
const search = make("input", { type: "search", placeholder: "Search: name, operation or shape", ariaLabel: "Search boxes" });
const status = make("span", { className: "status", role: "status" });
const back = button("←", "Back to the picture around it (Escape)", leave);
const header = make("header", {}, back, search, status,
  button("−", "Zoom out (-)", () => zoom(1.25)), button("+", "Zoom in (+)", () => zoom(0.8)), button("⤢", "Whole picture (0)", fit));
header.setAttribute("role", "toolbar");
header.setAttribute("aria-label", "Picture");
root.prepend(header);
root.classList.add("alive");
stage.tabIndex = 0;
stage.setAttribute("role", "group");
stage.setAttribute("aria-label", "Picture: arrow keys move it, plus and minus zoom, 0 shows all of it, slash searches");

// --- Which picture ---

function show(picture) {
  svg = picture;
  svg.setAttribute("role", "group"); // so that its boxes can be reached
  stage.replaceChildren(svg);
  const [, , width, height] = (svg.dataset.whole ??= svg.getAttribute("viewBox")).split(" ").map(Number);
  size = { width, height };
  for (const box of svg.querySelectorAll(".folded")) {
    box.setAttribute("role", "button");
    box.setAttribute("tabindex", "0");
    box.setAttribute("aria-expanded", "false");
    box.setAttribute("aria-label", `${box.querySelector("title").textContent}; show what is inside`);
  }
  back.hidden = !trail.length;
  drawMap();
  fit(null, true);
  find();
}

function enter(box) {
  const inside = insides.get(box.dataset.box);
  if (!inside) return;
  trail.push([svg, box, view]);
  show(inside.cloneNode(true).querySelector("svg"));
  stage.focus();
  status.textContent = svg.querySelector("title").textContent;
}

function leave() {
  if (!trail.length) return;
  const [picture, box, earlier] = trail.pop();
  show(picture);
  view = earlier;
  update();
  box.focus();
}

// --- Where to look: `view` is what the stage shows, in the units of the picture ---

function update() {
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const frame = root.querySelector(".map .window");
  if (frame) for (const key of ["x", "y", "width", "height"]) frame.setAttribute(key, view[key]);
}

// The whole picture, at its natural size or smaller. At first a picture that would be too small to read shows its top.
function fit(event, readable = false) {
  const { clientWidth: w, clientHeight: h } = stage, whole = Math.max(1, size.width / w, size.height / h);
  if (readable && whole > 1.6) {
    const top = svg.querySelector("[data-box]").getBBox();
    return center(top.x + top.width / 2, h / 2, 1);
  }
  view = { width: w * whole, height: h * whole };
  view.x = (size.width - view.width) / 2;
  view.y = Math.min(0, (size.height - view.height) / 2);
  update();
}

function zoom(by, at = { x: 0.5, y: 0.5 }) {
  const width = Math.min(Math.max(view.width * by, 60), 8 * Math.max(size.width, stage.clientWidth)), ratio = width / view.width;
  view = {
    x: view.x + view.width * at.x * (1 - ratio), y: view.y + view.height * at.y * (1 - ratio),
    width, height: view.height * ratio,
  };
  update();
}

function move(dx, dy) {
  const unit = view.width / stage.clientWidth;
  view.x += dx * unit;
  view.y += dy * unit;
  update();
}

function center(x, y, scale = view.width / stage.clientWidth) {
  view = { width: stage.clientWidth * scale, height: stage.clientHeight * scale };
  view.x = x - view.width / 2;
  view.y = y - view.height / 2;
  update();
}

// --- Search ---

// What a box is called and says of itself; the names of its operands are not its own.
function wordsOf(box) {
  const texts = [...box.querySelectorAll("text")].map(text => text.textContent);
  return [box.querySelector("title").textContent.split("(")[0], ...texts].join(" ").toLowerCase();
}

function find() {
  const wanted = search.value.trim().toLowerCase(), boxes = [...svg.querySelectorAll("[data-box]")];
  matches = wanted ? boxes.filter(box => wordsOf(box).includes(wanted)) : [];
  current = -1;
  for (const box of boxes) {
    box.classList.remove("current");
    box.classList.toggle("found", matches.includes(box));
  }
  svg.classList.toggle("searching", wanted !== "");
  if (wanted) status.textContent = matches.length ? `${matches.length} of ${boxes.length} boxes` : "no box";
  else if (!trail.length) status.textContent = `${boxes.length} boxes`;
}

function next(step) {
  if (!matches.length) return;
  matches[current]?.classList.remove("current");
  current = (current + step + matches.length) % matches.length;
  const box = matches[current], place = box.getBBox();
  box.classList.add("current");
  center(place.x + place.width / 2, place.y + place.height / 2, 1);
  status.textContent = `${current + 1} of ${matches.length}: ${box.querySelector("title").textContent}`;
}

// --- The map of a large picture ---

function drawMap() {
  root.querySelector(".map")?.remove();
  if (svg.querySelectorAll("[data-box]").length <= MAP_FROM) return;
  const name = "http://www.w3.org/2000/svg", map = document.createElementNS(name, "svg");
  map.setAttribute("class", "map");
  map.setAttribute("aria-hidden", "true");
  map.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  for (const rect of svg.querySelectorAll("rect.frame, [data-box] > rect:first-of-type")) {
    const copy = map.appendChild(document.createElementNS(name, "rect"));
    for (const key of ["x", "y", "width", "height"]) copy.setAttribute(key, rect.getAttribute(key));
    copy.setAttribute("fill", rect.matches(".frame") ? "none" : "#8c8c8c");
    copy.setAttribute("stroke", "#8c8c8c");
  }
  map.appendChild(document.createElementNS(name, "rect")).setAttribute("class", "window");
  const go = event => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    center(point.x, point.y);
  };
  map.onpointerdown = event => { map.setPointerCapture(event.pointerId); go(event); };
  map.onpointermove = event => event.buttons && go(event);
  root.append(map);
}

// --- Hands ---

const pointers = new Map();
let moved = 0;

stage.addEventListener("pointerdown", event => {
  pointers.set(event.pointerId, event);
  if (pointers.size === 1) moved = 0;
});
stage.addEventListener("pointermove", event => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
  moved += Math.abs(dx) + Math.abs(dy);
  if (moved < 4) return; // a click
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("moving");
  const other = [...pointers.values()].find(p => p.pointerId !== event.pointerId);
  if (other) {
    const apart = p => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
    zoom(apart(before) / Math.max(apart(event), 1), inStage({
      clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2,
    }));
  } else move(-dx, -dy);
  pointers.set(event.pointerId, event);
});
for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, event => {
    pointers.delete(event.pointerId);
    if (!pointers.size) stage.classList.remove("moving");
  });
}
stage.addEventListener("click", event => {
  const box = event.target.closest(".folded");
  if (box && moved < 4) enter(box);
});
stage.addEventListener("wheel", event => {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), inStage(event));
  else move(event.shiftKey ? event.deltaY : event.deltaX, event.shiftKey ? 0 : event.deltaY);
}, { passive: false });

function inStage(event) {
  const place = stage.getBoundingClientRect();
  return { x: (event.clientX - place.left) / place.width, y: (event.clientY - place.top) / place.height };
}

stage.addEventListener("focusin", event => {
  const box = event.target.closest("[data-box]");
  if (!box || pointers.size) return;
  const place = box.getBBox();
  const seen = place.x >= view.x && place.y >= view.y && place.x + place.width <= view.x + view.width && place.y + place.height <= view.y + view.height;
  if (!seen) center(place.x + place.width / 2, place.y + place.height / 2);
});
search.addEventListener("input", find);
search.addEventListener("keydown", event => {
  if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
});
document.addEventListener("keydown", event => { // the page shows nothing else: no click is needed first
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (search.value) { search.value = ""; find(); stage.focus(); } else leave();
    return;
  }
  if (event.target === search || event.target.closest("header")) return;
  const actions = {
    ArrowLeft: () => move(-STEP, 0), ArrowRight: () => move(STEP, 0), ArrowUp: () => move(0, -STEP), ArrowDown: () => move(0, STEP),
    "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), 0: fit, "/": () => search.focus(),
    n: () => next(1), Enter: () => enter(event.target), " ": () => enter(event.target),
  };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});
addEventListener("resize", () => {
  const { x, y, width } = view, scale = width / (stage.dataset.width || stage.clientWidth);
  stage.dataset.width = stage.clientWidth;
  view = { x, y, width: stage.clientWidth * scale, height: stage.clientHeight * scale };
  update();
});

show(stage.querySelector("svg"));
stage.dataset.width = stage.clientWidth;
