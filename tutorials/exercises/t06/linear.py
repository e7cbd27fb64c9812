r"""A linear layer

Write the class `Linear`, a layer that computes $y = x W + b$ on nodes:

* `self.weight` is a parameter of shape (input_size, output_size). Draw it from `np.random.default_rng(seed)`, normally
  distributed with standard deviation $1 / \sqrt{\text{input\_size}}$.
* `self.bias` is a parameter of shape (output_size,), which starts at zero.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_layer,
    diagnose_layer,
    generators,
    numbers,
    refuse,
    require,
    same,
    tell,
    value_in,
)

HINTS = (
    "An array is made a parameter with `tl.parameter(array)`, and it belongs to the layer once it is an attribute.",
    "`rng = np.random.default_rng(seed)` and `rng.normal(size=(...))`; then divide by the root. "
    "In `__call__` use the nodes themselves, not their `.value`.",
    "`self.weight = tl.parameter(rng.normal(size=(input_size, output_size)) / np.sqrt(input_size))`, "
    "`self.bias = tl.parameter(np.zeros(output_size))`, `return x @ self.weight + self.bias`",
)
ABOUT = (
    "A layer is its parameters, and one method that builds a graph from them. The backward pass, the names of the "
    "parameters and the file of weights all follow from these two."
)
NEXT = (
    "Write a layer with one parameter of shape (size,) that multiplies each column, and put it behind your Linear "
    "with `tl.Sequential`."
)
exercise = Exercise("06-linear", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
class Linear(tl.Layer):
    """y = x W + b, for x of shape (samples, input_size)."""

    def __init__(self, input_size, output_size, seed=0):
        # BEGIN SOLUTION
        rng = np.random.default_rng(seed)
        self.weight = tl.parameter(rng.normal(size=(input_size, output_size)) / np.sqrt(input_size))
        self.bias = tl.parameter(np.zeros(output_size))
        # END SOLUTION

    def __call__(self, x):
        # BEGIN SOLUTION
        return x @ self.weight + self.bias
        # END SOLUTION


@exercise.another()
class OneProduct(tl.Layer):
    """The bias as one more row of the weight, for an input that is always 1: one product, and no addition."""

    def __init__(self, input_size, output_size, seed=0):
        std = 1 / np.sqrt(input_size)
        self.weight = tl.parameter(np.random.default_rng(seed).normal(0, std, (input_size, output_size)))
        self.bias = tl.parameter(np.zeros(output_size))

    def __call__(self, x):
        ones = tl.constant(np.ones((*x.shape[:-1], 1)))
        whole = tl.concatenate([self.weight, tl.reshape(self.bias, (1, -1))])
        return tl.concatenate([x, ones], axis=-1) @ whole


def sizes(seed, budget):
    for size, rng in generators(seed, min(budget, 6)):
        yield rng, 2 + size % 3, (3, 1, 2, 4)[size % 4]


@exercise.check(points=2)
def test_it_computes_xw_plus_b(Linear, seed, budget):
    for rng, n, m in sizes(seed, budget):
        layer = as_layer(Linear(n, m, seed=1), "Linear")
        for name, p in layer.named_parameters().items():
            if name in ("weight", "bias") and not p.requires_gradient:
                raise refuse("frozen", f"{name} is frozen: leave trainable=True")
        right = tl.Linear.from_arrays(np.zeros((n, m)), np.zeros(m))
        tell(diagnose_layer(layer, right, numbers(rng, (3, n)), seed=seed))


@exercise.check(points=1)
def test_it_starts_at_random(Linear, seed):
    layer = as_layer(Linear(64, 50, seed=seed), "Linear")
    weight = value_in(layer, "weight", (64, 50), "the weight")
    sentence = "all numbers of the weight are alike: so all outputs stay alike forever, as they get the same gradient"
    require(float(np.ptp(weight)) > 0, "all-alike", sentence)
    spread = float(weight.std()) * 8  # 1 for the standard deviation 1 / sqrt(64)
    sentence = "with 64 inputs and 50 outputs the standard deviation of the weight should be 0.125, or 1 / sqrt(64)"
    sentence += f"; yours is {weight.std():.3g}"
    require(abs(spread - 64) > 4, "wrong-spread", f"{sentence}: it looks multiplied by the root, not divided")
    require(abs(spread - 1 / 8) > 0.02, "wrong-spread", f"{sentence}: divide by the root of 64, not by 64")
    require(0.9 < spread < 1.1, "wrong-spread", sentence)
    bias = value_in(layer, "bias", (50,), "the bias")
    require(not bias.any(), "bias-not-zero", f"the bias starts at zero; yours begins with {bias[:3].round(3).tolist()}")


@exercise.check(points=1)
def test_the_seed_decides(Linear):
    layers = [as_layer(Linear(4, 3, seed=seed), "Linear") for seed in (7, 7, 8)]
    first, again, other = (value_in(layer, "weight", (4, 3), "the weight") for layer in layers)
    require(float(np.ptp(first)) > 0, "all-alike", "all numbers of the weight are alike")
    require(same(first, again), "not-repeatable", "two layers with the same seed differ: draw from default_rng(seed)")
    require(not same(first, other), "seed-ignored", "two layers with different seeds are the same: use the seed")
