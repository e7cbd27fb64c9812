"""A topological order

Write `topo_sort(output)`: the list of all nodes that `output` depends on, `output` itself included. Each node is in it
once, and after all its parents.

A graph may be 5,000 nodes deep, and may have more paths than anyone can walk.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    are,
    as_nodes,
    counted,
    deep,
    graphs,
    label,
    ladder,
    require,
    topological_order,
)
from tinygrad_lora.learn.exercises.t02._forward import in_words

HINTS = (
    "A node may be listed as soon as all its parents are. So go down to the leaves first, and list on the way up.",
    "Keep a stack of your own. Take its top: if it has a parent that is not listed yet, push the parent. "
    "If it has none, list it and pop it.",
    "To push each node once, put pairs on the stack: `(node, False)` means go down, `(node, True)` means list it. "
    "On going down push `(node, True)` first, then `(parent, False)` for each parent.",
)
ABOUT = (
    "With parents before users, forward runs through the list from left to right, and backward from right to "
    "left. A stack of your own has no limit of depth, and a set of seen nodes keeps the work at one look at each "
    "edge."
)
NEXT = (
    "Kahn's algorithm also says what may run at the same time: list the nodes level by level. How many levels are "
    "there in a chain, and how many in a ladder?"
)
exercise = Exercise("04-topo", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT, limit=2.0)


@exercise.reference
def topo_sort(output):
    """All nodes below the output and itself, parents first."""
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


@exercise.another()
def by_kahns_algorithm(output):
    """Kahn's algorithm: whoever waits for no parent any more is listed, and its users wait for one less."""
    users, found = {output: []}, [output]
    for node in found:
        for parent in node.parents:
            if parent not in users:
                users[parent] = []
                found.append(parent)
            users[parent].append(node)
    missing = {node: len(node.parents) for node in found}
    order = [node for node in found if not node.parents]
    for node in order:
        for user in users[node]:
            missing[user] -= 1
            if missing[user] == 0:
                order.append(user)
    return order


def judge(answer, output):
    """Raise, and say what is wrong, unless this is an order of the graph below the output."""
    order, nodes = as_nodes(answer, "the order"), topological_order([output])
    small = output if len(nodes) <= 12 else None
    place = {node: i for i, node in enumerate(order)}
    sizes = f"your list has {counted(len(order), 'node')} and the graph {len(nodes)}"
    double = next((label(node) for i, node in enumerate(order) if place[node] != i), "")
    require(not double, "repeated", f"{sizes}: {double} is listed more than once", show=small)
    lost = [label(node) for node in nodes if node not in place]
    first = f"{', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}"
    require(not lost, "missing-node", f"{sizes}: {first} {are(lost)} missing", show=small)
    require(len(order) == len(nodes), "foreign-node", f"{sizes}: some node is not part of the graph", show=small)
    early = [(node, p) for node in nodes for p in node.parents if place[p] > place[node]]
    edges = sum(len(node.parents) for node in nodes)
    turned = f"your order {in_words(order)} begins with the output: turn it around, so that parents come first"
    require(not edges or len(early) < edges, "reversed", turned, show=small)
    if early:
        node, parent = early[0]
        sentence = f"in your order {in_words(order)} the node {label(node)} stands at place {place[node]}"
        where = f"{sentence}, before its parent {label(parent)} at place {place[parent]}"
        require(False, "parent-after-user", where, show=small)


def short_and_long():
    """A node with a short way and a long way to the output: x -> f, and x -> a -> b -> f."""
    x = tl.parameter(0.5, "x")
    a = tl.tanh(x)
    b = tl.tanh(a)
    a.name, b.name = "a", "b"
    return b * x


@exercise.check(points=3)
def test_parents_stand_before_their_users(topo_sort, seed, budget):
    first = short_and_long()
    judge(topo_sort(first), first)
    for output in graphs(seed, budget):
        judge(topo_sort(output), output)


@exercise.check(points=1)
def test_a_graph_deeper_than_the_stack(topo_sort):
    output = deep()
    judge(topo_sort(output), output)


MANY = "the graph has 2**40 paths, and walking each of them would never end: turn back at nodes that you have seen"


@exercise.check(points=1, slow=MANY)
def test_a_million_million_paths(topo_sort):
    output = ladder(40)
    judge(topo_sort(output), output)
