"""The backward pass

Write `backward(order)`. `order` is a list of nodes that have values, parents before children; the last one is the
output, a number. Return a dictionary with the gradient of the output with respect to every node.

`node.op.vjp(g, node.value, *values, **node.params)` is the backward rule of a node. It takes the node's own gradient
`g` and the values of its parents. It returns a tuple: one share for each parent, in order.
"""

from typing import Any

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    counted,
    deep,
    graphs,
    label,
    number,
    require,
    returned,
    same,
)
from tinygrad_lora.learn.exercises.t02._forward import with_params

HINTS = (
    "When is the gradient of a node complete? When all its users have sent their share. So where must you begin?",
    "Begin with 0 for every node and 1 for the output. Go through `reversed(order)`; leaves send nothing on.",
    "For each node with parents: `values = [parent.value for parent in node.parents]`, then `shares = "
    "node.op.vjp(gradients[node], node.value, *values, **node.params)`. Then for each parent and share: "
    "`gradients[parent] += share`.",
)
ABOUT = (
    "Backward is forward in reverse: when a node's turn comes, all its users have sent their shares, so its "
    "gradient is complete. Shares are added because a change in the node reaches the output along every use at "
    "once."
)
NEXT = (
    "Count how often `node.op.vjp` is called in a graph with a million paths. Then leave out the calls for nodes "
    "that depend on no parameter."
)
LEAVES = "a leaf has nobody to send a share to"
exercise = Exercise("04-backward", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def backward(order):
    """The gradient of the last node with respect to every node, as a dictionary."""
    gradients = dict.fromkeys(order, 0.0)
    gradients[order[-1]] = 1.0
    for node in reversed(order):
        if node.parents:
            values = [parent.value for parent in node.parents]
            shares = node.op.vjp(gradients[node], node.value, *values, **node.params)
            for parent, share in zip(node.parents, shares, strict=True):
                gradients[parent] += share
    return gradients


@exercise.another()
def by_asking_the_users(order):
    """The other direction: no node sends, each asks its users for their shares."""
    users = {node: [] for node in order}
    for user in order:
        for place, parent in enumerate(user.parents):
            users[parent].append((user, place))
    gradients = {order[-1]: 1.0}

    def share(user, place):
        values = [parent.value for parent in user.parents]
        return user.op.vjp(gradients[user], user.value, *values, **user.params)[place]

    for node in reversed(order[:-1]):
        gradients[node] = sum(share(*use) for use in users[node])
    return gradients


def walked(order, *, forward=False, upstream=True, own=False, keep="all", sign=1.0, seed=1.0):
    """The gradients, right or with one mistake in the walk. `keep` says which shares a node keeps.

    `own` gives each rule the node's own value for those of its parents; with the seed None it begins with the value.
    """
    gradients, filled = dict.fromkeys(order, 0.0), set()
    gradients[order[-1]] = order[-1].value if seed is None else seed
    for node in order if forward else order[::-1]:
        if not node.parents:
            continue
        g = gradients[node] if upstream else 1.0
        shares = node.op.vjp(g, node.value, *((node if own else p).value for p in node.parents), **node.params)
        before = {parent: gradients[parent] for parent in node.parents}
        for parent, share in zip(node.parents, shares, strict=True):
            if keep != "first" or parent not in filled:
                start = before[parent] if keep == "one a user" else gradients[parent] if keep == "all" else 0.0
                gradients[parent] = start + sign * share
            filled.add(parent)
    return gradients


SLIPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("overwritten", "is its last share alone: use += where shares meet", {"keep": "last"}),
    ("overwritten", "is its first share alone: all that come are added", {"keep": "first"}),
    ("edge-lost", "counts x * x as one use of x: each operand has its share", {"keep": "one a user"}),
    ("forward-order", "comes from walking the order forward: begin at the output", {"forward": True}),
    ("missing-upstream", "ignores what flows in: give vjp the node's own gradient", {"upstream": False}),
    ("no-start", "comes out as if nothing flowed in: the gradient of the output itself is 1", {"seed": 0.0}),
    ("wrong-start", "comes out as if the output's gradient were its value: it is 1", {"seed": None}),
    ("sign", "comes out as if shares were subtracted: they are added", {"sign": -1.0}),
    ("wrong-values", "comes out as if the rule got the node's own value for those of its parents", {"own": True}),
)


def judge(backward, output):
    """Run the student's function on the graph below the output, and raise unless every gradient is right."""
    order = topological_order([output])
    answer = returned(
        with_params(backward, order, leaves=LEAVES), dict, "backward", "a dictionary of all gradients is needed"
    )
    small = output if len(order) <= 12 else None
    for node in order:
        sentence = f"your dictionary has {len(answer)} of {counted(len(order), 'node')}: {label(node)} is missing"
        require(node in answer, "missing-node", sentence, show=small)
    sentence = (
        f"your dictionary has {len(answer)} entries, and the order {counted(len(order), 'node')}: some belong to "
    )
    require(answer.keys() <= {*order}, "foreign-node", f"{sentence}no node of it", show=small)
    yours = {node: as_array(answer[node], f"the gradient of {label(node)}", ()) for node in order}
    expected = walked(order)
    wrong = [node for node in order if not same(yours[node], as_array(expected[node]))]
    if not wrong:
        return
    node = wrong[-1]  # the one nearest to the output: those below it may be wrong because of it
    sentence = f"the gradient of {label(node)} is {number(float(expected[node]))}; yours, {number(float(yours[node]))},"
    for code, slip, mistake in SLIPS:
        slipped = walked(order, **mistake)
        explained = all(same(yours[n], as_array(slipped[n])) for n in order)
        require(not explained, code, f"{sentence} {slip}", show=small)
    require(False, "wrong-gradient", f"{sentence} is the first that is wrong on the way back", show=small)


def telling():
    """A small graph on which the usual mistakes give different numbers."""
    x, y = tl.parameter(2.0, "x"), tl.parameter(-3.0, "y")
    a = x * y
    b = a * a
    a.name, b.name = "a", "b"
    return 3 * b - a


@exercise.check(points=3)
def test_every_gradient_is_right(backward, seed, budget):
    judge(backward, telling())
    for output in graphs(seed, budget):
        judge(backward, output)


@exercise.check(points=1)
def test_a_deep_graph_is_no_problem(backward):
    for output in (telling(), deep()):  # in the deep one every gradient is 1
        judge(backward, output)
