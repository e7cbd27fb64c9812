"""List the edges

An edge leads from a parent to the node that uses it. Write `edges(output)`: the list of all pairs `(parent, user)` in
the graph of `output`, in any order.

In `a * a` the node `a` is used twice, so there are two edges, and both are `(a, output)`. Each node's edges are listed
once, however many paths lead to it.
"""

from collections import Counter

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    counted,
    graphs,
    kind_of,
    label,
    refuse,
    require,
    returned,
    topological_order,
)

HINTS = (
    "Every edge ends in one node. So go through the nodes, each once, and list what enters it.",
    "`node.parents` names a parent as often as it is used: the tuple of `a * a` is `(a, a)`. Do not make it a set.",
    "Walk as in count_nodes. When a node is new, add `(parent, node)` to the result for each of its parents.",
)
ABOUT = (
    "An edge belongs to an operand, not to a pair of nodes: `a * a` uses `a` twice, and each use will send back a "
    "gradient of its own. A set of edges would lose one of the two."
)
NEXT = (
    "Make a dictionary that gives for each node the list of its users. It is the same list read the other way, "
    "and the backward pass needs it."
)
exercise = Exercise("01-edges", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT, limit=3.0)


@exercise.reference
def edges(output):
    """All pairs (parent, user), as a list."""
    result, seen, waiting = [], set(), [output]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            result.extend((parent, node) for parent in node.parents)
            waiting.extend(node.parents)
    return result


@exercise.another()
def all_nodes_first(output):
    """First all nodes, one layer after another; then the edges in one line."""
    nodes = layer = {output}
    while layer:
        layer = {parent for node in layer for parent in node.parents} - nodes
        nodes = nodes | layer
    return [(parent, node) for node in nodes for parent in node.parents]


def as_pairs(pairs):
    """The student's list as a count of pairs of nodes."""
    why = ", since a set loses duplicates" if type(pairs) in (set, frozenset, dict) else ""
    returned(pairs, (list, tuple), "edges", f"a list is needed{why}")
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise refuse("wrong-type", f"{pair!r} is not a pair (parent, user)")
        if not all(isinstance(node, tl.ComputationNode) for node in pair):
            sentence = f"a pair holds two nodes, (parent, user); one of yours holds {' and '.join(map(kind_of, pair))}"
            raise refuse("wrong-type", sentence)
    return Counter((parent, user) for parent, user in pairs)


def judge(listed, output):
    """Raise, and say which edges are lost or added, unless they are all there."""
    nodes = topological_order([output])
    expected = Counter((parent, node) for node in nodes for parent in node.parents)
    if listed == expected:
        return
    sentence = f"you listed {counted(listed.total(), 'edge')}; the graph has {expected.total()}"
    small = output if len(nodes) <= 12 else None
    turned = Counter({(user, parent): n for (parent, user), n in listed.items()})
    require(turned != expected, "reversed", f"{sentence}, but each points backward: write (parent, user)", show=small)
    lost = f"{sentence}: an operand used twice enters twice, as in a * a"
    require(listed != Counter(expected.keys()), "edge-lost", lost, show=small)
    last = Counter((parent, output) for parent in output.parents)
    alone = f"{sentence}: those of the last node alone; its parents have parents"
    require(listed != last, "one-level", alone, show=small)
    once = not listed - expected and Counter(parent for parent, _ in listed) == Counter(set(nodes) - {output})
    seen = f"{sentence}: one edge leaves each node; a node that was seen before has an edge to its new user, too"
    require(not once, "shared-lost", seen, show=small)
    missing, extra = expected - listed, listed - expected
    repeated = not missing and all(pair in expected for pair in extra)
    require(not repeated, "repeated", f"{sentence}: a node met twice lists its edges again; remember it", show=small)
    pair = next(iter(missing or extra))
    words = " to ".join(map(label, pair))
    require(False, "wrong-edges", f"{sentence}: {'missing' if missing else 'too many'}: {words}", show=small)


@exercise.check(points=1)
def test_a_times_a_has_two_edges(edges):
    a = tl.parameter(3.0, "a")
    output = a * a
    judge(as_pairs(edges(output)), output)


@exercise.check(points=2)
def test_all_edges_are_listed_once(edges, seed, budget):
    for output in graphs(seed, budget):
        judge(as_pairs(edges(output)), output)
