"""What to predict in tutorial 01, in its order."""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import topological_order
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("01-product", n=(2, 3, 4, 5))
def a_product_is_a_new_node(n):
    """Make {n} parameters and multiply them, as in `x * y`. How many nodes are there now, the parameters included?"""
    product = tl.parameter(2.0)
    for _ in range(n - 1):
        product = product * tl.parameter(2.0)
    yield len(topological_order([product])), "Each product is a node of its own, beside the parameters"
    yield "no-result", n, "those are the parameters; a result is a node as well"
    yield "no-leaves", n - 1, "those are the products; the parameters are nodes as well"


@prediction("01-scale", x=(6, 2, 4), c=(5, 7, 9))
def another_factor(x, c):
    """In `t = 3 * x`, at x = {x}, the 3 becomes a {c}. Which two fields of `t` change?"""
    x = tl.parameter(float(x), "x")
    before, after = 3 * x, c * x
    fields = [f"`{name}`" for name in ("op", "parents", "params", "value", "gradient", "name")
              if getattr(before, name) != getattr(after, name)]  # fmt: skip
    yield " and ".join(fields), "The factor is kept in `params`, and the result in `value`"
    yield "factor-is-no-parent", "`parents` and `value`", "a plain number is no node, so it is no parent"
    yield "same-operation", "`op` and `value`", "the operation is called `scale`, whatever the factor is"
    yield "no-gradient-yet", "`value` and `gradient`", "nobody has called `backward()`, so there is no gradient"


@prediction("01-sharing", n=(2, 3, 4, 5))
def used_twice(n):
    """Take one parameter `a`, and write the letter `a` {n} times with `*` in between. How many nodes is that?"""
    a = power = tl.parameter(3.0, "a")
    for _ in range(n - 1):
        power = power * a
    yield len(topological_order([power])), "`a` is stored once, however often it is written, and each product once"
    yield "counted-twice", 2 * n - 1, "`a` is written several times, but it is one node"
    yield "no-leaves", n - 1, "those are the products; `a` is a node as well"


@prediction("01-doublings", n=(10, 5, 7, 12))
def doubled_again_and_again(n):
    """Begin with one node, and write `doubled = doubled + doubled` {n} times. How many nodes are there in the end?"""
    node = tl.parameter(1.0)
    for _ in range(n):
        node = node + node
    yield len(topological_order([node])), "Each sum is one node, and used twice; the formula written out is far longer"
    yield "counted-twice", 2**n, "that is how often the formula contains the letter; the graph stores each sum once"
    yield "no-leaves", n, "those are the sums; the number that they begin with is a node, too"
