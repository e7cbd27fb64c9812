"""Build the playground as a static site: Python runs in the visitor's browser, and no other host is asked for anything.

    python docs/build_playground.py [--out build/playground]

Pyodide and a NumPy that fits it come from npm, and are kept in build/downloads. The page shows its first example before
Python is loaded.
"""

import argparse
import json
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from build_site.mathml import mathml
from build_site.notebooks import PLAYED
from in_browser import pyodide

from tinygrad_lora.learn.predictions.prediction import all_predictions, load_prediction
from tinygrad_lora.learn.registry import load_exercise
from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.page import FILES, page
from tinygrad_lora.play.sheet import parts

ROOT = Path(__file__).resolve().parent.parent
# Of Pygments what highlights Python.
PYGMENTS = ("lexers/__init__.py", "lexers/_mapping.py", "lexers/python.py", "lexers/special.py",
            "formatters/__init__.py", "formatters/_mapping.py", "formatters/html.py", "styles/__init__.py",
            "styles/_mapping.py", "styles/default.py", "filters/__init__.py")  # fmt: skip
UNUSED = pyodide.UNUSED | {"testing", "_multiarray_tests.cpython-311-wasm32-emscripten.so"}  # of NumPy
# Of Python itself: what starts processes, serves or speaks to servers, tests, and writes in other alphabets.
UNUSED_MODULES = (
    "multiprocessing/*", "xml/*", "xmlrpc/*", "wsgiref/*", "unittest/*", "doctest.py", "imaplib.py", "mailbox.py",
    "smtplib.py", "ftplib.py", "nntplib.py", "poplib.py", "telnetlib.py", "smtpd.py", "cgi.py", "webbrowser.py",
    "encodings/big5*", "encodings/cp[!4]*", "encodings/cp4[!3]*", "encodings/euc*", "encodings/gb*", "encodings/iso*",
    "encodings/koi8*", "encodings/mac_*", "encodings/ptcp*", "encodings/shift*",
)  # fmt: skip
# Of this package: there are no commands here, no processes to grade in, no networks to fetch.
UNUSED_PARTS = ("commands", "demo", "grading", "interop", "models")
FIRST_LEFT_OUT = "06"  # the tutorials before it can be worked on here
MARK = "\ue000"  # stands for a formula while Markdown is read


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the playground as a static site.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "playground", help="the folder of the site")
    out = parser.parse_args().out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / "packages.zip").is_file():
        sys.exit(f"{out} exists and is no playground: it would be replaced. Give another folder: --out DIR")
    pyodide.fetch()
    shutil.rmtree(out, ignore_errors=True)
    pyodide.write_core(out / "pyodide", UNUSED_MODULES, compiled=False)
    write_packages(out / "packages.zip")
    for name, (_, content) in FILES.items():
        (out / name).write_text(content(), encoding="utf-8")
    asked = [id for id in all_predictions() if id < FIRST_LEFT_OUT]
    exercises = {id: exercise(id) for id in PLAYED} | {id: prediction(id) for id in asked}
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


def prediction(id: str) -> dict[str, str]:
    """What the page shows of a question, and the call that answers it."""
    question = load_prediction(id).question()
    needed = 'its letter in quotes, such as "a"' if question.kind == "choice" else question.needed
    how = f"Write {needed}, in place of the dots, then check it."
    return {
        "title": "what will come out?",
        "html": f"<h2>What will come out?</h2>{html(str(question))}<p>{how}</p>",
        "code": f"tl.predict({id!r}, ...)\n",
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


def write_packages(archive: Path) -> None:
    """What Python can import: NumPy, this package, and what its pictures need."""
    pyodide.write_zip(archive, [*pyodide.numpy_files(UNUSED), *package_files(), *library_files()])


def package_files() -> pyodide.Files:
    """This package with the exercises that stand on the site."""
    for path, content in pyodide.package_files():
        inside = PurePosixPath(path).parts[1:]
        if inside[0] == "tutorials":
            wanted = len(inside) > 2 and inside[2] < f"t{FIRST_LEFT_OUT}"
        else:
            wanted = inside[-1] != "codemirror.js" and inside[0] not in UNUSED_PARTS
        if wanted and not path.endswith((".typed", ".pyi")):
            yield path, content


def library_files() -> pyodide.Files:
    for name in ("graphviz", "pygments"):
        folder = Path(import_module(name).__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder).as_posix()
            if name != "pygments" or "/" not in inside or inside in PYGMENTS:
                yield f"{name}/{inside}", path.read_bytes()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # run.py says so
