"""The tutorials as notebooks for the site: what a student gets, with the three hints of each exercise folded away, a
field for the answer to each question, and links to the glossary.

They are made from the sources in `tutorials/`, run when the site is built, and kept until the package or a tutorial
changes.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache

import tinygrad_lora
from build_site import glossary, links, predictions
from tinygrad_lora.commands.course import made, sources
from tinygrad_lora.learn.registry import exercise_ids, load_exercise
from tinygrad_lora.learn.tutorials import Heading, heading_of

ROOT = Path(__file__).resolve().parents[2]
CACHES = ROOT / "build" / "docs-cache"
EXTRA = ROOT / "build" / "docs-extra"  # what becomes part of the site as it is
PLAYED = [id for id in exercise_ids() if id < "06"]  # exercises that can be solved on the site


def cache_folder() -> Path:
    """Where what the tutorials printed is kept. Another version of the package prints anew."""
    digest = hashlib.sha256()
    package = Path(tinygrad_lora.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    folder = CACHES / digest.hexdigest()[:12]
    for old in CACHES.glob("*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    get_cache(folder).list_cache_records()  # its database is there before several processes ask for it
    return folder


def tutorials() -> dict[str, str]:
    """The notebook of each tutorial on the site, by file name, and beside it the one to download."""
    files: dict[str, str] = {}
    for name, text in made("student", sources(ROOT / "tutorials")).items():
        files[f"tutorials/{name}"] = _for_the_site(name, glossary.link(text))
        files[f"notebooks/{name}"] = text
    return files


def headings() -> dict[str, Heading]:
    """The title, outcome and length of each tutorial, by the name of its page."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sources(ROOT / "tutorials")}
    return {
        stem: heading_of("\n".join(line.removeprefix("# ") for line in text.splitlines()))
        for stem, text in texts.items()
    }


def _for_the_site(name: str, text: str) -> str:
    """Hints after each check, and the way to one's own copy at the top."""
    notebook = json.loads(text)
    cells: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("tinygrad_lora", {})
        if mark.get("role") == "predict":  # on a page it is answered at once
            cells.append(_markdown(cell["id"], predictions.form(mark["prediction"])))
            continue
        cells.append(cell)
        if mark.get("role") == "check":
            cells.append(_markdown(f"{mark['exercise']}-hints", hints(mark["exercise"]) + solve(mark["exercise"])))
    first = cells[0]
    file = f"{{download}}`the notebook <../notebooks/{name}>`"
    own = f"`tinygrad-lora learn {name[:2]}` opens your own copy. Or download {file}."
    if elsewhere := links.of_tutorial(name):
        own += f"\n\nWithout installing anything: {elsewhere}."
    first["source"] = ["".join(first["source"]) + f"\n\n```{{admonition}} Work on it\n:class: tip\n\n{own}\n```\n"]
    notebook["cells"] = cells
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def hints(id: str) -> str:
    """The hints, each behind a click of its own."""
    hints = load_exercise(id).hints
    return "\n\n".join(
        f'<details class="hint"><summary>Hint {number} of {len(hints)}</summary>\n\n{hint}\n\n</details>'
        for number, hint in enumerate(hints, start=1)
    )


def solve(id: str) -> str:
    """The exercise itself, with Python in the reader's browser, where the site has the playground."""
    if id not in PLAYED or not (EXTRA / "playground").is_dir():
        return ""
    frame = f'<iframe title="Exercise {id}" data-src="../playground/index.html?exercise={id}&embed"></iframe>'
    return f'\n\n<details class="solve"><summary>Solve it on this page</summary>{frame}</details>'


def _markdown(id: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": [text]}
