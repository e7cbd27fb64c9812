r"""The backward rule of softmax

The softmax turns each row of `x` into probabilities: $y_i = e^{x_i} / \sum_j e^{x_j}$. Its slopes are

$$\frac{\partial y_i}{\partial x_j} = y_i\,(\delta_{ij} - y_j)$$

where $\delta_{ij}$ is 1 for $i = j$ and else 0. Write `softmax_vjp(g, y)`, the gradient of `x`. Both arrays are
(samples, classes), and each row is a softmax of its own. Do not build the Jacobian: two operations of NumPy and a sum
are enough.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, tell

HINTS = (
    "Write the vector-Jacobian product for one row: sum over i of g_i y_i (delta_ij - y_j). Multiply it out.",
    "The first part is g_j y_j. In the second, y_j stands before a sum over i that is one number for the row.",
    "`total = (g * y).sum(axis=-1, keepdims=True)`, then `return y * (g - total)`",
)
ABOUT = (
    "The softmax couples the classes of a row: to raise one probability is to lower all others. So from each "
    "entry of g the mean of its row under y is taken off, one sum in place of a whole Jacobian."
)
NEXT = (
    "Each row of the result sums to 0. Check it, and say why: what does softmax do if 1 is added to all scores of "
    "a row?"
)
exercise = Exercise("05-softmax", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def softmax_vjp(g, y):
    """The gradient of x, from the gradient g of y = softmax(x) along the last axis."""
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


@exercise.another()
def numerator_and_denominator(g, y):
    """First the gradient through the numerator, then what the common denominator takes back from all of the row."""
    through = y * g
    return through - y * through.sum(axis=-1, keepdims=True)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


SLIPS = {
    "diagonal-only": (
        "has the diagonal of the Jacobian only: x_j moves the other y_i as well, since they sum to 1",
        lambda g, y: g * y * (1 - y),
    ),
    "mixed-samples": (
        "sums over all samples: each row is a softmax of its own, so sum along the last axis",
        lambda g, y: y * (g - (g * y).sum()),
    ),
    "missing-y": (
        "misses y_j before the sum: factor y out of both parts, y * (g - ...)",
        lambda g, y: g * y - (g * y).sum(axis=-1, keepdims=True),
    ),
    "wrong-axis": (
        "sums along axis 0, over the samples: each row is a softmax of its own, so sum along the last axis",
        lambda g, y: y * (g - (g * y).sum(axis=0, keepdims=True)),
    ),
    "mean-for-sum": (
        "takes the mean over the row where it must take the sum",
        lambda g, y: y * (g - (g * y).mean(axis=-1, keepdims=True)),
    ),
    "sign": (
        "adds the sum over the row, which is subtracted",
        lambda g, y: y * (g + (g * y).sum(axis=-1, keepdims=True)),
    ),
    "missing-second-part": (
        "is the first part alone: subtract y times the sum over the row of g y",
        lambda g, y: g * y,
    ),
    "function-twice": (
        "takes the softmax of y, which is the softmax of x already",
        lambda g, y: softmax(y) * (g - (g * softmax(y)).sum(axis=-1, keepdims=True)),
    ),
    "unweighted": (
        "sums g where it must sum g times y",
        lambda g, y: y * (g - g.sum(axis=-1, keepdims=True)),
    ),
}


@exercise.check(points=3)
def test_the_rule_is_the_product_with_the_jacobian(softmax_vjp, seed, budget):
    for size, rng in generators(seed, min(budget, 12)):
        x = numbers(rng, (2, 2 + size % 3)) / 4
        tell(diagnose(softmax_vjp, softmax, x, arguments="g, y", names=["x"], alternatives=SLIPS, seed=seed))


@exercise.check(points=1)
def test_one_sample_alone(softmax_vjp, seed, budget):
    for size, rng in generators(seed, min(budget, 4)):
        x = numbers(rng, (1, 3 + size)) / 4
        slips = {code: slip for code, slip in SLIPS.items() if code not in ("mixed-samples", "wrong-axis")}
        tell(diagnose(softmax_vjp, softmax, x, arguments="g, y", names=["x"], alternatives=slips, seed=seed))
