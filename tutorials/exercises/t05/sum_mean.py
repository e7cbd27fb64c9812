r"""Sum and mean along an axis

The forwards are `x.sum(axis)` and `x.mean(axis)`, where `axis` is one whole number; the axis disappears. Write
`sum_vjp(g, y, x, axis)` and `mean_vjp(g, y, x, axis)`. Each returns one array, the gradient of `x`.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, tell

HINTS = (
    "Every number of a row goes into one sum. So which gradient does each of them get?",
    "Give g its lost axis back: `np.expand_dims(g, axis)`. Then `np.broadcast_to(..., x.shape)` repeats it.",
    "The mean is the sum divided by n, and n is `x.shape[axis]`. So its gradient is that of the sum, divided by n.",
)
ABOUT = (
    "A sum sends the same gradient to every number that went into it, so backward repeats what forward added up. "
    "The mean does the same and divides by how many there were."
)
NEXT = "Write the rule of `x.max(axis)`. Who gets the gradient where two numbers are equally large?"
exercise = Exercise("05-sum-mean", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def sum_vjp(g, y, x, axis):
    """The gradient of x, from the gradient g of y = x.sum(axis)."""
    return np.broadcast_to(np.expand_dims(g, axis), x.shape)


@exercise.reference
def mean_vjp(g, y, x, axis):
    """The gradient of x, from the gradient g of y = x.mean(axis)."""
    return np.broadcast_to(np.expand_dims(g, axis), x.shape) / x.shape[axis]


@exercise.another("sum_vjp")
def by_repeating(g, y, x, axis):
    """`np.repeat` copies the numbers as often as there were summands."""
    return np.repeat(np.expand_dims(g, axis), x.shape[axis], axis)


@exercise.another("mean_vjp")
def by_equal_slopes(g, y, x, axis):
    """Each number of x has the slope 1/n: an array of slopes, multiplied by the gradient that flows in."""
    slopes = np.full(x.shape, 1 / x.shape[axis])
    return np.expand_dims(g, axis) * slopes


def repeated(g, shape, axis):
    return np.broadcast_to(np.expand_dims(g, axis), shape)


def slips(axis):
    """What goes wrong with this axis, as rules of x."""
    turned = "is repeated along the wrong axis: give g its axis back first, with np.expand_dims(g, axis)"
    return {
        "wrong-axis": (turned, lambda g, y, x: repeated(g, x.shape, 1 - axis) * (x.ndim == 2)),
    }


def mean_slips(axis):
    n = f"n is x.shape[{axis}], the length of the axis that is summed"
    return {
        "missing-count": (f"is that of the sum: divide by n; {n}", lambda g, y, x: repeated(g, x.shape, axis)),
        "multiplied-by-count": (
            f"is multiplied by n: divide by it; {n}",
            lambda g, y, x: repeated(g, x.shape, axis) * x.shape[axis],
        ),
        "all-elements": (f"is divided by x.size: {n}", lambda g, y, x: repeated(g, x.shape, axis) / x.size),
        "wrong-axis": (
            "is repeated along the wrong axis: give g its axis back first, with np.expand_dims(g, axis)",
            lambda g, y, x: repeated(g, x.shape, 1 - axis) / x.shape[axis],
        ),
    }


def cases(seed, budget):
    """Arrays and an axis: squares first, where a wrong axis goes unnoticed."""
    for i, (size, rng) in enumerate(generators(seed, budget)):
        shape = (3, 3) if i < 2 else (2 + size % 2, 4) if i % 3 else (2, 3, 2)
        axis = i % 2 if len(shape) == 2 else int(rng.integers(3))
        yield numbers(rng, shape), axis


def examine(rule, forward, x, axis, mistakes, seed):
    square = x.shape == (3, 3)
    g = np.array([0.5, -1.25, 1.5]) if square else None  # were they equal, a wrong axis would go unnoticed
    tell(
        diagnose(
            lambda g, y, x: rule(g, y, x, axis), lambda x: forward(x, axis), x, names=["x"],
            alternatives=mistakes(axis) if square else None, g=g, seed=seed, settings={"axis": axis},
        )
    )  # fmt: skip


@exercise.check(points=2)
def test_the_rule_of_the_sum(sum_vjp, seed, budget):
    for x, axis in cases(seed, min(budget, 12)):
        examine(sum_vjp, lambda x, axis: x.sum(axis), x, axis, slips, seed)


@exercise.check(points=2)
def test_the_rule_of_the_mean(mean_vjp, seed, budget):
    for x, axis in cases(seed, min(budget, 12)):
        examine(mean_vjp, lambda x, axis: x.mean(axis), x, axis, mean_slips, seed)
