"""`bench microgpt`: all compute the same losses, name by name, and nothing is left out in silence."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
from bench.command import main
from bench.microgpt import command, model, trainers
from bench.microgpt.command import PADDED, TOLERANCE, WRITTEN, compare, table
from bench.peers import UnableError, missing

SMALL = model.NameSize(3, width=8, heads=2, block=6)
NAMES = [model.encoded(name) for name in ("mia", "al", "noa", "lilli")]


def quiet(steps, description):
    return steps


def trained(name, names, size=SMALL):
    run = trainers.trainer(name, model.weights(np.random.default_rng(0), size), size)
    return [float(run.step(*each)) for each in names], run.weights()


@pytest.fixture(scope="module")
def by_hand():
    return trained("naive", NAMES[:3])


SLOW_PEER = [pytest.mark.peers, pytest.mark.slow]
MARKS = {"torch": pytest.mark.peers, "jax": SLOW_PEER, "jax-padded": SLOW_PEER}
OTHERS = [pytest.param(name, marks=MARKS.get(name, [])) for name in WRITTEN if name not in ("naive", "torch.compile")]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")  # other people's
def test_all_learn_names_of_all_lengths_alike(name, by_hand):
    if reason := missing(PADDED.get(name, name)):
        pytest.skip(reason)
    losses, weights = trained(name, NAMES[:3])
    np.testing.assert_allclose(losses, by_hand[0], rtol=0, atol=1e-12)
    for what in model.WEIGHTS:
        np.testing.assert_allclose(weights[what], by_hand[1][what], rtol=0, atol=1e-9, err_msg=what)


@pytest.mark.slow
def test_the_losses_of_many_steps_are_those_of_the_gradient_by_hand():
    size, names = model.NameSize(model.LONGEST), [model.encoded(name) for name in model.names(60, 1)]
    ours, naive = (trained(name, names, size)[0] for name in ("ours", "naive"))
    np.testing.assert_allclose(ours, naive, rtol=0, atol=TOLERANCE)
    assert np.mean(ours[-10:]) < np.mean(ours[:10]) - 0.2


def test_the_gradient_by_hand_is_the_slope_of_the_loss():
    """Adam without memory moves each weight by the sign of its slope."""
    weights = model.weights(np.random.default_rng(0), SMALL)
    name = NAMES[3]
    _, moved = trained("naive", [name])
    places = {
        "queries": (1, 5), "keys": (2, 3), "values": (0, 7), "places": (4, 1), "up": (3, 9), "mixing": (6, 6),
        "down": (30, 4), "scores": (5, 11), "tokens": (int(name[0][1]), 2),
    }  # fmt: skip
    for what, at in places.items():
        around = []
        for step in (1e-6, -1e-6):
            array = weights[what].copy()
            array[at] += step
            run = trainers.trainer("naive", {**weights, what: array}, SMALL)
            around.append(run.step(*name))
        slope = (around[0] - around[1]) / 2e-6
        change = model.RATE * slope / (abs(slope) + model.EPS)
        assert moved[what][at] - weights[what][at] == pytest.approx(-change, rel=1e-4), what


def test_a_name_stands_between_marks_and_each_token_learns_the_next():
    inputs, targets = model.encoded("eva")
    assert inputs.tolist() == [model.MARK, 4, 21, 0] and targets.tolist() == [4, 21, 0, model.MARK]


def test_names_have_all_lengths_and_the_first_have_one_each():
    names = model.names(200, 3)
    lengths = list(range(model.SHORTEST, model.LONGEST + 1))
    assert sorted(map(len, names[: len(lengths)])) == lengths and set(map(len, names)) == set(lengths)
    assert names == model.names(200, 3) != model.names(200, 4)
    assert all(set(name) <= set(model.LETTERS) for name in names)
    assert model.names(3, 3) == names[:3] and len(lengths) >= trainers.THIRTEENTH


def test_the_rate_falls_to_zero_in_a_straight_line():
    assert [model.rate(step) for step in (0, 500, 1000, 2000)] == [0.01, 0.005, 0.0, 0.0]


def test_the_run_tells_compiling_from_steps(monkeypatch):
    """A step of 1 s, and 10 s more where a length is new."""
    now, seen = [0.0], set()

    def step(inputs, targets):
        now[0] += 1.0 if len(inputs) in seen else 11.0 - len(seen) / 2
        seen.add(len(inputs))
        return 3.0

    def fake(name, weights, size):
        seen.clear()
        return model.Trainer(step, dict)

    monkeypatch.setattr(trainers, "trainer", fake)
    monkeypatch.setattr(trainers, "_busy", lambda: now[0])
    answer = trainers.all_lengths("ours", "W8", "-", 0, 20)
    assert answer["again"] == [1.0] * 20 == trainers.same_names("ours")["again"] and answer["losses"] == [3.0] * 20
    assert [trainers.compiling(answer, length) for length in (1, 13, 14, 15)] == [10.0, 4.0, 3.5, 0.0]
    assert answer["new_length"] == 0.4 and answer["included"] == (20 + sum(10 - i / 2 for i in range(14))) / 20
    assert "new_length" not in trainers.all_lengths("ours", "W8", "-", 0, 12)


def test_who_is_not_written_says_so():
    with pytest.raises(UnableError, match="not written"):
        trainers.trainer("mygrad", {}, SMALL)


class Answering:
    """A process that measured this."""

    def __init__(self, losses):
        self.losses = losses

    def ask(self, ask, **arguments):
        if ask == "environment":
            return {"cpu": "Z80", "cores": 1, "python": "3", "blas": "none", "load": 0, "versions": {}}
        again = [1.0 if self.losses[1] > 2 else 0.5] * 2  # ours takes half as long as the others
        return {"losses": self.losses, "begin": [1.0, 0.5], "again": again, "included": 1.5}


def test_who_computes_something_else_is_named(monkeypatch):
    losses = {"ours": [3.0, 2.0], "naive": [3.0, 2.0 + 1e-9], "torch": [3.0, 2.1]}
    monkeypatch.setattr(command, "running", lambda name, threads: nullcontext(Answering(losses[name])))
    monkeypatch.setattr(command, "missing", lambda name: "jax is not installed" if name == "jax" else None)
    answers, machine = compare(["torch", "jax"], 2, 0, quiet)
    assert [answer["reason"] for answer in answers] == [
        None, None, "disagrees: a loss is off by 1.0e-01", "jax is not installed",
    ]  # fmt: skip
    lines = table(answers, 2).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4]]
    assert cells[0][1:5] == ["500 ms", "1.00", "1.50 s", "1.50"]
    assert cells[1][1:5] == ["1.00 s", "0.50", "1.50 s", "1.50"]
    assert cells[1][8] == "1e-09"
    assert "disagrees" in lines[4] and "not installed" in lines[5] and machine.startswith("Z80")


@pytest.mark.slow
def test_the_command_prints_what_it_measured(capsys, tmp_path):
    out = tmp_path / "table.md"
    assert main(["microgpt", "--peers", "naive", "--steps", "14", "--json", "--out", str(out)]) == 0
    ours, naive = json.loads(capsys.readouterr().out)["rows"]
    assert (ours["peer"], naive["peer"], ours["reason"], naive["reason"]) == ("ours", "naive", None, None)
    assert (
        len(ours["losses"]) == 14
        and naive["difference"] < 1e-9
        and ours["included"] > 1
        and len(naive["rounds"][0]) == 14
    )
    assert "| naive (careful NumPy by hand)" in out.read_text()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((["mygrad"], 1, 0), "no peer called 'mygrad'; there are ours"),
        (([], 0, 0), "at least 1"),
        (([], 1, -1), "0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        compare(*arguments, quiet)
