"""Other engines run the same program: the same numbers as the eager graph, or a refusal that names what is missing."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from programs import PROGRAMS
from strategies import assert_same, examples, inputs_for, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.compiler.engines.loops import program as loops
from tinygrad_lora.compiler.operations import add_at, inner_product, row_products
from tinygrad_lora.core import ops
from tinygrad_lora.core.node import Op
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.errors import CompileError

TESTS = Path(__file__).parents[1]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
ENGINES = ("numba",)
# Numba has no generator that gives the same numbers, and says so.
TRANSLATED = [op for op in Op.registry.values() if op.name != "random_uniform"]


def engine(name):
    """The module of an engine; the test is skipped where its library is not installed."""
    for library in dict.fromkeys((name, "scipy")):
        pytest.importorskip(library, reason=f'engine="{name}" needs the extra speed')
    return importlib.import_module(f"tinygrad_lora.compiler.engines.{name}")


@pytest.fixture(params=ENGINES, name="name")
def _name(request):
    engine(request.param)
    return request.param


def as_python(graph):
    """The loops of a graph, run by Python itself: slow, and independent of what translates them."""
    function = function_from_source("f", loops.written_as_loops(graph, "f").source)
    return lambda *arrays: [np.asarray(x)[()] for x in as_list(function(*arrays))]


def as_list(results):
    return list(results) if isinstance(results, tuple | list) else [results]


def eager(function, arrays):
    with np.errstate(all="ignore"):
        return [node.value for node in as_list(function(*map(tl.constant, arrays)))]


def assert_near(result, expected):
    result, expected = as_list(result), as_list(expected)
    assert [(x.shape, x.dtype) for x in result] == [(y.shape, y.dtype) for y in expected]
    for x, y in zip(result, expected, strict=True):
        tolerance = TOLERANCE.get(y.dtype.name, 0)
        scale = np.abs(y[np.isfinite(y)]).max(initial=1.0) if y.dtype.kind == "f" else 1
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)


def random(*shapes, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


# --- The loops, before anything translates them ---


@pytest.mark.slow
@pytest.mark.parametrize("op", TRANSLATED, ids=str)
@examples(25)
@given(data=st.data())
def test_the_loops_of_an_operation_are_its_numpy_line(op, data):
    case = data.draw(inputs_for(op))
    graph = tl.trace(lambda *operands: op(*operands, **case.params), *case.operands)
    with np.errstate(all="ignore"):
        assert_near(as_python(graph)(*case.operands), graph(*case.operands))


@examples(60)
@given(random_graphs())
def test_the_loops_of_a_program_are_the_program(drawn):
    program, arrays = drawn
    compiled = tl.compile(program, buffers=False).prepare(*arrays)
    for x, y in zip(as_list(as_python(compiled.graph)(*arrays)), compiled.graph(*arrays), strict=True):
        assert_same(x, y)


def test_the_operations_that_passes_make_have_loops_too():
    x, y, rows = *random((3, 4), (3, 4)), np.array([2, 0])
    for op, operands in ((inner_product, (x, y)), (row_products, (x, y)), (add_at, (x, y[:2], rows))):
        graph = tl.trace(lambda *operands, op=op: op(*operands), *operands)
        assert op in loops.LOOPS or loops.loops(loops.opened(graph, products=True)[0].outputs[0])
        assert_near(as_python(graph)(*operands), graph(*operands))


@pytest.mark.slow
def test_loops_do_not_depend_on_the_hash_seed():
    code = (
        "from programs import PROGRAMS\nimport tinygrad_lora as tl\n"
        "from tinygrad_lora.compiler.engines.loops.program import written_as_loops\n"
        "for make in PROGRAMS.values():\n"
        "    f, arrays = make()\n    print(written_as_loops(tl.trace(f, *arrays), f.__name__).source)\n"
    )
    texts = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        texts.add(run.stdout)
    assert len(texts) == 1


def test_a_row_is_visited_once():
    def normalized(x):
        return tl.softmax(tl.gelu(tl.layer_norm(x)))

    graph = tl.trace(normalized, *random((5, 7)))
    source = loops.written_as_loops(graph, "f").source
    assert source.count("for i in range(5):") == 1, "one loop over the rows"
    assert source.count("for j in range(7):") == 5, "sum, sum of squares, maximum, sum of exponentials, result"


def test_a_view_costs_nothing():
    def views(x, y):
        return x.T[1:, ::-1] * tl.reshape(tl.broadcast(y, (2, 4)), (2, 4))

    graph = tl.trace(views, *random((4, 3), (4,)))
    lines = [line for line in loops.written_as_loops(graph, "f").source.splitlines() if "#" in line]
    assert len(lines) == 1 and "x[3 + -1 * j, 1 + i] * y[j]" in lines[0]


# --- What both engines promise ---


@pytest.mark.parametrize(("name", "program"), [
    pytest.param(name, program, marks=[pytest.mark.slow] if name == "numba" else [])
    for name in ENGINES for program in PROGRAMS
])  # fmt: skip
def test_a_golden_program_gives_the_same_numbers(name, program):
    function, arrays = PROGRAMS[program]()
    compiled = tl.compile(function, engine=name)
    assert_near(compiled(*arrays), eager(function, arrays))
    others = [a[::-1] * 2 if a.dtype.kind == "f" else a[::-1] for a in arrays]  # not contiguous as well
    assert_near(compiled(*others), eager(function, others))
    assert len(compiled.programs) == 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_composites_and_their_gradients(name, dtype):
    def composites(x, w, b, labels):
        y = tl.softmax(tl.gelu(tl.layer_norm(x, w, b)))
        loss = tl.cross_entropy(y, labels) + tl.sum(tl.sigmoid(x) * y)
        return y, loss, *tl.gradients(loss, [x, w, b])

    arrays = [*random((6, 9), (9,), (9,), dtype=dtype), np.array([0, 8, 3, 3, 1, 5])]
    assert_near(tl.compile(composites, engine=name)(*arrays), eager(composites, arrays))


@pytest.mark.slow
def test_a_training_step_of_an_adapted_network(name):
    dtype = np.float32
    a, b, c, d = map(tl.parameter, random((8, 2), (2, 16), (16, 2), (2, 4), dtype=dtype))
    w, v = (tl.parameter(x, trainable=False) for x in random((8, 16), (16, 4), dtype=dtype, seed=1))

    def step(x, labels):
        hidden = tl.gelu(x @ w + 2.0 * (x @ (a @ b)))
        loss = tl.cross_entropy(hidden @ v + 2.0 * (hidden @ (c @ d)), labels)
        moved = [p - 0.1 * g for p, g in zip([a, b, c, d], tl.gradients(loss, [a, b, c, d]), strict=True)]
        return [loss, *moved]

    arrays = [*random((5, 8), dtype=dtype), np.array([0, 3, 3, 1, 2])]
    compiled = tl.compile(step, engine=name)
    assert_near(compiled(*arrays), eager(step, arrays))
    a.value = 2 * a.value
    assert_near(compiled(*arrays), eager(step, arrays))
    assert len(compiled.programs) == 1


def test_outputs_share_memory_with_nothing(name):
    def shared(x, y):
        both = x + y
        return (
            x,
            x.T,
            x[1:],
            x[0, 1],
            tl.reshape(both, (9,)),
            both,
            tl.constant(2.5),
        )

    arrays = random((3, 3), (3, 3))
    outputs = tl.compile(shared, engine=name)(*arrays)
    assert_near(outputs, eager(shared, arrays))
    for i, y in enumerate(outputs):
        assert not y.ndim or y.flags.writeable
        assert not any(np.shares_memory(y, other) for other in [*outputs[:i], *arrays])


def test_arrays_of_any_layout_are_taken(name):
    def product(x, y, s):
        return x @ y + y @ x, tl.sum(x * s, axis=0), s + 1.0

    x, y = np.asfortranarray(random((4, 4))[0]), random((4, 8))[0][::-1, ::2]
    y.flags.writeable = False
    compiled = tl.compile(product, engine=name)
    for s in (np.float64(2.0), np.array(2.0)):
        result = compiled(x, y, s)
        assert_near(result, eager(product, (x, y, s)))
        assert type(result[2]) is np.float64


def test_a_negative_power_of_zero_is_infinite(name):
    x, exponents = np.array([0.0, 2.0]), (-1, -2, -3, -9)
    with np.errstate(divide="ignore"):
        powers = tl.compile(lambda x: tuple(x**n for n in exponents), engine=name)(x)
        assert_near(powers, [x ** float(n) for n in exponents])


@pytest.mark.slow
def test_nan_and_infinity_go_where_numpy_sends_them(name):
    def special(x):
        y = tl.max(x, axis=1, keepdims=True)
        return y, tl.relu(x), tl.maximum(x, 0.0), tl.exp(x), tl.tanh(x), tl.log(x), tl.sqrt(x), tl.sum(x), x - y, x / x

    for dtype in (np.float64, np.float32):
        x = np.array([[np.nan, 1.0, 2.0], [-np.inf, np.inf, 0.0], [1000.0, -1000.0, -0.0]], dtype)
        with np.errstate(all="ignore"):
            assert_near(tl.compile(special, engine=name)(x), eager(special, [x]))


def test_empty_axes_and_axes_of_length_one(name):
    def empty(a, b, c, d):
        return b @ a, tl.sum(a), tl.sum(a, axis=0), a * d, tl.concatenate([b, c, c], axis=1), d[:, :0]

    arrays = random((0, 3), (3, 0), (3, 1), (1, 3))
    assert_near(tl.compile(empty, engine=name)(*arrays), eager(empty, arrays))


@pytest.mark.slow
def test_more_of_empty_axes_and_axes_of_length_one(name):
    def shapes(a, b, c, d):
        return (
            a @ b, tl.sum(b, axis=1), tl.reshape(a, (0,)), c @ d, tl.softmax(c), tl.sum(c + d), tl.max(d, axis=1),
        )  # fmt: skip

    arrays = random((0, 3), (3, 0), (3, 1), (1, 3))
    assert_near(tl.compile(shapes, engine=name)(*arrays), eager(shapes, arrays))


def test_an_index_out_of_bounds_is_an_error(name):
    compiled = tl.compile(lambda x, rows: tl.take(x, rows) * 2.0, engine=name)
    x = np.arange(6.0).reshape(3, 2)
    assert_near(compiled(x, np.array([2, -3])), x[[2, 0]] * 2)
    for bad in (3, -4):
        with pytest.raises(IndexError, match="out of bounds"):
            compiled(x, np.array([0, bad]))


@pytest.mark.parametrize("name", ENGINES)
def test_a_missing_library_says_how_to_get_it(name, monkeypatch):
    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr("tinygrad_lora.compiler.engines.numba.import_module", missing)
    with pytest.raises(CompileError, match=rf'engine="{name}" needs the library {name}.*tinygrad-lora\[speed\]'):
        tl.compile(lambda x: x * x, engine=name)(np.ones(3))


def test_a_source_runs_by_itself(name):
    function, arrays = PROGRAMS["affine"]()
    compiled = tl.compile(function, engine=name).prepare(*arrays)
    scope = {"np": np}
    exec(compiled.source, scope)
    assert_near(scope["affine"](*arrays), eager(function, arrays))
    assert {compiled.program.variables[x] for x in compiled.graph.inputs} == {"x", "w", "b"}


# --- Numba alone ---


@pytest.mark.slow
@settings(max_examples=2, derandomize=True, database=None)
@given(data=st.data())
def test_numba_has_every_operation(data):
    build = engine("numba").build
    cases = [(op, data.draw(inputs_for(op))) for op in TRANSLATED]
    inputs, outputs, arrays = [], [], []
    for op, case in cases:
        placeholders = [tl.placeholder(np.shape(x), x.dtype) for x in case.operands]
        inputs += placeholders
        arrays += case.operands
        outputs.append(op(*placeholders, **case.params))
    assert len(outputs) == len(TRANSLATED) == len(Op.registry) - 1
    graph = tl.Graph(inputs, outputs)
    with np.errstate(all="ignore"):
        assert_near(build(graph, "f")[1](*arrays), graph(*arrays))


@pytest.mark.slow
@settings(max_examples=3, derandomize=True, database=None)
@given(random_graphs())
def test_numba_runs_random_programs(drawn):
    program, arrays = drawn
    compiled = tl.compile(program, engine=engine("numba").__name__.rpartition(".")[2])
    for x, y in zip(as_list(compiled(*arrays)), compiled.graph(*arrays), strict=True):
        assert_same(x, y)


@pytest.mark.slow
def test_whole_numbers_truth_values_and_mixed_dtypes():
    build = engine("numba").build

    def mixed(x, n, m, t):
        return (
            n @ m, x @ n, n + m, n * m, n / m, tl.sum(n), tl.max(n), tl.sum(t), tl.max(t, axis=0), t + t, t * t, x * t,
            x + n, tl.where(t, x, n), tl.relu(n), tl.exp(n), tl.sqrt(m), n**2, n * 3, n * 0.5, x > n,
            ops.cast(x, "int32"), ops.cast(x, "bool"), ops.sign(n), ops.concatenate(n, m, axis=0),
            tl.sum(x, axis=(0, 1)), -n,
        )  # fmt: skip

    x, n, m = random((3, 3), dtype=np.float32)[0], np.arange(9, dtype=np.int32).reshape(3, 3) - 4, np.full((3, 3), 2)
    arrays = [x, n, m, np.eye(3, dtype=bool)]
    graph = tl.trace(mixed, *arrays)
    with np.errstate(all="ignore"):
        assert_near(build(graph, "f")[1](*arrays), graph(*arrays))


class Upward(Op):
    """An operation of somebody else, with a line that numba happens to know."""

    signature, numpy = "x", "np.cumsum(x)"

    def __init__(self):
        """Not among the primitives."""


class Text(Upward):
    """An operation of somebody else, with a line that numba does not know."""

    numpy = "np.array([str(n) for n in x]).astype(np.float64)"


def test_an_unknown_operation_runs_as_its_line_or_is_refused_by_name():
    engine("numba")
    x = np.arange(4.0)
    assert_near(tl.compile(lambda x: 2.0 * Upward()(x) + 1.0, engine="numba")(x), 2 * np.cumsum(x) + 1)
    refusal = r'cannot translate the operation text \(4,\), test_engines.py line \d+: compile with engine="numpy"'
    with pytest.raises(CompileError, match=refusal):
        tl.compile(lambda x: tl.exp(Text()(Upward()(x) * 2.0)) + x, engine="numba")(x)


def test_a_dtype_that_numba_lacks_is_refused_by_name():
    engine("numba")
    remedy = r': cast to float32 first, or compile with engine="numpy"'
    with pytest.raises(CompileError, match=r'engine="numba" has no float16, and the input x \(3,\) has it' + remedy):
        tl.compile(lambda x: x * x, engine="numba")(np.ones(3, np.float16))
    refusal = r"has no float16, and the operation cast \(3,\), test_engines.py line \d+ has it" + remedy
    with pytest.raises(CompileError, match=refusal):
        tl.compile(lambda x: ops.cast(x, dtype="float16") * 2.0, engine="numba")(np.ones(3))


def _chain(x):
    return tl.softmax(tl.gelu(x))


@pytest.mark.parametrize(
    ("function", "dtype", "chosen", "because"),
    [
        (_chain, np.float64, "numba", "all but products of matrices is 100% of the estimated time"),
        (lambda x: x @ x @ x, np.float64, "numpy", "products of matrices are 100% of the estimated time"),
        (_chain, np.float16, "numpy", "machine code would win, and numba has no float16"),
        (lambda x: tl.dropout(x, 0.5, tl.cast(tl.sum(x * x), np.int64)), np.float64, "numpy", "numba"),
    ],
)
def test_the_engine_is_chosen_where_it_is_known_to_win(function, dtype, chosen, because):
    engine("numba")
    x = np.linspace(-1, 1, 64).reshape(8, 8).astype(dtype)
    compiled = tl.compile(function, engine="auto")
    assert_near(compiled(x), eager(function, [x]))
    assert compiled.program.engine == chosen
    assert because in compiled.report.splitlines()[-1]


def test_without_numba_a_chosen_engine_is_numpy_and_says_so(monkeypatch):
    monkeypatch.setattr("tinygrad_lora.compiler.engines.choice.find_spec", lambda name: None)
    compiled = tl.compile(_chain, engine="auto").prepare(np.ones((8, 8)))
    assert compiled.program.planned
    assert compiled.report.endswith("engine: numpy, because machine code would win, and numba is not installed")
