"""Build the lab: a static JupyterLite site with the students' notebooks and this package in it.

    python docs/build_lab.py [--out build/lab] [--contents DIR] [--pyodide pyodide-VERSION.tar.bz2]

Python runs in the visitor's browser, so any server for static files will do. The site loads Pyodide from its
usual address, unless --pyodide gives a release of it (a file or an address), which is then part of the site.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
# What a release of Pyodide may lack: of this package, and `comm` of the kernel, which else asks the package index for
# it. All are pure Python.
NEEDED = ["comm", "graphviz", "rich", "markdown-it-py", "mdurl", "pygments"]
KERNEL = Path(sys.prefix, "share", "jupyter", "labextensions", "@jupyterlite", "pyodide-kernel-extension")
# The kernel is the one extension: others that happen to be installed here may ask for a server.
CONFIG = {
    "ignore_sys_prefix": ["federated_extensions"],
    "federated_extensions": [str(KERNEL)],
    "no_sourcemaps": True,
}
# What a release must have: to start a kernel, and for the notebooks.
OF_PYODIDE = ["micropip", "ipython", "jedi", "numpy"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build a static lab with the tutorials.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "lab", help="the folder of the site")
    parser.add_argument("--contents", type=Path, metavar="DIR", help="a folder with more notebooks and files for it")
    release = f"a release of Pyodide{_version()} to put into the site: a .tar.bz2 or .tar.gz file, or an address"
    parser.add_argument("--pyodide", metavar="FILE", help=release)
    given = parser.parse_args()
    out = given.out.resolve()
    if wrong := complaint(out, given.contents, given.pyodide):
        sys.exit(wrong)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".lab-", dir=out.parent) as folder:
        build(out, Path(folder), given.contents, given.pyodide)
    if given.pyodide:
        examine(out / "static" / "pyodide", given.pyodide)
    print(f"The lab is in {out}. To look at it: python -m http.server --directory {out}")
    return 0


def complaint(out: Path, contents: Path | None, pyodide: str | None) -> str | None:
    """What is wrong with the arguments, before anything is removed or made."""
    if out.exists() and not (out / "jupyter-lite.json").is_file() and not (out.is_dir() and not any(out.iterdir())):
        return f"{out} exists and is no lab: it would be replaced. Give another folder: --out DIR"
    if contents and not contents.is_dir():
        return f"There is no folder {contents}."
    if pyodide and _is_address(pyodide) and not pyodide.endswith(".tar.bz2"):
        return "JupyterLite fetches only .tar.bz2 archives. Download this one and give the file."
    if pyodide and not _is_address(pyodide) and not Path(pyodide).is_file():
        return f"There is no file {pyodide}. --pyodide takes a release of Pyodide{_version()} as one archive."
    return None


def build(out: Path, parts: Path, contents: Path | None, pyodide: str | None) -> None:
    """The site, from parts that are made in another folder."""
    wheels, notebooks = parts / "wheels", parts / "notebooks"
    run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT)
    run("pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels, *NEEDED)
    run("tinygrad_lora", "course", "release", notebooks, "--format", "lab", "--source", ROOT / "tutorials")
    site = ["--contents", notebooks, "--output-dir", out, "--piplite-wheels", wheels]
    if contents:
        site += ["--contents", contents.resolve()]
    if pyodide and _is_address(pyodide):
        site += ["--pyodide", pyodide]
    elif pyodide:  # to where JupyterLite looks for it; by itself it reads .tar.bz2 only
        run("tarfile", "-e", Path(pyodide).resolve(), parts / "static")
    (parts / "jupyter_lite_config.json").write_text(json.dumps({"LiteBuildConfig": CONFIG}), encoding="utf-8")
    run("jupyterlite_core", "build", *site, cwd=parts)


def examine(pyodide: Path, given: str) -> None:
    """Stop where the site holds no Pyodide, and tell what it lacks."""
    lock = pyodide / "pyodide-lock.json"
    if not lock.is_file() or not (pyodide / "pyodide.mjs").is_file():
        sys.exit(f"{given} is no release of Pyodide{_version()}: it has no pyodide/pyodide.mjs.")
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    there = {name for name in OF_PYODIDE if name in packages and (pyodide / packages[name]["file_name"]).is_file()}
    if missing := [name for name in OF_PYODIDE if name not in there]:
        print(f"{given} lacks {', '.join(missing)}: the notebooks will not run. pyodide-core is not the whole release.")


def _is_address(given: str) -> bool:
    return given.startswith(("http://", "https://"))


def _version() -> str:
    """The version that the installed kernel was made for, after a space."""
    try:
        from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION
    except ImportError:
        return ""
    return f" {PYODIDE_VERSION}"


def run(module: str, *arguments: object, cwd: Path = ROOT) -> None:
    """Run a module of this Python, and stop where it fails."""
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # run.py says so
