"""`compile(f, memory=n)`: arrays are computed again where that makes a program fit, and the numbers stay."""

import re

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.compiler.planned import order as schedule
from tinygrad_lora.compiler.planned.decide import lower
from tinygrad_lora.compiler.planned.within import recomputing
from tinygrad_lora.compiler.programs import CompiledProgram
from tinygrad_lora.compiler.techniques import LOWERINGS
from tinygrad_lora.errors import CompileError
from tinygrad_lora.recomputation import later

TECHNIQUES = frozenset(LOWERINGS) | {"forget_soon"}


def network(layers=8, width=8, dtype=np.float64):
    rng = np.random.default_rng(0)
    ws = [tl.parameter(rng.normal(size=(width, width)).astype(dtype) / 3, name=f"w{i}") for i in range(layers)]

    def slopes(x):
        y = x
        for w in ws:
            y = tl.tanh(y @ w) + y
        y = tl.mean(y * y)
        return [y, *tl.gradients(y, ws)]

    return slopes


def points(n=400, width=8, dtype=np.float64):
    return np.random.default_rng(1).normal(size=(n, width)).astype(dtype)


@pytest.mark.parametrize("share", [0.8, 0.65, 0.5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_program_fits_the_memory_that_it_is_allowed(share, dtype):
    x = points(dtype=dtype)
    plain = tl.compile(network(dtype=dtype))
    expected = plain(x)
    most = int(plain.memory.size * share)
    compiled = tl.compile(network(dtype=dtype), memory=most, check=True)
    for result, y in zip(compiled(x), expected, strict=True):
        assert_array_equal(result, y)
    assert compiled.memory.size <= most
    assert compiled.graph.flops > plain.graph.flops
    assert re.search(r"^recompute +\d", compiled.report, re.MULTILINE)
    assert "recompute: what would wait long for a reader" in compiled.explain()


def test_a_program_that_fits_computes_nothing_again():
    compiled = tl.compile(network(), memory=10**9)
    compiled(points())
    assert not any(node.op is later for node in compiled.graph.nodes)
    assert "recompute" not in compiled.report


def test_what_cannot_fit_is_refused_with_what_is_in_use():
    compiled = tl.compile(network(), memory=2000)
    with pytest.raises(
        CompileError, match=r"slopes does not fit memory=2,000: .* gets it to [\d,]+ bytes, .*\(400, 8\)"
    ):
        compiled(points())
    compiled(points(2))  # a smaller batch fits


def test_what_plans_no_memory_is_refused():
    for settings in ({"buffers": False}, {"engine": "numba"}):
        with pytest.raises(CompileError, match="memory= limits planned memory"):
            tl.compile(network(), memory=1000, **settings)


@pytest.mark.parametrize("wrong", [0, -5, 1e6, "1 MB", True])
def test_a_limit_is_a_number_of_bytes(wrong):
    with pytest.raises(CompileError, match="a whole number of bytes, such as memory=8_000_000"):
        tl.compile(network(), memory=wrong)


def test_a_training_step_takes_the_same_steps_in_less_memory():
    def trained(**settings):
        model = tl.Sequential(*[layer for i in range(6) for layer in (tl.Linear(8, 8, seed=i), tl.gelu)])
        step = tl.compile_training_step(model, tl.mse, tl.Adam(model.parameters(), lr=0.01), **settings)
        x = points()
        return [step(x, x[::-1]) for _ in range(5)], step

    losses, plain = trained()
    again, limited = trained(memory=plain.memory.size // 2)
    assert_allclose(again, losses, rtol=1e-12)
    assert limited.memory.size <= plain.memory.size // 2


@pytest.mark.slow
def test_chains_that_run_in_blocks_are_computed_again_in_blocks():
    """A copy reads no array of which memory holds one block; it runs in the loop of those who read it."""
    rng = np.random.default_rng(0)
    ws = [tl.parameter(rng.normal(size=(64, 64)) / 8) for _ in range(5)]

    def slopes(x):
        for w in ws:
            x = x + tl.gelu(x @ w) * tl.sigmoid(x)
        return tl.gradients(tl.mean(x * x), ws)

    x = rng.normal(size=(2048, 64))
    plain = tl.compile(slopes)
    expected = plain(x)
    limited = tl.compile(slopes, memory=plain.memory.size * 2 // 5, check=True)
    assert "cache_blocks" in plain.report
    for a, b in zip(limited(x), expected, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-14)


def test_seeds_give_the_same_mask_the_second_time():
    w = tl.parameter(points(8))

    def slopes(x, seed):
        y = x
        for i in range(4):
            y = tl.dropout(tl.tanh(y @ w), 0.5, seed, stream=i) ** 3
        return tl.gradients(tl.sum(y), w)

    plain = tl.compile(slopes)
    expected = plain(points(), np.array(3))
    limited = tl.compile(slopes, memory=plain.memory.size * 2 // 3)
    assert_allclose(limited(points(), np.array(3)), expected, rtol=1e-12)


@examples(100)
@given(random_graphs(max_steps=25, parameters=True) | matmul_chains())
@pytest.mark.parametrize("blocks", [False, True], ids=["whole", "in blocks"])
def test_a_graph_with_copies_computes_the_same(blocks, drawn):
    program, arrays = drawn
    graph = tl.trace(program, *arrays)
    large, schedule.LARGE = schedule.LARGE, 8 if blocks else schedule.LARGE
    try:
        after, lowered = recomputing(graph, 0, lambda g: lower(g, TECHNIQUES))
        assert lowered.plan.size <= lower(graph, TECHNIQUES).plan.size
        compiled = CompiledProgram("f", graph, after, (), None)
        compiled.run_in_planned_memory({}, TECHNIQUES, [], {}, {})
    finally:
        schedule.LARGE = large
    expected = graph(*arrays)
    for results in (after(*arrays), compiled.outputs(compiled.inputs(arrays))):
        for x, y in zip(results, expected, strict=True):
            assert_array_equal(x, y)
