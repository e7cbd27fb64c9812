"""Predictions: every answer gets the right response, none is given away, and a review asks again with fresh numbers."""

import json
import re

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.commands.main import main
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading.submissions import read
from tinygrad_lora.learn import exercise_ids, progress
from tinygrad_lora.learn.predictions.prediction import UNFORESEEN, all_predictions, load_prediction, predictions_of
from tinygrad_lora.learn.predictions.review import review
from tinygrad_lora.learn.progress import remember, remembered
from tinygrad_lora.learn.tutorials import tutorials

PREDICTIONS = all_predictions()
SEEDS = (None, *range(12))
FEWEST = 4
each_prediction = pytest.mark.parametrize("id", PREDICTIONS)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))


def typed(question, answer):
    """An answer as it is typed in a terminal."""
    if question.kind == "choice":
        return next(letter for letter, text in question.choices.items() if text == answer)
    return str(answer)


def sentences(question):
    return [question.response, *(one.sentence for one in question.foreseen)]


@each_prediction
def test_the_right_answer_is_right_and_each_foreseen_one_is_named(id):
    for seed in SEEDS:
        question = load_prediction(id).question(seed)
        assert question.judge(question.right) is None and question.judge(typed(question, question.right)) is None
        assert question.foreseen, "a wrong answer must be foreseen"
        for one in question.foreseen:
            for answer in (one.answer, typed(question, one.answer)):
                diagnosis = question.judge(answer)
                assert diagnosis is not None and diagnosis.code == one.code, (seed, one.code)
                assert any(other.sentence in diagnosis.sentence for other in question.foreseen)


@each_prediction
def test_what_is_right_up_to_three_digits_is_right(id):
    question = load_prediction(id).question()
    if question.kind == "number":
        assert question.judge(float(f"{question.right:.3g}")) is None
        assert question.judge(np.float32(question.right)) is None
        assert question.judge(float(question.right) * 1.02 + 1e-3) is not None


@each_prediction
def test_no_answer_is_no_error_and_leaves_no_trace(id):
    for nothing in ((), (...,), (None,)):
        shown = tl.predict(id, *nothing)
        assert shown.open and not shown.passed and shown.question.text in str(shown)
    assert not list(remembered())


@each_prediction
def test_nothing_but_the_right_answer_shows_the_right_answer(id):
    """A choice stands among the others; a number must be in no text, unless the question has it."""
    for seed in SEEDS:
        question = load_prediction(id).question(seed)
        hidden = [str(question), repr(tl.predict(id, seed=seed)), *sentences(question)[1:]]
        hidden += [str(question.judge(one.answer)) for one in question.foreseen] + [str(question.judge("nonsense"))]
        assert question.response not in " ".join([*hidden, repr(question)])
        if question.kind == "number":
            right = re.compile(rf"(?<![\w.]){re.escape(f'{float(question.right):g}')}(?![\w.]*\w)")
            known = question.text + question.needed
            assert right.search(known) or not any(right.search(text) for text in hidden), seed


@each_prediction
def test_a_review_has_other_numbers_and_the_same_seed_gives_the_same(id):
    one = load_prediction(id)
    assert str(one.question(3)) == str(one.question(3))
    assert all(len(values) >= 2 for values in one.numbers.values()) and one.numbers
    assert {one.question(seed).text for seed in range(20)}.isdisjoint({one.question().text})


@each_prediction
def test_questions_are_short_and_stand_alone(id):
    question = load_prediction(id).question()
    text = re.sub(r"`[^`]*`|\$[^$]*\$|\([^)]*\)", "x", question.text)
    assert all(len(sentence.split()) <= 25 for sentence in re.split(r"(?<=[.?!:])\s", text))
    assert not re.search(r"\b(above|below|here|exercise|tutorial)\b", question.text)
    assert all(not text.endswith(".") for text in sentences(question))


def test_every_tutorial_asks_at_least_four_and_each_stands_in_it_once():
    for tutorial in tutorials():
        marks = [cell["metadata"].get("tinygrad_lora", {}) for cell in tutorial.cells]
        asked = [mark["prediction"] for mark in marks if mark.get("role") == "predict"]
        assert asked == list(predictions_of(tutorial.number)), "in the order of the tutorial"
        assert len(asked) >= FEWEST and all(id[:2] == tutorial.number for id in asked)
    assert not set(PREDICTIONS) & set(exercise_ids())


def test_a_released_notebook_holds_questions_and_no_answers():
    for tutorial in tutorials():
        texts = {cell["id"]: "".join(cell["source"]) for cell in tutorial.cells}
        everything = "\n".join(texts.values())
        for id, one in predictions_of(tutorial.number).items():
            question = one.question()
            assert texts[f"{id}-predict"] == f'tl.predict("{id}", ...)'
            assert question.text in texts[f"{id}-question"]
            assert not any(sentence in everything for sentence in sentences(question))


def test_a_grader_takes_no_prediction_for_the_answer_to_an_exercise():
    for tutorial in tutorials():
        assert read(tutorial.path)[1] == tutorial.exercises


def test_what_is_no_answer_is_refused_with_what_is_needed_and_not_counted():
    cases = {"04-paths": ("abc", "a number"), "01-scale": ("z", "a letter"), "09-move": (3, "True or False"),
             "05-repeated": ("2 by 3", "a shape")}  # fmt: skip
    for id, (answer, needed) in cases.items():
        for strange in (answer, [[]], object()):
            response = tl.predict(id, strange)
            assert response.diagnosis.code == "wrong-type" and needed in str(response), (id, strange)
    assert not list(remembered())


def test_progress_counts_what_is_right_and_an_exercise_keeps_its_points():
    assert set(progress().predictions.values()) == {"open"}
    assert "Not 24" in str(tl.predict("04-paths", 24)) and progress().predictions["04-paths"] == "wrong"
    assert str(tl.predict("04-paths", 32)).startswith("Right.") and progress().predictions["04-paths"] == "right"
    tl.predict("04-paths", 24)
    assert progress().predictions["04-paths"] == "right" and progress().points == 0
    assert f"1 of {len(PREDICTIONS)} predictions right, 0 wrong" in str(progress())
    unforeseen = tl.predict("04-paths", 1234)
    assert unforeseen.diagnosis.code == UNFORESEEN and "Run the cells" in str(unforeseen)


def test_an_unknown_prediction_is_refused_with_the_nearest():
    with pytest.raises(ExerciseError, match="there is no prediction '04-path'; perhaps 04-paths"):
        tl.predict("04-path", 3)


# --- Review ---


def passed(*numbers):
    """As if all exercises of these tutorials were done."""
    for line in progress().lines:
        if line.id[:2] in numbers:
            remember({"exercise": line.id, "test": check.name, "passed": True, "diagnosis": None}
                     for check in tl.learn.load_exercise(line.id).checks)  # fmt: skip


def test_a_review_asks_about_passed_tutorials_only():
    assert review() == []
    passed("03", "05")
    questions = review(5, seed=1)
    assert len(questions) == 5 and {question.id[:2] for question in questions} == {"03", "05"}
    assert [question.id for question in review(5, seed=1)] == [question.id for question in questions]
    assert len({tuple(question.id for question in review(5, seed)) for seed in range(10)}) > 5


def test_the_weakest_comes_first():
    passed("03", "04", "05")
    tl.predict("05-differences", 3)
    tl.predict("05-differences", 1)
    remember([{"exercise": "03-basic", "test": "t", "passed": False, "diagnosis": "missing-upstream"}])
    for seed in range(5):
        first, *others = review(5, seed)
        assert first.id == "05-differences"
        assert {one.id for one in others[:2]} == {"03-factor", "03-reciprocal"}, "the code of an exercise counts"


# --- In a terminal ---


def test_the_terminal_lists_asks_and_responds(capsys):
    assert main(["predict", "4"]) == 0
    shown = capsys.readouterr().out
    assert all(f"tinygrad-lora predict {id} ANSWER" in shown for id in predictions_of("04"))
    assert main(["predict", "04-paths", "24"]) == 1 and main(["predict", "04-paths", "32"]) == 0
    shown = capsys.readouterr().out
    assert "Not 24: that is with a 3" in shown and "Right. " in shown
    assert main(["predict", "04"]) == 0 and "04-paths (answered)" in capsys.readouterr().out
    assert main(["predict", "44"]) == 2 and main(["predict", "04", "3"]) == 2 and main(["review", "--count", "0"]) == 2
    capsys.readouterr()
    assert main(["progress", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"]["04-paths"] == "right"


def test_a_review_without_a_terminal_says_how_to_answer(capsys):
    assert main(["review"]) == 0 and "nothing to review" in capsys.readouterr().out
    passed("03")
    assert main(["review", "--seed", "7"]) == 0
    shown = capsys.readouterr().out
    assert main(["review", "--seed", "7"]) == 0 and capsys.readouterr().out == shown
    id = re.search(r"tinygrad-lora predict (\S+) ANSWER --seed 7", shown)[1]
    question = load_prediction(id).question(7)
    assert main(["predict", id, str(float(question.right)), "--seed", "7"]) == 0


def test_in_a_terminal_the_answers_are_typed(capsys, monkeypatch):
    answers = iter(["5", "", "nonsense"])

    def typed_in(prompt):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", typed_in)
    assert main(["predict", "04"]) == 1
    shown = capsys.readouterr().out
    assert "Right. Two users" in shown and "'nonsense' is no answer here" in shown
    assert [record["exercise"] for record in remembered()] == ["04-two-users"]
