"""The index of errors: the docstring of each class in `errors` is its help page."""

import re

from build_site.docstrings import ERRORS, docstring, markdown
from tinygrad_lora import errors

LINE = re.compile(r"^(Wrong|Right):\s+(.*(?:\n(?!\n|Right:|Wrong:).*)*)", re.MULTILINE)


def page() -> str:
    """All errors, in their order there, with a table of what to look for at the top."""
    rows = [f"| {{py:exc}}`{name}` | {docstring(kind).partition(chr(10))[0]} |" for name, kind in ERRORS.items()]
    head = [
        "# Errors and warnings",
        "",
        f"```{{py:currentmodule}} {errors.__name__}\n```",
        "",
        "Refusals that a program may want to tell apart have types; the rest are `ValueError` or `TypeError`. The",
        "types are subclasses of Python's own, so `except ValueError` works as usual. A message is one line: what",
        "happened, with names and shapes, and what to do. When an error is raised nothing is half-changed.",
        "",
        "| | |",
        "|---|---|",
        *rows,
        "",
    ]
    return "\n".join([*head, *[_entry(name, kind) for name, kind in ERRORS.items()]])


def _entry(name: str, kind: type) -> str:
    base = kind.__bases__[-1]
    text = docstring(kind)
    sides = dict(LINE.findall(text))
    sentences = markdown(LINE.sub("", text).strip())
    first, _, rest = sentences.partition("\n\n")
    table = "\n".join(
        ["| | |", "|---|---|", *[f"| {side} | {' '.join(what.split())} |" for side, what in sides.items()]]
    )
    kind_of = f"It is a kind of `{base.__name__}`."
    return f"::::{{py:exception}} {name}\n\n{first}\n\n{table}\n\n{rest.strip()}\n\n{kind_of}\n::::\n"
