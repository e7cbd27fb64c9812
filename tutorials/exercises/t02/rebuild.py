"""Rebuild a graph from its picture

Write `rebuild(x, y)`. It returns the last node of the graph in the picture, made from the nodes `x` and `y`. A box with
two arrows going out is one node with two users. The letters at the arrows of `subtract` are its operands, `a - b`.

The same as text:

| box | gets |
|---|---|
| `add` | `x` and `y` |
| `tanh` | the sum |
| `multiply` | the sum and the tanh |
| `subtract` | `a`: the product, `b`: the tanh |
"""

from collections import Counter
from typing import Any

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, label, require, returned, times, topological_order

HINTS = (
    "Give each box a name of its own in Python, from the top down. Four boxes are operations: four lines.",
    "`s = x + y` is the sum; `tl.tanh(s)` is the next box. Use the name `s` again where its second arrow ends.",
    "`t = tl.tanh(s)`, then the product of `s` and `t`; the last line subtracts `t` from it.",
)
ABOUT = (
    "An arrow in the picture is an operand in the code, and a box with two arrows going out is a name that is "
    "used twice. Whoever writes `x + y` at both places gets a second box with the same number in it."
)
NEXT = (
    "Write `x + y` at both places on purpose, compile both functions with `tl.compile`, and compare what "
    "`.source` says."
)
exercise = Exercise("02-rebuild", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)
COMMUTATIVE = ("add", "multiply")
PICTURE = {"add": ["x", "y"], "tanh": ["add"], "multiply": ["add", "tanh"], "subtract": ["multiply", "tanh"]}


@exercise.reference
def rebuild(x, y):
    """The last node of the picture."""
    s = x + y
    t = tl.tanh(s)
    return s * t - t


@exercise.another()
def in_one_expression(x, y):
    """One expression: `:=` names what is used twice, at the place where it is made."""
    return (s := x + y) * (t := tl.tanh(s)) - t


def forms(output, x, y, swapped=False):
    """For each node what it computes, as nested tuples; operands sorted where their order does not count."""
    form_of: dict[Any, Any] = {x: ("x",), y: ("y",)}
    for node in topological_order([output]):
        if node in form_of:
            continue
        parts = [form_of[p] for p in node.parents]
        if str(node.op) in COMMUTATIVE:
            parts = sorted(parts, key=repr)
        elif swapped:
            parts = parts[::-1]
        form_of[node] = (str(node.op), *sorted(node.params.items()), *parts)
    return form_of


def built(rebuild):
    """The student's graph, and the leaves that it was given."""
    x, y = tl.placeholder((), name="x"), tl.placeholder((), name="y")
    needed = "the last node of the graph is needed"
    return returned(rebuild(x, y), tl.ComputationNode, "rebuild", needed), x, y


def judge(output, x, y):
    """Raise, and say what is different, unless the graph computes what the picture computes."""
    form, target = forms(output, x, y)[output], _target()
    if form == target:
        return
    turned = forms(output, x, y, swapped=True)[output]
    sentence = "subtract has its operands the wrong way around: the product is a, the tanh is b"
    require(turned != target, "operand-order", sentence, show=output)
    nodes = [node for node in topological_order([output]) if node not in (x, y)]
    leaves = [label(node) for node in nodes if not node.parents]
    sentence = f"the leaves of the picture are x and y; your graph has another: {', '.join(leaves)}"
    require(not leaves, "other-operations", sentence, show=output)
    expected, have = Counter(["add", "tanh", "multiply", "subtract"]), Counter(str(node.op) for node in nodes)
    for op in sorted(expected.keys() | have.keys()):
        sentence = f"the picture has {expected[op] or 'no'} {op} and your graph has {have[op] or 'none'}"
        require(have[op] == expected[op], "other-operations", sentence, show=output)
    for node in nodes:
        gets, wanted = sorted(p.name or str(p.op) for p in node.parents), PICTURE[str(node.op)]
        sentence = f"the boxes are right, but {node.op} gets {' and '.join(gets)}; in the picture it gets "
        require(gets == wanted, "other-arrows", f"{sentence}{' and '.join(wanted)}", show=output)
    require(False, "other-arrows", "the boxes are right, but some arrow starts at another box", show=output)


@exercise.check(points=2)
def test_every_box_gets_what_the_arrows_say(rebuild):
    judge(*built(rebuild))


@exercise.check(points=1)
def test_what_has_two_users_is_computed_once(rebuild):
    output, x, y = built(rebuild)
    judge(output, x, y)
    again = {form[0]: n for form, n in Counter(forms(output, x, y).values()).items() if n > 1}
    often = " and ".join(f"{op} appears {times(n)}" for op, n in again.items())
    sentence = f"{often}: the picture has one box with two arrows; give it a name, reuse it"
    require(not again, "not-shared", sentence, show=output)


def _target():
    x, y = tl.placeholder(()), tl.placeholder(())
    output = rebuild(x, y)
    return forms(output, x, y)[output]
