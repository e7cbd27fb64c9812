"""What depends on frozen weights alone: computed once, kept, and computed again when one of them gets a new value."""

from __future__ import annotations

from collections.abc import Iterable

from .. import ops
from ..core.graph import Graph
from ..core.node import ComputationNode as Node
from .passes.patterns import is_constant

LARGEST_TRANSPOSE = 4_000_000  # bytes; beyond that a product reads the transposed view just as fast


def packed(graph: Graph, frozen: Iterable[Node]) -> list[Node]:
    """The nodes to keep from call to call: results that depend on frozen weights alone and that something else reads.

    A transpose that a product reads from the right is one of them: written out row by row it is read faster.
    """
    frozen = set(frozen)
    settled = set(frozen)  # known before the call, and not a constant
    for node in graph.nodes:
        if node.parents and all(p in settled or is_constant(p) for p in node.parents):
            if any(p in settled for p in node.parents):
                settled.add(node)
    outputs = set(graph.outputs)
    kept = []
    for node in graph.nodes:
        if node in settled and node.parents:
            readers = [user for user in graph.users[node] if user not in settled]
            if (readers or node in outputs) and (not node.op.view or _worth_copying(node, readers)):
                kept.append(node)
    return kept


def _worth_copying(view: Node, readers: list[Node]) -> bool:
    turned = view.op is ops.transpose and view.ndim == 2 and view.size * view.dtype.itemsize <= LARGEST_TRANSPOSE
    return turned and any(reader.op is ops.matmul and reader.parents[1] is view for reader in readers)


def needed(graph: Graph, kept: Iterable[Node]) -> list[Node]:
    """The operations that each call runs, in order: what the outputs need, down to what is kept."""
    wanted, kept = set(graph.outputs), set(kept)
    for node in reversed(graph.nodes):
        if node in wanted and node not in kept:
            wanted.update(node.parents)
    return [node for node in graph.nodes if node.parents and node in wanted and node not in kept]
