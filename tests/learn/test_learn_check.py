"""Checking an exercise: reports, what a student's code may do to them, hints, progress, the terminal."""

import dataclasses
import functools
import html
import json
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from stubs import stub_values

import tinygrad_lora as tl
from tinygrad_lora.commands.main import main
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.learn import Exercise, Report, Wrong, check, hint, progress, reference, require, run_checks, solution
from tinygrad_lora.learn.cases import chain, graphs, ladder, numbers
from tinygrad_lora.learn.checking.guard import TookTooLongError, guarded, time_limit
from tinygrad_lora.learn.checking.signatures import is_blank
from tinygrad_lora.learn.checking.solutions import double_quoted, marked, stripped
from tinygrad_lora.learn.exact import as_array, as_bool, as_nodes, as_number, as_whole, same
from tinygrad_lora.learn.progress import remembered
from tinygrad_lora.learn.registry import load_exercise

ID = "01-count-nodes"

exercise = Exercise(
    "00-double",
    """Double $x$

        double(3)  # gives 6

    Write `double(x)`.
    """,
    kind="P",
    hints=("one", "two", "three"),
    limit=0.2,
)


@exercise.reference
def double(x):
    """Twice x."""
    return 2 * x


@exercise.check(points=2)
def test_two_threes_are_six(double):
    a = tl.parameter(3.0, "a")
    require(as_number(double(3.0)) == 6.0, "not-doubled", f"double(3) gave {double(3.0)}, not 6", show=a + a)


@exercise.check()
def test_arrays_work_too(double, seed, budget):
    """X and Y work too.

    That is, arrays.
    """
    x = numbers(np.random.default_rng(seed), (budget,))
    assert same(as_array(double(x), "the result", x.shape), 2 * x), "arrays must be doubled, too"


# The same functions are tests of pytest's: what the student defines is a fixture.


@pytest.fixture(name="double")
def what_the_student_defines():
    return double


@pytest.fixture
def seed():
    return 0


@pytest.fixture
def budget():
    return 20


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "deep" / "progress.jsonl"))
    return tmp_path / "deep" / "progress.jsonl"


def report_of(function):
    return run_checks(exercise, {"double": function})


def test_a_right_answer_gets_all_points():
    report = report_of(double)
    assert report.passed and report.points == report.out_of == 3 and report.diagnosis is None
    assert str(report).splitlines() == [
        "00-double  Double x: 3 of 3 points", "  passed  two threes are six", "  passed  X and Y work too",
    ]  # fmt: skip


def test_a_wrong_answer_is_told_with_the_smallest_example_drawn():
    report = report_of(lambda x: 3 * x)
    assert [r.diagnosis.code for r in report.results] == ["not-doubled", "wrong"]
    assert "double(3) gave 9.0, not 6" in str(report) and "add(a, a)" in str(report)
    html = report._repr_html_()
    assert "<img" in html and "double(3) gave 9.0" in html and "<script" not in html
    assert str(report).endswith('For a hint: hint("00-double")')


@pytest.mark.parametrize("stub", [None, ..., *stub_values(exercise).values(), lambda x: None])
def test_a_stub_is_not_started_and_not_wrong(stub):
    report = report_of(stub)
    assert not report.started and not report.passed
    assert str(report) == '00-double  Double x: not started yet\nFor a hint: hint("00-double")'
    assert "Double $x$: not started yet" in report._repr_html_()  # where formulas are set
    assert "For a hint" in report._repr_html_()


def test_a_task_keeps_the_spaces_of_its_first_block_of_code():
    assert exercise.title == "Double $x$"
    assert exercise.prompt == "    double(3)  # gives 6\n\nWrite `double(x)`."


def test_a_mistake_is_told_once():
    report = report_of(lambda x: None)
    twice = run_checks(exercise, {"double": lambda x: x.wrong})
    assert [result.passed for result in twice.results] == [False, False] and report.diagnosis
    same = [dataclasses.replace(result, diagnosis=twice.diagnosis) for result in twice.results]
    for message in (str(Report(exercise, tuple(same))), Report(exercise, tuple(same))._repr_html_()):
        assert message.count("AttributeError") == 1 and message.count("the same mistake as above") == 1


def endless(x):
    while True:
        pass


def endless_and_deaf(x):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def deep(x):
    return deep(x)


def quits(x):
    sys.exit("that was it")


def noisy(x):
    print("a line")
    print("a complaint", file=sys.stderr)
    warnings.warn("careful", stacklevel=1)
    return 2 * x


def divides(x):
    return 2 * x + np.float64(0) * (np.float64(1) / np.float64(0) > 0)


class Liar(np.ndarray):
    def __eq__(self, other):
        return True


def multiplies_what_does_not_fit(x):
    return tl.parameter(np.ones((4, 3))) * np.ones(4)


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (endless, "too-slow", "loop that never ends"),
        (endless_and_deaf, "too-slow", "stopped after 0.2 s"),
        (deep, "recursion", "recursion limit"),
        (quits, "exception", "SystemExit"),
        (lambda x: 1 / 0, "division-by-zero", "ZeroDivisionError"),
        (lambda x: "six", "wrong-type", "of type str"),
        (lambda x: tl.parameter(6.0), "wrong-type", "is a node"),
        (lambda x: np.array(6.0).view(Liar), "wrong-type", "Liar"),
        (lambda: 6, "wrong-arguments", "double takes no arguments; it must take (x)"),
        (lambda x, y=1, *, z: 6, "wrong-arguments", "double takes (x, y=1, *, z); it must take (x)"),
        (multiplies_what_does_not_fit, "shapes-do-not-fit", "`return tl.parameter(np.ones((4, 3))) * np.ones(4)`"),
        (lambda x: [6.0, 6.0], "wrong-type", "the result is a list; a number is needed"),
        (lambda x: np.ones(2), "wrong-shape", "(2,)"),
        (6.0, "wrong-type", "double is of type float; it must be a function"),
    ],
)
def test_whatever_the_code_does_there_is_a_diagnosis(function, code, words, capfd):
    report = report_of(function)
    assert report.diagnosis.code == code and words in report.diagnosis.sentence, report
    assert capfd.readouterr() == ("", "")


def test_a_line_of_the_checks_is_never_shown_as_the_students():
    report = check("01-build", lambda x, y: tl.parameter([1.0, 2.0]))  # which `float` refuses, in the check
    assert not report.passed and "line" not in str(report)
    assert "the check cannot use what your code gave" in report.diagnosis.sentence


def test_an_object_is_no_class():
    report = check("06-linear", tl.Linear(3, 2))
    assert report.diagnosis.sentence == "Linear is of type Linear; it must be a class"
    assert check("06-linear", lambda *sizes, seed=0: tl.Linear(*sizes, seed=seed)).points


@pytest.mark.parametrize(
    "function", [lambda *args: 2 * args[0], lambda x, scale=2: scale * x, functools.partial(np.multiply, 2), abs]
)
def test_whatever_can_be_called_in_this_way_may_be_called(function):
    report = report_of(function)
    assert report.passed or "takes" not in report.diagnosis.sentence


@pytest.mark.parametrize("function", [endless, endless_and_deaf, double])
def test_the_time_limit_holds_in_other_threads_and_without_alarms(function):
    reports = []
    thread = threading.Thread(target=lambda: reports.append(report_of(function)))
    thread.start()
    thread.join(20)
    assert reports[0].passed if function is double else reports[0].diagnosis.code == "too-slow"
    assert not [note for result in reports[0].results for note in result.notes]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms here")
def test_a_limit_of_work_ends_what_works_and_not_what_waits():
    with pytest.raises(TookTooLongError), time_limit(86_400.0, 0.05):  # the day is longer than any test may take
        while True:
            pass
    with time_limit(86_400.0, 0.05):
        time.sleep(0.2)


def test_a_picture_is_shown_once():
    first, second = report_of(lambda x: 3 * x).results
    same = dataclasses.replace(second, diagnosis=dataclasses.replace(first.diagnosis, sentence="another"))
    message = Report(exercise, (first, same))
    assert (
        message._repr_html_().count("<img") == 1 and str(message).count("add(a, a)") == 1 and "another" in str(message)
    )


def test_prints_and_warnings_become_notes(capfd):
    report = report_of(noisy)
    assert report.passed
    notes = " ".join(report.results[0].notes)
    assert "printed: a line" in notes and "error stream: a complaint" in notes and "UserWarning: careful" in notes
    assert any("RuntimeWarning" in note for note in report_of(divides).results[0].notes)
    assert capfd.readouterr() == ("", "")


def test_the_stub_is_the_solution_without_the_solution():
    assert exercise.stub == (
        'def double(x):\n    """Twice x."""\n    raise NotImplementedError("write your code here")\n'
    )
    assert "# BEGIN SOLUTION\n    return 2 * x\n    # END SOLUTION" in exercise.solution
    text = "# BEGIN SOLUTION\nanswers = {'a': 3, 'b': [1, 2]}\nhelper = 4\n# END SOLUTION\n"
    assert double_quoted("""{'a': 'b "c"', 'it': "it's", "d": r'e'}""") == """{"a": 'b "c"', "it": "it's", "d": r'e'}"""
    assert stripped(text) == 'answers = {"a": ..., "b": [..., ...]}\nhelper = ...\n'
    with pytest.raises(ValueError, match="without"):
        stripped("# BEGIN SOLUTION\n")
    with pytest.raises(ValueError, match="put # BEGIN SOLUTION"):
        marked("class A:\n    pass\n")


def test_a_mark_that_is_missing_is_told_with_its_file():
    broken = Exercise("03-broken", "Write `half(x)`.", kind="N", hints=["Divide."] * 3)

    @broken.reference
    def half(x):
        # BEGIN SOLUTION
        return x / 2

    @broken.check(points=1)
    def test_half(half): ...

    with pytest.raises(ExerciseError, match=r"test_learn_check\.py: # BEGIN SOLUTION without # END SOLUTION"):
        _ = broken.stub


def test_blanks_are_recognized():
    assert all(map(is_blank, (None, ..., [...], {"a": ..., "b": [None]}, lambda: None)))
    assert not any(map(is_blank, (0, [], {}, {"a": 1, "b": ...}, lambda: 0, lambda x: x, double)))


def test_results_are_compared_without_trust():
    assert as_whole(3) == 3 and as_bool(np.True_) is True and as_number(np.array(2.5)) == 2.5
    wrong = [(as_whole, 3.0), (as_whole, True), (as_bool, 1), (as_number, [1.0]), (as_nodes, [1]), (as_nodes, None)]
    for f, value in wrong:
        with pytest.raises(Wrong):
            f(value)
    assert not same(np.array([np.nan]), np.array([np.nan]))
    assert not same(np.zeros(2), np.zeros(3))


def test_examples_grow_and_repeat():
    first, again = ([str(len(tl.Graph([], [n]).nodes)) for n in graphs(3, 30)] for _ in range(2))
    assert first == again
    assert chain(3).parents[0].parents[0].parents[0].name == "x"
    assert len(tl.Graph([], [ladder(2)]).nodes) == 7


# --- With the exercises of the package ---


def test_check_takes_objects_in_order_or_by_name(own_progress):
    assert check(ID, reference(ID)).passed and check(ID, count_nodes=reference(ID)).passed
    for arguments, named, words in [
        ((1, 2), {}, "given 2 objects"), ((), {"count": 1}, "not for count"), ((1,), {"count_nodes": 1}, "given twice"),
    ]:  # fmt: skip
        with pytest.raises(ExerciseError, match=words):
            check(ID, *arguments, **named)
    with pytest.raises(ExerciseError, match="perhaps 01-count-nodes"):
        check("01-count-node", 1)


def test_hints_come_one_after_another_and_begin_again():
    assert [hint(ID)[:6] for _ in range(4)] == ["Hint 1", "Hint 2", "Hint 3", "Hint 1"]
    shown = hint(ID)
    assert repr(shown).startswith("Hint 2 of 3: ") and shown._repr_markdown_() == repr(shown)


def test_the_solution_comes_after_passing_and_not_before(own_progress):
    exercise = load_exercise(ID)
    text = f"{exercise.solution}{exercise.another_way}".splitlines()
    secret = {line.strip() for line in text if len(line.strip()) > 20 and line.strip() not in exercise.stub}
    wrong = check(ID, lambda node: 1)
    for shown in (str(wrong), html.unescape(wrong._repr_html_())):
        assert 'hint("01-count-nodes")' in shown and "solution(" not in shown and exercise.about not in shown
    with pytest.raises(ExerciseError, match="the solution of 01-count-nodes comes when all"):
        solution(ID)
    right = check(ID, reference(ID))
    assert str(right).splitlines()[-2:] == [exercise.about, right._next_steps[1]]
    assert f'solution("{ID}")' in right._next_steps[1] and exercise.about in html.unescape(right._repr_html_())
    assert not any(line in str(right) + right._repr_html_() for line in secret), "check says where it is, no more"
    shown = solution(ID)
    assert all(line in shown for line in secret) and exercise.next_step in shown and "# BEGIN" not in shown
    assert shown._repr_markdown_() == repr(shown)
    check(ID, lambda node: 1)
    assert solution(ID) == shown, "who has solved it once may look again"


def test_an_exercise_without_such_words_says_that_it_is_solved():
    report = run_checks(exercise, {"double": double})
    assert report.passed and "solution(" not in str(report)


def test_progress_remembers_the_best_run(own_progress):
    assert progress().points == 0 and not own_progress.exists()
    check(ID, lambda node: None)
    assert not own_progress.exists()  # nothing was started
    check(ID, lambda node: 1)
    line = next(line for line in progress().lines if line.id == ID)
    assert line.word == "begun" and line.points < line.out_of
    check(ID, reference(ID))
    check(ID, lambda node: 1)
    line = next(line for line in progress().lines if line.id == ID)
    assert line.word == "done" and line.points == line.out_of
    records = list(remembered())
    assert {"time", "exercise", "test", "passed", "diagnosis", "seconds", "points", "out_of"} <= set(records[0])
    with own_progress.open("a") as file:
        file.write('{"exercise": "01-cou')  # cut off
    check(ID, reference(ID))
    assert len(list(remembered())) == len(records) + len(check(ID, reference(ID)).results)
    assert str(progress()).splitlines()[-1].startswith("1 of ")


def test_a_folder_that_cannot_be_written_stops_nobody_and_is_named_once(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    assert all(check(ID, reference(ID)).passed for _ in range(2)) and progress().points == 0
    assert capsys.readouterr().err.count("Progress is not kept (") == 1


# --- In a terminal ---

SOLVED = """
def count_nodes(output):
    seen, stack = set(), [output]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.parents
    return len(seen)
"""


def test_the_terminal_checks_a_file(tmp_path, capsys):
    file = tmp_path / "mine.py"
    assert main(["solution", ID]) == 2
    assert "comes when all its checks have passed" in capsys.readouterr().err
    file.write_text(SOLVED)
    assert main(["check", ID, str(file)]) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 points" in printed and f"tinygrad-lora solution {ID}" in printed
    assert main(["solution", ID]) == 0
    assert "\n    def count_nodes(output):\n" in capsys.readouterr().out
    assert main(["check", ID, str(file), "--json"]) == 0
    solved = json.loads(capsys.readouterr().out)
    assert all(solved[name] for name in ("about", "solution", "another_way", "next"))
    assert "# BEGIN" not in solved["solution"]
    file.write_text(SOLVED.replace("len(seen)", "len(seen) - 1"))
    assert main(["check", ID, str(file), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (
        "solution" not in report
        and report["passed"] is False
        and report["results"][0]["diagnosis"]
        and report["results"][0]["sentence"]
    )
    assert main(["progress"]) == 0
    assert f"{ID}" in capsys.readouterr().out
    assert main(["hint", ID]) == 0
    assert capsys.readouterr().out.startswith("Hint 1 of 3")


def test_the_terminal_shows_what_to_do(capsys, tmp_path):
    assert main(["check", ID]) == 0
    printed = capsys.readouterr().out
    assert "count_nodes" in printed and "NotImplementedError" in printed and "BEGIN SOLUTION" not in printed
    assert main(["check", ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == ID


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mine.py", "1 / 0", "line 1: `1 / 0`: ZeroDivisionError"),
        ("mine.py", "def (", "SyntaxError"),
        ("mine.txt", "", "not a Python file"),
        ("absent.py", None, "there is no file"),
    ],
)
def test_a_file_that_does_not_run_gets_one_sentence(name, text, words, tmp_path, capsys):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["check", ID, str(tmp_path / name)]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and printed.out == "" and "Traceback" not in printed.err


def test_learning_is_loaded_by_the_first_who_asks():
    code = (
        "import sys, tinygrad_lora as tl; before = 'tinygrad_lora.learn' in sys.modules; tl.check; "
        "print(before, tl.check is tl.learn.check, tl.quiz is tl.learn.quiz)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "True", "True"]


def test_the_time_limit_waits_for_a_finalizer_to_end():
    """What is raised in a finalizer is printed and forgotten, so the limit would be lost."""

    class Slow:
        def __del__(self):
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                pass

    def finalizes_for_long():
        Slow()
        while True:
            pass

    outcome = guarded(finalizes_for_long, 0.1)
    assert isinstance(outcome.error, TookTooLongError)


def test_a_debugger_works_after_a_time_limit_in_another_thread():
    """Python 3.11 takes no step more where something was to be raised in a thread, and never was."""
    code = (
        "import sys, threading\nfrom tinygrad_lora.learn.checking.guard import guarded\n"
        "def endless():\n    while True: pass\n"
        "def run():\n    guarded(int, 1.0); guarded(endless, 0.1)\n"
        "thread = threading.Thread(target=run); thread.start(); thread.join()\n"
        "sys.settrace(lambda frame, event, argument: None)\nprint((lambda: 'the next step')())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed == "the next step\n"
