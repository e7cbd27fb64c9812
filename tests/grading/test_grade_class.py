"""Grading a class: what counts as a submission, the grader's check of itself, going on after a stop, and the files."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from held import flags, settings

from tinygrad_lora.commands import main as cli
from tinygrad_lora.commands.grade import seed_of
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading import grading
from tinygrad_lora.grading.exports import gradescope, nbgrader, table, write_all
from tinygrad_lora.grading.grading import chosen, empty, grade_all, job_of, key, self_check, working
from tinygrad_lora.grading.judge import defined
from tinygrad_lora.grading.page import class_page, feedback_page
from tinygrad_lora.grading.predictions import answered
from tinygrad_lora.grading.submissions import files_of, read, statements, submissions
from tinygrad_lora.learn import exercise_ids, load_exercise
from tinygrad_lora.learn.predictions.prediction import predictions_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the limits are those of POSIX")

IDS = ["04-twice", "05-unbroadcast"]
RIGHT = "import numpy as np\n" + "\n\n".join(load_exercise(id).solution for id in IDS)
HALF = load_exercise(IDS[0]).solution
POINTS = sum(load_exercise(id).points for id in IDS)
WRONG = "def unbroadcast(g, shape):\n    return g.sum(axis=tuple(range(g.ndim - len(shape))))\n"


@pytest.fixture(scope="module")
def submit():
    with working(1) as made:
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    for name, source in {"ada": RIGHT, "bob": HALF, "=eve": WRONG, "dan": ""}.items():
        (made / f"{name}.py").write_text(source, encoding="utf-8")
    return made


def graded(folder, kept, submit, ids=IDS):
    return {one.name: (result, before) for one, result, before in
            grade_all(submissions(folder), ids, settings(budget=5), kept, submit)}  # fmt: skip


def test_submissions_are_files_folders_and_what_nbgrader_collects(tmp_path):
    for path in ("ada.ipynb", "bob/one.py", "bob/deep/two.ipynb", "bob/.hidden/x.py", "notes.txt",
                 "__MACOSX/._ada.ipynb", "__MACOSX/bob/x.py", "__pycache__/x.py"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x = 1", encoding="utf-8")
    paths_by_student = {one.name: [path.name for path in one.paths] for one in submissions(tmp_path)}
    assert paths_by_student == {"ada": ["ada.ipynb"], "bob": ["two.ipynb", "one.py"]}
    path = tmp_path / "course" / "submitted" / "carl" / "week4" / "a.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("{}", encoding="utf-8")
    assert [one.name for one in submissions(tmp_path / "course")] == ["carl"]
    assert [one.name for one in submissions(tmp_path, tmp_path / "course")] == ["ada", "bob"]
    (tmp_path / "ADA.py").write_text("", encoding="utf-8")
    with pytest.raises(ExerciseError, match="two submissions"):
        submissions(tmp_path)
    with pytest.raises(ExerciseError, match="no folder"):
        submissions(tmp_path / "none")


def test_a_link_is_named_and_not_followed(tmp_path):
    outside = tmp_path / "outside"
    for path in (outside / "one.py", tmp_path / "in" / "bob" / "two.py"):
        path.parent.mkdir(parents=True)
        path.write_text("x = 1", encoding="utf-8")
    (tmp_path / "in" / "eve.py").symlink_to(outside / "one.py")
    (tmp_path / "in" / "mallory").symlink_to(outside)
    (tmp_path / "in" / "nowhere.ipynb").symlink_to(tmp_path / "none")
    (tmp_path / "in" / "notes.txt").symlink_to(outside / "one.py")
    (tmp_path / "in" / "bob" / "week").symlink_to(outside)
    (tmp_path / "in" / "grades").symlink_to(tmp_path / "out")
    (tmp_path / "out").mkdir()
    files = {one.name: files_of([Path(path) for path in job_of(one, IDS, settings())["paths"]])
             for one in submissions(tmp_path / "in", tmp_path / "out")}  # fmt: skip
    why = "this is a link, and links are not followed: hand in the file itself"
    assert {name: notes for name, (_, notes) in files.items()} == {
        "bob": [f"week: {why}"], "eve": [f"eve.py: {why}"], "mallory": [f"mallory: {why}"],
        "nowhere": [f"nowhere.ipynb: {why}"],
    }  # fmt: skip
    assert [len(own) for own, _ in files.values()] == [1, 0, 0, 0]


def test_magics_keep_their_lines_and_checks_are_left_out(tmp_path):
    cells = [
        {"cell_type": "code", "source": "%time\nx = 1\ny?\nz = 5 % 3", "metadata": {}},
        {"cell_type": "code", "source": "check()", "metadata": {"tinygrad_lora": {"role": "check"}}},
        {"cell_type": "code", "source": "check()", "metadata": {"nbgrader": {"grade": True, "solution": False}}},
        {"cell_type": "markdown", "source": "x"},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert read(path) == ([("cell 1", "pass  # %time\nx = 1\npass  # y?\nz = 5 % 3")], [])


def test_exercises_are_chosen_by_tutorial_and_by_id():
    assert chosen("04-topo, 05-unbroadcast,04-topo") == ["04-topo", "05-unbroadcast"]
    assert set(chosen("04")) >= {"04-topo", "04-backward"} and all(id.startswith("04-") for id in chosen("04"))
    for wrong in ("99", "04-tpo", ""):
        with pytest.raises(ExerciseError):
            chosen(wrong)


def test_the_grader_refuses_to_start_if_its_own_answers_fail(submit, monkeypatch):
    self_check(["04-twice"], submit, settings(budget=5))
    monkeypatch.setattr(grading, "_KINDS", {"stub": "reference", "solution": "template"})
    own = grading._own
    monkeypatch.setattr(grading, "_own", lambda exercise, kind, settings: own(exercise, "stub", settings))
    with pytest.raises(ExerciseError, match=r"(?s)nothing was graded.*04-twice: the template gets 0 of 2 points"):
        self_check(["04-twice"], submit, settings(budget=5))


def test_scores_are_right_and_kept(folder, tmp_path, submit):
    first = graded(folder, tmp_path / "kept", submit)
    assert {name: result["points"] for name, (result, _) in first.items()} == {
        "ada": POINTS, "bob": 2, "=eve": first["=eve"][0]["points"], "dan": 0}  # fmt: skip
    assert 0 <= first["=eve"][0]["points"] < POINTS - 2
    assert not any(before for _, before in first.values())
    (folder / "bob.py").write_text(RIGHT, encoding="utf-8")
    again = graded(folder, tmp_path / "kept", submit)
    assert {name for name, (_, before) in again.items() if not before} == {"bob"}
    assert again["bob"][0]["points"] == POINTS and again["ada"][0] == first["ada"][0]


def test_a_run_that_was_stopped_goes_on(folder, tmp_path, submit):
    run = grade_all(submissions(folder), IDS, settings(budget=5), tmp_path / "kept", submit)
    next(run), next(run)
    run.close()
    left = [before for _, before in graded(folder, tmp_path / "kept", submit).values()]
    assert sum(left) == 2
    for path in (tmp_path / "kept").iterdir():
        path.write_text(path.read_text(encoding="utf-8")[:20], encoding="utf-8")  # as a full disk leaves it
    assert not any(before for _, before in graded(folder, tmp_path / "kept", submit).values())


def test_the_key_is_that_of_contents_exercises_and_settings(folder):
    one, two = submissions(folder)[:2]
    keys = {key(one, IDS, settings()), key(two, IDS, settings()), key(one, IDS[:1], settings()),
            key(one, IDS, settings(seed=2))}  # fmt: skip
    assert len(keys) == 4 and key(one, IDS, settings()) in keys


def test_a_job_that_fails_is_told_and_not_kept(folder, tmp_path):
    class Failing:
        def result(self):
            return {"failed": "no memory"}

    results = list(grade_all(submissions(folder), IDS, settings(), tmp_path / "kept", lambda job: Failing(), iter))
    assert all(result["points"] == 0 and result["notes"] == ["no memory"] for _, result, _ in results)
    assert not (tmp_path / "kept").exists()


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.slow
def test_the_command_writes_every_file(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    (folder / "<script>alert(1)<&script>.py").write_text("", encoding="utf-8")
    arguments = [
        "grade",
        str(folder),
        "--exercises",
        ",".join(IDS),
        "--out",
        str(out),
        "-j",
        "1",
        "--budget",
        "5",
        *flags(),
    ]
    assert cli.main([*arguments, "--json", "--open"]) == 0
    assert addresses == [(out / "report.html").as_uri()]
    report = json.loads(capsys.readouterr().out)
    assert report["ada"]["points"] == POINTS
    rows = list(csv.DictReader((out / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 5 * sum(len(load_exercise(id).checks) for id in IDS)
    assert {row["student"] for row in rows} == {"'=eve", "ada", "bob", "dan", "<script>alert(1)<&script>"}
    grades = list(csv.DictReader((out / "nbgrader.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["student_id"]: row["score"] for row in grades}["ada"] == str(POINTS)
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["students"] == report
    scope = json.loads((out / "gradescope" / "ada" / "results.json").read_text(encoding="utf-8"))
    assert scope["score"] == sum(test["score"] for test in scope["tests"]) == POINTS
    report = (out / "report.html").read_text(encoding="utf-8")
    for path in [out / "report.html", *(out / "feedback").iterdir()]:
        page = Page(path.read_text(encoding="utf-8"))
        assert not page.open and "script" not in dict(page.tags), path
    feedback = (out / "feedback" / "=eve.html").read_text(encoding="utf-8")
    assert "axis" in feedback and "wrong" in feedback
    assert re.search(r"<strong>1 of 5</strong> 05-unbroadcast: <code>stretched-axis</code>", report)
    assert "not-started" not in report
    assert "Heat map of 2 exercises and 5 students" in report


@pytest.mark.slow
def test_the_seed_is_drawn_once_and_then_kept(folder, tmp_path, capsys):
    """The cases of a class are not known before it is graded, and a second run has the same."""
    (folder / "eve.py").write_text("", encoding="utf-8")
    seeds = []
    for name, more in (("a", []), ("a", ["--fresh"]), ("b", []), ("a", ["--seed", "7"])):
        out = tmp_path / name
        arguments = [
            "grade",
            str(folder),
            "--exercises",
            IDS[0],
            "--out",
            str(out),
            "-j",
            "1",
            "--budget",
            "3",
            *flags(),
        ]
        assert cli.main([*arguments, *more]) == 0
        seeds.append(json.loads((out / "results.json").read_text(encoding="utf-8"))["seed"])
        assert f"seed {seeds[-1]}" in " ".join(capsys.readouterr().out.split())
    assert seeds[0] == seeds[1] == seed_of(tmp_path / "a") != seeds[2] and seeds[3] == 7
    (tmp_path / "a" / "seed.txt").write_text("seven", encoding="utf-8")
    assert cli.main(["grade", str(folder), "--exercises", IDS[0], "--out", str(tmp_path / "a")]) == 2
    assert "must hold a number" in capsys.readouterr().err
    assert (tmp_path / "a" / "seed.txt").read_text(encoding="utf-8") == "seven"


def test_the_tables_say_what_they_must():
    result = empty(IDS, "why")
    assert result["out_of"] == POINTS and len(table({"a": result}).splitlines()) == 1 + len(result["results"])
    assert nbgrader({"a": result}, "04").splitlines()[1] == f"04,,,a,,,,0,0.0,0,{POINTS}"
    assert gradescope(result)["tests"][0]["status"] == "failed"


def test_the_class_report_names_nobody_in_its_examples():
    result = empty(IDS, "cannot open submissions/mallory/x.py")
    page = class_page({"mallory": result}, "04").partition("<h2>What goes wrong</h2>")[2].partition("<h2>")[0]
    assert "mallory" not in page and "STUDENT" in page
    assert "mallory" in feedback_page("mallory", result, "04")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.skipif(sys.getfilesystemencoding() == "ascii", reason="this Python knows files with ASCII names alone")
def test_odd_names_and_what_is_no_text_stop_nobody(tmp_path, submit):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    names = [b"caf\xe9", b"x" * 250, b"x" * 249 + b"y", b"new\nline", b"a\\b", "\u738b \u5c0f".encode(), b"100%?#"]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name + b".py"), "wb") as file:
            file.write(b"raise ValueError('\\udce9')\r\n")
    (folder / "nothing").mkdir()
    results = {name: result for name, (result, _) in graded(folder, tmp_path / "kept", submit).items()}
    assert len(results) == 8 and {"caf_xe9", "\u738b \u5c0f", "a_b", "nothing"} < set(results)
    assert results["nothing"]["notes"] == ["nothing was handed in: there is no .ipynb and no .py file"]
    write_all(out, results, "04", settings())
    assert len(list((out / "feedback").iterdir())) == len(list((out / "gradescope").iterdir())) == 8
    report = (out / "report.html").read_text(encoding="utf-8")
    for link in re.findall('href="(feedback/[^"]*)"', report):
        assert (out / unquote(link)).is_file()


def test_a_fresh_copy_of_a_notebook_does_not_undo_the_answer(tmp_path, submit):
    stub = load_exercise(IDS[1]).stub
    for name, files in {"ada": (RIGHT, stub), "bob": (stub, RIGHT), "dan": (stub, stub), "eve": (RIGHT, WRONG)}.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        for file, text in zip(("04.py", "04_2.py"), files, strict=True):
            (tmp_path / "in" / name / file).write_text(text, encoding="utf-8", newline="\r\n")
    results = {name: result for name, (result, _) in graded(tmp_path / "in", tmp_path / "kept", submit).items()}
    assert results["ada"]["points"] == results["bob"]["points"] == POINTS > results["eve"]["points"]
    assert {one["diagnosis"] for one in results["dan"]["results"]} == {"not-started"}


def test_two_notebooks_may_use_one_name(tmp_path, submit):
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    for id in IDS:
        other = load_exercise(IDS[id == IDS[0]]).names
        source = f"import numpy as np\n{load_exercise(id).solution}"
        answer = {"cell_type": "code", "id": f"{id}-answer", "source": source}
        spoils = {"cell_type": "code", "id": "x", "source": "".join(f"{name} = 3\n" for name in other)}
        (folder / f"{id}.ipynb").write_text(json.dumps({"cells": [answer, spoils]}), encoding="utf-8")
    ((result, _),) = graded(tmp_path / "in", tmp_path / "kept", submit).values()
    assert result["points"] == POINTS
    assert [one["exercise"] for one in result["results"]] == [id for id in IDS for _ in load_exercise(id).checks]


def test_each_python_file_is_a_program_of_its_own(tmp_path, submit):
    """Two files define a helper of one name, and `counterexample` is the name of an answer in 04 and in 10."""
    ids, folder = ["04-counterexample", "10-reuse"], tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    for id in ids:
        exercise = load_exercise(id)
        first, own = exercise.names[0], f"helper = {id!r}\n"
        wrapped = f"kept = {first}\ndef {first}(*given):\n    assert helper == {id!r}\n    return kept(*given)\n"
        source = "\n\n".join([exercise.preamble, exercise.solution, own, wrapped])
        (folder / f"{id}.py").write_text(source, encoding="utf-8")
    ((result, _),) = graded(tmp_path / "in", tmp_path / "kept", submit, ids).values()
    assert not [one["sentence"] for one in result["results"] if not one["passed"]]
    assert not result["notes"]


def test_the_names_of_one_exercise_may_stand_in_two_files(tmp_path, submit):
    """Then they share a namespace, as they must if they use each other."""
    exercise, folder = load_exercise("03-basic"), tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    for number, part in enumerate(exercise.solution.split("\n\n\n")):
        (folder / f"{number}.py").write_text(part, encoding="utf-8")
    (folder / "unrelated.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    ((result, _),) = graded(tmp_path / "in", tmp_path / "kept", submit, [exercise.id]).values()
    assert len(list(folder.iterdir())) == 4 and result["points"] == exercise.points and not result["notes"]


@pytest.mark.parametrize(
    ("text", "names", "others"),
    [
        ("async def f(a):\n    with using(c=a): pass\nd(e=1)\n", {"f"}, {"a", "c", "d", "e"}),
        ("class A(B): x: int = 3\nfirst, [second, *rest] = given", {"A", "first", "second", "rest"}, {"B", "given"}),
        ("from a.b import c as d\nimport e\nanswers['x'] = 3\nf.g = h", {"d", "e", "answers"}, {"g", "h"}),
    ],
)
def test_what_a_text_defines_is_read_from_its_lines(text, names, others):
    assert names <= defined(text) and not others & defined(text)


@pytest.mark.parametrize(("text", "lines"), [
    ('tl.f("a-1",1+x, (2,y))', ['tl . f ( "a-1" , 1 + x , ( 2 , y ) )']),
    ("f(1,\n  2)  # so\ng()", ["f ( 1 , 2 )", "g ( )"]),
    ('s = "f(\'a\', 1)"', ["s = ''"]), ("# f('a', 1)", []), ('"""\nf("a", 1)\n"""', ["''"]), ("f('a', 1", []),
    ("f('a', " + "(" * 10_000, []), ("f('\ud800')", ["f ( '' )"]),
    ("if x:\n f()", ["if x :", "f ( )"]),
])  # fmt: skip
def test_statements_are_read_from_tokens(text, lines):
    assert [line.strip() for line in statements(text).splitlines() if line.strip()] == lines


@pytest.mark.parametrize(("answer", "counts"), [
    ("3", True), ("True", True), ("(2, 3)", True), ("'b'", True), ("2 * n", True), ("np.exp(1)", True),
    ("k == 3", True), ("1e3", True), ("'unknown'", True), ("[i for i in (1, 2)]", True),
    ("round(2.5, ndigits=1)", True), ("answer=3", True), ("3, seed=4", True), ("n.unknown", True),
    ("...", False), ("None", False), ("seed=3", False), ("answer=...", False), ("", False), ("unknown", False),
    ("2 * unknown", False), ("unknown.n", False), ("unknown == 3", False), ("# 3\n", False),
])  # fmt: skip
def test_an_answer_is_one_if_its_names_are_defined(answer, counts):
    """The point is for having said something: a text about a question says nothing, and a cell that fails neither."""
    cells = [["1", "s = \"tl.predict('04-sum', 3)\""], ["2", f"tl.predict('04-paths', {answer})\nunknown_2 = 3"]]
    assert answered([{"cells": cells}], ["n", "k"]) == ({"04-paths"} if counts else set())


def test_many_answers_may_stand_in_one_statement():
    ids = [f"04-question-{i:02}" for i in range(40)]
    asked = ", ".join(f"predict({id!r}, n + {i})" for i, id in enumerate(ids))
    assert answered([{"cells": [["1", f"[{asked}]"]]}], ["n", "predict"]) == {*ids}


def test_a_capstone_is_not_graded():
    with pytest.raises(
        ExerciseError, match="capstone is not graded: `tinygrad-lora check capstone FILE`, and let people judge"
    ):
        chosen("04,capstone")


def asking(path, answers):
    """A notebook with only the questions of tutorial 04, answered as these texts say, by id."""
    text = (Path(__file__).parents[2] / "tutorials/04_order_and_accumulation.ipynb").read_text(encoding="utf-8")
    notebook, kept = json.loads(text), []
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("tinygrad_lora", {})
        if mark.get("role") == "predict":
            cell["source"] = "".join(cell["source"]).replace("...", answers.get(mark["prediction"], "..."))
            kept.append(cell)
    path.write_text(json.dumps(notebook | {"cells": kept}), encoding="utf-8")


def test_a_question_that_is_answered_is_a_point_if_the_teacher_says_so(folder, tmp_path, submit):
    questions = list(predictions_of("04"))
    for path in folder.iterdir():
        path.unlink()
    asking(folder / "all.ipynb", dict.fromkeys(questions, "12345"))  # wrong, and answered
    asking(folder / "one.ipynb", {questions[0]: "'b'", questions[1]: "None", questions[2]: "seed=3"})
    (folder / "text.py").write_text(f"# tl.predict('{questions[0]}', 3)\ntl.predict( '{questions[1]}' , [2, 3])\n")
    ids = ["04-twice", "04-diamond", "05-unbroadcast"]
    without = graded(folder, tmp_path / "kept", submit, ids)
    assert {result["points"] for result, _ in without.values()} == {0}
    counting, kept = settings(budget=5, predictions=True), tmp_path / "kept"
    run = grade_all(submissions(folder), ids, counting, kept, submit)
    results = {one.name: result for one, result, before in run if not before}
    assert {name: result["points"] for name, result in results.items()} == {
        "all": len(questions), "one": 1, "text": 1}  # fmt: skip
    expected = sum(load_exercise(id).points for id in ids) + len(questions) + len(predictions_of("05"))
    assert {result["out_of"] for result in results.values()} == {expected}
    again = grade_all(submissions(folder), ids, counting, kept, submit)
    assert all(before and result == results[one.name] for one, result, before in again)
    page, shown = class_page(results, "04"), feedback_page("one", results["one"], "04")
    assert "3 exercises" in page and "04-predictions" in page and "not-started" not in page
    assert f"04-predictions: Questions answered (1 of {len(questions)} points)" in shown
    assert f"{questions[0]} is answered" in shown and f"{questions[1]} is not answered" not in shown
    assert f"04-predictions,{questions[0]},True,1,1" in table(results)
    assert gradescope(results["all"])["score"] == len(questions)


@pytest.mark.slow
def test_the_command_counts_predictions_when_it_is_told_to(folder, tmp_path):
    asking(folder / "all.ipynb", dict.fromkeys(predictions_of("04"), "1"))
    more = ["--exercises", "04-twice", "--out", str(tmp_path / "out"), "--quiet", *flags()]
    for flag, points in (([], 0), (["--predictions"], len(predictions_of("04")))):
        assert cli.main(["grade", str(folder), *more, *flag]) == 0
        students = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["students"]
        assert students["all"]["points"] == points


def test_what_ends_every_exercise_is_told_once():
    result = empty(IDS, "it was killed")
    page = class_page({"mallory": result, "ada": result}, "04")
    assert page.count("<code>not-graded</code>") == 1 and "<strong>2 of 2</strong> any exercise" in page
    shown = feedback_page("ada", result, "04")
    repeated = sum(len(load_exercise(id).checks) - 1 for id in IDS)
    assert shown.count("the same mistake as above") == repeated > 0


def test_wrong_arguments_are_one_sentence(folder, tmp_path, capsys):
    assert cli.main(["grade", str(folder), "--exercises", "04-tpo", "--out", str(tmp_path / "o")]) == 2
    assert "04-topo" in capsys.readouterr().err
    assert cli.main(["grade", str(tmp_path / "none"), "--exercises", "04"]) == 2
    assert cli.main(["grade", str(folder), "--exercises", "04", "-j", "0"]) == 2
    assert cli.main(["grade", str(folder), "--exercises", "04", "--seed", "-1"]) == 2


def descendants(pid):
    """The processes that a process has started, and those that they have: on Linux, from what the kernel shows."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    descendants = {pid}
    while more := {child for child, parent in parents.items() if parent in descendants} - descendants:
        descendants |= more
    return descendants - {pid}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_run_that_is_interrupted_leaves_no_process(folder, tmp_path):
    (folder / "loop.py").write_text("def unbroadcast(g, shape):\n    while True: pass\n", encoding="utf-8")
    # What a shell starts in the background ignores a Ctrl-C, and so does all that this starts.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from tinygrad_lora.commands.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["grade", str(folder), "--exercises", IDS[1], "--out", str(tmp_path / "out"), "-j", "2", *flags()]
    running = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code, *arguments], env=running, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "out").glob("cache/*"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130 and "interrupted" in message
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(started) >= 4 * (sys.platform == "linux") and not any(map(alive, started))
    while list(tmp_path.glob("tinygrad-lora-grade-*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # the last to go removes its folder
    assert not list(tmp_path.glob("tinygrad-lora-grade-*"))


@pytest.mark.slow
def test_the_notebooks_with_all_answers_have_full_marks(tmp_path, submit):
    """What stands around an answer, or in another notebook, costs no points, and nothing in them is forbidden."""
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    for path in (Path(__file__).parents[2] / "tutorials").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            mark = cell["metadata"].get("tinygrad_lora", {})
            if mark.get("role") == "answer":
                exercise = load_exercise(mark["exercise"])
                cell["source"] = f"{exercise.imports}\n{exercise.solution}"
        (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    ((result, _),) = graded(tmp_path / "in", tmp_path / "kept", submit, exercise_ids()).values()
    assert not [(one["exercise"], one["sentence"]) for one in result["results"] if not one["passed"]]
    assert not result["notes"] and not result["refused"]


@pytest.mark.slow
def test_a_cluster_grades_the_same(folder, tmp_path, submit):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    from tinygrad_lora.grading import cluster

    here = graded(folder, tmp_path / "here", submit)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
        ) as local,
        cluster.working(local.scheduler_address) as there,
    ):
        self_check(IDS, there, settings(budget=5))
        results = grade_all(submissions(folder), IDS, settings(budget=5), tmp_path / "there", there,
                          cluster.as_completed, cluster.job_of)  # fmt: skip
        points = {one.name: result["points"] for one, result, _ in results}
    cluster._worker().close()
    cluster._worker.cache_clear()
    assert points == {name: result["points"] for name, (result, _) in here.items()}
