"""How things look: the colors and borders of roles, and the words in the head of a box.

Each role is marked three times, by its border, a word and a color, so that nobody needs the color. All colors are Okabe
and Ito's, or a tint of one: color-blind readers can tell them apart.
"""

from collections import Counter
from typing import NamedTuple

from ..words.sentences import one_line
from .data import Box, Diagram

# Graphviz measures text as Helvetica; these fonts have its widths, and every machine has one of them.
FONTS = "Helvetica,Arial,Liberation Sans,Arimo,sans-serif"
LONGEST_TEXT = 90  # characters of a line in a picture
INK, MUTED, FAINT, PAPER = "#1A1A1A", "#555555", "#8C8C8C", "#FFFFFF"
TINT = "#F7F7F7"  # of a frame
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
WORDS = {"value": "#00568A", "gradient": "#A84A00"}  # blue and vermilion, dark enough for text


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
    "concatenate": "join", "random_uniform": "0 to 1, by a seed",
    "later": "x, but after others", "checkpoint": "not kept",
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
    title = f"{box.label.removeprefix(within)} = {box.title}" if named else box.title.removeprefix(within)
    what = SYMBOLS.get(box.operation, "") if box.role == "operation" else box.role
    what = f"{box.inside} inside" if box.inside else what
    shape = box.shape if box.dtype == common else f"{box.shape} {box.dtype}"
    needed = box.output or shape != "scalar" or not box.value
    return Head(title, what, shape if needed else "", "output" if box.output else "")


def common_dtype(diagram: Diagram) -> str:
    """The dtype of most boxes, which a picture states once; only boxes of another dtype name theirs."""
    return Counter(box.dtype for box in diagram.boxes).most_common(1)[0][0] if diagram.boxes else ""


def dtype_note(diagram: Diagram) -> str:
    """What the caption says beside the title: the dtype that no box names."""
    return f"arrays hold {common_dtype(diagram)}" if diagram.boxes else "nothing to show"


def shortened(text: str) -> str:
    """The text clipped, for Graphviz: a backslash becomes a look-alike, because Graphviz obeys even an escaped one."""
    return clipped(text.replace("\\", "\N{SET MINUS}"))


def clipped(text: str) -> str:
    """The text on one line; a long one is cut and ends in dots."""
    line = one_line(text)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 3] + "..."
