r"""The central difference

Write `central_difference(f, x, h)`: the slope of the function `f` at the number `x`, from two values of `f`. One is
taken `h` to the right of `x` and one `h` to the left:

$$\frac{f(x + h) - f(x - h)}{2h}$$
"""

from typing import Any

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, apart, as_number, example, generators, number, numbers, require

HINTS = (
    "A slope is a rise divided by a run. Between x - h and x + h, how long is the run?",
    "Mind the brackets: both the difference above and the 2h below belong together.",
    "`return (f(x + h) - f(x - h)) / (2 * h)`",
)
ABOUT = (
    "The error of a one-sided difference falls with h, and that of the central one with its square, since the "
    "errors of the two sides cancel in part. A very small h makes it worse again: rounding errors are divided by "
    "h."
)
NEXT = (
    "Try the complex step, `np.imag(f(x + 1j * h)) / h` with h = 1e-30. It subtracts nothing, so nothing is lost "
    "to rounding. Which functions does it not work for?"
)
exercise = Exercise("03-central-difference", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def central_difference(f, x, h):
    """The slope of f at x, from f(x + h) and f(x - h)."""
    return (f(x + h) - f(x - h)) / (2 * h)


@exercise.another()
def mean_of_both_sides(f, x, h):
    """The mean of the slope to the right and the slope to the left: their errors have opposite signs."""
    right, left = (f(x + h) - f(x)) / h, (f(x) - f(x - h)) / h
    return (right + left) / 2


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


BRACKETS = "comes out as with / 2 * h, which divides by 2 and multiplies by h: divide by (2 * h)"
HALF = "goes half as far as it should, to x + h / 2 and x - h / 2"
SLIPS = (
    (
        "one-sided",
        "compares f(x + h) with f(x): the value on the left is missing",
        lambda f, x, h: (f(x + h) - f(x)) / h,
    ),
    (
        "one-sided",
        "compares f(x) with f(x - h): the value on the right is missing",
        lambda f, x, h: (f(x) - f(x - h)) / h,
    ),
    ("run-of-h", "is twice the slope: from x - h to x + h the run is 2h, not h", lambda f, x, h: 2 * central(f, x, h)),
    ("sign", "has the wrong sign: the value on the right comes first", lambda f, x, h: -central(f, x, h)),
    ("not-divided", "is the rise alone: divide it by the run 2h", lambda f, x, h: f(x + h) - f(x - h)),
    (
        "sum-for-difference",
        "adds the two values: a rise is their difference",
        lambda f, x, h: (f(x + h) + f(x - h)) / (2 * h),
    ),
    ("half-step", HALF, lambda f, x, h: central(f, x, h / 2)),
    ("half-step", HALF, lambda f, x, h: central(f, x, h / 2) / 2),
    ("run-of-x", "divides by 2x: the run from x - h to x + h is 2h", lambda f, x, h: central(f, x, h) * h / x),
    (
        "missing-brackets",
        "comes out as if f(x - h) alone were divided: put the difference in brackets",
        lambda f, x, h: f(x + h) - f(x - h) / (2 * h),
    ),
    ("missing-brackets", BRACKETS, lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h),
    ("missing-brackets", BRACKETS, lambda f, x, h: f(x + h) - f(x - h) / 2 * h),
)


def exp(x):  # functions as students write them: a message about one says "function", not "ufunc"
    return np.exp(x)


def sin(x):
    return np.sin(x)


def shown(case, answer, name=""):
    """A case in numbers."""
    f, x, h = case
    name = name or getattr(f, "__name__", "")
    return example(answer, central(f, x, h), **{"f": name, "x": x, "h": h, "f(x + h)": f(x + h), "f(x - h)": f(x - h)})


def slopes(central_difference, cases, names=("",)):
    """What the student's function gives in each case. Raises if one slip explains them all."""
    answers = [as_number(central_difference(f, x, h), "the slope") for f, x, h in cases]
    for code, sentence, slip in SLIPS:
        fits = all(np.isclose(y, slip(*case)) for y, case in zip(answers, cases, strict=True))
        require(not fits, code, f"your result {sentence}", example=shown(cases[0], answers[0], names[0]))
    return answers


@exercise.check(points=2)
def test_the_slope_is_right(central_difference, seed, budget):
    names: list[str] = ["exp"]
    cases: list[Any] = [(exp, 0.5, 0.25)]
    for _, rng in generators(seed, max(budget, 3)):
        coefficients = numbers(rng, (4,))
        names.append(f"the cubic with coefficients {coefficients.tolist()}, that of x^3 first")
        cases.append((np.poly1d(coefficients), float(numbers(rng)), 0.125))
    answers = slopes(central_difference, cases, names)
    doubled = [as_number(central_difference(f, x, 2 * h), "the slope") for f, x, h in cases]
    true = [float(f(x) if f is exp else f.deriv()(x)) for f, x, _ in cases]
    sentence = "your result is the slope for an h of your own, and stays the same when h is doubled: use the h given"
    own = all(map(np.isclose, answers, doubled)) and bool(np.allclose(answers, true, rtol=0.02))
    require(not own, "own-h", sentence, example=shown(cases[0], answers[0], names[0]))
    for name, (f, x, h), answer in zip(names, cases, answers, strict=True):
        expected = float(central(f, x, h))
        yours, right = apart(answer, expected)
        sentence = f"f is {name}, x = {number(x)}, h = {number(h)}: you get {yours}, and the formula {right}"
        require(bool(np.isclose(answer, expected)), "wrong-slope", sentence, example=shown((f, x, h), answer, name))


@exercise.check(points=1)
def test_half_the_step_makes_a_quarter_of_the_error(central_difference):
    for f, slope, x in ((exp, np.exp, 0.5), (sin, np.cos, 1.0)):
        answers = slopes(central_difference, [(f, x, 0.02), (f, x, 0.01)])
        errors = [y - float(slope(x)) for y in answers]
        ratio = errors[0] / errors[1] if errors[1] else 0.0
        sentence = f"from h = 0.02 to h = 0.01 the error shrinks {number(ratio)} times; with both sides of x, 4 times"
        require(3.9 < ratio < 4.1, "wrong-slope", sentence)
