r"""Fill in the values

Let $x = 2$ and $y = -3$. Four operations follow:

$$a = x\,y \qquad b = a + x \qquad c = b\,b \qquad d = c - a$$

Write the value of each node into the dictionary `values`. Predict first; the engine computes the answer when you check.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_array, as_number, entry, number, refuse, require, same

HINTS = (
    "Go from left to right. Each value needs only the values of its two parents.",
    "Mind the sign of y: `a` is 2 times -3. Then `b` adds x, not y.",
    "`c` is a node times itself, so it is not negative. `d` subtracts `a`, and `a` is negative.",
)
ABOUT = (
    "A node has its value as soon as its parents have theirs, so the lines can be filled in from the top down. A "
    "shared value, here `a`, is computed once and read twice."
)
NEXT = "Let x be 3. Say which of the four values change, and by how much, before you run it."
exercise = Exercise("01-values", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

exercise.answer(values={"a": -6.0, "b": -4.0, "c": 16.0, "d": 22.0})


@exercise.another()
def by_the_engine():
    """The engine computes each value while it builds the graph."""
    x, y = tl.parameter(2.0), tl.parameter(-3.0)
    a = x * y
    b = a + x
    c = b * b
    d = c - a
    return {name: float(node) for name, node in {"a": a, "b": b, "c": c, "d": d}.items()}


def nodes():
    """The graph of this exercise, by name: the same as in the tutorial."""
    x, y = tl.parameter(2.0, "x"), tl.parameter(-3.0, "y")
    a = x * y
    b = a + x
    c = b * b
    d = c - a
    for name, node in {"a": a, "b": b, "c": c, "d": d}.items():
        node.name = name
    return {"x": x, "y": y, "a": a, "b": b, "c": c, "d": d}


OTHER = {
    "add": ("the sum", lambda p, q: p + q),
    "multiply": ("the product", lambda p, q: p * q),
    "subtract": ("the difference", lambda p, q: p - q),
}


@exercise.check(points=2)
def test_every_value_is_right(values):
    for name, node in nodes().items():
        if not node.parents:
            continue
        written = entry(values, "values", name, f"for {name}: its keys are a, b, c and d")
        answer, expected = as_number(written, f"the value of {name}"), float(node)
        if same(as_array(answer), as_array(expected)):
            continue
        first, second = (float(p) for p in node.parents)
        labels = " and ".join(dict.fromkeys(f"{p.name} is {number(float(p))}" for p in node.parents))
        call = f"{node.op}({', '.join(str(p.name) for p in node.parents)})"
        asked = f"{name} is {call}; {labels}; you wrote {number(answer)}"
        require(answer != -expected, "sign", f"{asked}: the size is right, the sign is not")
        for operation, (words, other) in OTHER.items():
            sentence = f"{asked}, which is {words}"
            require(operation == str(node.op) or answer != other(first, second), "other-operation", sentence)
        turned = str(node.op) == "subtract" and answer == second - first
        require(not turned, "swapped-operands", f"{asked}: the operands are the other way around")
        raise refuse("wrong-value", asked)
