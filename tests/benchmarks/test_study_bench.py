"""`bench study`: rates are chosen by validation alone, and what is said of them is what the runs gave."""

import json

import numpy as np
import pytest
from bench import study
from bench.command import main
from bench.study import Row, findings, table

from tinygrad_lora import nn


@pytest.fixture
def small(monkeypatch):
    """Two variants and two rates on a small network and made-up examples."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 6))
    y = (x @ rng.normal(size=(6, 3))).argmax(-1)
    grid = {"variant": ["lora", "lora_plus"], "rank": [2], "lr": [1e-4, 1e-1], "seed": [0, 1]}

    def task(steps):
        model = nn.Sequential(nn.Linear(6, 5, seed=0), nn.Linear(5, 3, seed=1))
        return study.Task(model, (x[:60], y[:60]), (x[60:], y[60:]), grid, steps or 20, 8, {})

    monkeypatch.setattr(study, "TASKS", {"small": task})
    return task


def test_the_rate_of_each_variant_is_the_one_with_the_smallest_validation_loss(small):
    result, rows = study.study(small(20), None, None)
    assert [(row.variant, row.rank) for row in rows] == [("lora", 2), ("lora_plus", 2)]
    for row in rows:
        losses = {}
        for run in result.runs:
            if run.settings.variant == row.variant:
                losses.setdefault(run.settings.lr, []).append(run.validation_loss)
        means = {lr: np.mean(values) for lr, values in losses.items()}
        assert row.rate == min(means, key=means.get)
        assert row.loss == means[row.rate] and row.worst == max(means.values())
        assert row.loss_at_lora == means[rows[0].rate]


def test_the_accuracy_is_that_of_the_adapters_on_the_test(small):
    task = small(20)
    result, _ = study.study(task, None, None)
    x, y = task.test
    right = [(result.adapter(i).forward(x).argmax(-1) == y).mean() for i in (0, 1)]
    assert study.accuracy(task, result, [0, 1]) == pytest.approx(np.mean(right))


def test_a_variant_that_diverges_is_no_longer_compared_by_numbers():
    rows = [Row("lora", 2, 0.01, 0.5, 0.9, 0.5, float("inf")), Row("dora", 2, 0.1, 0.6, 0.8, 0.9, 0.9)]
    assert (
        "| lora    | 2    | 0.01      | 0.500           | 90.0%         | 0.500               | diverged     |"
        in table(rows)
    )
    assert "1.2 times the loss of the best; with LoRA's rate for all, 1.8 times" in findings(rows)
    assert "no longer" in findings(rows)


def test_a_study_that_was_stopped_goes_on_with_the_same_numbers(small, tmp_path, capsys):
    command = ["study", "--folder", str(tmp_path / "runs"), "--json", "--steps", "10"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)["tasks"]["small"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["tasks"]["small"] == first
    assert first["runs"] == 8 and first["steps"] == 10


def test_the_page_gets_the_table_and_the_plot(small, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n<!-- bench: small -->\n<!-- bench: end -->\n", encoding="utf-8")
    assert main(["study", "--folder", str(tmp_path / "runs"), "--quiet", "--update-docs", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "| lora_plus |" in text and "8 runs of 20 steps." in text and capsys.readouterr().out == ""
    assert (tmp_path / "static" / "study-small.svg").read_text(encoding="utf-8").startswith("<svg")


def test_an_unknown_task_is_refused(capsys):
    assert main(["study", "digit"]) == 2
    assert "there is no task called 'digit'" in capsys.readouterr().err


def test_a_page_without_a_place_is_refused_before_anything_is_trained(small, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# A page\n", encoding="utf-8")
    assert main(["study", "--folder", str(tmp_path / "runs"), "--update-docs", str(page)]) == 2
    assert "has no place for the small" in capsys.readouterr().err and not (tmp_path / "runs").exists()
