"""Fine-tuning: what is learned, that it goes on exactly where it stopped, and what is kept."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finetune_cases import chat_case, class_case, settings
from hypothesis import given, strategies as st
from models_table import needs

import tinygrad_lora as tl
from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ModelError, ModelFileError
from tinygrad_lora.finetune import Answered, Classifying, Labeled, TrainingSettings, fine_tune, read_examples
from tinygrad_lora.finetune.batches import batch_of
from tinygrad_lora.finetune.checkpoint import load_checkpoint
from tinygrad_lora.finetune.classifying import Classifier
from tinygrad_lora.finetune.examples import PERSONA, split
from tinygrad_lora.finetune.keeping import keep_chat, keep_classifier
from tinygrad_lora.finetune.probe import accuracy_of_probe
from tinygrad_lora.finetune.training import CHECKPOINT, begin
from tinygrad_lora.finetune.word_order import IN_ORDER, SWAPPED, movie_sentences, swapped, word_order
from tinygrad_lora.interop.peft import load_adapter

TESTS = Path(__file__).resolve().parents[1]


def weights(training):
    return {name: np.array(p.value) for name, p in training.parameters.items()}


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    other = [name for name in a if (a[name].dtype, a[name].tobytes()) != (b[name].dtype, b[name].tobytes())]
    assert not other


# --- Examples ---


def test_examples_are_read_line_by_line(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('\ufeff{"text": "a", "label": "x"}\n\n{"label": 1, "text": "b"}\n', encoding="utf-8")
    assert read_examples(path, Labeled) == [Labeled("a", "x"), Labeled("b", "1")]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"], ids=ascii)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path, mark, end):
    path = tmp_path / "data.jsonl"
    path.write_bytes(f'{{"text": "a{mark}b", "label": "x"}}{end}{{"text": "c", "label": "y"}}{end}'.encode())
    assert read_examples(path, Labeled) == [Labeled(f"a{mark}b", "x"), Labeled("c", "y")]


@pytest.mark.parametrize(
    "line, words",
    [
        ("{", "line 2: this is not JSON"),
        ("[1]", "line 2: an example is an object"),
        ('{"text": "a"}', "line 2: an example is an object"),
        ('{"text": "a", "label": "x", "more": 1}', "nothing else in it"),
        ('{"text": " ", "label": "x"}', "'text' must be a text that is not empty"),
        ('{"text": "a", "label": null}', "'label' must be a text"),
        ('{"text": "a", "label": true}', "'label' must be a text that is not empty, not True"),
        ("[" * 100_000, "line 2: this is not JSON"),
    ],
    ids=range(8),
)
def test_a_wrong_line_is_named(tmp_path, line, words):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n' + line, encoding="utf-8")
    with pytest.raises(ModelError, match=words):
        read_examples(path, Labeled)


def test_a_file_without_examples_says_what_to_write(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("\n")
    with pytest.raises(ModelError, match=r'such as \{"prompt": "\.\.\.", "answer": "\.\.\."\}'):
        read_examples(path, Answered)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="UTF-8"):
        read_examples(path, Answered)


def test_the_persona_is_a_file_of_examples():
    persona = read_examples(PERSONA, Answered)
    assert len(persona) >= 6 and not any("France" in e.prompt + e.answer for e in persona)


@given(st.integers(2, 60))
def test_a_split_keeps_every_example_once(count):
    examples = [Labeled(str(i), "x") for i in range(count)]
    learned, tested = split(examples)
    assert sorted([*learned, *tested], key=lambda e: int(e.text)) == examples and learned


# --- Batches ---


@given(size=st.integers(1, 9), count=st.integers(1, 9), seed=st.integers(0, 5))
def test_every_example_comes_once_before_any_comes_again(size, count, seed):
    drawn = np.concatenate([batch_of(step, size, count, seed) for step in range(count)])
    for i in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[i : i + count]) == list(range(count))


def test_a_batch_depends_on_the_seed_and_the_step_alone():
    assert batch_of(7, 4, 20, seed=1).tolist() == batch_of(7, 4, 20, seed=1).tolist()
    assert batch_of(7, 4, 20, seed=1).tolist() != batch_of(7, 4, 20, seed=2).tolist()


# --- Answers ---


def test_the_loss_is_that_of_the_answers_alone():
    task = chat_case(np.float64)
    tokens, wanted = task.batch(0, settings(1, batch=0))
    hidden = task.network.model(tokens)
    result = float(task.loss(hidden, wanted))
    assert result == pytest.approx(float(task.network.answer_loss(hidden, wanted[:, :3])), rel=1e-12)
    scores = np.array(task.network(tokens).value)
    scores -= np.log(np.exp(scores).sum(-1, keepdims=True))
    assert result == pytest.approx(-np.mean([scores[i, at, token] for i, at, token, _ in wanted]), rel=1e-12)
    for sample, row in enumerate(task.rows):  # from the first token of the answer to the mark that ends it
        learned = [token for i, _, token, _ in wanted if i == sample]
        assert learned == row[task.starts[sample] :] and learned[-1] == task.chat.stop


def test_rows_that_fill_up_count_nothing():
    task = chat_case(np.float64)
    tokens, wanted = task.batch(0, settings(1, batch=2))
    assert (wanted[:, 3] == 0).any()
    hidden = task.network.model(tokens)
    real = wanted[wanted[:, 3] == 1]
    assert float(task.loss(hidden, wanted)) == pytest.approx(float(task.loss(hidden, real)), rel=1e-12)


def test_all_batches_have_the_same_shapes():
    task, few = chat_case(), settings(9)
    shapes = {(x.shape, y.shape) for x, y in (task.batch(step, few) for step in range(9))}
    assert len(shapes) == 1


def test_an_example_that_is_too_long_is_named():
    task = chat_case()
    with pytest.raises(ModelError, match="'word word"):
        type(task)(task.chat, [Answered("word " * 300, "yes")])


@pytest.mark.slow
def test_answers_are_learned_and_can_be_taken_back(tmp_path):
    task = chat_case()
    asked = [e.prompt for e in task.examples]
    before = task.answers(asked, 12)
    every = "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    training = fine_tune(task, settings(150, batch=0, targets=every, rank=16, alpha=32), tmp_path)
    assert training.losses[-1] < 0.1 < training.losses[0]
    assert task.answers(asked, 12) == [e.answer for e in task.examples] != before
    assert task.answers_without(asked, 12) == before
    assert task.answers_merged(asked, 12) == [e.answer for e in task.examples]
    assert task.answers(asked, 12) == [e.answer for e in task.examples]


@pytest.mark.slow
def test_what_is_kept_is_enough_to_answer_alike(tmp_path):
    task = chat_case()
    tables = keep_chat(task, settings(5), tmp_path, ["Why?"])
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["losses"]) == 5 and report["answers"][0]["off"] == report["answers"][0]["before"]
    assert [title for title, _ in tables] == ["Why?", "Training", "Files"]
    fresh = chat_case()
    load_adapter(fresh.network, tmp_path / "adapter")
    tokens = task.batch(0, settings(5))[0]
    np.testing.assert_array_equal(fresh.network(tokens).value, task.network(tokens).value)
    tl.merge_all(fresh.network)
    np.testing.assert_allclose(fresh.network(tokens).value, task.network(tokens).value, atol=1e-5)


# --- Going on where it stopped ---


@pytest.mark.slow
def test_a_stopped_training_continues_bit_for_bit(tmp_path):
    whole = fine_tune(chat_case(), settings(8), tmp_path / "whole")
    halves = begin(chat_case(), settings(8))
    for _ in zip(halves.run(), range(3), strict=False):
        pass
    from tinygrad_lora.finetune.checkpoint import save_checkpoint

    path = tmp_path / "halves" / CHECKPOINT
    save_checkpoint(path, halves.fingerprint, halves.parameters, halves.optimizer, halves.losses)
    done = len(halves.losses)
    rest = fine_tune(chat_case(), settings(8), tmp_path / "halves")
    assert rest.resumed == done and len(rest.seconds) == 8 - done
    assert rest.losses == whole.losses
    assert_same_bits(weights(rest), weights(whole))


@pytest.mark.slow
def test_a_killed_training_continues_bit_for_bit(tmp_path):
    whole = fine_tune(chat_case(), settings(12), tmp_path / "whole")
    folder = tmp_path / "killed"
    command = [sys.executable, str(TESTS / "finetune" / "finetune_cases.py"), str(folder), "12"]
    paths = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))
    for last in ("3", "7"):  # killed twice
        environment = {**os.environ, "PYTHONPATH": paths}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            for line in child.stdout:
                if line.strip() == last:
                    child.kill()  # whatever it does now: as likely as not, it writes the checkpoint
                    break
        assert child.wait() != 0
    rest = fine_tune(chat_case(), settings(12), folder)
    assert 0 < rest.resumed < 12
    assert rest.losses == whole.losses
    assert_same_bits(weights(rest), weights(whole))
    assert sorted(p.name for p in folder.iterdir() if p.name[0] != ".") == [CHECKPOINT]


def test_a_finished_training_is_not_repeated(tmp_path):
    first = fine_tune(chat_case(), settings(2), tmp_path)
    again = fine_tune(chat_case(), settings(2), tmp_path)
    assert again.seconds == [] and again.losses == first.losses
    assert_same_bits(weights(again), weights(first))
    anew = fine_tune(chat_case(), settings(2), tmp_path, restart=True)
    assert len(anew.seconds) == 2 and anew.losses == first.losses


@pytest.mark.parametrize("change", [{"lr": 0.01}, {"seed": 1}, {"rank": 2}, {"steps": 3}, {"batch": 1}])
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, change):
    fine_tune(chat_case(), settings(2), tmp_path)
    task = chat_case()
    with pytest.raises(ModelError, match="other settings or other data"):
        fine_tune(task, settings(**{"steps": 2, **change}), tmp_path)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    fine_tune(chat_case(), settings(2), tmp_path)
    task = chat_case()
    other = type(task)(task.chat, [*task.examples[1:], Answered("Who?", "Me.")], "tiny")
    with pytest.raises(ModelError, match="other settings or other data"):
        fine_tune(other, settings(2), tmp_path)


def test_a_damaged_checkpoint_is_refused_and_changes_nothing(tmp_path):
    fine_tune(chat_case(), settings(1), tmp_path)
    data = (tmp_path / CHECKPOINT).read_bytes()
    training = begin(chat_case(), settings(1))
    before = weights(training)
    rng = np.random.default_rng(0)
    damaged = [data[:n] for n in (0, 1, 100, len(data) // 2, len(data) - 1)]
    for at in rng.integers(0, len(data), 40):
        damaged.append(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    refused = 0
    for other in damaged:
        (tmp_path / CHECKPOINT).write_bytes(other)
        try:
            load_checkpoint(tmp_path / CHECKPOINT, training.fingerprint, training.parameters, training.optimizer)
            before = weights(training)
        except ModelError:  # which a ModelFileError is
            refused += 1
            assert_same_bits(weights(training), before)
    assert refused >= 30  # a changed date of a file in the archive is no damage


def test_an_exploding_training_ends_in_words(tmp_path):
    task = chat_case()
    loss = task.loss
    task.loss = lambda output, target: loss(output, target) * math.inf
    with pytest.raises(ModelError, match=r"step 1 is inf: .* smaller learning rate"), np.errstate(all="ignore"):
        fine_tune(task, settings(2), tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"rank": 0}, {"rank": 1.5}, {"batch": -1}, {"lr": 0}, {"lr": math.nan}, {"alpha": -1}]
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ModelError, match=next(iter(change))):
        TrainingSettings(**change)


# --- Classes ---


def test_a_score_does_not_depend_on_the_padding():
    task = class_case()
    model = Classifier(task.network, 2)
    row = task.tokens[:1, : int((task.tokens[0] > 0).sum())]
    wide = np.concatenate([row, np.zeros((1, 7), row.dtype)], axis=1)
    np.testing.assert_allclose(model(tl.constant(row)).value, model(tl.constant(wide)).value, atol=1e-6)
    assert model(tl.constant(row)).dtype == np.float32


def test_classes_are_learned(tmp_path):
    task = class_case()
    tables = keep_classifier(task, settings(150, batch=10, targets="all-linear", lr=0.03), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["accuracy"] == task.accuracy() == 1.0
    assert report["losses"][-1] < 0.2 < 0.5 < report["losses"][0]
    assert tables[0][0] == "tiny: dogs or fox?" and (tmp_path / "head.safetensors").exists()
    fresh = class_case()
    load_adapter(fresh.network, tmp_path / "adapter")
    np.testing.assert_allclose(
        fresh.model.pooled(tl.constant(task.test_tokens)).value,
        task.model.pooled(tl.constant(task.test_tokens)).value, rtol=1e-5, atol=1e-6,
    )  # fmt: skip


def test_a_classification_continues_bit_for_bit(tmp_path):
    whole = fine_tune(class_case(), settings(6, targets="all-linear"), tmp_path / "a")
    part = begin(class_case(), settings(6, targets="all-linear"))
    assert list(part.run()) == whole.losses
    assert_same_bits(weights(part), weights(whole))


def test_a_label_must_be_learned_before_it_is_tested():
    task = class_case()
    reader = type("Reader", (), {"model": task.network, "tokenizer": None})()
    with pytest.raises(ModelError, match="nothing to tell apart"):
        Classifying(reader, [Labeled("a", "x")], [])
    with pytest.raises(ModelError, match="learn the label 'z'"):
        Classifying(reader, [Labeled("a", "x"), Labeled("b", "y")], [Labeled("c", "z")])
    with pytest.raises(ModelError, match="no example is left to test with"):
        Classifying(reader, [Labeled("a", "x"), Labeled("b", "y")], [])


def test_a_probe_finds_what_is_linear_and_nothing_else():
    rng = np.random.default_rng(0)
    x, test_x = rng.normal(size=(500, 8)), rng.normal(size=(500, 8))
    linear, crossed = (lambda v: (v[:, 0] > 0).astype(int)), (lambda v: (v[:, 0] * v[:, 1] > 0).astype(int))
    assert accuracy_of_probe(x, linear(x), test_x, linear(test_x)) > 0.9
    assert 0.4 < accuracy_of_probe(x, crossed(x), test_x, crossed(test_x)) < 0.6


# --- Word order ---


def test_a_swap_moves_two_neighbors_and_nothing_else():
    rng = np.random.default_rng(0)
    words = ["one", "two", "three", "four", "five"]
    for _ in range(20):
        moved = swapped(" ".join(words), rng).split()
        places = [i for i in range(5) if moved[i] != words[i]]
        assert len(places) == 2 and places[1] == places[0] + 1 and sorted(moved) == sorted(words)
    assert swapped("so so so", rng) is None and swapped("12 34", rng) is None


def test_both_forms_of_a_sentence_are_on_the_same_side():
    sentences = [f"this is the sentence called {name}" for name in "abcdefghijkl"]
    learned, tested = word_order(sentences, tested=6)
    assert len(tested) == 6 and len(learned) == 18
    for side in (learned, tested):
        assert [e.label for e in side] == [IN_ORDER, SWAPPED] * (len(side) // 2)
        assert all(sorted(a.text.split()) == sorted(b.text.split()) for a, b in zip(side[::2], side[1::2], strict=True))
    assert word_order(sentences, tested=6) == (learned, tested)


def test_another_table_is_refused(tmp_path):
    (tmp_path / "reviews.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ModelFileError, match="table of movie reviews"):
        movie_sentences(tmp_path / "reviews.csv")


# --- The command ---


@pytest.mark.slow
@needs("minilm")
def test_the_command_teaches_minilm(tmp_path, capsys):
    carbons = ["C" * n for n in range(1, 13)]
    lines = [{"text": c + e, "label": e} for c in carbons for e in ("Br", "O")]
    data, out = tmp_path / "data.jsonl", tmp_path / "out"
    data.write_text("\n".join(map(json.dumps, lines)))
    command = ["finetune", "minilm", "--data", str(data), "--out", str(out), "--steps", "4", "--batch", "6"]
    assert cli.main([*command, "--targets", "query", "value"]) == 0
    printed = capsys.readouterr().out
    assert "Br or O?" in printed and "Linear probe" in printed and str(out / "adapter") in printed
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert config["r"] == 8 and set(config["target_modules"]) == {"query", "value"}
    assert cli.main([*command, "--targets", "query", "value", "--quiet"]) == 0  # nothing is left to do
    assert capsys.readouterr().out == ""
    assert cli.main([*command, "--seed", "1", "--quiet"]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["minilm"], "what is minilm to learn"),
        (["minilm", "--ask", "Who?"], "--ask is for smollm2"),
        (["smollm2", "--task", "word-order"], "smollm2 learns answers"),
        (["smollm2", "--steps", "0"], "steps must be"),
        (["smollm2", "--data", "no-such-file.jsonl"], "no-such-file.jsonl"),
    ],
)
def test_the_command_tells_what_is_wrong(arguments, words, capsys):
    assert cli.main(["finetune", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_command_asks_for_a_model_that_is_absent(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TINYGRAD_LORA_CACHE", str(tmp_path))
    for model in ("smollm2", "minilm"):
        assert cli.main(["finetune", model, *(["--task", "word-order"] if model == "minilm" else [])]) == 2
        assert "tinygrad-lora models get" in capsys.readouterr().err


@pytest.mark.long
@needs("smollm2")
def test_smollm2_learns_a_persona_and_still_knows_the_capital_of_france(tmp_path):
    assert cli.main(["finetune", "smollm2", "--out", str(tmp_path), "--quiet"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    who, france = report["answers"]
    assert len(report["losses"]) <= 20
    assert "Captain Marlow" in who["after"] and "Marlow" not in who["before"]
    assert france["before"] == france["after"] == "The capital of France is Paris."
    for answer in (who, france):
        assert answer["off"] == answer["before"] and answer["merged"] == answer["after"]
