r"""A training step is a function

Write `training_step(x, labels, W1, b1, W2, b2)`: one whole step of training, as a function of nodes. The network is
$\tanh(x W_1 + b_1)\,W_2 + b_2$, its loss is `tl.cross_entropy(scores, labels)`, and the learning rate is 0.5.

Return a list of five nodes: the loss, and the new W1, b1, W2 and b2. Each new array is the old one minus 0.5 times its
gradient; all gradients are those at the old arrays. There is no `backward()` here, because there are no numbers: use
`tl.gradients`. The check traces your function, runs its graph and reads digits with it.
"""

from functools import partial

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits
from tinygrad_lora.learn.authoring import (
    Evaluated,
    Exercise,
    all_same,
    are,
    as_array,
    example,
    number,
    refuse,
    require,
    same,
    worst,
)

HINTS = (
    "The first half is the forward pass, as always: scores, then the loss. Nothing in it changes.",
    "`tl.gradients(loss, [W1, b1, W2, b2])` gives four nodes, in this order. A new array is a node as well.",
    "`return [loss, *(p - 0.5 * g for p, g in zip(parameters, tl.gradients(loss, parameters)))]`",
)
ABOUT = (
    "Gradients are nodes, so a whole step from the old parameters to the new ones is one function, and a compiler "
    "sees all of it. What forward and backward both need is then computed once."
)
NEXT = (
    "Add momentum: four more inputs, and four more results. How many operations does `str(tl.trace(...))` list, "
    "before and after?"
)
exercise = Exercise("10-step", __doc__, kind="T", hints=HINTS, about=ABOUT, next_step=NEXT)

RATE, STEPS, LEAST, HIDDEN = 0.5, 150, 0.93, 32


@exercise.reference
def training_step(x, labels, W1, b1, W2, b2):
    """The loss, and the four parameters after one step."""
    parameters = [W1, b1, W2, b2]
    loss = tl.cross_entropy(tl.tanh(x @ W1 + b1) @ W2 + b2, labels)
    slopes = tl.gradients(loss, parameters)
    return [loss, *(p - 0.5 * g for p, g in zip(parameters, slopes, strict=True))]


@exercise.another()
def with_rules_by_hand(x, labels, W1, b1, W2, b2):
    """Let the engine begin, at the scores; the rules of the two layers are then written by hand, as in tutorial 05."""
    h = tl.tanh(x @ W1 + b1)
    scores = h @ W2 + b2
    loss = tl.cross_entropy(scores, labels)
    g = tl.gradients(loss, scores)
    below = (g @ W2.T) * (1 - h * h)
    slopes = [x.T @ below, tl.sum(below, 0), h.T @ g, tl.sum(g, 0)]
    return [loss, *(p - 0.5 * slope for p, slope in zip([W1, b1, W2, b2], slopes, strict=True))]


def loss_of(x, labels, W1, b1, W2, b2):
    return tl.cross_entropy(tl.tanh(x @ W1 + b1) @ W2 + b2, labels)


def by_hand(x, labels, parameters, rate=RATE):
    """The loss and the new parameters, from `backward()` and a step by hand."""
    nodes = [tl.parameter(p, name) for p, name in zip(parameters, NAMES, strict=True)]
    loss = loss_of(tl.constant(x), labels, *nodes)
    loss.backward()
    return loss.value, [p - rate * node.gradient for p, node in zip(parameters, nodes, strict=True)]


def one_by_one(x, labels, parameters, keep=tl.identity):
    """The new parameters if each gradient sees those that are new already; `keep` may cut the graph between them."""
    nodes = [*map(tl.constant, parameters)]
    for i in range(4):
        nodes[i] = keep(nodes[i] - RATE * tl.gradients(loss_of(tl.constant(x), labels, *nodes), nodes[i]))
    return [node.value for node in nodes]


NAMES = ("W1", "b1", "W2", "b2")


def start(seed, inputs=64, outputs=10, hidden=HIDDEN):
    rng = np.random.default_rng([seed, 5])
    first, second = rng.normal(size=(inputs, hidden)) / inputs**0.5, rng.normal(size=(hidden, outputs)) / hidden**0.5
    return [first, np.zeros(hidden), second, np.zeros(outputs)]


def softmax(x):
    return np.asarray(tl.softmax(tl.constant(x)).value)


def taken(results):
    """The five arrays of one step."""
    if type(results) not in (list, tuple) or len(results) != 5:
        raise refuse("count", "training_step must return a list of five nodes: the loss, W1, b1, W2 and b2")
    return results


@exercise.check(points=3)
def test_one_step_is_right(training_step, seed):
    rng = np.random.default_rng([seed, 6])
    x, labels, old = rng.normal(size=(7, 4)).round(2), rng.integers(0, 3, 7), start(seed, 4, 3, 5)
    old[1], old[3] = rng.normal(size=5), rng.normal(size=3)
    old = [array.round(2) for array in old]
    given = {"x": x, "labels": labels, **dict(zip(NAMES, old, strict=True))}
    traced = Evaluated(training_step)
    loss, *new = taken(traced(x, labels, *old))
    right_loss, right = by_hand(x, labels, old)
    shapes, expected = [as_array(a, "a new array").shape for a in new], [b.shape for b in old]
    turned = sorted(shapes) == sorted(expected) and shapes != expected
    sentence = f"the new arrays have the shapes {shapes}; in the order W1, b1, W2, b2 they are {expected}"
    require(not turned, "wrong-order", sentence)
    arrays = [as_array(a, f"the new {name}", b.shape) for name, a, b in zip(NAMES, new, old, strict=True)]
    yours = as_array(loss, "the loss", ())
    sentence = f"the loss must be {number(right_loss)}; yours is {number(yours)}"
    shown = example(yours, right_loss, **given)
    W1, b1, W2, b2 = old
    for what, scores in (
        ("with relu in place of tanh", np.maximum(x @ W1 + b1, 0) @ W2 + b2),
        ("without tanh", (x @ W1 + b1) @ W2 + b2),
        ("without b1", np.tanh(x @ W1) @ W2 + b2),
        ("without b2", np.tanh(x @ W1 + b1) @ W2),
        ("after a softmax, and cross_entropy has one of its own", softmax(np.tanh(x @ W1 + b1) @ W2 + b2)),
    ):
        other = same(as_array(loss), np.asarray(tl.cross_entropy(tl.constant(scores), labels).value))
        require(not other, "other-network", f"{sentence}: that is what comes out {what}", example=shown)
    require(same(yours, np.asarray(right_loss)), "wrong-loss", sentence, example=shown)
    if all_same(arrays, right):
        return
    slopes = [(a - b) / RATE for a, b in zip(old, right, strict=True)]
    sentence = "these are the gradients: a new array is the old one minus 0.5 times its gradient"
    moves = [
        example(a, b, **{f"old {name}": c, "its gradient": g})
        for name, a, b, c, g in zip(NAMES, arrays, right, old, slopes, strict=True)
    ]
    require(not all_same(arrays, slopes), "only-gradients", sentence, example=moves[-1])
    still = [name for name, a, b in zip(NAMES, arrays, old, strict=True) if same(a, b)]
    sentence = f"{' and '.join(still)} {are(still)} as before the step"
    require(not still, "not-updated", sentence)
    upward = by_hand(x, labels, old, -RATE)[1]
    require(
        not all_same(arrays, upward),
        "wrong-direction",
        "the arrays go up the slope: subtract the gradient, do not add it",
        example=moves[-1],
    )
    sentence = "only the new W1 is right: the gradients of the others were taken after it had changed"
    for keep in (tl.identity, tl.stop_gradient):
        require(not all_same(arrays, one_by_one(x, labels, old, keep)), "updated-too-soon", sentence, example=moves[1])
    moved, expected = arrays[0] - old[0], right[0] - old[0]
    ratio = float((moved * expected).sum() / (expected * expected).sum())
    sentence = f"each array moves {ratio:.4g} times as far as it should: the learning rate is {RATE}"
    other = by_hand(x, labels, old, ratio * RATE)[1]
    require(not all_same(arrays, other), "factor", sentence, example=moves[-1])
    bad = next(i for i, (a, b) in enumerate(zip(arrays, right, strict=True)) if not same(a, b))
    sentence = (
        f"the new {NAMES[bad]} is not the old one minus {RATE} times its gradient: {worst(arrays[bad], right[bad])}"
    )
    require(False, "differs", sentence, example=(*example(**given), *moves[bad][1:]))


@exercise.check(points=1)
def test_nothing_is_computed_twice(training_step, seed):
    x, labels, old = np.ones((64, 64)), np.zeros(64, int), start(seed)
    traced = Evaluated(training_step)
    loss = as_array(taken(traced(x, labels, *old))[0], "the loss", ())
    expected = np.asarray(by_hand(x, labels, old)[0])
    sentence = f"the loss is {float(loss):.4f}, and the cross-entropy of this network is {float(expected):.4f}"
    require(same(loss, expected), "wrong-loss", sentence)
    mine, right = (f.prepare(x, labels, *old).graph.flops for f in (traced, Evaluated(partial(stepped, RATE))))
    sentence = f"your step takes {mine:,} operations; one forward and one backward pass take {right:,}"
    require(mine >= 0.9 * right, "not-updated", f"{sentence}: some gradient is not there")
    require(mine <= 1.05 * right, "too-much-work", sentence)


def stepped(rate, x, labels, *parameters):
    """The loss, and the parameters after a step of this rate."""
    loss = loss_of(x, labels, *parameters)
    return [loss, *(p - rate * g for p, g in zip(parameters, tl.gradients(loss, parameters), strict=True))]


@exercise.check(points=2)
def test_it_learns_to_read_digits(training_step, seed):
    data, arrays = digits(), start(seed)
    traced = Evaluated(training_step)
    with np.errstate(all="ignore"):
        for i in range(STEPS):
            rows = slice(i * 256 % 1280, i * 256 % 1280 + 256)
            arrays = [np.asarray(a) for a in taken(traced(data.x_train[rows], data.y_train[rows], *arrays))[1:]]
        W1, b1, W2, b2 = (as_array(a, name) for name, a in zip(NAMES, arrays, strict=True))
        scores = np.tanh(data.x_test @ W1 + b1) @ W2 + b2
    right = float((scores.argmax(axis=1) == data.y_test).mean())
    sentence = f"after {STEPS} steps it reads {right:.1%} of the digits; {LEAST:.0%} can be reached"
    require(right >= LEAST, "below-threshold", sentence)
