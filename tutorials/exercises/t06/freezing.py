r"""What freezing removes

A network of two layers, on a constant `x`:

$$h = \tanh(x W_1 + b_1) \qquad y = h W_2 + b_2$$

1. A matrix product is expensive. How many does the *backward* pass compute, if nothing is frozen, if the first layer is
   frozen, and if the second is? Write the three numbers into the dictionary `products`.
2. Write `visited(output)`: the list, in any order, of all nodes that a backward pass has to visit. These are the nodes
   that depend on a trainable parameter, and these parameters themselves.

Somebody may freeze a parameter after the graph was built. So ask the parameters (`node.requires_gradient`, and
`str(node.op) == "parameter"`), and find out about the other nodes from their parents.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_nodes,
    as_whole,
    deep,
    entry,
    generators,
    label,
    ladder,
    random_graph,
    refuse,
    require,
)
from tinygrad_lora.view.words.grammar import are, counted

HINTS = (
    "The product x W has two operands, so its rule has two products: one for x and one for W. Which are needed?",
    "x is constant, so its gradient is not needed. h needs one if the first layer has something to learn. "
    "For `visited` go through the nodes with parents first, and remember which are on the way.",
    "3, 1 and 2. For `visited`: a node counts if it is a trainable parameter, or if any of its parents "
    "counts. An order with parents first is the topo_sort of tutorial 04.",
)
ABOUT = (
    "A backward pass visits only what lies between a trainable parameter and the output, and the rest is never "
    "computed. Freezing the first layers saves most, because then nothing has to be sent down to them either."
)
NEXT = (
    "LoRA freezes every weight and trains two small ones beside each. Which products of the backward pass are "
    "left? Count them for the two layers here."
)
exercise = Exercise("06-freezing", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)

exercise.answer(products={"nothing frozen": 3, "first frozen": 1, "second frozen": 2})


@exercise.reference
def visited(output):
    """The nodes between the trainable parameters and the output, both included."""
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    needed = {}
    for node in order:
        trainable = str(node.op) == "parameter" and node.requires_gradient
        if trainable or any(parent in needed for parent in node.parents):
            needed[node] = True
    return list(needed)


@exercise.another("visited")
def up_from_the_parameters(output):
    """From below: begin with the trainable parameters, and follow the users up to the output."""
    users, found = {output: []}, [output]
    for node in found:
        for parent in node.parents:
            if parent not in users:
                users[parent] = []
                found.append(parent)
            users[parent].append(node)
    reached = dict.fromkeys(node for node in found if str(node.op) == "parameter" and node.requires_gradient)
    waiting = list(reached)
    for node in waiting:
        new = [user for user in dict.fromkeys(users[node]) if user not in reached]
        reached |= dict.fromkeys(new)
        waiting += new
    return waiting


def network():
    """Two layers, and the loss."""
    first, second = tl.Linear(4, 3, seed=0), tl.Linear(3, 2, seed=1)
    return tl.Sequential(first, tl.tanh, second), first, second


def measured():
    """How many matrix products the gradients need, in the three cases."""
    counts = {}
    for case in ("nothing frozen", "first frozen", "second frozen"):
        model, first, second = network()
        for name, layer in (("first frozen", first), ("second frozen", second)):
            if name == case:
                layer.freeze()
        loss = tl.sum(model(tl.constant(np.ones((5, 4)))))
        graph = topological_order(tl.gradients(loss, model.parameters()))
        counts[case] = sum(str(node.op) == "matmul" and node.created > loss.created for node in graph)
    return counts


WHY = {
    "nothing frozen": "one for each weight, and one for h; x needs no gradient, because it is constant",
    "first frozen": "the weight of the second layer needs one; below h nothing needs one",
    "second frozen": "its weight needs none, but the gradient has to pass through it to the first layer",
}


@exercise.check(points=2)
def test_the_products_are_counted(products):
    for case, right in measured().items():
        count = as_whole(entry(products, "products", case), case)
        if count == right:
            continue
        sentence = f"{case}: {count} is too {'many' if count > right else 'few'}; {WHY[case]}"
        require(count <= right or case != "first frozen", "goes-below", sentence)
        require(count != right + 1, "counts-x", sentence)
        require(count >= right or case != "second frozen", "stops-at-frozen", sentence)
        require(False, "wrong-count", sentence)


def right_nodes(output):
    """The nodes that a backward pass has to visit."""
    needed = set()
    for node in topological_order([output]):
        trainable = str(node.op) == "parameter" and node.requires_gradient
        if trainable or not needed.isdisjoint(node.parents):
            needed.add(node)
    return needed


def judge(visited, output, froze=""):
    """One graph: raise unless the list holds the right nodes."""
    listed, expected = set(as_nodes(visited(output), "the list")), right_nodes(output)
    nodes = topological_order([output])
    if listed == expected:
        return
    small = output if len(nodes) <= 12 else None
    counts = f"you list {counted(len(listed), 'node')} and {len(expected)} {are(expected)} visited{froze}"
    extra, missing = [n for n in nodes if n in listed - expected], [n for n in nodes if n in expected - listed]
    if listed - set(nodes):
        raise refuse("foreign-node", f"{counts}: some are not part of the graph")
    stale = froze and listed == {n for n in nodes if (n.requires_gradient if n.parents else n in expected)}
    flag = f"the flag of {label(extra[0]) if extra else 'some'}"
    sentence = f"{counts}: {flag} is from before the freezing; ask the parameters"
    require(not stale, "stale-flag", sentence, show=small)
    frozen = [n for n in extra if str(n.op) == "parameter"]
    sentence = f"{counts}: {label(frozen[0]) if frozen else ''} is frozen, so it needs no gradient"
    require(not frozen, "frozen-visited", sentence, show=small)
    leaves = bool(expected) and listed == {n for n in expected if not n.parents}
    sentence = f"{counts}: the parameters alone; the gradient reaches them through the nodes above"
    require(not leaves, "leaves-only", sentence, show=small)
    sentence = f"{counts}: {label(extra[0]) if extra else ''} depends on nothing that is trained"
    require(not extra, "frozen-visited", sentence, show=small)
    why = "it depends on a trainable parameter" if missing[0].parents else "it is a trainable parameter"
    require(False, "missing-node", f"{counts}: {label(missing[0])} is missing, and {why}", show=small)


@exercise.check(points=2)
def test_the_nodes_that_are_visited(visited, seed, budget):
    w, b = tl.parameter(2.0, "w", trainable=False), tl.parameter(3.0, "b")
    h = tl.tanh(w * tl.constant(0.5, "x"))
    judge(visited, h * b + b)
    for size, rng in generators(seed, budget):
        output = random_graph(rng, size + 2)
        for p in (n for n in topological_order([output]) if not n.parents):
            p.requires_gradient = bool(rng.integers(2))
        judge(visited, output, ", after some parameters were frozen")


MANY = "one graph has 2**40 paths, and walking each of them would never end: turn back at nodes that you have seen"


@exercise.check(points=1, slow=MANY)
def test_a_deep_graph_is_no_problem(visited):
    judge(visited, deep())
    judge(visited, ladder(40))
