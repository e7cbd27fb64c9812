"""What a teacher switches off is off; what is kept about a student is what the page says; and nothing leaves."""

import getpass
import json
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")

import tinygrad_lora as tl
from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.learn import progress, registry, settings
from tinygrad_lora.learn.own import course
from tinygrad_lora.learn.predictions.prediction import predictions_of
from tinygrad_lora.learn.predictions.review import review
from tinygrad_lora.learn.progress import VARIABLE

FORMATS = ("student", "lab", "instructor", "nbgrader", "otter")


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress.jsonl"))


@pytest.fixture
def switched(tmp_path, monkeypatch):
    """`switched(text)`: as if Python were started in a folder whose file says this."""

    def switch(text):
        (tmp_path / course.MARK).write_text(text, encoding="utf-8")
        monkeypatch.setattr(course, "COURSE", tmp_path)

    return switch


def release(folder, *options):
    return cli.main(["course", "release", str(folder), "--tutorials", "4", *options])


def texts(folder):
    return "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.ipynb"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_release_without_predictions_has_none(format, tmp_path):
    quiet = ["--no-execute"] if format == "instructor" else []
    assert release(tmp_path / "with", "--format", format, *quiet) == 0
    assert release(tmp_path / "without", "--format", format, "--without", "predictions", *quiet) == 0
    questions = [one.question().text.splitlines()[0] for one in predictions_of("04").values()]
    before, after = (texts(tmp_path / name) for name in ("with", "without"))
    for question in questions:
        assert json.dumps(question, ensure_ascii=False)[1:-1] in before
        assert json.dumps(question, ensure_ascii=False)[1:-1] not in after
    assert "tl.predict(" in before and "tl.predict(" not in after
    assert not (tmp_path / "with" / course.MARK).exists()
    assert (tmp_path / "without" / course.MARK).read_text(encoding="utf-8").startswith('without = ["predictions"]\n')


def test_it_holds_for_whoever_works_in_that_folder(tmp_path):
    assert release(tmp_path / "class", "--without", "predictions,review") == 0
    (inner := tmp_path / "class" / "notes").mkdir()
    for command, said in {
        ("predict", "04"): "there is no prediction", ("predict", "04-paths", "24"): "there is no prediction",
        ("review",): "there is no review",
    }.items():  # fmt: skip
        done = run(*command, cwd=inner)
        assert done.returncode == 2 and said in done.stderr and course.MARK in done.stderr
    assert "predictions right" not in run("progress", cwd=inner).stdout
    assert "predictions right" in run("progress", cwd=tmp_path).stdout
    assert run("check", "04-topo", cwd=inner).returncode == 0


def run(*command, cwd):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    called = [sys.executable, "-m", "tinygrad_lora", *command]
    return subprocess.run(called, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_switching_on_again_leaves_the_rest_of_the_file(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / course.MARK).write_text('# Mine.\nwithout = [\n  "review",\n]  # all\n# more\n', encoding="utf-8")
    for options, line in {("--without", "review"): 'without = ["review"]\n', (): ""}.items():
        assert release(folder, *options) == 0
        assert (folder / course.MARK).read_text(encoding="utf-8") == f"{line}# Mine.\n# more\n"
    assert release(tmp_path / "usual") == 0 and not (tmp_path / "usual" / course.MARK).exists()


def test_each_part_is_switched_off_alone(switched, capsys):
    question = "04-paths"
    switched('without = ["predictions"]')
    with pytest.raises(ExerciseError, match=r"there is no prediction: .*course\.toml says so"):
        tl.predict(question, 24)
    assert tl.predict(question, seed=3).open and review() == [] and progress().predictions == {}
    switched('without = ["review"]')
    with pytest.raises(ExerciseError, match="there is no review"):
        review()
    with pytest.raises(ExerciseError, match="there is no review"):
        tl.predict(question, seed=3)
    assert tl.predict(question).open and question in progress().predictions
    switched("# nothing is off")
    assert tl.predict(question).open and review() == []


@pytest.mark.parametrize("text", ['without = "review"', 'without = ["points"]', "without = [", "without = 3", "\0"])
def test_a_line_that_says_something_else_is_refused(switched, text, capsys):
    switched(text)
    assert cli.main(["predict", "04"]) == 2
    assert course.MARK in capsys.readouterr().err
    with pytest.raises(ExerciseError):
        settings.switched_off()


@pytest.mark.parametrize(("text", "word", "nearest"), [
    ('withuot = ["predictions"]', "withuot", "without"), ('without = ["prediction"]', "prediction", "predictions"),
    ('without = ["reviews", "x"]', "reviews", "review"), ('without = ["review"]\ntitle = "x"', "title", "without"),
    ("without = [3]", 3, "review"),
])  # fmt: skip
@pytest.mark.parametrize("command", [
    "learn", "learn 04 --copy-only", "check 04-topo", "hint 04-topo", "progress", "predict 04", "review",
    "course verify 04-topo", "course release out --tutorials 04", "grade handed --exercises 04",
    "course handouts out --no-execute", "course new-exercise cube",
])  # fmt: skip
def test_what_the_file_cannot_say_is_refused_by_every_command(
    switched, tmp_path, monkeypatch, capsys, text, word, nearest, command,
):  # fmt: skip
    switched(text)
    monkeypatch.chdir(tmp_path)
    registry.exercise_modules.cache_clear()
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed" / "ada.py").write_text("", encoding="utf-8")
    try:
        assert cli.main(command.split()) == 2
    finally:
        registry.exercise_modules.cache_clear()
    assert f"course.toml: {word!r} means nothing there; perhaps {nearest!r}" in capsys.readouterr().err
    assert [path for path in sorted(tmp_path.rglob("*")) if "handed" not in path.parts] == before


def test_a_release_obeys_the_course_of_its_sources_and_not_the_folder_where_it_runs(tmp_path):
    sources = tmp_path / "sources"
    sources.mkdir()
    text = '# %% [markdown]\n# # 04 · Short\n\n# %% predict="04-paths"\n'
    (sources / "04_short.py").write_text(text, encoding="utf-8")
    off = '["predictions"]'
    for here, there, questions in (("", off, 0), (off, "", 1), (off, "[]", 1), (off, off, 0)):
        for folder, parts in ((tmp_path / "here", here), (sources, there)):
            folder.mkdir(exist_ok=True)
            (folder / course.MARK).unlink(missing_ok=True)
            if parts:
                (folder / course.MARK).write_text(f"without = {parts}\n", encoding="utf-8")
        done = run("course", "release", "out", "--source", "../sources", cwd=tmp_path / "here")
        assert done.returncode == 0, done.stderr
        assert texts(tmp_path / "here" / "out").count("tl.predict(") == questions
    (sources / "exercises").mkdir()
    done = run("course", "release", "out", "--source", "../sources", cwd=tmp_path / "here")
    assert done.returncode == 2 and f"run this in {sources}" in done.stderr


def test_a_copy_to_work_in_has_no_questions_where_they_are_switched_off(switched, tmp_path):
    for text, count in {"": 4, 'without = ["predictions"]': 0, 'without = ["review"]': 4}.items():
        switched(text)
        folder = tmp_path / f"mine{len(text)}"
        assert cli.main(["learn", "04", "--copy-only", "--out", str(folder)]) == 0
        book = json.loads(texts(folder))
        assert "".join(map(str, book["cells"])).count("tl.predict(") == count
        assert len(book["cells"]) > 20 and {"check", "answer"} <= {
            cell["metadata"].get("tinygrad_lora", {}).get("role") for cell in book["cells"]
        }


def test_only_what_can_be_switched_off_can(tmp_path, capsys):
    assert release(tmp_path, "--without", "points") == 2
    assert "points cannot be switched off; predictions and review can" in capsys.readouterr().err


def test_points_for_predictions_that_nobody_sees_are_refused(switched, tmp_path, capsys):
    switched('without = ["predictions"]')
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed" / "ada.py").write_text("", encoding="utf-8")
    graded = ["grade", str(tmp_path / "handed"), "--exercises", "04", "--out", str(tmp_path / "out"), "--predictions"]
    assert cli.main(graded) == 2 and "there is no prediction" in capsys.readouterr().err


# --- What is kept ---

KEPT = {
    "check": {"time", "exercise", "test", "passed", "diagnosis", "detail", "seconds", "points", "out_of"},
    "hint": {"time", "exercise", "hint"},
    "predict": {"time", "exercise", "predicted", "passed", "diagnosis"},
}


def test_what_is_kept_is_what_the_page_says(tmp_path, request, capsys):
    answer = tmp_path / "my_private_file.py"
    answer.write_text("def topo_sort(output):\n    my_secret_word = 41\n    return [output]\n", encoding="utf-8")
    cli.main(["check", "04-topo", str(answer)])
    cli.main(["hint", "04-topo"])
    cli.main(["predict", "04-paths", "77123"])
    lines = (tmp_path / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    kinds = ["check" if "test" in one else "hint" if "hint" in one else "predict" for one in records]
    assert set(kinds) == set(KEPT)
    for kind, record in zip(kinds, records, strict=True):
        assert record.keys() == KEPT[kind]
    for secret in ("my_secret_word", "my_private_file", "77123", str(tmp_path), getpass.getuser(), "return ["):
        assert secret not in "".join(lines), "no code, no answer, no name, no path"
    page = (request.config.rootpath / "docs" / "teaching.md").read_text(encoding="utf-8")
    privacy = re.search(r"## Privacy\n(.*?)\n## ", page, re.DOTALL)[1]
    assert "tinygrad-lora progress --delete" in privacy and VARIABLE in privacy


def test_it_can_be_deleted(tmp_path, capsys):
    cli.main(["hint", "04-topo"])
    path = tmp_path / "progress.jsonl"
    assert path.exists() and cli.main(["progress", "--delete"]) == 0
    assert f"Deleted: {path}" in capsys.readouterr().out and not path.exists()
    assert cli.main(["progress", "--delete"]) == 0 and "nothing to delete" in capsys.readouterr().out
    assert not progress().points


# Whoever opens a socket, even one that goes nowhere, ends the process.
WATCHED = """
import os, sys

def watch(event, arguments):
    if event.startswith("socket.") or event == "urllib.Request":
        os.write(2, f"opened: {event}".encode())
        os._exit(9)

sys.addaudithook(watch)
import tinygrad_lora as tl
from tinygrad_lora.commands.main import main

tl.predict("04-paths", 24)
tl.learn.check("04-topo", lambda output: [output])
for command in (
    "learn", "learn 04 --copy-only --out mine", "check 04-topo", "check 04-topo answer.py", "hint 04-topo",
    "predict 04", "predict 04-paths 24", "review", "progress", "progress --json", "solution 04-topo",
    "course release out --tutorials 04", "check capstone", "study consent",
    "progress --delete",
):
    main(command.split())
"""


def test_nothing_leaves_the_machine(tmp_path):
    (tmp_path / "answer.py").write_text("def topo_sort(output):\n    return [output]\n", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    for more, code in (("", 0), ("import socket\nsocket.socket()", 9)):
        called = [sys.executable, "-c", WATCHED + more]
        done = subprocess.run(called, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
