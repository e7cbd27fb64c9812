"""What to predict in tutorial 09, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


def operations(f):
    """How many operations a function of one number has, as it is traced."""
    return sum(bool(node.parents) for node in tl.trace(f, np.float64(1.0)).nodes)


TAILS = {
    "2 * (x * x)": lambda x, square: 2 * square(),
    "tanh(x * x)": lambda x, square: tl.tanh(square()),
    "x * x": lambda x, square: square(),
}


@prediction("09-operations", tail=tuple(TAILS))
def traced_as_it_is_written(tail):
    """Trace `exp(-(x * x)) * (x * x) + {tail}`. How many operations does the graph have, before any pass?"""

    def written(x, square):
        return tl.exp(-square()) * square() + TAILS[tail](x, square)

    def once(x):
        shared = x * x
        return written(x, lambda: shared)

    right = operations(lambda x: written(x, lambda: x * x))
    yield right, "Python does what it is told, so each square that is written is an operation"
    yield (
        "already-merged",
        operations(once),
        "that is with one square; it is written three times, and nothing has been merged",
    )
    yield "counts-leaf", right + 1, "that is the number of nodes, but `x` is not an operation"


@prediction("09-if", c=(0, 1, 5))
def a_question_to_a_placeholder(c):
    """Trace a function with the line `if x > {c}:` in it. What happens?"""
    try:
        tl.trace(lambda x: x if x > c else -x, np.float64(c + 1.0))
        right = "both branches are traced"
    except tl.errors.TraceError:
        right = "an error says so"
    yield right, "The line asks for a value, and a placeholder has none"
    yield "example-decides", "the branch of the example is traced", "the example gives only the shape, not a value"
    yield "both-ways", "both branches are traced", "the function is called once, and Python takes one branch or none"


USERS = {"exp(t) + t": 2, "exp(t) + x": 1, "exp(t) * t": 2}


@prediction("09-move", line=tuple(USERS))
def may_it_move(line):
    """Let `t = tanh(x)`, and return `{line}`. May the tanh move into the line of its user? True or False"""
    right = USERS[line] == 1
    yield right, "Count the users of `t`: what is used once may move, and what is used twice has to be stored"
    yield "several-users", not right, "count the users of `t`: if it moves into one, what does another one read?"


@prediction("09-brackets", n=(64, 32, 16), r=(4, 8, 2))
def cheaper_brackets(n, r):
    """`x` has shape ({n}, 256), `A` (256, {r}) and `B` ({r}, 256). A product of (n, k) and (k, m) takes $2nkm$ flops.
    How many flops does the cheaper way to multiply the three take?"""
    arrays = [np.ones(shape) for shape in ((n, 256), (256, r), (r, 256))]
    thin, square = (tl.trace(f, *arrays).flops for f in (lambda x, A, B: (x @ A) @ B, lambda x, A, B: x @ (A @ B)))
    yield min(thin, square), "`(x @ A) @ B` never builds a large matrix"
    yield "wrong-order", max(thin, square), "that is `x @ (A @ B)`; count the other way as well"
    yield "one-product", min(thin, square) / 2, "that is one product of the two, or without the additions"
