"""Links from the tutorials to the glossary: the first time that a notebook uses one of its terms."""

import json
import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "glossary.md"
# Words that the tutorials also use in their everyday sense: they are linked where they are introduced, in bold.
EVERYDAY = {"constant", "flops", "forward", "in place", "merge", "parent", "pass", "seed", "share", "trace", "user"}
PLURALS = {"leaf": "leaves"}
# What is never linked: code, formulas, headings, the outcome, tables, links, HTML, and notes in braces.
CLOSED = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)|<[^>]*>|^(?:#|\||\*Outcome).*?$|\{[^}]*\}",
    re.DOTALL | re.MULTILINE,
)


@cache
def terms() -> tuple[str, ...]:
    """All terms, the longest first: "backward pass" before "pass"."""
    block = PAGE.read_text(encoding="utf-8").split(":::{glossary}")[1].split("\n:::")[0]
    found = [line for line in block.splitlines() if line and not line.startswith((" ", ":"))]
    return tuple(sorted(found, key=len, reverse=True))


@cache
def pattern(term: str) -> re.Pattern[str]:
    """The term, or its plural; in bold only, if the word is an everyday one as well."""
    word = "|".join(map(re.escape, filter(None, (PLURALS.get(term), f"{term}s", f"{term}es", term))))
    before, after = (r"(?<=\*\*)", r"(?=\*\*)") if term in EVERYDAY else (r"(?<![\w-])", r"(?![\w-])")
    return re.compile(f"{before}(?:{word}){after}", re.IGNORECASE)


def linked(text: str, seen: set[str]) -> str:
    """The Markdown with a link at the first use of each term that is not in `seen` yet; adds those that it links."""
    for term in terms():
        if term not in seen:
            closed = [match.span() for match in CLOSED.finditer(text)]
            uses = (m for m in pattern(term).finditer(text) if not any(a <= m.start() < b for a, b in closed))
            if use := next(uses, None):
                seen.add(term)
                text = f"{text[: use.start()]}{{term}}`{use[0]} <{term}>`{text[use.end() :]}"
    return text


def link(notebook: str) -> str:
    """The notebook with its links. Tasks are linked as well; questions with a form and hints are not."""
    whole, seen = json.loads(notebook), set[str]()
    for cell in whole["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), seen).splitlines(keepends=True)
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
