"""The tutorials: notebooks follow their sources, run before anything is written and when all is solved."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")

from tinygrad_lora.commands import main as cli
from tinygrad_lora.commands.course import sources
from tinygrad_lora.learn import exercise_ids
from tinygrad_lora.learn.release.notebook import instructor, student
from tinygrad_lora.learn.release.source import read_cells
from tinygrad_lora.learn.tutorials import tutorials

FOLDER = Path(__file__).resolve().parents[2] / "tutorials"
SOURCES = sources(FOLDER)
each_tutorial = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
QUICK = ("01", "04")  # the others run with --all
each_tutorial_runs = pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if p.stem[:2] in QUICK else pytest.mark.slow) for p in SOURCES],
    ids=lambda path: path.stem,
)
SECONDS = 60


def run_quietly(code, folder):
    """Run the text in a process of its own, as a fresh kernel would: it must end well and complain about nothing."""
    environment = os.environ | {"TINYGRAD_LORA_PROGRESS": str(folder / "progress.jsonl")}
    environment |= {"PYTHONPATH": str(FOLDER.parent), "TINYGRAD_LORA_CACHE": str(folder / "nothing was fetched")}
    script = folder / "tutorial.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=4 * SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_each_has_a_number_of_its_own_and_four_exercises_to_six():
    assert [path.stem[:2] for path in SOURCES] == sorted({id[:2] for id in exercise_ids()})
    used = [cell.exercise for path in SOURCES for cell in read_cells(path) if cell.exercise]
    assert sorted(used) == exercise_ids(), "every exercise stands in a tutorial, once"
    for path in SOURCES:
        assert 4 <= sum(id[:2] == path.stem[:2] for id in used) <= 6, path.stem


def test_the_notebooks_follow_their_sources(capsys):
    code = cli.main(["course", "release", str(FOLDER), "--source", str(FOLDER), "--check"])
    assert code == 0, capsys.readouterr().out


def test_the_headings_say_what_one_will_be_able_to_do():
    for one in tutorials():
        assert one.heading.number == one.number and one.heading.outcome and 45 <= one.heading.minutes <= 60


@each_tutorial
def test_a_tutorial_names_no_other_and_ends_with_its_page_for_instructors(path):
    cells = read_cells(path)
    assert cells[-1].instructor and cells[-1].kind == "markdown"
    for words in ("minutes", "points"):
        assert words in cells[-1].text.lower(), f"the instructor's page says nothing about {words}"


@each_tutorial
def test_no_sentence_is_long(path):
    """Under 25 words, in the text for students; formulas and code count as one word."""
    for cell in read_cells(path):
        if cell.kind != "markdown" or cell.instructor:
            continue
        text = re.sub(r"```.*?```|\$\$.*?\$\$", "", cell.text, flags=re.DOTALL)
        text = re.sub(r"`[^`]*`|\$[^$]*\$|\([^)]*\)", "x", text)
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "-", "*", "1.", ">"))]
        for sentence in re.split(r"(?<=[.?!:;])\s", " ".join(lines).replace("**", "")):
            assert len(sentence.split()) <= 25, sentence


def code_of(notebook):
    cells = json.loads(notebook)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def the_cost_of_merging_twice_is_seen(printed):
    once, twice = (float(re.search(rf"merged {times}: +(.*)%", printed)[1]) for times in ("once", "twice"))
    assert once > 90 > 60 > twice


def the_flops_go_up_before_they_go_down(printed):
    rows = re.findall(r"^(\w+) +\d+ +\d+ +([\d.]+)M ", printed, re.MULTILINE)
    flops = {name: float(millions) for name, millions in rows}
    assert flops["distribute_products"] > flops["trace"] > flops["rebracket"]
    without, with_it = re.search(r"without distribute_products (.*)M flops, with it (.*)M", printed).groups()
    assert float(without) > float(with_it) == flops["fuse_elementwise"]


# What must be seen in the output of a tutorial.
SHOWN = {"11": the_cost_of_merging_twice_is_seen, "12": the_flops_go_up_before_they_go_down}


@each_tutorial_runs
def test_an_instructors_notebook_runs_with_its_solutions(path, tmp_path):
    printed = run_quietly(code_of(instructor(read_cells(path))), tmp_path)
    SHOWN.get(path.stem[:2], len)(printed)
    records = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    assert records and all(record["passed"] for record in records), "a solution in the notebook does not pass its check"


@each_tutorial_runs
def test_a_students_notebook_runs_before_anything_is_written(path, tmp_path):
    run_quietly(code_of(student(read_cells(path))), tmp_path)
