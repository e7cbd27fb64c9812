"""What the search shows below a result: a line of the page, and what kind of page it is.

Sphinx would fetch the page for that, which a browser refuses on a disk. So the lines of all pages stand in one script,
which the search page alone loads; static/search.js chooses among them.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

from build_site.kinds import LABELS
from build_site.mathml import mathml

FILE = "search_lines.js"
LONGEST = 400  # characters of a line


def lines(document: nodes.document) -> Iterator[tuple[str, str]]:
    """Each paragraph of a page, with the anchor that leads to it; before the first section that is "" ."""
    for paragraph in document.findall(nodes.paragraph):
        text = " ".join(_words(paragraph).split())
        if text:
            yield _anchor(paragraph), text[:LONGEST]


def _words(node: nodes.Node) -> str:
    """The text of a node, equations in characters."""
    if isinstance(node, nodes.math):
        marked = re.sub(r' alttext="[^"]*"', "", mathml(node.astext()))
        return unescape(re.sub(r"<[^>]*>", "", marked))
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(map(_words, node.children)) if not isinstance(node, nodes.raw) else ""


def _anchor(node: nodes.Node) -> str:
    """Where a reader of a paragraph arrives: at the name that it describes, or at the section that it stands in."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, addnodes.desc) and parent.children and parent[0]["ids"]:
            return str(parent[0]["ids"][0])
        if isinstance(parent, nodes.definition_list_item) and parent[0]["ids"]:  # of the glossary
            return str(parent[0]["ids"][0])
        if isinstance(parent, nodes.section):
            return str(parent["ids"][0]) if isinstance(parent.parent, nodes.section) else ""
        parent = parent.parent
    return ""


def write(app: Any, error: Exception | None) -> None:
    """Write the script beside the other static files."""
    if error or app.builder.format != "html":
        return
    pages = {}
    for name in sorted(app.env.found_docs):
        kind = LABELS.get(app.env.kinds.get(name, ""), "")
        pages[name] = [kind, [*lines(app.env.get_doctree(name))]]
    text = f"const SEARCH_LINES = {json.dumps(pages, ensure_ascii=False, separators=(',', ':'))};\n"
    (Path(app.outdir) / "_static" / FILE).write_text(text, encoding="utf-8")


def ask(app: Any, page: str, *rest: Any) -> None:
    """Have the search page alone load the two scripts, after those of Sphinx."""
    if page == "search":
        for name in (FILE, "search.js"):
            app.add_js_file(name, defer="defer")


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", ask)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
