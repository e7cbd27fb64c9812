"""What to predict in tutorial 08, in its order."""

import numpy as np

from tinygrad_lora.learn.predictions.prediction import prediction

CASES = {
    "0 \\cdot \\ln 0": lambda: np.float64(0) * np.log(np.float64(0)),
    "\\ln 0 - \\ln 0": lambda: np.log(np.float64(0)) - np.log(np.float64(0)),
    "0 / 0": lambda: np.float64(0) / np.float64(0),
    "\\ln 0": lambda: np.log(np.float64(0)),
}


@prediction("08-nan", case=tuple(CASES))
def where_a_nan_begins(case):
    """What does NumPy give for ${case}$?"""
    with np.errstate(all="ignore"):
        right = str(CASES[case]())
    sentences = {
        "nan": "there is only one side here, so nothing contradicts it",
        "-inf": "one side alone would give that; what does the other side say?",
        "0.0": "a zero alone does not settle it: what is beside it?",
    }
    yield right, "You can compute with infinity; NaN is what you get when there is no result"
    yield from (("no-number", other, said) for other, said in sentences.items() if other != right)


@prediction("08-clipped", g=(50, 30, 40), norm=(200, 60, 80), limit=(2, 3, 5))
def one_number_of_a_clipped_gradient(g, norm, limit):
    """All gradients together have the norm {norm}, and the limit is {limit}. One of the numbers is {g}. What is it
    after clipping?"""
    yield g * limit / norm, "All numbers shrink by one factor, so the direction stays"
    yield "each-alone", min(g, limit), "that limits each number alone, which changes the direction"
    yield "not-clipped", g, "the norm of all together is above the limit"
    yield "no-limit", g / norm, "that makes the norm 1, but the limit is another number"


@prediction("08-sigmoids", n=(3, 2, 4))
def slopes_multiply(n):
    """A sigmoid has a slope of at most 0.25. A gradient goes back through {n} of them, one after the other. What is the
    largest factor that is left of it?"""
    yield 0.25**n, "Along a path slopes are multiplied; twelve of them leave almost nothing"
    yield "slopes-added", 0.25 * n, "along one path slopes are multiplied"
    yield "one-layer", 0.25, "that is the factor of one of them"


@prediction("08-larger-weights", factor=(8.0, 6.0))
def which_end_moves(factor):
    """In a deep network of tanh the weights are multiplied by 4.0. Make that {factor}. In which layer does the norm of
    the gradient change most?"""
    yield "the first layer", "Each layer multiplies on the way back, so the change grows towards the first layer"
    yield "forward-for-backward", "the last layer", "a gradient starts there, and is multiplied from there on"
    yield "one-layer", "both equally", "each layer on the way multiplies once more, so the ends differ"
