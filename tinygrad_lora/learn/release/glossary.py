"""The words of the glossary in a text: where each is used first, what it means appears under the pointer."""

import html
import re
from collections.abc import Callable
from functools import cache

from ...files import read_bytes
from ..exercises import PACKAGE, TUTORIALS

PAGES = TUTORIALS[0] / "glossary.md", PACKAGE.parent / "docs" / "glossary.md"  # of an installed package; of a checkout
LARGEST = 2**20  # bytes of the page
# Words that the tutorials also use in their everyday sense: they count where they are introduced, in bold.
EVERYDAY = {"constant", "flops", "forward", "in place", "merge", "parent", "pass", "seed", "share", "trace", "user"}
PLURALS = {"leaf": "leaves"}
# What is left as it is: code, formulas, headings, the outcome, tables, links, HTML, and notes in braces.
CLOSED = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)|<abbr.*?</abbr>|<[^>]*>|^(?:#|\||\*Outcome).*?$"
    r"|\{[^}]*\}",
    re.DOTALL | re.MULTILINE,
)


@cache
def meanings() -> dict[str, str]:
    """The first sentence about each term, as plain text. The longest term is first: "backward pass" before "pass"."""
    page = next((read_bytes(path, LARGEST).decode() for path in PAGES if path.is_file()), "")
    entries = re.findall(r"^(?! |:)(.+)\n((?:  .*\n)+)", page.partition(":::{glossary}")[2], re.MULTILINE)
    words = re.compile(r"\{[\w:]+\}`([^`<]*?)(?: <[^`]*>)?`")  # `{term}`nodes <node>`` is "nodes"
    plain = {term: words.sub(r"\1", " ".join(text.split())).replace("`", "") for term, text in entries}
    first = {term: re.split(r"(?<=[.;])\s", text)[0] for term, text in plain.items()}
    return dict(sorted(first.items(), key=lambda entry: -len(entry[0])))


@cache
def pattern(term: str) -> re.Pattern[str]:
    """The term, or its plural; in bold only, if the word is an everyday one as well."""
    word = "|".join(map(re.escape, filter(None, (PLURALS.get(term), f"{term}s", f"{term}es", term))))
    before, after = (r"(?<=\*\*)", r"(?=\*\*)") if term in EVERYDAY else (r"(?<![\w-])", r"(?![\w-])")
    return re.compile(f"{before}(?:{word}){after}", re.IGNORECASE)


def explained(word: str, term: str) -> str:
    """The word with its meaning under the pointer; as it is, where the meaning is a formula."""
    meaning = meanings()[term]
    return word if "$" in meaning else f'<abbr title="{html.escape(meaning)}">{word}</abbr>'


def linked(text: str, seen: set[str], write: Callable[[str, str], str] = explained) -> str:
    """The Markdown with the first use of each term that is not in `seen` yet written anew; adds those to `seen`."""
    for term in meanings():
        if term not in seen:
            closed = [match.span() for match in CLOSED.finditer(text)]
            uses = (m for m in pattern(term).finditer(text) if not any(a <= m.start() < b for a, b in closed))
            if use := next(uses, None):
                seen.add(term)
                text = f"{text[: use.start()]}{write(use[0], term)}{text[use.end() :]}"
    return text
