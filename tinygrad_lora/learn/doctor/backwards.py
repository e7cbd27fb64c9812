"""`diagnose_backward`: what is wrong with a backward pass through a whole graph."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ...core import autodiff
from ...core.graph import topological_order
from ...core.node import ComputationNode, Shape
from ...view.contributions import contributions
from ...view.words.sentences import spoken
from ..cases import graphs
from ..diagnosis import Diagnosis, number, pictured
from ..exact import same
from ..zoo import bug

ByNode = Mapping[ComputationNode, Any]  # gradients; None for a node without one
Backward = Callable[[ComputationNode], Any]
Order = Callable[[ComputationNode], Iterable[ComputationNode]]
Explanation = Callable[[ComputationNode, ByNode], bool]  # of an output, and what was filled in


def diagnose_backward(backward: Backward, *, seed: int = 0, budget: int = 20, shape: Shape = ()) -> Diagnosis | None:
    """What is wrong with `backward(output)`, which fills in `.gradient` of every node; None if nothing is.

    It is run on random graphs in which nodes are used several times, the smallest first. A mistake gets a name if the
    same mistake, made on purpose, gives the same gradients in every graph. The smallest graph on which it shows is
    drawn, with what was filled in.

    backward: a function of a scalar node
    seed: a whole number that draws the graphs
    budget: how many graphs
    shape: that of the arrays in them
    Returns a `Diagnosis`, or None.

    >>> tl.learn.diagnose_backward(lambda output: output.backward())
    """
    failed = []
    for output in graphs(seed, budget, shape=shape):
        filled, right = _filled(backward, output), _right(output)
        if not _equal(filled, right):
            failed.append((output, filled, right))
    if not failed:
        return None
    for code, mistake, explains in MISTAKES:
        if all(explains(output, filled) for output, filled, _ in failed):
            return _diagnosis(code, mistake, *failed[0])
    return _diagnosis("differs", "", *failed[0])


def _filled(backward: Backward, output: ComputationNode) -> dict[ComputationNode, Any]:
    backward(output)
    return {node: node.gradient for node in topological_order([output])}


def _right(output: ComputationNode) -> ByNode:
    return dict(autodiff.pulling_back(output, np.ones(output.shape)[()]))


def _equal(a: ByNode, b: ByNode) -> bool:
    """The same gradient for every node; None where there is none."""
    return all(_same(a.get(node), b.get(node)) for node in {*a, *b})


def _same(a: Any, b: Any) -> bool:
    return a is b or (a is not None and b is not None and same(np.asarray(a, float), np.asarray(b, float)))


def _diagnosis(code: str, mistake: str, output: ComputationNode, filled: ByNode, right: ByNode) -> Diagnosis:
    """The mistake, with the numbers of the wrong node that is nearest to the output."""
    order = topological_order([output])
    node = next(n for n in reversed(order) if not _same(filled.get(n), right.get(n)))
    name = spoken(node.op, node.name or f"%{order.index(node)}")
    was = "still None" if filled.get(node) is None else _shown(filled[node])
    where = f"in the picture, the gradient of {name} is {was} and should be {_shown(right[node])}"
    return Diagnosis(code, f"{mistake}: {where}" if mistake else where, name, pictured(output))


def _shown(x: Any) -> str:
    return number(float(x)) if np.ndim(x) == 0 else str(np.asarray(x).tolist())


# --- The same mistakes, made on purpose ---


def _gives(engine: Callable[[ComputationNode], ByNode]) -> Explanation:
    return lambda output, filled: _equal(filled, engine(output))


def _naive(output: ComputationNode) -> ByNode:
    with bug("naive_recursion"):
        return _right(output)


def _one_share_each(output: ComputationNode, filled: ByNode) -> bool:
    """Whether each node has what one of its users sends. Which one depends on the order, so any will do."""
    nodes = topological_order([output])
    sent: dict[ComputationNode, list[Any]] = {node: [] for node in nodes}
    sent[output].append(np.ones(output.shape)[()])
    for node in nodes:
        if filled.get(node) is not None:
            for _, parent, share in contributions(node, np.asarray(filled[node], float)[()]):
                sent[parent].append(share)
    return all(any(_same(filled.get(node), share) for share in sent[node]) for node in nodes)


def _in_order(order: Order, start: float = 1.0) -> Explanation:
    """An engine that visits each node once, in an order that need not wait for all users, explains the gradients."""

    def engine(output: ComputationNode) -> ByNode:
        gradients: dict[ComputationNode, Any] = dict.fromkeys(topological_order([output]))
        gradients[output] = start * np.ones(output.shape)[()]
        for node in order(output):
            if gradients[node] is not None:
                for _, parent, share in contributions(node, gradients[node]):
                    gradients[parent] = share if gradients[parent] is None else gradients[parent] + share
        return gradients

    return _gives(engine)


def _walk(take: int, side: int) -> Order:
    """From the output down: `take` 0 is breadth first, -1 depth first; `side` -1 begins with the last operand."""

    def order(output: ComputationNode) -> Iterator[ComputationNode]:
        waiting, seen = deque([output]), set[ComputationNode]()
        while waiting:
            node = waiting.popleft() if take == 0 else waiting.pop()
            if node not in seen:
                seen.add(node)
                yield node
                waiting.extend(node.parents[::side])

    return order


def _topological(step: int) -> Order:
    return lambda output: topological_order([output])[::step]


def _nothing(output: ComputationNode) -> ByNode:
    return dict.fromkeys(topological_order([output]))


def _only_leaves(output: ComputationNode) -> ByNode:
    return {node: g for node, g in _right(output).items() if not node.parents}


def _without_output(output: ComputationNode) -> ByNode:
    return {node: g for node, g in _right(output).items() if node is not output}


_EARLY = "a node passed its gradient on before all its users had contributed; go in reverse topological order"
MISTAKES: tuple[tuple[str, str, Explanation], ...] = (
    ("not-filled", "no gradient was filled in", _gives(_nothing)),
    ("only-leaves", "only the leaves got a gradient; every node has one", _gives(_only_leaves)),
    ("missing-seed", "the output has no gradient; with respect to itself it is 1", _gives(_without_output)),
    ("zero", "everything is 0: the output's own gradient must be 1 at the start", _in_order(_topological(-1), 0.0)),
    ("sign", "every gradient has the wrong sign", _in_order(_topological(-1), -1.0)),
    ("overwritten", "one user's share is all that is kept; the gradient is the sum of all", _one_share_each),
    ("naive-recursion", "a node passed its gradient on again with each new share", _gives(_naive)),
    *(("wrong-order", _EARLY, _in_order(_walk(take, side))) for take in (0, -1) for side in (1, -1)),
    ("wrong-order", "the order must be reversed: the output comes first", _in_order(_topological(1))),
)  # fmt: skip
