// Turns each image with its list of steps into a picture to step through. What a step says and shows comes from the
// page; nothing is computed here.
const NAMES = ["First", "Back", "Play", "Next", "Last"];
const LEAST = 0.8; // a wide picture shrinks so far
const PACE = 1200; // milliseconds a step while it plays
const SPEEDS = [0.5, 1, 2, 4];
const HELP = [["\u2190 \u2192", "back, next"], ["Home End", "first, last"], ["Space", "play, pause"],
  ["+ \u2212", "faster, slower"], ["h", "the array in colors"], ["?", "these keys"], ["click a box", "its value, again: its gradient"]];
const SVG = "http://www.w3.org/2000/svg";

function picture(image) {
  const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (c) => c.charCodeAt(0));
  const parsed = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml");
  return document.importNode(parsed.documentElement, true);
}

function upgrade(root) {
  const { steps, sliders } = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const frame = root.querySelector(".pictures");
  const images = [...frame.querySelectorAll("img")];
  if (!steps.length) return;
  root.setAttribute("data-live", "");
  const pictures = images.map(picture);
  const boxes = pictures.map((svg) => new Map([...svg.querySelectorAll("[data-box]")].map((g) => [g.dataset.box, g])));
  images.forEach((image, i) => {
    image.replaceWith(pictures[i]);
    pictures[i].style.minWidth = `${LEAST * pictures[i].width.baseVal.value}px`; // beyond that it scrolls
  });

  // What every box shows after each step: the changes, added up.
  const shown = [];
  steps.forEach((step, i) => {
    const before = i && steps[i - 1].picture === step.picture ? shown[i - 1] : {};
    shown.push({ ...before, ...step.changes });
  });

  const list = root.querySelector("ol");
  const items = [...list.children];
  const card = make("div", { className: "card" });
  card.setAttribute("role", "status");
  card.setAttribute("aria-live", "polite");
  const buttons = NAMES.map((name) => focusable(make("button", { type: "button", textContent: name })));
  const slider = focusable(make("input", { type: "range", min: 1, max: steps.length, step: 1 }));
  slider.setAttribute("aria-label", "Step");
  const count = make("span", { className: "count" });
  const speed = focusable(make("select", { title: "Speed" }, ...SPEEDS.map((s) => new Option(`${s} \u00d7`, s))));
  speed.setAttribute("aria-label", "Speed");
  speed.value = 1;
  const asks = focusable(make("button", { type: "button", className: "asks", textContent: "?", title: "Keys" }));
  asks.setAttribute("aria-expanded", "false");
  asks.setAttribute("aria-label", "Keys");
  const colors = focusable(make("button", { type: "button", className: "asks", textContent: "Heatmap" }));
  colors.setAttribute("aria-pressed", "false");
  colors.hidden = !steps.some((step) => step.heat.length);
  const help = make("p", { className: "help", hidden: true });
  help.append(...HELP.flatMap(([key, does]) => [make("kbd", { textContent: key }), ` ${does} `]));
  const track = make("div", { className: "track" }, slider, phases());
  const bar = make("div", { className: "bar" }, ...buttons, track, count, speed, colors, asks);
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Steps");
  const narration = make("div", { className: "narration" }, card, list);
  const code = root.querySelector(".written");
  const lines = code ? [...code.querySelectorAll(".line")] : [];
  root.insertBefore(bar, code || frame);
  root.insertBefore(help, code || frame);
  root.insertBefore(make("div", { className: "stage" }, ...(code ? [code] : []), frame, narration), list.nextSibling);
  const blank = make("p", { className: "blank", textContent: "The graph at this step is not drawn here." });
  frame.append(blank);
  focusable(frame).tabIndex = 0;
  if (code) focusable(code).tabIndex = 0;
  focusable(list).tabIndex = 0;
  list.setAttribute("aria-label", "All steps");
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Picture");
  let now = 0;
  let timer = 0;
  let started = false;

  // Below the slider: which part of it is forward, and which is backward.
  function phases() {
    const names = [...new Set(steps.map((step) => step.phase))];
    const parts = names.map((name) => {
      const part = make("span", { textContent: name });
      part.dataset.phase = name;
      part.style.flexGrow = steps.filter((step) => step.phase === name).length;
      return part;
    });
    const strip = make("div", { className: "phases" }, ...parts);
    strip.setAttribute("aria-hidden", "true"); // the step itself says it
    return strip;
  }

  // A click on a box: to the step where it gets its value, and from there to the one where its gradient is complete.
  function visit(id) {
    const at = (...kinds) => steps.findLastIndex((step) => step.box === id && kinds.includes(step.kind));
    const [value, gradient] = [at("visit", "evaluate"), at("ready")];
    const to = now === value && gradient >= 0 ? gradient : value;
    if (to >= 0) { stop(); go(to); }
  }

  boxes.forEach((all) => all.forEach((box, id) => {
    if (!steps.some((step) => step.box === id)) return;
    focusable(box).setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.addEventListener("click", () => visit(id));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      visit(id);
    });
  }));
  pictures.forEach((svg) => svg.setAttribute("role", "group")); // an image would hide its boxes from a screen reader

  // The number that is sent moves along the arrow, against its direction; with reduced motion it stands beside it.
  function send(svg, arrow, text) {
    const path = arrow.querySelector("path:not(.head)");
    const length = path.getTotalLength();
    const [tip, near] = [path.getPointAtLength(0), path.getPointAtLength(Math.min(9, length))];
    const [dx, dy] = [near.x - tip.x, near.y - tip.y];
    const back = document.createElementNS(SVG, "path");
    back.setAttribute("class", "head back");
    back.setAttribute("d", `M${tip.x} ${tip.y}L${near.x - 0.45 * dy} ${near.y + 0.45 * dx}L${near.x + 0.45 * dy} ${
      near.y - 0.45 * dx}Z`);
    const moving = document.createElementNS(SVG, "text");
    moving.setAttribute("class", "moving");
    moving.setAttribute("aria-hidden", "true"); // the card says it
    moving.textContent = text;
    moving.style.offsetPath = `path("${path.getAttribute("d")}")`;
    arrow.append(back);
    svg.append(moving);
  }

  function write(box, kind, text) {
    box.querySelectorAll("text." + kind).forEach((line) => { line.textContent = text; });
  }

  function draw() {
    const step = steps[now];
    pictures.forEach((svg, i) => { svg.style.display = i === step.picture ? "" : "none"; });
    const svg = pictures[step.picture];
    blank.hidden = Boolean(svg);
    if (!svg) return;
    svg.setAttribute("data-phase", step.phase);
    boxes[step.picture].forEach((box, id) => {
      const [value, gradient, mark] = shown[now][id] || ["", "", "waiting"];
      write(box, "value", value);
      write(box, "gradient", gradient);
      box.setAttribute("data-mark", mark);
      box.toggleAttribute("data-receives", id === step.to);
      box.toggleAttribute("data-partial", gradient.includes("waiting for"));
    });
    svg.querySelectorAll(".back, .moving").forEach((part) => part.remove());
    svg.querySelectorAll("[data-from]").forEach((arrow) => {
      const used = step.to
        ? arrow.dataset.from === step.to && arrow.dataset.to === step.box
        : step.kind === "evaluate" && arrow.dataset.to === step.box;
      arrow.toggleAttribute("data-used", used);
      if (used && step.sent) send(svg, arrow, step.sent);
    });
    const at = boxes[step.picture].get(step.to || step.box) || svg.querySelector('[data-mark="active"]');
    if (at) center(frame, at);
  }

  function center(within, element) {
    const [a, b] = [within.getBoundingClientRect(), element.getBoundingClientRect()];
    if (b.top < a.top || b.bottom > a.bottom) within.scrollTop += b.top - a.top - (a.height - b.height) / 2;
    if (b.width <= a.width && (b.left < a.left || b.right > a.right)) within.scrollLeft += b.left - a.left - (a.width - b.width) / 2;
  }

  function go(to) {
    now = Math.max(0, Math.min(steps.length - 1, to));
    root.setAttribute("data-step", now + 1);
    root.setAttribute("data-phase", steps[now].phase);
    slider.value = now + 1;
    slider.setAttribute("aria-valuetext", `step ${now + 1} of ${steps.length}, ${items[now].firstChild.textContent}`);
    count.textContent = `step ${now + 1} of ${steps.length}`;
    card.replaceChildren(...[...items[now].children].map((part) => part.cloneNode(true)));
    if (colors.getAttribute("aria-pressed") === "true" && steps[now].heat.length) card.append(heatmap(steps[now].heat));
    items.forEach((item, i) => {
      if (i === now) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    lines.forEach((line, i) => {
      if (i === steps[now].line) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    });
    if (lines[steps[now].line]) center(code, lines[steps[now].line]);
    const focused = buttons.indexOf(root.getRootNode().activeElement);
    buttons[0].disabled = buttons[1].disabled = now === 0;
    buttons[3].disabled = buttons[4].disabled = now === steps.length - 1;
    if (focused >= 0 && buttons[focused].disabled) buttons[focused < 2 ? 3 : 1].focus(); // or the keyboard is lost
    movers.forEach(([input, output, slider]) => set(input, output, slider, slider.start));
    root.querySelectorAll("[data-moved]").forEach((box) => box.removeAttribute("data-moved"));
    draw();
    center(list, items[now]);
    root.dispatchEvent(new CustomEvent("tl-step", { detail: now })); // for a run beside this one
    if (started && ownsPage(root)) history.replaceState(null, "", `#step-${now + 1}`);
  }

  // The array of a step in colors, orange above 0 and blue below; the number of a cell on pointing at it.
  function heatmap(rows) {
    const most = Math.max(...rows.flat().map(Math.abs));
    const range = most ? `\u2212${most} to ${most}` : "all 0";
    const scale = make("span", { textContent: range });
    const cells = rows.flatMap((row, i) => row.map((n, j) => {
      const cell = make("i", { className: n < 0 ? "below" : "above", title: `[${i}, ${j}] = ${n}` });
      cell.style.setProperty("--strength", `${most ? 100 * Math.abs(n) / most : 0}%`);
      return cell;
    }));
    const grid = make("div", { className: "cells" }, ...cells);
    grid.style.gridTemplateColumns = `repeat(${rows[0].length}, 1rem)`;
    grid.setAttribute("role", "img");
    grid.setAttribute("aria-label", `${rows.length} by ${rows[0].length} numbers in colors, ${range}`);
    grid.addEventListener("pointerover", (event) => { scale.textContent = event.target.title || range; });
    grid.addEventListener("pointerleave", () => { scale.textContent = range; });
    return make("div", { className: "heat" }, grid, scale);
  }

  function toggleColors() {
    if (colors.hidden) return;
    colors.setAttribute("aria-pressed", colors.getAttribute("aria-pressed") !== "true");
    go(now);
  }

  // --- Values that can be moved: what the boxes show then comes from the page ---

  const movers = sliders.map((slider) => {
    const input = focusable(make("input", { type: "range", min: 0, max: slider.places.length - 1, step: 1 }));
    input.setAttribute("aria-label", slider.label);
    const output = make("output", {});
    input.addEventListener("input", () => {
      const place = Number(input.value);
      stop();
      go(steps.length - 1); // where all values and gradients are complete
      set(input, output, slider, place);
      Object.entries(slider.shown[place]).forEach(([id, [value, gradient]]) => {
        const box = boxes[0].get(id);
        write(box, "value", value);
        write(box, "gradient", gradient);
        box.setAttribute("data-moved", "");
      });
      if (place === slider.start) return;
      const words = `with ${slider.label} = ${slider.places[place]} in the place of ${slider.places[slider.start]}`;
      card.replaceChildren(make("b", { textContent: "moved" }), make("span", { className: "numbers", textContent: words }),
        make("div", { className: "say", textContent: "every other input stays; any step leads back" }));
    });
    return [input, output, slider];
  });

  function set(input, output, slider, place) {
    input.value = place;
    output.textContent = slider.places[place];
    input.setAttribute("aria-valuetext", slider.places[place]);
  }

  if (sliders.length) {
    const panel = make("div", { className: "movers" }, ...movers.map(([input, output, slider]) =>
      make("label", {}, `${slider.label} `, input, output)));
    root.insertBefore(panel, root.querySelector(".stage"));
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    buttons[2].textContent = "Play";
    card.setAttribute("aria-live", "polite");
  }

  function play() {
    if (timer) return stop();
    if (now === steps.length - 1) go(0);
    buttons[2].textContent = "Pause";
    card.setAttribute("aria-live", "off"); // a reader would be interrupted at every step
    timer = setInterval(() => {
      go(now + 1);
      if (now === steps.length - 1 || !root.isConnected) stop();
    }, PACE / speed.value);
  }

  function hurry(by) {
    speed.selectedIndex = Math.max(0, Math.min(SPEEDS.length - 1, speed.selectedIndex + by));
    if (timer) { stop(); play(); }
  }

  function toggleHelp() {
    help.hidden = !help.hidden;
    asks.setAttribute("aria-expanded", String(!help.hidden));
  }

  const actions = [() => go(0), () => go(now - 1), null, () => go(now + 1), () => go(steps.length - 1)];
  buttons.forEach((button, i) => button.addEventListener("click", () => {
    if (i === 2) return play();
    stop();
    actions[i]();
  }));
  slider.addEventListener("input", () => { stop(); go(slider.value - 1); });
  items.forEach((item, i) => item.addEventListener("click", () => { stop(); go(i); }));
  speed.addEventListener("change", () => hurry(0));
  asks.addEventListener("click", toggleHelp);
  colors.addEventListener("click", toggleColors);
  const keys = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: 3, ArrowDown: 3, Home: 0, End: 4 };
  const others = { " ": play, "?": toggleHelp, h: toggleColors, "+": () => hurry(1), "-": () => hurry(-1) };
  const pressed = (event) => {
    if (movers.some(([input]) => input === event.target)) return event.stopPropagation(); // its own arrow keys
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("select")) return;
    if (event.key === " " && event.target.matches?.("button")) return; // it presses the button
    const act = event.key in others ? others[event.key] : !event.shiftKey && actions[keys[event.key]];
    if (!act || scrolls(frame, event) || (code && scrolls(code, event))) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key in keys) stop();
    act();
  };
  root.addEventListener("keydown", pressed);
  root.addEventListener("tl-go", (event) => go(event.detail));

  // On a page of its own, the keys work before anything is focused, and the address says the step.
  const asked = () => ownsPage(root) && parseInt((/^#step-(\d+)$/.exec(location.hash) || [])[1], 10) || 1;
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body && ownsPage(root)) pressed(event);
  });
  window.addEventListener("hashchange", () => { if (ownsPage(root)) { stop(); go(asked() - 1); } });
  go(asked() - 1);
  started = true;
}

const scope = document.currentScript ? document.currentScript.getRootNode() : document;
scope.querySelectorAll(".tl-stepper:not([data-live])").forEach(upgrade);
