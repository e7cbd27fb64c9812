/* The playground's page: runs the code when it changes, shows the parts of the sheet as they come, and ties each part to
   the line with the cursor. It works with CodeMirror, and with a plain text area where that is missing. */
(function () {
  "use strict";
  const SOON = 40; // milliseconds without a keystroke before the code runs
  const LONGEST = 10000; // milliseconds that a run in the browser may take; the server has its own limit
  const SLOW = 400; // milliseconds after which the page says that it is working
  const examples = JSON.parse(document.getElementById("examples").textContent);
  const sheet = document.getElementById("sheet");
  const state = document.getElementById("state");
  const stop = document.getElementById("stop");

  // --- The editor: text(), set(text), mark(lines, wrong) ---

  function plainEditor(area, changed, moved) {
    area.addEventListener("input", changed);
    const line = () => area.value.slice(0, area.selectionStart).split("\n").length;
    for (const event of ["keyup", "click", "focus"]) area.addEventListener(event, () => moved(line()));
    return { text: () => area.value, set: (text) => { area.value = text; }, mark: () => {} };
  }

  function richEditor(area, changed, moved) {
    const { EditorView, EditorState, StateEffect, StateField, Decoration, basicSetup, keymap, python, indentWithTab } =
      window.CodeMirror;
    const marks = StateEffect.define();
    const marked = StateField.define({
      create: () => Decoration.none,
      update(old, change) {
        let now = old.map(change.changes);
        for (const effect of change.effects) if (effect.is(marks)) now = effect.value(change.state.doc);
        return now;
      },
      provide: (field) => EditorView.decorations.from(field),
    });
    const listener = EditorView.updateListener.of((update) => {
      if (update.docChanged) changed();
      if (update.docChanged || update.selectionSet || update.focusChanged) {
        moved(update.state.doc.lineAt(update.state.selection.main.head).number);
      }
    });
    const view = new EditorView({
      doc: area.value,
      extensions: [
        basicSetup, EditorView.lineWrapping, python(), keymap.of([indentWithTab]), marked, listener,
        EditorView.contentAttributes.of({ "aria-label": "Code" }),
      ],
    });
    area.replaceWith(view.dom);
    const decoration = (line, kind) => Decoration.line({ class: kind }).range(line.from);
    return {
      text: () => view.state.doc.toString(),
      set: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
      mark(lines, wrong) {
        view.dispatch({
          effects: marks.of((doc) => {
            const there = [...new Set([...lines, wrong])].filter((n) => n >= 1 && n <= doc.lines).sort((a, b) => a - b);
            return Decoration.set(there.map((n) => decoration(doc.line(n), n === wrong ? "wrong" : "tied")));
          }),
        });
      },
    };
  }

  // --- The address holds the code ---

  function packed(text) {
    const bytes = new TextEncoder().encode(text);
    const letters = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return letters.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function unpacked(letters) {
    try {
      const bytes = atob(letters.replaceAll("-", "+").replaceAll("_", "/"));
      return new TextDecoder().decode(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)));
    } catch {
      return null; // not one of this page's addresses
    }
  }

  const inAddress = () => {
    const match = /^#code=(.+)$/.exec(location.hash);
    return match && unpacked(match[1]);
  };

  // --- Parts of the sheet, and the lines that they come from ---

  let wrong = 0; // the line with an error
  const linesOf = (element) => (element.dataset.lines || "").split(" ").filter(Boolean).map(Number);

  function show(part, html) {
    const section = document.getElementById(part);
    const content = section.querySelector(".content");
    const key = (details) => details.querySelector("summary").textContent.split(" ")[0];
    const open = new Set([...content.querySelectorAll("details[open]")].map(key));
    content.innerHTML = html;
    section.hidden = html === "";
    for (const details of content.querySelectorAll("details")) details.open = open.has(key(details));
    for (const tie of content.querySelectorAll("i[data-box]")) {
      const box = content.querySelector(`g[data-box="${tie.dataset.box}"]`);
      if (box && tie.dataset.lines) box.dataset.lines = tie.dataset.lines;
    }
    if (part === "said") {
      const error = content.querySelector(".error");
      wrong = error ? linesOf(error)[0] || 0 : 0;
      sheet.classList.toggle("stale", Boolean(error));
    }
    follow(cursor);
  }

  let cursor = 0;
  function follow(line) {
    cursor = line;
    for (const element of sheet.querySelectorAll("[data-lines]")) {
      element.classList.toggle("here", linesOf(element).includes(line));
    }
  }

  sheet.addEventListener("pointerover", (event) => {
    const element = event.target.closest("[data-lines]");
    editor.mark(element ? linesOf(element) : [], wrong);
  });
  sheet.addEventListener("pointerleave", () => editor.mark([], wrong));

  // --- Running ---

  const runners = {
    server: () => {
      let controller = null;
      return {
        async run(source, got) {
          if (controller) controller.abort();
          const mine = (controller = new AbortController());
          const answer = await fetch("run", { method: "POST", body: source, signal: mine.signal });
          if (!answer.ok) throw new Error(`the server refused: ${answer.status} ${answer.statusText}`);
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let text = ""; ; ) {
            const { done, value } = await reader.read();
            if (done) return;
            const lines = (text + value).split("\n");
            text = lines.pop();
            for (const line of lines) if (controller === mine) got(JSON.parse(line));
          }
        },
        stop: () => fetch("stop", { method: "POST" }),
      };
    },

    worker: (say) => {
      let worker = null;
      let current = null; // the run that is waited for
      let number = 0;
      function launch(why = "") {
        worker = new Worker("worker.js");
        worker.onmessage = ({ data }) => {
          if ("loading" in data) say(`${why} ${data.loading}`.trim());
          else if ("failed" in data) end(data.failed);
          else if (current && data.run === current.run) {
            if (data.began) current.timer = setTimeout(() => restart(`It took longer than ${LONGEST / 1000} seconds.`), LONGEST);
            else if (data.done) end("");
            else current.got(data);
          }
        };
      }
      function end(words) {
        if (!current) return;
        clearTimeout(current.timer);
        if (words) current.got({ ended: words });
        current.resolve();
        current = null;
      }
      function restart(words) {
        worker.terminate();
        end(words);
        launch(words);
      }
      launch();
      return {
        run(source, got) {
          end("");
          return new Promise((resolve) => {
            current = { run: ++number, got, resolve };
            worker.postMessage({ run: number, source });
          });
        },
        stop: () => restart("It was stopped."),
      };
    },
  };
  let loading = ""; // what Python is still waiting for, in words
  const runner = runners[document.body.dataset.runner]((words) => { state.textContent = loading = words; });
  let runs = 0;

  async function run() {
    const number = ++runs;
    const source = editor.text();
    state.textContent = loading;
    const slow = setTimeout(() => {
      state.textContent = state.textContent || "running";
      stop.disabled = false;
    }, SLOW);
    let ended = "";
    try {
      await runner.run(source, (message) => {
        if (number !== runs) return;
        if ("ended" in message) ended = message.ended;
        else show(message.part, message.html);
      });
    } catch (error) {
      if (error.name !== "AbortError") ended = `Nothing answers: ${error.message}. Is the program still running?`;
    } finally {
      clearTimeout(slow);
    }
    if (number !== runs) return;
    state.textContent = ended;
    stop.disabled = true;
    editor.mark([], wrong);
    sheet.dataset.run = String(number); // for whoever waits until all is there
  }

  // --- Exercises: `?exercise=04-topo`, and `&embed` for a frame in another page ---

  const asked = new URLSearchParams(location.search);
  const id = asked.get("exercise");
  document.body.classList.toggle("embed", asked.has("embed"));

  function keep(text) {
    try {
      localStorage.setItem(`tinygrad_lora ${id}`, text); // so that an answer is there again tomorrow
    } catch { /* a browser that keeps nothing */ }
  }

  function kept() {
    try {
      return localStorage.getItem(`tinygrad_lora ${id}`);
    } catch {
      return null;
    }
  }

  async function openExercise() {
    const answer = await fetch("exercises.json").catch(() => null);
    const exercise = answer && answer.ok ? (await answer.json())[id] : null;
    const task = document.getElementById("task");
    task.hidden = false;
    if (!exercise) {
      task.textContent = `There is no exercise ${id} here.`;
      return;
    }
    document.title = `${id}: ${exercise.title}`;
    document.body.classList.add("exercise");
    task.innerHTML = exercise.html;
    check.hidden = again.hidden = false;
    again.addEventListener("click", () => editor.set(exercise.code));
    editor.set(kept() || exercise.code);
  }

  const check = document.getElementById("check");
  const again = document.getElementById("again");
  check.addEventListener("click", run);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !check.hidden) {
      event.preventDefault();
      event.stopPropagation();
      run();
    }
  }, true);

  let timer = 0;
  function changed() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (id) keep(editor.text()); // an answer is checked when somebody asks for it
      else {
        history.replaceState(null, "", `#code=${packed(editor.text())}`);
        run();
      }
    }, SOON);
  }

  const area = document.getElementById("source");
  const given = inAddress();
  if (given !== null) area.value = given;
  else if (id) area.value = "";
  const editor = (window.CodeMirror ? richEditor : plainEditor)(area, changed, follow);

  document.getElementById("example").addEventListener("change", (event) => {
    for (const part of sheet.children) show(part.id, ""); // what stands there belongs to other code
    editor.set(examples[event.target.value]);
    changed();
  });
  stop.addEventListener("click", () => runner.stop());
  const link = document.getElementById("link");
  link.hidden = document.body.dataset.runner === "server"; // this machine's address is of no use elsewhere
  link.addEventListener("click", async () => {
    history.replaceState(null, "", `#code=${packed(editor.text())}`);
    try {
      await navigator.clipboard.writeText(location.href);
      state.textContent = "the link is in the clipboard";
    } catch {
      state.textContent = "the link is in the address bar";
    }
  });
  window.addEventListener("hashchange", () => {
    const text = inAddress();
    if (text !== null && text !== editor.text()) editor.set(text);
  });
  if (id) openExercise();
  else run();
})();
