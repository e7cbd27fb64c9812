r"""What must be kept

A small network and its loss, step by step:

    a = x @ W
    b = a + c
    h = tl.tanh(b)
    y = h @ V
    d = y - t
    loss = tl.sum(d * d)

The backward pass comes later, and needs some of these arrays again. Which? Write True for each array that a rule of the
backward pass reads, and False for the others:

* `all_trained`: the gradients of W, c and V are wanted;
* `only_last`: W and c are frozen, and the gradient of V alone is wanted.

The engine answers when you check: it builds the graph of the gradients and looks.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_bool, entry, require, topological_order

HINTS = (
    "Write the backward rule of each line. Which arrays of the forward pass are in it?",
    "The rule of + has none. That of @ has both operands, each for the gradient of the other. "
    "That of tanh has its output, not its input.",
    "All trained: x (for W), h (for V, and for tanh) and d (for the square). If only V is trained, nobody needs x.",
)
ABOUT = (
    "A backward rule reads what stands in its formula: a product the other operand, tanh its own output, a sum "
    "nothing. So much of the forward pass can be forgotten at once, and frozen layers save memory as well."
)
NEXT = "Put gelu in the place of tanh. Which array must be kept now, and why is the output not enough?"
exercise = Exercise("10-saved", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

exercise.answer(
    all_trained={"x": True, "a": False, "b": False, "h": True, "y": False, "d": True},
    only_last={"x": False, "a": False, "b": False, "h": True, "y": False, "d": True},
)


@exercise.another("all_trained")
def read_by_the_gradients():
    """The graph of the gradients knows: which arrays of the forward pass are parents in it?"""
    x, t, W, c, V = (tl.parameter(np.ones(shape)) for shape in ((5, 4), (5, 2), (4, 3), (3,), (3, 2)))
    a = x @ W
    b = a + c
    h = tl.tanh(b)
    y = h @ V
    d = y - t
    loss = tl.sum(d * d)
    forward = set(tl.Graph([], [loss]).nodes)
    backward = tl.Graph([], tl.gradients(loss, [W, c, V])).nodes
    read = {parent for node in backward if node not in forward for parent in node.parents}
    return {name: node in read for name, node in {"x": x, "a": a, "b": b, "h": h, "y": y, "d": d}.items()}


SHAPES = {"W": (4, 3), "c": (3,), "V": (3, 2), "t": (5, 2), "x": (5, 4)}
WHY = {
    "a": "the rule of + needs no operand: it passes the gradient on",
    "b": "the rule of tanh needs its output, 1 - h * h, and not its input",
    "y": "the rule of - needs no operand: it passes the gradient on",
    "d": "the rule of the square d * d is 2 g d: it reads d",
    "h": "the gradient of V is h.T @ g: it reads h",
    "x": "the gradient of W is x.T @ g: it reads x",
}
BELOW = {  # h, where the way back to V ends
    "x": "it is read for the gradient of W, which nobody wants here",
    "a": "the rule of + does not run here: the way back to V ends at h",
    "b": "the rule of tanh does not run here: the way back to V ends at h",
}


def engine(trained):
    """Which arrays of the forward pass the gradients of these parameters read."""
    W, c, V, t, x = (tl.placeholder(shape, name=name) for name, shape in SHAPES.items())
    steps = {"x": x, "a": x @ W}
    steps["b"] = steps["a"] + c
    steps["h"] = tl.tanh(steps["b"])
    steps["y"] = steps["h"] @ V
    steps["d"] = steps["y"] - t
    loss = tl.sum(steps["d"] * steps["d"])
    leaves = {"W": W, "c": c, "V": V}
    forward = set(topological_order([loss]))
    backward = set(topological_order(tl.gradients(loss, [leaves[name] for name in trained]))) - forward
    read = {parent for node in backward for parent in node.parents}
    return {name: node in read for name, node in steps.items()}


def judge(answers, case, trained):
    """One of the two dictionaries: raise, and say why, unless it agrees with the engine."""
    for name, right in engine(trained).items():
        answer = as_bool(entry(answers, case, name), f"{case}[{name!r}]")
        if answer == right:
            continue
        sentence = f"{case}: you say that {name} is {'kept' if answer else 'not needed'}; {WHY[name]}"
        if case == "only_last" and name in BELOW:
            require(False, "kept-for-the-frozen", f"{case}: you say that {name} is kept; {BELOW[name]}")
        require(name not in "ay", "kept-for-a-sum", sentence)
        require(name != "b", "input-for-output", sentence)
        require(False, "operand-missing", sentence)


@exercise.check(points=2)
def test_what_is_kept_when_all_is_trained(all_trained):
    judge(all_trained, "all_trained", ("W", "c", "V"))


@exercise.check(points=1)
def test_what_is_kept_when_the_first_layer_is_frozen(only_last):
    judge(only_last, "only_last", ("V",))
