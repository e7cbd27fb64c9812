"""What to predict in tutorial 10, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("10-tanh-calls", n=(1, 2, 3))
def shared_by_forward_and_backward(n):
    """A function doubles and takes the tanh, in turns, with {n} tanh in all. One compiled program computes its value
    and its gradient. How often does this program call `np.tanh`?"""

    def value_and_gradient(x):
        y = x
        for _ in range(n):
            y = tl.tanh(2 * y)
        return [y, *tl.gradients(y, [x])]

    source = tl.compile(value_and_gradient, buffers=False).prepare(np.float64(0.5)).source
    yield source.count("np.tanh("), "The slope is computed from the result, which is there already"
    yield "computed-again", 2 * n, "the way back needs the result of the tanh, which the way forward has computed"
    yield "no-forward", 0, "the value itself needs it"


SLOPES = {"exp": "`t1`", "sqrt": "`0.5 / t1`"}


@prediction("10-exp", f=tuple(SLOPES))
def another_slope(f):
    """Put `tl.{f}` in place of `tl.tanh`, with `t1` as its result. What stands in place of `1.0 - t1 * t1` then?"""
    others = {
        "`1.0 - t1`": "put a number in: is that the slope of this function?",
        "`1.0 - t1 * t1`": "that is the slope of tanh",
        "nothing: it is computed again": "the slope follows from the result, without calling the function again",
    }
    yield SLOPES[f], "The slope is written with the result of the function, which is there already"
    yield from (("another-slope", text, said) for text, said in others.items())


@prediction("10-second", x=(2, 3, 4))
def curvature(x):
    """Let $f(x) = x^4 - 3x^2 + x$. What is its second derivative at x = {x}?"""

    def f(x):
        return x**4 - 3 * x**2 + x

    slope = tl.grad(f)
    yield float(tl.grad(slope)(float(x))), "The gradient of the gradient, $12 x^2 - 6$"
    yield "first-derivative", float(slope(float(x))), "that is the first derivative: take its derivative, too"
    yield "no-derivative", float(f(float(x))), "that is the value"
    yield "factor", 12 * x**2, "the term $-3x^2$ has a second derivative as well"


KEPT = {"Y = A B": "its operands", "y = \\tanh x": "its result", "y = a + b": "nothing"}


@prediction("10-kept", op=tuple(KEPT))
def what_must_be_kept(op):
    """What must ${op}$ keep for the way back?"""
    sentences = {
        "its operands": "write down the slopes: do they mention an operand?",
        "its result": "write down the slopes: do they mention the result?",
        "nothing": "write down the slopes: they are not constants",
    }
    yield KEPT[op], "A rule keeps what it mentions, and no more"
    yield from (("kept-another", text, said) for text, said in sentences.items() if text != KEPT[op])
