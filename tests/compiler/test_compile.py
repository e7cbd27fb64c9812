"""The compiler as a user meets it: what it computes, what it prints, what it refuses."""

import gc
import os
import re
import runpy
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from programs import PASS_PROGRAMS, PROGRAMS, prepared

import tinygrad_lora as tl
from tinygrad_lora.compiler import programs as programs_module, signatures
from tinygrad_lora.compiler.cost import graph_cost, planned_cost
from tinygrad_lora.compiler.operations import Fused
from tinygrad_lora.compiler.pipeline import DEFAULT, FOR_CALLS, passes_for_calls
from tinygrad_lora.errors import CompileError, RecompileWarning, ShapeError, TraceError

TESTS = Path(__file__).parents[1]


@pytest.fixture(params=PROGRAMS, name="program")
def _program(request):
    function, arrays = PROGRAMS[request.param]()
    return tl.compile(function), function, arrays


def eager(function, arrays):
    """The outputs of a function run on known nodes, as a list of arrays."""
    outputs = function(*map(tl.constant, arrays))
    return [y.value for y in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def results(compiled, arrays):
    outputs = compiled(*arrays)
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def assert_same(result, expected):
    assert len(result) == len(expected)
    for a, b in zip(result, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        tolerance = 1e-5 if b.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max(initial=0)))


def test_compiled_is_eager_for_the_first_and_for_other_arrays(program):
    compiled, function, arrays = program
    assert_same(results(compiled, arrays), eager(function, arrays))
    others = [a[::-1] * 2 if a.dtype.kind == "f" else a[::-1] for a in arrays]
    assert_same(results(compiled, others), eager(function, others))
    assert len(compiled.programs) == 1


def test_parameters_are_read_at_every_call():
    weight = tl.parameter(np.ones((3, 2)), "weight")
    compiled = tl.compile(lambda x: x @ weight)
    before = compiled(np.eye(3))
    weight.value = 5 * np.ones((3, 2))
    assert_array_equal(compiled(np.eye(3)), 5 * before)
    assert len(compiled.programs) == 1


def test_a_new_shape_or_dtype_gets_its_own_program():
    compiled = tl.compile(lambda x: tl.mean(x * x, axis=0))
    for x in (np.ones((4, 2)), np.ones((7, 2)), np.ones((7, 2), np.float32), np.ones((4, 2))):
        assert_array_equal(compiled(x), np.ones(2))
        assert compiled(x).dtype == x.dtype
    assert len(compiled.programs) == 3


def test_numbers_and_strings_are_part_of_the_program():
    def apply(x, kind, n):
        return x * n if kind == "scale" else x + n

    compiled = tl.compile(apply)
    x = np.array([1.0, 2.0])
    assert_array_equal(compiled(x, "scale", 3), [3, 6])
    assert_array_equal(compiled(x, "add", 3), [4, 5])
    assert_array_equal(compiled(x, "scale", 3.0), [3, 6])
    assert_array_equal(compiled(x, "scale", True), [1, 2])  # equal to 1, and not the same
    assert len(compiled.programs) == 4
    with pytest.raises(CompileError, match="set cannot be part of a program"):
        compiled(x, {1}, 1)


@pytest.mark.parametrize(("name", "flops"), [("naive_lora_step", 13.44e6), ("paper_formula", 9.33e6)])
def test_the_naive_formula_finds_lora(name, flops):
    function, arrays = PROGRAMS[name]()
    compiled = tl.compile(function).prepare(*arrays)
    traced = tl.trace(function, *arrays)
    assert traced.flops == pytest.approx(flops, rel=1e-3)
    assert compiled.graph.flops <= 4.8e6
    products = [n for n in compiled.graph.nodes if n.op is tl.matmul]
    assert {p.shape for p in products} == {(64, 128), (64, 4), (256, 4), (4, 128)}, "no product of two weights is left"
    assert len(products) == 6


def test_what_is_frozen_has_no_product():
    function, arrays = PROGRAMS["naive_lora_step"]()
    graph = tl.compile(function).prepare(*arrays).graph
    assert (256, 128) not in {n.shape for n in graph.nodes if n.op is tl.matmul}


def test_source_is_golden(golden):
    for name, make in PROGRAMS.items():
        function, arrays = make()
        golden(f"source_{name}.py.txt", tl.compile(function, buffers=False).prepare(*arrays).source)
        compiled = tl.compile(function).prepare(*arrays)
        golden(f"program_{name}.py.txt", compiled.source)
        golden(f"report_{name}.txt", compiled.report + "\n")


def test_small_programs_for_single_passes_are_golden(golden):
    for name in PASS_PROGRAMS:
        golden(f"program_{name}.py.txt", prepared(name)[0].source)


@pytest.mark.parametrize("name", [name for name in PASS_PROGRAMS if name != "adapted_step"])
def test_small_programs_for_single_passes_are_right(name):
    function, arrays = PASS_PROGRAMS[name]()
    eager = function(*map(tl.constant, arrays))
    result = tl.compile(function)(*arrays)
    pairs = zip(result, eager, strict=True) if isinstance(eager, tuple) else [(result, eager)]
    for a, b in pairs:
        np.testing.assert_allclose(a, b.value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [p.__name__ for row in (*DEFAULT, FOR_CALLS) for p in row])
def test_every_pass_is_needed_by_a_golden_program(name):
    programs = (*PASS_PROGRAMS, *PROGRAMS)
    assert any(prepared(p)[0].source != prepared(p, without=(name,))[0].source for p in programs)


def test_source_does_not_depend_on_the_hash_seed():
    code = (
        "from programs import PROGRAMS\nimport tinygrad_lora as tl\n"
        "for make in PROGRAMS.values():\n"
        "    f, arrays = make()\n    c = tl.compile(f).prepare(*arrays)\n    print(c.source, c.report, c.explain())\n"
    )
    texts = set()
    for seed in ("0", "42"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        texts.add(run.stdout)
    assert len(texts) == 1


def test_every_line_names_operation_shape_and_the_users_line():
    function, arrays = PROGRAMS["affine"]()
    lines = tl.compile(function, buffers=False).prepare(*arrays).source.splitlines()
    assert lines[0] == "def affine(x, w, b):"
    assert lines[1].split("#")[0].strip() == "t0 = x @ w"
    assert "matmul (4, 2)" in lines[1] and "programs.py:" in lines[1]
    assert lines[-1].strip() == "return t1"
    lines = tl.compile(function).prepare(*arrays).source.splitlines()
    lines = lines[lines.index("def affine(x, w, b):") :]
    assert lines[1].split()[:6] == ["x.dot(w,", "t0)", "#", "t0", "=", "x"] and "programs.py:" in lines[1]
    assert lines[-1].strip() == "return t1"


def test_variables_and_nodes_have_the_same_names():
    function, arrays = PROGRAMS["softmax_classifier"]()
    for buffers in (True, False):
        compiled = tl.compile(function, buffers=buffers).prepare(*arrays)
        assigned = re.findall(r"(?:^ +|# )(t\d+) = ", compiled.source, re.MULTILINE)
        assert len(assigned) > 5 and set(assigned) <= {n.name for n in compiled.graph.nodes}


def test_outputs_share_memory_with_nothing(program):
    compiled, _, arrays = program
    outputs = results(compiled, arrays)
    weights = [p.value for p in compiled.graph.captured]
    for i, y in enumerate(outputs):
        for other in [*outputs[:i], *arrays, *weights]:
            assert not np.shares_memory(y, other)
    kept = [np.array(y) for y in outputs]
    for y in outputs:
        if y.ndim:
            y[...] = 7  # writable, and the next call does not notice
    assert_same(results(compiled, arrays), kept)


@pytest.mark.parametrize(
    "name", [pytest.param(p, marks=[pytest.mark.slow] * bool(i % 4)) for i, p in enumerate(PROGRAMS)]
)
def test_a_saved_program_runs_alone(tmp_path, name):
    function, arrays = PROGRAMS[name]()
    compiled = tl.compile(function)
    path = compiled.prepare(*arrays).save(tmp_path / "step.py")
    text = path.read_text()
    imports = {line for line in text.splitlines() if "import" in line and not line.startswith('"""')}
    assert all(line == "import numpy as np" or line.startswith("from numpy import ") for line in imports)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-W", "error", path], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("output") == len(compiled.graph.outputs)
    namespace = {"__name__": "saved"}
    exec(text, namespace)
    weights = [p.value for p in compiled.graph.captured]
    result = namespace[function.__name__](*arrays, *weights)
    assert_same(list(result) if isinstance(result, tuple) else [result], results(compiled, arrays))


def adapted():
    """Two adapted layers: their parameters have the same names, and other paths."""
    return tl.adapt(tl.Sequential(tl.Linear(6, 5, seed=0), tl.relu, tl.Linear(5, 3, seed=1)), 2, seed=0)


def run_by_path(path):
    """A saved program as a module, and what it prints."""
    process = subprocess.run([sys.executable, "-W", "error", path], capture_output=True, text=True, cwd=path.parent)
    assert process.returncode == 0, process.stderr
    return runpy.run_path(str(path)), process.stdout


def test_a_saved_program_brings_its_parameters(tmp_path):
    model, x = adapted(), np.ones((4, 6))
    for p in model.parameters():
        p.value = np.random.default_rng(0).normal(size=p.shape)
    compiled = tl.compile(model)
    expected = compiled(x)
    path = compiled.save(tmp_path / "net.py", parameters=True)
    assert sorted(os.listdir(tmp_path)) == ["net.npz", "net.py"]
    program, message = run_by_path(path)
    assert "on made-up inputs" in path.read_text() and message.count("output") == 1
    assert_array_equal(program["Sequential"](x, *program["load_parameters"]()), expected)
    written = (tmp_path / "net.npz").read_bytes()
    compiled.save(path, parameters=True)
    assert (tmp_path / "net.npz").read_bytes() == written


def test_captured_parameters_have_their_paths_and_are_copies():
    model = adapted()
    compiled = tl.compile(model).prepare(np.ones((4, 6)))
    assert list(compiled.captured) == list(model.named_parameters())
    for name, p in model.named_parameters().items():
        assert_array_equal(compiled.captured[name], p.value)
    compiled.captured["0.base.weight"][:] = 7
    assert not (model[0].base.weight.value == 7).any()
    model[0].base.weight.value = np.zeros((6, 5))
    assert not compiled.captured["0.base.weight"].any()


def test_captured_parameters_of_a_plain_function_have_names_of_their_own():
    first, second, third = (tl.parameter(np.full(3, n), name) for n, name in ((1.0, "w"), (2.0, "w"), (3.0, None)))
    compiled = tl.compile(lambda x: x * first + x * second + x * third).prepare(np.ones(3))
    assert {name: v[0] for name, v in compiled.captured.items()} == {"w": 1.0, "w_2": 2.0, "parameter": 3.0}


def test_a_saved_program_says_its_file_and_its_paths(tmp_path):
    compiled = tl.compile(adapted()).prepare(np.ones((4, 6)))
    text = compiled.save(tmp_path / "my net.py").read_text()
    assert "`python 'my net.py'` runs it once on made-up arrays" in text
    for path in compiled.captured:
        assert f"  # {path}\n" in text


def test_a_saved_step_brings_what_it_trains(tmp_path):
    model = adapted()
    step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.1))
    x, target = np.ones((4, 6)), np.zeros((4, 3))
    step(x, target)
    program, _ = run_by_path(step.save(tmp_path / "step.py", parameters=True))
    parameters = program["load_parameters"]()
    assert_array_equal(parameters[0], model[0].base.weight.value)
    assert program["training_step"](x, target, *parameters) == pytest.approx(step(x, target), rel=1e-12)


@pytest.mark.parametrize("file", ['a"""b.py', "back\\slash.py", "two\nlines.py", "'quoted'.py", "räksmörgås.py"])
def test_a_saved_program_may_have_any_name(tmp_path, file):
    if sys.getfilesystemencoding() == "ascii" and not file.isascii():
        pytest.skip("this Python knows files with ASCII names alone")
    weight = tl.parameter(np.ones(3), 'load_parameters\n"""')
    compiled = tl.compile(lambda x: x * weight).prepare(np.ones(3))
    program, _ = run_by_path(compiled.save(tmp_path / file, parameters=True))
    assert_array_equal(program["compiled"](np.ones(3), np.ones(3)), np.ones(3))


def test_parameters_go_beside_a_python_file(tmp_path):
    compiled = tl.compile(adapted()).prepare(np.ones((4, 6)))
    with pytest.raises(CompileError, match=r"must end in \.py, not 'net'"):
        compiled.save(tmp_path / "net", parameters=True)
    assert not os.listdir(tmp_path)


def test_an_error_inside_generated_code_shows_its_line():
    compiled = tl.compile(lambda x, i: tl.take(x, i))
    x = np.zeros((3, 2))
    compiled(x, np.array([0, 1]))
    with pytest.raises(IndexError) as caught:
        compiled(x, np.array([0, 9]))
    text = "".join(traceback.format_exception(caught.value))
    assert "x[i]" in text and "<tinygrad_lora compiled" in text


def test_no_answers_before_the_first_call():
    compiled = tl.compile(lambda x: x)
    for ask in (lambda: compiled.source, lambda: compiled.graph, lambda: compiled.report, compiled.explain):
        with pytest.raises(CompileError, match="call it, or prepare it"):
            ask()


def test_unknown_things_raise():
    with pytest.raises(CompileError, match="takes a function or a layer"):
        tl.compile(3)
    with pytest.raises(TraceError, match="must return nodes"):
        tl.compile(lambda x: 3.0)(np.ones(2))
    with pytest.raises(TraceError, match=r"tl\.where"):
        tl.compile(lambda x: x if x > 0 else -x)(np.float64(1.0))
    with pytest.raises(ShapeError, match="matmul"):
        tl.compile(lambda x: x @ x)(np.ones((2, 3)))


def test_a_failed_trace_leaves_no_program():
    compiled = tl.compile(lambda x: x @ x)
    with pytest.raises(ShapeError):
        compiled(np.ones((2, 3)))
    assert not compiled.programs
    assert_array_equal(compiled(np.eye(2)), np.eye(2))


def test_compile_is_a_decorator():
    @tl.compile
    def double(x):
        return x + x

    @tl.compile(passes=())
    def as_traced(x):
        return x + x

    x = np.arange(3.0)
    assert_array_equal(double(x), 2 * x)
    assert_array_equal(as_traced(x), 2 * x)
    assert "x * 2" in double.source and "x + x" in as_traced.source and not as_traced.snapshots


@pytest.mark.parametrize(
    "name", ["affine", "gelu_and_slope", "normalized", "hessian_vector_product", "numbers_and_choices"]
)
def test_float32_programs_compute_in_float32(name):
    function, arrays = PROGRAMS[name]()
    floats = [a.astype(np.float32) for a in arrays]
    compiled = tl.compile(function)
    assert {y.dtype for y in results(compiled, floats)} == {np.dtype(np.float32)}
    assert {n.dtype for n in compiled.graph.nodes if n.dtype.kind == "f"} == {np.dtype(np.float32)}
    assert_same(results(compiled, floats), eager(function, floats))


def test_names_that_python_does_not_allow_are_mended():
    a, b = tl.parameter(np.ones(2), "0.lora.A"), tl.parameter(np.ones(2), "lambda")
    twin = tl.parameter(np.ones(2), "0.lora.A")
    compiled = tl.compile(lambda x: x * a + b * twin)
    compiled(np.ones(2))
    header = next(line for line in compiled.source.splitlines() if line.startswith("def compiled"))
    assert header == "def compiled(x, layer0_lora_A, lambda_2, layer0_lora_A_2):"


def test_constants_are_written_exactly():
    odd = np.array([0.1, np.nan, -np.inf, 1e-310, -0.0])
    table = tl.constant(odd)
    compiled = tl.compile(lambda x: x + table)
    result = compiled(np.zeros(5))
    assert_array_equal(result, odd + 0.0)
    assert "np.nan" in compiled.source and "-np.inf" in compiled.source


def test_a_million_numbers_are_not_a_literal_of_many_lines():
    rows = tl.constant(np.arange(0, 3_000_000, 3))
    ones = tl.constant(np.ones((1000, 1000)))
    compiled = tl.compile(lambda x, i: (tl.take(x, rows), i @ ones))
    compiled.prepare(np.zeros(3_000_000), np.zeros((1, 1000)))
    assert len(compiled.source) < 1000 and "np.arange(0, 3000000, 3" in compiled.source


def test_threads_may_share_a_compiled_function():
    compiled = tl.compile(lambda x: tl.tanh(x @ x) + x)
    inputs = [np.full((8, 8), i / 10) for i in range(8)]
    expected = [np.tanh(x @ x) + x for x in inputs]
    failures = []

    def work(i):
        for _ in range(50):
            if not np.allclose(compiled(inputs[i]), expected[i], rtol=1e-12):
                failures.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


TOGETHER = ("sink_transposes", "distribute_products", "rebracket")  # one row: its cost counts at the end


def test_the_report_adds_up(program):
    compiled, function, arrays = program
    compiled.prepare(*arrays)
    cost = graph_cost(tl.trace(function, *arrays))
    for s in compiled.snapshots:
        cost_of = planned_cost if s.name in passes_for_calls(()) else graph_cost
        assert (s.cost_before, s.cost_after) == (cost_of(s.before), cost_of(s.after))
        assert not s.kept or s.cost_after.nanoseconds <= s.cost_before.nanoseconds or s.name in TOGETHER
        if s.kept:
            assert s.cost_before[:3] == cost[:3] or s.name in TOGETHER
            cost = s.cost_after
    assert cost[:3] == graph_cost(compiled.graph)[:3]
    assert "\nin all: flops" in compiled.report and compiled.report.splitlines()[-2].startswith("memory: ")


def test_explain_gives_every_change_its_law():
    function, arrays = PROGRAMS["naive_lora_step"]()
    text = tl.compile(function).prepare(*arrays).explain()
    assert "rebracket: $(AB)C = A(BC)$" in text
    assert "- matmul(A[256, 4], B[4, 128]) [256, 128]" in text
    assert re.search(r"\+ t\d+ = matmul\(x\[64, 256\], A\[256, 4\]\) \[64, 4\]", text)


@pytest.mark.slow
def test_a_deep_chain_compiles_without_recursion():
    def chain(x):
        for _ in range(20_000):
            x = tl.tanh(x + 1.0)
        return x

    compiled = tl.compile(chain)
    assert compiled(np.zeros(2)).shape == (2,)
    assert sum(isinstance(n.op, Fused) for n in compiled.graph.nodes) < 10_000


def test_a_number_that_makes_float32_arrays_float64_does_so_in_a_fused_line_too():
    def promoted(x):
        return tl.constant(3.0) * x * 2.0 + tl.constant(0.5), x * 2.0 + 1.0

    x = np.linspace(0, 1, 4, dtype=np.float32)
    result, kept = tl.compile(promoted)(x)
    assert (result.dtype, kept.dtype) == (np.float64, np.float32)
    assert_same([result, kept], eager(promoted, [x]))
    assert_array_equal(result, np.float64(3.0) * x * 2.0 + 0.5)


def test_on_nodes_a_compiled_function_is_the_function():
    square = tl.compile(lambda x: x * x)
    w = tl.parameter(3.0)
    (square(w) * w).backward()
    assert w.gradient == 27.0
    assert tl.grad(square)(2.0) == 4.0
    assert_array_equal(tl.compile(lambda x: square(x) + 1.0)(np.ones(2)), [2, 2])


def test_the_result_is_the_list_or_tuple_that_the_function_gives():
    for function, kind, n in [
        (lambda x: [x], list, 1), (lambda x: (x,), tuple, 1), (lambda x: [x, x + 1], list, 2), (lambda x: (), tuple, 0),
    ]:  # fmt: skip
        result = tl.compile(function)(np.ones(2))
        assert type(result) is kind and len(result) == n


def test_infinity_in_float32_is_written_as_python_knows_it():
    masked = tl.compile(lambda x, mask: tl.softmax(tl.where(mask, x, -np.inf)))
    result = masked(np.zeros((1, 2), np.float32), np.array([[True, False]]))
    assert result.dtype == np.float32
    assert_array_equal(result, [[1, 0]])


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: (x * 1e200) * 1e200, np.array([1e-300])),
        (lambda x: (x * 1e-200) * 1e-200, np.array([1e300])),
        (lambda x: (x * 1e30) * 1e30, np.array([1e-30], np.float32)),
        (lambda x: (x * 100) * 2, np.array([1, 2], np.int8)),
        (lambda x: (x * 100) * 0.5, np.array([1, 2], np.int8)),
        (lambda x: (x * 2**40) * 2**40, np.array([3])),
    ],
)
def test_factors_are_not_joined_where_their_product_would_be_another_number(function, x):
    assert_same([tl.compile(function)(x)], eager(function, [x]))


def test_a_very_long_sum_of_itself_compiles():
    def doubled(x):
        for _ in range(1100):
            x = x + x
        return x

    assert_array_equal(tl.compile(doubled)(np.zeros(1)), [0])


def test_a_function_may_be_called_like_a_helper_or_a_keyword():
    def sum_at(x):
        return tl.gradients(tl.sum(tl.take(x, [0, 1])), x)

    compiled = tl.compile(sum_at)
    assert_array_equal(compiled(np.ones(3)), [1, 1, 0])
    for name in ("np", "class", "<lambda>"):
        double = lambda x: tl.exp(x) * 2.0  # noqa: E731
        double.__name__ = name
        assert_same([tl.compile(double)(np.zeros(1))], [np.array([2.0])])


def test_a_method_can_be_compiled():
    class Doubler:
        @tl.compile
        def double(self, x):
            return x * 2.0

    assert_array_equal(Doubler().double(np.ones(2)), [2, 2])


class Scaled(tl.Layer):
    """A layer with an adapter and a setting, and a method that is compiled."""

    def __init__(self):
        self.inner, self.gain = tl.Linear(6, 5, seed=0), 1.0
        tl.adapt(self, 2, seed=0)
        self.inner.lora.lora_B.value = np.ones((2, 5))

    def __call__(self, x):
        return self.inner(x) * self.gain

    @tl.compile
    def predict(self, x):
        return self(x)


def apply(model, x):
    return model(x)


@pytest.mark.parametrize("way", ["argument", "second argument", "method", "bound method", "layer"])
def test_a_layer_is_traced_again_when_its_structure_changes(way):
    model, x = Scaled(), np.ones((2, 6))
    ways = {
        "argument": (tl.compile(apply), lambda f: f(model, x)),
        "second argument": (tl.compile(lambda x, model: model(x)), lambda f: f(x, model)),
        "method": (Scaled.predict, lambda f: model.predict(x)),
        "bound method": (tl.compile(model.inner.__call__), lambda f: f(x) * model.gain),
        "layer": (tl.compile(model), lambda f: f(x)),
    }
    compiled, call = ways[way]

    def is_right():
        assert_same([call(compiled)], [model.forward(x)])

    is_right()
    with tl.disabled(model):
        is_right()
    is_right()
    programs = compiled.programs.generated
    with tl.disabled(model):
        is_right()
    assert compiled.programs.generated == programs, "both programs were there"
    model.gain = 3.0
    is_right()
    tl.adapt(model, 2, name="b", seed=1)
    is_right()
    tl.activate(model, "b")
    is_right()
    model.inner.adapters["b"].lora_B.value = np.full((2, 5), 2.0)
    programs = compiled.programs.generated
    is_right()
    assert compiled.programs.generated == programs, "a value is not part of a program"


def test_layers_that_take_turns_as_an_argument_keep_their_programs():
    compiled, models, x = tl.compile(apply), [Scaled(), Scaled()], np.ones((2, 6))
    models[1].inner.lora.lora_B.value = np.full((2, 5), 2.0)
    for _ in range(3):
        for model in models:
            assert_same([compiled(model, x)], [model.forward(x)])
    assert compiled.programs.generated == 2


def test_a_layer_is_seen_behind_a_compiled_function_and_behind_a_method():
    model, x, through = Scaled(), np.ones((2, 6)), tl.compile(lambda f, x: f(x))
    twice, inner = tl.compile(tl.compile(model)), tl.compile(model)
    for gain in (2.0, 5.0):
        model.gain = gain
        for result in (twice(x), through(inner, x), through(model.__call__, x)):
            assert_same([result], [model.forward(x)])
    doubled, tripled = tl.compile(lambda x: x * 2), tl.compile(lambda x: x * 3)
    assert through(doubled, x)[0, 0] == 2 and through(tripled, x)[0, 0] == 3


def test_a_list_of_nodes_is_no_argument():
    x = tl.parameter(np.ones(2))
    with pytest.raises(TypeError, match="a list of nodes would become an array"):
        tl.compile(lambda xs: tl.sum(xs))([x, x])


def test_many_layers_as_an_argument_are_let_go(monkeypatch):
    monkeypatch.setattr(programs_module, "MOST_PROGRAMS", 3)
    monkeypatch.setattr(signatures, "MOST_WATCHES", 3)
    compiled, x, seen = tl.compile(apply), np.ones((2, 6)), []
    for _ in range(7):
        model = Scaled()
        seen.append(weakref.ref(model))
        for _ in range(2):
            with tl.disabled(model):
                assert_same([compiled(model, x)], [model.forward(x)])
            assert_same([compiled(model, x)], [model.forward(x)])
    del model
    gc.collect()
    assert sum(ref() is not None for ref in seen) <= 4


def test_a_layer_that_changes_at_every_call_is_told_of():
    compiled, model = tl.compile(apply), Scaled()
    with pytest.warns(RecompileWarning, match="argument 0 is a layer whose structure changes") as caught:
        for i in range(16):
            model.gain = i
            compiled(model, np.ones((2, 6)))
    assert caught[0].filename == __file__


def test_what_only_looks_like_a_layer_is_a_value():
    class Setting:
        watch = True

    compiled = tl.compile(lambda x, kind, setting: x * 2.0)
    assert_array_equal(compiled(np.ones(2), Scaled, Setting()), [2, 2])


def test_a_deep_network_compiles_in_time_that_grows_with_its_depth():
    def passes_over(layers):
        model = tl.Sequential(*(tl.Linear(4, 4, seed=i) for i in range(layers)))
        step = tl.compile_training_step(tl.adapt(model, 2, seed=0), tl.mse, tl.SGD(model.parameters(), 0.1))
        step.prepare(np.ones((2, 4)), np.ones((2, 4)))
        return len(step.snapshots)

    assert passes_over(12) <= passes_over(3) + 4


def test_a_cell_of_a_notebook_is_called_a_cell():
    namespace = {"tl": tl}
    exec(compile("def f(x):\n    return tl.exp(x) * 2.0\n", "/tmp/ipykernel_7/2598061565.py", "exec"), namespace)
    assert "cell:2" in tl.compile(namespace["f"]).prepare(np.ones(3)).source
