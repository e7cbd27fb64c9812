"""Equations as MathML, made when the pages are built: every browser shows them, without a script and without a font."""

import re
from html import escape
from typing import Any

from latex2mathml.converter import convert

# What the converter does not know, in words that it does.
SPELLINGS = (
    (re.compile(r"\\(begin|end)\{aligned\}"), r"\\\1{split}"),
    (re.compile(r"\\(?:operatorname|mathrm)\{([^{}]{2,})\}"), r"\\text{\1}"),  # one word, not a product of letters
    (re.compile(r"\\(ln|log|exp|tanh|max|min|sin|cos|sum)\s+(?=[a-zA-Z\\])(?!\\left)"), r"\\\1\\,"),
)


def mathml(latex: str, *, block: bool = False) -> str:
    """The equation as a `math` element. It keeps the LaTeX as its text alternative."""
    text = latex.strip()
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    made = convert(text, display="block" if block else "inline")
    made = made.replace(r"\_", "_").replace("<mi>&</mi>", "<mi>&amp;</mi>")  # \_ in \text, where LaTeX wants it so
    return made.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(mathml(node.astext()))
    _skip(node)


def _block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="equation">{mathml(node.astext(), block=True)}</div>')
    _skip(node)


def _skip(node: Any) -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
