"""No wrong verdict: what an answer keeps between calls, exceptions in words, and the same verdict from every seed."""

import linecache
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from feedback.edges import disagreements

import tinygrad_lora as tl
from tinygrad_lora.commands.main import main
from tinygrad_lora.learn import check, load_exercise, run_checks
from tinygrad_lora.learn.cases import ladder
from tinygrad_lora.learn.checking.arguments import on_copies
from tinygrad_lora.learn.checking.cells import newest_broken, note_about
from tinygrad_lora.learn.checking.counterfactual import KeptState, with_own_names
from tinygrad_lora.learn.checking.exceptions import RULES, explained, words_of
from tinygrad_lora.learn.checking.guard import line_of
from tinygrad_lora.learn.checking.repetition import alike, kept
from tinygrad_lora.learn.diagnosis import Wrong


def diagnosis(id, **values):
    exercise = load_exercise(id)
    return run_checks(exercise, exercise.references | values).diagnosis


# --- The same call twice ---


def counts_its_calls():
    calls = []

    def function(x):
        calls.append(x)
        return len(calls)

    return function


def test_the_first_call_is_made_twice_and_must_give_the_same():
    with pytest.raises(Wrong, match="called again with the same arguments, f gives 2, and the first time 1"):
        on_copies(counts_its_calls(), ["x"], twice="f")(3)
    assert on_copies(counts_its_calls(), ["x"])(3) == 1  # unless nobody asks


def test_an_example_may_be_another_one_each_time():
    random = np.random.default_rng()

    def harmless():
        x = tl.parameter(random.normal(), "x")
        return x * x

    exercise = load_exercise("04-counterexample")
    assert run_checks(exercise, exercise.references | {"harmless": harmless}).passed


def test_a_list_that_is_filled_up_later_is_seen_as_it_was():
    everything = []

    def function(x):
        everything.append(x)
        return everything

    with pytest.raises(Wrong, match=r"gives \[3, 3\], and the first time \[3\]"):
        on_copies(function, ["x"], twice="f")(3)


def test_a_generator_begins_again_and_what_calls_others_is_called_once():
    assert on_copies(lambda rng: rng.normal(), ["rng"], twice="f")(np.random.default_rng(0))
    assert on_copies(counts_its_calls(), ["f"], twice="f")(np.sin) == 1


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True), (np.ones(2), np.ones(3), False), (1, 1.0, True),
        ([1, "a"], [1, "a"], True), ([1], (1,), False), ({"a": 1}, {"a": 2}, False), ({1, 2}, {2, 1}, True),
        (1.0, 1.0 + 1e-13, True), (None, None, True), ("a", "b", False), (float("inf"), float("inf"), True),
    ],
)  # fmt: skip
def test_results_are_compared_by_what_they_are(a, b, equal):
    assert alike(a, b) == alike(kept(b), kept(a)) == equal


def test_graphs_are_alike_if_they_compute_the_same_from_the_same():
    def graph(value=2.0, other=tl.tanh):
        return other(tl.parameter(value, "x") * 3.0)

    assert alike(graph(), graph()) and not alike(graph(), graph(3.0)) and not alike(graph(), graph(other=tl.exp))


# --- Another condition ---

REMEMBERED = set()


def count_with_a_set_outside(output):
    before = len(REMEMBERED)
    REMEMBERED.update(tl.Graph([], [output]).nodes)
    return len(REMEMBERED) - before


def test_what_is_kept_outside_is_named():
    REMEMBERED.clear()
    found = diagnosis("01-count-nodes", count_nodes=count_with_a_set_outside)
    assert found.code == "remembers" and "REMEMBERED keeps from call to call" in found.sentence


def test_memory_is_defaults_closures_and_names_of_the_module_and_can_be_put_back():
    inner = {"a": [1]}

    def function(x, seen=[]):  # noqa: B006, that is the mistake
        seen.append(x)
        inner["b"] = x
        return REMEMBERED

    memory = KeptState([function])
    assert memory.changed() == ""
    function(3)
    assert memory.changed() in ("seen", "inner")
    memory.put_back()
    assert memory.changed() == "" and function.__defaults__ == ([],) and inner == {"a": [1]}


def test_equal_names_are_told_from_equal_nodes():
    def topo_sort(output):
        order, names = [], set()
        for node in tl.Graph([], [output]).nodes:
            if node.name not in names:
                names.add(node.name)
                order.append(node)
        return order

    assert KeptState([topo_sort]).looks_at_names() and not KeptState([ladder]).looks_at_names()
    assert diagnosis("04-topo", topo_sort=topo_sort).code == "same-names"
    x = tl.parameter(1.0, "x")
    assert len(with_own_names(topo_sort)(x * x + x)) == 3


# The limit may strike in a finalizer, where Python reports it and goes on; the guard strikes again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_walks_all_paths_is_told_why_it_does_not_end():
    def topo_sort(output):
        return [*dict.fromkeys(node for parent in output.parents for node in topo_sort(parent)), output]

    exercise = replace(load_exercise("04-topo"), limit=0.2)
    found = run_checks(exercise, {"topo_sort": topo_sort}).results[-1].diagnosis
    assert found.code == "too-slow" and "2**40 paths" in found.sentence


# --- Exceptions in words ---


def raised(function, *arguments):
    with np.errstate(all="ignore"), pytest.raises(Exception) as caught:
        function(*arguments)
    return caught.value


X, ONE = tl.parameter(np.ones((2, 3)), "x"), 1


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("power-sign", lambda: 3 * X ^ 2), ("power-sign", lambda: 2.5 ^ 2), ("unknown-name", lambda: nowhere),  # noqa: F821
        ("none-used", lambda: None + 1), ("none-used", lambda: None.x), ("unknown-attribute", lambda: [].push(1)),
        ("unhashable", lambda: {[]: 1}), ("shapes-do-not-fit", lambda: np.ones((2, 3)) + np.ones(2)),
        ("shapes-do-not-fit", lambda: np.ones((2, 3)) @ np.ones(2)), ("shapes-do-not-fit", lambda: X @ X),
        ("shapes-do-not-fit", lambda: np.ones(6).reshape(4)), ("array-in-condition", lambda: not np.ones(2)),
        ("not-iterable", lambda: list(3)), ("cannot-unpack", lambda: [a for a, b in [(1, 2, 3)]]),
        ("not-callable", lambda: ONE(2)), ("not-indexable", lambda: ONE[2]), ("wrong-call", lambda: np.sin()),
        ("wrong-call", lambda: kept(1, 2, 3)), ("operand-types", lambda: [] - 1), ("missing-key", lambda: {}["a"]),
        ("out-of-range", lambda: [][0]), ("empty", lambda: max([])), ("division-by-zero", lambda: 1 / 0),
        ("numpy-on-nodes", lambda: np.tanh(X)), ("no-numbers", lambda: tl.placeholder(()).value),
        ("shapes-do-not-fit", lambda: np.ones(2).__iadd__(np.ones((3, 2)))), ("empty", lambda: np.ones(0).argmax()),
        ("shapes-do-not-fit", lambda: np.ones(2).__setitem__(slice(0, 2), np.ones(3))),
        ("division-by-zero", lambda: 1 // 0),
        ("lengths-differ", lambda: list(zip([1], [1, 2], strict=True))), ("iterator-ended", lambda: next(iter([]))),
        ("gradient-error", lambda: X.backward()), ("exception", lambda: int("x")),
    ],
)  # fmt: skip
def test_an_exception_has_a_code_and_says_what_to_look_at(code, function):
    assert explained(raised(function))[0] == code, raised(function)


def test_a_lost_axis_is_named_with_what_keeps_it():
    advice = explained(raised(lambda: np.ones((2, 3)) + np.ones(2)))[1]
    assert "If (2,) is a sum or a mean" in advice and "with keepdims=True it is (2, 1) and fits (2, 3)" in advice


# --- Whose answer is it? ---

OLD, BROKEN = "def double(x):\n    return 2 * x", "def double(x):\n    return 2 x"


def test_a_cell_that_did_not_run_is_mentioned():
    note = newest_broken(["double"], [OLD, BROKEN, "check('00-double', double)"])
    assert "the newest cell that defines double did not run" in note and "in line 2, `return 2 x`" in note
    assert newest_broken(["double"], [BROKEN, OLD, "2 x"]) == newest_broken(["other"], [BROKEN]) == note_about([]) == ""


def test_the_note_stands_in_the_report(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    cells = [OLD, "def count_nodes(output:\n    pass"]
    shell = SimpleNamespace(user_ns={"In": cells})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    report = check("01-count-nodes", load_exercise("01-count-nodes").references["count_nodes"])
    assert report.passed and "note: the newest cell that defines count_nodes did not run" in str(report)


def test_a_file_that_never_ends_is_stopped_and_told_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_lora.commands.check.LIMIT", 0.2)
    (tmp_path / "mine.py").write_text("while True:\n    pass\n")
    assert main(["check", "01-count-nodes", str(tmp_path / "mine.py")]) == 2
    assert "was stopped after 0.2 seconds" in (printed := capsys.readouterr().err) and "never ends" in printed


# --- One verdict ---


@pytest.mark.slow
def test_every_seed_and_both_budgets_give_the_same_points():
    assert disagreements([0, 7, 20_261_126]) == []


def test_an_alarm_that_rings_between_two_lines_gets_a_line():
    """Python gives some instructions no line: an error raised there must not break the report."""
    frame = SimpleNamespace(f_code=compile("1 / 0", "<student>", "exec"))
    assert line_of(SimpleNamespace(tb_frame=frame, tb_lineno=None, tb_next=None)) == "<module>, line 1"


def test_names_keep_their_spelling_and_other_sentences_begin_with_a_capital():
    for _, _, remedy in RULES:
        if isinstance(remedy, str) and remedy:
            assert remedy[0].isupper() or remedy.startswith("{0}"), remedy
    assert explained(UnboundLocalError("cannot access local variable 'rows' where"))[1].startswith("rows has no value")


def test_what_is_said_of_an_array_in_a_condition_depends_on_whether_there_is_one():
    error = ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
    assert explained(error, "f, line 2: `if x > 0:`")[0] == "array-in-condition"
    assert explained(error, "f, line 2: `return np.broadcast_to(shape, x)`")[0] == "wrong-call"
    assert explained(error)[0] == "array-in-condition"


def test_what_is_said_of_an_argument_that_is_missing_depends_on_what_is_passed():
    error = TypeError("multiply() missing 1 required positional argument: 'b'")
    said = [
        explained(error, f"f, line 2: `y = node.op.forward({passed})`")
        for passed in ("*set(arrays), **node.params", "arrays, **node.params", "arrays[0]")
    ]
    assert [code for code, _ in said] == ["wrong-call"] * 3
    for words, (_, remedy) in zip(("after its *", "A list counts", "order"), said, strict=True):
        assert words in remedy
    assert len(set(said)) == 3


REMEDIES = {  # each tells one of several remedies, and an exercise may ask for another
    "a node is not iterable": lambda x: list(x),
    "nodes are read-only": lambda x: x.__setitem__(0, 1.0),
    "a node has no .add": lambda x: x.add,
    "a node is not searched with `in`, since nodes equal only themselves": lambda x: 1 in x,
    "index: only numbers and slices": lambda x: x["x"],
    "gradients() starts at a number, and this node has shape (2, 3)": lambda x: tl.gradients(x, x),
    "a parameter must hold floats, not int64": lambda x: tl.parameter(3),
    "matmul: a (2, 3) and b (2, 3): the 3 columns of a must match the 2 rows of b": lambda x: x @ x,
}


@pytest.mark.parametrize("words", REMEDIES)
def test_of_several_remedies_none_is_given(words):
    with pytest.raises((TypeError, AttributeError, ValueError, RuntimeError)) as caught:
        REMEDIES[words](tl.parameter(np.ones((2, 3))))
    assert words_of(caught.value) == words != str(caught.value)


def test_a_call_that_does_not_stand_in_the_line_was_passed_on():
    error = TypeError("cross_entropy: missing a required argument 'labels'; write cross_entropy(logits, labels)")
    assert "passed on" in explained(error, "f, line 2: `step(x, labels)`")[1]
    assert "passed on" not in explained(error, "f, line 2: `tl.cross_entropy(x)`")[1]


def test_a_vector_in_a_product_is_explained_where_its_shape_is_not_the_students():
    with pytest.raises(ValueError) as caught:
        tl.parameter(np.ones((7, 4))) @ tl.parameter(np.ones(5))
    assert "(n, 1) on the right" in explained(caught.value)[1]


def test_a_line_of_a_compiled_library_is_not_the_students():
    frame = SimpleNamespace(f_code=compile("1 / 0", "numpy/random/_common.pyx", "exec"))
    assert not line_of(SimpleNamespace(tb_frame=frame, tb_lineno=1, tb_next=None))


CALLS = """
def inner(pairs):
    return [a for a, b in pairs]
def outer(pairs):
    return [inner(p) for p in [pairs]]
def again(n):
    return again(n - 1) if n else inner([1])
def alone(n):
    return 1 / n
"""


@pytest.mark.parametrize(
    ("call", "line", "called"),
    [
        ("outer([(1, 2, 3)])", "inner, line 3: `", ", called in outer, line 5: `return [inner(p) for p in [pairs]]`"),
        ("again(2)", "inner, line 3: `", ", called in again, line 7: `"),
        ("alone(0)", "alone, line 9: `return 1 / n`", ""),
    ],
)
def test_an_error_in_a_function_is_told_with_the_call(monkeypatch, call, line, called):
    """What is wrong may be what the other function handed on."""
    monkeypatch.setitem(linecache.cache, "answer.py", (len(CALLS), None, CALLS.splitlines(True), "answer.py"))
    scope = {}
    exec(compile(CALLS, "answer.py", "exec"), scope)
    with pytest.raises((ValueError, TypeError, ZeroDivisionError)) as raised:
        eval(call, scope)
    place = line_of(raised.value.__traceback__.tb_next)
    assert place.startswith(line) and called in place and ("called in" in place) == bool(called)
