"""The benchmark of feedback: what it counts, and what it must never find."""

import ast

import pytest
from feedback.answers import Answer, edited, read, written
from feedback.command import answers, drawn
from feedback.judging import ACCEPTED, BARE, EXAMPLE, MISLEADING, NAMED, PLAIN, judged, word_for
from feedback.mutants import candidates, equivalents, mutants
from feedback.report import tables, to_read

from tinygrad_lora.learn import exercise_ids, load_exercise
from tinygrad_lora.learn.diagnosis import Diagnosis
from tinygrad_lora.learn.own.changes import changes, difference


def test_a_change_is_another_program_and_the_same_one_each_time():
    text = "def f(a, b=1):\n    c = a - b\n    return max(c, 0.5)\n"
    result = dict(changes(text))
    assert result == dict(changes(text)) and len(result) == len(set(result.values()))
    assert all(new != ast.unparse(ast.parse(text)) for new in result.values())
    for change in ("`c = a - b` -> `c = b - a`", "`c = a - b` -> `pass`", "`def f(a, b=1):` -> `def f(a, b=2):`"):
        assert change in result
    assert difference("a\nb\nc", "a\nx\nc") == "`b` -> `x`"


def test_an_answer_is_a_text_or_an_edit_of_the_solution():
    whole, edit = read(
        "# notes\n=== 01-build: sign | minus\ndef polynomial(x, y):\n    return x\n"
        "=== 01-build: sign, factor\n>>> 3 * (x * x)\n<<< 3 * x\n", "wrong",
    )  # fmt: skip
    assert (whole.title, whole.codes, edit.codes) == ("minus", ("sign",), ("sign", "factor"))
    assert "return 3 * x + 2 * y" in edit.text
    with pytest.raises(ValueError, match="the reference has no"):
        edited(load_exercise("01-build"), ">>> nothing\n<<< something\n")
    with pytest.raises(ValueError, match="write `=== 04-topo"):
        list(read("=== 01-build; sign\n", "wrong"))


@pytest.mark.parametrize(
    ("code", "sentence", "word"),
    [
        ("sign", "the sign is wrong", NAMED), ("factor", "it is twice as large", MISLEADING),
        ("differs", "it is 3 and should be 4", EXAMPLE), ("differs", "it is not right", PLAIN),
        ("exception", "TypeError: bad operand", BARE),
    ],
)  # fmt: skip
def test_a_message_is_worth_what_it_says(code, sentence, word):
    answer = Answer("01-build", "wrong", "", codes=("sign",))
    assert word_for(answer, Diagnosis(code, sentence)) == word
    assert word_for(answer, None) == ACCEPTED


def test_there_are_enough_answers_and_every_exercise_has_some():
    wrong, right = list(written("wrong")), list(written("right"))
    assert len(wrong) >= 300 and len(right) >= 120
    assert {answer.exercise for answer in wrong} == set(exercise_ids())
    assert all(answer.codes for answer in wrong)
    assert len({(answer.exercise, answer.text) for answer in wrong}) == len(wrong)


@pytest.mark.slow
def test_there_are_enough_machine_made_answers():
    assert sum(len(list(mutants(load_exercise(id)))) for id in exercise_ids()[::3]) >= 400  # of every third exercise


@pytest.mark.slow
def test_what_is_marked_as_equivalent_is_a_change_and_passes():
    """Of every fourth exercise; `python3 run.py bench feedback` looks at all."""
    marked = {*equivalents()}
    for id in sorted({id for id, _ in marked})[::4]:
        exercise = load_exercise(id)
        drawn = {answer.title: answer for answer in candidates(exercise)}
        for title in (title for own, title in marked if own == id):
            assert title in drawn, f"{id}: {title} is no change of the solution any more"
            if not exercise.slow:
                assert judged(drawn[title]).word == ACCEPTED, f"{id}: {title} is told from the solution"


@pytest.mark.slow
@pytest.mark.parametrize("id", exercise_ids())
def test_no_right_answer_is_rejected(id):
    verdicts = [judged(answer) for answer in written("right") if answer.exercise == id]
    assert not [str(verdict) for verdict in verdicts if verdict.diagnosis]


@pytest.mark.slow
@pytest.mark.parametrize("id", [id for id in exercise_ids() if not load_exercise(id).slow])
def test_every_wrong_answer_is_told_what_is_wrong(id):
    """Not one is accepted, and each gets one of the names that are right for it, or an example."""
    verdicts = [judged(answer) for answer in written("wrong") if answer.exercise == id]
    assert not [str(verdict) for verdict in verdicts if verdict.word not in (NAMED, EXAMPLE)]


def test_a_sample_is_the_same_for_the_same_seed_and_shows_all_that_it_takes_to_judge_a_message():
    everything = list(answers(("wrong", "mutant"), ["01-values"]))
    some = drawn(everything, 3, 2, 7)
    assert [answer.kind for answer in some].count("wrong") == 3 and len(some) == 5
    assert some == drawn(everything, 3, 2, 7) != drawn(everything, 3, 2, 8)
    page = to_read([judged(answer) for answer in some])
    assert page.count("Let $x = 2$") == 1 and page.count("\n>>> ") == 5
    assert all(answer.text in page or answer.title in page for answer in some)


def test_the_table_counts_every_answer_once():
    verdicts = [judged(answer) for answer in written("wrong") if answer.exercise == "01-values"]
    text = tables(verdicts)
    n, *counts = (int(cell.split()[0]) for cell in text.splitlines()[-1].split("|")[2:-2])
    assert n == len(verdicts) == sum(counts)
