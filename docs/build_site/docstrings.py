"""A docstring of the package as Markdown: its equation, its paragraphs, its lists, and links to the errors it names."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from tinygrad_lora import errors
from tinygrad_lora.core.node import Op

ERRORS = {
    name: kind for name, kind in vars(errors).items()
    if isinstance(kind, type) and kind.__module__ == errors.__name__ and name[0] != "_"
}  # fmt: skip
NEW_PARAGRAPH = re.compile(r"(Raises|Source:|Returns) ?")
ITEM = re.compile(
    r"\w+(\([^)]*\))?(, \w+(\([^)]*\))?)*(, \.\.\.)?: "
)  # "alpha: what it is", "backward(output): what it does"
CODE = re.compile(r"(`+[^`]*`+|\$[^$]*\$)")


def docstring(thing: Any) -> str:
    """The docstring without its indentation; of an operation, which is an object, its class's."""
    return inspect.cleandoc((type(thing) if isinstance(thing, Op) else thing).__doc__ or "")


def first_line(thing: Any) -> str:
    """The first paragraph as one line, for a row of a table."""
    return linked(" ".join(docstring(thing).partition("\n\n")[0].split())).replace("|", r"\|")


def markdown(text: str) -> str:
    """The text as Markdown."""
    return linked("\n\n".join(part for paragraph in text.split("\n\n") for part in _parts(paragraph)))


def linked(text: str) -> str:
    """With links to the errors that it names; code and equations stay as they are."""
    named = re.compile(rf"\b({'|'.join(ERRORS)})\b")
    parts = CODE.split(text)
    parts[::2] = [named.sub(rf"{{py:exc}}`\1 <{errors.__name__}.\1>`", part) for part in parts[::2]]
    return "".join(parts)


def _parts(paragraph: str) -> Iterator[str]:
    """A list of "name: words" as a list, what is raised and where it comes from as paragraphs of their own."""
    lines = paragraph.split("\n")
    if all(line.startswith("    ") for line in lines):
        yield paragraph  # code, as Markdown has it
        return
    items = [bool(ITEM.match(line)) and not NEW_PARAGRAPH.match(line) for line in lines]
    if sum(items) >= 2 and items[0]:
        yield "\n".join(
            f"* {_as_code(line)}" if item else f"  {line.strip()}" for line, item in zip(lines, items, strict=True)
        )
        return
    part: list[str] = []
    for line in lines:
        if part and NEW_PARAGRAPH.match(line):
            yield "\n".join(part)
            part = []
        part.append(line)
    yield "\n".join(part)


def _as_code(line: str) -> str:
    name, _, words = line.partition(": ")
    return f"`{name}`: {words}"
