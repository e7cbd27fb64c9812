"""`bench serving`: mixed batches give the same numbers everywhere, and nothing is left out in silence."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
from bench import serving, serving_batches
from bench.command import main
from bench.report import page_with
from bench.serving import MIXED, PEERS, compare, missing, table


def quiet(steps, description):
    return steps


@pytest.fixture(autouse=True)
def forgotten():
    yield
    for cached in ("prepared", "adapted", "_server", "_adapted_there"):
        getattr(serving_batches, cached).cache_clear()


def numbers(peer, size="rows", count=6):
    return np.array(serving_batches.serving(peer, size, count, 1)["numbers"])


@pytest.mark.parametrize("size", serving_batches.SIZES)
@pytest.mark.parametrize("peer", [pytest.param(n, marks=[pytest.mark.peers] * (n == "peft")) for n in MIXED[1:]])
@pytest.mark.filterwarnings("ignore")  # other people's
def test_all_answer_mixed_batches_alike(peer, size, monkeypatch):
    if reason := missing(peer):
        pytest.skip(reason)
    monkeypatch.setattr(serving_batches, "WIDTH", 48)
    monkeypatch.setitem(serving_batches.SIZES, "rows", serving_batches.BatchSize(12, 1))
    monkeypatch.setitem(serving_batches.SIZES, "sequences", serving_batches.BatchSize(5, 3))
    np.testing.assert_allclose(numbers(peer, size), numbers("ours", size), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.peers
def test_one_adapter_is_one_adapter_in_both(monkeypatch):
    pytest.importorskip("peft", reason="peft is not installed")
    monkeypatch.setattr(serving_batches, "WIDTH", 48)
    one, theirs, base = numbers("ours-one"), numbers("peft-one"), numbers("ours-base")
    np.testing.assert_allclose(theirs, one, rtol=0, atol=1e-5)
    assert np.abs(one - base).max() > 1e-3


class Answering:
    """A process that takes so long and gives these numbers."""

    def __init__(self, seconds, number):
        self.seconds, self.number = seconds, number

    def ask(self, ask, **arguments):
        if ask == "environment":
            return {"cpu": "Z80", "cores": 1, "python": "3", "blas": "none", "load": 0, "versions": {}}
        return {"numbers": [self.number], "wall": [self.seconds] * arguments["batches"]}


def test_ratios_are_of_the_same_rounds_and_who_computes_something_else_is_named(monkeypatch):
    peers = {"ours": (0.5, 1.0), "ours-by-row": (1.0, 2.0), "peft": (2.0, 1.0), "ours-base": (0.25, 7.0)}
    monkeypatch.setattr(serving, "running", lambda name, threads: nullcontext(Answering(*peers[name])))
    monkeypatch.setattr(serving, "missing", lambda name: "torch not installed" if name == "peft-one" else None)
    results, machine = compare(["peft", "ours-by-row", "ours-base", "peft-one"], 3, 2, 0, quiet)
    lines = table(results, 3).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:4] == ["3 adapters", "256 samples of 1 row", "rows a second", "ours / theirs"]
    assert cells[2][1:4] == ["500 ms", "512", "1.00"] and cells[2][4:] == ["500 ms", "2,048", "1.00"]
    assert cells[3][1:4] == ["2.00 s", "128", "0.25"] and cells[5][3] == "2.00"  # the base alone need not agree
    assert "disagrees: a number is off by 1.0e+00" in lines[4] and "torch not installed" in lines[6]
    assert machine.startswith("Z80")


@pytest.mark.slow
def test_the_command_prints_what_it_measured_and_writes_it_into_a_page(capsys, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: serving -->\nold\n<!-- bench: end -->\nafter\n")
    command = ["serving", "--peers", "ours-base", "--adapters", "3", "--rounds", "1", "--update-docs", str(page)]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["peer"] for row in rows] == ["ours", "ours-base"] * 2 and all(len(row["seconds"]) == 1 for row in rows)
    assert "ours (AdapterServer, compiled)" in page.read_text() and "old" not in page.read_text()
    assert page_with(page, "serving", "x").startswith("before\n") and page.read_text().endswith("after\n")


def test_who_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None)
    assert missing("peft") == "torch, peft not installed" and missing("ours") is None


@pytest.mark.parametrize("arguments, words", [
    ((["vllm"], 1, 1, 0), f"no peer called 'vllm'; there are {', '.join(PEERS)}"),
    (([], 0, 1, 0), "at least 1"),
    (([], 1, 0, 0), "at least 1"),
    (([], 1, 1, -1), "0 or more"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        compare(*arguments, quiet)
