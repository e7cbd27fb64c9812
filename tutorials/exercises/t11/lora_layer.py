r"""A layer of low rank

Write the class `LoRALayer`, which computes $y = s\,(x A)\,B$ with $s = \alpha / r$:

* `self.lora_A` is a parameter of shape (input_size, rank), drawn from `np.random.default_rng(seed)`: normally
  distributed, with standard deviation $1 / \sqrt r$;
* `self.lora_B` is a parameter of shape (rank, output_size), all zeros. So the layer starts as zero, and can learn;
* `__call__(x)` must not multiply A by B: that product is as large as a whole weight.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_layer,
    diagnose_layer,
    generators,
    kind_of,
    numbers,
    require,
    same,
    tell,
    value_in,
)

HINTS = (
    "It is the linear layer of tutorial 06 with two narrow weights in place of a wide one, and no bias.",
    "x A has only `rank` columns. Multiply that by B, and scale the result by alpha / rank.",
    "`self.lora_B = tl.parameter(np.zeros((rank, output_size)))` and "
    "`return (x @ self.lora_A) @ self.lora_B * self.scaling`",
)
ABOUT = (
    "B starts at zero, so the model starts as it was; A is random, so B has a gradient and learning can begin. To "
    "multiply by A first keeps everything in between at r numbers for each sample."
)
NEXT = "Start with both at zero, then with both at random. What is wrong with the first step of each?"
exercise = Exercise("11-lora-layer", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
class LoRALayer(tl.Layer):
    """y = s (x A) B, for x of shape (samples, input_size)."""

    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        # BEGIN SOLUTION
        rng = np.random.default_rng(seed)
        self.lora_A = tl.parameter(rng.normal(size=(input_size, rank)) / np.sqrt(rank))
        self.lora_B = tl.parameter(np.zeros((rank, output_size)))
        self.scaling = alpha / rank
        # END SOLUTION

    def __call__(self, x):
        # BEGIN SOLUTION
        return (x @ self.lora_A) @ self.lora_B * self.scaling
        # END SOLUTION


@exercise.another()
class ScaledInTheMiddle(tl.Layer):
    """The scale stands where the array is smallest: at the r numbers of each sample, between A and B."""

    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        self.lora_A = tl.parameter(np.random.default_rng(seed).normal(0, rank**-0.5, (input_size, rank)))
        self.lora_B = tl.parameter(np.zeros((rank, output_size)))
        self.alpha, self.rank = alpha, rank

    def __call__(self, x):
        return tl.scale(x @ self.lora_A, self.alpha / self.rank) @ self.lora_B


def built(LoRALayer, *sizes, seed=0):
    """A layer of the student's class."""
    return as_layer(LoRALayer(*sizes, seed=seed), "LoRALayer")


@exercise.check(points=3)
def test_it_computes_s_x_a_b(LoRALayer, seed, budget):
    for size, rng in generators(seed, min(budget, 5)):
        n, m, r, alpha = 4 + size % 3, 3 + size % 2, 2 + size % 2, 5.0
        layer, right = built(LoRALayer, n, m, r, alpha), tl.LoRALayer(n, m, r, alpha, seed=0)
        factors = {"alpha / r": alpha / r, "r": float(r), "sqrt(r)": r**0.5, "(alpha / r)**2": (alpha / r) ** 2}
        tell(diagnose_layer(layer, right, numbers(rng, (3, n)), factors=factors, seed=seed))


@exercise.check(points=2)
def test_it_starts_at_zero_and_can_learn(LoRALayer, seed):
    for r, spread in ((1, 1.0), (25, 0.2)):
        layer = built(LoRALayer, 2000, 30, r, 8.0, seed=seed)
        A, B = value_in(layer, "lora_A", (2000, r)), value_in(layer, "lora_B", (r, 30))
        require(bool(A.any() or B.any()), "zero-start", "A and B are both zero: each waits for the other, forever")
        sentence = f"at the start |A B| = {np.linalg.norm(A @ B):.3g}: the model changes before it has learned anything"
        require(not (A @ B).any(), "not-zero-at-start", f"{sentence}; lora_B starts as zero")
        require(bool(A.any()), "wrong-factor-zero", "A is zero and B is not; let B be the zero one")
        sentence = f"A has standard deviation {A.std():.3g}; for rank {r} it must be 1 / sqrt({r}) = {spread:.3g}"
        require(0.9 * spread < float(A.std()) < 1.1 * spread, "wrong-spread", sentence)
    again, other = (value_in(built(LoRALayer, 6, 5, 2, 2.0, seed=s), "lora_A", (6, 2)) for s in (seed, seed + 1))
    first = value_in(built(LoRALayer, 6, 5, 2, 2.0, seed=seed), "lora_A", (6, 2))
    drawn = "draw it from default_rng(seed)"
    require(same(first, again, 0, 0), "not-from-seed", f"the same seed gives another A: {drawn}")
    require(not same(first, other, 0, 0), "not-from-seed", f"another seed gives the same A: {drawn}")


@exercise.check(points=1)
def test_the_product_of_a_and_b_is_never_built(LoRALayer):
    layer, x = built(LoRALayer, 64, 32, 2, 4.0), tl.placeholder((8, 64))
    y = layer(x)
    require(isinstance(y, tl.ComputationNode), "wrong-type", f"the output is {kind_of(y)}; it must be a node")
    require(y.shape == (8, 32), "wrong-shape", f"for x (8, 64) the output has shape {y.shape}; it must have (8, 32)")
    nodes = topological_order([y])
    unused = [name for name, p in {"x": x, **layer.named_parameters()}.items() if p not in nodes]
    require(not unused, "unused-parameter", f"the output does not depend on {' and '.join(unused)}")
    large = [node for node in nodes if node.shape == (64, 32)]
    sentence = f"{large[0].op if large else ''} makes a (64, 32) array, as large as the weight: multiply x A first"
    require(not large, "builds-the-product", sentence)
