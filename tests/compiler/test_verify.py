"""A second look at every planned program: what is right passes, and whatever the planner may do wrong is found."""

import re
import threading

import numpy as np
import planned_cases
import planted_faults
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler.checks.verify import verify
from tinygrad_lora.compiler.planned import decide as lowering, order as schedule, plan, statements, write
from tinygrad_lora.core import ops
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.errors import MiscompiledWarning


@pytest.fixture(scope="module")
def campaign():
    with planned_cases.tiny(), np.errstate(all="ignore"):
        yield planted_faults.Campaign(planned_cases.cases(), runs=50)


def test_what_the_planner_writes_is_right(campaign):
    for case in campaign.cases:
        planned = campaign.plain[case.name]
        assert verify(planned, case.function(planned), case.views) == "", case.name
        assert case.wrong(planned, 3) == "", case.name


def _chosen_of_turned(x):
    k = x @ x.mT
    y = tl.where(k, k.mT, k.mT.mT)
    return tl.sum(y, 0), tl.sum(k.mT.mT @ k, 0)


def _turned_back(x):
    z = tl.reshape(tl.exp(x).mT, (6, 6))
    return z, z.mT * 2.5, tl.reshape(z, (36,)) + 1.0


def _parts_of_a_turned_copy(x):
    z = tl.reshape(x.mT, (30, 30))
    return z, z[:, :3] @ z[:3] * 0.3


def _joined_and_written_over(x, y):
    return tl.log_softmax(tl.concatenate([x * 2.0, y, y], 0), 0), tl.exp(tl.concatenate([x * 3.0, x], 0)) * 2.0


def _choices_of_numbers(x):
    y = tl.where(x, tl.exp(x), 0.0) + tl.where(x > 0.5, np.inf, tl.tanh(x)) + tl.where(x, 1.0, np.nan)
    return y, tl.sum(tl.where(tl.sum(y, 1) > 0.1, 3.0, tl.sum(x, 1))), tl.maximum(tl.cast(x, np.float32), 0.1)


LONG = np.arange(1500.0) ** 2  # more than are written one by one


def _block_by_block_with_a_number(x, y):
    number = tl.mean(x)
    z = y / number * tl.log(number)
    return tl.gradients(tl.sum(z * z), x)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        pytest.param(lambda x, w: (x[::-1] @ w, tl.sum(x[::-1], 0)), [(12, 3), (3, 2)], id="reversed rows in blocks"),
        pytest.param(_chosen_of_turned, [(4, 4)], id="an operand that is another one, turned twice"),
        pytest.param(lambda x: tl.sum((x * x) * (x * x), 0), [(0,)], id="a sum of nothing"),
        pytest.param(lambda x, y: tl.sum((x * 2.0) @ (y + 1.0), 0), [(3, 3, 0), (3, 0, 3)], id="products of nothing"),
        pytest.param(lambda x: tl.broadcast(x[:1] * 2.0, (0, 3)) * 1.0, [(1, 3)], id="no rows of one"),
        pytest.param(_turned_back, [(6, 6)], id="a copy of a turned matrix, turned back"),
        pytest.param(_parts_of_a_turned_copy, [(30, 30)], id="parts of a copy of a turned matrix"),
        pytest.param(_joined_and_written_over, [(60,), (0,)], id="a vector of one part, written over block by block"),
        pytest.param(lambda x: tl.sum(tl.tanh(x) * tl.constant(LONG)), [(1500,)], id="a constant that is bytes"),
        pytest.param(_choices_of_numbers, [(6, 4)], id="numbers in the place of operands"),
        pytest.param(_block_by_block_with_a_number, [(), (90,)], id="a number that each block of a loop reads"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"passes": ()}, {"without": ["in_place"]}], ids=str)
def test_what_is_right_is_not_objected_to(function, shapes, options):
    with planned_cases.tiny():
        compiled = tl.compile(function, **options).prepare(*map(np.ones, shapes))
    assert compiled.program.planned


def _nothing_in_the_middle_of_a_block(x, y):
    z = (y * 2.0) * y
    return (tl.max(z * z / z, -1, keepdims=True) + x) @ x


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: tl.sum(tl.tanh(y * x), -1), [(3, 0), ()]),
        (_nothing_in_the_middle_of_a_block, [(0,), (2, 2)]),
    ],
)
def test_a_loop_over_rows_of_nothing_is_right(monkeypatch, function, shapes):
    """No array is so small that it is computed in blocks; if one were, this would be no reason to object."""
    monkeypatch.setattr(schedule, "LARGE", 1)
    monkeypatch.setattr(schedule, "BLOCK_BYTES", 1)
    compiled = tl.compile(function, check=False).prepare(*map(np.ones, shapes))
    assert compiled.program.planned and "blocks of" in compiled.source


@pytest.mark.parametrize("without", [[], ["ready_numbers"]])
def test_a_number_with_one_axis_more_is_no_number(without):
    compiled = tl.compile(lambda x: tl.sum(x)[None], passes=(), check=False, without=without).prepare(np.ones((1, 1)))
    assert compiled.program.planned and compiled(np.ones((2, 3))[:1, :1]).shape == (1,)


# --- Faults of the planner ---


def fates_of(campaign, mutants):
    fates = [(mutant.what, *campaign.fate(mutant)) for mutant in mutants]
    assert not [fate for fate in fates if fate[1] == "HOLE"]
    return fates, sum(fate[1] in ("found", "crashes") for fate in fates)


def test_some_faults_in_the_planner_are_found(campaign):
    """A few of those that are planted below, in a third of the programs."""
    few = planted_faults.Campaign(campaign.cases[::3], runs=2)
    _, found = fates_of(few, planted_faults.mutants()[::40])
    assert found >= 5


@pytest.mark.slow
def test_more_faults_in_the_planner_are_found(campaign):
    some = planted_faults.Campaign(campaign.cases[::3], runs=5)
    fates, found = fates_of(some, planted_faults.mutants()[::9])
    assert len(fates) >= 85 and found >= 25


@pytest.mark.long
def test_every_fault_in_the_planner_is_found_or_is_none(campaign, golden):
    """The list of those that are none, each with the reason, is tests/golden/planted_faults.txt."""
    fates, found = fates_of(campaign, planted_faults.mutants())
    assert found >= 300
    listed = [f"{what}\n    {fate}: {why}" for what, fate, why in fates if fate in ("equivalent", "unchanged")]
    golden("planted_faults.txt", "\n".join(listed))


@pytest.mark.slow
def test_faults_in_the_text_are_found(campaign):
    """Every 24th of them: arrays in the place of others, lines that are gone or in another order, rows not cut."""
    objections, holes = 0, []
    for case in campaign.cases:
        for told, planned in list(planted_faults.text_mutants(campaign.plain[case.name]))[::24]:
            try:
                function = case.function(planned)
            except Exception:
                continue  # it is no program
            if verify(planned, function, case.views):
                objections += 1
            else:
                wrong = campaign.wrong(case, planned)
                loud = case.name == "empty" and "it raises" in wrong  # where nothing is, NumPy still compares shapes
                holes += [(case.name, told, wrong)] if wrong and not loud else []
    assert not holes
    assert objections > 150


def test_an_array_is_not_read_in_another_dtype(monkeypatch):
    """Results once went over operands of their size, whatever the dtype: bits of int64 were read as float64."""

    def replaceable(node, places, held):
        fitting = [p for p in plan.replaceable(node) if p.shape == node.shape and places[p].root is p]
        return [p for p in fitting if p.dtype.itemsize == node.dtype.itemsize]

    def masked_mean(x, m):
        return tl.sum(x * m, 1) / tl.maximum(1.0, tl.sum(m, 1))

    x, m = np.ones((3, 4)), np.ones((3, 4), np.int64)
    assert tl.compile(masked_mean)(x, m).tolist() == [1, 1, 1]
    monkeypatch.setattr(plan, "_replaceable", replaceable)
    with pytest.warns(MiscompiledWarning, match="int64"):
        assert tl.compile(masked_mean)(x, m).tolist() == [1, 1, 1]


def test_a_block_does_not_write_what_a_later_block_reads(monkeypatch):
    """Blocks once went over rows of k that the view k.mT reads in a later block."""
    x = np.arange(900.0).reshape(300, 3) / 1000

    def slopes(x):
        k = x @ x.mT
        return tl.gradients(tl.sum(k * k.mT * k), x)

    k = tl.parameter(x)
    expected = slopes(k).value
    assert_allclose(tl.compile(slopes, passes=())(x), expected, rtol=1e-9)
    monkeypatch.setattr(plan, "_held", lambda units, places: {})
    with pytest.warns(MiscompiledWarning, match=r"blocks of rows have bytes in common"):
        compiled = tl.compile(slopes, passes=()).prepare(x)
    assert_allclose(compiled(x), expected, rtol=1e-9)


def test_an_output_is_not_what_is_kept_between_calls(monkeypatch):
    """Numbers that depend on frozen parameters alone were once returned as they are kept, the same array each time."""
    rate = tl.parameter(np.float64(0.5), "rate", trainable=False)
    monkeypatch.setattr(lowering.Lowered, "makes", lambda lowered, node: True)
    with pytest.warns(MiscompiledWarning, match="the output .* is in shared memory: argument"):
        compiled = tl.compile(lambda x: (x * rate, rate * rate)).prepare(np.ones(2))
    first, second = compiled(np.ones(2))[1], compiled(np.ones(2))[1]
    assert first == second == 0.25


# --- Faults of what writes the text ---


def assert_it_is_found(function, *arguments):
    """The fault is told, though no result is compared, and the results are right in spite of it."""
    with planned_cases.tiny():
        with pytest.warns(MiscompiledWarning):
            compiled = tl.compile(function, passes=(), check=False).prepare(*arguments)
        results, expected = compiled(*arguments), function(*map(tl.constant, arguments))
        assert_allclose(results, expected.value, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (r"range\(0, (\d+), (\d+)\)", r"range(\2, \1, \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(2 * \2, \1, \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(0, \1 - \2, \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(0, \2, \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(0, \1, 2 * \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(1, \1, \2)"),
        (r"range\(0, (\d+), (\d+)\)", r"range(0, 0, \2)"),
        (r"(range\(0, \d+, |start \+ )\d+", r"\1-1"),
        (r"start \+ (\d+)", r"start + \1 - 1"),
        (r"slice\(start, start \+ (\d+)\)", r"slice(start, start + 1)"),
    ],
)  # fmt: skip
def test_a_loop_goes_over_all_rows(monkeypatch, text, fault):
    in_blocks, changed = write.loop_over_blocks, []

    def faulty(variables, unit, lines):
        written = in_blocks(variables, unit, lines)
        wrong = [line._replace(code=re.sub(text, fault, line.code)) for line in written]
        changed.append(wrong != written)
        return wrong

    monkeypatch.setattr(write, "loop_over_blocks", faulty)
    assert_it_is_found(
        lambda x: tl.sum(tl.exp(x * 2.0 + 1.0) * tl.tanh(x), 1), np.random.default_rng(0).normal(size=(40, 6))
    )
    assert any(changed)


OTHERWISE = ["", "[rows]", "[left]", "[0:4]", "[:4]", "[start:]", "[start:start + 4]", "[rows].T", "[rows][::-1]"]


def _cut_otherwise(source):
    """The program with each place where rows of a block are taken, changed in each other way."""
    for at in re.finditer(r"\[(rows|left)\]|(?<=[ (])k\d+\b", source):
        for other in OTHERWISE:
            yield source[: at.end() if at[0][0] == "k" else at.start()] + other + source[at.end() :]


def assert_faults_are_found(campaign, faulty, every):
    """Whatever the verifier has nothing against gives the right numbers."""
    seen = 0
    for case in campaign.cases:
        planned = campaign.plain[case.name]
        for source in list(faulty(planned.source))[::every] if "rows = slice" in planned.source else ():
            changed = planned._replace(source=source)
            if not verify(changed, case.function(changed), case.views):
                assert campaign.wrong(case, changed) == "", source
            seen += source != planned.source
    return seen


def test_some_other_rows_for_a_block_are_found(campaign):
    assert assert_faults_are_found(campaign, _cut_otherwise, 40) > 50


@pytest.mark.slow
def test_any_other_rows_for_a_block_are_found(campaign):
    assert assert_faults_are_found(campaign, _cut_otherwise, 31) > 100


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("sums plainly", "t18 = t14.reshape((13,))", "t18 = t14"),
        ("masked int64", "t2 = t1.reshape((12,))", "t2 = t1"),
    ],
)
def test_an_array_of_another_shape_is_found(campaign, name, text, fault):
    """Its bytes are right, but NumPy would broadcast them in another way."""
    case = next(case for case in campaign.cases if case.name == name)
    planned = campaign.plain[name]._replace(source=campaign.plain[name].source.replace(text, fault))
    assert planned != campaign.plain[name]
    assert verify(planned, case.function(planned), case.views)
    assert campaign.wrong(case, planned)


def test_rows_that_begin_elsewhere_are_found():
    """The largest of each row is taken from its place, which is counted from where the row begins."""
    f = tl.compile(lambda x: tl.max(x * 2.0, axis=-1) + 1.0).prepare(np.ones((9, 5)))
    planned = f.program.planned
    assert not verify(planned, function_from_source(f.name, planned.source), {})
    for right, wrong in (("45, 5)", "54, 6)"), ("0, 45, 5)", "5, 50, 5)")):
        faulty = planned._replace(source=planned.source.replace(right, wrong))
        assert faulty != planned
        assert "where the rows begin" in str(verify(faulty, function_from_source(f.name, faulty.source), {}))


ROWS, COLUMNS, TURNED = ((12, 3), (3, 8)), ((3, 3), (3, 40)), ((3, 12), (3, 8))


@pytest.mark.parametrize(
    ("shapes", "text", "fault"),
    [
        (ROWS, "t0.reshape((2, 6, 8))", "t0.reshape((2, 6, 8))[::-1]"),
        (ROWS, "t0.reshape((2, 6, 8))", "t0.reshape((6, 2, 8)).transpose(1, 0, 2)"),
        (ROWS, "t0.reshape((2, 6, 8))", "t0.reshape((2, 6, 8))[:, ::-1]"),
        (ROWS, "x.reshape((2, 6, 3))", "x.reshape((2, 6, 3))[::-1]"),
        (ROWS, "x.reshape((2, 6, 3))", "x.reshape((6, 2, 3)).transpose(1, 0, 2)"),
        (ROWS, ", w,", ", w[::-1],"),
        (TURNED, "x.reshape((3, 2, 6)).transpose(1, 2, 0)", "x.reshape((3, 6, 2)).transpose(2, 1, 0)"),
        (TURNED, "x.reshape((3, 2, 6)).transpose(1, 2, 0)", "x.reshape((2, 6, 3))"),
        (TURNED, "x.reshape((3, 2, 6)).transpose(1, 2, 0)", "x.reshape((3, 2, 6)).transpose(1, 2, 0)[::-1]"),
        (COLUMNS, "w.reshape((3, 2, 20)).transpose(1, 0, 2)", "w.reshape((2, 3, 20))"),
        (COLUMNS, "w.reshape((3, 2, 20)).transpose(1, 0, 2)", "w.reshape((3, 2, 20)).transpose(1, 0, 2)[::-1]"),
        (COLUMNS, "w.reshape((3, 2, 20)).transpose(1, 0, 2)", "w.reshape((3, 20, 2)).transpose(2, 0, 1)"),
        (COLUMNS, "t0.reshape((3, 2, 20)).transpose(1, 0, 2)", "t0.reshape((2, 3, 20))"),
        (COLUMNS, "t0.reshape((3, 2, 20)).transpose(1, 0, 2)", "t0.reshape((3, 2, 20)).transpose(1, 0, 2)[::-1]"),
    ],
)  # fmt: skip
def test_the_blocks_of_a_product_belong_together(monkeypatch, shapes, text, fault):
    in_blocks, written = statements.product_in_blocks, []

    def faulty(*args, **kwargs):
        written.append(in_blocks(*args, **kwargs))
        return written[-1].replace(text, fault)

    monkeypatch.setattr(statements, "product_in_blocks", faulty)
    x, w = (np.random.default_rng(0).normal(size=shape) for shape in shapes)
    assert_it_is_found((lambda x, w: tl.exp(x.mT @ w)) if shapes is TURNED else (lambda x, w: tl.exp(x @ w)), x, w)
    assert text in written[0]


@pytest.mark.parametrize("other", [1.0, 0.0, np.nan])
@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("choice", [lambda x, other: x > 0.0, lambda x, other: x], ids=["bool", "number"])
def test_a_number_that_is_an_operand_is_read(monkeypatch, other, ready, choice):
    """A choice that goes over its other operand never copies the number."""
    replaceable = plan.replaceable

    def function(x):
        return tl.sum(tl.where(choice(x, other), tl.exp(x), other), 1)

    x = np.random.default_rng(0).normal(size=(4, 4))
    monkeypatch.setattr(plan, "replaceable", lambda n: n.parents[1:2] if n.op is ops.where else replaceable(n))
    without = [] if ready else ["ready_numbers"]
    with pytest.warns(MiscompiledWarning, match="never reads its operand"):
        compiled = tl.compile(function, passes=(), check=False, without=without).prepare(x)
    assert_allclose(compiled(x), function(tl.constant(x)).value, rtol=1e-12)


# --- The plain program in its place ---


@pytest.fixture
def no_memory_is_left(monkeypatch):
    """A planner that puts every array at the first byte."""

    def arrange(slots):
        return sum(slot.size for slot in slots)

    monkeypatch.setattr(plan, "arrange", arrange)


def test_a_wrong_program_is_replaced_by_a_plain_one(no_memory_is_left):
    def step(x, w):
        a, b = tl.exp(x @ w), tl.tanh(x @ x)
        return (a @ b) @ (b @ a), tl.gradients(tl.sum((a @ b) * b), w)

    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    with pytest.warns(MiscompiledWarning, match=r"(?s)^a program of step .* report.*in planned memory") as caught:
        compiled = tl.compile(step).prepare(x, w)
    assert caught[0].filename == __file__, "the warning points at the line that compiled"
    assert compiled.program.planned is None and "memory" not in compiled.source
    for a, b in zip(compiled(x, w), step(tl.constant(x), tl.parameter(w)), strict=True):
        assert_allclose(a, b.value, rtol=1e-12)
    assert compiled.report and compiled.explain()


@pytest.mark.filterwarnings("ignore::tinygrad_lora.errors.MiscompiledWarning")
@pytest.mark.parametrize("input_gradient", [False, True])
def test_a_training_step_trains_without_planned_memory(no_memory_is_left, input_gradient):
    def trained(compiled):
        model = tl.Sequential(tl.Linear(4, 5, seed=0), tl.tanh, tl.Linear(5, 3, seed=1, dtype=np.float32))
        optimizer = tl.Adam(model.parameters(), 0.01)
        x, labels = np.random.default_rng(2).normal(size=(6, 4)), np.arange(6) % 3
        if compiled:
            step = tl.compile_training_step(model, tl.cross_entropy, optimizer, input_gradient=input_gradient)
        for _ in range(4):
            if compiled:
                step(x, labels)
            else:
                optimizer.zero_gradients()
                tl.cross_entropy(model(tl.constant(x)), labels).backward()
                optimizer.step()
        assert not compiled or step.program.planned is None
        return [p.value for p in [*model.parameters(), *optimizer.state]]

    for a, b in zip(trained(True), trained(False), strict=True):
        assert_allclose(a, b, rtol=1e-5)


def test_frozen_weights_are_computed_anew_without_planned_memory(no_memory_is_left):
    w = tl.parameter(np.eye(3), "w", trainable=False)
    with pytest.warns(MiscompiledWarning):
        compiled = tl.compile(lambda x: ((x @ (w * 2.0 + 1.0)) @ (x @ x)) @ x).prepare(np.ones((3, 3)))
    for value in (np.eye(3), np.ones((3, 3))):
        w.value = value
        assert_array_equal(compiled(np.ones((3, 3))), 9 * np.ones((3, 3)) @ (value * 2 + 1) @ np.ones((3, 3)) / 1)


def test_what_cannot_be_followed_is_not_run(campaign):
    case = campaign.cases[0]
    planned = campaign.plain[case.name]
    strange = planned._replace(source=planned.source.replace(".dot(", ".choose_one("))
    assert strange.source != planned.source
    assert "it cannot be followed: AttributeError" in verify(strange, case.function(strange), {})


def test_calls_at_the_same_time_have_memory_of_their_own():
    compiled = tl.compile(lambda x: tl.tanh(x @ x) @ tl.exp(x))
    arrays = [np.full((40, 40), i / 100) for i in range(8)]
    expected = [np.tanh(x @ x) @ np.exp(x) for x in arrays]
    results = [None] * 8

    def run(i):
        for _ in range(50):
            results[i] = compiled(arrays[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(results, expected, strict=True):
        assert_allclose(a, b, rtol=1e-12)
