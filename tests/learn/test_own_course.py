"""A course of one's own: found where it is, refused where it is wrong; and the guide for teachers, from zero."""

import contextlib
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from held import flags, need_sandbox, settings

from tinygrad_lora.commands import course as release_command
from tinygrad_lora.commands.main import main
from tinygrad_lora.commands.verify import verified
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading.grading import GradingWorker
from tinygrad_lora.grading.sandbox.bubblewrap import exposing
from tinygrad_lora.learn import check, exercise_ids, exercises, load_exercise, registry, run_checks
from tinygrad_lora.learn.diagnosis import NOT_STARTED
from tinygrad_lora.learn.own import begin, course, gates
from tinygrad_lora.learn.own.nonsense import accepted_nonsense
from tinygrad_lora.learn.predictions.prediction import predictions_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
GUIDE = re.findall(r"```sh\n(.*?)```", PAGE.partition("## Exercises of your own")[2].partition("\n## ")[0], re.DOTALL)
ID = "50-square"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A course with one exercise, as if Python had been started in its folder."""
    folder = tmp_path / "course"
    folder.mkdir()
    monkeypatch.chdir(folder)
    begin.new_exercise("square")
    for module in (course, registry, begin):
        monkeypatch.setattr(module, "COURSE", folder)
    with in_course(folder, monkeypatch):
        yield folder


@contextlib.contextmanager
def in_course(folder, monkeypatch):
    monkeypatch.setattr(exercises, "__path__", [*exercises.__path__, str(folder / "exercises")])
    registry.exercise_modules.cache_clear()
    yield
    registry.exercise_modules.cache_clear()
    forget(exercises)


def forget(package):
    """Forget the modules of one's own exercises, as a new process would."""
    predictions_of.cache_clear()
    for name in [name for name in sys.modules if re.search(r"learn\.exercises\.t[5-9]\d", name)]:
        del sys.modules[name]
    for name in [name for name in vars(package) if re.fullmatch(r"t[5-9]\d", name)]:
        delattr(package, name)


def test_a_course_is_the_nearest_one_upwards_and_never_in_a_folder_of_everybodys(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert course.course_from(inner) is None
    (tmp_path / "course.toml").touch()
    assert course.course_from(inner) == course.course_from(tmp_path) == tmp_path
    (tmp_path / "a" / "course.toml").touch()
    assert course.course_from(inner) == tmp_path / "a"
    if os.name == "posix":
        (tmp_path / "a").chmod(0o1777)
        assert course.course_from(inner) == tmp_path


def test_two_sources_of_one_tutorial_are_refused_by_name(tmp_path, capsys):
    (tmp_path / "source").mkdir()
    for name in ("50_square.py", "50_cube.py", "51_other.py"):
        (tmp_path / "source" / name).write_text("# %% [markdown]\n# # A title\n", encoding="utf-8")
    assert main(["course", "release", str(tmp_path / "out"), "--source", str(tmp_path / "source")]) == 2
    error = capsys.readouterr().err
    assert "50_square.py" in error and "50_cube.py" in error and "have one number" in error and "51" not in error
    assert not (tmp_path / "out").exists()


def test_a_new_exercise_passes_its_own_check_and_is_found(own):
    assert exercise_ids()[-1] == ID and len(exercise_ids()) > 60
    exercise = load_exercise(ID)
    gates.refuse_faulty(exercise)
    assert not list(gates.shortcomings(exercise)) and exercise.points == 3
    assert run_checks(exercise, gates.objects_of(exercise, exercise.stub)).diagnosis.code == NOT_STARTED
    assert check(ID, exercise.references["square_vjp"]).passed


def test_the_page_for_teachers_shows_what_is_written(own):
    shown = re.search(r'```python\n("""The backward rule.*?)```', PAGE, re.DOTALL)[1]
    assert (own / "exercises" / "t50" / "square.py").read_text(encoding="utf-8") == shown


def test_further_exercises_go_into_the_last_tutorial_or_begin_another(own):
    begin.new_exercise("my-cube")
    begin.new_exercise("root", 51)
    begin.new_exercise("log")
    assert sorted(path.name for path in own.glob("*.py")) == ["50_square.py", "51_root.py"]
    source = (own / "50_square.py").read_text(encoding="utf-8")
    assert re.findall(r'exercise="(.*?)"', source) == [ID, "50-my-cube"] and 'my_cube_vjp = reference("50-my-' in source
    assert re.findall(r'exercise="(.*?)"', (own / "51_root.py").read_text(encoding="utf-8")) == ["51-root", "51-log"]
    registry.exercise_modules.cache_clear()
    assert load_exercise("50-my-cube").names == ("my_cube_vjp",)


@pytest.mark.parametrize(
    ("name", "number", "sentence"),
    [
        ("square", None, "is there already: choose another name"), ("Square", None, "cannot name an exercise"),
        ("../x", None, "cannot name an exercise"), ("topo", 4, "the numbers below 50 are the package's"),
        ("cube", 100, "choose 50 to 99, not 100"), ("cube", -50, "choose 50 to 99"),
    ],
)  # fmt: skip
def test_what_cannot_be_begun_is_refused_and_nothing_is_written(own, name, number, sentence):
    before = sorted(own.rglob("*"))
    with pytest.raises(ExerciseError, match=re.escape(sentence)):
        begin.new_exercise(name, number)
    assert sorted(own.rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("import numpy as np\n", "import nunpy as np\n",
         "t50/square.py, line 7: the exercise cannot be loaded. ModuleNotFoundError: No module named 'nunpy'"),
        ("return 2 * x * g\n", "return 2 * * g\n",
         "t50/square.py, line 27: the exercise cannot be loaded. SyntaxError: invalid syntax"),
        ("@exercise.reference\n", "", "50-square has no solution so far: put @exercise.reference before it"),
        ("50-square", "50-cube", "square.py must define `exercise = Exercise('50-square', ...)`"),
        ('kind="N"', 'kind="Z"', "50-square: kind is one of N, P, S, Q, M, T, not 'Z'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_exercise_is_refused_with_a_sentence(own, old, new, sentence):
    path = own / "exercises" / "t50" / "square.py"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ExerciseError) as refused:
        load_exercise(ID)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("part", "sentence"), [
    ("reference|another|mutant", "has no solution: put @exercise.reference before the solution"),
    ("check", "has no check: put @exercise.check()"),
])  # fmt: skip
def test_an_exercise_without_a_solution_or_a_check_is_refused(own, part, sentence):
    path = own / "exercises" / "t50" / "square.py"
    path.write_text(re.sub(rf"@exercise\.({part}).*\n", "", path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ExerciseError, match=re.escape(sentence)):
        load_exercise(ID)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("return 2 * x * g\n", "return x * g\n", "50-square: its own solution fails. 'the rule is the chain rule'"),
        ("return 2 * x * g\n", "return TWO * x * g\n\n\nTWO = 2\n", "its own solution fails. 'the rule is the chain"),
        ("    judge(square_vjp, seed, 3)\n    answer", "    return\n    answer",
         "what students begin with gets 1 of 3 points; every check must begin"),
    ],
)  # fmt: skip
def test_an_exercise_that_does_not_pass_itself_is_refused(own, old, new, sentence):
    path = own / "exercises" / "t50" / "square.py"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ExerciseError, match=re.escape(sentence)):
        gates.refuse_faulty(load_exercise(ID))


@pytest.mark.parametrize(("file", "sentence"), [
    ("t04/topo.py", "the numbers below 50 are the package's; yours are 50 to 99"),
    ("t50/my exercise.py", "write its name with letters, digits and _"),
])  # fmt: skip
def test_a_file_with_the_name_of_another_or_of_none_is_refused(own, file, sentence):
    path = own / "exercises" / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    registry.exercise_modules.cache_clear()
    with pytest.raises(ExerciseError, match=sentence):
        exercise_ids()


def test_only_what_is_released_is_copied(own, tmp_path):
    begin.new_exercise("later", 51)
    (own / "exercises" / "shared.csv").write_text("1,2\n", encoding="utf-8")
    (own / "exercises" / "t50" / "__pycache__").mkdir(exist_ok=True)
    (own / "exercises" / "t50" / "__pycache__" / "square.pyc").touch()
    course.copy_course(tmp_path / "out", {"50"})
    copies = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert copies == {"course.toml", "exercises/shared.csv", "exercises/t50/square.py"}
    (tmp_path / "out" / "course.toml").write_text('without = ["review"]\n', encoding="utf-8")
    assert not course.outdated(tmp_path / "out", {"50"}), "what is switched off for the class is a setting of its own"
    before = course.identity()
    (own / "exercises" / "shared.csv").write_text("1,3\n", encoding="utf-8")
    assert before[0] == course.identity()[0] == str(own) and before != course.identity()
    assert [*course.outdated(tmp_path / "out", {"50"})] == ["exercises/shared.csv"]


# --- What the checks do not see ---


def verify(id, capsys):
    code = verified(load_exercise(id))
    return code, capsys.readouterr().out


def test_verify_has_nothing_to_say_about_checks_that_see_everything(own, capsys):
    code, printed = verify(ID, capsys)
    assert code == 0 and "15 changes of its solution: 13 get a name, 2 none, 0 pass" in printed
    assert "lacks" not in printed and "passes" not in printed
    assert "no name: `return 2 * x * g` -> `return 2 * x / g`\n    [differs] " in printed


def test_verify_shows_what_a_weak_check_lets_pass_and_a_call_that_tells_it(own, capsys):
    path = own / "exercises" / "t50" / "square.py"
    ones = 'require((square_vjp(np.ones(size), np.ones(size), np.ones(size)) == 2).all(), "differs", "it should be 2")'
    weak = re.sub(r"tell\(diagnose.*", ones, path.read_text(encoding="utf-8"))
    weak = re.sub(r'@exercise.mutant\("missing.*?(?=@)', "", weak, flags=re.DOTALL)
    path.write_text(weak.replace("HINTS = (\n", 'HINTS = (\n    "One more.",\n'), encoding="utf-8")
    code, printed = verify(ID, capsys)
    assert code == 1
    assert "lacks: it has 4 hints; students are told that there are 3" in printed
    assert "lacks: it has 1 known mistakes; give 2 or more" in printed
    change = re.escape("passes: `return 2 * x * g` -> `return 2 * x / g`\n    if it may be called so, check that ")
    told = re.search(rf"{change}(.*)", printed)
    assert re.match(r"square_vjp\(g=.*, y=.*, x=.*\) gives .*; this gives ", told[1])


RATE = '''"""A factor

Write `factor(rate)`: what is left after a loss at this rate.
"""

from tinygrad_lora.learn.authoring import Exercise, require

exercise = Exercise("50-rate", __doc__, kind="N", hints=["Take it away."] * 3)


@exercise.reference
def factor(rate):
    """What is left of 1."""
    return 1 - rate


@exercise.check()
def test_it_is_small(factor):
    for rate in (0.1, 0.2, 0.4):
        got = factor(rate)
        CHECK


@exercise.mutant("wrong")
def all_of_it(rate):
    return 1.0


@exercise.mutant("wrong")
def more_than_all(rate):
    return 1.0 + rate
'''


@pytest.mark.parametrize(("check", "titles"), [
    ('require(0.5 < got < 1, "wrong", "no")', "`return 0.9`, `return 0.6`, 0.8 for each number of the result"),
    ('require(got < 1, "wrong", "no")', "`return rate`, `return 0.9`, `return 0.6`, 0 for each number of the result, "),
    ('require(got != 1 and got != 1 + rate, "wrong", "no")', "`return rate`, `return None`, `return 0.9`, "),
    ('require(got == 1 - rate, "wrong", "no")', ""),
])  # fmt: skip
def test_verify_finds_constants_and_arguments_that_earn_a_point(own, capsys, check, titles):
    (own / "exercises" / "t50" / "rate.py").write_text(RATE.replace("CHECK", check), encoding="utf-8")
    registry.exercise_modules.cache_clear()
    code, printed = verify("50-rate", capsys)
    assert code == bool(titles)
    assert ("nonsense: 'it is small' (1 point) accepts " in printed) == bool(titles) and titles in printed
    if titles:
        assert re.search(r"check that factor\(rate=0\.\d\) gives 0\.\d; this gives ", printed)


def test_nonsense_is_tried_for_all_functions_of_an_exercise_together(own):
    """Whatever they give: a number, an array with NaN, a list. Nothing of it stops the command."""
    second = "\n\n@exercise.reference\ndef halves(x, y):\n    return [x * 0.5, np.array([np.nan, y]), 3]\n"
    check = "halves(got, rate)\n        require(type(got) is float, 'wrong', 'no')"
    text = RATE.replace("CHECK", check).replace("small(factor)", "small(factor, halves)")
    text = text.replace("from tiny", "import numpy as np\nfrom tiny")
    text = text.replace("    return 1 - rate\n", f"    return 1 - rate\n{second}", 1)
    text = re.sub(r"@exercise.mutant.*", "", text, flags=re.DOTALL)
    (own / "exercises" / "t50" / "rate.py").write_text(text, encoding="utf-8")
    registry.exercise_modules.cache_clear()
    titles = [title for _, title, _ in accepted_nonsense(load_exercise("50-rate"))]
    assert titles[0] == "`return rate / x`" and "`return None / None`" not in titles
    assert titles[1].startswith("`return 0.9 / [") and titles[-1] == "0.8 for each number of the result"


@pytest.mark.parametrize("id", ["01-edges", "02-evaluate", "04-backward", "08-clip", "09-emit", "10-hvp"])
def test_no_constant_and_no_argument_earns_a_point_in_the_package(id):
    assert not [*accepted_nonsense(load_exercise(id))]


def test_verify_says_so_where_a_change_means_the_same(capsys):
    code, printed = verify("04-topo", capsys)
    assert code == 0 and "lacks" not in printed
    assert re.search(r"  passes: `seen.add.*\n    no difference in \d+ calls; perhaps it means the same", printed)


def test_a_mistake_with_another_name_than_promised_is_lacking(own):
    path = own / "exercises" / "t50" / "square.py"
    text = path.read_text(encoding="utf-8").replace('mutant("factor")', 'mutant("sign")')
    path.write_text(text.replace("return g * x + g * x", "return g * x"), encoding="utf-8")
    other, mistake = gates.shortcomings(load_exercise(ID))
    assert other.startswith("the other way fails. 'the rule is the chain rule' says: ")
    assert mistake == "the mistake forgets_the_two must get 'sign'; it gets 'factor'"


# --- Release ---


@pytest.fixture
def release(own, monkeypatch, capsys):
    """`release(...)` releases tutorial 50 into `students`, and gives the exit code and what was printed."""
    pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")
    monkeypatch.setattr(release_command, "COURSE", own)

    def run(*options):
        registry.exercise_modules.cache_clear()
        forget(exercises)
        code = main(["course", "release", "students", "--tutorials", "50", *options])
        return code, "".join(capsys.readouterr())

    return run


def edited(path, change):
    """Changes the cells of a notebook, and writes it as Jupyter would."""
    book = json.loads(path.read_text(encoding="utf-8"))
    change(book)
    path.write_text(json.dumps(book, indent=1) + "\n", encoding="utf-8")


def test_a_notebook_that_somebody_has_written_into_is_kept_and_named(own, release):
    path, exercise = own / "students" / "50_square.ipynb", own / "exercises" / "t50" / "square.py"
    assert release() == (0, "students/50_square.ipynb\n")
    for change in (
        lambda book: book["cells"][0].update(source=["# 50 · Mine\n"]),
        lambda book: book["cells"].pop(),
        lambda book: book["cells"].append({"cell_type": "code", "source": [], "metadata": {}, "outputs": []}),
        lambda book: next(c for c in book["cells"] if c["id"] == f"{ID}-answer").update(source="def square_vjp(): 1"),
        lambda book: book["metadata"].pop("tinygrad_lora"),
    ):  # fmt: skip
        edited(path, change)
        exercise.write_text(exercise.read_text(encoding="utf-8") + "\n# newer\n", encoding="utf-8")
        source = (own / "50_square.py").read_text(encoding="utf-8")
        (own / "50_square.py").write_text(source.replace(" what you", " again what you"), encoding="utf-8")
        before = path.read_text(encoding="utf-8")
        code, printed = release()
        assert code == 1 and "kept: students/50_square.ipynb is not as it was released; --force" in printed
        assert path.read_text(encoding="utf-8") == before and release("--check")[0] == 1
        assert (own / "students" / "exercises" / "t50" / "square.py").read_text("utf-8").endswith("# newer\n")
        assert release("--format", "instructor", "--no-execute")[0] == 1, "solutions do not replace it, either"
        assert path.read_text(encoding="utf-8") == before
        assert release("--force")[0] == 0 == release("--check")[0]


def test_a_notebook_that_was_run_and_saved_is_replaced(own, release):
    path = own / "students" / "50_square.ipynb"
    assert release()[0] == 0

    def save(book):
        book["metadata"]["language_info"]["version"] = "3.12.1"
        for number, cell in enumerate(book["cells"]):
            cell["metadata"]["trusted"] = True
            if cell["cell_type"] == "code":
                printed = {"output_type": "stream", "name": "stdout", "text": "1"}
                cell |= {"execution_count": number, "outputs": [printed]}
                book["cells"][number] = cell | {"source": "".join(cell["source"])}

    edited(path, save)
    exercise = own / "exercises" / "t50" / "square.py"
    exercise.write_text(exercise.read_text(encoding="utf-8").replace("points=2", "points=2 + 2"), encoding="utf-8")
    assert release() == (0, "students/50_square.ipynb\n") and "(5 points)" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "text", "sentence"), [
    ("t50/const.py", "def f(:\n", "t50/const.py, line 1: the exercise cannot be loaded. SyntaxError"),
    ("t51/const.py", "exercise = None\n", "const.py must define `exercise = Exercise('51-const', ...)`"),
    ("t50/cube.py", "@exercise.reference -> ", "50-cube has no solution so far"),
    ("t50/cube.py", "return 2 * x * g -> return x * g", "50-cube: its own solution fails."),
    ("t50/_predictions.py", "1 +\n", "t50/_predictions.py, line 1: the file of questions cannot be loaded. Syntax"),
    ("t50/cube.py", "cube_vjp -> square_vjp", "t50/cube.py and t50/square.py both ask for 'square_vjp'"),
    ("t51/cube.py", "cube_vjp -> square_vjp", ""),  # in another notebook
])  # fmt: skip
def test_a_release_tries_every_exercise_of_the_course(own, release, capsys, file, text, sentence):
    if file.endswith("cube.py"):
        old, _, new = text.partition(" -> ")
        begin.new_exercise("cube", int(file[1:3]))
        (own / "50_square.py").write_text("# %% [markdown]\n# # 50 · Square\n", encoding="utf-8")
        text = (own / "exercises" / file).read_text(encoding="utf-8").replace(old, new)
    (own / "exercises" / file).parent.mkdir(exist_ok=True)
    (own / "exercises" / file).write_text(text, encoding="utf-8")
    code, printed = release()
    assert code == (2 if sentence else 0) and sentence in printed
    assert (own / "students").exists() == (not sentence)


@pytest.mark.parametrize("command", ["course verify 50-square", "course verify 50", "grade handed --exercises 50"])
def test_two_exercises_of_one_tutorial_that_ask_for_one_name_are_refused(own, command, capsys):
    begin.new_exercise("alpha")
    path = own / "exercises" / "t50" / "alpha.py"
    path.write_text(path.read_text(encoding="utf-8").replace("alpha_vjp", "square_vjp"), encoding="utf-8")
    registry.exercise_modules.cache_clear()
    (own / "handed").mkdir()
    (own / "handed" / "ada.py").write_text("", encoding="utf-8")
    assert main(command.split()) == 2
    sentence = "t50/alpha.py and t50/square.py both ask for 'square_vjp', and a notebook has one of that name: rename"
    assert sentence in capsys.readouterr().err


def test_an_instructors_notebook_of_ones_own_ends_with_notes(own, release):
    release("--format", "instructor", "--no-execute")
    last = json.loads((own / "students" / "50_square.ipynb").read_text(encoding="utf-8"))["cells"][-1]
    notes = "".join(last["source"])
    assert last["cell_type"] == "markdown" and "| `50-square`: The backward rule of the square | 3 |" in notes
    assert "\n\n3 points in 50 minutes. Likely mistakes, by their " in notes
    assert "* `missing-upstream` in `50-square`: forgets what flows in\n* `factor` in `50-square`: forgets" in notes
    with (own / "50_square.py").open("a", encoding="utf-8") as file:
        file.write("\n# %% [markdown] instructor=true\n# Notes of my own.\n")
    release("--format", "instructor", "--no-execute", "--force")
    written = (own / "students" / "50_square.ipynb").read_text(encoding="utf-8")
    assert "Notes of my own" in written and "Likely mistakes" not in written
    release("--force")
    assert "Likely mistakes" not in (own / "students" / "50_square.ipynb").read_text(encoding="utf-8")


STOLEN = """
def stolen():
    import importlib, os
    from tinygrad_lora.learn import load_exercise, reference
    import tinygrad_lora.learn.exercises as e
    yield lambda: reference("50-square")
    yield lambda: load_exercise("50-square").references["square_vjp"]
    yield lambda: importlib.import_module("tinygrad_lora.learn.exercises.t50.square").square_vjp
    yield lambda: exec(open(FILE).read(), names) or names["square_vjp"]
    yield lambda: (os.chdir(FOLDER), exec(open("exercises/t50/square.py").read(), names)) and names["square_vjp"]
    e.__path__.append(FOLDER + "/exercises")
    yield lambda: importlib.import_module(e.__name__ + ".t50.square").square_vjp

names = {"__name__": "tinygrad_lora.learn.exercises.t50.square"}
found = []
for attempt in stolen():
    try:
        square_vjp = attempt()
        found.append(square_vjp)
    except BaseException:
        pass
print(found)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the limits are those of POSIX")
@pytest.mark.parametrize("trusted", [False, True])
def test_a_submission_reaches_no_solution_of_ones_own(own, trusted):
    if not trusted:
        need_sandbox()
    path = own / "exercises" / "t50" / "square.py"
    source = STOLEN.replace("FILE", repr(str(path))).replace("FOLDER", repr(str(own)))
    job = {"exercises": [ID], **vars(settings(budget=5, trusted=trusted))}
    worker = GradingWorker()
    try:
        thief = worker.judge(job | {"cells": [["cell 1", source]]})
        right = worker.judge(job | {"cells": [["cell 1", load_exercise(ID).solution]]})
        assert thief["points"] == 0 and {one["diagnosis"] for one in thief["results"]} == {NOT_STARTED}, thief
        assert right["points"] == right["out_of"] == 3
        gone = worker.judge({**job, "course": ["/no/such/folder", "0"], "cells": []})
        assert gone["failed"] == "/no/such/folder, the folder of your exercises, is not on the machine that grades"
    finally:
        worker.close()
    assert exposing(own) is None and exposing(Path(sys.prefix, "course"))


def test_a_course_among_the_submissions_is_refused(own, capsys):
    """A student can hand in a file called course.toml, and exercises: they are not to run where the teacher grades."""
    (own / "ada.py").write_text("", encoding="utf-8")
    more = ["--exercises", "04-twice", "--out", str(own.parent / "out"), *flags()]
    assert main(["grade", ".", *more]) == main(["grade", "..", *more]) == 2
    told = capsys.readouterr().err
    assert told.count("course.toml lies among the submissions: grade from the folder of your own course") == 2
    assert not (own.parent / "out" / "results.csv").exists()


# --- The guide ---


@pytest.fixture
def typed(tmp_path):
    """A function that types lines into a shell, in an empty folder, and gives what they print."""
    script = tmp_path / "bin" / "tinygrad-lora"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tinygrad_lora "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    folder = tmp_path / "course"
    folder.mkdir()
    environment = os.environ | {
        "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "TINYGRAD_LORA_PROGRESS": str(tmp_path / "progress.jsonl"),
    }  # fmt: skip

    def run(lines, code=0):
        done = subprocess.run(["sh", "-e"], input=lines, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    run.folder = folder
    return run


def answered(notebook, answer):
    """The notebook of a student who has written this into the place of the answer."""
    whole = json.loads(notebook)
    (cell,) = (cell for cell in whole["cells"] if cell["id"] == f"{ID}-answer")
    cell["source"] = answer
    return json.dumps(whole)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the guide is typed into a shell")
def test_the_guide_for_teachers_works_from_zero(typed):
    pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")
    begin_it, release, verify, grade = GUIDE
    assert "exercises/t50/square.py" in typed(begin_it)
    printed = typed(release)
    assert "50-square  The backward rule of the square  (3 points)" in printed and "students/50_square.ipynb" in printed
    assert "50   0 of 3  points  50 min  Square" in printed
    assert "15 changes of its solution" in typed(verify)
    students = typed.folder / "students"
    assert (students / "exercises" / "t50" / "square.py").is_file() and (students / "01_a_single_node.ipynb").is_file()

    blank = (students / "50_square.ipynb").read_text(encoding="utf-8")
    assert "2 * x * g" not in blank and "Exercise 50-square" in blank
    answers = {
        "ada": "def square_vjp(g, y, x):\n    return g * (x + x)", "bob": "def square_vjp(g, y, x):\n    return 2 * x",
    }  # fmt: skip
    (typed.folder / "submissions").mkdir()
    for name, text in {"cyd": blank, **{who: answered(blank, text) for who, text in answers.items()}}.items():
        (typed.folder / "submissions" / f"{name}.ipynb").write_text(text, encoding="utf-8")

    graded = grade.strip() + "".join(f" {flag}" for flag in flags())
    assert "1.0 of 3 points" in typed(graded)
    assert points(typed.folder) == {"ada": 3, "bob": 0, "cyd": 0}
    report = (typed.folder / "grades" / "report.html").read_text(encoding="utf-8")
    assert "The backward rule of the square" in report and "missing-upstream" in report
    feedback = (typed.folder / "grades" / "feedback" / "bob.html").read_text(encoding="utf-8")
    assert "the chain rule multiplies by g" in feedback

    exercise = typed.folder / "exercises" / "t50" / "square.py"
    exercise.write_text(exercise.read_text(encoding="utf-8").replace("points=2", "points=2 + 2"), encoding="utf-8")
    up_to_date = "tinygrad-lora course release students --tutorials 01,50 --check"
    assert up_to_date in " ".join(PAGE.split())
    typed(up_to_date, code=1)
    typed(release)
    assert "are up to date" in typed(up_to_date) and "(5 points)" in (students / "50_square.ipynb").read_text("utf-8")
    exercise.write_text(exercise.read_text(encoding="utf-8") + "\n# no notebook shows this\n", encoding="utf-8")
    typed(up_to_date, code=1)
    typed(release)
    typed(graded)
    assert points(typed.folder) == {"ada": 5, "bob": 0, "cyd": 0}

    wrong = exercise.read_text(encoding="utf-8").replace("return 2 * x * g\n", "return 2 * x + g\n")
    exercise.write_text(wrong, encoding="utf-8")
    assert "50-square: its own solution fails" in typed(release, code=2)
    assert "nothing was graded" in typed(graded, code=2)


def points(folder):
    """The points of each student in the table."""
    with open(folder / "grades" / "results.csv", encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    return {name: sum(int(r["points"]) for r in rows if r["student"] == name) for name in {r["student"] for r in rows}}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the guide is typed into a shell")
def test_an_instructors_notebook_of_ones_own_is_run(typed):
    for library in ("jupytext", "nbclient", "ipykernel"):
        pytest.importorskip(library, reason=f"running notebooks needs {library}")
    typed(GUIDE[0])
    typed("tinygrad-lora course release mine --tutorials 50 --format instructor")
    whole = json.loads((typed.folder / "mine" / "50_square.ipynb").read_text(encoding="utf-8"))
    assert "3 of 3 points" in json.dumps(whole)
