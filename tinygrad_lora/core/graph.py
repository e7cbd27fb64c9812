"""A graph: its inputs, its outputs, and everything between them in the order in which it can be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import GraphError, ShapeError
from .node import ComputationNode, Op, tick

Nodes = Sequence[ComputationNode]
Build = Callable[[ComputationNode, tuple[ComputationNode, ...]], ComputationNode]


def topological_order(outputs: Iterable[ComputationNode]) -> list[ComputationNode]:
    """All nodes that the outputs depend on, parents before children, each once.

    Depth first with a stack of its own, so that a graph may be deeper than Python's.
    """
    order: list[ComputationNode] = []
    seen: set[ComputationNode] = set()
    stack: list[Any] = [*outputs][::-1]
    while stack:
        node = stack.pop()
        if node is None:  # everything above this mark is done: so are the parents of the node below it
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *(p for p in node.parents[::-1] if p not in seen))
    return order


class Graph:
    """A function as data: call it on arrays, print it, rewrite it. What its outputs do not need is not in it.

    `inputs` are leaves without a value. `captured` are parameters whose current values fill the last inputs in a call.
    """

    def __init__(self, inputs: Nodes, outputs: Nodes, captured: Nodes = ()) -> None:
        self.inputs, self.outputs, self.captured = tuple(inputs), tuple(outputs), tuple(captured)
        leaves = {node for node in self.inputs if not node.parents}
        if len(leaves) < len(self.inputs):
            raise GraphError("inputs are placeholders or other leaves, and each is listed once")
        self.nodes = topological_order([*self.inputs, *self.outputs])
        for node in self.nodes:
            if not node.parents and not node.known and node not in leaves:
                raise GraphError(f"the outputs depend on {node!r}, which is not one of the inputs: list it there")

    @cached_property
    def users(self) -> dict[ComputationNode, list[ComputationNode]]:
        """For each node, the nodes that use it, once for each use."""
        users: dict[ComputationNode, list[ComputationNode]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for parent in node.parents:
                users[parent].append(node)
        return users

    @property
    def flops(self) -> int:
        """Floating-point operations of one run."""
        return sum(n.op.flops(n.shape, *(p.shape for p in n.parents), **n.params) for n in self.nodes)

    def running(self, *arrays: Any) -> Iterator[tuple[ComputationNode, Any]]:
        """Run on arrays and yield each node with its value as it becomes known. The stepper holds this generator."""
        wanted = [x.name or f"{list(x.shape)}" for x in self.inputs[: len(self.inputs) - len(self.captured)]]
        if len(arrays) != len(wanted):
            told = f"the graph has {len(wanted)} inputs ({', '.join(wanted)})"
            raise GraphError(f"{told}; it was given {len(arrays)} arrays")
        given = [*map(np.asarray, arrays), *(p.value for p in self.captured)]
        values = dict(zip(self.inputs, given, strict=True))
        for node, array in values.items():
            if array.shape != node.shape:
                raise ShapeError(f"input {node.name or ''} has shape {node.shape}; the array has {array.shape}")
        for node in self.nodes:
            if node.parents:
                values[node] = node.op.forward(*(values[p] for p in node.parents), **node.params)
            elif node not in values:
                values[node] = node.value
            yield node, values[node]

    def __call__(self, *arrays: Any) -> list[Any]:
        """The values of the outputs for these inputs."""
        values = dict(self.running(*arrays))
        return [values[node] for node in self.outputs]

    def map(self, build: Build, leaves: Mapping[ComputationNode, ComputationNode] | None = None) -> Graph:
        """The graph in which `build(old, new_parents)` takes the place of each operation, parents first.

        `leaves` says which leaf takes the place of which; the others stay.
        """
        new = dict(leaves or {})
        for node in self.nodes:
            if node.parents:
                start = tick()
                new[node] = made = build(node, tuple(new[p] for p in node.parents))
                if made is not node:
                    made.name = made.name or node.name
                    give_origin(made, node.origin, start)
            else:
                new.setdefault(node, node)
        return Graph([new[n] for n in self.inputs], [new[n] for n in self.outputs], self.captured)

    def rewrite(self, rule: Callable[[ComputationNode], ComputationNode | None]) -> Graph:
        """Apply `rule` at every node, parents first, until it gives None."""

        def build(old: ComputationNode, parents: tuple[ComputationNode, ...]) -> ComputationNode:
            node = rebuilt(old, parents)
            while (better := rule(node)) is not None:
                node = better
            return node

        return self.map(build)

    def __str__(self) -> str:
        """A listing, one line a node."""
        names = unique_names(self.nodes)
        calls = []
        for node in self.nodes:
            arguments = [names[p] for p in node.parents] + [f"{k}={v}" for k, v in node.params.items()]
            calls.append(f"{node.op}({', '.join(arguments)})" if node.parents else f"{node.op}")
        left, right = max(map(len, ["return", *names.values()])), max(map(len, ["", *calls]))
        rows = zip(names.items(), calls, strict=True)
        lines = [f"{name:>{left}} = {call:<{right}}  {n.dtype}{list(n.shape)}" for (n, name), call in rows]
        return "\n".join([*lines, f"{'return':>{left}}   {', '.join(names[n] for n in self.outputs)}"])


def unique_names(nodes: Nodes) -> dict[ComputationNode, str]:
    """A name for each node: its own where it has one that is free, else its place in the order, as in %3."""
    owners: dict[str, ComputationNode] = {}
    for i, node in enumerate(nodes):
        owners[node.name if node.name and node.name not in owners else f"%{i}"] = node
    return {node: name for name, node in owners.items()}


def rebuilt(node: ComputationNode, parents: tuple[ComputationNode, ...]) -> ComputationNode:
    """The same operation on other parents; the node itself where they are the same."""
    same = all(new is old for new, old in zip(parents, node.parents, strict=True))
    return node if same else Op.__call__(node.op, *parents, **node.params)


def give_origin(node: ComputationNode, origin: tuple[str, int] | None, start: int) -> None:
    """What was made since `start` to compute `node` is due to this line of the user's code."""
    stack = [node]
    while stack:
        node = stack.pop()
        if node.created > start and node.parents:
            node.origin = origin
            stack += node.parents
