"""A graph: its inputs, its outputs, and everything between them in the order in which it can be computed."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

from ..boundary.arrays import input_arrays
from ..boundary.lines import inherit
from ..boundary.nodes import refuse_replacement
from ..errors import GraphError
from .node import Array, ComputationNode, Op, Operand, tick

Nodes = Sequence[ComputationNode]
Build = Callable[[ComputationNode, tuple[ComputationNode, ...]], ComputationNode]
Replacements = Mapping[ComputationNode, ComputationNode]
_kind = attrgetter("_shape", "_dtype")


def topological_order(outputs: Iterable[ComputationNode]) -> list[ComputationNode]:
    """All nodes that the outputs depend on, parents before children, each once.

    Depth first with a stack of its own, so that a graph may be deeper than Python's.
    """
    order, seen = list[ComputationNode](), set[ComputationNode]()
    stack: list[Any] = [*outputs][::-1]
    while stack:
        node = stack.pop()
        if node is None:  # everything above this mark is done: so are the parents of the node below it
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *node.parents[::-1])
    return order


class Graph:
    """A function as data: call it on arrays, print it, rewrite it. What its outputs do not need is not in it.

    `nodes` lists all of it, parents before children; `users` says who uses which. `tl.trace` makes a graph from a
    function.

    inputs: leaves without a value: first the `arguments` of a call, then the `weights`, which stand for parameters
    outputs: the nodes that a call gives the values of
    captured: the parameters whose present values a call takes for the `weights`, in their order
    memory: a dict that passes share along a chain of graphs; None starts a new one
    Returns a list of arrays, one for each output, when it is called on one array for each argument.
    Raises GraphError where a placeholder is not listed or a call has another number of arrays, ShapeError for an array
    of another shape.

    >>> x = tl.placeholder(2, name="x")
    >>> graph = tl.Graph([x], [tl.exp(x) * 1.0])
    >>> graph([0.0, 0.0])
    [array([1., 1.])]
    >>> print(graph)
         x = input                  float64[2]
        %1 = exp(x)                 float64[2]
        %2 = scale(%1, factor=1.0)  float64[2]
    return   %2
    >>> graph.flops, [len(users) for users in graph.users.values()]
    (4, [1, 1, 0])
    >>> [node.op for node, value in graph.running([0.0, 0.0])]
    [input, exp, scale]
    >>> def without_factors(node):  # a rule: x * 1 is x
    ...     return node.parents[0] if node.op is tl.scale and node.params["factor"] == 1 else None
    >>> print(graph.rewrite(without_factors))
         x = input   float64[2]
        %1 = exp(x)  float64[2]
    return   %1
    >>> swapped = graph.map(lambda old, parents: tl.tanh(*parents), at=[tl.exp])
    >>> swapped([0.0, 0.0])
    [array([0., 0.])]
    """

    def __init__(self, inputs: Nodes, outputs: Nodes, captured: Nodes = (), memory: Any = None) -> None:
        self.inputs, self.outputs, self.captured = tuple(inputs), tuple(outputs), tuple(captured)
        n = len(self.inputs) - len(self.captured)
        self.arguments, self.weights = self.inputs[:n], self.inputs[n:]
        leaves = {node for node in self.inputs if not node.parents}
        if len(leaves) < len(self.inputs):
            raise GraphError("inputs are placeholders or other leaves, and each is listed once")
        self.nodes = topological_order([*self.inputs, *self.outputs])
        self.memory: dict[Any, Any] = {} if memory is None else memory  # kept for the graphs made of this one
        if unknown := [n for n in self.nodes if not n.parents and not n.known and n not in leaves]:
            raise GraphError(f"the outputs depend on {unknown[0]!r}, which is not one of the inputs: list it there")

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

    def running(self, *arrays: Operand) -> Iterator[tuple[ComputationNode, Array]]:
        """Run on arrays and yield each node with its value as it becomes known. The stepper holds this generator.

        *arrays: one array for each of the `arguments`
        Yields pairs of a node and its value, an array, parents first.
        """
        inputs = input_arrays(self.arguments, arrays)
        values = dict(zip(self.inputs, [*inputs, *(p.value for p in self.captured)], strict=True))
        for node in self.nodes:
            if node.parents:
                values[node] = node.op.forward(*(values[p] for p in node.parents), **node.params)
            elif node not in values:
                values[node] = node.value
            yield node, values[node]

    def __call__(self, *arrays: Operand) -> list[Any]:
        """The values of the outputs for these inputs."""
        values = dict(self.running(*arrays))
        return [values[node] for node in self.outputs]

    def map(self, build: Build, leaves: Replacements | None = None, at: Container[Op] | None = None) -> Graph:
        """The graph in which `build(old, new_parents)` takes the place of each operation, parents first.

        `leaves` says which leaf takes the place of which; the others stay. With `at`, `build` is asked at these
        operations alone. Where nothing changes, it is this graph.

        build: a function of an old node and the tuple of its new parents; it gives a node of the old one's shape and
            dtype
        leaves: which leaf takes the place of which, a dict; the others stay
        at: the operations at which `build` is asked; None asks at all of them
        Returns a Graph; this one itself where nothing changes.
        Raises PassError where `build` gives something of another shape or dtype.
        """
        new = {old: leaf for old, leaf in (leaves or {}).items() if leaf is not old}  # what has changed
        for node in self.nodes:
            parents, asked = node.parents, at is None or node.op in at
            if (moved := bool(new) and not new.keys().isdisjoint(parents)) or (asked and parents):
                start, parents = tick(), tuple(map(new.get, parents, parents)) if moved else parents
                if (made := build(node, parents) if asked else rebuilt(node, parents)) is not node:
                    if type(made) is not ComputationNode or _kind(made) != _kind(node):
                        refuse_replacement(node, made)
                    new[node] = made
                    inherit(made, node, start, new, self.memory)
        inputs, outputs = ([new.get(n, n) for n in nodes] for nodes in (self.inputs, self.outputs))
        return Graph(inputs, outputs, self.captured, self.memory) if new else self

    def rewrite(self, rule: Callable[[ComputationNode], ComputationNode | None]) -> Graph:
        """Apply `rule` at every node, parents first, until it gives None.

        What a rule says must depend on the node alone: it is not asked again, not even in the graphs made of this one.

        rule: a function of a node that gives what takes its place, or None to leave it
        Returns a Graph; this one itself where the rule never applies.
        Raises PassError where the rule gives something of another shape or dtype.
        """
        asked = self.memory.setdefault(rule, set())  # nodes at which it has nothing to say

        def build(old: ComputationNode, parents: tuple[ComputationNode, ...]) -> ComputationNode:
            node = rebuilt(old, parents)
            while node not in asked and (better := rule(node)) is not None:
                node = better
            asked.add(node)
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
    if parents == node.parents:
        return node
    # Frequent: operands of the same kind give a result of the same kind, so nothing needs to be inferred.
    if [*map(_kind, parents)] == [*map(_kind, node.parents)] and any(p._value is None for p in parents):
        return ComputationNode(node.op, parents, node.params, *_kind(node), node.requires_gradient, like=node)
    return Op.__call__(node.op, *parents, **node.params)
