"""`bench sweep`: both ways compute the same losses, and the table says what was measured."""

import json

import pytest
from bench import sweep
from bench.command import main


@pytest.mark.parametrize("own_batches", [False, True])
@pytest.mark.parametrize("task", sweep.TASKS)
def test_both_ways_compute_the_same_losses(task, own_batches):
    result = sweep.compare(12, 3, task, own_batches, 2)
    assert result["far"] < 1e-5
    assert result["ratio"] == pytest.approx(result["stacked"] / result["alone"])


def test_the_command_prints_what_it_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sweep, "RANKS", {12: 3})
    small = {
        "vocab_size": 9,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 9,
    }
    monkeypatch.setattr(sweep, "ENCODER", sweep.ENCODER | small)
    out = tmp_path / "table.md"
    assert main(["sweep", "--rounds", "2", "--json", "--out", str(out)]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["width"], row["own_batches"]) for row in rows] == [(12, False), (12, True)] * 2 + [(8, True)]
    assert rows[-1]["far"] < 1e-5
    assert out.read_text().count("width 12, rank 3") == 4
    assert main(["sweep", "--rounds", "0"]) == 2
    assert "rounds and threads must be at least 1" in capsys.readouterr().err
