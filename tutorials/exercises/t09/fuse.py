r"""Fuse elementwise operations

Write `fuse(graph)`. It puts the operations of a graph into groups, one for each line of a program. Return a list of
lists of nodes:

* Each operation is in one group. The last of a group is its result; the others have moved into its line.
* A node moves into the group of its user if both are elementwise (`node.op.elementwise`), and the node is used once in
  all: by one operation, as one operand. Being in `graph.outputs` is a use as well.
* Every node that may move does move. In a group, parents come before their users, and so do the groups.

`graph.nodes` are all nodes, parents first; the leaves among them have no parents, and belong to no group.
"""

from tinygrad_lora.core.node import placeholder
from tinygrad_lora.core.ops import add, exp, matmul, multiply, tanh
from tinygrad_lora.learn.authoring import Exercise, Graph, as_nodes, counted, require, returned

from ._programs import programs, uses

HINTS = (
    "First count the uses of each node: go through all parents of all nodes, and through the outputs.",
    "Then go through the operations, parents first. Keep the group that each result ends. An operation takes "
    "over the groups of those parents that may move into it.",
    "`group[node] = [*moved, node]`, where `moved` joins `group.pop(p)` for each parent p that is an elementwise "
    "operation with one use, if node is elementwise. At the end `return list(group.values())`.",
)
ABOUT = (
    "A result that is read once, by an elementwise operation, needs no array of its own: it can be computed in "
    "the line of its user. Fewer arrays go to memory and back, and that is what takes the time."
)
NEXT = (
    "Count the bytes that your groups save on a graph of your own: each node that moved saves one write and one "
    "read of its array."
)
exercise = Exercise("09-fuse", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def fuse(graph):
    """The operations in groups, one for each line; the last of a group is its result."""
    used = dict.fromkeys(graph.nodes, 0)
    for node in graph.nodes:
        for parent in node.parents:
            used[parent] += 1
    for node in graph.outputs:
        used[node] += 1
    group = {}
    for node in graph.nodes:
        if not node.parents:
            continue
        moved = []
        for parent in node.parents:
            if node.op.elementwise and parent in group and parent.op.elementwise and used[parent] == 1:
                moved += group.pop(parent)
        group[node] = [*moved, node]
    return list(group.values())


@exercise.another()
def by_asking_the_user(graph):
    """From the end: each operation asks its only user which line it belongs to; then one pass collects the lines."""
    users = {node: [] for node in graph.nodes}
    for node in graph.nodes:
        for parent in node.parents:
            users[parent].append(node)
    operations, line = [node for node in graph.nodes if node.parents], {}
    for node in reversed(operations):
        alone = len(users[node]) == 1 and node not in graph.outputs
        moves = alone and node.op.elementwise and users[node][0].op.elementwise
        line[node] = line[users[node][0]] if moves else node
    groups = {node: [] for node in operations if line[node] is node}
    for node in operations:
        groups[line[node]].append(node)
    return list(groups.values())


right = fuse


def label(node):
    return str(node.op)


def judge(fuse, graph):
    """One graph: raise, and say what is wrong, unless the groups keep to the rules."""
    answer = returned(fuse(graph), (list, tuple), "fuse", "a list of lists of nodes is needed")
    groups = [as_nodes(group, "a group") for group in answer]
    require(all(groups), "empty-group", "one of your groups is empty", show=graph)
    flat = [node for group in groups for node in group]
    needed = [node for node in graph.nodes if node.parents]
    require(not [n for n in flat if not n.parents], "leaf-listed", "an input is in a group", show=graph)
    sentence = f"your groups hold {counted(len(flat), 'node')}, and the graph has {counted(len(needed), 'operation')}"
    require(len(flat) == len(set(flat)), "repeated", f"{sentence}: some node appears twice", show=graph)
    require(set(flat) == set(needed), "missing-node", sentence, show=graph)
    for node in flat:
        late = [p for p in node.parents if p.parents and flat.index(p) > flat.index(node)]
        sentence = f"{label(node)} stands before its parent {label(late[0]) if late else ''}"
        require(not late, "wrong-order", sentence, show=graph)
    used, home = uses(graph), {node: i for i, group in enumerate(groups) for node in group}
    for i, group in enumerate(groups):
        words = f"the group ({', '.join(map(label, group))})"
        for node in group[:-1]:
            rest = f"{words}: {label(node)}"
            users = [u for u in graph.users[node] if home[u] == i]
            bad = [n for n in (node, *users) if not n.op.elementwise]
            sentence = f"{words}: {label(bad[0]) if bad else ''} is not elementwise, so it has a line of its own"
            require(not bad, "not-elementwise", sentence, show=graph)
            require(node not in graph.outputs, "is-output", f"{rest} is an output, so its array is needed", show=graph)
            sentence = f"{rest} is used {used[node]} times, so its array must be kept"
            require(used[node] == 1, "used-twice", sentence, show=graph)
            require(bool(users), "other-group", f"{rest} is not used in this group", show=graph)
    best = len(right(graph))
    sentence = f"you have {counted(len(groups), 'group')}, and {best} would do: some node that may move has stayed"
    require(len(groups) == best, "too-careful", sentence, show=graph)


def examples():
    """Small graphs in which one thing after another must be noticed."""

    def graph(f):
        x, y = (placeholder((3, 3), name=name) for name in "xy")
        outputs = f(x, y)
        return Graph([x, y], outputs)

    def output_inside(x, y):
        a = tanh(x)
        return [a, exp(a)]

    def shared(x, y):
        a = tanh(x)
        return [add(exp(a), multiply(a, y))]

    def squared(x, y):
        a = tanh(x)
        return [multiply(a, a)]

    yield graph(lambda x, y: [tanh(add(x, y))])
    yield graph(lambda x, y: [tanh(matmul(x, tanh(y)))])
    yield graph(output_inside)
    yield graph(shared)
    yield graph(squared)


@exercise.check(points=2)
def test_five_small_graphs(fuse):
    for graph in examples():
        judge(fuse, graph)


@exercise.check(points=3)
def test_random_graphs(fuse, seed, budget):
    for graph in programs(seed, budget):
        judge(fuse, graph)
