"""The directive `playground`: lines that the reader can change on the page, where the site has the playground.

It stands folded, so that nothing is loaded before somebody asks for it. `:button:` makes it a link to the playground's
own page instead. Where the site has no playground, a sentence says how to open one.
"""

from base64 import urlsafe_b64encode
from html import escape
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ELSEWHERE = "<p>To change these lines and watch the gradients follow: <code>tinygrad-lora play</code>.</p>"


def address(code: str) -> str:
    """The part of the playground's address that holds the code."""
    return "#code=" + urlsafe_b64encode(code.encode()).decode().rstrip("=")


class Playground(SphinxDirective):
    """The title is what the folded part, or the button, is called."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"button": lambda argument: True}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        top, title = "../" * self.env.docname.count("/"), escape(self.arguments[0])
        code = address("\n".join(self.content) + "\n")
        if not self.env.app.tags.has("playground"):
            html = "" if "button" in self.options else ELSEWHERE
        elif "button" in self.options:
            html = f'<a class="button first" href="{top}playground/index.html{code}">{title}</a>'
        else:
            frame = f'<iframe title="{title}" data-src="{top}playground/index.html?embed{code}"></iframe>'
            html = f'<details class="solve"><summary>{title}</summary>{frame}</details>'
        return [nodes.raw("", html, format="html")]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("playground", Playground)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
