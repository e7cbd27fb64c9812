/* Watches over a page with notebooks: if Python cannot load, or a cell does not end, the page says so and what to do. */
(function () {
  "use strict";
  const START = 60; // seconds that Python may take to start
  const GONE = 3; // seconds without a kernel, after there was one
  const CELL = 60; // seconds that a cell may run before the page says how to end it
  const site = new URL("..", location.href);
  let began = performance.now();
  const box = document.createElement("div");
  const words = document.createElement("span");
  let shown = ""; // which trouble
  let closed = new Set();

  Object.assign(box.style, {
    position: "fixed", bottom: "1rem", left: "1rem", right: "1rem", zIndex: 10000, padding: ".7rem 1rem", display: "none",
    background: "var(--jp-layout-color1, #fff)", color: "var(--jp-ui-font-color1, #1a1a1a)", gap: ".4rem 1rem",
    border: "1px solid var(--jp-border-color1, #d5dae0)", borderLeft: "5px solid var(--jp-error-color1, #a4262c)",
    font: "15px/1.45 system-ui, sans-serif", boxShadow: "0 2px 12px #0003", alignItems: "center", flexWrap: "wrap",
  });
  box.setAttribute("role", "alert");
  box.id = "lab-trouble";
  words.style.flex = "1 1 16rem";
  const button = (label, act) => {
    const made = document.createElement("button");
    made.textContent = label;
    made.addEventListener("click", act);
    return made;
  };
  box.append(words, button("Load again", () => location.reload()), button("Close", () => { closed.add(shown); hide(); }));

  function say(kind, text) {
    if (closed.has(kind)) return;
    if (!box.isConnected) document.body.append(box);
    shown = kind;
    if (words.textContent !== text) words.textContent = text;
    box.style.display = "flex";
  }

  function hide(kind = shown) {
    if (kind !== shown) return;
    shown = "";
    box.style.display = "none";
  }

  // --- What Python is made of: is all of it there? ---

  const WHO = "Load the page again; if that does not help, tell whoever runs this site.";

  async function missing() {
    const address = (name) => new URL(`pyodide/${name}`, site);
    const trial = async (name, options) => {
      try {
        const answer = await fetch(address(name), options);
        return answer.ok ? answer : `${name} (${answer.status} ${answer.statusText})`;
      } catch {
        return `${name} (no answer)`;
      }
    };
    const lock = await trial("pyodide-lock.json");
    if (typeof lock === "string") return [lock];
    const { packages } = await lock.json();
    const names = [...Object.values(packages).map((one) => one.file_name), "pyodide.js", "pyodide.asm.js",
      "pyodide.asm.wasm", "python_stdlib.zip"];
    const answers = await Promise.all(names.map((name) => trial(name, { method: "HEAD" })));
    return answers.filter((answer) => typeof answer === "string");
  }

  let lacking = [];
  async function look() {
    lacking = await missing();
    if (lacking.length) {
      say("missing", `Python cannot start: this site does not give out ${lacking.slice(0, 3).join(", ")}` +
        `${lacking.length > 3 ? ` and ${lacking.length - 3} more files` : ""}. ${WHO}`);
    }
  }

  // --- The kernel, and how long it has been busy ---

  let started = false;
  let gone = 0; // since when there is none any more
  let busy = 0; // since when, in milliseconds

  const kernel = () => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;

  function watch() {
    const now = performance.now();
    const status = kernel()?.status;
    if (status === "restarting" || (started && status === "unknown")) {
      [started, began, busy] = [false, now, 0]; // from here on it starts
      hide();
    }
    if (started && (!status || status === "dead")) gone = gone || now;
    else gone = 0;
    if (status === "idle" || status === "busy") {
      started = true;
      hide("start");
      hide("gone");
    }
    if (gone && now - gone > 1000 * GONE) {
      say("gone", "Python has ended. Save the notebook (Ctrl-S), load the page again, then run the first cell again.");
    } else if (status === "idle") {
      busy = 0;
      hide("busy");
    } else if (started && status === "busy") {
      busy = busy || now;
      const seconds = Math.round((now - busy) / 1000);
      if (seconds >= CELL) {
        say("busy", `This cell has been running for ${Math.floor(seconds / 60)} min. If it does not end by itself, only this ` +
          "ends it: Kernel > Restart Kernel, then run the first cell again.");
      }
    }
    const waiting = location.pathname.includes("/notebooks/") || kernel();
    if (!started && !lacking.length && waiting && now - began > 1000 * START) {
      say("start", `Python has not started in ${START} seconds. On a slow connection it may still come. Else load the page again, ` +
        "close other tabs of the lab, or try another browser.");
    }
  }

  // The worker that loads Python fails: its error arrives as a promise that nobody waits for.
  addEventListener("unhandledrejection", (event) => {
    const text = String(event.reason?.message ?? event.reason ?? "");
    if (!started && /pyodide|PythonError|WebAssembly|importScripts|wasm|memory/i.test(text)) {
      say("failed", `Python could not start: ${text.trim().split("\n").pop().slice(0, 300)}. ${WHO}`);
    }
  });
  if (typeof WebAssembly !== "object") {
    addEventListener("load", () => say("wasm", "This browser has no WebAssembly, so Python cannot run in it. Any current browser has it."));
  }
  addEventListener("load", () => look());
  setInterval(watch, 500);
})();
