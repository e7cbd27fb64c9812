"""What every exercise must prove before a student sees it: the solution passes, and each mistake gets its own name.

A check that passes on an empty notebook is the worst failure of a course; a check that says only "wrong" is the second.
"""

import contextlib
import inspect
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from course_sample import marks
from stubs import stub_values
from wrong_answers import mutants_of

import tinygrad_lora as tl
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.learn import exercise_ids, load_exercise, run_checks
from tinygrad_lora.learn.checking.solutions import BEGIN, END
from tinygrad_lora.learn.diagnosis import NOT_STARTED

FEWEST_MUTANTS, HINTS = 2, 3
OTHER_SEED, LARGER_BUDGET = 20_261_126, 40  # as in the hidden run of a grader
NOTHING_WRITTEN = {"pass", "...", "return None", "return"}


def _slow(id):
    try:
        return load_exercise(id).slow
    except Exception:
        return False  # the tests of this exercise say what is wrong with it


def each(marks):
    """A test for every exercise, with these marks."""
    return pytest.mark.parametrize("id", [pytest.param(id, marks=marks(id)) for id in exercise_ids()])


each_exercise = each(lambda id: [pytest.mark.slow] if _slow(id) else [])
each_sampled = each(marks)  # quickly for some, and with --all for every exercise


def codes(report):
    return [result.diagnosis.code for result in report.results if result.diagnosis]


def patient(id):
    """The exercise, with a minute for each check: a busy machine changes no verdict."""
    return replace(load_exercise(id), limit=60.0)


def impatient(id):
    """The exercise, with a second for each check where some mistake never ends."""
    exercise = load_exercise(id)
    return exercise if exercise.limit >= 10 else replace(exercise, limit=1.0)


def until_one_fails(exercise, values):
    """The report of the first check that fails, or of the last one."""
    for check in exercise.checks:
        report = run_checks(replace(exercise, checks=[check]), values)
        if not report.passed:
            break
    return report


@each_exercise
def test_the_description_is_complete(id):
    exercise = load_exercise(id)
    assert exercise.title and len(exercise.title) < 80 and exercise.prompt
    assert len(exercise.hints) == HINTS and all(hint.strip() for hint in exercise.hints)
    assert len(set(exercise.hints)) == HINTS
    assert exercise.names and exercise.checks and exercise.points > 0
    assert all(check.points > 0 for check in exercise.checks)
    assert all(re.fullmatch(r"test_[a-z0-9_]+", check.name) for check in exercise.checks)
    assert len({check.name for check in exercise.checks}) == len(exercise.checks)
    asked = {name for check in exercise.checks for name in check.needs}
    assert asked == set(exercise.names), "each name is looked at by some check, and no check asks for another"
    assert len(mutants_of(exercise)) >= FEWEST_MUTANTS
    assert len({mutant.title for mutant in mutants_of(exercise)}) == len(mutants_of(exercise))


@each_sampled
def test_the_reference_passes_and_says_nothing(id, capfd):
    exercise = patient(id)
    report = run_checks(exercise, exercise.references, seed=OTHER_SEED, budget=LARGER_BUDGET)
    assert report.passed and report.points == exercise.points, str(report)
    assert not [note for result in report.results for note in result.notes], str(report)
    assert capfd.readouterr() == ("", "")


@each_exercise
def test_the_reference_stands_alone_as_text(id):
    exercise = patient(id)
    source = f"{exercise.preamble}\n\n{exercise.solution}"
    values = {name: function_from_source(name, source) for name in exercise.names}
    report = run_checks(exercise, values)
    assert report.passed, f"{exercise.solution}\n{report}"


@each_exercise
def test_passing_teaches_as_well(id):
    """Two sentences about it, another way, and what to try next; in words that do not fill the screen."""
    exercise = load_exercise(id)
    assert len(re.findall(r"[.:?](?= |$)", exercise.about.replace(": ", "; "))) == 2, exercise.about
    assert 15 <= len(exercise.about.split()) <= 60 and 5 <= len(exercise.next_step.split()) <= 45
    assert exercise.about[-1] in ".?" and exercise.next_step[-1] in ".?"
    assert exercise.ways.keys() <= exercise.references.keys() and exercise.ways, "another way"
    for name, way in exercise.ways.items():
        assert inspect.getdoc(way), "it says what is different"
        reference = exercise.references[name]
        assert not callable(reference) or code_of(way) != code_of(reference)


def code_of(thing):
    """Its text without docstrings, names of arguments aside."""
    return re.sub(r'""".*?"""|\s', "", inspect.getsource(thing).partition("):")[2], flags=re.DOTALL)


@each_sampled
def test_another_way_is_right_as_text(id, capfd):
    exercise = patient(id)
    source = f"{exercise.preamble}\n\n{exercise.another_way}"
    values = exercise.references | {name: function_from_source(name, source) for name in exercise.ways}
    report = run_checks(exercise, values, seed=OTHER_SEED)
    assert report.passed and not [note for result in report.results for note in result.notes], str(report)
    assert capfd.readouterr() == ("", "")


@each_exercise
def test_what_the_student_is_given_does_not_pass(id, capfd):
    exercise = patient(id)
    report = run_checks(exercise, stub_values(exercise))
    expected = exercise.expected_of_stub or NOT_STARTED
    assert not any(result.passed for result in report.results) or exercise.expected_of_stub, str(report)
    assert report.points < exercise.points
    assert expected in codes(report) if exercise.expected_of_stub else set(codes(report)) == {NOT_STARTED}, str(report)
    assert capfd.readouterr() == ("", "")


@each_sampled
def test_each_mistake_gets_its_own_name(id, capfd):
    exercise = impatient(id)
    for mutant in mutants_of(exercise):
        values = exercise.references | mutant.values
        report = until_one_fails(exercise, values)
        if codes(report) == ["too-slow"] != [mutant.code]:  # on a busy machine, perhaps
            report = until_one_fails(patient(id), values)
        assert not report.passed, f"{mutant.title} passes"
        assert codes(report) == [mutant.code], f"{mutant.title} must get {mutant.code!r}:\n{report}"
        assert report.diagnosis.sentence
    assert capfd.readouterr() == ("", "")


@each_exercise
def test_the_wrong_number_of_arguments_is_told_in_words(id):
    """And no line of the check is shown for one of the student's."""
    exercise = patient(id)
    for name, thing in exercise.references.items():
        for function in (one_too_few, one_too_many) if callable(thing) else ():
            for check in [check for check in exercise.checks if name in check.needs]:
                values = exercise.references | {name: function(thing)}
                diagnosis = run_checks(replace(exercise, checks=[check]), values).diagnosis
                assert diagnosis.code == "wrong-arguments" and diagnosis.sentence.startswith(f"{name} takes "), (
                    diagnosis.sentence
                )
                assert "; it must take " in diagnosis.sentence and "line" not in diagnosis.sentence


@pytest.mark.slow
@each_exercise
def test_no_more_is_asked_of_a_function_than_what_its_text_says(id):
    """What has a default in the solution may have none in an answer, and may be called by its name alone."""
    exercise = patient(id)
    things = {name: thing for name, thing in exercise.references.items() if callable(thing)}
    for name, thing in things.items():
        parameters = inspect.signature(thing).parameters.values()
        strict = takes(thing, [p.replace(default=p.empty) for p in parameters])
        assert run_checks(exercise, exercise.references | {name: strict}).passed


def takes(thing, parameters):
    """Something that gives what this gives, and takes these parameters."""
    signature = inspect.Signature(parameters)

    def function(*args, **kwargs):
        signature.bind(*args, **kwargs)
        return thing(*args, **kwargs)

    function.__signature__ = signature
    return function


def one_too_few(thing):
    """With no parameter less than none, one too many."""
    parameters = list(inspect.signature(thing).parameters.values())
    return takes(thing, parameters[:-1]) if parameters else one_too_many(thing)


def one_too_many(thing):
    new = inspect.Parameter("one_more", inspect.Parameter.KEYWORD_ONLY)
    return takes(thing, [*inspect.signature(thing).parameters.values(), new])


@pytest.mark.slow
@each_exercise
def test_replacing_numpys_comparisons_does_not_help(id, monkeypatch):
    """In other graders `np.allclose = lambda *a, **k: True` gave full marks: compare with `exact.same`."""
    exercise = load_exercise(id)
    for name in ("allclose", "isclose", "array_equal", "array_equiv"):
        monkeypatch.setattr(np, name, lambda *args, **kwargs: True)
    for name in ("assert_allclose", "assert_array_equal", "assert_almost_equal", "assert_array_almost_equal"):
        monkeypatch.setattr(np.testing, name, lambda *args, **kwargs: None)
    mutants = [mutant for mutant in mutants_of(exercise) if mutant.code not in ("too-slow", "recursion")]
    for mutant in mutants[: 1 if exercise.slow else None]:
        known = until_one_fails(exercise, exercise.references | mutant.values).passed
        assert not known, f"{mutant.title} passes when NumPy's comparisons are replaced"


@pytest.mark.slow
@each_exercise
def test_the_feedback_comes_at_once(id):
    """Counted in calls of Python functions, of which a machine does some millions a second."""
    exercise = load_exercise(id)
    if exercise.slow:
        return
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        run_checks(exercise, exercise.references)
    finally:
        sys.setprofile(None)
    assert 100 < calls < 500_000


@pytest.mark.slow
@each_exercise
def test_nonsense_earns_nothing(id):
    """Not one point: each check asks whether the answer is right before it asks for anything else."""
    exercise = load_exercise(id)
    things = exercise.references
    answers = [{name: gives(c) if callable(t) else c for name, t in things.items()} for c in CONSTANTS]
    answers += [{name: f if callable(t) else {} for name, t in things.items()} for f in FUNCTIONS]
    answers += [{name: idle(t) if isinstance(t, type) else {} for name, t in things.items()}]
    for values in answers:
        points = (report := run_checks(exercise, values)).points
        assert points == 0, f"{values}\n{report}"


CONSTANTS = (
    None, 0.0, 1.0, True, "six", (), [], {}, np.zeros(3), bytes(1500), tl.compile(lambda x: x), tl.parameter(1.0),
)  # fmt: skip


def gives(constant):
    """A function of anything that gives this."""

    def constantly(*args, **kwargs):
        return constant

    return constantly


def first_argument(*args, **kwargs):
    return args[0] if args else None


def last_argument(*args, **kwargs):
    return args[-1] if args else None


def all_arguments(*args, **kwargs):
    return list(args)


def a_zero_for_each(*args, **kwargs):
    """A dictionary for a list of steps, whose first part is a name."""
    return {step[0]: 0 for step in args[0]} if args else {}


def calls_its_arguments(*args, **kwargs):
    """Calls every function among the arguments once, with what it may take, and forgets what that gives."""
    numbers = [x for x in args if isinstance(x, np.ndarray)] + [tl.placeholder((), name="x"), tl.parameter(1.0)]
    for function in filter(callable, args):
        with contextlib.suppress(Exception):
            function(*numbers[: max(1, len(inspect.signature(function).parameters))])
    return []


FUNCTIONS = first_argument, last_argument, all_arguments, a_zero_for_each, calls_its_arguments


def idle(kind):
    """A class with the bases and the methods of this one, which does nothing: each gives its argument back."""
    methods = {name: first_of_method for name, f in vars(kind).items() if inspect.isfunction(f)}
    return type(kind.__name__, kind.__bases__, methods | {"__init__": lambda self, *args, **kwargs: None})


def first_of_method(self, *args):
    return args[0] if args else self


@each_exercise
def test_the_student_file_holds_no_solution(id):
    exercise = load_exercise(id)
    assert BEGIN not in exercise.stub and END not in exercise.stub
    stub_lines = {line.strip() for line in exercise.stub.splitlines()}
    solution = re.findall(rf"{BEGIN}\n(.*?){END}", exercise.solution, re.DOTALL)
    lines = {line.strip() for part in solution for line in part.splitlines()}
    secret = {line for line in lines if len(line) > 12 and not line.startswith("#")} - NOTHING_WRITTEN
    if exercise.expected_of_stub is None:
        assert not secret & stub_lines, f"left in the student's file: {secret & stub_lines}"
    else:
        assert exercise.stub != exercise.solution


def test_ids_are_unique_and_fit_a_notebook_cell():
    ids = exercise_ids()
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"\d\d-[a-zA-Z0-9_-]+", id) for id in ids)
