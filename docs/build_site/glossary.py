"""Links from the tutorials to the glossary: the first time that a notebook uses one of its terms."""

import json
import re

from tinygrad_lora.learn.release import glossary

EXPLAINED = re.compile(r'<abbr title="[^"]*">(.*?)</abbr>')  # in notebooks outside the site


def terms() -> tuple[str, ...]:
    """All terms, the longest first: "backward pass" before "pass"."""
    return tuple(glossary.meanings())


def linked(text: str, seen: set[str]) -> str:
    """The Markdown with a link at the first use of each term that is not in `seen` yet; adds those that it links."""
    return glossary.linked(EXPLAINED.sub(r"\1", text), seen, lambda word, term: f"{{term}}`{word} <{term}>`")


def link(notebook: str) -> str:
    """The notebook with its links. Tasks are linked as well; questions with a form and hints are not."""
    whole, seen = json.loads(notebook), set[str]()
    for cell in whole["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), seen).splitlines(keepends=True)
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
