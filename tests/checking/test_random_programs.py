"""Random programs as data: what they promise, and how they get smaller."""

from itertools import islice

import numpy as np
import pytest
from fuzz.layers import ProgramsWithLayers
from fuzz.trials import NUMBERS

import tinygrad_lora as tl
from tinygrad_lora.checking import Programs, RandomProgram, Style, shrink
from tinygrad_lora.checking.bounds import of_array
from tinygrad_lora.checking.generate import with_special_numbers
from tinygrad_lora.checking.programs import ArrayLine, Numbers, StepLine
from tinygrad_lora.checking.shrink import pruned
from tinygrad_lora.checking.trials import is_exact
from tinygrad_lora.checking.vocabulary import WORDS, array_literal, literal

MODES = pytest.mark.parametrize("mode", ["exact", "real", "special"])


def some(mode, n=40, seed=0, **style):
    return list(islice(Programs(seed, mode, Style(**style)), n))


def same(a, b):
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@MODES
def test_the_same_seed_gives_the_same_programs(mode):
    assert list(map(str, some(mode, seed=5))) == list(map(str, some(mode, seed=5)))
    assert list(map(str, some(mode, seed=5))) != list(map(str, some(mode, seed=6)))


@MODES
def test_a_program_gives_the_same_eagerly_and_as_a_graph(mode):
    for program in some(mode):
        with np.errstate(all="ignore"):
            results = program.graph(*program.arrays)
        for y, z in zip(program.eager(), results, strict=True):
            assert same(y, np.asarray(z)), program


@MODES
def test_the_source_of_a_program_is_the_program(mode):
    for program in some(mode, 8):
        with np.errstate(all="ignore"):
            exec(f"{NUMBERS}\n{program}", namespace := {"np": np, "tl": tl})
            inputs = [tl.constant(namespace[program.names[i]]) for i in program.inputs]
            results = namespace["f"](*inputs)
        results = results if isinstance(results, tuple) else (results,)
        assert all(map(same, program.eager(), [y.value for y in results])), program


def test_exact_programs_are_exact_in_wider_floats_too():
    """No step rounds: with more digits there is nothing more to see."""
    for program in some("exact", 80, dtypes=("float32",)):
        if any(step.word == "cast" for step in program.steps):
            continue
        lines = [
            ArrayLine(x.kind, x.array.astype(np.float64))
            if isinstance(x, ArrayLine) and x.array.dtype == np.float32
            else x
            for x in program.lines
        ]
        wide = RandomProgram(lines, program.outputs)
        for y, z in zip(program.eager(), wide.eager(), strict=True):
            assert np.array_equal(y, z, equal_nan=True), program


def test_exact_programs_mix_dtypes_shapes_and_ranks():
    programs = some("exact", 300)
    dtypes = {str(v.dtype) for p in programs for v in p.values.values()}
    assert {"bool", "int8", "uint8", "int64", "float16", "float32", "float64"} <= dtypes
    shapes = {v.shape for p in programs for v in p.values.values()}
    assert {0, 1, 2, 3} <= {len(s) for s in shapes} and any(0 in s for s in shapes) and any(1 in s for s in shapes)
    words = {step.word for p in programs for step in p.steps}
    assert words >= {"matmul", "sum", "gradient", "scatter_add", "take", "where", "concatenate", "index", "broadcast"}
    assert any(len(p.outputs) > 2 for p in programs)
    assert any(i in p.inputs for p in programs for i in p.outputs), "an output may be an argument"


@pytest.mark.slow
def test_every_primitive_composite_and_layer_occurs():
    programs = [*islice(ProgramsWithLayers(0, "real"), 500), *some("exact", 300)]
    operations = {node.op.name for p in programs for node in p.graph.nodes}
    assert set(tl.Op.registry) - operations == {"random_uniform"}, "which has no operands to compute with"
    assert set(WORDS) - {step.word for p in programs for step in p.steps} == set()
    text = "\n".join(map(str, programs))
    for layer in (
        "Linear",
        "LoRALinear",
        "LoRALayer",
        "LayerNorm",
        "RMSNorm",
        "Sequential",
        "Embedding",
        "LoRAEmbedding",
    ):
        assert f"tl.{layer}(" in text


def test_real_programs_stay_in_a_sane_range():
    for program in some("real", 150):
        for y in program.eager():
            assert y.dtype.kind != "f" or np.all(np.abs(y) < 1e4), program


def test_special_numbers_are_nan_infinite_huge_tiny_and_the_ends_of_whole_numbers():
    arrays = [a for p in some("special", 200) for a in p.arrays]
    floats = np.concatenate([a.ravel().astype(float) for a in arrays if a.dtype == np.float64])
    assert np.isnan(floats).any() and np.isposinf(floats).any() and np.isneginf(floats).any()
    assert (floats > 1e300).any() and (np.signbit(floats) & (floats == 0)).any()
    assert any((a == 127).any() for a in arrays if a.dtype == np.int8)


def test_other_numbers_keep_the_program():
    rng = np.random.default_rng(0)
    for program in some("real", 20):
        other = program.again(rng)
        assert other.body == program.body
        assert [a.shape for a in other.arrays] == [a.shape for a in program.arrays]
        assert all(a.min(initial=0) >= -4 for a in other.arrays if a.dtype.kind == "f")


def test_indices_stay_within_bounds_among_special_numbers():
    rng = np.random.default_rng(0)
    for program in some("exact", 100):
        with_special_numbers(program, rng).eager()


@pytest.mark.parametrize(
    ("array", "bound"),
    [
        ([1.0, -3.0], (3, 0)),
        ([0.5], (0.5, 1)),
        ([0.1], None),
        ([np.inf, 1], (np.inf, 0)),
        ([np.nan], None),
        ([], (0, 0)),
    ],
)
def test_the_bound_of_an_array(array, bound):
    result = of_array(np.array(array, float))
    assert (result if result is None else tuple(result)) == bound


def test_what_may_round_is_not_called_exact():
    third = RandomProgram(
        [ArrayLine("input", np.ones(3)), StepLine("mean", (0,), {"axis": None, "keepdims": False})], [1]
    )
    assert not is_exact(third)
    wraps = RandomProgram([ArrayLine("input", np.array([100], np.int8)), StepLine("add", (0, 0))], [1])
    assert not is_exact(wraps)
    assert is_exact(
        RandomProgram([ArrayLine("input", np.ones(4)), StepLine("mean", (0,), {"axis": None, "keepdims": False})], [1])
    )


# --- Shrinking ---


@pytest.mark.parametrize("word", ["matmul", "scatter_add", "gradient", "concatenate"])
def test_a_failing_program_shrinks_to_the_step_that_fails(word):
    program = next(p for p in Programs(1, "exact") if len(p.steps) > 6 and word in {s.word for s in p.steps})
    asked = []

    def fails(candidate):
        asked.append(candidate)
        return word in {step.word for step in candidate.steps}

    small = shrink(program, fails, tries=200)
    assert len(asked) <= 200 and fails(small)
    assert len(small.steps) <= 2 and sum(a.size for a in small.arrays) <= 4
    assert str(shrink(program, fails, tries=200)) == str(small)


def test_shrinking_keeps_what_the_failure_needs():
    x = ArrayLine("input", np.arange(12.0).reshape(3, 4))
    program = RandomProgram(
        [x, StepLine("relu", (0,)), StepLine("sum", (1,), {"axis": (0, 1), "keepdims": True})], [1, 2]
    )
    small = shrink(program, lambda p: any((a == 7).any() for a in p.arrays) and p.outputs != ())
    (array,) = small.arrays
    assert array.size == 1 and array.item() == 7


def test_pruning_removes_what_no_output_needs():
    x = ArrayLine("input", np.ones(2))
    program = RandomProgram([x, StepLine("relu", (0,)), x, StepLine("exp", (0,))], [3])
    assert [type(line).__name__ for line in pruned(program).lines] == ["ArrayLine", "StepLine"]
    assert pruned(program).body == ["v0 = tl.exp(x0)", "return v0"]


# --- Text ---


@pytest.mark.parametrize("value", [1, -0.5, (1, 2), (0,), (slice(None), None, Ellipsis), "float32", True, np.inf])
def test_a_literal_is_source(value):
    assert eval(literal(value), {"np": np}) == value


@pytest.mark.parametrize(
    "array", [np.array([np.nan, -np.inf, -0.0, 1e-300]), np.zeros((0, 2), np.int8), np.array(True)]
)
def test_an_array_literal_is_source(array):
    again = eval(array_literal(array), {"np": np})
    assert again.shape == array.shape and same(again, array)


def test_large_arrays_are_printed_as_the_draw_that_made_them():
    numbers = Numbers(-4, 4, seed=3)
    leaf = ArrayLine("input", numbers.drawn((30, 30), "float32"), numbers)
    namespace = {"Numbers": Numbers}
    assert len(leaf.printed) < 150 and same(eval(leaf.printed, namespace), leaf.array)


def test_a_mode_must_be_known():
    with pytest.raises(ValueError, match="'exact', 'real' or 'special', not 'odd'"):
        Programs(0, "odd")
