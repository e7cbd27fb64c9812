"""What to predict in tutorial 02, in its order."""

from itertools import permutations

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("02-step", x=(1, 3, 4), y=(2, 5, 7))
def the_first_product(x, y):
    """Run $f = \\tanh(x y) + x x$ step by step, at x = {x} and y = {y}. Step 3 is the first product. What is its
    value?"""
    product = tl.constant(float(x)) * float(y)
    yield float(product), "`x` and `y` have their values, so their product can be computed"
    yield "another-node", x * x, "that is the other product, of `x` with itself"
    yield "too-late", float(tl.tanh(product)), "that is one step later, after the tanh"


READS = {"x * x": "", "p * x": "p", "p + t": "pt"}  # of the steps before, what `q` reads


@prediction("02-orders", q=tuple(READS))
def orders_that_work(q):
    """The recipe is `p = x * y`, `q = {q}`, `t = tanh(p)` and `f = t + q`. How many orders of these four steps work?"""
    reads = {"p": "", "q": READS[q], "t": "p", "f": "tq"}
    orders = ["".join(order) for order in permutations("pqtf")]
    working = [o for o in orders if all(o.index(r) < o.index(step) for step in o for r in reads[step])]
    yield len(working), f"What a step reads must come before it: {', '.join(working)}"
    yield "all-orders", len(orders), "that is all orders, but `t` cannot come before `p`"
    yield "wrong-count", 6, "that many have `f` at the end, but `t` must come after `p` as well"


@prediction("02-squarings", n=(4, 3, 5, 6))
def squared_again_and_again(n):
    """Square a number {n} times, each time the result of the last. How many multiplications does this graph have?"""

    def power(x):
        for _ in range(n):
            x = x * x
        return x

    yield tl.trace(power, np.float64(1.1)).flops, "Each square is computed once, and then read twice"
    yield "counted-twice", 2**n - 1, "that is the formula written out; a graph computes each square once"
    yield "counts-leaf", n + 1, "that is the number of nodes; the first one is not a multiplication"


@prediction("02-eager", op=("x * y", "x + y", "tl.tanh(x)"))
def known_at_once(op):
    """`x` and `y` are parameters with values. Python runs the line `p = {op}` and nothing else.
    Is `p` known? True or False"""
    known = (tl.parameter(0.5) * tl.parameter(2.0)).known
    yield known, "All parents have their values, so the node gets its own the moment it is made"
    yield "not-eager", not known, "its parents have their values: what else is there to wait for?"
