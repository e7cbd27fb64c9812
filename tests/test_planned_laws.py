"""Laws of programs in planned memory: what may be written where, and what a result is."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora import ops
from tinygrad_lora.compiler import schedule

WAYS = [
    pytest.param({"buffers": buffers} | passes, id=f"{'planned' if buffers else 'expressions'}{'' if passes else '+passes'}")
    for buffers in (True, False)
    for passes in ({"passes": ()}, {})
]  # fmt: skip
DTYPES = ("bool", "int8", "uint8", "int64", "float16", "float32", "float64")


def as_list(results):
    return list(results) if isinstance(results, tuple | list) else [results]


def agrees(f, *args, **settings):
    """The compiled function, called twice, gives what the graph gives: shapes, dtypes and (whole) numbers."""
    compiled = tl.compile(f, **settings)
    wanted = [np.array(y) for y in tl.trace(f, *args)(*args)]
    for _ in range(2):
        results = as_list(compiled(*args))
        assert [(np.shape(y), y.dtype) for y in results] == [(y.shape, y.dtype) for y in wanted]
        for result, y in zip(results, wanted, strict=True):
            assert_array_equal(result, y)
    return compiled


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Chains of elementwise operations run block by block on arrays of a few numbers already."""
    monkeypatch.setattr(schedule, "LARGE", 8)
    monkeypatch.setattr(schedule, "BLOCK_BYTES", 64)


def whole_numbers(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(dtype)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "float64"])
def test_a_result_is_written_over_an_operand_of_its_own_dtype_only(way, dtype):
    """`where` copies what it does not choose: bits of whole numbers are not those of floats."""
    x, m = whole_numbers(6, 4), whole_numbers(6, 4, dtype=dtype, seed=1)

    def choices(x, m):
        counts = tl.sum(m, 1)
        return tl.maximum(1.0, counts) * tl.sum(x * m, 1), tl.where(x > 1.0, x, m + m) + x

    agrees(choices, x, m, **way)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float64"])
def test_no_result_takes_the_bytes_of_another_dtype_of_the_same_size(dtype):
    x = whole_numbers(5, 4, dtype=dtype)

    def chain(x):
        y = x + x
        z = tl.where(y > 2, 0.5, y)
        return ops.cast(z * 2.0, dtype="int64") + 1

    compiled = agrees(chain, x, passes=())
    plan = compiled.program.planned.lowered.plan
    assert all(node.dtype == operand.dtype for node, operand in plan.replaced.items())
