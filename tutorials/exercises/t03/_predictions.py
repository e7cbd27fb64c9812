"""What to predict in tutorial 03, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("03-smaller-step", k=(10, 2, 4, 5))
def a_smaller_step(k):
    """A forward difference has an error. Make its step {k} times smaller. How many times smaller does the error get?"""
    slope = 1 - np.tanh(0.5) ** 2
    errors = [abs((np.tanh(0.5 + h) - np.tanh(0.5)) / h - slope) for h in (1e-3, 1e-3 / k)]
    yield round(errors[0] / errors[1]), "The error is proportional to the step"
    yield "error-of-central", k * k, "that would be the square, which a look to both sides gives"
    yield "error-stays", 1, "the curve bends less within a smaller step, so the error does not stay"


@prediction("03-factor", c=(-2, 4, -3), x=(2, 5, 6), y=(3, 7, 8))
def a_factor_flows_in(c, x, y):
    """Let `L = {c} * (x * y)`, at x = {x} and y = {y}. What is the gradient of `x`?"""
    a, b = tl.parameter(float(x)), tl.parameter(float(y))
    (c * (a * b)).backward()
    yield float(a.gradient), f"The product gets {c} from above, and its own slope in `x` is `y`"
    yield "missing-upstream", y, f"that is the slope of the product alone, but {c} flows in from above"
    yield "swapped", c * x, "that is the gradient of `y`: the slope in `x` is the other operand"
    yield "slope-missing", c, "that is what flows in; it is multiplied by the slope of the product"


@prediction("03-reciprocal", x=(2, 4, 5), g=(3, 2, 7))
def one_over_x(x, g):
    """Let $y = 1 / x$, at x = {x}. The gradient of `y` is {g}. What is the gradient of `x`?"""
    a = tl.parameter(float(x))
    y = 1 / a
    y.backward(seed=float(g))
    yield float(a.gradient), "The slope is minus the square of the output, times what flows in"
    yield "missing-upstream", -1 / x**2, "that is the slope alone, but a gradient flows in from above"
    yield "value-for-slope", g / x, "that is the value times what flows in; multiply by the slope"


@prediction("03-corner", h=(0.25, 0.5, 0.1))
def a_corner(h):
    """Let $y = |x|$, which has a corner at 0. What does the central difference say at 0, with a step of {h}?"""
    yield (abs(h) - abs(-h)) / (2 * h), "Both sides are equally high, so the two one-sided slopes cancel out"
    yield "one-sided", 1, "that is the slope on the right; a central difference looks to the left as well"
    yield "one-sided", -1, "that is the slope on the left; a central difference looks to the right as well"
    yield "no-halving", h, "that is a height: divide the difference of two heights"
