"""What each operation is in ONNX: one short function an operation, in a table. No outside library is needed to read it.

A rule takes the builder, which it adds nodes to, the node, and the names of its operands there. It returns the name of
the result.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...core import ComputationNode, Shape
from ...errors import ExportError
from .builder import GraphBuilder, place_of

Rule = Callable[..., str]

FIRST, LAST = -(2**63), 2**63 - 1  # beyond either end of any axis


def plain(kind: str) -> Rule:
    """An operation that ONNX has under the name `kind`. There all operands must have the dtype of the result."""

    def rule(builder: GraphBuilder, node: ComputationNode, *operands: str) -> str:
        return builder.add(kind, *same_dtype(builder, node, operands, node.dtype))

    return rule


def same_dtype(builder: GraphBuilder, node: ComputationNode, operands: tuple[str, ...], dtype: Any) -> list[str]:
    """The operands in this dtype. NumPy converts by itself, ONNX does not."""
    return [builder.cast(x, p.dtype, dtype) for x, p in zip(operands, node.parents, strict=True)]


# --- Elementwise ---


def arithmetic(kind: str, logical: str) -> Rule:
    """Sums and products of truth values are truth values to NumPy; ONNX calls them Or and And."""

    def rule(builder: GraphBuilder, node: ComputationNode, *operands: str) -> str:
        return plain(logical if node.dtype.kind == "b" else kind)(builder, node, *operands)

    return rule


def scale(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    x = builder.cast(x, node.parents[0].dtype, node.dtype)
    return builder.add("Mul", x, builder.constant(np.asarray(node.params["factor"], node.dtype)))


def power(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    x, n = builder.cast(x, node.parents[0].dtype, node.dtype), node.params["exponent"]
    return builder.add("Mul", x, x) if n == 2 else builder.add("Pow", x, builder.constant(np.asarray(n, node.dtype)))


def greater(builder: GraphBuilder, node: ComputationNode, a: str, b: str) -> str:
    common = np.result_type(*(p.dtype for p in node.parents))
    return builder.add("Greater", *same_dtype(builder, node, (a, b), np.int32 if common.kind == "b" else common))


def where(builder: GraphBuilder, node: ComputationNode, condition: str, a: str, b: str) -> str:
    kinds = (np.dtype(bool), node.dtype, node.dtype)
    pairs = zip((condition, a, b), node.parents, kinds, strict=True)
    return builder.add("Where", *(builder.cast(x, p.dtype, kind) for x, p, kind in pairs))


def cast(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    return builder.cast(x, node.parents[0].dtype, node.dtype)


# --- Shape ---


def transpose(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    axes = list(range(node.ndim))
    return builder.add("Transpose", x, perm=[*axes[:-2], axes[-1], axes[-2]])


def reshape(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    return builder.add("Reshape", x, builder.sizes(node, lambda n: n.shape), allowzero=int(0 in node.shape))


def broadcast(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    return builder.add("Expand", x, builder.sizes(node, lambda n: n.shape))


def reduce_sum(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    x, axis = builder.cast(x, node.parents[0].dtype, node.dtype), node.params["axis"]
    return builder.add("ReduceSum", x, builder.constant(axis), keepdims=int(node.params["keepdims"])) if axis else x


def reduce_max(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    axis, dtype = node.params["axis"], np.dtype(np.int32) if node.dtype.kind == "b" else node.dtype
    x = builder.cast(x, node.dtype, dtype)
    x = builder.add("ReduceMax", x, axes=[*axis], keepdims=int(node.params["keepdims"])) if axis else x
    return builder.cast(x, dtype, node.dtype)


# --- Parts ---


def take(builder: GraphBuilder, node: ComputationNode, x: str, *indices: str) -> str:
    if len(indices) == 1:
        return builder.add("Gather", x, builder.cast(indices[0], node.parents[1].dtype, np.int64), axis=0)
    return builder.add("GatherND", x, _together(builder, node, indices))


def scatter_add(builder: GraphBuilder, node: ComputationNode, x: str, *indices: str) -> str:
    def taken(n: ComputationNode) -> Shape:
        return _joint(n) + n.shape[len(indices) :]

    x = builder.grown(node, x, 0, taken)
    zeros = builder.zeros(node, lambda n: n.shape)
    return builder.add("ScatterND", zeros, _together(builder, node, indices), x, reduction="add")


def _joint(node: ComputationNode) -> Shape:
    """The shape to which the index arrays of a node broadcast."""
    return np.broadcast_shapes(*(p.shape for p in node.parents[1:]))


def _together(builder: GraphBuilder, node: ComputationNode, indices: tuple[str, ...]) -> str:
    """Index arrays as one array of index tuples."""
    parts = []
    for k, name in enumerate(indices, 1):
        i = builder.grown(node, builder.cast(name, node.parents[k].dtype, np.int64), k, _joint)
        parts.append(builder.add("Unsqueeze", i, builder.constant([-1])))
    return builder.add("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]


class Key(NamedTuple):
    """An index of numbers and slices, taken apart."""

    slices: list[tuple[int, slice]]  # by axis; those that take all of an axis are left out
    numbers: list[tuple[int, int]]  # by axis
    new: list[int]  # axes of length 1 in the result


def taken_apart(key: tuple[Any, ...], axes: int) -> Key:
    """The parts of a key for an array of so many axes."""
    rest = [slice(None)] * (axes - sum(k is not None and k is not Ellipsis for k in key))
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    parts, axis, place = Key([], [], []), 0, 0
    for k in (*key[:at], *rest, *key[at + 1 :]):
        if k is None:
            parts.new.append(place)
        elif isinstance(k, int):
            parts.numbers.append((axis, k))
        elif k != slice(None):
            parts.slices.append((axis, k))
        axis, place = axis + (k is not None), place + (not isinstance(k, int))
    return parts


def _bounds(axis: int, part: slice) -> tuple[int, int, int, int]:
    """Start, stop, axis and step, as ONNX wants them. A negative number counts from the end, there as here."""
    step = 1 if part.step is None else part.step
    first, last = (0, LAST) if step > 0 else (LAST, FIRST)
    return first if part.start is None else part.start, last if part.stop is None else part.stop, axis, step


def index(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    key = taken_apart(node.params["key"], node.parents[0].ndim)
    if key.slices:
        x = builder.add("Slice", x, *map(builder.constant, zip(*(_bounds(*part) for part in key.slices), strict=True)))
    for axis, i in reversed(key.numbers):
        x = builder.add("Gather", x, builder.constant(i), axis=axis)
    return builder.add("Unsqueeze", x, builder.constant(key.new)) if key.new else x


def place(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    key = taken_apart(node.params["key"], node.ndim)
    x = builder.grown(node, x, 0, lambda n: np.broadcast_to(0, n.shape)[n.params["key"]].shape)
    if any(s.step not in (None, 1) for _, s in key.slices):
        return _scattered(builder, node, x)
    x = builder.add("Squeeze", x, builder.constant(key.new)) if key.new else x
    x = builder.add("Unsqueeze", x, builder.constant([axis for axis, _ in key.numbers])) if key.numbers else x
    if not any(map(any, builder.both(node, _margins))):
        return x
    return builder.add("Pad", x, builder.sizes(node, _margins), builder.constant(np.zeros((), node.dtype)))


def _margins(node: ComputationNode) -> Shape:
    """How many zeros `place` puts before each axis, then behind each."""
    key = taken_apart(node.params["key"], node.ndim)
    before, behind = [0] * node.ndim, [0] * node.ndim
    spans = [(axis, *s.indices(node.shape[axis])[:2]) for axis, s in key.slices]
    numbers = [(axis, i % node.shape[axis]) for axis, i in key.numbers]
    for axis, start, stop in [*spans, *((axis, i, i + 1) for axis, i in numbers)]:
        before[axis], behind[axis] = start, node.shape[axis] - max(start, stop)
    return (*before, *behind)


def _scattered(builder: GraphBuilder, node: ComputationNode, x: str) -> str:
    """Each element to its own place, counted through the whole array."""
    builder.need_fixed(node, lambda n: n.shape)
    places = np.arange(node.size).reshape(node.shape)[node.params["key"]].reshape(-1, 1)
    flat = builder.add("Reshape", x, builder.constant([places.size]), allowzero=1)
    zeros = builder.add("ConstantOfShape", builder.constant([node.size]), value=np.zeros(1, node.dtype))
    whole = builder.add("ScatterND", zeros, builder.constant(places), flat)
    return builder.add("Reshape", whole, builder.constant(node.shape), allowzero=1)


def concatenate(builder: GraphBuilder, node: ComputationNode, *arrays: str) -> str:
    return builder.add("Concat", *same_dtype(builder, node, arrays, node.dtype), axis=node.params["axis"])


def identity(builder: GraphBuilder, node: ComputationNode, x: str, *after: str) -> str:
    return x


RULES: dict[str, Rule] = {
    "matmul": plain("MatMul"), "scale": scale, "add": arithmetic("Add", "Or"), "subtract": plain("Sub"),
    "multiply": arithmetic("Mul", "And"), "divide": plain("Div"), "power": power, "exp": plain("Exp"),
    "log": plain("Log"), "sqrt": plain("Sqrt"), "tanh": plain("Tanh"), "relu": plain("Relu"), "sign": plain("Sign"),
    "greater": greater, "where": where, "transpose": transpose, "reshape": reshape, "broadcast": broadcast,
    "reduce_sum": reduce_sum, "reduce_max": reduce_max, "take": take, "scatter_add": scatter_add, "index": index,
    "place": place, "concatenate": concatenate, "cast": cast,
    "identity": identity, "stop_gradient": identity, "later": identity,
}  # fmt: skip


def rule_for(node: ComputationNode, label: str) -> Rule:
    """The rule of a node's operation. Raises ExportError, which names the operation and its place."""
    name, shown = str(node.op), f"{label} = {node.op}(...){place_of(node)}"
    if node.dtype.kind not in "fiub" or node.dtype.itemsize > 8:
        raise ExportError(f"{shown} holds {node.dtype}: ONNX computes with real numbers of up to 64 bits")
    if name not in RULES:
        missing = "the table RULES in tinygrad_lora.interop.onnx.rules has no entry for it"
        raise ExportError(f"{shown} has no form in ONNX: {missing}")
    return RULES[name]
