"""What to predict in tutorial 06, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import topological_order
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("06-offset", a=(1, 3, 5), b=(4, 6, 7))
def a_factor_in_place_of_an_offset(a, b):
    """Let the layer compute `x * self.offset`. The input has two rows, and begins with {a} in the first and {b} in the
    second. The gradient that flows in is 1 everywhere. What is the first number of `offset.gradient`?"""
    offset = tl.parameter(np.zeros(1))
    tl.sum(tl.constant([[a], [b]]) * offset).backward()
    yield float(offset.gradient[0]), "The slope in the offset is the input, and the sum goes over the rows"
    yield "slope-of-sum", 2, "that is for `x + self.offset`; the slope of a product is the other operand"
    yield "not-summed", a, "that is the share of the first row, but the offset was repeated for two"
    yield "value-for-slope", 0, "that would be the gradient of the input: the slope in `x` is the offset, which is 0"


@prediction("06-count", hidden=(32, 16, 20))
def how_many_numbers(hidden):
    """How many numbers does `tl.Sequential(tl.Linear(64, {hidden}), tl.relu, tl.Linear({hidden}, 10))` train?"""
    model = tl.Sequential(tl.Linear(64, hidden), tl.relu, tl.Linear(hidden, 10))
    yield model.parameter_count, "Each layer has a weight, inputs times outputs, and a bias for each output"
    yield "no-bias", 64 * hidden + hidden * 10, "those are the weights, but each layer has a bias as well"
    yield "added-sizes", 64 + 2 * hidden + 10, "a weight connects each input with each output"


@prediction("06-which-saves", n=(2, 3, 4))
def which_saves_more(n):
    """A network has {n} linear layers with a tanh in between, and the input is a constant. Freeze one layer. Which one
    saves more of the backward pass?"""

    def visited(frozen):
        layers = [tl.Linear(2, 2, seed=i) for i in range(n)]
        layers[frozen].freeze()
        y = tl.constant([[1.0, -1.0]])
        for layer in layers:
            y = tl.tanh(layer(y))
        return sum(node.requires_gradient for node in topological_order([y]))

    first, last = visited(0), visited(n - 1)
    answers = {-1: "the first", 0: "they save the same", 1: "the last"}
    yield answers[np.sign(first - last)], "Below a frozen first layer nothing is trained, so nothing is sent there"
    yield "stops-at-frozen", "the last", "a gradient must still pass through it, to reach the layers below"
    yield "counts-parameters", "they save the same", "count the way down as well: which gradients need not go further?"


@prediction("06-factor", n=(100, 200, 50), spread=(0.1, 0.2, 0.3))
def what_a_layer_does_to_the_size(n, spread):
    """A layer has {n} inputs, weights with a standard deviation of {spread}, and a ReLU. By which factor does it change
    the mean square of the numbers?"""
    yield n * spread * spread / 2, "A sum has as many squares as there are inputs, and ReLU sets one half to zero"
    yield "missing-two", n * spread * spread, "ReLU sets one half to zero"
    yield "missing-root", n * spread / 2, "the mean square of a weight is the square of its standard deviation"
    yield "missing-count", spread**2 / 2, "that is one term, but each output is a sum over all inputs"
