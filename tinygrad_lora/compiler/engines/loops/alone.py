"""Operations that are not elementwise, each with loops of its own or as a product that a library computes."""

from collections.abc import Callable, Sequence

import numpy as np

from ....core import ComputationNode as Node, ops
from ...operations import add_at
from ...text.expressions import name as variable, written
from .scalars import number, short
from .views import Axis, places_of, whole
from .writer import LoopWriter


def alone(w: LoopWriter, node: Node) -> None:
    """Write an operation. One that has no loops here is written as its NumPy line."""
    if node.op in LOOPS:
        LOOPS[node.op](w, node)
    else:
        operands = [variable(w.array(p) if p.shape else w.read(p, ())) for p in node.parents]
        w.say(f"{w.define(node)} = {written(node.op, node.params, operands).text}", node)


def _reshape(w: LoopWriter, node: Node) -> None:
    (x,) = node.parents
    text = w.array(x)
    w.say(f"{w.define(node)} = {w.copy(x) if text.endswith('.T') else text}.reshape({node.shape})", node)


def _matmul(w: LoopWriter, node: Node) -> None:
    a, b = node.parents
    if node.dtype.kind != "f" or a.dtype != b.dtype or not a.shape[-1] * node.size:
        _matmul_by_hand(w, node)
    elif node.ndim == 2:
        x, y = w.array(a), w.array(b)
        w.say(f"np.dot({x}, {y}, {w.new(node)})", node)
    else:
        x, y = (_matrix(w, operand, node.ndim) for operand in node.parents)
        target = w.at(w.new(node), whole(node.shape)[:-2], w.letters)
        with w.over(node.shape[:-2]):
            w.say(f"np.dot({x}, {y}, {target})", node)


def _matrix(w: LoopWriter, x: Node, ndim: int) -> str:
    """One matrix of a batch, at the loop variables of a result with `ndim` axes."""
    base, axes = w.known[x]
    rows = whole(x.shape)
    turned = (*rows[:-2], *rows[:-3:-1])
    transposed = axes == turned and base.shape == (*x.shape[:-2], *x.shape[:-3:-1])
    array = w.define(base) if transposed and x.ndim > 2 else w.array(x)
    one = w.at(array, rows[:-2], w.beside(x, ndim))
    return f"{one}.T" if transposed and x.ndim > 2 else one


def _matmul_by_hand(w: LoopWriter, node: Node) -> None:
    """A product that `np.dot` has no loop for: of whole numbers, of two dtypes, or of nothing."""
    (a, b), n = node.parents, node.ndim
    *batch, row, column, inner = w.letters[: n + 1]
    w.new(node)
    total = w.names.free(f"{w.define(node)}_{''.join((*batch, row, column))}")
    with w.over(node.shape):
        w.say(f"{total} = {number(0, node.dtype)}")
        with w.over(a.shape[-1:], n):
            x = w.read(a, [*batch[n - a.ndim :], row, inner], node.dtype)
            y = w.read(b, [*batch[n - b.ndim :], inner, column], node.dtype)
            w.say(f"{total} = {_exact(f'{total} + {x} * {y}', node)}", node)
        w.say(f"{w.own(node)} = {total}")


def _exact(text: str, node: Node) -> str:
    """A sum in the dtype of the node, where the loop would compute it in a larger one."""
    return text if node.dtype.itemsize == 8 or node.dtype.kind == "f" else f"{short(node.dtype)}({text})"


def _positions(w: LoopWriter, indices: Sequence[Node], shape: tuple[int, ...], ndim: int) -> list[str]:
    """Add the lines that look up the indices along the first axes of an array; the variables that hold them."""
    variables = []
    for index, n in zip(indices, shape, strict=False):
        text = w.read(index, w.beside(index, ndim))
        text = text if index.dtype.name == "int64" else f"i64({text})"
        variables.append(w.names.free("row"))
        w.say(f"{variables[-1]} = position({text}, {n})")
    return variables


def _take(w: LoopWriter, node: Node) -> None:
    x, *indices = node.parents
    n = node.ndim - x.ndim + len(indices)  # axes of the indices
    w.new(node)
    with w.over(node.shape[:n]):
        rows = _positions(w, indices, x.shape, n)
        with w.over(node.shape[n:], n):
            w.say(f"{w.own(node)} = {w.read(x, [*rows, *w.letters[n:]])}", node)


def _scatter_add(w: LoopWriter, node: Node) -> None:
    x, *indices = node.parents
    n = x.ndim - node.ndim + len(indices)
    w.say(f"{w.define(node)} = np.zeros({node.shape}, {short(node.dtype)})")
    with w.over(x.shape[:n]):
        rows = _positions(w, indices, node.shape, n)
        with w.over(x.shape[n:], n):
            target = w.at(w.define(node), whole(node.shape), [*rows, *w.letters[n:]])
            w.say(f"{target} += {w.read(x, w.letters)}", node)


def _add_at(w: LoopWriter, node: Node) -> None:
    y, x, *indices = node.parents
    w.new(node)
    with w.over(node.shape):
        w.say(f"{w.own(node)} = {w.read(y, w.letters)}")
    batch = np.broadcast_shapes(*(index.shape for index in indices))
    n, rest = len(batch), node.shape[len(indices) :]
    with w.over(batch):
        rows = _positions(w, indices, node.shape, n)
        with w.over(rest, n):
            target = w.at(w.define(node), whole(node.shape), [*rows, *w.letters[n:]])
            w.say(f"{target} += {w.read(x, w.beside(x, n + len(rest)), node.dtype)}", node)


def _place(w: LoopWriter, node: Node) -> None:
    (x,) = node.parents
    w.say(f"{w.define(node)} = np.zeros({node.shape}, {short(node.dtype)})")
    with w.over(x.shape):
        target = w.at(w.define(node), places_of(node.params["key"], node.shape), w.letters)
        w.say(f"{target} = {w.read(x, w.letters)}", node)


def _concatenate(w: LoopWriter, node: Node) -> None:
    axis, start = node.params["axis"], 0
    w.new(node)
    for x in node.parents:
        axes = list(whole(x.shape))
        axes[axis] = Axis(axes[axis].along, start)
        with w.over(x.shape):
            w.say(f"{w.at(w.define(node), axes, w.letters)} = {w.read(x, w.letters, node.dtype)}", node)
        start += x.shape[axis]


LOOPS: dict[object, Callable[[LoopWriter, Node], None]] = {
    ops.matmul: _matmul, ops.reshape: _reshape, ops.take: _take, ops.scatter_add: _scatter_add, ops.place: _place,
    ops.concatenate: _concatenate, add_at: _add_at,
}  # fmt: skip
