"""Equations as MathML: a browser shows and prints them without a script and without a font of their own.

The only module that imports latex2mathml.
"""

import re
from html import escape

from ...errors import TutorialError
from ...errors.install import needing
from ...view.words.markup import Markup

# What the converter does not know, in words that it does.
SPELLINGS = (
    (re.compile(r"\\(begin|end)\{aligned\}"), r"\\\1{split}"),
    (re.compile(r"\\(?:operatorname|mathrm)\{([^{}]{2,})\}"), r"\\text{\1}"),  # one word, not a product of letters
    (re.compile(r"\\(ln|log|exp|tanh|max|min|sin|cos|sum)\s+(?=[a-zA-Z\\])(?!\\left)"), r"\\\1\\,"),
)
LONG = 130  # characters of LaTeX; a longer equation is broken into lines, which browsers do not do


def mathml(latex: str, *, block: bool = False) -> Markup:
    """The equation as a `math` element. It keeps the LaTeX as its text alternative.

    Raises TutorialError where latex2mathml is missing.
    """
    with needing("equations need latex2mathml", "notebook", TutorialError):
        from latex2mathml.converter import convert
    text = latex.strip()
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    made = convert(text, display="block" if block else "inline")
    made = made.replace(r"\_", "_").replace("<mi>&</mi>", "<mi>&amp;</mi>")  # \_ in \text, where LaTeX wants it so
    return Markup(made.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1))


def equation(latex: str) -> Markup:
    """The equation on lines of its own; a long one is broken before its outermost signs."""
    if len(latex) <= LONG or r"\begin" in latex:
        return mathml(latex, block=True)
    return Markup(" ".join(mathml(rf"\displaystyle {term}") for term in _terms(latex)))


def _terms(latex: str) -> list[str]:
    r"""The pieces between the signs `=`, `+` and `-` that stand in no bracket, each with the sign before it."""
    pieces, depth = [""], 0
    for word in re.split(r"(\\left\b|\\right\b|[{}()]| [=+-] )", latex.strip()):
        depth += (word in ("{", "(")) - (word in ("}", ")"))
        if depth == 0 and re.fullmatch(" [=+-] ", word):
            pieces.append("")
        pieces[-1] += word
    return [piece.strip() for piece in pieces]
