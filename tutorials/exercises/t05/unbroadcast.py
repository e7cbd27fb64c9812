"""Undo broadcasting

An array of shape `shape` was repeated until it had the shape of `g`. Write `unbroadcast(g, shape)`: the gradient of the
array, from the gradient `g` of what it became. It has the shape `shape`.

NumPy aligns shapes from the right. A missing axis on the left, or an axis of length 1, is repeated; others are not.
"""

from functools import partial
from itertools import product

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    example,
    generators,
    numbers,
    refuse,
    require,
    same,
    worst,
)

HINTS = (
    "Each number of the small array was used several times. What does a node with several users get?",
    "First sum over the axes that `g` has too many, which are on the left. Then over those where `shape` has a 1 "
    "and `g` has more; these axes must stay, so use `keepdims=True`.",
    "`g = g.sum(axis=tuple(range(g.ndim - len(shape))))`, then for each axis i with `shape[i] == 1`: "
    "`g = g.sum(axis=i, keepdims=True)`.",
)
ABOUT = (
    "Where an array was repeated, each of its numbers was used several times, and the gradients of all uses are "
    "added. Repeating and summing are mirror images: the backward of each is the other."
)
NEXT = (
    "Shapes (3, 1) and (1, 4) are added. Say the shape of both gradients and which axes are summed, then check "
    "with `tl.parameter`."
)
exercise = Exercise("05-unbroadcast", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def unbroadcast(g, shape):
    """The sum of g over the axes along which an array of this shape was repeated."""
    extra = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(extra)))
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@exercise.another()
def in_one_sum(g, shape):
    """Fill the shape up with ones on the left; then every axis of length 1 is summed, all in one call."""
    padded = (1,) * (g.ndim - len(shape)) + tuple(shape)
    axes = tuple(axis for axis, n in enumerate(padded) if n == 1)
    return g.sum(axis=axes, keepdims=True).reshape(shape)


def right(g, shape):
    """The answer, by the definition: every number of g goes back to where it came from."""
    total = np.zeros(shape)
    np.add.at(total.reshape(-1), origins(shape, g.shape), g)
    return total


def origins(shape, whole):
    """For each number of the whole, the place in the array where it came from."""
    return np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), whole)


def repeats(g, shape):
    """How often each number was used."""
    return g.size // max(1, int(np.prod(shape)))


def judge(unbroadcast, whole, shape, rng):
    """One case: raise, and say what is wrong, unless the sum is right."""
    g = numbers(rng, whole)
    answer, expected = as_array(unbroadcast(g, shape), "the gradient"), right(g, shape)
    case = f"g has shape {whole} and the array {shape}"
    if answer.shape == shape:
        if same(answer, expected):
            return
        insist = partial(require, example=example(answer, expected, g=g))
        sentence = f"{case}: you have the mean of the {repeats(g, shape)} uses; every use counts in full, so sum them"
        insist(repeats(g, shape) == 1 or not same(answer * repeats(g, shape), expected), "mean-for-sum", sentence)
        first = np.zeros(shape)
        first.reshape(-1)[origins(shape, whole).reshape(-1)[::-1]] = g.reshape(-1)[::-1]
        sentence = f"{case}: you keep one of the {repeats(g, shape)} uses of each number; add them all"
        insist(not same(answer, first), "one-use", sentence)
        sentence = f"{case}: every number of yours is the sum of all of g; each gets the sum of its own uses"
        insist(not same(answer, np.full(shape, g.sum())), "all-summed", sentence)
        insist(False, "wrong-value", f"{case}: {worst(answer, expected)}")
    sentence = f"{case}; your result has shape {answer.shape}"
    last = g.sum(axis=tuple(range(len(shape), g.ndim)))
    turned = f"{sentence}: the last axes were summed; shapes are aligned from the right, so sum over the first ones"
    require(len(whole) == len(shape) or not same(answer, last), "wrong-end", turned)
    dropped = answer.size == expected.size and same(answer.reshape(shape), expected)
    require(not dropped, "reshaped", f"{sentence}: the numbers are right, but axes of length 1 are lost or added")
    extra = len(whole) - len(shape)
    left = "the first axis" if extra == 1 else f"the first {extra} axes"
    require(answer.ndim <= len(shape), "extra-axis", f"{sentence}: sum over {left} of g, which the array lacks")
    if answer.ndim == len(shape):
        axes = tuple(i for i, (n, m) in enumerate(zip(shape, answer.shape, strict=True)) if n == 1 != m)
        mended = bool(axes) and same(answer.sum(axis=axes, keepdims=True), expected)
        stretched = f"{sentence}: axis {axes[0] if axes else 0} had length 1 and was repeated, so sum over it as well"
        require(not mended, "stretched-axis", stretched)
    raise refuse("wrong-shape", f"{sentence}: a gradient has the shape of its array")


EXAMPLES = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), (1, 3)), ((2, 3), ()), ((3, 3), (3, 1)),
    ((4, 2, 3), (2, 1)), ((2, 1, 3), (1, 1)), ((2,), (1,)), ((1, 3), (3,)),
]  # fmt: skip


@exercise.check(points=2)
def test_rows_columns_and_numbers(unbroadcast):
    rng = np.random.default_rng(5)
    for whole, shape in EXAMPLES:
        judge(unbroadcast, whole, shape, rng)


@exercise.check(points=2)
def test_any_shape(unbroadcast, seed, budget):
    for size, rng in generators(seed, budget):
        whole = tuple(int(n) for n in rng.integers(1, 4, 1 + size % 4))
        kept = whole[int(rng.integers(0, len(whole) + 1)) :]
        shape = tuple(1 if rng.random() < 0.5 else n for n in kept)
        judge(unbroadcast, whole, shape, rng)


@exercise.check(points=1)
def test_it_is_the_mirror_of_broadcasting(unbroadcast):
    """<g, repeat(x)> = <unbroadcast(g), x>, for all shapes of up to two axes."""
    rng = np.random.default_rng(6)
    for whole in product((1, 2, 3), repeat=2):
        for shape in {(), whole[1:], (1,), (1, whole[1]), (whole[0], 1), whole}:
            x, g = numbers(rng, shape), numbers(rng, whole)
            judge(unbroadcast, whole, shape, rng)
            answer = as_array(unbroadcast(g, shape), "the gradient", shape)
            left, back = float((g * np.broadcast_to(x, whole)).sum()), float((answer * x).sum())
            sentence = f"for shapes {shape} and {whole} g times the repeated x sums to {left:g}; yours gives {back:g}"
            require(same(as_array(back), as_array(left)), "wrong-value", sentence)
