"""A graph as a picture of text for a terminal: a dot for each node, lines that lead down from it to what uses it."""

from collections.abc import Sequence

from .diagram.data import Box, Diagram
from .words.sentences import table

DOTS = {"input": "○", "trainable": "●", "frozen": "◌", "constant": "·", "operation": "□"}
END = "◆"  # an output
WIDEST = 40  # characters of lines; a graph that needs more is better read as a list


def rails(picture: Diagram, *, values: bool = False, width: int | None = None) -> str | None:
    """The picture as text, one line a node and at most `width` characters wide; None where too many lines run beside.

    A line goes down from each node for as long as something below uses it.
    """
    rows = _rows(picture.boxes, picture.operands)
    widest = max((len(row) for row in rows), default=0)
    if widest > WIDEST:
        return None
    texts = table([[box.label, box.expression, box.shape, *([" ".join(box.value)] if values else [])]
                   for box in picture.boxes])  # fmt: skip
    lines = [f"{row:<{widest}}  {text}" for row, text in zip(rows, texts, strict=True)]
    present = {role: dot for role, dot in DOTS.items() if any(b.role == role and not b.output for b in picture.boxes)}
    legend = "  ".join(f"{dot} {role}" for role, dot in {**present, "output": END}.items())
    return "\n".join(line if width is None or len(line) <= width else line[: width - 1] + "…"
                     for line in [picture.title, "", *lines, "", legend])  # fmt: skip


def _rows(boxes: Sequence[Box], operands: dict[str, list[str]]) -> list[str]:
    """The dots and lines of each row. A node stands below an operand that nothing else uses, if there is one."""
    last = {operand: i for i, box in enumerate(boxes) for operand in operands.get(box.id, ())}
    columns: list[str | None] = []  # the node whose line runs in each column
    rows = []
    for i, box in enumerate(boxes):
        used = [c for c, name in enumerate(columns) if name is not None and name in operands.get(box.id, ())]
        done = [c for c in used if last[columns[c] or ""] == i]
        free = [c for c, name in enumerate(columns) if name is None]
        at = (done or free or [len(columns)])[0]
        columns += [None] * (at + 1 - len(columns))
        dot = END if box.output else DOTS[box.role]
        ends = [*used, at]
        cells = [_cell(c, at, dot, columns[c] is not None, c in used, c in done, min(ends) <= c <= max(ends))
                 for c in range(len(columns))]  # fmt: skip
        joints = ["─" if min(ends) <= c < max(ends) else " " for c in range(len(columns))]
        rows.append("".join(cell + joint for cell, joint in zip(cells, joints, strict=True)).rstrip())
        for c in done:
            columns[c] = None
        columns[at] = box.id if box.id in last else None
    return rows


def _cell(c: int, at: int, dot: str, runs: bool, used: bool, done: bool, between: bool) -> str:
    """One character: the node, a line that joins it from the left or the right, or one that passes."""
    if c == at:
        return dot
    if used:
        return ("╰" if c < at else "╯") if done else ("├" if c < at else "┤")
    return "│" if runs else "─" if between else " "
