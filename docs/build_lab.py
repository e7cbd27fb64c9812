"""Build the lab: a static site where the course runs in the visitor's browser. It asks no other host for anything.

    python docs/build_lab.py [--out build/lab] [--contents DIR]
    python docs/build_lab.py --check [04,07]      run the tutorials in Chromium, as a release must

Python with NumPy comes from npm, JupyterLite and the other packages from PyPI; both are asked once, and what they give
is kept in build/downloads.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent))
from in_browser import downloads, pyodide
from lab_site import app, kernel
from lab_site.course_page import course_page
from lab_site.notebooks import TUTORIALS, students

from tinygrad_lora.commands.course import sources

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the course as a static site that needs no other host.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "lab", help="the folder of the site")
    parser.add_argument("--contents", type=Path, metavar="DIR", help="a folder with more notebooks and files for it")
    checks = "build nothing to keep: run the tutorials with these numbers, or all, in Chromium, and tell the times"
    parser.add_argument("--check", nargs="?", const="", metavar="04,07", help=checks)
    asked = parser.parse_args()
    if asked.check is not None:
        from lab_site.check import check

        return check(asked.check)
    out = asked.out.resolve()
    if complaint := objection(out, asked.contents):
        sys.exit(complaint)
    build(out, files_of(asked.contents) if asked.contents else {})
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"The lab is in {out}, {size / 1e6:.0f} MB. To look at it: python -m http.server --directory {out}")
    return 0


def objection(out: Path, contents: Path | None) -> str | None:
    """What is wrong with the arguments, before anything is removed or made."""
    if out.exists() and not (out / "jupyter-lite.json").is_file() and not (out.is_dir() and not any(out.iterdir())):
        return f"{out} exists and is no lab: it would be replaced. Give another folder: --out DIR"
    if contents and not contents.is_dir():
        return f"There is no folder {contents}."
    return None


def build(out: Path, more: dict[str, bytes]) -> None:
    """The site, with the students' notebooks and these files. It takes its place when it is whole."""
    pyodide.fetch()
    wheels = downloads.of_pypi()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".lab-", dir=out.parent) as folder:
        site = Path(folder) / "site"
        print("Writing JupyterLite", flush=True)
        app.write_app(site, wheels)
        print("Writing Python and its packages", flush=True)
        app.write_settings(site, kernel.write_python(site / "pyodide", wheels))
        print("Writing the notebooks", flush=True)
        app.write_contents(site, students() | more)
        (site / "index.html").write_text(course_page(sources(TUTORIALS)), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)


def files_of(folder: Path) -> dict[str, bytes]:
    """What is in a folder, but nothing hidden."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    inside = {path.relative_to(folder): path for path in paths}
    return {key.as_posix(): path.read_bytes() for key, path in inside.items() if not key.as_posix().startswith(".")}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # run.py says so
