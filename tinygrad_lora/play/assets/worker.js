/* Python in a worker of the browser: it loads once, then runs what it is sent and answers part by part.
   The page ends it where a run does not end, and starts another. */
"use strict";
const say = (message) => self.postMessage(message);
const SITE = "/lib/python3.11/site-packages";

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

async function load() {
  say({ loading: "Python is loading" });
  importScripts("pyodide/pyodide.js");
  const [pyodide, packages] = await Promise.all([self.loadPyodide({ indexURL: "pyodide/" }), fetched("packages.zip")]);
  say({ loading: "NumPy and tinygrad_lora are loading" });
  pyodide.unpackArchive(packages, "zip", { extractDir: SITE });
  const parts = pyodide.runPython("from tinygrad_lora.play.sheet import parts\nparts");
  say({ loading: "" });
  return parts;
}

let latest = 0; // the run that is wanted
const loaded = load().catch((error) => {
  say({ failed: `Python could not be loaded: ${error.message.trim().split("\n").pop()}` });
  throw error;
});

self.onmessage = async ({ data: { run, source } }) => {
  latest = run;
  const parts = await loaded;
  if (run !== latest) return;
  say({ run, began: true });
  const generator = parts(source);
  for (const part of generator) {
    const [name, html] = part.toJs();
    part.destroy();
    say({ run, part: name, html });
    await new Promise((resolve) => setTimeout(resolve)); // a newer run may be waiting
    if (run !== latest) break;
  }
  generator.destroy();
  say({ run, done: true });
};
