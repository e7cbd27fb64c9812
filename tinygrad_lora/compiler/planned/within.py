"""Fewer bytes for more operations: what to compute again, so that a program fits the memory that it is allowed.

Greedy: look at the moment at which most bytes are in use. Of the arrays that wait there for a later reader, those are
forgotten first that give back most bytes for each nanosecond of computing them again just before that reader. Then the
program is planned anew, and so on while that helps. The idea is that of Chen et al. 2016 (arXiv:1604.06174); the best
choice of all is a large integer program: Jain et al. 2020, "Checkmate" (arXiv:1910.02653).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate
from math import prod

from ...boundary.lines import give_origin, inherit
from ...core import Graph, rebuilt
from ...core.node import ComputationNode as Node, tick
from ...errors import CompileError
from ...recomputation import later, operands_read
from ..cost import graph_cost, price
from ..patterns import is_constant
from ..pipeline import Snapshot
from .decide import Lowered

Planning = Callable[[Graph], Lowered]
MOST_ROUNDS = 40
LONGEST = 100  # operations computed again for one array
SMALL = 8  # an operand of an eighth of the size is kept, not computed again


def fitted(name: str, graph: Graph, most: int, planned: Planning) -> list[Snapshot]:
    """What was changed so that a program needs at most so many bytes. `planned` makes the plan of a graph.

    Raises CompileError where that cannot be done, with what is in use at the worst moment.
    """
    for goal, patient in ((most, False), (most // 2, False), (most, True)):  # what one greedy way misses, another finds
        after, lowered = recomputing(graph, goal, planned, patient)
        if lowered.plan.size <= most:
            break
    else:
        least = f"computing arrays again gets it to {lowered.plan.size:,} bytes"
        needs = f"{least}, and at once it needs {Moment(lowered).largest()}"
        remedy = "allow more, or take fewer samples at a time"
        raise CompileError(f"{name} does not fit memory={most:,}: {needs}: {remedy}")
    change = Snapshot("recompute", graph, after, graph_cost(graph), graph_cost(after), kept=True)
    return [change] if after is not graph else []


def recomputing(graph: Graph, most: int, planned: Planning, patient: bool = False) -> tuple[Graph, Lowered]:
    """The graph with late copies of operations, so that its plan needs at most `most` bytes if that can be.

    `planned` makes the plan of a graph. Gives the best graph that was found, itself where nothing helps, and its plan.
    If `patient`, each round forgets as few arrays as help; else as many as help most.
    """
    best = graph, planned(graph)
    for _ in range(MOST_ROUNDS):
        graph, lowered = best
        if lowered.plan.size <= most:
            break
        moment = Moment(lowered)
        forgotten = moment.worth_forgetting()
        sizes = accumulate(map(moment.bytes.__getitem__, forgotten))
        enough = 1 + sum(size < lowered.plan.size - most for size in sizes)
        counts = sorted({1, enough // 2, enough, 2 * enough, len(forgotten)})  # many get in each other's way
        graphs = [moment.without(graph, forgotten[:n]) for n in counts]
        tries = [(after, planned(after)) for after in graphs if after is not graph]
        least = min([lowered.plan.size, *(plan.plan.size for _, plan in tries)])
        bound = lowered.plan.size - 1 if patient else max(most, least)
        better = [each for each in tries if each[1].plan.size <= bound and least < lowered.plan.size]
        if not better:
            break
        best = better[0]  # that forgets least
    return best


class Moment:
    """The moment of a planned program at which most bytes are in use, and the arrays that wait there."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered, plan = lowered, lowered.plan
        self.order = [node for unit in lowered.units for node in unit.nodes]
        self.number = {node: i for i, node in enumerate(self.order)}
        self.bytes = {node: prod(plan.shapes[node]) * node.dtype.itemsize for node in plan.lives}
        changes = [0] * (len(self.order) + 2)
        for node, (start, end) in plan.lives.items():
            changes[start + (node in plan.replaced)] += self.bytes[node]  # written over an operand: there already
            changes[end + 1] -= self.bytes[node]
        self.in_use = list(accumulate(changes))
        self.at = self.in_use.index(max(self.in_use))
        self.readers: dict[Node, list[int]] = defaultdict(list)  # of an array: where its later readers begin
        self.forms: dict[Node, dict[Node, None]] = defaultdict(dict)  # the array or the views of it that they read
        begins = accumulate((len(unit.nodes) for unit in lowered.units), initial=0)
        for begin, unit in zip(begins, lowered.units, strict=False):
            for p in [p for node in unit.nodes for p in operands_read(node)] if begin > self.at else ():
                self.readers[lowered.root(p)].append(begin)
                self.forms[lowered.root(p)][p] = None

    def largest(self) -> str:
        """The largest arrays that are in use, in words."""
        alive = [node for node, (start, end) in self.lowered.plan.lives.items() if start <= self.at <= end]
        largest = sorted(alive, key=self.bytes.__getitem__, reverse=True)[:3]
        return ", ".join(f"{node.op} {node.shape} of {self.bytes[node]:,} bytes" for node in largest)

    def waiting(self) -> list[Node]:
        """The arrays that are in use at this moment, and read later, but not now."""
        now = {self.lowered.root(p) for p in (self.order[self.at], *operands_read(self.order[self.at]))}
        lives, parts = self.lowered.plan.lives, self.lowered.plan.parts
        return [
            node for node, (start, end) in lives.items()
            if start < self.at < end < len(self.order) and self.bytes[node] and self.readers[node]
            and node not in now and node not in parts
        ]  # fmt: skip

    def worth_forgetting(self) -> list[Node]:
        """The waiting arrays that can be forgotten, those first that give back most bytes for their time."""
        forgotten: list[Node] = []
        heap = [(0.0, self.number[node], node) for node in self.waiting()]
        heapify(heap)
        while heap:
            earlier, number, node = heappop(heap)
            if (chain := self.chain(node, forgotten)) is None:
                continue
            rate = (1 + sum(map(price, chain))) / self.bytes[node]
            if rate > earlier:  # it got more expensive since: what it is computed from was forgotten
                heappush(heap, (rate, number, node))
            else:
                forgotten.append(node)
        return forgotten

    def chain(self, node: Node, forgotten: Collection[Node]) -> list[Node] | None:
        """The operations to run again for an array, in order; None if they are too many, or no copy would stay late."""
        first = self.readers[node][0]
        stack = [form for form in self.forms[node] if self.number[form] < first]
        chain: dict[Node, None] = {}
        while stack:
            each = stack.pop()
            if each not in chain:
                chain[each] = None
                missing = [p for p in operands_read(each) if not self._is_there(p, first, node, forgotten)]
                timeless = not each.op.view and all(map(is_constant, each.parents))
                if timeless or len(chain) > LONGEST:
                    return None
                stack += missing
        return sorted(chain, key=self.number.__getitem__)

    def _is_there(self, node: Node, at: int, reader: Node, forgotten: Collection[Node]) -> bool:
        """Whether an operand can still be read at a moment, as far as that is not worth computing it again."""
        root = self.lowered.root(node)
        if root not in self.bytes or root.size * SMALL <= reader.size:  # not planned, or little
            return True
        start, end = self.lowered.plan.lives[root]
        return start < at <= end and root not in forgotten and root is not reader

    def without(self, graph: Graph, forgotten: Sequence[Node]) -> Graph:
        """The graph in which these arrays are computed again for those who read them after this moment."""
        chains, new, again = defaultdict[int, set[Node]](set), dict[Node, Node](), dict[Node, Node]()
        for node in forgotten:
            chains[self.readers[node][0]].update(self.chain(node, forgotten) or ())
        for i, node in enumerate(self.order):
            for each in sorted(chains[i] - again.keys(), key=self.number.__getitem__):
                start, before = tick(), new.get(self.order[i - 1], self.order[i - 1])
                # Of operands that are no copies, the copy waits for what runs just before; but constants stay literal.
                late = [
                    again.get(p, p) if p in again or is_constant(p) else later(new.get(p, p), before)
                    for p in each.parents
                ]
                again[each] = rebuilt(each, tuple(late)) if each.op is not later else late[0]
                give_origin(again[each], each.origin, start)
            start = tick()
            made = rebuilt(node, tuple([again.get(p, new.get(p, p)) for p in node.parents]))
            if made is not node:
                new[node] = made
                inherit(made, node, start, new, graph.memory)
        outputs = [new.get(y, y) for y in graph.outputs]
        return Graph(graph.inputs, outputs, graph.captured, graph.memory) if new else graph
