"""What to predict in tutorial 15, in its order."""

import copy

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction
from tinygrad_lora.nn import quantize
from tinygrad_lora.nn.adapters.quantized import LEVELS


@prediction("15-levels", bits=(4, 3, 6))
def different_codes(bits):
    """A code has {bits} bits, each of them 0 or 1. How many different codes are there?"""
    yield 2**bits, "Each further bit doubles the number of codes"
    yield "bits-added", 2 * bits, "each bit doubles the count, so multiply, do not add"
    yield "one-less", 2**bits - 1, "that is the largest code; 0 is a code as well"


@prediction("15-outlier", large=(100, 60, 80))
def one_large_number(large):
    """The levels around zero are -0.09, 0 and 0.08. A block holds many numbers near 1, and a single {large}. Which
    number is a 1 when it is read back?"""
    level = LEVELS[np.abs(1 / large - LEVELS).argmin()]
    yield float(level * large), "Divided by the scale it is nearest to 0: one large number wipes out all small ones"
    yield "own-scale", 1, "the largest number sets the scale of the whole block"
    yield "next-level", 0.08 * large, "that is the next level above, but another one is nearer"
    yield "scale-forgotten", 0.08, "that is a level; first divide the number by the scale, and multiply at the end"


@prediction("15-bits", size=(64, 128, 16))
def bits_with_the_scale(size):
    """A block of {size} numbers has codes of 4 bits, and one scale of 32 bits. How many bits is that for each
    number?"""
    yield (size * 4 + 32) / size, "The scale is shared, so each number pays a small part of it"
    yield "scale-forgotten", 4, "that is the code alone; the scale takes memory, too"
    yield "scale-for-each", 36, "the block shares one scale"
    yield "upside-down", 4 + size / 32, "each number pays a part of the scale: divide its bits by the size of the block"


@prediction("15-slope", step=(0.001, 0.0005, 0.002))
def slope_of_a_code(step):
    """A weight changes by {step}. The levels are much farther apart than that. What happens to its code, most of the
    time?"""
    fine = np.random.default_rng(0).uniform(-1, 1, 4000)
    codes = [np.abs(x[:, None] - LEVELS).argmin(axis=1) for x in (fine, fine + step)]
    stays = (codes[0] == codes[1]).mean() > 0.9
    yield (
        "it stays as it is" if stays else "it moves",
        "So the slope of a code is 0, and where it jumps it has no slope",
    )
    yield "not-rounded", f"it moves by {step}, too", "a code is a whole number: it cannot move by a little"
    yield "always-jumps", "it goes up by 1", "it jumps only where the next level becomes the nearest, and that is rare"


NONE, BELOW, ALL = "none", "of what lies below the layer", "of its codes and of what lies below"


@prediction("15-passes", size=(8, 6))
def what_passes_a_frozen_layer(size):
    """A layer with {size} inputs holds its weight in frozen codes. A gradient arrives at its output. Which gradients
    does the layer pass on?"""
    below = tl.parameter(np.ones((1, size)))
    layer = quantize(tl.Sequential(tl.Linear(size, 4, seed=0)))
    tl.sum(layer(below)).backward()
    yield BELOW if np.any(below.gradient) and not layer.parameters() else NONE, "The output still depends on the input"
    yield "base-blocked", NONE, "frozen means that the codes do not change; does the output still depend on the input?"
    yield "codes-trained", ALL, "a code cannot move by a little, so its gradient is of no use"


SAME, NEAR, FAR = "exactly the same as before", "almost the same as before", "nothing useful until it is trained"


@prediction("15-start", rank=(4, 2, 3))
def at_the_start(rank):
    """All weights of a network are rounded to 4 bits. Beside each weight matrix stands an adapter of rank {rank}, with
    `B` at zero. What does the network compute, before any training?"""
    model = tl.Sequential(tl.Linear(64, 32, seed=0), tl.relu, tl.Linear(32, 4, seed=1))
    rounded = tl.adapt(copy.deepcopy(model), rank, variant="qlora", seed=0)
    x = np.random.default_rng(0).normal(size=(8, 64))
    before, after = model.forward(x), rounded.forward(x)
    share = np.abs(after - before).mean() / np.abs(before).mean()
    yield (
        SAME if share == 0 else NEAR if share < 0.5 else FAR,
        "The adapter adds nothing yet, but the weights are rounded",
    )
    yield "rounding-forgotten", SAME, "the adapter adds nothing at the start, but what happened to the weights?"
    yield "all-lost", FAR, "each weight is off by a few percent, and such errors mostly cancel in a sum"


@prediction("15-trained", n=(1000, 200, 500))
def bytes_of_what_is_trained(n):
    """Adam trains {n} numbers in float32, 4 bytes each. How many bytes does that take, with the gradients and all
    that Adam keeps?"""
    p = np.zeros(n, np.float32)
    yield 4 * p.nbytes, "The number, its gradient, and two averages of Adam: four numbers for one"
    yield "weights-alone", p.nbytes, "those are the numbers themselves; training keeps more for each of them"
    yield "memories-forgotten", 2 * p.nbytes, "Adam also keeps two averages for each number"
    yield "one-memory", 3 * p.nbytes, "Adam keeps two averages for each number, not one"
