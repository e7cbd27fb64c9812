"""Cross-entropy's joint gradient: what was scattered over an array of zeros goes where it is needed at once.

Why it is legal. Adding zero changes nothing. Where all but a few elements are zero, adding these few is enough.
"""

from ...core import ComputationNode as Node, Graph, ops
from ..operations import add_at
from ..patterns import SUMS, counts, is_real, rewrite_unshared

FORMS = (ops.scatter_add, ops.reduce_sum, ops.scale, *SUMS)


def join_scatters(graph: Graph) -> Graph:
    r"""$\sum_j S_{ij} = v_i$ and $Y + S = Y$ with $v_i$ added at $(i, t_i)$, where $S_{i t_i} = v_i$, else 0."""
    return rewrite_unshared(graph, _joined, lambda node: node.op is ops.scatter_add, ops.scatter_add, at=FORMS)


def _joined(node: Node, once: set[Node]) -> Node:
    match node:
        # Somebody else uses the scatter as well, and there a label that is out of range is still refused.
        case Node(ops.reduce_sum, [s]) if (
            node.params["axis"] == (1,) and s not in once and _one_in_each_row(s) and _is_float(node)
        ):
            number = _number(s.parents[0])  # one repeated number stays one number
            return (ops.reshape if number.shape else ops.broadcast)(number, shape=node.shape)
        case Node(ops.scale, [Node(ops.scatter_add, [v, *indices]) as s]) if s in once and is_real(node):
            return ops.scatter_add(ops.scale(v, **node.params), *indices, **s.params)
        case Node(ops.add | ops.subtract, [y, s]) if s in once and _one_in_each_row(s) and _fits(node):
            return _added(y, s, 1 if node.op is ops.add else -1)
        case Node(ops.add | ops.subtract, [s, y]) if s in once and _one_in_each_row(s) and _fits(node):
            return _added(y if node.op is ops.add else -y, s, 1)
    return node


def _one_in_each_row(s: Node) -> bool:
    """Whether `s` scatters one element into each row of a matrix: then no two share a place."""
    match s:
        case Node(ops.scatter_add, [v, rows, columns]) if s.ndim == 2 and v.shape == rows.shape == s.shape[:1]:
            return columns.ndim < 2 and counts(rows)
    return False


def _fits(total: Node) -> bool:
    """Whether both terms have the shape and the dtype of their sum: none of them is repeated."""
    return _is_float(total) and all(p.shape == total.shape for p in total.parents)


def _is_float(node: Node) -> bool:
    """Whether the result and all operands are floats of one dtype: a sum of whole numbers may have a wider one."""
    return node.dtype.kind == "f" and all(p.dtype == node.dtype for p in node.parents)


def _number(v: Node) -> Node:
    """The one number that `v` repeats, or `v`."""
    repeated = v.op is ops.broadcast and v.parents[0].size == 1
    return ops.reshape(v.parents[0], shape=()) if repeated else v


def _added(y: Node, s: Node, sign: int) -> Node:
    """`y` with what is scattered added in its places, which take one number for all by themselves."""
    v, *indices = s.parents
    return add_at(y, _number(v) if sign == 1 else -_number(v), *indices)
