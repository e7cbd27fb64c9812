"""`bench --compile`: phases add up to the whole, none is missed, and a clock that is watched stays right."""

import json

import pytest
from bench import compiling, modes
from bench.bars import COMPILING, Bar, judged, ours
from bench.command import main
from bench.compiling import CASES, PHASES, Clock, phase_line, phase_table


@pytest.mark.parametrize("case", CASES)
def test_every_phase_takes_time_and_all_of_them_are_the_whole(case, monkeypatch):
    monkeypatch.setattr(compiling, "REPEATS", 1)
    answer = compiling.compiling("ours", case, "130", 0)
    assert all(answer[phase] > 0 for phase in PHASES)
    assert sum(answer[phase] for phase in PHASES) == pytest.approx(answer["microseconds"])
    assert 100 * answer["verifier"] / answer["microseconds"] == pytest.approx(answer["verifying"])
    assert len(answer["slowest"]) == 3 and all(time > 0 for _, time in answer["slowest"])


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_about_as_many_nodes_as_it_says(case):
    assert len(CASES[case](1000)().traced.nodes) == pytest.approx(1000, rel=0.2)


def test_a_phase_within_another_counts_alone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(compiling.time, "process_time", lambda: now[0])
    clock = Clock()

    def inner():
        now[0] += 5

    def outer():
        now[0] += 1
        clock._timed(inner, "costs")()
        now[0] += 2

    with clock.during("the rest"):
        now[0] += 10
        clock._timed(outer, "planning")()
        now[0] += 20
    assert clock.seconds == {"the rest": 30, "planning": 3, "costs": 5}


def test_whoever_fails_leaves_the_clock_as_it_was():
    clock = Clock()

    def failing():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), clock.during("the rest"):
        clock._timed(failing, "planning")()
    assert not clock._inside


def test_the_compiler_is_as_before_after_it_was_watched():
    from tinygrad_lora.compiler import programs

    verify = programs.verify
    with Clock().watching():
        assert programs.verify is not verify
    assert programs.verify is verify


ROW = {
    "kind": "probe", "name": "compiling", "peer": "ours", "workload": "chain", "size": "1000", "nodes": 1002,
    "microseconds": 20.0, "verifying": 5.0, "slowest": [("simplify", 3.0)], **dict.fromkeys(PHASES, 2.5),
}  # fmt: skip


def test_the_table_has_each_phase_and_the_line_its_part():
    assert phase_table([ROW]).splitlines()[2].split("|")[1:5] == [" chain     ", " 1,002 ", " 20.0   ", " 2.5     "]
    assert "simplify 3.0" in phase_table([ROW])
    assert phase_line(ROW).startswith("  20.0   tracing 12 % passes 12 %")


def test_the_goals_are_about_cases_that_exist():
    needs = [need for bar in COMPILING for need in bar.needs]
    assert {need.workload for need in needs} == CASES.keys() and {need.size for need in needs} == {*compiling.SIZES}
    bar = Bar("a node", 25, (ours("compiling", "chain", "1000", "microseconds"),), " us")
    assert judged([bar], [], [ROW])[0]["verdict"] == "met"


@pytest.mark.slow
def test_the_command_shows_the_phases_and_the_goals(capsys, tmp_path, monkeypatch):
    few = [bar for bar in COMPILING if bar.what == "compiling a chain of 1,000 nodes, for each"]
    monkeypatch.setattr(modes, "COMPILING", few)
    assert main(["--compile", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "chain, 1,002 nodes" in printed and "verifier" in printed and "at most 15 us" in printed
    assert "| chain" in (tmp_path / "compile.md").read_text()
    rows = [json.loads(line) for line in (tmp_path / "compile.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["environment", "probe"]


@pytest.mark.parametrize("option", ["--peers torch", "--workloads W1", "--sizes S", "--rounds 3", "--threads 2"])
def test_what_it_does_not_take_is_refused(option, capsys):
    assert main(["--compile", *option.split()]) == 2
    assert "--compile has cases of its own" in capsys.readouterr().err
