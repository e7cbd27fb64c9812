r"""Checkpoints: what a function computes on the way is forgotten, and computed again in the backward pass.

A gradient is a graph, so this is a second copy of the function's nodes in the graph of the gradient. Nothing may
mistake the copy for the original, and it must run late: shortly before the backward pass reads it. Both follow from one
operation, `later(x, after)`, which gives x, but not before `after` is there: the gradient that has come so far.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost" (arXiv:1604.06174).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import WRAPPER_ASSIGNMENTS, cached_property, wraps
from operator import attrgetter
from typing import Any

import numpy as np

from .boundary.arguments import explained
from .boundary.arrays import words_for
from .boundary.lines import give_origin
from .core.autodiff import pulling_back
from .core.graph import Graph, rebuilt
from .core.node import CONSTANT, INPUT, NO_PARAMS, PARAMETER, ComputationNode, Gradients, Op, Shape, Value, tick
from .core.ops import cast, concatenate, index, reshape
from .core.trace import expanded

Nodes = Sequence[ComputationNode]


class Later(Op):
    r"""$y = x$, so $\bar x = \bar y$; but there is no y before the other operands are there."""

    signature, numpy, view = "x, *after", "x", True

    def __init__(self) -> None:
        """One instance, below; no function of nodes makes it, so it is not among the primitives."""

    def infer(self, inputs: Any, params: Any) -> Any:
        return inputs[0].shape, inputs[0].dtype

    def vjp(self, g: Value, y: Value, x: Value, *after: Value) -> Gradients:
        return g, *[None] * len(after)


class Checkpoint(Op):
    r"""$y = f(x_0, x_1, \dots)$, of which only the operands are kept; $\bar x_i$ comes from f, computed once more.

    `region` is what f computes, as a graph of one output. In a traced graph its nodes stand in the place of this one.
    """

    signature = "*inputs"

    def __init__(self, region: Graph) -> None:
        self.region = region

    def infer(self, inputs: Any, params: Any) -> Any:
        return self.region.outputs[0].shape, self.region.outputs[0].dtype

    def forward(self, *arrays: Any) -> Any:
        return self.region(*arrays)[0]

    def flops(self, out: Shape, *shapes: Any, **params: Any) -> int:
        return self.region.flops

    def expand(self, *operands: ComputationNode) -> ComputationNode:
        return _on(self.region, operands, expanded)[0]

    @cached_property
    def slopes(self) -> Graph:
        """The gradient: from the operands and that of the result to that of each operand, itself where none comes."""
        y, operands = self.region.outputs[0], self.region.inputs
        seed = ComputationNode(INPUT, (), {}, y.shape, y.dtype)
        by_node = dict(pulling_back(y, seed, [x for x in operands if x.dtype.kind != "b"]))
        return Graph([*operands, seed], [by_node.get(x, x) for x in operands])

    def vjp(self, g: Value, y: Value, *inputs: Any) -> Gradients:
        operands = self.region.inputs
        if isinstance(g, ComputationNode):
            starts = [x if _is_fixed(x) else later(x, g) for x in inputs]
            slopes = _on(self.slopes, [*starts, g])
            return [None if slope is x else slope for slope, x in zip(slopes, starts, strict=True)]
        leaves = [
            ComputationNode(CONSTANT, (), {}, x.shape, x.dtype, leaf.requires_gradient, x)
            for x, leaf in zip(inputs, operands, strict=True)
        ]
        by_leaf = dict(pulling_back(_on(self.region, leaves)[0], g, [x for x in leaves if x.requires_gradient]))
        return [by_leaf.get(leaf) for leaf in leaves]


later = Later()


def operands_read(node: ComputationNode) -> Nodes:
    """The operands whose numbers an operation needs: for the others it only waits."""
    return node.parents[:1] if node.op is later else node.parents


@explained
def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function f; what it computes on the way is not kept for the backward pass, but computed again there.

    The numbers are the same. f takes whatever it likes, may use parameters and other nodes from outside, and gives a
    node, or a tuple or list of them. It is called once: what is computed again are the operations that it recorded.
    A node that it leaves behind in another way than by returning it is not on the way of the gradient.

    In a compiled function the operations of the second time run in the backward pass, just before they are needed.

    f: a function of nodes, or a layer, that gives a node, or a tuple or list of them
    Returns a function with the arguments of `f`, which gives what `f` gives.
    Raises TypeError for what is no function, and for a result that is no node.
    Source: Chen et al. 2016 (arXiv:1604.06174).

    >>> block = tl.Sequential(tl.Linear(3, 8, seed=0), tl.tanh, tl.Linear(8, 1, seed=1))
    >>> x = np.ones((2, 3))
    >>> loss, same = tl.mean(block(tl.constant(x))), tl.mean(tl.checkpoint(block)(tl.constant(x)))
    >>> loss.value == same.value
    np.True_
    """
    if not callable(f):
        raise TypeError(f"a checkpoint of {words_for(f)}: pass a function of nodes")

    @wraps(f, [name for name in WRAPPER_ASSIGNMENTS if hasattr(f, name)], ())
    def checkpointed(*args: Any, **named: Any) -> Any:
        start, result = tick(), f(*args, **named)
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        if wrong := [y for y in outputs if not isinstance(y, ComputationNode | np.ndarray | np.generic)]:
            remedy = "return nodes, alone or in a tuple or list"
            raise TypeError(f"a function with a checkpoint gave {words_for(wrong[0])}: {remedy}")
        new = {y: y for y in outputs if isinstance(y, ComputationNode) and y.parents and y.created > start}
        floats = [y for y in new if y.dtype.kind == "f"]
        new |= {y: _kept(y, start) for y in new if y.dtype.kind != "f"}
        new |= zip(floats, _kept_together(floats, start), strict=True)
        outputs = [new.get(y, y) if isinstance(y, ComputationNode) else y for y in outputs]
        if not isinstance(result, tuple | list):
            return outputs[0]
        return type(result)(*outputs) if hasattr(result, "_fields") else type(result)(outputs)

    return checkpointed


def _kept_together(outputs: Nodes, start: int) -> list[ComputationNode]:
    """Several results as parts of one vector: so there is one checkpoint, and all is computed again only once."""
    if len(outputs) < 2:
        return [_kept(y, start) for y in outputs]
    dtype = np.result_type(*[y.dtype for y in outputs])
    vectors = [reshape(y if y.dtype == dtype else cast(y, dtype=dtype), shape=(-1,)) for y in outputs]
    whole, end, parts = _kept(concatenate(*vectors, axis=0), start), 0, []
    for y in outputs:
        part = reshape(index(whole, key=(slice(end, end + y.size),)), shape=y.shape)
        parts.append(part if y.dtype == dtype else cast(part, dtype=y.dtype))
        end += y.size
    return parts


def _kept(y: ComputationNode, start: int) -> ComputationNode:
    """The same result, as an operation on the leaves and on what was there before `start`."""
    inside, operands = [y], dict[ComputationNode, None]()
    seen = {y}
    for node in inside:  # the list grows while it is read
        for p in node.parents:
            if not p.parents or p.created <= start:
                operands[p] = None
            elif p not in seen:
                seen.add(p)
                inside.append(p)
    new = {x: ComputationNode(INPUT, (), {}, x.shape, x.dtype, x.requires_gradient, None, x.name) for x in operands}
    for node in sorted(inside, key=attrgetter("created")):
        new[node] = _node(node, node.op, [new[p] for p in node.parents], node.params)
    made = _node(y, Checkpoint(Graph([new[x] for x in operands], [new[y]])), operands, NO_PARAMS)
    made._value, made.name = y._value, y.name
    return made


def _node(like: ComputationNode, op: Op, parents: Iterable[ComputationNode], params: dict[str, Any]) -> ComputationNode:
    """A node without a value, of the kind and from the line of another."""
    made = ComputationNode(op, tuple(parents), params, like.shape, like.dtype, like.requires_gradient)
    made.origin = like.origin
    return made


def _on(graph: Graph, operands: Nodes, build: Callable[..., ComputationNode] = rebuilt) -> list[ComputationNode]:
    """The outputs of a graph, with these nodes in the place of its inputs."""
    new = dict(zip(graph.inputs, operands, strict=True))
    for node in graph.nodes:
        if node.parents:
            start = tick()
            new[node] = build(node, tuple([new.get(p, p) for p in node.parents]))
            give_origin(new[node], node.origin, start)
    return [new[y] for y in graph.outputs]


def _is_fixed(node: ComputationNode) -> bool:
    """Whether this never changes, or seldom: what depends on such nodes alone need not be computed again."""
    return node.op is CONSTANT or (node.op is PARAMETER and not node.requires_gradient)
