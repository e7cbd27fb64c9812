r"""How many multiplications?

Two graphs. In the first, a number is squared ten times in a row:

    power = x
    for _ in range(10):
        power = power * power

In the second, a product is used three times:

    t = x * y
    result = t * t + t

For each, write into `answers` how many multiplications the engine does, and how many there would be if the formula were
written out, with every shared part computed again at each use. Predict first; the engine counts when you check.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_whole, entry, require, topological_order

HINTS = (
    "With sharing, count the multiply boxes of the picture: each runs once.",
    "Written out, a square has all the multiplications of its operand twice, and one more.",
    "So the count goes 1, 3, 7, 15, ...: one less than a power of two. The second formula is (xy)(xy) + (xy).",
)
ABOUT = (
    "A graph computes a shared part once, and a formula that is written out computes it again at every use. Ten "
    "squarings in a row are ten multiplications, and more than a thousand without sharing."
)
NEXT = "How many are there for twenty squarings? And which is the shortest graph that computes x to the power of 1,000?"
exercise = Exercise("02-multiplications", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)
RIGHT = {"power, shared": 10, "power, written out": 1023, "sum, shared": 2, "sum, written out": 4}
exercise.answer(answers=RIGHT)


@exercise.another()
def counted_on_the_graphs():
    """Count on the graphs: a set of what was met for the shared ones, a plain recursion for the formula."""

    def written_out(node):
        return (str(node.op) == "multiply") + sum(map(written_out, node.parents))

    def shared(node, met):
        if node in met:
            return 0
        met.add(node)
        return (str(node.op) == "multiply") + sum(shared(parent, met) for parent in node.parents)

    power = x = tl.parameter(1.0)
    for _ in range(10):
        power = power * power
    t = x * tl.parameter(1.0)
    counts = {}
    for name, node in {"power": power, "sum": t * t + t}.items():
        counts |= {f"{name}, shared": shared(node, set()), f"{name}, written out": written_out(node)}
    return counts


def graphs():
    """The two graphs of this exercise, by name."""
    x, y = tl.placeholder((), name="x"), tl.placeholder((), name="y")
    power = x
    for _ in range(10):
        power = power * power
    t = x * y
    return {"power": power, "sum": t * t + t}


def counts(output):
    """Multiplications with sharing and written out, and for each what others count who miss the question."""
    nodes, products, letters, operations = topological_order([output]), {}, {}, {}
    for node in nodes:
        products[node] = (str(node.op) == "multiply") + sum(products[p] for p in node.parents)
        operations[node] = bool(node.parents) + sum(operations[p] for p in node.parents)
        letters[node] = sum(letters[p] for p in node.parents) if node.parents else 1
    shared = sum(str(node.op) == "multiply" for node in nodes)
    boxes = sum(bool(node.parents) for node in nodes)
    return {"shared": shared, "written out": products[output]}, {
        "shared": {
            "all-nodes": (len(nodes), "the number of nodes: leaves and sums multiply nothing"),
            "all-boxes": (boxes, "the number of boxes of operations: some add"),
        },
        "written out": {
            "all-operations": (operations[output], "the number of operations: some are sums"),
            "counted-letters": (letters[output], "how often a letter appears in the formula"),
            "twice-per-step": (2 * shared, "two for each box: a part used twice costs twice all that is in it"),
        },
    }


@exercise.check(points=2)
def test_every_count_is_right(answers):
    for name, output in graphs().items():
        expected, slips = counts(output)
        for how, right in expected.items():
            key = f"{name}, {how}"
            answer = as_whole(entry(answers, "answers", key), key)
            if answer == right:
                continue
            also = [why for slip, why in slips[how].values() if answer == slip]
            for other, number in expected.items():
                sentence = f"{key}: {answer} is right for {other!r}"
                require(other == how or answer != number, "other-question", sentence)
            for code, (slip, _) in slips[how].items():
                require(answer != slip, code, f"{key}: you wrote {answer}; that is {', or '.join(also)}")
            require(False, "wrong-count", f"{key}: {answer} is too {'many' if answer > right else 'few'}")
