"""What to predict in tutorial 11, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("11-size", n=(64, 32, 100), m=(128, 48, 60), r=(4, 8, 3))
def two_thin_matrices(n, m, r):
    """A weight has shape ({n}, {m}). How many numbers do `A` and `B` have together, at rank {r}?"""
    yield tl.LoRALayer(n, m, rank=r).parameter_count, "`A` is as high as the weight, `B` as wide, and both are thin"
    yield "full-weight", n * m, "that is the weight itself; their product has as many entries"
    yield "one-factor", n * r, "that is `A` alone"
    yield "one-factor", r * m, "that is `B` alone"
    yield "rank-times-weight", n * m * r, "the rank is the thin side of each factor"


@prediction("11-both-zero", rank=(4, 2, 3))
def two_zeros(rank):
    """Start an adapter of rank {rank} with both `A` and `B` at zero. Which of them does the first step change?"""
    layer = tl.LoRALayer(6, 5, rank=rank, seed=0)
    layer.lora_A.value = np.zeros(layer.lora_A.shape)
    tl.sum(layer(tl.constant(np.ones((3, 6))))).backward()
    moved = [name for name, p in (("`A`", layer.lora_A), ("`B`", layer.lora_B)) if np.any(p.gradient)]
    yield " and ".join(moved) or "none", "The slope of a product in one factor is the other one, which is zero"
    for text in ("`A`", "`B`", "`A` and `B`"):
        yield "ignores-other-factor", text, "the gradient of a factor is multiplied by the other factor"


@prediction("11-singular", rank=(4, 2, 8))
def singular_values_of_a_product(rank):
    """`A` has shape (64, {rank}) and `B` ({rank}, 128), both full of numbers. How many singular values of `A @ B` are
    not zero?"""
    rng = np.random.default_rng(0)
    product = rng.normal(size=(64, rank)) @ rng.normal(size=(rank, 128))
    yield int(np.linalg.matrix_rank(product)), "Every row of the product is a mixture of the rows of `B`"
    yield "full-rank", 64, "a product has no more directions than its thinnest factor"
    yield "ranks-added", 2 * rank, "both factors share these directions, so they count once"


@prediction("11-scale", alpha=(8, 16, 32), r=(2, 4, 8))
def alpha_over_r(alpha, r):
    """Let $\\alpha$ be {alpha}, and the rank {r}. By which factor is $(x A) B$ multiplied?"""
    yield float(tl.LoRALayer(60, 50, rank=r, alpha=alpha).scaling), "It is $\\alpha / r$"
    yield "not-divided", alpha, "that is $\\alpha$ itself, but it is divided by something"
    yield "upside-down", r / alpha, "the other way around"
    yield "root", alpha / r**0.5, "that is the rule with the root of the rank; this is the plain one"
