"""Is this order valid?

Write `is_valid(order)`. It takes a list of nodes and returns True or False. An order is valid if it can be run from
left to right: each node is in it once, and after all its parents.

A node whose parent is not in the list at all cannot be run.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_bool, generators, graphs, require, shuffled

from ._forward import in_words, random_order, symbolic

HINTS = (
    "Go through the list, and remember which nodes you have passed. What must be true of the next one?",
    "All its parents have been passed, and it has not. A leaf has no parents, so only the second part counts.",
    "`if node in seen or not all(parent in seen for parent in node.parents): return False`",
)
ABOUT = (
    "An order can be run if every node finds its parents' values already there. A set of what has been passed "
    "decides that in one pass, and a graph usually has many valid orders."
)
NEXT = (
    "How many valid orders are there for two chains of three nodes that meet in a sum? Count them with "
    "`itertools.permutations` and your function."
)
exercise = Exercise("02-valid", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def is_valid(order):
    """Whether each node stands once, and after all its parents."""
    seen = set()
    for node in order:
        if node in seen or not all(parent in seen for parent in node.parents):
            return False
        seen.add(node)
    return True


@exercise.another()
def by_their_places(order):
    """A dictionary of places: as many as there are nodes, and every parent at a smaller one."""
    place = {node: i for i, node in enumerate(order)}
    early = all(place.get(parent, len(order)) < i for node, i in place.items() for parent in node.parents)
    return early and len(place) == len(order)


def right(order):
    """Whether this order is valid."""
    place = {node: i for i, node in enumerate(order)}
    return len(place) == len(order) and all(place.get(p, i) < i for node, i in place.items() for p in node.parents)


def examples():
    """Orders of one small graph, each with the code and the sentence for whoever gets it wrong."""
    x, y = tl.placeholder((), name="x"), tl.placeholder((), name="y")
    a = x * y
    b = tl.tanh(a)
    c = b - y
    a.name, b.name, c.name = "a", "b", "c"
    yield [x, y, a, b, c], "rejects-valid", "it can be run"
    yield [y, x, a, b, c], "rejects-valid", "it can be run: which leaf comes first does not matter"
    yield [c, b, a, y, x], "position-ignored", "c comes first, before its parents"
    yield [a, x, y, b, c], "position-ignored", "a comes first, before its parents"
    yield [x, a, y, b, c], "one-parent-only", "a stands before y, its second parent"
    yield [y, a, x, b, c], "one-parent-only", "a stands before x, its first parent"
    yield [x, a, b], "missing-parent", "y is a parent of a and is missing"
    yield [x, y, a, a, b, c], "node-twice", "a appears twice"
    yield [x, y, a, c, b], "position-ignored", "c stands before b, its parent"


def judge(is_valid, order, code, why):
    """One order: raise, and say why, unless the answer is right."""
    answer, expected = as_bool(is_valid(order), "the answer"), right(order)
    require(answer == expected, code, f"the order {in_words(order)} is {'' if expected else 'not '}valid: {why}")


@exercise.check(points=2)
def test_a_small_graph(is_valid):
    answers = [(order, as_bool(is_valid(order), "the answer")) for order, _, _ in examples()]
    inverted = all(answer != right(order) for order, answer in answers)
    sentence = "you say True of every order that is not valid, and False of every one that is"
    require(not inverted, "inverted", sentence)
    first = all(answer == (not order[0].parents) for order, answer in answers)
    sentence = "your answer looks at the first node alone: a `return` inside the loop ends it in the first round"
    require(not first, "stops-too-soon", sentence)
    for order, code, why in examples():
        judge(is_valid, order, code, f"{why} (a is x * y, b is tanh(a), c is b - y)")


@exercise.check(points=2)
def test_random_orders(is_valid, seed, budget):
    for (_, rng), output in zip(generators(seed, budget), graphs(seed, budget), strict=True):
        nodes, _ = symbolic(output)
        for order in (random_order(rng, nodes), shuffled(rng, nodes)):
            if right(order):
                judge(is_valid, order, "rejects-valid", "it can be run")
            else:
                judge(is_valid, order, "position-ignored", "some node stands before one of its parents")
