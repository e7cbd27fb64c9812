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
NEW_PARAGRAPH = re.compile(r"(Raises|Source:|Returns|Yields) ?")
# "alpha: what it is", "a, b: what they are", "**options: ...", "backward(output): what it does"
NAME = r"\*{0,2}\w+(?:\([^)]*\))?"
ITEM = re.compile(rf"({NAME}(?:, {NAME})*(?:, \.\.\.)?): ")
CODE = re.compile(r"(`+[^`]*`+|\$[^$]*\$)")


def docstring(thing: Any) -> str:
    """The docstring without its indentation; of an operation, which is an object, its class's."""
    return inspect.cleandoc((type(thing) if isinstance(thing, Op) else thing).__doc__ or "")


def first_line(thing: Any) -> str:
    """The first paragraph as one line, for a row of a table."""
    return linked(" ".join(docstring(thing).partition("\n\n")[0].split())).replace("|", r"\|")


def items(text: str) -> list[str]:
    """The names that a docstring describes in lines such as "x, y: what they are"."""
    lists = [part for paragraph in text.split("\n\n") for part in _split(paragraph) if _is_list(part)]
    labels = [match[1] for part in lists for line in part if (match := ITEM.match(line))]
    return [name for label in labels for name in re.findall(r"\w+", re.sub(r"\([^)]*\)", "", label))]


def markdown(text: str) -> str:
    """The text as Markdown."""
    return linked("\n\n".join(part for paragraph in text.split("\n\n") for part in _parts(paragraph)))


def without_examples(text: str) -> str:
    """What a reader of the source needs: the rest of the docstring."""
    return "\n\n".join(part for part in text.split("\n\n") if not part.startswith(">>> "))


def linked(text: str) -> str:
    """With links to the errors that it names; code and equations stay as they are."""
    named = re.compile(rf"\b({'|'.join(ERRORS)})\b")
    parts = CODE.split(text)
    parts[::2] = [named.sub(rf"{{py:exc}}`\1 <{errors.__name__}.\1>`", part) for part in parts[::2]]
    return "".join(parts)


def _parts(paragraph: str) -> Iterator[str]:
    """An example as code, a list of "name: words" with what is returned and raised below it, and other paragraphs."""
    if paragraph.startswith(">>> "):
        yield f"```pycon\n{paragraph}\n```"
        return
    if all(line.startswith("    ") for line in paragraph.split("\n")):
        yield paragraph  # code, as Markdown has it
        return
    rows: list[str] = []
    for part in _split(paragraph):
        word, _, rest = " ".join(part).partition(" ")
        if _is_list(part):
            rows += [_row(item) for item in _items(part)]
        elif word in ("Returns", "Yields", "Raises"):
            rows.append(f"{word}\n: {rest}")
        else:
            if rows:
                yield "\n\n".join(rows)
            rows = []
            yield "\n".join(part)
    if rows:
        yield "\n\n".join(rows)


def _split(paragraph: str) -> Iterator[list[str]]:
    """The lines of a paragraph in parts: a list of items or a text, what is returned, what is raised, a source."""
    part: list[str] = []
    for line in paragraph.split("\n"):
        if part and NEW_PARAGRAPH.match(line):
            yield part
            part = []
        part.append(line)
    yield part


def _is_item(line: str) -> bool:
    return bool(ITEM.match(line)) and not NEW_PARAGRAPH.match(line)


def _is_list(lines: list[str]) -> bool:
    return _is_item(lines[0]) and all(_is_item(line) or line.startswith("    ") for line in lines)


def _items(lines: list[str]) -> Iterator[str]:
    """Each item on one line."""
    item = ""
    for line in lines:
        if item and _is_item(line):
            yield item
            item = ""
        item = f"{item} {line.strip()}" if item else line
    yield item


def _row(item: str) -> str:
    """A row of a definition list."""
    label, _, words = item.partition(": ")
    return f"`{label}`\n: {words}"
