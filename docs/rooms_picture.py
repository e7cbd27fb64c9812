"""The map of the package: its rooms, floor by floor, each with the folders in it. Imports lead down.

python docs/rooms_picture.py        writes docs/static/rooms.svg
"""

import re
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "static" / "rooms.svg"
WIDTH, GAP, LINE, LETTER = 1040, 12, 18, 6.6  # in pixels; a letter of the text at its size of 13

STYLE = """
.room { fill: #ffffff; stroke: #d0d4d9 } .first { fill: #eef4ff; stroke: #6c8ebf }
.name { font: 600 14px ui-monospace, Menlo, Consolas, monospace; fill: #1b1f24 }
.text { font: 13px Helvetica, Arial, sans-serif; fill: #1b1f24 }
.inside { font: 13px Helvetica, Arial, sans-serif; fill: #59636e }
"""


def floors() -> list[list[tuple[str, str]]]:
    """The rooms of each floor with what is in them, from the top: the table in docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.search(r"```text\n(commands .*?)```", page, re.DOTALL)[1].splitlines()
    columns = [re.split(r" {2,}", row, maxsplit=1) for row in rows]
    return [list(zip(names.split(" | "), texts.split(" | "), strict=True)) for names, texts in columns]


def folders(room: str) -> list[str]:
    """The folders inside a room, with those inside of them."""
    found = sorted(path.parent for path in (ROOT / "tinygrad_lora" / room).rglob("__init__.py"))
    names = [path.relative_to(ROOT / "tinygrad_lora" / room).as_posix() for path in found]
    return [name for name in names if name != "." and not re.search(r"/t\d\d$", name)]


def picture() -> str:
    """All floors, one below the other, as an SVG."""
    boxes, top = [], GAP
    for floor in floors():
        width = (WIDTH - GAP * (len(floor) + 1)) / len(floor)
        letters = int((width - 2 * GAP) / LETTER)
        written = [
            (name, textwrap.wrap(text, letters), textwrap.wrap(", ".join(folders(name)), letters))
            for name, text in floor
        ]
        height = LINE * (1 + max(len(text) + len(inside) for _, text, inside in written)) + 1.5 * GAP
        for i, room in enumerate(written):
            boxes.append(_box(GAP + i * (width + GAP), top, width, height, *room))
        top += height + GAP
    return f"""<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{top:.0f}"
  viewBox="0 0 {WIDTH} {top:.0f}" aria-label="The rooms of the package, floor by floor; imports lead down">
<style>{STYLE}</style>
{"".join(boxes)}</svg>
"""


def _box(x: float, y: float, width: float, height: float, name: str, text: list[str], inside: list[str]) -> str:
    lines = [("name", name), *(("text", line) for line in text), *(("inside", line) for line in inside)]
    written = "".join(
        f'<text class="{kind}" x="{x + GAP:.0f}" y="{y + LINE * (i + 1):.0f}">{escape(line)}</text>\n'
        for i, (kind, line) in enumerate(lines)
    )
    kind = "first" if name == "core" else "room"
    return f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>\n{written}'


if __name__ == "__main__":
    OUT.write_text(picture(), encoding="utf-8", newline="\n")
