r"""Build a polynomial

Write `polynomial(x, y)`. It takes two nodes and returns the node of $3x^2 + 2y$.

Use `*`, `+` and plain numbers on the nodes themselves. With `x = 2` and `y = 5` the value is 22. Six nodes are enough:
`x`, `y` and one for each of four operations.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.node import CONSTANT
from tinygrad_lora.learn.authoring import Exercise, generators, number, numbers, refuse, require, topological_order

SLIPS = (
    ("square-of-product", "squares 3x, and (3x)^2 is 9x^2: square x first", lambda x, y: (3 * x) ** 2 + 2 * y),
    ("doubled-not-squared", "has 2x where x^2 belongs: a square is x * x", lambda x, y: 3 * (2 * x) + 2 * y),
    ("missing-term", "is 3x^2 alone: the term 2y is missing", lambda x, y: 3 * x * x),
    ("missing-term", "is 2y alone: the term 3x^2 is missing", lambda x, y: 2 * y),
    ("swapped-arguments", "is right if x and y change places", lambda x, y: 3 * y * y + 2 * x),
    ("common-factor", "multiplies the whole sum by 3: only x^2 gets the 3", lambda x, y: 3 * (x * x + 2 * y)),
    ("sign", "subtracts 2y, which is added", lambda x, y: 3 * x * x - 2 * y),
    ("swapped-factors", "is 2x^2 + 3y: the 2 and the 3 have changed places", lambda x, y: 2 * x * x + 3 * y),
    ("missing-factor", "is x^2 + 2y: the 3 is missing", lambda x, y: x * x + 2 * y),
    ("missing-factor", "is 3x^2 + y: the 2 is missing", lambda x, y: 3 * x * x + y),
    ("both-squared", "squares y as well", lambda x, y: 3 * x * x + 2 * y * y),
)

HINTS = (
    "Nodes behave like numbers in a formula: `x * y`, `x + y` and `3 * x` all give new nodes.",
    "$x^2$ is `x * x`, one node that uses `x` twice. Then `3 * (...)` scales it.",
    "Four operations: a square, a scaling by 3, a scaling by 2, a sum. `return 3 * (x * x) + ...`",
)
ABOUT = (
    "Arithmetic on nodes computes a value and also records how: each operator makes a new node that knows its "
    "parents. A shared part such as `x * x` is one node, however often the formula uses it."
)
NEXT = (
    "Write `(x * x) * (x * x)` once like this, and once with a name for the square. Draw both with `tl.draw`: how "
    "many nodes does each have?"
)
exercise = Exercise("01-build", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def polynomial(x, y):
    """The node of 3 x^2 + 2 y, from two nodes."""
    return 3 * (x * x) + 2 * y


@exercise.another()
def with_named_functions(x, y):
    """Each operator is short for a function of the library, and a power is one node as well."""
    return tl.add(tl.scale(tl.power(x, 2), 3), tl.scale(y, 2))


def as_node(answer):
    """The node that the student gave; for anything else the reason why it is none."""
    require(answer is not None, "no-return", "polynomial gave None: does it end with `return`?")
    if not isinstance(answer, tl.ComputationNode):
        kind = type(answer).__name__
        raise refuse("left-the-graph", f"polynomial gave a {kind}, not a node: compute with x, not with x.value")
    return answer


def formula_of(trials):
    """The polynomial of degree 3 or less that explains all results; "" if there is none, or if the trials are few."""
    powers = [(i, n - i) for n in range(3, -1, -1) for i in range(n, -1, -1)]
    if len(trials) < 2 * len(powers):
        return ""
    x, y, z = (np.array([float(trial[k]) for trial in trials]) for k in range(3))
    terms = np.stack([x**i * y**j for i, j in powers], axis=1)
    factors = np.linalg.lstsq(terms, z, rcond=None)[0].round(6)
    if not np.isclose(terms @ factors, z).all():
        return ""
    letters = ["".join(f"{v}^{n}" if n > 1 else v for v, n in zip("xy", power, strict=True) if n) for power in powers]
    written = [
        name if c == 1 and name else f"{number(float(c))} {name}".strip()
        for c, name in zip(factors, letters, strict=True)
        if c
    ]
    return " + ".join(written).replace("+ -", "- ") or "0"


def judge(polynomial, seed, budget):
    """Raise, and name the slip, unless the values are right. A small graph of something else earns nothing."""
    trials = []
    for _, rng in generators(seed, max(budget, 3)):
        x, y = numbers(rng, (2,))
        answer = as_node(polynomial(tl.parameter(x, "x"), tl.parameter(y, "y")))
        trials.append((x, y, answer))
    for code, sentence, slip in SLIPS:
        made_it = all(np.isclose(float(z), slip(x, y)) for x, y, z in trials)
        require(not made_it, code, f"your result {sentence}", show=trials[0][2])
    for x, y, z in trials:
        expected, at = 3 * x * x + 2 * y, f"with x = {number(x)} and y = {number(y)}"
        sentence = f"{at} the value is {number(float(z))}; it should be {number(expected)}"
        formula = formula_of(trials)
        require(not formula or bool(np.isclose(float(z), expected)), "other-formula", f"{sentence}: yours is {formula}")
        require(bool(np.isclose(float(z), expected)), "wrong-value", sentence, show=z)


@exercise.check(points=2)
def test_the_value_is_right(polynomial, seed, budget):
    judge(polynomial, seed, budget)


@exercise.check(points=1)
def test_the_graph_grows_from_x_and_y(polynomial, seed):
    judge(polynomial, seed, 3)
    x, y = tl.parameter(2.0, "x"), tl.parameter(5.0, "y")
    z = as_node(polynomial(x, y))
    leaves = [node for node in topological_order([z]) if not node.parents and node.op is not CONSTANT]
    for name, leaf in (("x", x), ("y", y)):
        sentence = f"no path leads from {name} to your result: its value was copied, so no gradient finds the way back"
        require(leaf in leaves, "left-the-graph", sentence, show=z)


@exercise.check(points=1)
def test_six_nodes_are_enough(polynomial, seed):
    judge(polynomial, seed, 3)
    z = as_node(polynomial(tl.parameter(2.0, "x"), tl.parameter(5.0, "y")))
    n = len(topological_order([z]))
    sentence = f"your graph has {n} nodes and 6 are enough: multiply by the numbers 3 and 2, and use x * x once"
    require(n <= 6, "too-many-nodes", sentence, show=z)
