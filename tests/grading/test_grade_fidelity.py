"""Whatever an exercise asks for crosses to the judge: every known mistake has the same diagnosis there as here."""

import inspect
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from feedback.answers import written
from stubs import stub_values
from wrong_answers import mutants_of

import tinygrad_lora as tl
from tinygrad_lora.grading.judge import Hearing, Judge
from tinygrad_lora.grading.process.peer import Unwritten
from tinygrad_lora.grading.process.student import Service, Student
from tinygrad_lora.grading.process.wire import Channel, Gone, Misbehaved
from tinygrad_lora.learn import exercise_ids, load_exercise, run_checks

EXERCISES = [pytest.param(id, marks=[pytest.mark.slow] if load_exercise(id).slow else []) for id in exercise_ids()]
AT_MOST, ENDLESS = 20.0, 0.5  # seconds of a check there; and here, where nothing that ends takes so long


@pytest.fixture
def start(monkeypatch):
    """`start(values)`: the judge's channel to a student, in a thread, who has defined these objects."""
    running = []

    def begin(values):
        ours, theirs = socket.socketpair()
        student = Student(Channel(theirs), [])
        vars(student.service._module).update(values)

        def serve():
            try:
                student.serve()
            except Gone:
                pass
            finally:
                student.channel.close()

        thread = threading.Thread(target=serve)
        thread.start()
        running.append((Channel(ours), thread))
        return running[-1][0]

    yield begin
    for channel, thread in running:
        channel._socket.shutdown(socket.SHUT_RDWR)
        channel.close()
        thread.join(10)
        assert not thread.is_alive(), "a student's code runs on, and slows down all other tests"


@pytest.fixture
def connected(start):
    """`connected(values)`: a judge, and the student's objects as the judge has them."""

    def connect(values):
        judge = Judge(start(values))
        judge.begin()
        return judge, {
            n: ... if isinstance(v, Unwritten) else v for n, v in judge.service("take", list(values)).items()
        }

    return connect


@pytest.fixture
def heard(start):
    """`heard(exercise, values, checks)`: the codes that the judge gives."""

    def hear(exercise, values, checks=None):
        nursery = SimpleNamespace(start=lambda: start(values), end=lambda: "")
        hearing = Hearing([], nursery)
        hearing.patience = AT_MOST / exercise.limit
        checks = exercise.checks if checks is None else checks
        results = [hearing.run(exercise, check, seed=1, budget=20) for check in checks]
        assert not hearing._dead
        return [result.diagnosis and result.diagnosis.code for result in results]

    return hear


def codes(report):
    return [result.diagnosis and result.diagnosis.code for result in report.results]


@pytest.mark.slow
@pytest.mark.parametrize("id", EXERCISES)
def test_the_reference_has_full_marks_and_the_stub_none(id, heard):
    exercise = load_exercise(id)
    assert not any(heard(exercise, exercise.references))
    stub = stub_values(exercise)
    diagnoses = heard(exercise, stub)
    assert all(diagnoses)
    assert diagnoses == codes(run_checks(exercise, stub, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("id", EXERCISES)
def test_every_known_mistake_is_recognized_from_the_other_process(id, heard):
    exercise = load_exercise(id)
    if exercise.slow:
        pytest.skip("it trains for real")
    for mutant in mutants_of(exercise):
        if mutant.code == "too-slow":
            continue
        values = exercise.references | mutant.values
        here = codes(run_checks(replace(exercise, limit=ENDLESS), values, seed=1))
        assert not {"differs", "wrong"} & {*here}, f"{mutant.title}: a check has no name for it, and another has"
        ending = [check for check, code in zip(exercise.checks, here, strict=True) if code != "too-slow"]
        assert heard(exercise, values, ending) == [code for code in here if code != "too-slow"], mutant.title


KEEPERS = [
    pytest.param(one, id=f"{one.exercise} {one.title}", marks=[] if one.exercise < "02" else pytest.mark.slow)
    for one in written("wrong") if {"remembers", "same-names"} & {*one.codes} and "own-chance" not in one.codes
]  # fmt: skip


@pytest.mark.parametrize("answer", KEEPERS)
def test_what_is_kept_between_calls_is_named_from_the_other_process(answer, heard):
    """Both say which condition repairs the answer: its memory put back, or a name of its own for each node."""
    exercise = load_exercise(answer.exercise)
    here = codes(run_checks(exercise, answer.values(exercise), seed=1))
    assert heard(exercise, answer.values(exercise)) == here and {*here} & {*answer.codes}


@pytest.mark.parametrize("lie", ["<b>bold</b>", "x" * 100, ["a"], 3, None])
def test_a_process_that_lies_about_its_memory_changes_no_verdict(lie, heard, monkeypatch):
    monkeypatch.setattr(Service, "ask_memory", lambda self, method: lie)
    exercise = load_exercise("01-count-nodes")
    assert heard(exercise, {"count_nodes": lambda node: 1}) == codes(
        run_checks(exercise, {"count_nodes": lambda node: 1}, seed=1)
    )


def test_a_process_that_ends_when_it_is_asked_again_keeps_its_diagnosis(heard, monkeypatch):
    def end(self, method):
        raise Gone("it ends")

    monkeypatch.setattr(Service, "ask_memory", end)
    exercise = load_exercise("01-count-nodes")
    here = codes(run_checks(exercise, {"count_nodes": lambda node: 1}, seed=1))
    assert heard(exercise, {"count_nodes": lambda node: 1}, exercise.checks[:1]) == here[:1]


@pytest.mark.parametrize(
    ("id", "change", "gives"),
    [
        ("10-hvp", lambda f, x, v: v.fill(0), lambda f, x, v: np.zeros(len(v))),
        ("01-count-nodes", lambda node: [setattr(p, "value", 0.0) for p in tl.Graph([], [node]).nodes if not p.parents],
         load_exercise("01-count-nodes").references["count_nodes"]),
        ("02-valid", list.clear, lambda order: True),
        ("08-clip", lambda arrays, norm: arrays[0].fill(7), load_exercise("08-clip").references["clip"]),
    ],
)  # fmt: skip
def test_an_argument_that_the_other_process_has_changed_is_seen(id, change, gives, heard):
    def function(*args):
        result = gives(*args)
        change(*args)
        return result

    exercise = load_exercise(id)
    assert set(heard(exercise, {exercise.names[0]: function})) == {"changed-argument"}


def test_nodes_come_back_as_themselves_and_new_ones_are_computed_again(connected):
    def function(x, y):
        z = x * y + x
        z.name = "z"
        return [z, y, x]

    x, y = tl.parameter(2.0, "x"), tl.parameter(np.ones(3), "y")
    z, back_y, back_x = connected({"f": function})[1]["f"](x, y)
    assert back_x is x and back_y is y and z.parents[1] is x
    assert z.name == "z" and z.requires_gradient and np.array_equal(z.value, [4.0, 4.0, 4.0])
    z.backward(np.ones(3))
    assert float(x.gradient) == 6.0


class Inherited(tl.Linear):
    """It writes nothing, and is a layer all the same."""


class Forward(tl.Layer):
    """As one writes a layer for PyTorch."""

    def __init__(self, input_size, output_size, seed=0):
        super().__init__()
        self.inner = tl.Linear(input_size, output_size, seed=seed)

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("mine", [Inherited, Forward])
def test_a_layer_without_a_formula_of_its_own_is_a_layer(mine, heard):
    exercise = load_exercise("06-linear")
    here = codes(run_checks(exercise, {"Linear": mine}, seed=1))
    assert heard(exercise, {"Linear": mine}) == here
    assert ("forward-written" in here) == (mine is Forward) and "no-layer" not in here


class WithoutSeed(tl.Layer):
    def __init__(self, input_size, output_size):
        self.weight = tl.parameter(np.ones((input_size, output_size)))

    def __call__(self, x):
        return x @ self.weight


class MergesByHand(load_exercise("11-merge").references["Adapted"]):
    def merge(self, sign):
        self.sign = sign


@pytest.mark.parametrize(
    ("id", "name", "mine"),
    [
        ("01-build", "polynomial", lambda x: x), ("01-build", "polynomial", lambda x, y, z: x),
        ("06-linear", "Linear", WithoutSeed), ("09-listing", "listing", lambda f, name: []),
        ("11-merge", "Adapted", MergesByHand), ("12-attach", "attach", lambda model, rank, places: model),
    ],
)  # fmt: skip
def test_the_wrong_number_of_arguments_is_seen_from_the_other_process(id, name, mine, connected):
    exercise = load_exercise(id)
    here, there = (run_checks(exercise, values) for values in ({name: mine}, connected({name: mine})[1]))
    assert {result.diagnosis.code for result in here.results} == {"wrong-arguments"}
    assert str(here) == str(there)


def test_what_things_take_crosses_with_them(connected):
    def plain(a, /, b=0.5, *rest, c, d="two words", **others):
        return a

    _, received = connected({"plain": plain, "kind": WithoutSeed, "any": lambda *a, **k: a})
    assert str(inspect.signature(received["plain"])) == str(inspect.signature(plain))
    assert str(inspect.signature(received["kind"])) == "(input_size, output_size)"
    made = received["kind"](2, 3)
    assert list(inspect.signature(made).parameters) == ["x"]
    assert str(inspect.signature(received["any"])) == "(*a, **k)"


def test_what_a_function_changes_is_changed(connected):
    def function(numbers, table, array, rng, p):
        numbers.append(3)
        table["b"] = numbers
        array[0] = 9.0
        p.gradient = np.ones(2)
        p.value = p.value * 2
        return rng.normal()

    numbers, table, array, rng, p = [1, 2], {"a": 1}, np.zeros(2), np.random.default_rng(3), tl.parameter(np.ones(2))
    drawn = connected({"f": function})[1]["f"](numbers, table, array, rng, p)
    same = np.random.default_rng(3)
    assert drawn == same.normal() and rng.normal() == same.normal()
    assert numbers == [1, 2, 3] and table == {"a": 1, "b": [1, 2, 3]} and array.tolist() == [9.0, 0.0]
    assert p.gradient.tolist() == [1.0, 1.0] and p.value.tolist() == [2.0, 2.0]


def test_values_cross_unchanged(connected):
    values = [
        None, ..., b"\x00\xff", b"",
        True, 3, -(10**40), 0.1, float("inf"), -0.0, 2 + 1j, "ä", [1, (2, [3])],
        {1: {2}, (1, 2): None},
        frozenset({1}), slice(1, None), range(3), np.float32(1.5), np.dtype("float32"), np.arange(6).reshape(2, 3),
        np.zeros((0, 3)), np.array(1.0), np.exp, tl.tanh, tl.softmax, tl.Linear, float,
    ]  # fmt: skip
    _, received = connected({"f": lambda x: x})
    for value in values:
        back = received["f"](value)
        assert type(back) is type(value)
        if isinstance(value, np.ndarray):
            assert back.dtype == value.dtype and back.shape == value.shape and back.tobytes() == value.tobytes()
        else:
            assert back == value and repr(back) == repr(value)
    assert np.isnan(received["f"](float("nan")))


def test_functions_call_back_and_errors_keep_their_kind(connected):
    def function(f, x):
        return f(x) + 1

    def failing(x, W):
        return W @ x

    _, received = connected({"f": function, "g": failing, "h": lambda: {}["key"]})
    assert received["f"](lambda x: x * 2, 3) == 7
    with pytest.raises(ZeroDivisionError):
        received["f"](lambda x: x / 0, 3)
    with pytest.raises(tl.errors.ShapeError) as caught:
        received["g"](tl.parameter(np.ones((2, 3))), tl.parameter(np.ones((3, 2))[:, :1]))
    assert caught.value.operation[0] is tl.matmul
    assert "failing" in caught.value.students_line
    with pytest.raises(KeyError):
        received["h"]()


def test_a_lie_stays_where_it_was_told(connected):
    class Liar:
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 0

        def __bool__(self):
            return True

        def __array__(self, *args, **kwargs):
            return np.ones(3)

        def __float__(self):
            return 1.0

    class Numbers(list):
        def __eq__(self, other):
            return True

    _, received = connected({"f": Liar, "g": lambda: Numbers([1]), "h": lambda: np.ones(2).view(np.matrix)})
    liar = received["f"]()
    assert liar != 3 and not hasattr(liar, "__array__") and not hasattr(liar, "__float__")
    assert received["g"]() != [2] and not isinstance(received["g"](), list)
    assert not isinstance(received["h"](), np.ndarray)
    assert type(liar).__name__ == "Liar"


def test_a_method_of_the_package_cannot_be_exchanged(connected):
    def function(layer):
        layer.named_parameters = dict
        return 1

    layer = tl.Linear(2, 3, seed=0)
    _, received = connected({"f": function})
    with pytest.raises(Misbehaved, match="stands for a method"):
        received["f"](layer)
    assert len(layer.named_parameters()) == 2


def test_a_student_cannot_call_what_was_not_given(connected):
    judge, _ = connected({"f": lambda: None})
    with pytest.raises(Exception, match="cannot be called"):
        judge.call(0, "forget")
