"""The capstone: the filled example passes, each known mistake gets its own name, and what is unusual may pass."""

import re

import numpy as np
import pytest
from stubs import stub_values
from wrong_answers import capstone

import tinygrad_lora as tl
from tinygrad_lora.commands import main as cli
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.data import digits
from tinygrad_lora.learn import run_checks
from tinygrad_lora.learn.checking.solutions import unmarked
from tinygrad_lora.learn.diagnosis import NOT_STARTED
from tinygrad_lora.learn.exercises.capstone import DIFFERENT, GAIN, MOST, NUMBERS, WORDS
from tinygrad_lora.learn.registry import exercise_ids

exercise = capstone.exercise
EXAMPLE = exercise.references


def codes(report):
    return [result.diagnosis.code for result in report.results if result.diagnosis]


def test_it_stands_in_no_tutorial_and_counts_in_no_ones_progress():
    assert exercise.points == 20 and len(exercise.checks) == 7
    assert exercise.id not in exercise_ids()


def test_the_filled_example_passes_as_text(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    path = tmp_path / "mine.py"
    path.write_text(f"{exercise.preamble}\n\n{unmarked(exercise.solution)}", encoding="utf-8")
    assert cli.main(["check", "capstone", str(path)]) == 0
    assert "20 of 20 points" in capsys.readouterr().out
    assert cli.main(["solution", "capstone"]) == 0
    assert cli.main(["check", "capstone"]) == 0
    assert "def adapted(network, x, labels):" in capsys.readouterr().out


def test_what_the_example_says_about_itself_is_true():
    x, labels, x_test, labels_test = EXAMPLE["data"]()
    base = EXAMPLE["base"]()
    model = EXAMPLE["adapted"](EXAMPLE["base"](), x, labels)
    upright = digits(seed=1)

    def share(network, inputs, truth):
        return round(100 * float((network.forward(inputs).argmax(axis=1) == truth).mean()))

    read = base.forward(x_test).argmax(axis=1) == labels_test
    said = EXAMPLE["explanation"]
    assert f"it reads {share(base, upright.x_test, upright.y_test)} %" in said
    assert f"it reads {share(base, x_test, labels_test)} %" in said
    assert f"rank 2 gave {share(model, x_test, labels_test)} %" in said
    assert [digit for digit in range(10) if not read[labels_test == digit].any()] == [3, 5, 6, 7]
    trained = sum(p.size for p in model.parameters() if p.requires_gradient)
    assert f"{trained} numbers, {100 * trained // base.parameter_count} % of the base" in said
    assert (len(x), len(x_test), f"{base.parameter_count:,}") == (600, 300, "2,410")


def test_another_way_passes_as_text():
    source = f"{exercise.preamble}\n\n{exercise.another_way}"
    values = EXAMPLE | {name: function_from_source(name, source) for name in exercise.ways}
    assert run_checks(exercise, values).passed


def test_what_the_student_begins_with_is_not_started():
    report = run_checks(exercise, stub_values(exercise))
    assert set(codes(report)) == {NOT_STARTED} and not report.points


@pytest.mark.slow
@pytest.mark.parametrize("mutant", exercise.mutants, ids=lambda one: one.title[:40])
def test_each_mistake_gets_its_own_name_and_a_sentence(mutant):
    report = run_checks(exercise, EXAMPLE | mutant.values)
    assert mutant.code in codes(report), str(report)
    assert report.points < exercise.points
    sentence = next(
        one.diagnosis.sentence for one in report.results if one.diagnosis and one.diagnosis.code == mutant.code
    )
    assert 25 < len(sentence) < 260


class Small(tl.Layer):
    """A network of float32 that takes images as they are."""

    def __init__(self):
        self.first, self.last = tl.Linear(64, 24, seed=0, dtype=np.float32), tl.Linear(24, 2, seed=1, dtype=np.float32)

    def __call__(self, x):
        return self.last(tl.tanh(self.first(tl.reshape(x, (-1, 64)))))


def low_or_high():
    x, labels, x_test, labels_test = EXAMPLE["data"]()
    pictures = [x.reshape(-1, 1, 8, 8).astype(np.float32) for x in (x[:200], x_test[:100])]
    return [pictures[0], labels[:200] // 5, pictures[1], labels_test[:100] // 5]


def squared(scores, labels):
    """A loss that has no name of its own."""
    rows = tl.take(tl.constant(np.eye(2, dtype=np.float32)), labels)
    return tl.mean((scores - rows) ** 2)


def by_hand(network, x, labels):
    tl.adapt(network, rank=4, target_modules=["first"], seed=0)
    step = tl.compile_training_step(network, squared, tl.Adam(network.parameters(), lr=0.02))
    for _ in range(200):
        step(x, labels)
    return network


def test_other_data_another_dtype_and_a_loss_of_ones_own_pass():
    values = {"data": low_or_high, "base": Small, "loss": squared, "adapted": by_hand}
    report = run_checks(exercise, EXAMPLE | values)
    assert report.passed, str(report)


def test_the_page_says_what_the_checks_ask_for(request):
    page = (request.config.rootpath / "docs" / "capstone.md").read_text(encoding="utf-8")
    for check in exercise.checks:
        assert re.search(rf"\| {check.demand or check.name[5:].replace('_', ' ')} \| {check.points} \|", page), (
            check.name
        )
    for words in (f"{GAIN:.0%}", f"{MOST:.0%}", f"{WORDS} words", f"{DIFFERENT} different", f"{NUMBERS} numbers"):
        assert words.replace("%", " %") in page, words
