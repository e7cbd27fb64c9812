// What the scripts of both pages use.

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Notebooks take arrow keys for themselves unless the focused element says so.
function focusable(element) {
  element.setAttribute("data-lm-suppress-shortcuts", "true");
  return element;
}

// Whether an arrow key scrolls this pane. Then it is left to the browser, and goes to nobody else.
function scrolls(pane, event) {
  if (event.target !== pane) return false;
  const across = pane.scrollWidth > pane.clientWidth && /Left|Right/.test(event.key);
  const down = pane.scrollHeight > pane.clientHeight && /Up|Down/.test(event.key);
  if (across || down) event.stopPropagation();
  return across || down;
}


// Whether the page shows this element alone, as a saved one does. In a notebook or beside another one the keys and the
// address are not its own.
function ownsPage(root) {
  const kind = `.${root.classList[0]}`;
  return root.parentElement === document.body && document.querySelectorAll(kind).length === 1
    && !document.querySelector(".jp-Notebook, .jp-Cell") && location.protocol !== "about:";
}
