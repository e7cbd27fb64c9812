r"""A start that keeps the variance

Write `initial_weight(rng, input_size, output_size)`: an array of shape (input_size, output_size) of normally
distributed numbers with mean 0, from `rng.normal(...)`. Choose the standard deviation so that the size of the numbers
stays the same through many layers $y = \mathrm{ReLU}(x W)$:

* a sum of $n$ terms $x_i w_i$ has the mean square $n \cdot \mathrm{mean}(x^2) \cdot \mathrm{var}(w)$;
* ReLU sets one half of the numbers to zero, and with it half of the mean square.

The last check trains a network of 22 layers that starts with your numbers.
"""

from itertools import pairwise

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits
from tinygrad_lora.learn.authoring import Exercise, as_array, number, require, same, using

HINTS = (
    "Which variance must w have, so that n times mean square times variance, halved, is the mean square again?",
    "n var(w) / 2 = 1, so the variance is 2 / n. Here n is the number of inputs; the standard deviation is a root.",
    "`return rng.normal(size=(input_size, output_size)) * np.sqrt(2 / input_size)`",
)
ABOUT = (
    "A layer multiplies the size of its numbers by a factor, and twenty layers by its twentieth power, so the "
    "factor has to be 1. Behind a ReLU that asks for the variance 2 / inputs: n terms are added up, and half of "
    "them are zeroed."
)
NEXT = (
    "Put tanh in place of ReLU and find the variance by trial: plot the mean square of 20 layers for 0.5, 1 and 2 "
    "divided by the inputs."
)
exercise = Exercise("06-init", __doc__, kind="T", hints=HINTS, about=ABOUT, next_step=NEXT, slow=True, limit=30.0)

WIDTHS = (64, 200, 50, 100, 100, 30, 150, 64)
DEPTH, WIDTH, STEPS, LEAST = 20, 48, 150, 0.8


@exercise.reference
def initial_weight(rng, input_size, output_size):
    """Random numbers that keep the mean square through a ReLU layer."""
    return rng.normal(size=(input_size, output_size)) * np.sqrt(2 / input_size)


@exercise.another()
def by_measuring(rng, input_size, output_size):
    """Measure and do not derive: send random numbers through, and divide by the factor that comes out."""
    weight = rng.normal(size=(input_size, output_size))
    x = rng.normal(size=(2000, input_size))
    y = np.maximum(x @ weight, 0)
    return weight * np.sqrt((x**2).mean() / (y**2).mean())


def drawn(initial_weight, n, m, seed):
    """The student's array for one layer, checked."""
    weight = as_array(initial_weight(np.random.default_rng(seed), n, m), "the weight", (n, m))
    sentence = f"all {n * m:,} numbers are {number(float(weight.flat[0]))}: so all units of a layer do the same forever"
    require(float(np.ptp(weight)) > 0, "all-alike", sentence)
    bias = abs(float(weight.mean())) / float(weight.std())
    sentence = f"the mean of your numbers is {weight.mean():.3g}, far from 0; use rng.normal, or a range around 0"
    require(bias < 6 / np.sqrt(n * m), "mean-not-zero", sentence)
    return weight


def judge(initial_weight, seed):
    """Raise, and say what is wrong, unless the variance is that of two divided by the inputs."""
    wide, narrow = (drawn(initial_weight, n, m, seed) for n, m in ((400, 100), (100, 400)))
    sentence = "two generators with different seeds give the same numbers: draw them from the rng that is given"
    require(not same(wide, drawn(initial_weight, 400, 100, seed + 1)), "seed-ignored", sentence)
    scaled = [float(wide.var()) * 400, float(narrow.var()) * 100]  # 2 and 2 where it is right
    yours = f"for 400 inputs your variance is {wide.var():.3g} and for 100 inputs {narrow.var():.3g}"
    if all(1.7 < v < 2.3 for v in scaled):
        return

    def near(*expected):
        return all(0.85 < v / w < 1.15 for v, w in zip(scaled, expected, strict=True))

    require(not near(1, 1), "missing-two", f"{yours}: that is 1 / n, and ReLU halves it at each layer; make up for it")
    require(not near(8, 0.5), "fan-out", f"{yours}: that is 2 / outputs; count the inputs, which are summed up")
    require(not near(1.6, 0.4), "both-sizes", f"{yours}: that is 2 / (inputs + outputs); count the inputs alone")
    squared = near(4 / 400, 4 / 100)
    require(not squared, "missing-root", f"{yours}: the factor of rng.normal is a standard deviation, so take the root")
    require(not near(400, 100), "no-scale", f"{yours}: the same for every size; a sum over n inputs then grows n times")
    factors = [v / 2 for v in scaled]
    size = "vanishing" if factors[0] * factors[1] < 1 else "exploding"
    means = " and ".join(f"{factor:.3g} with {n} inputs" for factor, n in zip(factors, (400, 100), strict=True))
    require(False, size, f"{yours}: a layer multiplies the mean square by n / 2 times that, by {means}; it should be 1")


@exercise.check(points=3)
def test_each_layer_keeps_the_mean_square(initial_weight, seed):
    judge(initial_weight, seed)


@exercise.check(points=1)
def test_it_stays_through_many_layers(initial_weight, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(500, WIDTHS[0]))
    start = float((x**2).mean())
    for n, m in pairwise(WIDTHS):
        x = np.maximum(x @ drawn(initial_weight, n, m, int(rng.integers(1 << 30))), 0)
    ratio = float((x**2).mean()) / start
    if not 0.25 < ratio < 4:
        judge(initial_weight, seed)  # which knows what is wrong with it
    layers = f"{len(WIDTHS) - 1} layers of different widths"
    sentence = f"after {layers} the mean square is {number(ratio)} times what it was"
    require(ratio > 0.25, "vanishing", sentence)
    require(ratio < 4, "exploding", sentence)


@exercise.check(points=2)
def test_a_network_of_22_layers_learns_digits(initial_weight, seed):
    data = digits(dtype=np.float32)
    with using(linear_weight=initial_weight):
        sizes = [64, *[WIDTH] * (DEPTH + 1)]
        layers = [tl.Linear(n, m, seed=seed + i, dtype=np.float32) for i, (n, m) in enumerate(pairwise(sizes))]
        members = [member for layer in layers for member in (layer, tl.relu)]
        model = tl.Sequential(*members, tl.Linear(WIDTH, 10, seed=seed + 99, dtype=np.float32))
    with np.errstate(all="ignore"):
        step = tl.compile_training_step(model, tl.cross_entropy, tl.Adam(model.parameters(), lr=0.002))
        for i in range(STEPS):
            rows = slice(i * 128 % 1280, i * 128 % 1280 + 128)
            step(data.x_train[rows], data.y_train[rows])
        right = float((model.forward(data.x_test).argmax(axis=1) == data.y_test).mean())
    sentence = f"after {STEPS} steps it reads {right:.0%} of the digits; with a good start it is more than {LEAST:.0%}"
    require(right >= LEAST, "below-threshold", sentence)
