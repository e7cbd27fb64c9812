"""The first call of a new program is compared with its graph; a program that differs is not used."""

import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler import programs
from tinygrad_lora.compiler.checks import first_call
from tinygrad_lora.errors import CompileError, MiscompiledWarning

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
REAL_EMIT = programs.emit_planned


def wrong_sum(graph):
    """sum(a + b) = sum(a): a pass as a student may write it."""

    def rule(node):
        if node.op is tl.ops.reduce_sum and node.parents[0].op is tl.add:
            return tl.ops.reduce_sum(node.parents[0].parents[0], **node.params)
        return None

    return graph.rewrite(rule)


def sums(x, y):
    return tl.exp(tl.sum(x + 2.0 * y, 1) * 0.1), x * y


def right():
    return [y.value for y in sums(tl.constant(X), tl.constant(Y))]


def miswritten(monkeypatch, old, new):
    """From now on, planned programs say `new` where they should say `old`."""

    def emit(*args):
        planned = REAL_EMIT(*args)
        return planned._replace(source=planned.source.replace(old, new))

    monkeypatch.setattr(programs, "emit_planned", emit)


def test_the_suite_compares_every_program():
    assert first_call.DEFAULT is True


@pytest.mark.parametrize("buffers", [True, False])
def test_a_wrong_pass_is_named_and_its_program_is_not_used(buffers):
    compiled = tl.compile(sums, passes=[wrong_sum], buffers=buffers, check=True)
    with pytest.warns(MiscompiledWarning, match="the pass wrong_sum turns") as caught:
        results = compiled(X, Y)
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "a program of sums" in message and "report" in message and "exp(" not in message, "the smallest part"
    for result, expected in zip(results, right(), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-14)
    assert "planned" not in compiled.report and "np.exp" in compiled.source
    assert_array_equal(compiled(X, Y)[0], results[0])  # without another warning
    with pytest.warns(MiscompiledWarning):
        compiled(X[:2], Y[:2])  # another program
    assert len(compiled.programs) == 2


def test_where_nothing_is_compared_the_wrong_number_comes_out():
    result = tl.compile(sums, passes=[wrong_sum], check=False)(X, Y)
    assert np.abs(result[0] - right()[0]).max() > 0.01


def test_a_fault_of_the_writer_is_laid_to_the_program(monkeypatch):
    miswritten(monkeypatch, "x * y", "x + y")
    with pytest.warns(MiscompiledWarning, match="the program does not compute its graph") as caught:
        result = tl.compile(sums, check=True)(X, Y)
    assert "multiply" in str(caught[0].message) and "exp(" not in str(caught[0].message)
    assert_array_equal(result[1], X * Y)


def test_a_program_that_raises_where_its_graph_does_not_is_not_used(monkeypatch):
    real = programs.emit

    def emit(*args):
        emitted = real(*args)
        return emitted._replace(source=emitted.source.replace("x * y", "x * y[0, 0, 0]"))

    compiled = tl.compile(sums, buffers=False, check=True).prepare(X[:2], Y[:2])
    monkeypatch.setattr(programs, "emit", emit)
    compiled.prepare(X, Y)
    monkeypatch.undo()
    with pytest.warns(MiscompiledWarning, match="IndexError"):
        result = compiled(X, Y)
    assert_array_equal(result[1], X * Y)


def test_the_warning_as_an_error_leaves_a_right_program(monkeypatch):
    miswritten(monkeypatch, "x * y", "x + y")
    compiled = tl.compile(sums, check=True)
    with pytest.raises(MiscompiledWarning):
        compiled(X, Y)
    assert_array_equal(compiled(X, Y)[1], X * Y)


def test_preparing_runs_nothing_and_the_first_call_is_compared_all_the_same():
    compiled = tl.compile(sums, passes=[wrong_sum], check=True).prepare(X, Y)
    with pytest.warns(MiscompiledWarning):
        compiled(X, Y)


@pytest.mark.parametrize(("setting", "compared"), [("SHARE", 1e9), ("SHARE", 0.0), ("MOST_BYTES", 0)])
def test_by_default_it_is_compared_where_that_is_cheap(monkeypatch, setting, compared):
    monkeypatch.setattr(first_call, "DEFAULT", "cheap")
    monkeypatch.setattr(first_call, "SHARE", 1e9)
    monkeypatch.setattr(first_call, setting, compared)
    seen = []
    monkeypatch.setattr(first_call, "evaluate", lambda *args: seen.append(args) or REAL_EVALUATE(*args))
    compiled = tl.compile(sums)
    for _ in range(3):
        compiled(X, Y)
    assert len(seen) == bool(compared), "once, or never"


REAL_EVALUATE = first_call.evaluate


def test_what_is_cheap_is_estimated_from_the_graph_and_the_time_of_compiling():
    small, large = (tl.trace(lambda x: tl.exp(x @ x), np.ones((n, n))) for n in (4, 2000))
    assert first_call.is_cheap(small, seconds=0.01)
    assert not first_call.is_cheap(small, seconds=1e-6)
    assert not first_call.is_cheap(large, seconds=0.01)
    huge = tl.trace(lambda x: x + 1.0, np.broadcast_to(1.0, (40_000, 1000)))
    assert not first_call.is_cheap(huge, seconds=1e9), "320 MB"


def test_other_settings_are_refused():
    with pytest.raises(CompileError, match=r"check is True \(always\), False \(never\) or 'cheap'"):
        tl.compile(sums, check="often")


def test_the_graph_does_not_warn_where_the_program_does_not():
    x = np.array([0.0, 1.0, 2.0])
    assert_array_equal(tl.compile(lambda x: tl.take(tl.log(x), [1, 2]), check=True)(x), np.log(x[1:]))


def test_errors_that_the_user_asked_for_are_no_fault():
    compiled = tl.compile(lambda x: 1.0 / x, check=True)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        compiled(np.zeros(2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tl.compile(lambda x: 1.0 / x, check=True)(np.zeros(2))
    assert [str(warning.message) for warning in caught] == ["divide by zero encountered in divide"], "once"
    with np.errstate(all="ignore"):
        assert_array_equal(compiled(np.zeros(2)), [np.inf, np.inf])


def test_threads_that_call_first_at_the_same_time_warn_once():
    compiled, results = tl.compile(sums, passes=[wrong_sum], check=True), []
    barrier = threading.Barrier(4)

    def call():
        barrier.wait()
        results.append(compiled(X, Y)[0])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4 and len(caught) == 1
    for result in results:
        np.testing.assert_allclose(result, right()[0], rtol=1e-14)


@pytest.mark.slow
def test_programs_of_engines_are_compared():
    pytest.importorskip("numba")
    pytest.importorskip("scipy")
    with pytest.warns(MiscompiledWarning, match="the pass wrong_sum turns"):
        result = tl.compile(sums, passes=[wrong_sum], engine="numba", check=True)(X, Y)
    np.testing.assert_allclose(result[0], right()[0], rtol=1e-14)


# --- Training steps ---


def network(dtype=np.float64):
    model = tl.Sequential(tl.Linear(4, 5, seed=0, dtype=dtype), tl.relu, tl.Linear(5, 3, seed=1, dtype=dtype))
    return tl.adapt(model, 2, seed=2)


def trained(optimizer, steps=3, **settings):
    """What some steps make of a network: losses, parameters, and the optimizer's state."""
    model = network()
    rule = optimizer([p for p in model.parameters() if p.requires_gradient])
    step = tl.compile_training_step(model, tl.cross_entropy, rule, **settings)
    losses = [step(X, np.array([0, 2, 1])) for _ in range(steps)]
    return losses, [p.value for p in model.parameters()], [p.value for p in rule.state]


RULES = {
    "sgd": lambda p: tl.SGD(p, 0.1),
    "momentum": lambda p: tl.SGD(p, 0.1, momentum=0.9),
    "adam": lambda p: tl.Adam(p, 0.1),
    "clipped": lambda p: tl.AdamW(p, 0.1, max_norm=0.5),
}


def same(first, second, rtol=0.0):
    for a, b in zip(first, second, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_comparing_a_step_leaves_what_one_step_leaves(rule):
    same(trained(rule, check=True), trained(rule, check=False))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_wrong_step_is_one_right_step(rule):
    def wrong_relu(graph):
        """relu(a) = a: forward, loss and gradients are all wrong."""
        return graph.rewrite(lambda node: tl.identity(node.parents[0]) if node.op is tl.relu else None)

    def run(**settings):
        again = tl.Sequential(tl.Linear(4, 5, seed=0), tl.relu, tl.Linear(5, 3, seed=1))
        optimizer = rule(again.parameters())
        step = tl.compile_training_step(again, tl.cross_entropy, optimizer, **settings)
        losses = [step(X, np.array([0, 2, 1])) for _ in range(3)]
        return losses, [p.value for p in again.parameters()], [p.value for p in optimizer.state]

    with pytest.warns(MiscompiledWarning, match="wrong_relu"):
        result = run(passes=[wrong_relu], check=True)
    same(result, run(check=False), rtol=1e-9)


def test_a_forgotten_update_is_seen_by_the_change():
    """Parameters hardly move in one step: what is compared is by how much."""
    model = tl.Linear(4, 3, seed=0, dtype=np.float32)
    model.parameters()[0].value = 100.0 + model.parameters()[0].value
    x, target = X.astype(np.float32), np.zeros((3, 3), np.float32)

    def no_update(graph):
        def rule(node):
            if node.op is tl.subtract and node.parents[0].name == "parameters":
                return tl.identity(node.parents[0])
            return None

        return graph.rewrite(rule)

    step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), 1e-4), passes=[no_update], check=True)
    with pytest.warns(MiscompiledWarning, match="no_update"):
        step(x, target)


@pytest.mark.parametrize("check", [True, False])
def test_a_label_that_is_none_changes_nothing(check):
    model = network()
    optimizer = tl.Adam([p for p in model.parameters() if p.requires_gradient], 0.1)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer, check=check)
    before = [np.array(p.value) for p in [*model.parameters(), *optimizer.state]]
    with pytest.raises(IndexError):
        step(X, np.array([0, 2, 3]))
    same([before], [[p.value for p in [*model.parameters(), *optimizer.state]]])
    loss = step(X, np.array([0, 2, 1]))
    assert np.isfinite(loss)


def test_all_outputs_of_a_step_can_be_had_without_taking_it():
    model = network()
    optimizer = tl.Adam([p for p in model.parameters() if p.requires_gradient], 0.1)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    arrays = X, np.array([0, 2, 1])
    program = step.prepare(*arrays).program
    values = program.inputs(arrays)
    before = [np.array(v) for v in values]
    outputs = program.outputs(values)
    same([before], [values])
    assert len(outputs) == len(program.graph.outputs)
    loss = step(*arrays)
    assert loss == outputs[0]
    same([outputs[1:]], [[*(flat.memory for flat in step.storage.flats), *(p._value for p in step.storage.single)]])
