r"""Compute equal things once

In `tl.exp(x * y) + x * y` the product appears twice. Two operations are **equal** if they are the same operation,
with equal parameters, on the same nodes. Write `merge_duplicates(graph)`: a pass that returns a graph in which no two
operations are equal, and which computes the same.

`graph.map(build)` makes the new graph. It calls `build(old, parents)` for each operation, parents first. `parents` are
the nodes that have taken the place of the old parents, and what `build` returns takes the place of `old`. So `build`
may return a node that it has seen before, `old` itself if nothing has changed, or a new one:
`old.op(*parents, **old.params)`.

For the last point of the score, treat `x * y` and `y * x` as equal, too, and `x + y` and `y + x`. The operations are
`tl.multiply` and `tl.add`.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    Graph,
    as_array,
    counted,
    example,
    kind_of,
    number,
    numbers,
    refuse,
    require,
    same,
)

from ._programs import functions

HINTS = (
    "Keep a dictionary from what an operation is to the first node that was it. What makes two operations equal?",
    "The key has three parts: the operation, the new parents in order, and the parameters. A dictionary is no key; "
    "`str(sorted(old.params.items()))` is. Nodes may stand in a key, since each equals only itself.",
    "`key = (old.op, parents, str(sorted(old.params.items())))`. If it is not in `first`, store `old` there if "
    "`parents == old.parents`, else the new node. Return `first[key]`. For add and multiply sort by `id`.",
)
ABOUT = (
    "Parents come first, so equal parents are already one node when their users are compared: one dictionary is "
    "enough. Operands of + and * are put into a fixed order, and then swapped ones are equal, too."
)
NEXT = (
    "Look at the same pass in the engine: `tl.compile(f)` keeps every pass in `.snapshots`, before and after. "
    "What does it merge in the gradient of `tl.tanh(x) * x`?"
)
exercise = Exercise("09-cse", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def merge_duplicates(graph):
    """The graph in which equal operations on equal operands are one node."""
    first = {}

    def build(old, parents):
        operands = parents
        if old.op in (tl.add, tl.multiply):
            operands = tuple(sorted(parents, key=id))
        key = (old.op, operands, str(sorted(old.params.items())))
        if key not in first:
            first[key] = old if parents == old.parents else old.op(*parents, **old.params)
        return first[key]

    return graph.map(build)


@exercise.another()
def by_numbers(graph):
    """Value numbering: each node has a number, and an operation is a text of numbers. Equal text, equal node."""
    number, first = {}, {}

    def build(old, parents):
        operands = [number.setdefault(parent, len(number)) for parent in parents]
        if str(old.op) in ("add", "multiply"):
            operands.sort()
        text = f"{old.op} {operands} {sorted(old.params.items())}"
        if text not in first:
            first[text] = old if parents == old.parents else old.op(*parents, **old.params)
        return first[text]

    return graph.map(build)


def merged(graph, key):
    """The pass with another key: operations with equal keys become one."""
    first = {}

    def build(old, parents):
        return first.setdefault(key(old, parents), old if parents == old.parents else old.op(*parents, **old.params))

    return graph.map(build)


def params_of(node):
    return str(sorted(node.params.items()))


def ordered(old, parents):
    return old.op, parents, params_of(old)


def one_level(old, parents):
    return old.op, old.parents, params_of(old)


def operations(graph):
    return sum(bool(node.parents) for node in graph.nodes)


def judge(merge_duplicates, f, names, rng, fewest=None):
    """One function: raise, and say what is wrong, unless the pass keeps its numbers and merges all that is equal."""
    graph = tl.trace(f, *[tl.placeholder((), name=name) for name in names])
    try:
        improved = merge_duplicates(graph)
    except Exception as error:
        if "not one of the inputs" not in str(error):
            raise
        sentence = (
            "your build gave a node that belongs to another graph: does a dictionary keep nodes from call to call?"
        )
        raise refuse("foreign-node", f"{sentence} Make it inside the function") from None
    if improved is None:
        raise refuse("no-return", "merge_duplicates gave None: does it end with `return graph.map(build)`?")
    require(type(improved) is Graph, "wrong-type", f"merge_duplicates gave {kind_of(improved)}; a Graph is needed")
    arrays = [numbers(rng) for _ in names]
    right, result = (float(g(*arrays)[0]) for g in (graph, improved))
    if not same(as_array(result), as_array(right)):
        message = f"before the pass the result is {number(right)}, and after it {number(result)}; it must stay the same"
        shown = example(result, right, **dict(zip(names, arrays, strict=True)))
        pairs = {
            "parameters-ignored": ("operations with different parameters are not equal, such as 2 x and -0.5 x",
                                   lambda old, parents: (old.op, parents)),
            "order-ignored": ("x - y is not y - x: only add and multiply may swap operands",
                              lambda old, parents: (old.op, tuple(sorted(parents, key=id)), params_of(old))),
            "operation-ignored": ("different operations on the same operands are not equal",
                                  lambda old, parents: (parents, params_of(old))),
        }  # fmt: skip
        for code, (sentence, key) in pairs.items():
            slipped = float(merged(graph, key)(*arrays)[0])
            unlike = not same(as_array(result), as_array(slipped))
            require(unlike, code, f"{message}: {sentence}", show=graph, example=shown)
        require(False, "other-result", message, show=graph, example=shown)
    best, have = operations(merged(graph, ordered)) if fewest is None else fewest, operations(improved)
    message = f"your graph has {counted(have, 'operation')}, and {best} would do"
    swapped = f"{message}: x y and y x are the same"
    require(fewest is None or have <= best, "commutative", swapped, show=improved)
    shallow = have == operations(merged(graph, one_level)) != operations(graph)
    deep = f"{message}: after two nodes were merged, their users may be equal; look at the new parents, not at the old"
    require(have <= best or not shallow, "one-level", deep, show=improved)
    require(have <= best, "not-merged", message, show=improved)


@exercise.check(points=4)
def test_equal_operations_become_one(merge_duplicates, seed, budget):
    rng = np.random.default_rng(seed)
    judge(merge_duplicates, lambda x, y: tl.exp(x * y) + x * y, ["x", "y"], rng)
    judge(merge_duplicates, lambda x, y: (2 * x) * (-0.5 * x) + (x - y) * (y - x), ["x", "y"], rng)
    judge(merge_duplicates, lambda x: tl.tanh(3 * (x * x)) - tl.exp(3 * (x * x)), ["x"], rng)
    for f, names in functions(seed, budget, shared=False):
        judge(merge_duplicates, f, names, rng)


@exercise.check(points=1)
def test_factors_and_terms_may_be_swapped(merge_duplicates, seed):
    rng = np.random.default_rng(seed)
    judge(merge_duplicates, lambda x, y: tl.tanh(x * y) + tl.exp(y * x), ["x", "y"], rng, 4)
    judge(merge_duplicates, lambda x, y: (x + y) * (y + x) - (x - y) * (y - x), ["x", "y"], rng, 6)
