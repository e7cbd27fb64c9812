"""Python code with its syntax highlighted. The only module that imports Pygments, which comes with rich."""

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from .markup import Markup, element, scrolling, sound, text

PREFIX = "hl-"  # of CSS classes; the style sheets give them their colors, light and dark
COLORED = {
    Comment: "c1", Keyword: "k", Operator.Word: "k", Number: "mi", String: "s1", Name.Function: "nf",
}  # fmt: skip


def code(source: str, label: str, class_: str = "code") -> Markup:
    """A box with this source, highlighted. `label` says what it is to those who do not see it."""
    colored = highlight(sound(source), PythonLexer(), HtmlFormatter(nowrap=True, classprefix=PREFIX)).rstrip("\n")
    return scrolling(element("pre", element("code", Markup(colored))), label, class_)


def plain(words: str, label: str, class_: str = "code") -> Markup:
    """A box like that of `code`, for text that is not code."""
    return scrolling(element("pre", text(words)), label, class_)


def lines(source: str) -> list[Markup]:
    """The lines of the source, highlighted; only what the style sheets color is marked, to keep pages small."""
    colored_lines, line = [], ""
    for kind, words in PythonLexer(stripnl=False, ensurenl=False).get_tokens(sound(source)):
        name = next((name for colored, name in COLORED.items() if kind in colored), "")
        for i, piece in enumerate(words.split("\n")):
            if i:
                colored_lines.append(Markup(line))
                line = ""
            line += element("span", piece, class_=PREFIX + name) if name and piece.strip() else text(piece)
    return [*colored_lines, Markup(line)]
