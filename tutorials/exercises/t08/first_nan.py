r"""Where the NaN began

An infinity becomes a NaN, and a NaN makes everything a NaN that is computed from it. Where you see it is seldom where
it began. Write `first_nan(output)`. It returns a node below `output`, or `output` itself, with this property:

* its value holds a number that is not finite: NaN, infinity or minus infinity;
* the values of all its parents are finite. A leaf has no parents.

Where there are several, any of them will do. If all values in the graph are finite, it returns None. The graph may be
5,000 nodes deep.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.authoring import (
    Exercise,
    deep,
    generators,
    kind_of,
    ladder,
    number,
    numbers,
    random_graph,
    refuse,
    require,
)

HINTS = (
    "`np.isfinite(node.value).all()` says whether a node is fine. An infinity is where most NaNs come from, so do "
    "not look for NaN alone.",
    "Collect all nodes below the output with a list that grows while it is read. Do not stop at a node that is "
    "fine: e to the power of minus infinity is 0, so above an infinity all may look well.",
    "For every node: `bad(node) and not any(bad(p) for p in node.parents)`. Return the first for which it is true.",
)
ABOUT = (
    "A NaN spreads to all that is computed from it, so the output says nothing about where it began. The place to "
    "look is the border: a node that is not finite although all its parents are."
)
NEXT = "Make one on purpose: `tl.log(x) * x` at x = 0. Which node does your function name, and which would you repair?"
exercise = Exercise("08-first-nan", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT, limit=3.0)


@exercise.reference
def first_nan(output):
    """A node that is not finite although its parents are, or None."""

    def bad(node):
        return not np.isfinite(node.value).all()

    nodes, seen = [output], {output}
    for node in nodes:
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    for node in nodes:
        if bad(node) and not any(bad(parent) for parent in node.parents):
            return node
    return None


@exercise.another()
def first_in_order(output):
    """With parents first, the first node that is not finite can only have parents that are."""
    nodes = tl.Graph([], [output]).nodes
    return next((node for node in nodes if not np.isfinite(node.value).all()), None)


def bad(node):
    return not np.isfinite(node.value).all()


def label(node):
    """What to call a node, and its value."""
    value = f" = {number(float(node.value))}" if not node.shape else ""
    return f"{node.op} {node.name or ''}".strip() + value


def finds(first_nan, value):
    """Whether the student's function finds this value in an operation on a number."""
    with np.errstate(all="ignore"):
        return first_nan(tl.parameter(1.0, "x") * tl.constant(value, "c")) is not None


def judge(first_nan, output):
    """One graph: raise, and say what is wrong, unless the answer has the property."""
    with np.errstate(all="ignore"):
        answer = first_nan(output)
    nodes = topological_order([output])
    small = output if len(nodes) <= 12 else None
    origins = [n for n in nodes if bad(n) and not any(map(bad, n.parents))]
    if answer is None:
        sentence = f"you found nothing, and {label(origins[0]) if origins else ''} is not finite"
        hidden = bool(origins) and not bad(output)
        require(not hidden, "hidden", f"{sentence}: the output is fine, but not all below it", show=small)
        leaves = bool(origins) and not any(n.parents for n in origins)
        require(not leaves, "leaf-missed", f"{sentence}: a leaf can be the first, too; it has no parents", show=small)
        infinities = f"{sentence}: an infinity, also a negative one, is not finite either; ask np.isfinite"
        blind = (
            bool(origins) and finds(first_nan, np.nan) and not (finds(first_nan, np.inf) and finds(first_nan, -np.inf))
        )
        require(not blind, "infinity-missed", infinities, show=small)
        missed = f"{sentence}, and all its parents are: that is a node to give"
        require(not origins, "missed", missed, show=small)
        return
    if type(answer) is not tl.ComputationNode:
        raise refuse("wrong-type", f"first_nan gave {kind_of(answer)}; a node or None is needed")
    require(answer in nodes, "foreign-node", "the node that you gave is not part of the graph")
    require(bad(answer), "finite-node", f"you gave {label(answer)}, whose value is finite", show=small)
    parents = [p for p in answer.parents if bad(p)]
    if parents:
        nan = np.isnan(answer.value).any() and not any(np.isnan(p.value).any() for p in parents)
        partly = all(np.isfinite(p.value).any() for p in parents)
        sentence = (
            f"you gave {label(answer)}, and some numbers of its parent {label(parents[0])} are not finite: a node is "
        )
        require(not partly, "any-for-all", f"{sentence}fine if .all() of them are", show=small)
        sentence = f"you gave {label(answer)}, and its parent {label(parents[0])} is not finite either"
        require(not nan, "infinity-missed", f"{sentence}: an infinity is where this NaN comes from", show=small)
        require(False, "not-the-origin", f"{sentence}: go further down", show=small)


def poisoned(rng, size, kind):
    """A random graph with one node that is the first to be not finite."""
    with np.errstate(all="ignore"):
        start = random_graph(rng, size)
        spoiled = (
            lambda: tl.log(start - start),  # minus infinity
            lambda: tl.log(start - start) * 0.0,  # and then NaN
            lambda: tl.sqrt(-1.0 - start * start),  # NaN at once
            lambda: tl.exp(tl.log(start - start)) + 1.0,  # infinite, and then fine again
            lambda: tl.constant(np.inf, "c") - start,  # a leaf
        )[kind % 5]()
        other = tl.tanh(start * float(numbers(rng)))
        output = (spoiled * other, spoiled + other, other - spoiled)[kind % 3] if kind >= 5 else spoiled + 1.0
    for i, node in enumerate(topological_order([output])):
        node.name = node.name or f"n{i}"
    return output


@exercise.check(points=3)
def test_the_first_that_is_not_finite(first_nan, seed, budget):
    for i, (size, rng) in enumerate(generators(seed, budget)):
        judge(first_nan, poisoned(rng, size, i))


@exercise.check(points=1)
def test_nothing_where_all_is_well(first_nan, seed, budget):
    for size, rng in generators(seed, min(budget, 6)):
        judge(first_nan, random_graph(rng, size))
    with np.errstate(all="ignore"):
        judge(first_nan, tl.log(tl.parameter(0.0, "x")))  # so that None alone does not pass


MANY = "one graph has 2**40 paths, and walking each of them would never end: turn back at nodes that you have seen"


@exercise.check(points=1, slow=MANY)
def test_arrays_and_depth(first_nan):
    with np.errstate(all="ignore"):
        judge(first_nan, tl.sum(tl.log(tl.parameter([1.0, 0.0, 2.0], "p")) * 2.0))
        judge(first_nan, tl.log(deep() - 1.0))
    judge(first_nan, ladder(40))
