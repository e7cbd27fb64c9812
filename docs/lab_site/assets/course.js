/* The course's page: one's own progress, from what the browser keeps, and all of it as a download. */
(function () {
  "use strict";
  const course = JSON.parse(document.getElementById("course").textContent);
  const site = new URL(".", location.href).pathname;
  const PROGRESS = "progress.jsonl";

  // --- What the browser keeps: JupyterLite's files, by their paths ---

  function kept(mode, use) {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open(`tinygrad_lora ${site}`);
      opening.onupgradeneeded = () => opening.result.createObjectStore("files");
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const database = opening.result;
        const done = (finish, value) => { database.close(); finish(value); }; // a notebook may want to change it
        database.onversionchange = () => database.close();
        try {
          const change = database.transaction("files", mode);
          const result = use(change.objectStore("files"));
          change.oncomplete = () => done(resolve, result.result);
          change.onerror = () => done(reject, change.error);
        } catch (error) {
          done(reject, error);
        }
      };
    });
  }

  const allKept = () => kept("readonly", (files) => files.getAll());

  function bytesOf(model) {
    if (model.format === "base64") return Uint8Array.from(atob(model.content), (letter) => letter.charCodeAt(0));
    const text = typeof model.content === "string" ? model.content : JSON.stringify(model.content, null, 1);
    return new TextEncoder().encode(text);
  }

  function modelOf(path, bytes) {
    const notebook = path.endsWith(".ipynb");
    const text = new TextDecoder().decode(bytes);
    const now = new Date().toISOString();
    return {
      path, name: path.split("/").pop(), type: notebook ? "notebook" : "file", format: notebook ? "json" : "text",
      content: notebook ? JSON.parse(text) : text, mimetype: notebook ? "application/json" : "text/plain",
      size: bytes.length, created: now, last_modified: now, writable: true,
    };
  }

  // --- Progress: of each check the best run, as `tinygrad-lora progress` counts ---

  function pointsOf(records) {
    const passed = new Set(records.filter((record) => record.passed === true && record.test !== undefined)
      .map((record) => `${record.exercise} ${record.test}`));
    const points = (id, checks) => Object.entries(checks)
      .reduce((sum, [check, worth]) => sum + (passed.has(`${id} ${check}`) ? worth : 0), 0);
    return (tutorial) => Object.entries(tutorial.exercises).reduce((sum, [id, checks]) => sum + points(id, checks), 0);
  }

  function recordsOf(text) {
    return text.split("\n").flatMap((line) => {
      try {
        return line ? [JSON.parse(line)] : [];
      } catch {
        return []; // a line that was cut off
      }
    });
  }

  const worth = (tutorial) => Object.values(tutorial.exercises)
    .reduce((sum, checks) => sum + Object.values(checks).reduce((a, b) => a + b, 0), 0);

  function show(files) {
    const file = files.find((model) => model.path === PROGRESS);
    const records = file ? recordsOf(new TextDecoder().decode(bytesOf(file))) : [];
    const points = pointsOf(records);
    const opened = new Map(files.map((model) => [model.path, model.last_modified]));
    let [sum, all] = [0, 0];
    for (const tutorial of course.tutorials) {
      const item = document.querySelector(`li[data-file="${tutorial.file}"]`);
      const [got, most] = [points(tutorial), worth(tutorial)];
      const known = tutorial.predictions.filter((id) => records.some((record) => record.exercise === id && record.passed === true));
      const answered = tutorial.predictions.length ? ` · ${known.length} of ${tutorial.predictions.length} questions` : "";
      item.querySelector("progress").value = got;
      item.querySelector(".points").textContent = `${got} of ${most} points${answered}`;
      item.classList.toggle("done", got === most);
      sum += got;
      all += most;
    }
    document.getElementById("total").textContent = `${sum} of ${all} points`;
    const begun = course.tutorials.filter((tutorial) => opened.has(tutorial.file));
    const last = begun.sort((a, b) => (opened.get(a.file) < opened.get(b.file) ? 1 : -1))[0];
    const next = last && points(last) < worth(last) ? last : course.tutorials.find((one) => points(one) < worth(one));
    for (const item of document.querySelectorAll("li.here")) item.classList.remove("here");
    if (!next || (!last && sum === 0)) return;
    const link = document.getElementById("continue");
    link.href = `notebooks/index.html?path=${next.file}`;
    link.textContent = `Continue with ${next.file.slice(0, 2)}`;
    document.querySelector(`li[data-file="${next.file}"]`).classList.add("here");
  }

  // --- The download, and the way back ---

  const told = document.getElementById("told");

  async function download() {
    const files = (await allKept()).filter((model) => model.type !== "directory");
    if (!files.length) {
      told.textContent = "There is nothing yet: open a tutorial first.";
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(zipped(Object.fromEntries(files.map((model) => [model.path, bytesOf(model)]))));
    link.download = "tinygrad_lora.zip";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    told.textContent = `${files.length} file${files.length === 1 ? "" : "s"}, in tinygrad_lora.zip.`;
  }

  async function upload(file) {
    const content = await file.arrayBuffer();
    const files = file.name.endsWith(".zip") ? await unzipped(content) : { [file.name]: new Uint8Array(content) };
    const models = Object.entries(files).map(([path, bytes]) => modelOf(path, bytes)); // all of it can be read, or nothing is written
    const there = new Set(await kept("readonly", (store) => store.getAllKeys()));
    const replaced = models.filter((model) => there.has(model.path) && model.path !== PROGRESS).map((model) => model.path);
    if (replaced.length && !confirm(`Replace what is here of ${replaced.join(", ")}?`)) return;
    const before = (await allKept()).find((model) => model.path === PROGRESS);
    for (const model of models) {
      if (model.path !== PROGRESS || !before) continue;
      const lines = [bytesOf(before), bytesOf(model)].flatMap((bytes) => new TextDecoder().decode(bytes).split("\n"));
      model.content = [...new Set(lines.filter(Boolean))].join("\n") + "\n"; // no point is lost, on either side
    }
    await kept("readwrite", (store) => models.map((model) => store.put(model, model.path))[0]);
    told.textContent = `${models.length} file${models.length === 1 ? " is" : "s are"} here now.`;
    await refresh();
  }

  // --- What may be wrong with this browser or this address, said before a notebook is opened ---

  const trouble = document.getElementById("trouble");
  function say(words) {
    trouble.textContent = words;
    trouble.hidden = false;
  }

  async function refresh() {
    try {
      show(await allKept());
    } catch (error) {
      say(`This browser keeps nothing for this page (${error.message}). In a private window, or with storage switched off, ` +
        "notebooks run, but all is lost when they are closed: download them, or use another window.");
    }
  }

  const attempt = (work) => work.catch((error) => { told.textContent = `That failed: ${error.message}.`; });
  document.getElementById("download").addEventListener("click", () => attempt(download()));
  document.getElementById("upload").addEventListener("change", (event) => {
    if (event.target.files[0]) attempt(upload(event.target.files[0])).then(() => { event.target.value = ""; });
  });
  addEventListener("pageshow", refresh); // also on the way back from a notebook
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

  if (location.protocol === "file:") say("Opened from the disk, no notebook can run here: this folder must be served. On this " +
    "machine, `python -m http.server` in the folder does it.");
  else if (typeof WebAssembly !== "object") say("This browser has no WebAssembly, so Python cannot run in it. Any current browser has it.");
  else if (!isSecureContext) say("This address is not served over HTTPS. Notebooks run and are kept, but points are not: they are lost " +
    "when a notebook is closed. Ask whoever runs this site for an address that begins with https.");
})();
