"""How an operation is called so that it writes into a given array: `np.add(a, b, y)` instead of `y = a + b`."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from ...core import ComputationNode as Node, Op, ops
from ..operations import row_products, ufunc_call
from ..text.expressions import name as variable, written

KEYWORD_ONLY = {"np.maximum", "np.minimum"}  # NumPy is about to forbid a positional result for these
FEW_ROWS = 8  # of which the largest is found as quickly without its place


class Call:
    """One operation with the sources of its operands and of the array that receives the result.

    `replaced` is the operand whose memory the result takes over, if it does. `use("np.add")` gives the short name under
    which the generated program knows a function; `number(value, dtype)` the source of a number.
    """

    def __init__(
        self, node: Node, operands: Sequence[str], out: str, replaced: Node | None,
        use: Callable[[str], str], number: Callable[[Any, Any], str],
    ) -> None:  # fmt: skip
        self.node, self.operands, self.out, self.replaced = node, list(operands), out, replaced
        self.use, self.number = use, number

    def lines(self) -> list[str]:
        """The statements."""
        form = FORMS.get(self.node.op)
        if form is not None:
            return form(self)
        if hasattr(self.node.op, "in_place"):
            return _updated(self)
        function, arguments = ufunc_call(self.node.op)
        texts = [self.operands[a] if isinstance(a, int) else self._number(a) for a in arguments]
        return [self.call(function, texts)]

    def call(self, function: str, arguments: Sequence[str]) -> str:
        """A call with the result as its last argument."""
        out = f"out={self.out}" if function in KEYWORD_ONLY else self.out
        return f"{self.use(function)}({', '.join([*arguments, out])})"

    def _number(self, name: str) -> str:
        """A parameter, or a number in the operation's own line."""
        like = self.node.parents[0].dtype
        dtype = like if like.kind == "f" else self.node.dtype
        return self.number(self.node.params[name] if name in self.node.params else float(name), dtype)


def can_write(node: Node) -> bool:
    """Whether this operation can write its result into a given array."""
    op = node.op
    if op is ops.cast and node.parents[0].dtype.kind == "c":
        return False
    return op in FORMS or hasattr(op, "in_place") or bool(ufunc_call(op)[0])


def replaceable(node: Node) -> tuple[Node, ...]:
    """The operands over which this operation may write its result."""
    if node.op is ops.where:
        return node.parents[2:]  # the condition and the other choice are read after the first copy
    if hasattr(node.op, "in_place"):
        return node.parents[:1]
    return node.parents if ufunc_call(node.op)[0] else ()


def _reduced(call: Call) -> list[str]:
    """A sum or a largest element over some axes."""
    function = "np.add.reduce" if call.node.op is ops.reduce_sum else "np.maximum.reduce"
    axis = call.node.params["axis"]
    over = str(axis[0] if len(axis) == 1 else axis)
    keep = ["True"] if call.node.params["keepdims"] else []
    return [f"{call.use(function)}({', '.join([*call.operands, over, 'None', call.out, *keep])})"]


def finds_by_index(node: Node) -> bool:
    """Whether this is the largest of each row of floats. NumPy finds its place in a quarter of the time.

    Measured on (512, 64) numbers: 15 microseconds instead of 55; of a few rows it takes as long.
    """
    x, rows = node.parents[0], node.op is ops.reduce_max and node.params["axis"] == (node.parents[0].ndim - 1,)
    return bool(rows and x.size and node.size >= FEW_ROWS and x.dtype.kind == "f" and x.dtype.itemsize > 2)


def _cast(call: Call) -> list[str]:
    return [f'{call.use("np.copyto")}({call.out}, {call.operands[0]}, "unsafe")']


def _copied(call: Call) -> list[str]:
    """A reshape that no view can give: the array is written out row by row."""
    shape = call.node.parents[0].shape
    return [f"{call.use('np.copyto')}({call.out}.reshape({shape}), {call.operands[0]})"]


def _chosen(call: Call) -> list[str]:
    condition, a, b = call.operands
    copy = call.use("np.copyto")
    if call.node.parents[0].dtype.kind != "b":
        condition = f"{condition} != 0"
    there = call.replaced is not None  # b, whose memory this is
    return [*([] if there else [f"{copy}({call.out}, {b})"]), f"{copy}({call.out}, {a}, where={condition})"]


def _joined(call: Call) -> list[str]:
    arrays = ", ".join(call.operands) + ("," if len(call.operands) == 1 else "")
    return [f"{call.use('np.concatenate')}(({arrays}), {call.node.params['axis']}, {call.out})"]


def _placed(call: Call) -> list[str]:
    key = written(ops.index, {"key": call.node.params["key"]}, [variable(call.out)]).text
    return [f"{call.out}.fill(0)", f"{key} = {call.operands[0]}"]


def _scattered(call: Call) -> list[str]:
    x, *indices = call.operands
    places = ", ".join(indices) + ("," if len(indices) == 1 else "")
    return [f"{call.out}.fill(0)", f"{call.use('np.add.at')}({call.out}, ({places}), {x})"]


def _updated(call: Call) -> list[str]:
    """An operation that changes its first operand: in the result's array, to which the operand is copied if need be."""
    first, *others = call.operands
    op: Any = call.node.op
    names, statement = op.signature.replace("*", "").split(", "), op.in_place
    rest = ", ".join(others[len(names) - 2 :])
    values = dict(zip(names[1:-1], others, strict=False)) | {names[0]: call.out, names[-1]: rest}
    copy = [] if call.replaced is not None else [f"{call.use('np.copyto')}({call.out}, {first})"]
    return [*copy, re.sub(r"\w+", lambda m: values.get(m[0], m[0]), statement)]


def _by_ufunc(call: Call) -> list[str]:
    return [call.call(str(call.node.op.ufunc), call.operands)]


FORMS: dict[Op, Callable[[Call], list[str]]] = {
    row_products: _by_ufunc,
    ops.matmul: _by_ufunc,
    ops.reduce_sum: _reduced,
    ops.reduce_max: _reduced,
    ops.cast: _cast,
    ops.reshape: _copied,
    ops.where: _chosen,
    ops.concatenate: _joined,
    ops.place: _placed,
    ops.scatter_add: _scattered,
}
