"""The directive `show`: what its last line would show in a notebook, made by the package when the page is built.

It knows the names that the page's own examples (`>>>`) above it define, so a page needs no second copy of them.
"""

import ast
import doctest
import linecache
from contextlib import chdir, redirect_stdout
from io import StringIO
from tempfile import TemporaryDirectory
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from build_site.mathml import mathml
from tinygrad_lora.core.node import Op
from tinygrad_lora.view.notebook import draw_in_notebooks

FILE = "example.py"  # what the examples of a page are together
FORMS = ("text/html", "image/svg+xml", "text/plain")


class Show(SphinxDirective):
    """Runs the examples above it and then its own lines; with `:hide:` only the picture is shown, not the lines."""

    has_content = True
    option_spec = {"hide": lambda argument: True}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        html = shown(text, self._examples())
        made: list[nodes.Node] = []
        if "hide" not in self.options:
            made.append(nodes.literal_block(text, text, language="python"))
        made.append(nodes.raw("", f'<div class="shown">{html}</div>', format="html"))
        return made

    def _examples(self) -> str:
        source = self.env.doc2path(self.env.docname)
        with open(source, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return "\n".join(lines[: self.lineno - 1])


def shown(text: str, examples: str = "") -> str:
    """What the last expression of `text` shows, as HTML, after the examples. Operations that they add are removed."""
    known = dict(Op.registry)
    space: dict[str, Any] = {"__name__": "example"}
    try:
        # What they print stands on the page already, and what they save is for whoever runs them.
        with redirect_stdout(StringIO()), TemporaryDirectory() as folder, chdir(folder):
            lines: list[str] = []
            for example in doctest.DocTestParser().get_examples(examples):
                if not example.exc_msg:
                    source = "\n" * len(lines) + example.source  # so that its lines have numbers of their own
                    lines += example.source.splitlines(keepends=True)
                    linecache.cache[FILE] = len(lines), None, lines, FILE  # where pictures find the user's code
                    exec(compile(source, FILE, "exec"), space)
        tree = ast.parse(text)
        last = tree.body.pop()
        if not isinstance(last, ast.Expr):
            raise ValueError(f"the last line of a `show` is an expression, not {ast.unparse(last)!r}")
        exec(compile(tree, "show.py", "exec"), space)
        return as_html(eval(compile(ast.Expression(last.value), "show.py", "eval"), space))
    finally:
        linecache.cache.pop(FILE, None)
        Op.registry.clear()
        Op.registry.update(known)


def as_html(thing: Any) -> str:
    """The form that a notebook would choose."""
    if hasattr(thing, "_repr_mimebundle_"):
        bundle = thing._repr_mimebundle_(FORMS)
        form = next(form for form in FORMS if form in bundle)
        return str(bundle[form]) if form != "text/plain" else _preformatted(bundle[form])
    forms = []
    if hasattr(thing, "_repr_latex_"):
        forms.append(f'<div class="equation">{mathml(thing._repr_latex_().strip().strip("$"), block=True)}</div>')
    if hasattr(thing, "_repr_html_"):
        forms.append(str(thing._repr_html_()))
    if forms:
        return "".join(forms)
    return _preformatted(str(thing))


def _preformatted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<pre>{escaped}</pre>"


def setup(app: Any) -> dict[str, Any]:
    draw_in_notebooks()  # layers, graphs and compiled functions draw themselves
    app.add_directive("show", Show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
