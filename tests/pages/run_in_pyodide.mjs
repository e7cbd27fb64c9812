// node run_in_pyodide.mjs RELEASE FILE.py [PLACE=FOLDER...]
// Runs a file in a release of Pyodide. Each folder of this machine is mounted at its place, where Python can import.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [release, file, ...mounts] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${release}/pyodide.mjs`));
const pyodide = await loadPyodide({ indexURL: `${release}/` });
for (const mount of mounts) {
  const [place, root] = mount.split("=");
  pyodide.FS.mkdirTree(place);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, place);
  pyodide.runPython(`import sys; sys.path.insert(0, "${place}")`);
}
pyodide.runPython(readFileSync(file, "utf8"));
