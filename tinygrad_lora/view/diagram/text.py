"""The picture as text: a listing with one line a node, or the tree of a layer. It needs no Graphviz."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ...nn.layer import Layer
from ..words.sentences import table
from .collapse import Open, for_listing
from .data import Diagram, Drawable, diagram
from .tree import parameter_tree


def listing(
    obj: Drawable, example: ArrayLike | None = None, *, values: bool | str = False, gradients: bool = False,
    open: Open = (), depth: int | None = None,
) -> str:  # fmt: skip
    """What `draw(obj)` shows, as aligned text: one line a node; for a layer, its tree.

    With an `example` input or a `depth`, a layer is listed node by node.

    obj: a node, a Graph, a layer, a compiled function or a Diagram
    example: an input for a layer, an array or a shape
    values, gradients: True adds a column
    open, depth: which calls and layers are listed from inside, as in `draw`
    Returns a text.
    Raises TypeError for anything else.

    >>> x = tl.parameter([1.0, 2.0], name="x")
    >>> print(tl.listing(tl.tanh(x), values=True))
    Computation of tanh
    name  computed as  shape  dtype    role               value
    x     parameter    (2,)   float64  trainable          [1, 2]
    %1    tanh(x)      (2,)   float64  operation, output  [0.7616, 0.964]
    """
    if isinstance(obj, Layer) and example is None and depth is None:
        return str(parameter_tree(obj))
    picture = diagram(obj, example, values=values, gradients=gradients)
    picture = picture if isinstance(obj, Diagram) else for_listing(picture, open, depth)
    rows = [["name", "computed as", "shape", "dtype", "role", "value", "gradient"]]
    for box in picture.boxes:
        role, numbers = f"{box.role}, output" if box.output else box.role, [box.value, box.gradient]
        rows.append([box.label, box.expression, box.shape, box.dtype, role, *map(" ".join, numbers)])
    used = [i for i, heading in enumerate(rows[0]) if i < 5 or any(row[i] for row in rows[1:])]
    return "\n".join([picture.title, *table([[row[i] for i in used] for row in rows])])
