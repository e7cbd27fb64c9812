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
  const [smaller, larger] = [["\u2212", "Zoom out"], ["+", "Zoom in"]].map(([sign, words]) => {
    const button = focusable(make("button", { type: "button", className: "zoom", textContent: sign, title: words }));
    button.setAttribute("aria-label", words);
    return button;
  });
  const functions = focusable(make("button", { type: "button", textContent: "Open functions" }));
  functions.setAttribute("aria-pressed", "false");
  const bar = make("div", { className: "bar" }, ...buttons, slider, count, smaller, larger, whole);
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Steps");
  root.insertBefore(bar, root.querySelector("nav"));
  const status = root.querySelector(".status");
  const invitation = "Point at a line or a box, or move there with Tab, to see what belongs to it.";
  let now = -1;
  let pinned = null; // a line that stays lit, and is in the address
  let started = false;

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

  // --- Zoom: what is in the middle stays there ---

  function zoom(size, at) {
    const pane = steps[now].querySelector(".graph");
    const svg = pane.querySelector("svg");
    if (!svg) return;
    const old = svg.getBoundingClientRect();
    const view = pane.getBoundingClientRect();
    const [x, y] = at || [view.left + view.width / 2, view.top + view.height / 2];
    const [across, down] = [(x - old.left) / old.width, (y - old.top) / old.height];
    const wanted = typeof size === "function" ? size(old.width / svg.viewBox.baseVal.width) : size;
    root.style.setProperty("--zoom", Math.max(0.05, Math.min(3, wanted)));
    root.setAttribute("data-zoomed", "");
    const made = svg.getBoundingClientRect();
    pane.scrollLeft += made.left + across * made.width - x;
    pane.scrollTop += made.top + down * made.height - y;
    whole.setAttribute("aria-pressed", "false");
  }

  function fit() {
    const pane = steps[now].querySelector(".graph");
    const svg = pane.querySelector("svg");
    if (!svg) return;
    if (whole.getAttribute("aria-pressed") === "true") {
      root.removeAttribute("data-zoomed");
      whole.setAttribute("aria-pressed", "false");
      return show();
    }
    const { width, height } = svg.viewBox.baseVal;
    zoom(Math.min((pane.clientWidth - 2) / width, (pane.clientHeight - 2) / height));
    whole.setAttribute("aria-pressed", "true");
  }

  function go(to) {
    to = Math.max(0, Math.min(steps.length - 1, to));
    if (to === now) return;
    const old = now < 0 ? null : steps[now].querySelector(".graph");
    if (pinned && !pinned.closest(".written")) pin(null);
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
    const changed = [...graph.querySelectorAll(".added[data-box], .rewired[data-box], .removed[data-box]")];
    const [first] = graph.querySelectorAll("g[data-box]");
    bring(graph, changed.length || started || !first ? changed : [first]);
    const [list, link] = [links[now].closest("ol"), links[now]];
    list.scrollLeft += link.getBoundingClientRect().left - list.getBoundingClientRect().left - list.clientWidth / 3;
    address();
  }

  // --- The address: the step, and a line that was clicked ---

  const codeLines = () => [...steps[now].querySelectorAll(".code .lines > *")];
  function address() {
    if (!started || !ownsPage(root)) return;
    const line = !pinned ? "" : pinned.closest(".written")
      ? `-line-${pinned.dataset.line}` : `-code-${codeLines().indexOf(pinned) + 1}`;
    history.replaceState(null, "", `#step-${now + 1}${line}`);
  }

  function pin(element) {
    pinned = element === pinned ? null : element;
    root.querySelectorAll("[data-pinned]").forEach((line) => {
      line.removeAttribute("data-pinned");
      line.setAttribute("aria-pressed", "false");
    });
    if (pinned) {
      pinned.setAttribute("data-pinned", "");
      pinned.setAttribute("aria-pressed", "true");
    }
    light(pinned);
    address();
  }

  function follow() {
    const hash = window.location.hash;
    const [, step, kind, line] = /^#step-(\d+)(?:-(line|code)-(\d+))?$/.exec(hash) || [];
    go(step && ownsPage(root) ? step - 1 : Math.max(0, steps.findIndex((each) => `#${each.id}` === hash)));
    const found = kind === "line" ? root.querySelector(`.written [data-line="${line}"][data-box]`)
      : kind === "code" ? codeLines()[line - 1] : null;
    if (found && found.dataset.box && found !== pinned) pin(found);
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

  // The user's line as `model.py:12`: of a generated line what its comment ends with.
  function placeOf(line) {
    if (!line.dataset.line) return (/  (\S+:\d+)\s*$/.exec(line.textContent) || [])[1];
    return `${line.closest("pre").previousElementSibling.textContent.split(",")[0]}:${line.dataset.line}`;
  }

  function light(element) {
    root.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
    status.textContent = invitation;
    if (!element) return;
    const names = [];
    // A line of the program is due to one line of the user's, though its boxes may come from several.
    const place = placeOf(element);
    const apart = (other) => place && placeOf(other) && placeOf(other) !== place
      && element.closest(".written") !== other.closest(".written");
    const related = element.dataset.box.split(" ").flatMap((box) => [
      ...root.querySelectorAll(`.written [data-box~="${box}"], [data-now] [data-box~="${box}"]`),
    ]);
    new Set(related).forEach((found) => {
      if (apart(found)) return;
      found.classList.add("lit");
      const title = found.querySelector("title");
      if (title) names.push(title.textContent);
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
  root.querySelectorAll(".graph").forEach((graph) => {
    graph.setAttribute("role", "group");
    graph.setAttribute("aria-label", "Graph");
  });
  root.querySelectorAll(".lines > [data-box]").forEach((line) => { // a reader says what each is, and that it can be kept
    line.setAttribute("role", "button");
    line.setAttribute("aria-pressed", "false");
    const change = { INS: "added: ", DEL: "removed: " }[line.tagName];
    if (change) line.setAttribute("aria-label", change + line.textContent.trim());
  });
  root.querySelectorAll("a, summary, [tabindex]").forEach(focusable);
  const marked = (event) => event.target.closest && event.target.closest(".panes [data-box]");
  root.addEventListener("pointerover", (event) => { if (marked(event)) light(marked(event)); });
  root.addEventListener("pointerout", (event) => { if (marked(event)) light(pinned); });
  root.addEventListener("focusin", (event) => { if (marked(event)) light(marked(event)); });
  root.addEventListener("focusout", (event) => { if (marked(event)) light(pinned); });
  root.addEventListener("click", (event) => {
    const line = marked(event);
    if (line && line.closest(".lines")) pin(line);
  });

  // The other picture of each step: with functions open, or closed again.
  const others = steps.map((step) => {
    const svg = step.querySelector(".graph > svg ~ svg");
    if (svg) svg.remove();
    return svg;
  });
  if (others[0]) bar.append(functions);
  functions.addEventListener("click", () => {
    steps.forEach((step, i) => {
      const svg = step.querySelector(".graph > svg");
      svg.replaceWith(others[i]);
      others[i] = svg;
    });
    functions.setAttribute("aria-pressed", functions.getAttribute("aria-pressed") !== "true");
    light(pinned);
    if (whole.getAttribute("aria-pressed") === "true") whole.setAttribute("aria-pressed", "false"), fit();
    else show();
  });

  // --- Buttons, slider, links and keys ---

  const actions = [() => go(0), () => go(now - 1), () => go(now + 1), () => go(steps.length - 1)];
  buttons.forEach((button, i) => button.addEventListener("click", actions[i]));
  whole.addEventListener("click", fit);
  smaller.addEventListener("click", () => zoom((size) => size / 1.25));
  larger.addEventListener("click", () => zoom((size) => size * 1.25));
  root.addEventListener("dblclick", (event) => {
    if (event.target.closest(".graph")) zoom((size) => (size < 0.9 ? 1 : size * 1.5), [event.clientX, event.clientY]);
  });
  root.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !event.target.closest(".graph")) return;
    event.preventDefault();
    zoom((size) => size * (event.deltaY < 0 ? 1.15 : 1 / 1.15), [event.clientX, event.clientY]);
  }, { passive: false });
  slider.addEventListener("input", () => go(slider.value - 1));
  root.querySelectorAll('a[href^="#"]').forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(steps.findIndex((step) => `#${step.id}` === link.getAttribute("href")));
  }));
  const keys = { ArrowLeft: 1, ArrowRight: 2, Home: 0, End: 3 };
  const shift = (event) => {
    const zooms = { "+": larger, "-": smaller };
    if (event.key in zooms && !event.ctrlKey && !event.metaKey && !event.altKey) return zooms[event.key].click();
    if ((event.key === "Enter" || event.key === " ") && event.target.matches?.(".lines > [data-box]")) {
      event.preventDefault();
      return pin(event.target);
    }
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
  window.addEventListener("hashchange", () => { if (ownsPage(root)) follow(); });
  follow();
  started = true;
}

const scope = document.currentScript ? document.currentScript.getRootNode() : document;
scope.querySelectorAll(".tl-explorer:not([data-live])").forEach(upgrade);
