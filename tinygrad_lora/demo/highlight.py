"""Python code in colors. The only module that imports Pygments, which comes with rich."""

from __future__ import annotations

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .markup import Markup, element, scrolling, sound, text

PREFIX = "hl-"  # the classes are given their colors in demo.css, for light and dark


def code(source: str, label: str, class_: str = "code") -> Markup:
    """A box with this source. `label` tells those who do not see it what it is."""
    colored = Markup(
        highlight(sound(source), PythonLexer(), HtmlFormatter(nowrap=True, classprefix=PREFIX)).rstrip("\n")
    )
    return scrolling(element("pre", element("code", colored)), label, class_)


def plain(words: str, label: str, class_: str = "code") -> Markup:
    """The same box for text that is no code."""
    return scrolling(element("pre", text(words)), label, class_)
