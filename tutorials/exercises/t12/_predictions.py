"""What to predict in tutorial 12, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("12-start", rank=(4, 2, 3))
def nothing_changes_at_the_start(rank):
    """Adapters of rank {rank} have been attached, and not trained. Is the output the old one, bit for bit? True
    or False"""
    base, x = tl.Linear(6, 5, seed=0), np.random.default_rng(0).normal(size=(3, 6))
    before = base.forward(x)
    right = bool((tl.LoRALinear(base, rank=rank, seed=1).forward(x) == before).all())
    yield right, "`B` starts at zero, so nothing is added"
    yield "not-zero-start", not right, "`A` is random; but what is it multiplied by?"


@prediction("12-rows", n=(6, 8, 12), k=(2, 3, 4))
def one_batch_for_several_adapters(n, k):
    """A batch has {n} rows, for {k} adapters and for none. The rows must get their own adapters. How many products with
    the large frozen weight are enough?"""
    yield 1, "The base is the same for all rows, so one product serves them all"
    yield "product-for-each-adapter", k + 1, "the thin products differ from adapter to adapter; does this one?"
    yield "product-for-each-adapter", k, "the thin products differ from adapter to adapter; does this one?"
    yield "product-for-each-row", n, "rows can stand in one matrix, and be multiplied together"


@prediction("12-merged", rank=(4, 2, 3))
def products_after_merging(rank):
    """A linear layer with an adapter of rank {rank} takes three matrix products. How many are left after merging?"""
    layer = tl.LoRALinear(tl.Linear(6, 5, seed=0), rank=rank, seed=1)
    layer.merge()
    graph = tl.trace(layer, np.ones((3, 6)))
    yield sum(node.op is tl.matmul for node in graph.nodes), "The change has been added to the weight, once"
    yield "not-merged", 3, "after merging, $s A B$ is part of the weight"
    yield "half-merged", 2, "after merging, $s A B$ is part of the weight"


@prediction("12-bytes", n=(64, 96, 48), m=(96, 48, 32), r=(4, 2, 8))
def the_size_of_an_adapter(n, m, r):
    """A layer has {n} inputs and {m} outputs. How many bytes do the numbers of its adapter of rank {r}
    take, as `float32`?"""
    layer = tl.LoRALayer(n, m, rank=r, dtype=np.float32)
    yield sum(p.value.nbytes for p in layer.parameters()), "Four bytes for each number of `A` and of `B`"
    yield "too-large", 8 * r * (n + m), "numbers of `float64` take eight bytes; these are `float32`"
    yield "counts-numbers", r * (n + m), "that is how many numbers there are; each takes several bytes"
    yield "base-in-file", 4 * n * m, "that is the weight; a colleague who has the base needs only the adapter"
