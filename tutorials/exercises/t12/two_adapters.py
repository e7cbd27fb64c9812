r"""Two adapters, one base

Two customers send their samples in one batch. Each has its own adapter; the base is the same. Write
`forward(x, W, adapters, names)` on nodes:

* `x` is the batch, (samples, n), and W the base weight, (n, m);
* `adapters` is a dictionary from a name to `(A, B, s)`, two nodes and a number;
* `names` has a name for each sample, or None for the base alone.

Return the outputs as one node, (samples, m), in the order of the samples: $x_i W + s\,(x_i A)\,B$ with the adapter of
sample $i$. Multiply by W once, for the whole batch. Give no node a new value.
"""

from functools import partial

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.node import ComputationNode
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    example,
    generators,
    require,
    same,
    topological_order,
    written,
)

HINTS = (
    "Begin with `y = x @ W`. That is already right for those without an adapter.",
    "A node cannot be written into. For each adapter add something to `y` that is 0 in the rows of the others: a "
    "column of ones and zeros, (samples, 1), says whose row it is.",
    "`for name, (A, B, s) in adapters.items():` make `mine = np.array([[float(own == name)] for own in names])`, "
    "then `y = y + s * mine * ((x @ A) @ B)`",
)
ABOUT = (
    "The large product with the base is made once for everybody, and the small ones of the adapters are cheap "
    "enough to be made for all and masked. So one server can hold a hundred fine-tuned models in the memory of "
    "one."
)
NEXT = (
    "With a hundred adapters the masks waste work. Sort the samples by adapter, and compute each adapter on its "
    "own rows alone."
)
exercise = Exercise("12-two-adapters", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def forward(x, W, adapters, names):
    """The output of each sample through its own adapter."""
    y = x @ W
    for name, (A, B, s) in adapters.items():
        mine = np.array([[float(own == name)] for own in names])
        y = y + s * mine * ((x @ A) @ B)
    return y


@exercise.another()
def side_by_side(x, W, adapters, names):
    """All adapters side by side: one product with every A, a mask that also scales, one product with every B."""
    if not adapters:
        return x @ W
    A = tl.concatenate([A for A, _, _ in adapters.values()], axis=1)
    B = tl.concatenate([B for _, B, _ in adapters.values()], axis=0)
    masks = [np.repeat([[s * (own == name)] for own in names], A.shape[1], 1) for name, (A, _, s) in adapters.items()]
    return x @ W + (x @ A * np.concatenate(masks, axis=1)) @ B


right = forward


def batches(seed, budget):
    """Batches, smallest first: arrays, adapters, and a name for each sample."""
    for size, rng in generators(seed, budget):
        n, m, samples = 3 + size % 3, 2 + size % 4, 3 + size
        adapters = {
            name: (rng.normal(size=(n, 2)).round(2), rng.normal(size=(2, m)).round(2), s)
            for name, s in (("ada", 0.5), ("bob", 2.0))
        }
        names = [("ada", None, "bob")[int(i)] for i in rng.integers(3, size=samples)]
        names[:3] = ["bob", "ada", None]
        yield rng.normal(size=(samples, n)).round(2), rng.normal(size=(n, m)).round(2), adapters, names


def outcome_of(forward, x, W, adapters, names):
    """The output and the node of W. Refuses what is no node."""
    base, batch = tl.parameter(W, "W", trainable=False), tl.parameter(x, "x", trainable=False)
    nodes = {name: (tl.parameter(A, f"A of {name}"), tl.parameter(B, f"B of {name}"), s) for name, (A, B, s) in
             adapters.items()}  # fmt: skip
    y = forward(batch, base, nodes, names)
    require(y is not None, "no-return", "the output is None: does every path of your function end with `return`?")
    kind = type(y).__name__
    require(type(y) is ComputationNode, "wrong-type", f"the output is of type {kind}; one node is needed")
    return (
        y,
        base,
        {"x": batch}
        | {f"{part} of {n}": node for n, pair in nodes.items() for part, node in zip("AB", pair, strict=False)},
    )


def judge_gradients(y, leaves, names, right):
    """Raise unless the gradients of the batch and of the adapters in use are those of the right output."""
    used = {name: leaf for name, leaf in leaves.items() if name == "x" or name.split()[-1] in names}
    mine, expected = (tl.gradients(tl.sum(output * output), [*used.values()]) for output in (y, right))
    wrong = [n for n, a, b in zip(used, mine, expected, strict=True) if not same(as_array(a.value), as_array(b.value))]
    sentence = (
        f"the numbers are right, but no gradient, or only a part of it, reaches {' and '.join(wrong)}: use the nodes, "
    )
    require(not wrong, "cut-graph", f"{sentence}not .value")


def one_by_one(x, W, adapters, names, *, scaled=True):
    """The right answer, sample by sample."""
    rows = []
    for row, name in zip(x, names, strict=True):
        A, B, s = adapters[name] if name is not None else (np.zeros((len(W), 1)), np.zeros((1, W.shape[1])), 1.0)
        rows.append(row @ W + (s if scaled else 1.0) * (row @ A) @ B)
    return np.stack(rows)


def judge(output, x, W, adapters, names):
    """Raise, and say what is wrong, unless each sample has gone through its own adapter."""
    right = one_by_one(x, W, adapters, names)
    answer = as_array(output.value, "the output", right.shape)
    if same(answer, right):
        return
    wrong = [i for i in range(len(x)) if not same(answer[i], right[i])]
    i = wrong[0]
    sentence = f"for the names {names} the samples {wrong} come out wrong: sample {i} is {written(answer[i])} and "
    sentence += f"should be {written(right[i])}"
    parts = {f"{part} of {name}": x for name, three in adapters.items() for part, x in zip("ABs", three, strict=True)}
    insist = partial(require, example=example(answer[i], right[i], **{f"sample {i}": x[i], "W": W}, **parts))
    unscaled = one_by_one(x, W, adapters, names, scaled=False)
    insist(not same(answer, unscaled), "missing-factor", f"{sentence}: s is missing")
    groups = sorted_by_group(names, (None, *adapters)), sorted_by_group(names, (*adapters, None))
    order = any(same(answer, right[rows]) for rows in groups)
    insist(not order, "wrong-order", f"{sentence}: the rows are right, but in another order")
    everyone = sum(s * (x @ A) @ B for A, B, s in adapters.values())
    insist(not same(answer, x @ W + everyone), "mixed", f"{sentence}: every sample gets both adapters")
    insist(not same(answer, x @ W), "adapter-unused", f"{sentence}: no adapter is used")
    for name, (A, B, s) in adapters.items():
        column = np.array([[float(own == name)] for own in names])
        alone = same(answer, x @ W + s * column * (x @ A @ B))
        insist(not alone, "one-adapter", f"{sentence}: only the adapter of {name} is used; add those of all")
    nobody = wrong == [i for i in wrong if names[i] is None]
    insist(not nobody, "none-not-base", f"{sentence}: those with None go through the base alone")
    first = same(answer, one_by_one(x, W, adapters, [names[0]] * len(x)))
    insist(not first, "one-for-all", f"{sentence}: all go through the adapter of the first sample")
    insist(False, "differs", sentence)


@exercise.check(points=3)
def test_each_sample_goes_through_its_own_adapter(forward, seed, budget):
    for x, W, adapters, names in batches(seed, budget):
        y, base, leaves = outcome_of(forward, x, W, adapters, names)
        judge(y, x, W, adapters, names)
        nodes = {n: (leaves[f"A of {n}"], leaves[f"B of {n}"], s) for n, (_, _, s) in adapters.items()}
        judge_gradients(y, leaves, names, right(leaves["x"], base, nodes, names))


def sorted_by_group(names, groups):
    """The indices of the samples, group by group."""
    return [i for name in groups for i, own in enumerate(names) if own == name]


@exercise.check(points=2)
def test_the_product_with_the_base_is_made_once(forward, seed, budget):
    for x, W, adapters, names in batches(seed, min(budget, 5)):
        y, base, _ = outcome_of(forward, x, W, adapters, names)
        uses = sum(parent is base for node in topological_order([y]) for parent in node.parents)
        sentence = f"W is used {uses} times for {len(x)} samples; one product serves the whole batch"
        require(uses <= 1, "base-again", sentence)
        require(uses == 1, "cut-graph", "W is not in the graph of the output: use the nodes, not .value")
        judge(y, x, W, adapters, names)
