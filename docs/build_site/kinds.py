"""Which kind of page each is: a tutorial, a how-to guide, an explanation or a reference.

The navigation says so: each of the four lists in index.md has the name of a kind as its caption, and what a page lists
in turn is of its own kind. Above the title of a page its kind is written once more.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes

DOCS = Path(__file__).resolve().parent.parent
LABELS = {
    "Tutorials": "Tutorial",
    "How-to guides": "How-to guide",
    "Explanation": "Explanation",
    "Reference": "Reference",
}
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
CAPTION = re.compile(r"^:caption: (.*)$", re.MULTILINE)


def listed(text: str) -> dict[str, list[str]]:
    """The pages that each list of a page names, by its caption; a list without one has the caption ""."""
    found: dict[str, list[str]] = {}
    for block in TOCTREE.findall(text):
        caption = CAPTION.search(block)
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        found.setdefault(caption[1] if caption else "", []).extend(lines)
    return found


def kinds(docs: Path = DOCS) -> dict[str, str]:
    """The caption under which each page stands, by its name; a page that stands nowhere is left out."""
    found: dict[str, str] = {}
    for caption, names in listed((docs / "index.md").read_text(encoding="utf-8")).items():
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            found[name] = caption
            source = docs / f"{name}.md"
            if source.is_file():
                inner = listed(source.read_text(encoding="utf-8"))
                waiting += [_beside(name, other) for names in inner.values() for other in names]
    return found


def _beside(name: str, other: str) -> str:
    """The name of a page from the top, as another page in any folder calls it."""
    return other.lstrip("/") if other.startswith("/") else f"{name.rpartition('/')[0]}/{other}".lstrip("/")


def label(app: Any, document: nodes.document, name: str) -> None:
    """Write the kind above the title."""
    kind = LABELS.get(app.env.kinds.get(name, ""))
    if kind and document.children:
        document.insert(0, nodes.raw("", f'<p class="kind">{kind}</p>', format="html"))


def look(app: Any, env: Any, names: list[str]) -> None:
    env.kinds = kinds()


def setup(app: Any) -> dict[str, Any]:
    app.connect("env-before-read-docs", look)
    app.connect("doctree-resolved", label)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
