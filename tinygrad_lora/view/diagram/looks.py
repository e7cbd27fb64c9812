"""How things look: colors, borders and the HTML tables inside boxes. No drawing library is needed here either.

Each role is marked three times, by its border, a word and a color, so that nobody needs the color. All colors are Okabe
and Ito's, or a tint of one: color-blind readers can tell them apart.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import NamedTuple

from ..words.sentences import one_line
from .data import GRADIENT_FLOWS, Box, Diagram
from .layers import LayerFrame

# Graphviz measures text as Helvetica; these fonts have its widths, and every machine has one of them.
FONTS = "Helvetica,Arial,Liberation Sans,Arimo,sans-serif"
LONGEST_TEXT = 90  # characters of a line in a picture
INK, MUTED, FAINT, PAPER = "#1A1A1A", "#555555", "#8C8C8C", "#FFFFFF"
TINT = "#F7F7F7"  # of a frame
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
WORDS = {"value": "#00568A", "gradient": "#A84A00"}  # blue and vermilion, dark enough for text
LINE = " <B> </B>"  # plain and bold, so that all lines are of one height and the halves of a row meet
WIDE = 16  # with this many boxes or more, the legend is one row


class Look(NamedTuple):
    """How a role is drawn."""

    border: str
    fill: str
    style: str  # of the border: "" for solid, "rounded", "dashed", "dotted"
    width: str


LOOKS = {
    "input": Look(GREEN, "#DDF3EC", "rounded", "2"),
    "trainable": Look(VERMILION, "#FDEEDC", "", "2.5"),
    "frozen": Look(BLUE, "#E1F0FA", "dashed", "2"),
    "constant": Look(MUTED, "#F2F2F2", "dotted", "1.5"),
    "operation": Look(INK, PAPER, "", "1"),
}

# What an operation does, beside its name. A test asks for every operation in Op.registry.
SYMBOLS = {
    "add": "a + b", "subtract": "a - b", "multiply": "a * b", "divide": "a / b", "power": "x to a power",
    "scale": "x * factor", "matmul": "a @ b", "exp": "e to the x", "log": "ln x", "sqrt": "square root",
    "tanh": "-1 to 1", "relu": "max(x, 0)", "sign": "-1, 0 or 1", "greater": "a > b", "where": "a or b",
    "transpose": "swap axes", "reshape": "new shape", "broadcast": "repeat", "reduce_sum": "sum",
    "reduce_max": "max", "identity": "copy", "stop_gradient": "no gradient", "cast": "new dtype",
    "take": "x[i]", "scatter_add": "add at [i]", "index": "x[key]", "place": "put at [key]",
    "concatenate": "join",
}  # fmt: skip


class Head(NamedTuple):
    """The upper part of a box: its title and what it does, its shape and whether it is an output."""

    title: str
    what: str
    shape: str  # "" where the value says it
    output: str


def box_head(box: Box, common: str, within: str) -> Head:
    """The head of a box. `common` is the dtype that is left out, `within` a prefix that the frame makes redundant."""
    named = box.role == "operation" and box.named
    title = f"{box.label} = {box.title}" if named else box.title.removeprefix(within)
    what = SYMBOLS.get(box.operation, "") if box.role == "operation" else box.role
    shape = box.shape if box.dtype == common else f"{box.shape} {box.dtype}"
    needed = box.output or shape != "scalar" or not box.value
    return Head(title, what, shape if needed else "", "output" if box.output else "")


def box_label(box: Box, common: str, within: str) -> str:
    """The label of a box as a Graphviz table: the head, and below it the lines in two columns."""
    title, what, shape, output = box_head(box, common, within)
    head = [(_bold(title), _colored(what, MUTED))]
    if shape:
        head.append((_html(shape), _bold(output)))
    lines = [(_colored(what, WORDS.get(what, MUTED)), _html(text)) for what, text in box.lines]
    rows = _row([(a + LINE, LINE + b) for a, b in head], "RIGHT")
    rows += f"<HR/>{_row(lines, 'LEFT')}" if lines else ""
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="6" COLOR="{LOOKS[box.role].border}">{rows}</TABLE>>'


def _row(pairs: list[tuple[str, str]], side: str) -> str:
    """A table row of two cells, the first halves of the pairs beside the second, line by line."""
    cells = zip(zip(*pairs, strict=True), ("LEFT", side), strict=True)
    stacks = (
        f'<TD ALIGN="{at}" BALIGN="{at}">{"<BR/>".join(line or " " for line in lines)}</TD>' for lines, at in cells
    )
    return f"<TR>{''.join(stacks)}</TR>"


def _bold(text: str) -> str:
    return f"<B>{_html(text)}</B>" if text else ""


def _colored(text: str, color: str) -> str:
    return f'<FONT COLOR="{color}">{_html(text)}</FONT>' if text else ""


def caption(shown: Diagram, legend: bool) -> str:
    """The text below the picture as a Graphviz table: the title, and the legend with each role in its own border."""
    note = f"arrays hold {common_dtype(shown)}" if shown.boxes else "nothing to show"
    rows = [f"<TD>{_bold(shown.title)}   {_colored(note, MUTED)}</TD>"]
    swatches = [_swatch(role, words) for role, words in shown.legend] if legend else []
    if legend and shown.marks_gradients:
        swatches.append(f'<TD><FONT COLOR="{WORDS["gradient"]}"><B>thick arrow</B></FONT>: {GRADIENT_FLOWS}</TD>')
    per_row = 3 if len(shown.boxes) < WIDE else 7
    for i in range(0, len(swatches), per_row):
        cells = "".join(swatches[i : i + per_row])
        rows.append(f'<TD><TABLE BORDER="0" CELLPADDING="6" CELLSPACING="4"><TR>{cells}</TR></TABLE></TD>')
    body = "".join(f"<TR>{row}</TR>" for row in ["<TD></TD>", *rows])
    return f'<<TABLE BORDER="0" CELLPADDING="6" CELLSPACING="0">{body}</TABLE>>'


def _swatch(role: str, words: str) -> str:
    """A cell of the legend, with the border of the role; an output has a double one."""
    if role == "output":
        inner = f'<TABLE BORDER="1" CELLBORDER="0" CELLPADDING="6"><TR><TD>{words}</TD></TR></TABLE>'
        return f'<TD BORDER="1" CELLPADDING="2">{inner}</TD>'
    look = LOOKS[role]
    style = f' STYLE="{look.style.upper()}"' if look.style else ""
    return f'<TD BORDER="{float(look.width):.0f}" COLOR="{look.border}" BGCOLOR="{look.fill}"{style}>{words}</TD>'


def common_dtype(shown: Diagram) -> str:
    """The dtype of most boxes, which a picture states once; only boxes of another dtype name theirs."""
    return Counter(box.dtype for box in shown.boxes).most_common(1)[0][0] if shown.boxes else ""


def _html(text: str) -> str:
    """Text for an HTML label: escaped, and on one line."""
    return escape(shortened(text), quote=False)


def frame_label(cluster: LayerFrame) -> str:
    """The label of a frame: the title in bold, then its lines, aligned to the left."""
    lines = [_bold(cluster.title), *map(_html, cluster.lines)]
    text = "".join(line + '<BR ALIGN="LEFT"/>' for line in lines)
    return f"<{text}>"


def shortened(text: str) -> str:
    """The text clipped, for Graphviz: a backslash becomes a look-alike, because Graphviz obeys even an escaped one."""
    return clipped(text.replace("\\", "\N{SET MINUS}"))


def clipped(text: str) -> str:
    """The text on one line; a long one is cut and ends in dots."""
    line = one_line(text)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 3] + "..."
