"""Build the lab: a static JupyterLite site with the students' notebooks and this package in it.

    python docs/build_lab.py [--out build/lab] [--pyodide pyodide-VERSION.tar.bz2]

Python runs in the browser of who looks at it, so any server for static files will do. The site loads Pyodide from its
usual address, unless --pyodide gives a release of it (a file or a URL), which is then part of the site.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What the package needs beside NumPy, which Pyodide has. All are pure Python.
NEEDED = ["comm", "graphviz", "rich", "markdown-it-py", "mdurl", "pygments"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build a static lab with the tutorials.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "lab", help="the folder of the site")
    parser.add_argument("--pyodide", help="a Pyodide release to put into the site, as a file or a URL")
    given = parser.parse_args()
    out = given.out.resolve()
    parts = out.with_name(out.name + "-parts")
    for folder in (out, parts):
        shutil.rmtree(folder, ignore_errors=True)
    wheels, notebooks = parts / "wheels", parts / "notebooks"
    run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT)
    run("pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels, *NEEDED)
    run("tinygrad_lora", "course", "release", notebooks, "--format", "lab", "--source", ROOT / "tutorials")
    site = ["--contents", notebooks, "--output-dir", out, "--piplite-wheels", wheels]
    site += ["--pyodide", given.pyodide] if given.pyodide else []
    run("jupyterlite_core", "build", *site, cwd=parts)
    print(f"\nThe lab is in {out}. To look at it: python -m http.server --directory {out}")
    return 0


def run(module: str, *arguments: object, cwd: Path = ROOT) -> None:
    """Run a module of this Python, and stop where it fails."""
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
