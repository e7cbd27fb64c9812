"""The made-up class whose grading is timed: whole notebooks, answers of all kinds, the same for the same seed."""

import json
import re

import pytest
from bench.command import main
from bench.grading import mistake, write_class
from held import flags, settings
from wrong_answers import mutants_of

from tinygrad_lora.grading.submissions import read, submissions
from tinygrad_lora.learn import load_exercise
from tinygrad_lora.learn.tutorials import tutorial


def written(folder, ids, students=12, seed=0):
    write_class(folder, ids, students, seed)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.ipynb"))}


def test_every_student_hands_in_whole_notebooks(tmp_path):
    texts = written(tmp_path, ["04-topo", "05-softmax"])
    assert len(texts) == 24 and len(submissions(tmp_path)) == 12
    for name, text in texts.items():
        lesson, own = tutorial(name.partition("/")[2][:2]), json.loads(text)["cells"]
        assert len(own) == len(lesson.cells)
        changed = [cell["id"] for cell, before in zip(own, lesson.cells, strict=True) if cell != before]
        assert set(changed) <= {"04-topo-answer", "05-softmax-answer"}
        assert set(read(tmp_path / name)[1]) == set(lesson.exercises)


def test_some_answers_are_right_some_wrong_and_some_not_begun(tmp_path):
    exercise, kinds = load_exercise("04-topo"), []
    for text in written(tmp_path, [exercise.id], 40).values():
        cells = {cell["id"]: "".join(cell["source"]).strip() for cell in json.loads(text)["cells"]}
        answer = cells[f"{exercise.id}-answer"]
        texts = {exercise.solution.strip(): "right", exercise.stub.strip(): "stub"}
        kinds.append(texts.get(answer, "wrong"))
    assert all(kinds.count(kind) >= 4 for kind in ("right", "wrong", "stub"))


def test_the_class_is_the_same_for_the_same_seed(tmp_path):
    first, again, other = (written(tmp_path / str(i), ["04-topo"], 6, seed) for i, seed in enumerate((0, 0, 1)))
    assert first == again != other


@pytest.mark.parametrize(("id", "title"), [("04-topo", "forgets_where_it_was"), ("06-linear", "KeepsArrays")])
def test_a_mistake_has_the_name_of_the_answer_wherever_it_stands(id, title):
    exercise = load_exercise(id)
    ((name, wrong),) = next(mutant.values for mutant in mutants_of(exercise) if mutant.title == title).items()
    text, namespace = mistake(name, wrong), {}
    exec(f"{exercise.preamble}\n{text}", namespace)
    assert title not in text and namespace[name].__name__ == name
    assert mistake("answers", {"y": 3.0}) == "answers = {'y': 3.0}\n"


@pytest.mark.slow
def test_the_command_says_what_it_measured_and_where(capsys):
    assert main(["grading", "--students", "3", "--exercises", "04-twice", "-j", "1", *flags()]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"3 whole notebooks, 1 exercises, 1 workers: [\d.]+ s", printed[0])
    assert printed[2] == settings().held and re.search(r"points on average, of 2$", printed[3])
    assert re.search(r"process: .*\d ms without a sandbox$", printed[4]) and re.search(r"\d cores, .*load", printed[5])
