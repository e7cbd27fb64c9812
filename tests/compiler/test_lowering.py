"""How an improved graph becomes calls: planned memory, blocks, packed weights, and each technique on against off."""

import copy
import gc
import pickle
import re
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from programs import PROGRAMS
from strategies import examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.compiler import programs as programs_module
from tinygrad_lora.compiler.calling import Binder
from tinygrad_lora.compiler.passes import repeat_rows
from tinygrad_lora.compiler.planned import calls, order as schedule, products
from tinygrad_lora.compiler.planned.products import SMALL_KERNEL, blocks
from tinygrad_lora.compiler.planned.slots import LINE, Slot, arrange, most_alive
from tinygrad_lora.compiler.signatures import Keys, guard
from tinygrad_lora.compiler.techniques import LOWERINGS, TECHNIQUES
from tinygrad_lora.errors import CompileError, RecompileWarning, ShapeError


def arrays(*shapes, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def as_list(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def spoil(compiled):
    """Fill the memory of a program with nan: what a call reads, it must have written."""
    for function in compiled.program._idle:
        if "memory" in function.__globals__:
            function.__globals__["memory"][...] = 255


def normalized_gelu(x, weight, bias, g):
    y = tl.softmax(tl.gelu(tl.layer_norm(x, weight, bias)))
    return y, *tl.gradients(tl.sum(y * g), [x, weight, bias])


def lora_loss(rank=4, n=16, m=24):
    W, A, B = arrays((n, m), (n, rank), (rank, m), seed=1)
    W, A, B = tl.parameter(W, "W", trainable=False), tl.parameter(A, "A"), tl.parameter(B, "B")

    def lora_loss(x, target):
        loss = tl.mse(x @ W + 0.5 * (x @ (A @ B)), target)
        return loss, *tl.gradients(loss, [x, A, B])

    return lora_loss, [W, A, B]


# --- Memory ---


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 500)), max_size=25))
def test_no_two_arrays_that_are_alive_together_overlap(spans):
    slots = [Slot(start, start + length, size) for start, length, size in spans]
    size = arrange(slots)
    for i, a in enumerate(slots):
        assert a.offset % LINE == 0 and a.offset + a.size <= size
        for b in slots[:i]:
            together = a.start <= b.end and b.start <= a.end and a.size and b.size  # where nothing is, nothing overlaps
            apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
            assert apart or not together
    assert most_alive(slots) <= size <= sum(-(-s.size // LINE) * LINE for s in slots)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_table_of_the_memory_is_the_plan(name):
    function, inputs = PROGRAMS[name]()
    memory = tl.compile(function).prepare(*inputs).memory
    assert memory.size >= max([a.start + a.size for a in memory.arrays], default=0)
    assert sum(a.size for a in memory.arrays) == memory.separate
    for i, a in enumerate(memory.arrays):
        assert 0 <= a.made < len(memory.steps) and a.made <= a.read <= len(memory.steps) and a.end - a.read in (0, 1)
        for b in memory.arrays[:i]:
            assert a.end <= b.made or b.end <= a.made or a.start + a.size <= b.start or b.start + b.size <= a.start
    assert len(str(memory).splitlines()) == len(memory.arrays) + 2
    assert str(memory).endswith(f"{memory.least:,} are in use at once; {memory.separate:,} with a place for each array")


def test_a_table_of_the_memory():
    compiled = tl.compile(lambda x, w: tl.tanh(x @ w) @ w + 1.0).prepare(np.ones((8, 8)), np.ones((8, 8)))
    assert str(compiled.memory).splitlines() == [
        "array  shape   bytes         made in step  last read in step",
        "t0     (8, 8)  0 to 512      0 matmul      1 tanh",
        "t1     (8, 8)  0 to 512      1 tanh        2 matmul           over t0",
        "t2     (8, 8)  512 to 1,024  2 matmul      3 add",
        "1,024 bytes; 1,024 are in use at once; 1,536 with a place for each array",
    ]


def test_a_chain_of_any_length_needs_two_places():
    def chain(x):
        for _ in range(50):
            x = tl.tanh(x @ x)
        return tl.sum(x)

    plan = tl.compile(chain).prepare(np.ones((8, 8))).program.planned.lowered.plan
    assert plan.least == plan.size == 2 * 8 * 8 * 8
    assert plan.separate == 100 * 8 * 8 * 8


def test_what_the_report_says_of_memory_is_what_is_allocated():
    function, _ = lora_loss(n=256, m=384)
    x, target = arrays((128, 256), (128, 384))
    compiled = tl.compile(function).prepare(x, target)
    plan = compiled.program.planned.lowered.plan
    assert f"memory: {plan.size:,} bytes planned; {plan.least:,} are in use" in compiled.report

    made = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made.append(compiled.program._make())
        assert plan.size <= tracemalloc.get_traced_memory()[0] - before < plan.size + 100_000
        compiled(x, target)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        outputs = compiled(x, target)
        peak = tracemalloc.get_traced_memory()[1] - before
        assert peak < sum(y.nbytes for y in outputs) + 16_384, "a call allocates what it returns, and nothing else"

        nodes = tl.parameter(x), tl.constant(target)
        before = tracemalloc.get_traced_memory()[0]
        loss = function(*nodes)  # the traced graph, computed eagerly and kept
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    eager = int(re.search(r"eager keeps ([\d,]+)", compiled.report)[1].replace(",", ""))
    assert loss and abs(kept - eager) < 0.03 * eager
    assert plan.size < 0.75 * eager


def test_a_training_step_allocates_next_to_nothing():
    model = tl.adapt(tl.Sequential(tl.Linear(256, 256, seed=0), tl.gelu, tl.Linear(256, 10, seed=1)), 4, seed=2)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.Adam(model.parameters(), 1e-3))
    x, labels = np.random.default_rng(0).normal(size=(128, 256)), np.arange(128) % 10
    step(x, labels)
    tracemalloc.start()
    try:
        step(x, labels)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step(x, labels)
        # NumPy repeats a row in a buffer of 8,192 numbers; one array of the batch would be 262,144 bytes.
        assert tracemalloc.get_traced_memory()[1] - before < 8_192 * 8 + 4_096
    finally:
        tracemalloc.stop()


def test_a_view_of_memory_that_is_used_again_is_never_given_away():
    def views(x):
        y = tl.exp(x)
        return y.mT, tl.reshape(y, (-1,)), y[0], tl.sum(y, axis=0), y[1, 2]

    compiled = tl.compile(views)
    (x,) = arrays((3, 4))
    first = compiled(x)
    kept = [np.array(y) for y in first]
    compiled(x + 1)
    for a, b in zip(first, kept, strict=True):
        assert_array_equal(a, b)


# --- Blocks ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "columns"), [(256, 512), (301, 509), (65_537, 1), (2, 70_000), (4096, 64), (1100, 1024), (1024, 1024)]
)
def test_chains_in_blocks_give_the_numbers_of_whole_arrays(rows, columns):
    inputs = arrays((rows, columns), (columns,), (columns,), (rows, columns))
    compiled = tl.compile(normalized_gelu)
    expected = tl.compile(normalized_gelu, without=["cache_blocks"])(*inputs)
    for _ in range(2):
        for a, b in zip(compiled(*inputs), expected, strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    assert "for start in range" in compiled.source or columns == 1


def test_a_loop_over_blocks_needs_the_memory_of_a_block():
    inputs = arrays((2048, 256), (256,), (256,), (2048, 256))
    whole = tl.compile(normalized_gelu, without=["cache_blocks"]).prepare(*inputs).program.planned.lowered.plan
    cut = tl.compile(normalized_gelu).prepare(*inputs).program.planned.lowered.plan
    assert cut.size < 0.5 * whole.size


def test_arrays_below_the_size_of_a_cache_are_not_cut():
    inputs = arrays((64, 768), (768,), (768,), (64, 768))
    assert "for start" not in tl.compile(normalized_gelu).prepare(*inputs).source


@given(st.integers(1, 4096), st.integers(1, 4096), st.integers(1, 4096))
def test_blocks_of_a_product_cover_it_and_fit_the_small_kernel(m, k, n):
    cut = blocks(m, k, n)
    if cut is None:
        return
    assert m * k * n > SMALL_KERNEL and cut.number > 1
    if cut.kind == "rows":
        assert m % cut.number == 0 and (m // cut.number) * k * n <= SMALL_KERNEL
    else:
        assert n % cut.number == 0 and m * k * (n // cut.number) <= SMALL_KERNEL


@pytest.mark.parametrize(
    ("function", "shapes", "kind"),
    [
        (lambda x, A, B: tl.sum(tl.tanh((x @ A) @ B)), [(512, 512), (512, 8), (8, 512)], "rows"),
        (lambda x, g: tl.sum(tl.exp(0.01 * (x.T @ g))), [(512, 512), (512, 8)], "rows"),
        (lambda h, g: tl.sum(tl.exp(0.01 * (h.T @ g))), [(512, 8), (512, 512)], "columns"),
        (lambda g, A: tl.sum(tl.exp(0.01 * (g @ A.T))), [(512, 8), (512, 8)], "rows"),
        (lambda x, A: x @ A, [(512, 512), (512, 8)], "rows"),
    ],
)
def test_thin_products_run_in_blocks_and_give_the_same(function, shapes, kind):
    inputs = arrays(*shapes)
    compiled, plain = tl.compile(function), tl.compile(function, without=["row_blocks"])
    for array in (inputs, [a[::-1].copy() for a in inputs], [np.asfortranarray(a) for a in inputs]):
        for a, b in zip(as_list(compiled(*array)), as_list(plain(*array)), strict=True):
            assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert "row_blocks" in compiled.report and "row_blocks" not in plain.report
    assert len(re.findall(r"\.reshape\(\(\d+, \d+, \d+\)\)", compiled.source)) >= 2


# --- Frozen weights ---


def test_the_transpose_of_a_frozen_weight_is_kept_and_follows_a_new_value():
    function, (W, _, _) = lora_loss()
    x, target = arrays((8, 16), (8, 24))
    compiled, plain = tl.compile(function), tl.compile(function, without=["pack_weights"])
    assert "np.ascontiguousarray(W.mT)" in compiled.prepare(x, target).source
    assert "ascontiguousarray" not in plain.prepare(x, target).source
    for factor in (1, 2, 2):
        W.value = W.value * factor
        for a, b in zip(compiled(x, target), plain(x, target), strict=True):
            assert_allclose(a, b, rtol=1e-5)


def test_nothing_but_products_reads_a_turned_array():
    layer = tl.LoRALinear(tl.Linear(64, 64, bias=False, seed=0, dtype=np.float32), 4, 8, seed=1)
    step = tl.compile_training_step(layer, tl.mse, tl.SGD(layer.lora.parameters(), 0.01), input_gradient=True)
    x, target = arrays((32, 64), (32, 64))
    step(x, target)
    turned = re.findall(r"^(\w+) = \w+\.mT$", step.source, re.MULTILINE)
    elementwise = re.findall(r"^    (?:add|subtract|multiply)\((.*?)\)", step.source, re.MULTILINE)
    assert turned and elementwise
    assert not [call for call in elementwise if ".mT" in call or set(turned) & set(call.split(", "))]
    assert "np.ascontiguousarray(" in step.source, "the packed weight lies row by row"
    assert step.program.calls <= 16, "one call a product, and one for each step between"


def test_what_depends_on_frozen_weights_alone_is_computed_once():
    W = tl.parameter(np.ones((4, 3)), "W", trainable=False)
    compiled = tl.compile(lambda x: x @ tl.exp(W * 2.0) + tl.sum(W, axis=0))
    x = np.eye(4)
    expected = x @ np.exp(2.0 * W.value) + W.value.sum(axis=0)
    assert_allclose(compiled(x), expected, rtol=1e-12)
    body = compiled.source[compiled.source.index("def compiled") :]
    assert "exp(" not in body and compiled.program.calls <= 2
    W.value = -W.value
    assert_allclose(compiled(x), x @ np.exp(2.0 * W.value) + W.value.sum(axis=0), rtol=1e-12)


def test_an_output_that_depends_on_frozen_weights_alone_is_a_copy():
    W = tl.parameter(np.ones((4, 3)), "W", trainable=False)
    compiled = tl.compile(lambda x: (tl.exp(W), W.mT, x + 1.0))
    for _ in range(2):
        first, turned, _ = compiled(np.ones(2))
        assert_array_equal(first, np.exp(np.ones((4, 3))))
        first[...] = turned[...] = 0  # it is the caller's


# --- Techniques ---


@pytest.mark.slow
@pytest.mark.parametrize("name", TECHNIQUES)
def test_every_technique_can_be_left_out_and_the_numbers_stay(name):
    for make in PROGRAMS.values():
        function, inputs = make()
        left_out, whole = tl.compile(function, without=[name]), tl.compile(function)
        for a, b in zip(as_list(left_out(*inputs)), as_list(whole(*inputs)), strict=True):
            assert a.dtype == b.dtype
            assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_technique_that_does_not_exist_is_named():
    with pytest.raises(CompileError, match=r"no technique called 'inplace'; there are .*in_place"):
        tl.compile(lambda x: x, without=["inplace"])
    with pytest.raises(CompileError, match=r'write without=\("in_place",\)'):
        tl.compile(lambda x: x, without="in_place")
    with pytest.raises(CompileError, match="no engine called 'cuda'; there are numpy, numba"):
        tl.compile(lambda x: x, engine="cuda")


def test_in_place_and_reuse_save_memory():
    function, _ = lora_loss()
    x, target = arrays((8, 16), (8, 24))

    def size(*without):
        return tl.compile(function, without=without).prepare(x, target).program.planned.lowered.plan.size

    assert size() <= size("in_place") < size("in_place", "reuse_memory")


def test_small_products_are_dots_and_large_ones_are_not():
    small = tl.compile(lambda x, w: tl.sum(tl.exp(x @ w))).prepare(np.ones((8, 8)), np.ones((8, 8))).source
    large = tl.compile(lambda x, w: tl.sum(tl.exp(x @ w))).prepare(np.ones((256, 256)), np.ones((256, 256))).source
    assert "x.dot(w, t0)" in small and "matmul(x, w, t0)" in large


def test_no_call_looks_anything_up_in_numpy():
    for make in PROGRAMS.values():
        function, inputs = make()
        compiled = tl.compile(function).prepare(*inputs)
        body = compiled.source[compiled.source.index(f"def {compiled.name}(") :]
        code = [line.split("#")[0] for line in body.splitlines()]
        assert not [line for line in code if re.search(r"\bnp\.(?!broadcast_to|inf|nan)", line)]


# --- Random programs ---


@examples(60)
@given(random_graphs(), st.sets(st.sampled_from(sorted(LOWERINGS))))
def test_any_lowering_of_a_random_program_keeps_every_bit_twice(program, without):
    function, inputs = program
    expected = as_list(tl.compile(function, buffers=False)(*inputs))
    compiled = tl.compile(function, without=without).prepare(*inputs)
    for _ in range(2):
        spoil(compiled)
        for a, b in zip(as_list(compiled(*inputs)), expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert_array_equal(a, b)


@pytest.fixture
def _tiny_blocks():
    """Thresholds so low that the arrays of random programs are cut into blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "LARGE", 1)
        patch.setattr(schedule, "BLOCK_BYTES", 8)
        patch.setattr(products, "SMALL_KERNEL", 12)
        patch.setattr(products, "FEWEST_ROWS", 1)
        patch.setattr(products, "MOST_FOR_DOT", 3)
        patch.setattr(repeat_rows, "MOST_TO_REPEAT", 8)
        patch.setattr(calls, "FEW_ROWS", 1)
        yield


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("shape", [(16, 5), (3, 4, 7), (8, 1), (9, 64)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_of_each_row_is_taken_from_its_place(dtype, shape, keepdims):
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)  # with ties
    x.reshape(-1)[:4], x.reshape(-1)[-1] = -np.inf, np.nan
    f = tl.compile(lambda x: tl.max(x * 2.0, axis=-1, keepdims=keepdims) + 1.0)
    for each in (x, np.asfortranarray(x)):
        assert_array_equal(f(each), (x * 2.0).max(axis=-1, keepdims=keepdims) + 1.0)
    assert ".argmax(" in f.source and "maximum" not in f.source


@pytest.mark.parametrize("unfit", [np.zeros((7, 5)), np.zeros((16, 5), np.float16), np.zeros((16, 5), np.int64)])
def test_few_rows_and_other_numbers_are_looked_through_as_they_are(unfit):
    assert "maximum_reduce" in tl.compile(lambda x: tl.max(x + x, axis=-1) * 2).prepare(unfit).source


def test_in_blocks_the_largest_of_each_row_is_looked_for(_tiny_blocks, monkeypatch):
    monkeypatch.setattr(schedule, "BLOCK_BYTES", 160)  # four rows
    x = np.random.default_rng(0).normal(size=(13, 5))
    f = tl.compile(lambda x: x * 2.0 - tl.max(x * 2.0, axis=-1, keepdims=True))
    assert_array_equal(f(x), x * 2.0 - (x * 2.0).max(axis=-1, keepdims=True))
    assert "argmax" not in f.source and "[left]" in f.source


@pytest.mark.slow
@examples(250, suppress_health_check=[HealthCheck.function_scoped_fixture])  # it only lowers thresholds
@given(random_graphs(parameters=True) | matmul_chains())
def test_tiny_blocks_of_a_random_program_keep_every_bit_twice(_tiny_blocks, program):
    function, inputs = program
    compiled, plain = tl.compile(function), tl.compile(function, buffers=False)
    expected = as_list(plain(*inputs))
    compiled.prepare(*inputs)
    for _ in range(2):
        spoil(compiled)
        for a, b in zip(as_list(compiled(*inputs)), expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert_array_equal(a, b)
    for p in compiled.program.captured:  # new weights, and frozen ones among them
        p.value = p.value * 2
    for a, b in zip(as_list(compiled(*inputs)), as_list(plain(*inputs)), strict=True):
        assert_array_equal(a, b)


def test_a_row_that_is_repeated_is_not_cut(_tiny_blocks):
    compiled = tl.compile(lambda x, y: y + x * 2.0)
    assert_array_equal(compiled(np.array([0.0, 1.0]), np.zeros((2, 2))), [[0, 2], [0, 2]])
    product = tl.compile(lambda x, y: ((x * 2.0) * y + 1.0) * y)
    assert_array_equal(product(np.array([[0.0, 1.0]]), np.ones((2, 1))), [[1, 3], [1, 3]])


def test_random_programs_do_run_in_tiny_blocks(_tiny_blocks):
    rows = [tl.compile(lambda x: tl.sum(tl.tanh(x * 2.0) + 1.0)).prepare(np.ones((n, 3))).source for n in (2, 5)]
    assert all("for start in range" in source for source in rows)
    product = tl.compile(lambda x, y: tl.exp(x @ y)).prepare(np.ones((4, 2)), np.ones((2, 3)))
    assert "row_blocks" in product.report


@examples(60)
@given(random_graphs())
def test_a_random_program_in_float32_is_the_eager_one(program):
    function, inputs = program
    floats = [np.asarray(a, np.float32) if np.asarray(a).dtype.kind == "f" else a for a in inputs]
    outputs = function(*map(tl.constant, floats))
    expected = [y.value for y in (outputs if isinstance(outputs, tuple | list) else [outputs])]
    compiled = tl.compile(function).prepare(*floats)
    for _ in range(2):
        spoil(compiled)
        for a, b in zip(as_list(compiled(*floats)), expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max(initial=1))


def test_an_array_may_be_part_of_a_vector_twice():
    def twice(x, y):
        z = x * 2.0
        return tl.sum(tl.exp(tl.concatenate([z, y, z])))

    compiled = tl.compile(twice).prepare(np.zeros(3), np.zeros(2))
    spoil(compiled)
    assert compiled(np.zeros(3), np.zeros(2)) == 8.0


def test_a_vector_in_a_vector_and_a_view_that_reshape_can_give_are_safe():
    def nested(x, y):
        return tl.concatenate([tl.concatenate([x * 2.0, y]), y]) + 1.0

    def turned(x, y):
        z = x * 2.0
        return tl.reshape(z.mT, (2,)), tl.exp(tl.exp(y) * 2.0) * 2.0

    for function, inputs in ((nested, [np.ones(2), np.zeros(3)]), (turned, [np.ones((1, 2)), np.zeros((1, 2))])):
        compiled = tl.compile(function).prepare(*inputs)
        spoil(compiled)
        expected = as_list(tl.compile(function, buffers=False)(*inputs))
        for a, b in zip(as_list(compiled(*inputs)), expected, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (2, 1, 4), (2, 0, 4)])
def test_empty_axes_and_axes_of_one(shape, dtype):
    def everything(x, g):
        y = tl.gelu(x[..., :2] @ tl.constant(np.ones((min(2, shape[-1]), shape[-1]), dtype)) + x) * g
        total = tl.sum(y * y, axis=-1, keepdims=True)
        whole = tl.concatenate([tl.reshape(y, (-1,)), tl.reshape(total, (-1,))])
        return y, total, tl.sum(whole), tl.gradients(tl.sum(y * total), x), x[:1] + g[:1], tl.sum(y, axis=0)

    inputs = arrays(shape, shape, dtype=dtype)
    expected = [y.value for y in everything(*map(tl.constant, inputs))]
    compiled = tl.compile(everything)
    for _ in range(2):
        for a, b in zip(compiled(*inputs), expected, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert_allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-11, atol=1e-5)


def test_inputs_may_lie_in_memory_in_any_way():
    function, _ = lora_loss()
    x, target = arrays((8, 16), (8, 24))
    expected = tl.compile(function)(x, target)
    padded = np.zeros((16, 40), np.float32)
    padded[::2, :16] = x
    for same in (np.asfortranarray(x), padded[::2, :16], x[::-1][::-1]):
        for a, b in zip(tl.compile(function)(same, target), expected, strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_number_that_is_an_input_is_not_given_back():
    x = np.array(2.0)
    for function in (tl.relu, tl.identity, lambda x: x, lambda x: tl.reshape(x, ())):
        result = tl.compile(function)(x)
        assert result == 2.0 and not np.shares_memory(result, x)
    assert np.isnan(tl.compile(lambda x: tl.relu(x + 0.0))(np.float64("nan")))


# --- Programs ---


def test_calls_that_run_at_the_same_time_have_memory_of_their_own():
    compiled = tl.compile(lambda x: tl.exp(tl.tanh(x @ x) * 0.5) + x)
    inputs = [np.full((32, 32), i / 100) for i in range(6)]
    expected = [compiled(x) for x in inputs]
    wrong = []

    def work(i):
        for _ in range(200):
            if not np.array_equal(compiled(inputs[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert 1 <= len(compiled.program._idle) <= 6, "a function with its memory goes back when its call ends"


def test_a_call_that_fails_gives_its_memory_back():
    compiled = tl.compile(lambda x, i: tl.take(tl.exp(x), i))
    x = np.zeros(3)
    for _ in range(3):
        with pytest.raises(IndexError):
            compiled(x, np.array([9]))
    assert len(compiled.program._idle) == 1
    assert_array_equal(compiled(x, np.array([0, 2])[:1]), [1])


def test_the_guard_knows_a_signature():
    args = (np.ones((2, 3)), "mean", np.float32(1))
    call = Binder(lambda x, how, factor: x, "f")(args, {})
    fits, arrays = guard(call, map(Keys(), call.leaves))
    assert [a is b for a, b in zip(arrays(*args), args[::2], strict=True)] == [True, True]
    assert fits(np.zeros((2, 3)), "mean", np.float32(2))
    for other in [
        (np.zeros((3, 2)), "mean", np.float32(2)), (np.zeros((2, 3), np.float32), "mean", np.float32(2)),
        (np.zeros((2, 3)), "sum", np.float32(2)), (np.zeros((2, 3)), "mean", np.float64(2)),
        (np.zeros((2, 3)), "mean"), (np.zeros((2, 3)), "mean", np.float32(2), 1), ([[0.0]], "mean", np.float32(2)),
    ]:  # fmt: skip
        assert not fits(*other)


def test_the_cache_is_bounded_and_says_what_varies():
    compiled = tl.compile(lambda x, n: x * n)
    with pytest.warns(RecompileWarning, match=r"compiled 16 times; argument 1 differs .* pass it as an array"):
        for n in range(16):
            compiled(np.ones(2), n)
    for n in range(16, programs_module.MOST_PROGRAMS + 10):
        assert_array_equal(compiled(np.ones(2), n), [n, n])
    assert len(compiled.programs) == programs_module.MOST_PROGRAMS
    assert_array_equal(compiled(np.ones(2), 0), [0, 0])  # forgotten, and made again

    shapes = tl.compile(lambda x: x + 1.0)
    with pytest.warns(RecompileWarning, match="argument 0 differs from call to call, and its shape or dtype varies"):
        for n in range(1, 17):
            shapes(np.ones(n))


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_as_it_was_after_compiling(was_on):
    seen = []

    def watched(x):
        seen.append(gc.isenabled())
        return x @ x

    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ShapeError):
            tl.compile(watched)(np.ones((2, 3)))
        tl.compile(watched)(np.ones((2, 2)))
        assert gc.isenabled() == was_on and seen == [False, False]
    finally:
        gc.enable()


def test_a_compiled_layer_can_be_copied_and_pickled():
    layer = tl.Linear(3, 2, seed=0)
    compiled = tl.compile(layer, without=["in_place"])
    x = np.ones((4, 3))
    expected = compiled(x)
    for twin in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert_array_equal(twin(x), expected)
        assert twin.techniques == compiled.techniques
        twin.function.weight.value = 0 * twin.function.weight.value
        assert_array_equal(compiled(x), expected)  # the original has its own
        assert not np.array_equal(twin(x), expected)


def test_a_training_step_is_not_copied():
    layer = tl.Linear(3, 2, seed=0)
    step = tl.compile_training_step(layer, tl.mse, tl.SGD(layer.parameters(), 0.1))
    with pytest.raises(TypeError, match="compile a step for the copy"):
        copy.deepcopy(step)


def test_few_programs_warn_nobody():
    compiled = tl.compile(lambda x: x + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            for n in range(1, 12):
                compiled(np.ones(n))


def test_calls_are_counted_in_loops_too():
    inputs = arrays((1024, 512), (512,), (512,), (1024, 512))
    compiled = tl.compile(normalized_gelu).prepare(*inputs)
    in_loop = sum(line.startswith("        ") and "(" in line for line in compiled.source.splitlines())
    assert compiled.program.calls > 3 * in_loop


def test_a_large_constant_is_written_as_its_bytes():
    table = np.random.default_rng(0).normal(size=(100, 30))
    compiled = tl.compile(lambda x: x + tl.constant(table))
    assert_array_equal(compiled(np.zeros((100, 30))), table)
    assert "np.frombuffer(bytes.fromhex(" in compiled.source and len(compiled.source) < 17 * table.size


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_result_that_lies_row_by_row_is_read_in_another_shape_without_a_copy(order):
    """Rows of 4096 numbers in float32 are multiplied and summed in two parts."""

    def f(x, g):
        y = tl.exp(x * 0.5) / tl.sum(g, axis=-1, keepdims=True)
        return y, tl.sum(y * g, axis=-1)

    rng = np.random.default_rng(0)
    x, g = (np.asarray(rng.uniform(1, 2, (3, 4096)).astype(np.float32), order=order) for _ in range(2))
    compiled = tl.compile(f, check=True)
    for result, expected in zip(compiled(x, g), tl.compile(f, passes=())(x, g), strict=True):
        assert_allclose(result, expected, rtol=1e-5)
    assert "vecdot" in compiled.source and "copyto" not in compiled.source


def test_a_result_that_lies_as_its_turned_operands_do_is_copied():
    x = np.asfortranarray(np.random.default_rng(0).uniform(1, 2, (3, 4096)).astype(np.float32))

    def f(x):
        y = tl.exp(x)
        return y, tl.reshape(y, (6, 2048)) @ np.ones((2048, 1), np.float32)

    compiled = tl.compile(f, check=True)
    for result, expected in zip(compiled(x), tl.compile(f, passes=())(x), strict=True):
        assert_allclose(result, expected, rtol=1e-5)
