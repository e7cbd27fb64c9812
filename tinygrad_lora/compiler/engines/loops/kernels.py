"""Which operations share a loop: elementwise operations and reductions on arrays of one shape.

The loop runs over the rows of that shape, and within a row over its last axis. A result of the whole row, such as its
sum, is known when the inner loop ends; what needs it goes into a second inner loop of the same row. So softmax is one
pass over the memory: three inner loops for each row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....core import ComputationNode as Node, Graph, Op, Shape, ops, rebuilt
from ...operations import Fused, inner_product, row_products
from .views import Axis, View, whole

REDUCTIONS = (ops.reduce_sum, ops.reduce_max)


def opened(graph: Graph, *, products: bool = False) -> tuple[Graph, dict[Node, Node]]:
    """The graph with every fused operation taken apart into its steps, and which node became which.

    `products`: inner products as well, into a product and a sum, which can share a loop with others. A sum over no
    axes is a cast then, as it works on each element alone.
    """
    became: dict[Node, Node] = {node: node for node in graph.nodes if not node.parents}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        values = list(parents)
        if isinstance(old.op, Fused):
            for step in old.op.steps:
                values.append(Op.__call__(step.op, *(values[i] for i in step.operands), **step.params))
        elif products and old.op in (inner_product, row_products):
            axes = range(parents[0].ndim)
            axis = tuple(axes if old.op is inner_product else axes[-1:])
            values.append(ops.reduce_sum(ops.multiply(*parents), axis=axis, keepdims=False))
        elif products and old.op in REDUCTIONS and not old.params["axis"]:  # a sum of single elements
            values.append(ops.cast(parents[0], dtype=old.dtype))
        else:
            values.append(rebuilt(old, parents))
        became[old] = values[-1]
        return values[-1]

    return graph.map(build), became


@dataclass
class Kernel:
    """Operations that share one loop over `shape`.

    `stages` says in which inner loop of a row an element is computed, or before which inner loop a number of the row
    (a sum over the last axis, and what is computed from it) is known. Results in `later` are complete only when all
    rows are done: sums over other axes.
    """

    shape: Shape
    members: list[Node] = field(default_factory=list)
    stages: dict[Node, int] = field(default_factory=dict)
    rows: set[Node] = field(default_factory=set)  # members with one number a row
    later: set[Node] = field(default_factory=set)

    def try_to_add(self, node: Node, known: Mapping[Node, View], done: set[Node]) -> bool:
        """Add the node, if it can be computed in this loop."""
        bases = [known[p].base for p in node.parents]
        stage = 0
        for operand, base in zip(node.parents, bases, strict=True):
            if base not in self.stages:
                if base not in done:
                    return False
            elif base in self.later or index_of(node, operand, known[operand]) != whole(base.shape):
                return False
            else:
                stage = max(stage, self.stages[base])
        if node.op in REDUCTIONS:
            if node.parents[0].shape != self.shape or bases[0] in self.rows:
                return False
            if node.params["axis"] == (len(self.shape) - 1,):
                self.rows.add(node)
                stage += 1
            else:
                self.later.add(node)
        elif node.shape != self.shape:
            one_a_row = node.shape in (self.shape[:-1], (*self.shape[:-1], 1)) and bool(self.rows)
            if not one_a_row or any(b in self.stages and b not in self.rows for b in bases):
                return False
            self.rows.add(node)
        self.members.append(node)
        self.stages[node] = stage
        return True


def scheduled(nodes: Sequence[Node], known: Mapping[Node, View]) -> list[Kernel | Node]:
    """The nodes that need code, in an order in which they can run, grouped into kernels.

    What is not elementwise runs as soon as it can, so that more operations are ready when a kernel is filled.
    """
    done = {node for node in nodes if not node.parents}
    pending = [node for node in nodes if node.parents and known[node].base is node]
    order: list[Kernel | Node] = []
    while pending:
        ready = [node for node in pending if all(known[p].base in done for p in node.parents)]
        alone = [node for node in ready if not loops(node)]
        if alone:
            order += alone
            taken = set(alone)
        else:
            first = ready[0]
            kernel = Kernel(first.parents[0].shape if first.op in REDUCTIONS else first.shape)
            for node in pending:
                if loops(node):
                    kernel.try_to_add(node, known, done)
            order.append(kernel)
            taken = set(kernel.members)
        done |= taken
        pending = [node for node in pending if node not in taken]
    return order


def loops(node: Node) -> bool:
    """Whether the operation can share a loop with others."""
    return node.op.elementwise or node.op in REDUCTIONS


def index_of(node: Node, operand: Node, view: View) -> tuple[Axis, ...]:
    """The index at which the loop that computes `node` reads the array beneath an operand."""
    extra = 0 if node.op in REDUCTIONS else node.ndim - operand.ndim
    return tuple(a if a.along is None else a._replace(along=a.along + extra) for a in view.axes)
