"""What depends on frozen weights alone: computed once, kept, and computed again when one of them gets a new value."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import ops
from ..core.graph import Graph
from ..core.node import ComputationNode as Node
from .patterns import is_constant

LARGEST_TRANSPOSE = 4_000_000  # bytes; beyond that a product reads the transposed view just as fast


def settled(graph: Graph, frozen: Iterable[Node]) -> set[Node]:
    """The frozen inputs, and every result that depends on them alone: known before the call, and no constants."""
    known = set(frozen)
    for node in graph.nodes:
        if any(p in known for p in node.parents) and all(p in known or is_constant(p) for p in node.parents):
            known.add(node)
    return known


def packed(graph: Graph, frozen: Iterable[Node]) -> list[Node]:
    """The nodes to keep from call to call: settled results that something else reads.

    A transpose that a product reads from the right is one of them: written out row by row it is read faster. So is what
    `repeat_rows` repeats.
    """
    known, outputs = settled(graph, frozen), set(graph.outputs)
    kept = []
    for node in graph.nodes:
        if node in known and node.parents:
            readers = [user for user in graph.users[node] if user not in known]
            if (readers or node in outputs) and (not node.op.view or _worth_copying(node, readers)):
                kept.append(node)
    return kept


def _worth_copying(view: Node, readers: list[Node]) -> bool:
    if view.op is ops.broadcast:
        return all(reader.op.elementwise for reader in readers)
    turned = view.op is ops.transpose and view.ndim == 2 and view.size * view.dtype.itemsize <= LARGEST_TRANSPOSE
    return turned and any(reader.op is ops.matmul and reader.parents[1] is view for reader in readers)


def needed(graph: Graph, kept: Iterable[Node]) -> list[Node]:
    """The operations that each call runs, in order: what the outputs need, down to what is kept."""
    wanted, kept = set(graph.outputs), set(kept)
    for node in reversed(graph.nodes):
        if node in wanted and node not in kept:
            wanted.update(node.parents)
    return [node for node in graph.nodes if node.parents and node in wanted and node not in kept]
