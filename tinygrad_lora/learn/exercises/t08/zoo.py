r"""Tell six engines apart

There are six engines: the right one, and five with a mistake from the zoo: `naive_recursion`, `no_accumulate`,
`no_unbroadcast`, `relu_at_zero` and `stale_graph`. `tl.bugs()` says what each of them does.

Write `fingerprint()`. It builds small graphs, sends gradients back, and returns a list of numbers. It is called inside
each engine, and the lists must all be different.

The right engine may refuse what a wrong one does. For that there is
`try: ... except tl.errors.StaleGraphError: ...`.
"""

import numpy as np

import tinygrad_lora as tl

from ....view.words import number
from ...diagnosis import require
from ...exact import as_array, refuse, same
from ...exercise import Exercise
from ...zoo import bug, bugs

exercise = Exercise(
    "08-zoo",
    __doc__,
    kind="M",
    limit=3.0,
    hints=(
        "One experiment for each mistake, and one number from each: a gradient that the mistake changes. `tl.bugs()` "
        "says where each shows, and where it hides.",
        "Square a number and square the result; add a bias to a matrix; put a ReLU at 0; change a parameter between "
        "forward and backward. Under `no_unbroadcast` the bias gets a gradient of another shape: look at its size.",
        "`b.gradient.size` tells the third. For the last: `w.value = 3.0` after `y = w * w`, then `y.backward()` in a "
        "`try`, and `found.append(0.0)` where it is refused. The other three are `float(x.gradient)`.",
    ),
)


@exercise.reference
def fingerprint():
    """Numbers that are different under each of the six engines."""
    x = tl.parameter(2.0, "x")
    a = x * x
    (a * a).backward()
    b = tl.parameter(np.zeros(2), "b")
    tl.sum(tl.constant(np.ones((3, 2))) + b).backward()
    r = tl.parameter(0.0, "r")
    tl.relu(r).backward()
    found = [float(x.gradient), b.gradient.size, float(r.gradient)]
    w = tl.parameter(2.0, "w")
    y = w * w
    w.value = 3.0
    try:
        y.backward()
        found.append(float(w.gradient))
    except tl.errors.StaleGraphError:
        found.append(0.0)
    return found


NAMES = ("naive_recursion", "no_accumulate", "no_unbroadcast", "relu_at_zero", "stale_graph")


def measured(fingerprint, name=None):
    """The list under one engine; a word where a wrong engine fails, which tells it from the others as well."""
    if name is None:
        return _numbers(fingerprint())
    with bug(name):
        try:
            return _numbers(fingerprint())
        except Exception as error:
            return type(error).__name__


def _numbers(found):
    if type(found) not in (list, tuple):
        as_array(found, "the fingerprint")  # says what is wrong with None
        raise refuse("wrong-type", f"the fingerprint is of type {type(found).__name__}; return a list of numbers")
    array = as_array(list(found), "the fingerprint")
    require(array.ndim == 1, "wrong-type", "the fingerprint holds arrays; return a flat list of numbers")
    return array


def alike(a, b):
    """Whether two fingerprints are the same."""
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    return same(a, b)


def words(found):
    return found if isinstance(found, str) else ", ".join(number(float(v)) for v in found[:6]) or "nothing"


def judge(fingerprint, name):
    """Raise unless this mistake shows, and say where it hides."""
    right = measured(fingerprint)
    again = measured(fingerprint)
    told = f"called twice it gives {words(right)} and {words(again)}: an experiment must be repeatable"
    require(alike(right, again), "not-repeatable", told)
    hides = next(one.hides for one in bugs() if one.name == name)
    told = f"under {name} you measure {words(right)}, as under the right engine. It hides in {hides}"
    require(not alike(right, measured(fingerprint, name)), f"misses-{name.replace('_', '-')}", told)


@exercise.check()
def test_naive_recursion_shows(fingerprint):
    judge(fingerprint, "naive_recursion")


@exercise.check()
def test_no_accumulate_shows(fingerprint):
    judge(fingerprint, "no_accumulate")


@exercise.check()
def test_no_unbroadcast_shows(fingerprint):
    judge(fingerprint, "no_unbroadcast")


@exercise.check()
def test_relu_at_zero_shows(fingerprint):
    judge(fingerprint, "relu_at_zero")


@exercise.check()
def test_stale_graph_shows(fingerprint):
    judge(fingerprint, "stale_graph")


@exercise.check()
def test_all_six_are_told_apart(fingerprint):
    found = {"the right engine": measured(fingerprint)} | {name: measured(fingerprint, name) for name in NAMES}
    told = list(found.items())
    for i, (name, mine) in enumerate(told):
        for other, theirs in told[:i]:
            same_words = f"{other} and {name} both give {words(mine)}: return more numbers"
            require(not alike(mine, theirs), "not-told-apart", same_words)


def measurements(x_value=2.0, leaf=False, summed=False, relu_at=0.0, stale=True):
    x = tl.parameter(x_value)
    a = x * x
    (a if leaf else a * a).backward()
    b = tl.parameter(np.zeros(2))
    tl.sum(tl.constant(np.ones((3, 2))) + b).backward()
    r = tl.parameter(relu_at)
    tl.relu(r).backward()
    found = [float(x.gradient), float(b.gradient.sum()) if summed else b.gradient.size, float(r.gradient)]
    w = tl.parameter(2.0)
    y = w * w
    w.value = 3.0 if stale else w.value
    try:
        if not stale:
            y = w * w
        y.backward()
        return [*found, float(w.gradient)]
    except tl.errors.StaleGraphError:
        return [*found, 0.0]


@exercise.mutant("misses-naive-recursion")
def shares_a_leaf_only():
    return measurements(leaf=True)


@exercise.mutant("misses-no-unbroadcast")
def adds_up_the_gradient_of_the_bias():
    return measurements(summed=True)


@exercise.mutant("misses-relu-at-zero")
def avoids_the_zero():
    return measurements(relu_at=0.001)


@exercise.mutant("misses-stale-graph")
def goes_forward_again():
    return measurements(stale=False)


@exercise.mutant("not-told-apart")
def says_only_that_something_is_wrong():
    found = measurements()
    return [float(found == [32.0, 2, 0.0, 0.0])]
