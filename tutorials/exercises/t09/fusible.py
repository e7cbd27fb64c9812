r"""Which results may move into the line of their user?

The graph in the picture belongs to these lines:

    h = x @ W
    a = h + b
    t = tl.tanh(a)
    u = 2 * t
    v = t * u
    e = tl.exp(v)
    r = e - b
    return e, tl.sum(r)

Each arrow leads from a result to a user of it. Answer for each: may the result move into the line of this user, so
that it needs no line of its own? It may if

* both operations are elementwise: each number of the result depends on the numbers at the same place;
* the result is used once in all, and returning it is a use as well.

Write True or False into the dictionary `may_move`, in place of each `...`.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_bool, entry, require

from ._programs import uses

HINTS = (
    "Cross out the arrows that touch `matmul` or `reduce_sum` first: there a number depends on a whole row.",
    "Then count the arrows that leave each box. An output has one more, which is not drawn.",
    "Three arrows are left: from add, from scale and from multiply.",
)
ABOUT = (
    "Two questions decide: are both operations elementwise, and is the result read only once? A second reader "
    "would compute the same numbers again, and being returned is a reader, too."
)
NEXT = "Change one of the lines so that one more result may move. Which arrow is it?"
exercise = Exercise("09-fusible", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

RIGHT = {
    "matmul -> add": False,
    "add -> tanh": True,
    "tanh -> scale": False,
    "tanh -> multiply": False,
    "scale -> multiply": True,
    "multiply -> exp": True,
    "exp -> subtract": False,
    "subtract -> reduce_sum": False,
}
LINES = "\n".join(f'may_move["{arrow}"] = {answer}' for arrow, answer in RIGHT.items())  # one line for each arrow

exercise.answer(f"may_move = {{}}\n# BEGIN SOLUTION\n{LINES}\n# END SOLUTION\n", may_move=RIGHT)


@exercise.another()
def by_counting_uses():
    """The two questions, asked of the graph itself."""
    x, W, b = tl.placeholder((2, 3)), tl.placeholder((3, 3)), tl.placeholder((3,))
    t = tl.tanh(x @ W + b)
    e = tl.exp(t * (2 * t))
    graph = tl.Graph([x, W, b], [e, tl.sum(e - b)])
    readers = [*graph.outputs, *(parent for node in graph.nodes for parent in node.parents)]
    return {
        f"{parent.op} -> {node.op}": parent.op.elementwise and node.op.elementwise and readers.count(parent) == 1
        for node in graph.nodes
        for parent in node.parents
        if parent.parents
    }


def graph():
    """The graph of this exercise: the same as in the tutorial."""

    def f(x, W, b):
        h = x @ W
        a = h + b
        t = tl.tanh(a)
        u = 2 * t
        v = t * u
        e = tl.exp(v)
        r = e - b
        return e, tl.sum(r)

    return tl.trace(f, *(tl.placeholder(shape) for shape in ((4, 3), (3, 2), (2,))))


@exercise.check(points=4)
def test_every_arrow_is_judged_right(may_move):
    traced = graph()
    used = uses(traced)
    for user in traced.nodes:
        for node in user.parents:
            if node.parents:
                judge(may_move, node, user, used[node], node in traced.outputs)


def judge(may_move, node, user, used, is_output):
    """One arrow: raise, and say why, unless the answer is right."""
    arrow = f"{node.op} -> {user.op}"
    answer = as_bool(entry(may_move, "may_move", arrow), arrow)
    alone = node.op.elementwise and user.op.elementwise
    yours = f"you say that {arrow} may{'' if answer else ' not'}"
    require(alone or not answer, "not-elementwise", f"{yours}: but one of them is not elementwise")
    output = f"{yours}: but the result is returned, so it is needed as an array of its own"
    require(not (alone and is_output and answer), "is-output", output)
    twice = f"{yours}: but the result has {used} users, so it would be computed {used} times, or be missing"
    require(not (alone and used > 1 and answer), "used-twice", twice)
    require(answer or not alone or used > 1, "too-careful", f"{yours}: both are elementwise, and nobody else uses it")
