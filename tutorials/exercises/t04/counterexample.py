"""Where naive recursion fails, and where it does not

Write two functions without arguments. Each builds a small graph from parameters, and returns its last node, a number:

* `counterexample()`: a graph on which naive recursion gives some parameter a wrong gradient. Three nodes are enough.
* `harmless()`: a graph in which a node that gets a gradient is used twice, and yet naive recursion is right about every
  gradient.
"""

from contextlib import nullcontext

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    bug,
    refuse,
    require,
    returned,
    same,
    short_array,
    topological_order,
)

HINTS = (
    "Naive recursion sends on what it has, and sends it again when the rest comes. Who suffers from that?",
    "A node that is used twice is not enough: it must also have a parent, which then gets too much. "
    "If the node that is used twice is a leaf, there is nobody to send to.",
    "Square a number, then square the result. And for the other: square a number, and stop.",
)
ABOUT = (
    "A node that is used twice must wait for both shares before it sends anything on; naive recursion sends at "
    "once, and then again what it had sent before. A shared leaf does no harm, because it has nobody to send to."
)
NEXT = (
    "By what factor is naive recursion wrong about x after two, three and four squarings in a row? Guess, then "
    'run it in `with tl.bug("naive_recursion"):`.'
)
exercise = Exercise("04-counterexample", __doc__, kind="M", hints=HINTS, about=ABOUT, next_step=NEXT, limit=3.0)


@exercise.reference
def counterexample():
    """A graph on which naive recursion is wrong."""
    x = tl.parameter(2.0, "x")
    a = x * x
    return a * a


@exercise.reference
def harmless():
    """A graph with a node that is used twice, on which naive recursion is right."""
    x = tl.parameter(2.0, "x")
    return x * x


@exercise.another("counterexample")
def with_a_sum():
    """The shared node need not be multiplied by itself: a sum uses it twice as well."""
    return (a := tl.tanh(tl.parameter(2.0, "x"))) + a


@exercise.another("harmless")
def with_shares_of_zero():
    """Shared, and no leaf: but both shares of a are 0 here, and 0 sent twice is 0."""
    a = tl.tanh(tl.parameter(0.0, "x"))
    return a * a


MOST = 40  # nodes; naive recursion takes too long on large graphs


def examined(function):
    """The student's graph; which nodes are used more than once; and each parameter's right and naive gradient."""
    who = f"{function.__name__}()" if hasattr(function, "__name__") else "your function"
    loss = returned(function(), tl.ComputationNode, who, "it must give the last node of a graph")
    if loss.shape or not loss.known:
        raise refuse("wrong-shape", f"{who} gave a node of shape {loss.shape}; a single number with a value is needed")
    if not loss.parents:
        raise refuse("no-parameter", f"{who} gave a leaf, which no operation made: compute something from it")
    if not loss.requires_gradient:
        raise refuse("no-parameter", f"{who} depends on no parameter: build it from tl.parameter(...)")
    nodes = topological_order([loss])
    if len(nodes) > MOST:
        raise refuse("too-large", f"{who} has {len(nodes)} nodes; a few are enough")
    shared = [node for node in used_twice(nodes) if node.requires_gradient]
    return loss, shared, _both(loss, nodes)


def used_twice(nodes):
    """The nodes that are used more than once."""
    users = [parent for node in nodes for parent in node.parents]
    return [node for node in nodes if users.count(node) > 1]


def _both(loss, nodes):
    """For each parameter the right gradient and the naive one."""
    trained, gradients = [node for node in nodes if not node.parents and node.requires_gradient], []
    for engine in (nullcontext(), bug("naive_recursion")):
        tl.zero_gradients(loss)
        with engine:
            loss.backward()
        gradients.append([np.zeros(node.shape) if node.gradient is None else node.gradient for node in trained])
    tl.zero_gradients(loss)
    return [(node.name or "a parameter", *pair) for node, *pair in zip(trained, *gradients, strict=True)]


def shown(gradient):
    return " ".join(short_array(gradient))


def why_not_shared(loss):
    """The reason, in words, that no node with a gradient is used twice."""
    idle = used_twice(topological_order([loss]))
    if not idle:
        return "no node of your graph is used twice"
    names = " and ".join(node.name or f"a {node.op}" for node in idle)
    if len(idle) > 1:
        return f"only {names} are used twice, and they get no gradient"
    return f"only {names} is used twice, and it gets no gradient"


def differing(gradients):
    """The rows of parameters whose gradients naive recursion gets wrong."""
    return [row for row in gradients if not same(as_array(row[2]), as_array(row[1]))]


@exercise.check(points=2)
def test_naive_recursion_is_wrong_about_the_counterexample(counterexample):
    loss, shared, gradients = examined(counterexample)
    if differing(gradients):
        return
    right = ", ".join(f"{name}: {shown(value)}" for name, value, _ in gradients)
    both = f"naive recursion gives the right gradients here ({right})"
    require(bool(shared), "not-shared", f"{both}: {why_not_shared(loss)}, so nobody has to wait", show=loss)
    leaves = all(not node.parents for node in shared)
    names = " and ".join(node.name or "a parameter" for node in shared)
    nothing = "are used twice: leaves, and they send" if len(shared) > 1 else "is used twice: a leaf, and it sends"
    sentence = f"{both}: only {names} {nothing} nothing on"
    require(not leaves, "only-leaf-shared", sentence, show=loss)
    harmless = f"{both}: what is sent twice adds up to 0 at every parameter, so it does no harm"
    require(False, "no-difference", harmless, show=loss)


@exercise.check(points=1)
def test_three_nodes_are_enough(counterexample):
    loss, _, gradients = examined(counterexample)
    require(bool(differing(gradients)), "no-difference", "naive recursion gives the right gradients here", show=loss)
    count = len(topological_order([loss]))
    sentence = f"yours has {count} nodes: one leaf, one node that is used twice, and the output are enough"
    require(count <= 3, "too-large", sentence, show=loss)


@exercise.check(points=1)
def test_the_harmless_graph_shares_and_does_no_harm(harmless):
    loss, shared, gradients = examined(harmless)
    require(bool(shared), "not-shared", why_not_shared(loss), show=loss)
    for name, right, naive in differing(gradients):
        sentence = f"naive recursion gives {name} the gradient {shown(naive)}, and {shown(right)} is right"
        require(False, "not-harmless", sentence, show=loss)
