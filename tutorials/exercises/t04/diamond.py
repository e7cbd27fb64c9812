r"""Gradients of a diamond

Let $x = 2$ and $y = 3$. Four operations follow:

$$a = x\,y \qquad b = a - y \qquad c = 2\,a \qquad f = b\,c$$

Write the gradient of $f$ with respect to each node into the dictionary `diamond`, and the number of paths from `x` and
from `y` up to `f`. Predict first; the engine computes the answer when you check.
"""

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_number,
    as_whole,
    bug,
    entry,
    number,
    refuse,
    require,
    same,
)

HINTS = (
    "Write the four values at the nodes first: 6, 3, 12 and 36. Then go back: the gradient of f is 1.",
    "From f the node b gets the value of c, and c gets that of b. The node a has two users: add both shares.",
    "a gets 12 from b, and 2 times 3 from c. Then y gets -12 from b, and x times the gradient of a.",
)
ABOUT = (
    "A gradient is the sum over all paths up to the output, and each path contributes the product of its slopes. "
    "The backward pass adds up at every node and walks no path, so many paths cost no more than one."
)
NEXT = (
    "Build the graph, call `f.backward()` and look at `tl.explain(y)`: it lists the paths with their products. "
    "Then add one operation that doubles the number of paths."
)
exercise = Exercise("04-diamond", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

RIGHT = {"b": 12.0, "c": 3.0, "a": 18.0, "x": 54.0, "y": 24.0, "paths from x": 2, "paths from y": 3}
exercise.answer(diamond=RIGHT)


@exercise.another()
def by_the_engine():
    """The engine knows the gradients, and a path is counted from below: a node has those of all its parents."""
    x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
    a = x * y
    b = a - y
    c = 2 * a
    f = b * c
    f.backward()
    gradients = {name: float(node.gradient) for name, node in {"b": b, "c": c, "a": a, "x": x, "y": y}.items()}

    def paths(node, start):
        return 1 if node is start else sum(paths(parent, start) for parent in node.parents)

    return gradients | {"paths from x": paths(f, x), "paths from y": paths(f, y)}


def nodes():
    """The graph of this exercise, by name: the same as in the tutorial."""
    x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
    a = x * y
    b = a - y
    c = 2 * a
    f = b * c
    named = {"x": x, "y": y, "a": a, "b": b, "c": c, "f": f}
    for name, node in named.items():
        node.name = name
    return named


def shares(node, graph):
    """What each use of the node sends to it, by the name of the user."""
    for user in graph["f"], graph["c"], graph["b"], graph["a"]:
        sent = user.op.vjp(user.gradient, user.value, *(p.value for p in user.parents), **user.params)
        for parent, share in zip(user.parents, sent, strict=True):
            if parent is node:
                yield user.name, float(share)


def paths(start, output):
    """How many paths lead from a node up to the output."""
    count = {start: 1}
    for node in topological_order([output]):
        if node is not start:
            count[node] = sum(count[parent] for parent in node.parents)
    return count[output]


def close(answer, expected):
    return same(as_array(answer), as_array(expected))


@exercise.check(points=3)
def test_every_gradient_is_right(diamond):
    right, naive = nodes(), nodes()
    right["f"].backward()
    with bug("naive_recursion"):
        naive["f"].backward()
    for name in "bcaxy":
        written = entry(diamond, "diamond", name, f"for {name}")
        answer, expected = as_number(written, f"the gradient of {name}"), float(right[name].gradient)
        if close(answer, expected):
            continue
        sentence = f"you wrote {number(answer)} for the gradient of {name}"
        value, sent = float(right[name]), dict(shares(right[name], right))
        require(not close(answer, value), "value-for-gradient", f"{sentence}: that is the value of {name}")
        flipped = sum(abs(share) for share in sent.values())
        added = f"{sentence}: that is what comes out if every share is added with a plus; one of them is negative"
        require(len(sent) < 2 or flipped == expected or not close(answer, flipped), "sign", added)
        again = (
            f"{sentence}: that is what naive recursion gives, which does not wait until the gradient of a is complete"
        )
        require(not close(answer, float(naive[name].gradient)), "counted-twice", again)
        for user, share in sent.items():
            part = f"{sentence}: that is the share from {user} alone; add those of {' and '.join(sent)}"
            require(len(sent) < 2 or not close(answer, share), "missing-share", part)
        require(not close(answer, -expected), "sign", f"{sentence}: the size is right, the sign is not")
        come = f"the sum of what {' and '.join(sent)} send" if len(sent) > 1 else f"what {''.join(sent)} sends"
        raise refuse("wrong-prediction", f"{sentence}; it is {come}")


@exercise.check(points=1)
def test_every_path_is_counted(diamond):
    graph = nodes()
    for name in "xy":
        key = f"paths from {name}"
        answer, expected = as_whole(entry(diamond, "diamond", key), key), paths(graph[name], graph["f"])
        sentence = f"{key}: {answer} is too {'many' if answer > expected else 'few'}; follow every arrow up to f"
        require(answer == expected, "wrong-paths", sentence)
