// Turns each image with its list of steps into a picture to step through. What a step says and shows comes from the
// page; nothing is computed here.
const NAMES = ["First", "Back", "Play", "Next", "Last"];
const LEAST = 0.8; // a wide picture shrinks so far
const PACE = 1200; // milliseconds a step while it plays

function picture(image) {
  const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (c) => c.charCodeAt(0));
  const parsed = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml");
  return document.importNode(parsed.documentElement, true);
}

function upgrade(root) {
  const steps = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
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
  const bar = make("div", { className: "bar" }, ...buttons, slider, count);
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Steps");
  const narration = make("div", { className: "narration" }, card, list);
  root.insertBefore(bar, frame);
  root.insertBefore(make("div", { className: "stage" }, frame, narration), list.nextSibling);
  const blank = make("p", { className: "blank", textContent: "The graph at this step is not drawn here." });
  frame.append(blank);
  focusable(frame).tabIndex = 0;
  focusable(list).tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Picture");
  let now = 0;
  let timer = 0;

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
    });
    svg.querySelectorAll("[data-from]").forEach((arrow) => {
      const used = step.to
        ? arrow.dataset.from === step.to && arrow.dataset.to === step.box
        : step.kind === "evaluate" && arrow.dataset.to === step.box;
      arrow.toggleAttribute("data-used", used);
    });
    const at = boxes[step.picture].get(step.to || step.box) || svg.querySelector('[data-mark="active"]');
    if (at) center(frame, at);
  }

  function center(within, element) {
    const [a, b] = [within.getBoundingClientRect(), element.getBoundingClientRect()];
    if (b.top < a.top || b.bottom > a.bottom) within.scrollTop += b.top - a.top - (a.height - b.height) / 2;
    if (b.left < a.left || b.right > a.right) within.scrollLeft += b.left - a.left - (a.width - b.width) / 2;
  }

  function go(to) {
    now = Math.max(0, Math.min(steps.length - 1, to));
    root.setAttribute("data-step", now + 1);
    root.setAttribute("data-phase", steps[now].phase);
    slider.value = now + 1;
    slider.setAttribute("aria-valuetext", `step ${now + 1} of ${steps.length}, ${items[now].firstChild.textContent}`);
    count.textContent = `step ${now + 1} of ${steps.length}`;
    card.replaceChildren(...[...items[now].children].map((part) => part.cloneNode(true)));
    items.forEach((item, i) => {
      if (i === now) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    const focused = buttons.indexOf(root.getRootNode().activeElement);
    buttons[0].disabled = buttons[1].disabled = now === 0;
    buttons[3].disabled = buttons[4].disabled = now === steps.length - 1;
    if (focused >= 0 && buttons[focused].disabled) buttons[focused < 2 ? 3 : 1].focus(); // or the keyboard is lost
    draw();
    center(list, items[now]);
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
    }, PACE);
  }

  const actions = [() => go(0), () => go(now - 1), null, () => go(now + 1), () => go(steps.length - 1)];
  buttons.forEach((button, i) => button.addEventListener("click", () => {
    if (i === 2) return play();
    stop();
    actions[i]();
  }));
  slider.addEventListener("input", () => { stop(); go(slider.value - 1); });
  items.forEach((item, i) => item.addEventListener("click", () => { stop(); go(i); }));
  const keys = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: 3, ArrowDown: 3, Home: 0, End: 4 };
  root.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (scrolls(frame, event)) return;
    event.preventDefault();
    event.stopPropagation();
    stop();
    actions[keys[event.key]]();
  });
  go(0);
}

const scope = document.currentScript ? document.currentScript.getRootNode() : document;
scope.querySelectorAll(".tl-stepper:not([data-live])").forEach(upgrade);
