"""Notebooks from the sources of tutorials: for students, for instructors, for nbgrader and for Otter."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import TutorialError
from tinygrad_lora.learn import load_exercise
from tinygrad_lora.learn.release import graders, notebook
from tinygrad_lora.learn.release.source import read_cells
from tinygrad_lora.learn.tutorials import Tutorial, heading_of

SOURCE = """# ---
# jupyter:
#   kernelspec:
#     name: python3
#     display_name: Python 3
#     language: python
# ---

# %% [markdown]
# # 01 · A short one
# *Outcome: you know what a cell is · 5 minutes*

# %% instructor=true
from tinygrad_lora.learn import reference

# %%
import tinygrad_lora as tl

# %% exercise="01-count-nodes"
count_nodes = reference("01-count-nodes")

# %% exercise="01-values"
values = reference("01-values")

# %% [markdown] instructor=true
# Only for those who teach.
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "tutorials" / "01_short.py"
    path.parent.mkdir()
    path.write_text(SOURCE, encoding="utf-8")
    return path


def cells_of(text):
    return json.loads(text)["cells"]


def texts(text, role=None):
    marks = [
        (cell["metadata"].get("tinygrad_lora", {}).get("role"), "".join(cell["source"])) for cell in cells_of(text)
    ]
    return [body for marked, body in marks if role is None or marked == role]


def namespace_after(text):
    names = {}
    for cell in cells_of(text):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "<cell>", "exec"), names)
    return names


def test_a_student_gets_tasks_stubs_and_checks_and_no_solution(source):
    made = notebook.student(read_cells(source))
    assert "Only for those who teach" not in made and "BEGIN SOLUTION" not in made and "reference" not in made
    assert texts(made, "task")[0].startswith("### Exercise 01-count-nodes: ")
    assert load_exercise("01-count-nodes").prompt in texts(made, "task")[0]
    assert "NotImplementedError" in texts(made, "answer")[0] and "..." in texts(made, "answer")[1]
    assert texts(made, "check") == ['check("01-count-nodes", count_nodes)', 'check("01-values", values)']


def test_a_students_notebook_runs_from_top_to_bottom_before_anything_is_written(source, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    names = namespace_after(notebook.student(read_cells(source)))
    assert not names["check"]("01-values", names["values"]).started


def test_an_instructor_gets_everything_and_it_is_right(source, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    made = notebook.instructor(read_cells(source))
    assert "Only for those who teach" in made
    names = namespace_after(made)
    assert names["check"]("01-values", names["values"]).passed
    assert names["check"]("01-count-nodes", names["count_nodes"]).passed


def test_a_cell_imports_what_its_answer_needs():
    exercise = load_exercise("12-ship")
    answer = notebook.in_three(exercise, exercise.stub)[1].text
    assert answer.startswith("import copy\n") and "import numpy" not in answer
    exercise = load_exercise("01-values")
    assert "import" not in notebook.in_three(exercise, exercise.stub)[1].text


def test_a_notebook_is_a_valid_one_and_the_same_every_time(source):
    nbformat = pytest.importorskip("nbformat")
    made = notebook.student(read_cells(source))
    nbformat.validate(nbformat.reads(made, as_version=4))
    assert made == notebook.student(read_cells(source))
    ids = [cell["id"] for cell in cells_of(made)]
    assert len(set(ids)) == len(ids) and "01-values-answer" in ids


def test_a_mark_that_means_nothing_is_refused(source):
    source.write_text(SOURCE.replace("instructor=true", "instructer=true"), encoding="utf-8")
    with pytest.raises(TutorialError, match="instructer"):
        read_cells(source)


def test_a_tutorial_without_its_heading_is_refused():
    with pytest.raises(TutorialError, match="Outcome"):
        heading_of("# Some title")


def test_the_command_writes_notebooks_and_knows_when_they_are_old(source, tmp_path, capsys):
    release = ["course", "release", str(tmp_path / "out"), "--source", str(source.parent)]
    assert cli.main([*release, "--check"]) == 1
    assert cli.main(release) == 0
    assert cli.main([*release, "--check"]) == 0
    capsys.readouterr()
    assert cli.main([*release, "--tutorials", "7"]) == 2
    assert "there is no tutorial 07; there are 01" in capsys.readouterr().err


def test_the_copy_that_a_student_works_in_is_never_replaced(source, tmp_path):
    path = tmp_path / "01_short.ipynb"
    path.write_text(notebook.student(read_cells(source)), encoding="utf-8")
    one = Tutorial(path)
    assert (one.number, one.heading.title, one.heading.minutes) == ("01", "A short one", 5)
    assert one.exercises == ["01-count-nodes", "01-values"]
    mine = one.copy_to(tmp_path / "mine")
    mine.write_text("my work", encoding="utf-8")
    assert one.copy_to(tmp_path / "mine") == mine and mine.read_text(encoding="utf-8") == "my work"
    fresh = one.copy_to(tmp_path / "mine", fresh=True)
    assert fresh.name == "01_short_2.ipynb" and fresh.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
    assert mine.read_text(encoding="utf-8") == "my work"


# --- Instructors' notebooks ---


def release_to_instructors(source, folder, *options):
    wanted = ["course", "release", str(folder), "--source", str(source.parent), "--format", "instructor"]
    return cli.main([*wanted, *options])


def test_an_instructors_notebook_needs_no_kernel_where_it_is_not_run(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbclient", None)
    assert release_to_instructors(source, tmp_path) == 2
    assert 'pip install "tinygrad-lora[notebook]"; --no-execute' in capsys.readouterr().err
    assert not (tmp_path / "01_short.ipynb").exists()
    assert release_to_instructors(source, tmp_path, "--no-execute") == 0
    assert not any(cell.get("outputs") for cell in cells_of((tmp_path / "01_short.ipynb").read_text(encoding="utf-8")))


def test_solutions_do_not_replace_what_students_get_and_the_other_way_around(source, tmp_path, capsys):
    students = ["course", "release", str(tmp_path), "--source", str(source.parent)]
    assert cli.main(students) == cli.main(students) == 0
    path = tmp_path / "01_short.ipynb"
    before = path.read_text(encoding="utf-8")
    assert release_to_instructors(source, tmp_path, "--no-execute") == 2
    assert "is a notebook of the format student: choose another folder" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == before
    assert release_to_instructors(source, tmp_path / "mine", "--no-execute") == 0
    assert cli.main([*students[:2], str(tmp_path / "mine"), *students[3:]]) == 2
    assert cli.main([*students, "--no-execute"]) == 2 and "is for --format instructor" in capsys.readouterr().err


@pytest.mark.slow
def test_an_instructors_notebook_shows_what_its_cells_print(source, tmp_path):
    for library in ("nbclient", "ipykernel"):
        pytest.importorskip(library, reason=f"running notebooks needs {library}")
    source.write_text(SOURCE + '\n# %%\nprint("three", 1 + 2)\n', encoding="utf-8")
    command = ["-m", "tinygrad_lora", "course", "release", "out", "--source", "tutorials", "--format", "instructor"]
    printed = run(*command, cwd=tmp_path)
    assert "Running 1 notebook," in printed and "1 of 1" in printed
    path = tmp_path / "out" / "01_short.ipynb"
    outputs = [output for cell in cells_of(path.read_text(encoding="utf-8")) for output in cell.get("outputs", [])]
    shown = "".join(line for output in outputs for line in output.get("text", output.get("data", {}).get("text/plain")))
    assert "three 3" in shown and shown.count("points") >= 2
    assert not (tmp_path / "progress.jsonl").exists(), "the checks of the notebook are nobody's progress"
    assert "1 are up to date" in run(*command, "--check", cwd=tmp_path)
    source.write_text(SOURCE + "\n# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"01_short\.ipynb: a cell fails with ZeroDivisionError: division"):
        run(*command, cwd=tmp_path)


# --- The graders themselves ---


def run(*arguments, cwd):
    # Their own scripts call others by name, so the folder of this Python's scripts must be on the path.
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": os.pathsep.join([scripts, os.environ["PATH"]]), "PYTHONWARNINGS": "ignore"}
    environment |= {"TINYGRAD_LORA_PROGRESS": str(cwd / "progress.jsonl"), "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answered(text):
    """A notebook as a student hands it in who knows everything: each answer is the reference."""
    whole = json.loads(text)
    for cell in whole["cells"]:
        exercise = re.match(r"def count_nodes|values = |\.\.\.", "".join(cell["source"]))
        if cell["cell_type"] == "code" and (exercise or "NotImplementedError" in "".join(cell["source"])):
            id = "01-count-nodes" if "def count_nodes" in "".join(cell["source"]) else "01-values"
            cell["source"] = load_exercise(id).solution
    return json.dumps(whole)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nbgrader", path=str(Path(sys.executable).parent)) is None, reason="needs nbgrader")
def test_nbgrader_gives_full_marks_to_the_reference_and_zero_to_the_stub(source, tmp_path):
    made = graders.for_nbgrader(read_cells(source))
    (tmp_path / "source" / "01_short").mkdir(parents=True)
    (tmp_path / "source" / "01_short" / "01_short.ipynb").write_text(made, encoding="utf-8")
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'c'\n")
    nb = ["-m", "nbgrader"]
    run(*nb, "generate_assignment", "01_short", cwd=tmp_path)
    released = (tmp_path / "release" / "01_short" / "01_short.ipynb").read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in released
    for who, text in {"stub": released, "reference": answered(released)}.items():
        folder = tmp_path / "submitted" / who / "01_short"
        folder.mkdir(parents=True)
        (folder / "01_short.ipynb").write_text(text, encoding="utf-8")
    run(*nb, "autograde", "01_short", cwd=tmp_path)
    run(*nb, "export", cwd=tmp_path)
    rows = (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()
    columns = rows[0].split(",")
    scores = {row.split(",")[columns.index("student_id")]: row.split(",") for row in rows[1:]}
    points = float(scores["reference"][columns.index("max_score")])
    assert points == sum(load_exercise(id).points for id in ("01-count-nodes", "01-values"))
    assert float(scores["reference"][columns.index("score")]) == points
    assert float(scores["stub"][columns.index("score")]) == 0


@pytest.mark.long
@pytest.mark.skipif(shutil.which("otter", path=str(Path(sys.executable).parent)) is None, reason="needs otter-grader")
def test_otter_gives_full_marks_to_the_reference_and_zero_to_the_stub(source, tmp_path):
    path = tmp_path / "01_short.ipynb"
    path.write_text(graders.for_otter(read_cells(source)), encoding="utf-8")
    run("-m", "otter", "assign", "01_short.ipynb", "dist", "--no-run-tests", cwd=tmp_path)
    (autograder,) = (tmp_path / "dist" / "autograder").glob("*.zip")
    released = (tmp_path / "dist" / "student" / "01_short.ipynb").read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in released
    points = sum(load_exercise(id).points for id in ("01-count-nodes", "01-values"))
    for text, wanted in ((released, 0), ((tmp_path / "dist" / "autograder" / "01_short.ipynb").read_text(), points)):
        folder = tmp_path / f"run{wanted}"
        folder.mkdir()
        (folder / "01_short.ipynb").write_text(text, encoding="utf-8")
        run("-m", "otter", "run", "01_short.ipynb", "-a", str(autograder), cwd=folder)
        results = json.loads((folder / "results.json").read_text())
        assert sum(test["score"] for test in results["tests"] if "score" in test) == wanted
