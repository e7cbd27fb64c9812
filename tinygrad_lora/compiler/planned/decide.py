"""What is decided about a program before it is written: what is kept, in which order, where, and in which blocks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...core import ComputationNode as Node, Graph, ops
from ...recomputation import later
from ..patterns import packed
from .calls import can_write
from .order import Unit, need_blocks, needed, replacing_last, scheduled, soon_forgotten
from .plan import MemoryPlan, make_plan
from .products import Blocks, cut, reads_rows


@dataclass
class Lowered:
    """A graph with the decisions about it. `choices` counts the ways of calling, as they are written."""

    graph: Graph
    techniques: frozenset[str]
    into: Mapping[int, Node]  # which outputs are written over which inputs instead of being returned
    frozen: list[Node]  # inputs that seldom change
    kept: list[Node]  # what depends on those alone, and is an argument of the program
    cuts: dict[Node, Blocks]  # products that run in blocks
    copied: set[Node]  # transposes that are written out for such a product
    units: list[Unit]
    plan: MemoryPlan
    choices: Counter[str] = field(default_factory=Counter)

    def root(self, node: Node) -> Node:
        """The node whose array this one is, or is a view of."""
        return self.plan.places[node].root if node in self.plan.places else node

    def makes(self, node: Node) -> bool:
        """Whether each call makes this array, or number, and keeps no hold of it."""
        made = bool(node.parents) and node not in self.kept
        return made and self.plan.places[node].kind in ("own", "number")


def lower(
    graph: Graph, techniques: frozenset[str], frozen: Iterable[Node] = (), into: Mapping[int, Node] | None = None,
    views: Mapping[Node, Sequence[Node]] | None = None,
) -> Lowered:  # fmt: skip
    """Decide. `views` says which inputs are views of an input that is written over."""
    into = into or {}
    frozen = [leaf for leaf in frozen if leaf in graph.users]
    kept = packed(graph, frozen) if "pack_weights" in techniques else []
    order = needed(graph, graph.outputs, kept)
    forgetful = "forget_soon" in techniques or any(node.op is later for node in order)
    if forgetful:
        order = soon_forgotten(order, graph.outputs)
    order = replacing_last(order, {graph.outputs[i] for i in into})
    # Where memory is dear, arrays that fit the cache keep this order: what runs beside another array is kept longer.
    in_blocks = "cache_blocks" in techniques and (not forgetful or need_blocks(order))
    units = scheduled(order, graph, cache_blocks=in_blocks)
    whole = [unit.nodes[0] for unit in units if not unit.rows and len(unit.nodes) == 1]
    cuts = {}
    if "row_blocks" in techniques:
        cuts = {node: blocks for node in whole if node.op is ops.matmul and (blocks := cut(node)) is not None}
    right = {node.parents[1] for node, blocks in cuts.items() if reads_rows(node, blocks)}
    copied = {node for node in right if node.op is ops.transpose and node not in kept}
    arguments = dict.fromkeys(graph.inputs, False) | {node: node.op.view for node in kept}
    plan = make_plan(units, arguments, graph.outputs, filter(can_write, order), copied, into, views or {}, techniques)
    return Lowered(graph, techniques, into, frozen, kept, cuts, copied, units, plan)
