"""Run a graph forward

Write `evaluate(order, inputs)`. `order` is a list of nodes, parents before children. `inputs` is a dictionary with the
value of each leaf. Return a dictionary with the value of every node.

`node.op.forward(*arrays, **node.params)` computes the value of a node from those of its parents. The nodes are
symbolic, so they have no `.value`. Leave `inputs` as it is. A graph may be thousands of nodes deep.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    counted,
    deep,
    generators,
    graphs,
    label,
    number,
    require,
    returned,
    same,
)

from ._forward import random_order, symbolic, with_params

HINTS = (
    "One pass over `order` is enough. When you come to a node, the values of its parents are already there.",
    "Begin with a copy: `values = dict(inputs)`. Leaves have no parents, and their values are given.",
    "For each node with parents: `arrays = [values[parent] for parent in node.parents]`, then "
    "`values[node] = node.op.forward(*arrays, **node.params)`.",
)
ABOUT = (
    "Forward is one pass over the nodes in an order in which parents come first: each operation reads what is "
    "there and adds one value. Nothing is searched for and nothing is computed twice."
)
NEXT = (
    "Free the values that nobody will read any more while you go. How many are alive at once in a chain of 1,000 nodes?"
)
LEAVES = "the values of leaves are in inputs"
exercise = Exercise("02-evaluate", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def evaluate(order, inputs):
    """The value of every node in the order, as a dictionary."""
    values = dict(inputs)
    for node in order:
        if node.parents:
            arrays = [values[parent] for parent in node.parents]
            values[node] = node.op.forward(*arrays, **node.params)
    return values


@exercise.another()
def on_demand(order, inputs):
    """From the result: a node waits on a stack until its parents are known, so any order of the list will do."""
    values, stack = dict(inputs), list(order)
    while stack:
        node = stack[-1]
        missing = [parent for parent in node.parents if parent not in values]
        if missing:
            stack += missing
            continue
        stack.pop()
        if node not in values:
            values[node] = node.op.forward(*(values[p] for p in node.parents), **node.params)
    return values


def forward(order, inputs):
    """The right values, by the engine."""
    return dict(tl.Graph(list(inputs), order[-1:]).running(*inputs.values()))


def judge(evaluate, order, inputs):
    """Run the student's function, and raise unless every value is right."""
    answer = returned(
        with_params(evaluate, order, inputs, leaves=LEAVES), dict, "evaluate", "a dictionary of all values is needed"
    )
    expected, turned = forward(order, inputs), takes_the_last_parent_first(order, inputs)
    small = order[-1] if len(order) <= 12 else None
    sentence = (
        f"your dictionary has {len(answer)} entries, and the order {counted(len(order), 'node')}: some belong to "
    )
    require(answer.keys() <= {*order}, "foreign-node", f"{sentence}no node of it", show=small)
    for node in order:
        sentence = f"your dictionary has {len(answer)} of {counted(len(order), 'node')}: {label(node)} is missing"
        require(node in answer, "missing-node", sentence, show=small)
        value, right = as_array(answer[node], f"the value of {label(node)}"), as_array(expected[node])
        if same(value, right):
            continue
        numbers = ", ".join(number(float(expected[p])) for p in node.parents)
        sentence = f"{label(node)} of {numbers} is {number(float(right))}; you have {number(float(value))}"
        backward = same(value, as_array(turned[node]))
        require(not backward, "operand-order", f"{sentence}: keep the parents in their order", show=small)
        require(False, "wrong-value", sentence, show=small)


@exercise.check(points=3)
def test_every_value_is_right(evaluate, seed, budget):
    x, y = tl.parameter(2.0, "x"), tl.parameter(5.0, "y")
    judge(evaluate, *symbolic((x - y) * x))
    for (_, rng), output in zip(generators(seed, budget), graphs(seed, budget), strict=True):
        order, inputs = symbolic(output)
        judge(evaluate, random_order(rng, order), inputs)
    order, inputs = symbolic(tl.parameter(2.0**24 + 1, "x") - tl.parameter(2.0**24, "y"))
    answer = evaluate(order, inputs)
    sentence = f"16777217 - 16777216 is 1; you have {number(float(answer[order[-1]]))}: a float32 holds seven digits"
    require(float(answer[order[-1]]) == 1.0, "rounded", f"{sentence}, so leave the arrays as they are")


@exercise.check(points=1)
def test_a_deep_graph_is_no_problem(evaluate):
    for output in (tl.parameter(2.0, "x") * 3, deep()):  # in the deep one every value is 1
        judge(evaluate, *symbolic(output))


@exercise.mutant("operand-order")
def takes_the_last_parent_first(order, inputs):
    values = dict(inputs)
    for node in order:
        if node.parents:
            arrays = [values[parent] for parent in node.parents]
            values[node] = node.op.forward(*reversed(arrays), **node.params)
    return values
