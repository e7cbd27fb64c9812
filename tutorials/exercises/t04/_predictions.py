"""What to predict in tutorial 04, in its order."""

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


def example(c, x):
    """The nodes x, a = x x and f = c a + a x, after the backward pass."""
    x = tl.parameter(float(x), "x")
    a = x * x
    f = c * a + a * x
    f.backward()
    return x, a, f


@prediction("04-two-users", c=(3, 5, 7), x=(2, 4, 6))
def two_users(c, x):
    """Take $a = x^2$ and $f = {c}a + a x$, at x = {x}. How much does `f` move for each 1 that `a` moves?"""
    yield float(example(c, x)[1].gradient), f"Two users send their shares, {c} and {x}, and the gradient is the sum"
    yield "one-use", c, f"that is the share of ${c}a$ alone, but `a` has a second user"
    yield "one-use", x, "that is the share of $a x$ alone, but `a` has a second user"
    yield "shares-multiplied", c * x, "shares are added; slopes are multiplied along one path"


@prediction("04-paths", c=(5, 4, 7), x=(2, 3, 5))
def another_factor(c, x):
    """Take $a = x^2$ and $f = {c}a + a x$, at x = {x}. What is the gradient of `x`?"""
    yield float(example(c, x)[0].gradient), "The two paths through the factor change, and the three others stay"
    yield "unchanged", float(example(3, x)[0].gradient), "that is with a 3, and two of five paths lead through it"
    yield "edge-lost", 2 * x * (c + x), "that much comes through `a`, but the product $a x$ also uses `x` directly"
    yield "one-use", x * (c + x) + x * x, "in $x^2$ there are two ways into `a`, and each sends a share"
    yield "another-node", c + x, "that is the gradient of `a`"


@prediction("04-calls", n=(5, 3, 4, 6))
def every_path(n):
    """A walk calls itself along every path. Double a number {n} times, as in `x + x`. How many calls does it make?"""
    yield sum(2**k for k in range(n + 1)), "There is 1 call for the last node, 2 for the one below, then 4, and so on"
    yield "counts-nodes", n + 1, "that is the number of nodes, but each path makes calls of its own"
    yield "last-level", 2**n, "that many calls reach the leaf; the nodes on the way are called as well"


@prediction("04-backward-again", n=(2, 3, 4), c=(3, 5, 7))
def backward_again(n, c):
    """Let `f = {c} * x`. Call `f.backward()` {n} times, and nothing in between. What is `x.gradient` then?"""
    x = tl.parameter(1.0)
    f = c * x
    for _ in range(n):
        f.backward()
    yield float(x.gradient), "Each call adds to the gradient that is there"
    yield "overwrote", c, "that is after one call; the next one does not start over"
    yield "multiplied", c**n, "the calls add up, they do not multiply"
