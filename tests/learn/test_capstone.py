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
from tinygrad_lora.learn.exercises._samples import in_both, label_inside
from tinygrad_lora.learn.exercises._shown import habits_of, shows
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


CHANGES = {
    "single": lambda x: x.astype(np.float32),
    "a third in single": lambda x: (x / 3).astype(np.float32).astype(float) * 3,
    "a little more": lambda x: x + 1e-12 * np.abs(x).max(axis=0),
    "a little larger": lambda x: x * (1 + 1e-9),
}
RNG = np.random.default_rng(0)
SIDES = {
    "numbers": RNG.normal(size=(500, 5)), "far from zero": 1000 + RNG.normal(size=(500, 3)),
    "levels": RNG.integers(17, size=(500, 64)) / 16, "black and white": RNG.integers(2, size=(500, 40)),
    "huge": RNG.normal(size=(500, 4)) * 1e300, "tiny": RNG.normal(size=(500, 4)) * 1e-300,
    "mixed": RNG.normal(size=(500, 3)) * [1e-9, 1, 1e9], "mostly empty": RNG.normal(size=(500, 6)) * [0, 0, 0, 0, 1, 1],
    "images": RNG.random((500, 1, 6, 6)), "bool": RNG.integers(2, size=(500, 40)).astype(bool),
}  # fmt: skip


@pytest.mark.parametrize("x", SIDES.values(), ids=SIDES)
def test_samples_are_the_same_up_to_rounding_and_real_ones_are_not(x):
    assert in_both(x[:300], x[300:]) == (0, 0, 0)
    for change in CHANGES.values():
        with np.errstate(over="ignore", under="ignore"):
            if np.isfinite(moved := change(x[100:200])).all() and moved.any():
                assert in_both(x[:300], moved) == (100, 0, 100)
    one = np.concatenate([x[300:], x[42:43]])
    assert in_both(x[:300], one) == (1, 200, 42)
    labels = RNG.integers(3, size=500)
    assert label_inside(x[:300], x[300:], labels[:300], labels[300:]) == ""


def test_a_label_in_x_is_seen_in_each_usual_form():
    x, labels = SIDES["levels"], RNG.integers(3, size=500)
    for column in (labels, -labels, 7.5 - 0.1 * labels, labels == 1, np.array([3, 1, 2])[labels], labels + 1e-13):
        whole = np.c_[x[:, :20], column, x[:, 20:]]
        assert label_inside(whole[:300], whole[300:], labels[:300], labels[300:]) == "column 20"
    whole = np.c_[x, np.eye(3)[labels] + 0.9 * RNG.random((500, 3))]
    assert label_inside(whole[:300], whole[300:], labels[:300], labels[300:]) == "the largest of columns 64 to 66"
    whole[0, 64:] = np.roll(whole[0, 64:], 1)
    assert label_inside(whole[:300], whole[300:], labels[:300], labels[300:]) == "", "it does not tell all labels"


class Shown:
    """What a notebook asks for an image."""

    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html

    def _repr_mimebundle_(self):
        return {"text/plain": "x" * 200, "text/html": self.html}, {}


@pytest.mark.parametrize("html", ["", "<div></div>", "<svg></svg>", "<p>a picture</p>", None])
def test_an_empty_picture_shows_nothing(html):
    assert not shows(Shown(html), "_repr_html_") and not shows(Shown(html), "_repr_mimebundle_")
    for drawn in ("<svg><g><polyline points=''/></g></svg>", "<img src='a'>", "<table><tr><td>1</td></tr></table>"):
        assert shows(Shown(drawn), "_repr_html_") and shows(Shown(drawn), "_repr_mimebundle_")
    chart = tl.Chart("Loss", x="step", y="loss")
    chart.line([1, 2], [3, 4], "loss")
    x = tl.parameter(1.0, "x")
    assert shows(chart, "_repr_mimebundle_") and shows(tl.draw(x * x), "_repr_mimebundle_")


def test_pages_of_the_documentation_read_like_texts(request):
    for path in sorted((request.config.rootpath / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")[:1500]
        words = re.findall(r"[^\W\d_][\w'’-]*", text.casefold())
        assert len(words) < 150 or habits_of(text, {*words})[1], path.name


def test_the_page_says_what_the_checks_ask_for(request):
    page = (request.config.rootpath / "docs" / "capstone.md").read_text(encoding="utf-8")
    for check in exercise.checks:
        assert re.search(rf"\| {check.demand or check.name[5:].replace('_', ' ')} \| {check.points} \|", page), (
            check.name
        )
    for words in (f"{GAIN:.0%}", f"{MOST:.0%}", f"{WORDS} words", f"{DIFFERENT} different", f"{NUMBERS} numbers"):
        assert words.replace("%", " %") in page, words
