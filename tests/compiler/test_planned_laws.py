"""Laws of programs in planned memory: what may be written where, and what a result is."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler.engines.loops.program import written_as_loops
from tinygrad_lora.compiler.planned import order as schedule
from tinygrad_lora.compiler.techniques import LOWERINGS
from tinygrad_lora.core import ops
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.errors import DtypeError

WAYS = [
    pytest.param({"buffers": True, "passes": ()}, id="planned"),
    pytest.param({"buffers": True}, id="planned, improved"),
    pytest.param({"buffers": False, "passes": ()}, id="expressions"),
    pytest.param({"buffers": False}, id="expressions, improved"),
]
DTYPES = ("bool", "int8", "uint8", "int64", "float16", "float32", "float64")


def as_list(results):
    return list(results) if isinstance(results, tuple | list) else [results]


def agrees(f, *args, **settings):
    """The compiled function, called twice, gives what the graph gives: shapes, dtypes and (whole) numbers."""
    compiled = tl.compile(f, check=False, **settings)
    graph = tl.trace(f, *args)
    wanted = graph(*args)
    for _ in range(2):
        results = as_list(compiled(*args))
        assert [(np.shape(y), y.dtype) for y in results] == [(y.shape, y.dtype) for y in graph.outputs]
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


VIEWS = {
    "transpose": lambda k: k.mT,
    "transpose, rows reversed": lambda k: k.mT[::-1],
    "rows reversed": lambda k: k[::-1],
    "rows and columns reversed": lambda k: k[::-1, ::-1],
    "rows moved": lambda k: tl.concatenate([k[1:], k[:1]]),
    "reshape of a transpose": lambda k: tl.reshape(k.mT, k.shape),
    "first row": lambda k: tl.broadcast(k[0], k.shape),
    "last row": lambda k: tl.broadcast(k[-1:], k.shape),
    "some row": lambda k: tl.broadcast(tl.reshape(k[::-1][3], (1, 12)), k.shape),
    "column as a row": lambda k: tl.broadcast(k[:, 5], k.shape),
    "first column, transposed": lambda k: tl.broadcast(k[:, :1], k.shape).mT,
    "rows taken": lambda k: tl.take(k, np.arange(12)[::-1].copy()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_block_never_overwrites_rows_that_another_block_still_reads(way, view, tiny_blocks):
    view = VIEWS[view]
    x = whole_numbers(12, 3)

    def chain(x):
        k, other = x @ x.mT + 1.0, x @ x.mT
        y = k * (k + view(k))  # written over k, if nobody reads k any more
        z = other - view(other)
        return y @ y, tl.sum(z, 1) + tl.sum(view(other), 1), (other * z) @ x

    agrees(chain, x, **way)


class Exchanging(tl.SGD):
    """The parameters take the values of the slot, and the slot theirs."""

    elementwise = True

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr)
        self.slots = [self._zeros("other")]

    def update(self, parameters, gradients, state, rate):
        return [s + 0 * g for s, g in zip(state, gradients, strict=True)], [p * 1.0 for p in parameters]


class Mirroring(tl.SGD):
    """A rule that is not elementwise, whatever it says: each number takes the place of another."""

    elementwise = True

    def update(self, parameters, gradients, state, rate):
        return [tl.where(p > g, p[::-1], p) + 0 * g for p, g in zip(parameters, gradients, strict=True)], []


@pytest.mark.parametrize("without", [(), ("update_in_place",)])
@pytest.mark.parametrize("optimizer", [Exchanging, Mirroring])
@pytest.mark.parametrize("way", WAYS)
def test_a_training_step_reads_old_values_before_it_writes_new_ones(way, optimizer, without, tiny_blocks):
    def model(x):
        return x * w

    w = tl.parameter(np.arange(16.0), "w")
    rule = optimizer([w], lr=0.5)
    twin = tl.parameter(np.arange(16.0), "w")
    wanted = optimizer([twin], lr=0.5)
    step = tl.compile_training_step(model, lambda y, t: tl.sum(y), rule, input_gradient=True, without=without, **way)
    x = np.full(16, 8.0)
    for _ in range(3):
        before = w.value.copy()
        _, slope = step(x, np.zeros(1))
        assert_array_equal(slope, before)
        twin.zero_gradient()
        tl.sum(x * twin).backward()
        wanted.step()
        assert_array_equal(w.value, twin.value)
        for ours, theirs in zip(rule.state, wanted.state, strict=True):
            assert_array_equal(ours.value, theirs.value)


def memory_of(compiled):
    """All arrays that a program keeps from call to call."""
    program = compiled.program
    scope = program._idle[0].__globals__
    held = [*scope.values(), *program._kept, *(p._value for p in program.captured)]
    return [x for x in held if isinstance(x, np.ndarray)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(), (1,), (2, 2)], ids=str)
def test_every_output_owns_its_memory(way, shape):
    """Also one of frozen weights alone, one that is returned twice, a constant, and an argument."""
    frozen = tl.parameter(np.full(shape, 3.0), "frozen", trainable=False)
    trained = tl.parameter(np.full(shape, 2.0), "trained")
    number = tl.parameter(np.float64(5.0), "number", trainable=False)

    def outputs(x):
        product, choice = frozen * frozen, tl.where(x > 0.0, x, frozen)
        views = [tl.reshape(product, (-1,)), tl.broadcast(number * 2.0, shape), tl.broadcast(frozen, (2, *shape))]
        numbers = [number, number * number, tl.reshape(number, ()), tl.where(number > 0.0, number, 1.0)]
        kept = [product, product, frozen, trained, tl.where(frozen > 0.0, product, 1.0), tl.relu(product)]
        copies = [ops.identity(x), ops.stop_gradient(trained), x[...], tl.constant(np.ones(shape)) + x]
        return [x, x, choice, tl.relu(choice), choice + 1.0, *views, *numbers, *kept, *copies]

    x = np.full(shape, 4.0)
    compiled = tl.compile(outputs, **way)
    wanted = tl.trace(outputs, x)(x)
    kept = []
    for _ in range(3):
        results = compiled(x)
        for result, y in zip(results, wanted, strict=True):
            assert_array_equal(result, y)
            assert type(result) is (np.ndarray if np.shape(y) else np.float64)
        arrays = [y for y in results if isinstance(y, np.ndarray)]
        for i, a in enumerate(arrays):
            assert a.flags.writeable
            assert not any(np.shares_memory(a, b) for b in [x, *arrays[:i], *kept, *memory_of(compiled)])
        for a in arrays:
            a[...] = np.nan
        kept += arrays


@pytest.mark.parametrize("way", WAYS)
def test_what_is_taken_is_a_copy_also_at_a_single_index(way):
    """NumPy gives a view of x[i] where i is a number, and a copy where it is an array."""

    def taken(x, i, j):
        y = x * 2.0
        rows = tl.take(y, i), tl.take(y, i, j)
        return tl.take(x, i), tl.take(x, i, j), tl.take(x, 1), (y * y + rows[0]) @ (x + rows[1]), rows[0] * 3.0

    x, i, j = whole_numbers(4, 4, 4), np.array(2), np.int64(1)
    agrees(taken, x, i, j, **way)
    for result in tl.compile(taken, **way)(x, i, j):
        assert not np.shares_memory(result, x)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_keeps_the_dtype_that_eager_gives_it(way, dtype):
    """Numbers that the program computes itself have faster forms: each gives what the array of one number gives."""
    x = whole_numbers(3, dtype=dtype, seed=2)

    def numbers(x):
        a, b = x[1], tl.max(x)
        total = tl.sum(x)
        cases = [tl.relu(a) + tl.relu(b), tl.relu(total) * total * 3, ops.exp(a), a + b, a / b, a > b, a * 2, a * 2.5]
        cases += [total - 1.0, ops.where(a > b, a, 2), ops.where(a > b, 1, 0.5), a**2, a**0, b**3, tl.mean(x)]
        return cases + [ops.cast(y, dtype=d) for y in (a, total) for d in DTYPES]

    agrees(numbers, x, **way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [300.0, -3.0, 1e30, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_number_out_of_range_is_cast_as_arrays_are(way, number):
    x = np.full(3, number)
    for dtype in ("int8", "uint8", "int64", "float16", "bool"):
        agrees(lambda x, dtype=dtype: [ops.cast(x[0], dtype=dtype), x * ops.cast(x[1], dtype=dtype)], x, **way)


@pytest.mark.parametrize("f", [lambda x: -x, lambda x: x * 300, lambda x: x * -1, lambda x: x**300])
@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_a_number_that_a_dtype_cannot_hold_is_refused_by_eager_and_compiled_alike(f, shape):
    x = np.ones(shape, np.uint8)
    message = r"out of bounds for uint8: cast the array to a wider dtype first, or use a float"
    for run in (lambda: f(tl.constant(x)), lambda: tl.compile(f)(x), lambda: tl.compile(lambda x: f(x * 1))(x)):
        with pytest.raises(DtypeError, match=message):
            run()


@pytest.mark.parametrize("technique", LOWERINGS)
def test_a_technique_can_be_left_out_of_any_program(technique, tiny_blocks):
    x, y = whole_numbers(4, 6), whole_numbers(4, 6, seed=1)

    def views_of_one_array(x, y):
        v, w = tl.reshape(x * 2.0, (6, 4)), tl.reshape(y * y, (6, 4))
        return tl.sum(v * w), v @ w.mT, w @ v.mT, v + w

    agrees(views_of_one_array, x, y, without=[technique])


@pytest.mark.parametrize("way", WAYS)
def test_a_single_row_is_not_cut_into_blocks(way, tiny_blocks):
    def row(x):
        largest = tl.max(x, 1, keepdims=True)
        return tl.reshape(tl.sum(x - largest, 1, keepdims=True), ()) + tl.reshape(largest, ())

    agrees(row, whole_numbers(1, 16), **way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_condition_may_have_any_dtype_and_has_no_say_in_that_of_the_choice(way, dtype):
    x, y = whole_numbers(4, 3, dtype=dtype), whole_numbers(4, 3, dtype="float32", seed=1)

    def choices(x, y):
        constants = tl.where(x, 1.0, np.float32(2)), tl.where(x, 1, 2.0), tl.where(y, 1, 0), tl.where(x, 2.0, 2.0)
        return *constants, tl.where(x, y, 1.0) + y, tl.where(y * 2.0, y * 2.0, x * 1.0), tl.where(x[0, 0], x[0, 1], 2)

    agrees(choices, x, y, **way)


def test_a_loop_adds_up_a_sum_of_no_axes_once():
    """The sum of single numbers is these numbers, also in a loop over the rows that they came from."""

    def sums(x, n):
        total = tl.sum(x)
        return tl.sum(total) + 1.0, tl.sum(tl.sum(x, 1), ()), tl.max(n), tl.sum(n, ()) + tl.sum(x, 0)

    x, n = whole_numbers(3, 4), np.float64(2.0)
    graph = tl.trace(sums, x, n)
    loops = function_from_source("f", written_as_loops(graph, "f").source)
    for result, y in zip(loops(x, n), graph(x, n), strict=True):
        assert_array_equal(result, y)


@pytest.mark.parametrize("way", WAYS)
def test_a_training_step_may_be_given_its_own_parameters(way, tiny_blocks):
    """What it writes and what it reads is then the same memory, in another order."""
    w = tl.parameter(np.arange(16.0), "w")
    step = tl.compile_training_step(lambda x: x * w, lambda y, t: tl.sum(y * t), tl.SGD([w], 0.5, momentum=0.5), **way)
    step(np.zeros(16), np.ones(16))
    before = w.value.copy()
    step(w.value[::-1], np.ones(16))
    assert_array_equal(w.value, before - 0.5 * before[::-1])


def test_a_value_is_read_only_also_where_it_is_an_array_of_one_number():
    a, b = tl.constant(2.0), tl.constant(3.0)
    for node in (tl.where(a > b, a, b), tl.reshape(a, ()), tl.broadcast(b, ()), tl.where(a > b, a, b)[...]):
        with pytest.raises((ValueError, TypeError)):
            node.value[()] = 7.0
