"""`bench finetune`: all compute the same training, and nothing is left out in silence."""

import json

import pytest
from bench import finetune as bench
from bench.command import main
from bench.finetune import PeerResult, _disagreement, compare, missing, table
from bench.finetune_steps import finetune, prepared


def quiet(steps, description):
    return steps


@pytest.fixture(autouse=True)
def forgotten():
    yield
    prepared.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["ours-eager", pytest.param("peft", marks=pytest.mark.peers)])
@pytest.mark.filterwarnings("ignore")  # other people's
def test_all_train_alike(peer):
    if reason := missing(peer):
        pytest.skip(reason)
    ours = finetune("ours", "tiny", 4)["losses"]
    theirs = finetune(peer, "tiny", 4)["losses"]
    assert len(ours) == 4 and ours[-1] < ours[0]
    assert theirs == pytest.approx(ours, rel=1e-4)


@pytest.mark.slow
def test_the_command_prints_what_it_measured(capsys, tmp_path):
    out = tmp_path / "table.md"
    command = ["finetune", "--network", "tiny", "--peers", "ours-eager", "--rounds", "2", "--out", str(out)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    ours, eager = report["rows"]
    assert (ours["peer"], eager["peer"], ours["ratio"]) == ("ours", "ours-eager", 1.0)
    assert len(eager["wall"]) == len(eager["cpu"]) == 2 and eager["ratio"] > 0
    assert eager["losses"] == pytest.approx(ours["losses"], rel=1e-4)
    assert "ours-eager (our engine without the compiler)" in out.read_text()


def test_who_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    assert missing("peft") == "torch, transformers, peft not installed" and missing("ours") is None
    assert "torch, transformers, peft not installed" in table([PeerResult("peft", reason=missing("peft"))])


def test_who_computes_something_else_is_not_timed():
    ours = PeerResult("ours", losses=[2.0, 1.0])
    assert _disagreement(PeerResult("peft", losses=[2.0, 1.0005]), ours) is None
    assert "disagrees" in _disagreement(PeerResult("peft", losses=[2.0, 1.1]), ours)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("gpt5", [], 1, 1), "no network called 'gpt5'; there are smollm2, tiny"),
        (("tiny", ["jax"], 1, 1), "no peer called 'jax'"),
        (("tiny", [], 0, 1), "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        compare(*arguments, 0, quiet)
