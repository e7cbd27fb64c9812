"""The passes in any order, and any of them left out: fixed programs over all dtypes, and not a bit of difference."""

import random
from functools import cache
from itertools import islice, permutations

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.checking import Programs
from tinygrad_lora.compiler.pipeline import DEFAULT, PASSES as BY_NAME

PASSES = [p for name, p in BY_NAME.items() if name != "repeat_rows"]


@cache
def graphs():
    """Graphs and arrays for them on which arithmetic is exact, whatever its order."""
    return [(program.graph, program.arrays) for program in islice(Programs(2024), 360)]


def assert_kept(graph, arrays, order):
    names = " ".join(apply.__name__ for apply in order)
    with np.errstate(all="ignore"):
        expected, improved = graph(*arrays), graph
        for apply in order:
            improved = apply(improved)
        for a, b in zip(expected, improved(*arrays), strict=True):
            assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype), names
            np.testing.assert_array_equal(b, a, err_msg=names)


@pytest.mark.parametrize("part", range(6))
def test_the_passes_may_stand_in_any_order(part):
    rng = random.Random(part)
    for graph, arrays in graphs()[part::6]:
        assert_kept(graph, arrays, rng.sample(PASSES, len(PASSES)))
        assert_kept(graph, arrays, rng.sample(PASSES, rng.randrange(len(PASSES))))


@pytest.mark.parametrize("first", PASSES, ids=lambda p: p.__name__)
def test_any_pass_may_follow_any_other(first):
    for i, (_, second) in enumerate(pair for pair in permutations(PASSES, 2) if pair[0] is first):
        for graph, arrays in graphs()[i % 10 :: 60]:
            assert_kept(graph, arrays, [first, second])


def test_constants_may_be_folded_after_operations_were_joined():
    def f(x):
        return x * (tl.exp(tl.constant(0.0)) * tl.constant(2.0) + tl.sqrt(tl.constant(4.0)))

    fold, fuse = DEFAULT[0][0], DEFAULT[-1][0]
    graph = fold(fuse(tl.trace(f, np.ones(3))))
    np.testing.assert_array_equal(graph(np.ones(3))[0], [4.0] * 3)
    assert [n.op.name for n in graph.nodes if n.parents] == ["multiply"]
