// Shows one step at a time, and what belongs together. All steps are in the page; nothing is computed here.
const NAMES = ["First", "Back", "Next", "Last"];

function upgrade(root) {
  root.setAttribute("data-live", "");
  const steps = [...root.querySelectorAll(".step")];
  const links = [...root.querySelectorAll("nav a")];
  const buttons = NAMES.map((name) => focusable(make("button", { type: "button", textContent: name })));
  const slider = focusable(make("input", { type: "range", min: 1, max: steps.length, step: 1 }));
  slider.setAttribute("aria-label", "Step");
  const count = make("span", { className: "count" });
  count.setAttribute("aria-live", "polite");
  const whole = focusable(make("button", { type: "button", textContent: "Whole graph" }));
  whole.setAttribute("aria-pressed", "false");
  const bar = make("div", { className: "bar" }, ...buttons, slider, count, whole);
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Steps");
  root.insertBefore(bar, root.querySelector("nav"));
  const status = root.querySelector(".status");
  const invitation = "Point at a line or a box, or move there with Tab, to see what belongs to it.";
  let now = -1;

  // What changed comes into view: the picture moves only where that shows more than twice as much of it.
  function bring(pane, found) {
    const view = pane.getBoundingClientRect();
    const spots = found.map((element) => element.getBoundingClientRect());
    const seen = (b, right, down) => b.left >= view.left + right && b.right <= view.right + right
      && b.top >= view.top + down && b.bottom <= view.bottom + down;
    if (!spots.length) return;
    const moves = spots.map((b) => [b.left + b.right - view.left - view.right, b.top + b.bottom - view.top - view.bottom]
      .map((twice) => twice / 2));
    const counts = moves.map(([right, down]) => spots.filter((b) => seen(b, right, down)).length);
    const most = Math.max(...counts);
    if (most <= 2 * spots.filter((b) => seen(b, 0, 0)).length) return;
    const [right, down] = moves[counts.indexOf(most)];
    pane.scrollLeft += right;
    pane.scrollTop += down;
  }

  function go(to) {
    to = Math.max(0, Math.min(steps.length - 1, to));
    if (to === now) return;
    const old = now < 0 ? null : steps[now].querySelector(".graph");
    const [top, left] = old ? [old.scrollTop, old.scrollLeft] : [0, 0];
    now = to;
    steps.forEach((step, i) => step.toggleAttribute("data-now", i === now));
    const graph = steps[now].querySelector(".graph");
    [graph.scrollTop, graph.scrollLeft] = [top, left]; // nothing moves from step to step
    const name = `step ${now + 1} of ${steps.length}: ${steps[now].dataset.name}`;
    root.setAttribute("data-step", now + 1);
    slider.value = now + 1;
    slider.setAttribute("aria-valuetext", name);
    count.textContent = name;
    links.forEach((link, i) => {
      if (i === now) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    });
    const focused = buttons.indexOf(root.getRootNode().activeElement);
    buttons[0].disabled = buttons[1].disabled = now === 0;
    buttons[2].disabled = buttons[3].disabled = now === steps.length - 1;
    if (focused >= 0 && buttons[focused].disabled) buttons[focused < 2 ? 2 : 1].focus(); // or the keyboard is lost
    light(null);
    show();
  }

  function show() {
    const graph = steps[now].querySelector(".graph");
    bring(graph, [...graph.querySelectorAll(".added[data-box], .rewired[data-box], .removed[data-box]")]);
  }

  // What a box says of itself stands where it is drawn, or in this step if that is different.
  function name(box) {
    const own = box.getAttribute("aria-label");
    const drawn = root.querySelector(box.querySelector("use").getAttribute("href") + " title");
    const state = box.classList[0] === "kept" ? "" : "; " + box.classList[0];
    const title = document.createElementNS(box.namespaceURI, "title");
    title.textContent = (own || drawn.textContent) + state;
    box.prepend(title);
    box.removeAttribute("aria-label");
    box.setAttribute("role", "img");
  }

  // --- What belongs together: elements that name the same boxes ---

  function light(element) {
    root.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
    status.textContent = invitation;
    if (!element) return;
    const boxes = element.dataset.box.split(" ");
    const names = [];
    boxes.forEach((box) => {
      root.querySelectorAll(`.written [data-box~="${box}"], [data-now] [data-box~="${box}"]`).forEach((found) => {
        found.classList.add("lit");
        const title = found.querySelector("title");
        if (title) names.push(title.textContent);
      });
    });
    const few = names.length < 4;
    const shown = few ? names : names.map((name) => name.split(/ = |, /)[0]);
    if (names.length) status.textContent = shown.join(few ? " | " : ", ");
    if (!element.closest(".graph")) {
      bring(steps[now].querySelector(".graph"), [...steps[now].querySelectorAll(".graph .lit")]);
    }
  }

  root.querySelectorAll(".panes [data-box]").forEach((element) => { focusable(element).tabIndex = 0; });
  root.querySelectorAll("g[data-box]").forEach(name);
  root.querySelectorAll("a, summary, [tabindex]").forEach(focusable);
  const marked = (event) => event.target.closest && event.target.closest(".panes [data-box]");
  root.addEventListener("pointerover", (event) => { if (marked(event)) light(marked(event)); });
  root.addEventListener("pointerout", (event) => { if (marked(event)) light(null); });
  root.addEventListener("focusin", (event) => { if (marked(event)) light(marked(event)); });
  root.addEventListener("focusout", (event) => { if (marked(event)) light(null); });

  // --- Buttons, slider, links and keys ---

  const actions = [() => go(0), () => go(now - 1), () => go(now + 1), () => go(steps.length - 1)];
  buttons.forEach((button, i) => button.addEventListener("click", actions[i]));
  whole.addEventListener("click", () => {
    whole.setAttribute("aria-pressed", String(root.toggleAttribute("data-whole")));
    show();
  });
  slider.addEventListener("input", () => go(slider.value - 1));
  root.querySelectorAll('a[href^="#"]').forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(steps.findIndex((step) => `#${step.id}` === link.getAttribute("href")));
  }));
  const keys = { ArrowLeft: 1, ArrowRight: 2, Home: 0, End: 3 };
  const shift = (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (scrolls(steps[now].querySelector(".graph"), event)) return;
    event.preventDefault();
    event.stopPropagation();
    actions[keys[event.key]]();
  };
  root.addEventListener("keydown", shift);
  // On a page of its own, the keys work before anything is focused.
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body && ownsPage(root)) shift(event);
  });
  const wanted = steps.findIndex((step) => `#${step.id}` === window.location.hash);
  go(Math.max(0, wanted));
}

const scope = document.currentScript ? document.currentScript.getRootNode() : document;
scope.querySelectorAll(".tl-explorer:not([data-live])").forEach(upgrade);
