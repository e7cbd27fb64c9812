"""Random programs for the exercises on the compiler: functions of nodes, and closed graphs."""

from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_lora import library
from tinygrad_lora.core import ops
from tinygrad_lora.core.node import ComputationNode, placeholder
from tinygrad_lora.learn.authoring import Graph, Rng, generators, random_graph, topological_order

Function = Callable[..., Any]


def functions(seed: int, budget: int, *, shared: bool = True) -> Iterator[tuple[Function, list[str]]]:
    """Functions of numbers, smallest first, with the names of their arguments.

    In a function that is not `shared` every use of a result computes it anew: there is much to merge.
    """
    for size, rng in generators(seed, budget):
        output = random_graph(rng, size + 1 if shared else min(size + 1, 6))
        names = [leaf.name or "" for leaf in topological_order([output]) if not leaf.parents]
        yield _function(output, shared), names


def _function(output: ComputationNode, shared: bool) -> Function:
    order = topological_order([output])
    leaves = [node for node in order if not node.parents]

    def once(*arguments: Any) -> Any:
        values = dict(zip(leaves, arguments, strict=True))
        for node in order:
            if node.parents:
                values[node] = node.op(*[values[p] for p in node.parents], **node.params)
        return values[output]

    def anew(*arguments: Any) -> Any:
        values = dict(zip(leaves, arguments, strict=True))

        def build(node: ComputationNode) -> Any:
            return node.op(*map(build, node.parents), **node.params) if node.parents else values[node]

        return build(output)

    return once if shared else anew


def programs(seed: int, budget: int) -> Iterator[Graph]:
    """Graphs of square matrices with elementwise operations, products and sums, and with one output or more."""
    for size, rng in generators(seed, budget):
        yield _program(rng, size + 1)


def _program(rng: Rng, size: int) -> Graph:
    inputs = [placeholder((3, 3), name=name) for name in "xy"]
    nodes, unused = list(inputs), set[ComputationNode]()
    for _ in range(size):
        a, b = (nodes[int(rng.integers(max(0, len(nodes) - 4), len(nodes)))] for _ in range(2))
        node = _OPERATIONS[int(rng.integers(len(_OPERATIONS)))](a, b)
        unused = (unused - {a, b}) | {node}
        nodes.append(node)
    outputs = [node for node in nodes if node in unused]
    inner = [node for node in nodes if node.parents and node not in unused]
    if inner and rng.integers(3) == 0:
        outputs.append(inner[int(rng.integers(len(inner)))])  # an output that is used as well
    return Graph(inputs, outputs)


_OPERATIONS: list[Function] = [
    ops.add, ops.multiply, ops.subtract, lambda a, b: ops.tanh(a), lambda a, b: ops.scale(a, factor=2.0),
    lambda a, b: ops.tanh(b), ops.matmul, lambda a, b: library.sum(a, 1, keepdims=True) + b,
]  # fmt: skip


def straight(seed: int, budget: int) -> Iterator[Graph]:
    """Graphs of five operations without parameters, each with one output."""
    for size, rng in generators(seed, budget):
        inputs = [placeholder((2, 2), name=name) for name in ("b", "a", "x")]
        nodes = list(inputs)
        for _ in range(size + 1):
            a, b = (nodes[int(rng.integers(max(0, len(nodes) - 4), len(nodes)))] for _ in range(2))
            nodes.append(FIVE[int(rng.integers(5))](a, b))
        yield Graph(inputs, nodes[-1:])


FIVE: list[Function] = [ops.add, ops.multiply, ops.subtract, lambda a, b: ops.tanh(a), ops.matmul]


def uses(graph: Graph) -> dict[ComputationNode, int]:
    """How often each result is used, by operations and as an output."""
    counts = dict.fromkeys(graph.nodes, 0)
    for node in (*graph.outputs, *(p for n in graph.nodes for p in n.parents)):
        counts[node] += 1
    return counts
