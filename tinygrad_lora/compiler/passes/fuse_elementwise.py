"""Join elementwise operations into one expression, by putting one operation's NumPy line into the next."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import Any

from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ...core.node import Op
from ...core.source import function_from_source
from ..expressions import expression, names_in
from .patterns import uses

LONGEST_LINE = 88  # characters; a longer line could not be read


class Fused(Op):
    r"""$y = f(x_0, x_1, \dots)$, several elementwise operations in one expression."""

    elementwise = True

    def __init__(self, numpy: str, parts: list[Node], n: int) -> None:
        self.name, self.numpy, self.parts = "fused", numpy, parts
        self.signature = ", ".join(f"x{i}" for i in range(n))

    @cached_property
    def forward(self) -> Any:
        return function_from_source("fused", f"def fused({self.signature}):\n    return {self.numpy}\n")

    def dtype(self, *dtypes: Any, **params: Any) -> Any:
        return self.parts[-1].dtype

    def flops(self, out: Any, *shapes: Any, **params: Any) -> int:
        return sum(part.op.flops(part.shape, *(p.shape for p in part.parents), **part.params) for part in self.parts)


def fuse_elementwise(graph: Graph) -> Graph:
    r"""$g(f(x)) = (g \circ f)(x)$: an elementwise result that is used once moves into the expression that uses it."""
    movable: set[Node] = set()

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if old.op.elementwise:
            for parent in parents:
                if parent in movable and (joined := _join(node, parent)) is not None:
                    node = joined
            if uses(graph, old) == 1 and not old.name:  # what the user named stays visible
                movable.add(node)
        return node

    return graph.map(build)


def _join(node: Node, parent: Node) -> Node | None:
    """`node` with `parent` written into its expression, or None where the line would get too long."""
    operands = list(dict.fromkeys(p for x in node.parents for p in (parent.parents if x is parent else (x,))))
    names: dict[Node, ast.expr] = {x: ast.Name(f"x{i}") for i, x in enumerate(operands)}
    names[parent] = expression(parent, names)
    tree = expression(node, names)
    text = ast.unparse(tree)
    if len(text) > LONGEST_LINE or not names_in(tree) >= {f"x{i}" for i in range(len(operands))}:
        return None
    parts = [*_parts(parent), *_parts(node)]
    op = Fused(text, parts, len(operands))
    return Node(op, tuple(operands), {}, node.shape, node.dtype)


def _parts(node: Node) -> list[Node]:
    return node.op.parts if isinstance(node.op, Fused) else [node]
