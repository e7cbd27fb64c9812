"""The picture as text: a listing with one line a node, or the tree of a layer. It needs no engine and no screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..nn.layer import Layer
from .diagram import diagram
from .layers import tree_of_layer

WIDEST = 48  # a column is at most this wide; what is longer pushes its own line only


def listing(obj: Any, example: Any = None, *, values: bool = False, gradients: bool = False) -> str:
    """What `draw(obj)` shows, as aligned text: one line a node, or of a layer its tree.

    `obj` is a node, a Graph, a layer, a compiled function or a Diagram. `values` and `gradients` add columns. With an
    `example` input, a layer is listed node by node.
    """
    if isinstance(obj, Layer) and example is None:
        return "\n".join(table(tree_of_layer(obj)))
    shown = diagram(obj, example, values=values, gradients=gradients)
    rows = [["name", "computed as", "shape", "dtype", "role", "value", "gradient"]]
    for box in shown.boxes:
        role = f"{box.role}, output" if box.output else box.role
        rows.append(
            [box.label, box.expression, box.shape, box.dtype, role, " ".join(box.value), " ".join(box.gradient)]
        )
    used = [i for i, heading in enumerate(rows[0]) if i < 5 or any(row[i] for row in rows[1:])]
    return "\n".join([shown.title, *table([[row[i] for i in used] for row in rows])])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text with aligned columns."""
    widths = [min(WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
