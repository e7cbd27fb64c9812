r"""Tell six engines apart

There are six engines: the right one, and five with a mistake from the zoo: `naive_recursion`, `no_accumulate`,
`no_unbroadcast`, `relu_at_zero` and `stale_graph`. `tl.bugs()` says what each of them does.

Write `probes()`. It returns a list of losses: nodes of shape (), each built from parameters. Each engine sends
gradients back from every loss, and all gradients of the parameters are compared. They must be different for all six.

If you name a parameter "late", it gets another value after your loss was computed, and before gradients are sent back.
The right engine refuses to go on then. That counts as a result, too.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.errors import StaleGraphError
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_nodes,
    bug,
    label,
    number,
    refuse,
    require,
    same,
    topological_order,
)

HINTS = (
    "One loss for each mistake: one that the mistake gets wrong. `tl.bugs()` says where each shows, and where it "
    "hides.",
    "Square a number and square the result: that shows two of them. Then add a bias to a matrix, put a ReLU at 0, "
    "and take any loss of a parameter called late.",
    "`a = x * x` and the loss `a * a`; `tl.sum(tl.constant(np.ones((3, 2))) + b)` with b of shape (2,); "
    '`tl.relu(tl.parameter(0.0))`; `w * w` with `w = tl.parameter(2.0, "late")`.',
)
ABOUT = (
    "A test finds a mistake only if it holds the case in which the mistake matters: a shared inner node, a "
    "repeated axis, an input of exactly 0, a parameter that changes late. Random inputs seldom hit these cases."
)
NEXT = "Which losses of yours could be merged without losing an engine? Two are enough in all."
exercise = Exercise("08-zoo", __doc__, kind="M", hints=HINTS, about=ABOUT, next_step=NEXT, limit=5.0)


@exercise.reference
def probes():
    """Losses on which the six engines give six different results."""
    x, b = tl.parameter(2.0, "x"), tl.parameter(np.zeros(2), "b")
    r, w = tl.parameter(0.0, "r"), tl.parameter(2.0, "late")
    a = x * x
    return [a * a, tl.sum(tl.constant(np.ones((3, 2))) + b), tl.relu(r), w * w]


@exercise.another()
def two_are_enough():
    """One sum for all mistakes but the last; the late parameter needs a loss of its own, which is refused."""
    x, b = tl.parameter(2.0, "x"), tl.parameter(np.zeros(2), "b")
    r, w = tl.parameter(0.0, "r"), tl.parameter(2.0, "late")
    a = x * x
    return [a * a + tl.sum(tl.constant(np.ones((3, 2))) + b) + tl.relu(r), w * w]


SHOWS = {
    "naive_recursion": "the result of an operation is used several times, and what it sends on is not 0",
    "no_accumulate": "a node is used several times",
    "no_unbroadcast": "an operand is repeated to fill a larger shape, as b of shape (2,) is in x + b with x (3, 2)",
    "relu_at_zero": "the input of a relu is exactly 0",
    "stale_graph": 'a loss depends on a parameter that is called "late"',
}
NAMES = tuple(SHOWS)
MOST = 60  # nodes; naive recursion takes too long on large graphs


def losses(probes):
    """The student's losses, with the parameters of each."""
    answer = as_nodes(probes(), "what probes gave")
    require(bool(answer), "no-probes", "your list is empty: it must hold at least one loss")
    pairs = []
    for loss in answer:
        if loss.shape or not loss.known or not loss.requires_gradient or not loss.parents:
            why = (
                f"of shape {loss.shape}" if loss.shape
                else "a leaf: compute something from it" if not loss.parents
                else "computed from no parameter" if not loss.requires_gradient
                else "symbolic, so it has no number"
            )  # fmt: skip
            yours = f"a loss is a number that is computed from a parameter; one of yours, {label(loss)}, is {why}"
            raise refuse("not-a-loss", yours)
        nodes = topological_order([loss])
        if len(nodes) > MOST:
            raise refuse("too-large", f"one of your losses has {len(nodes)} nodes; a few are enough")
        pairs.append((loss, [node for node in nodes if not node.parents and node.requires_gradient]))
    return pairs


def measured(probes, name=None):
    """For each loss what the engine gives: the gradients of its parameters, or a word where it stops."""
    results: list[Any] = []
    for loss, parameters in losses(probes):
        for p in parameters:
            if p.name == "late":
                p.value = 2 * p.value + 1
        try:
            with nullcontext() if name is None else bug(name):
                loss.backward()
        except StaleGraphError:
            results.append("refused")
        except Exception as error:
            if name is None:
                raise
            results.append(type(error).__name__)
        else:
            results.append([np.zeros(p.shape) if p.gradient is None else np.array(p.gradient) for p in parameters])
        tl.zero_gradients(loss)  # one of a wrong shape must not be seen by anybody else
    return results


def alike(a, b):
    """Whether two engines gave the same."""
    if len(a) != len(b):
        return False
    pairs = zip(a, b, strict=True)
    return all(x == y if isinstance(x, str) or isinstance(y, str) else _same(x, y) for x, y in pairs)


def _same(a, b):
    return len(a) == len(b) and all(same(as_array(x), as_array(y)) for x, y in zip(a, b, strict=True))


def words(results):
    """The results of some losses, in a few words."""
    parts = []
    for result in results[:6]:
        flat = [] if isinstance(result, str) else [number(float(v)) for array in result for v in array.flat]
        parts.append(result if isinstance(result, str) else " ".join(flat[:4]) + (" ..." if len(flat) > 4 else ""))
    return ", ".join(parts)


def judge(probes, name):
    """Raise unless this mistake shows, and say where it would."""
    right = measured(probes)
    sentence = "called twice, probes gave losses with different gradients: an experiment must be repeatable"
    require(alike(right, measured(probes)), "not-repeatable", sentence)
    sentence = f"under {name} the gradients of your losses are {words(right)}, as under the right engine; it "
    sentence += f"shows where {SHOWS[name]}"
    require(not alike(right, measured(probes, name)), f"misses-{name.replace('_', '-')}", sentence)


@exercise.check()
def test_naive_recursion_shows(probes):
    judge(probes, "naive_recursion")


@exercise.check()
def test_no_accumulate_shows(probes):
    judge(probes, "no_accumulate")


@exercise.check()
def test_no_unbroadcast_shows(probes):
    judge(probes, "no_unbroadcast")


@exercise.check()
def test_relu_at_zero_shows(probes):
    judge(probes, "relu_at_zero")


@exercise.check()
def test_stale_graph_shows(probes):
    judge(probes, "stale_graph")


@exercise.check()
def test_all_six_are_told_apart(probes):
    results = {"the right engine": measured(probes)} | {name: measured(probes, name) for name in NAMES}
    engines = list(results.items())
    for i, (name, mine) in enumerate(engines):
        for other, theirs in engines[:i]:
            both = f"{other} and {name} both give {words(mine)}: another loss is needed"
            require(not alike(mine, theirs), "not-told-apart", both)
