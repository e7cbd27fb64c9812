"""The labels of boxes and frames, the caption and the legend, as Graphviz writes them: tables in its own HTML."""

from html import escape

from ..diagram.data import Box, Diagram
from ..diagram.layers import LayerFrame
from ..diagram.looks import LOOKS, MUTED, WORDS, box_head, dtype_note, shortened

LINE = " <B> </B>"  # plain and bold, so that all lines are of one height and the halves of a row meet
ARROWS = {"marked": WORDS["gradient"], "kept": WORDS["value"]}  # colors of their names in the legend
WIDE = 16  # with this many boxes or more, the legend is one row


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


def frame_label(cluster: LayerFrame) -> str:
    """The label of a frame: the title in bold, then its lines, aligned to the left."""
    lines = [_bold(cluster.title), *map(_html, cluster.lines)]
    return "<" + "".join(line + '<BR ALIGN="LEFT"/>' for line in lines) + ">"


def caption(diagram: Diagram, legend: bool) -> str:
    """The text below the picture as a Graphviz table: the title, and the legend with each role in its own border."""
    rows = [f"<TD>{_bold(diagram.title)}   {_colored(dtype_note(diagram), MUTED)}</TD>"]
    swatches = [_swatch(role, words) for role, words in diagram.legend]
    for kind, look, meaning in diagram.arrow_legend:
        swatches.append(f'<TD><FONT COLOR="{ARROWS[kind]}"><B>{look}</B></FONT>: {meaning}</TD>')
    per_row = 3 if len(diagram.boxes) < WIDE else 7
    for i in range(0, len(swatches) if legend else 0, per_row):
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


def _row(pairs: list[tuple[str, str]], side: str) -> str:
    """A table row of two cells, the first halves of the pairs beside the second, line by line."""
    stacks = ["<BR/>".join(line or " " for line in lines) for lines in zip(*pairs, strict=True)]
    cells = [f'<TD ALIGN="{at}" BALIGN="{at}">{lines}</TD>' for lines, at in zip(stacks, ("LEFT", side), strict=True)]
    return f"<TR>{''.join(cells)}</TR>"


def _bold(text: str) -> str:
    return f"<B>{_html(text)}</B>" if text else ""


def _colored(text: str, color: str) -> str:
    return f'<FONT COLOR="{color}">{_html(text)}</FONT>' if text else ""


def _html(text: str) -> str:
    """Text for an HTML label: escaped, and on one line."""
    return escape(shortened(text), quote=False)
