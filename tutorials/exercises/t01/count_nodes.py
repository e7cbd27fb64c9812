"""Count the nodes

Write `count_nodes(output)`: how many nodes does `output` depend on, itself included?

A node that is used twice is still one node. `node.parents` is the tuple of a node's parents, empty for a leaf. Nodes
can be kept in a set or a dictionary. Recursion is allowed.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_whole, counted, graphs, ladder, require, topological_order

HINTS = (
    "Walk from the output to its parents, to their parents, and so on. What must you remember on the way?",
    "Keep a set of the nodes that you have seen. When you meet one of them again, turn back at once.",
    "`seen = set()`, then a list `waiting = [output]`. Take one node out; if it is new, put it into `seen` and its "
    "parents into `waiting`. In the end return `len(seen)`.",
)
ABOUT = (
    "A graph is not a tree: a node with two users is met twice, so a walk must remember where it has been. With a "
    "set the work grows with the nodes, and without one with the paths, of which there may be a million million."
)
NEXT = (
    "Count the paths from the output down to the leaves, too, without walking each of them: keep a number for "
    "each node in place of a set."
)
exercise = Exercise("01-count-nodes", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT, limit=3.0)


@exercise.reference
def count_nodes(output):
    """How many nodes the output depends on, itself included."""
    seen, waiting = set(), [output]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(node.parents)
    return len(seen)


@exercise.another()
def recursively(output):
    """Each call counts what nobody has counted yet; Python's recursion limit is the price."""
    seen = set()

    def new(node):
        if node in seen:
            return 0
        seen.add(node)
        return 1 + sum(new(parent) for parent in node.parents)

    return new(output)


def uses(output):
    """The count of a walk that forgets where it has been."""
    visits = {}
    for node in topological_order([output]):
        visits[node] = 1 + sum(visits[p] for p in node.parents)
    return visits[output]


def judge(count, output, guessing=True):
    """Raise, and say what was counted, unless it is the number of nodes. On some graphs a guess would mislead."""
    nodes = topological_order([output])
    expected, leaves = len(nodes), sum(not node.parents for node in nodes)
    if count == expected:
        return
    sentence = f"you counted {count}; the graph has {counted(expected, 'node')}"
    small = output if expected <= 12 else None
    edges = sum(len(node.parents) for node in nodes)
    guesses = {
        "counted-twice": (uses(output), "a node that is used twice was counted at each use"),
        "leaves-missing": (expected - leaves, "the leaves are nodes, too"),
        "output-missing": (expected - 1, "did you leave out the output itself?"),
        "one-level": (1 + len(set(output.parents)), "the parents have parents of their own"),
        "only-leaves": (leaves, "these are the leaves alone"),
        "counted-edges": (edges, "that is the number of edges, from a node to each of its users"),
    }
    for code, (guess, why) in guesses.items():
        require(not guessing or count != guess, code, f"{sentence}: {why}", show=small)
    require(False, "wrong-count", sentence, show=small)


@exercise.check(points=2)
def test_a_node_used_twice_counts_once(count_nodes, seed, budget):
    a, b = tl.parameter(3.0, "a"), tl.parameter(2.0, "b")
    c = tl.parameter(0.5, "c")
    telling = tl.tanh(((a * b + a) * b + c) * 0.5)  # each of the guesses is another number here, so it goes first
    first, again = (as_whole(count_nodes(telling), "the count") for _ in range(2))
    judge(first, telling)
    sentence = f"called again with the same graph, it counts {again}, not {first}: does it remember the nodes of the "
    require(again == first, "remembers", f"{sentence}first call? A default such as seen=set() is made only once")
    for output in graphs(seed, budget):
        judge(as_whole(count_nodes(output), "the count"), output, guessing=False)


MANY = "the graph has 2**40 paths, and walking each of them would never end: turn back at nodes that you have seen"


@exercise.check(points=1, slow=MANY)
def test_many_paths_cost_nothing(count_nodes):
    for length in (4, 40):
        judge(as_whole(count_nodes(output := ladder(length)), "the count"), output)
