"""The fuzzer: it draws the same programs again, passes what is right, and finds, shrinks and writes what is wrong."""

import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fuzz import command
from fuzz.circumstances import THRESHOLDS, Circumstances, draw, modules_with, thresholds_set
from fuzz.faults import Fault, found, is_allowed, outcome
from fuzz.harness import fault_of
from fuzz.report import Report
from fuzz.trials import trial_of

import tinygrad_lora as tl
from tinygrad_lora.core import ops

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_130

# A law that does not hold: relu(x) = x.
PLANT = """import importlib, runpy, sys
from tinygrad_lora import ops
importlib.import_module("tinygrad_lora.compiler.passes.simplify").RULES[ops.relu] = lambda node: node.parents[0]
runpy.run_path(sys.argv[1])
"""


@pytest.mark.parametrize("number", [pytest.param(n, marks=[pytest.mark.slow] * (n % 4 > 0)) for n in range(40)])
def test_a_random_program_agrees_with_its_eager_graph(number):
    trial = trial_of(SEED, number)
    verdict = outcome(trial)
    assert verdict is None or is_allowed(trial, verdict), f"{verdict}\n{trial.lines()}"


def test_a_number_stands_for_one_trial():
    first, second = trial_of(SEED, 3), trial_of(SEED, 3)
    assert first.lines() == second.lines() and first.circumstances == second.circumstances
    assert first.lines() != trial_of(SEED, 4).lines() and first.lines() != trial_of(SEED + 1, 3).lines()


def run(*command_line):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command_line], capture_output=True, text=True, env=environment)


@pytest.mark.slow
def test_a_planted_fault_is_found_made_small_and_written_as_a_file_that_runs(monkeypatch, tmp_path):
    simplify = importlib.import_module("tinygrad_lora.compiler.passes.simplify")
    monkeypatch.setitem(simplify.RULES, ops.relu, lambda node: node.parents[0])
    trials = ((number, trial_of(SEED, number)) for number in range(300))
    number, trial, verdict = next(
        (n, t, verdict) for n, t in trials if (verdict := outcome(t)) and verdict.startswith("different")
    )
    fault = found(trial, verdict, SEED, number, tmp_path, Counter())
    assert fault.cause == "different: simplify"
    text = Path(fault.path).read_text(encoding="utf-8")
    body = text[text.index("\ndef f(") :].partition("    return")[0].strip().splitlines()
    assert len(body) == 2 and "relu" in body[1], "one operation is enough"
    shown = run("-c", PLANT, fault.path)
    assert shown.returncode == 1 and "different: output 0" in shown.stdout, shown.stderr
    mended = run(fault.path)
    assert mended.returncode == 0 and "Nothing is wrong." in mended.stdout, mended.stderr


def test_what_only_a_second_call_shows_is_found():
    """Programs that hand out their own memory, keep an argument, or do not see new parameters."""
    x = np.arange(6.0)

    class Wrong:
        def __init__(self, function):
            self.function, self.program = tl.compile(function), tl.compile(function).prepare(x).program
            self.kept = np.zeros(6)

        def prepare(self, *args):
            return self.function.prepare(*args)

        def __call__(self, array):
            np.copyto(self.kept, self.function(array))
            return self.kept

    def double(x):
        return x + x

    assert fault_of(double, tl.compile(double), [(x,), (x + 1,)], exact=True, poison=True, disturb=True) is None
    verdict = fault_of(double, Wrong(double), [(x.copy(),), (x + 1,)], exact=True)
    assert verdict == "a result changed in the call after it in call 2"


def test_every_threshold_is_one_of_the_compilers():
    assert not [name for name in THRESHOLDS if not modules_with(name)]
    (module,) = modules_with("BLOCK_BYTES")
    before = module.BLOCK_BYTES
    with thresholds_set((("BLOCK_BYTES", 1),)):
        assert vars(module)["BLOCK_BYTES"] == 1
    assert vars(module)["BLOCK_BYTES"] == before


def test_circumstances_become_simpler_and_end_as_a_user_has_them():
    circumstances = draw(np.random.default_rng(3), 2)
    for _ in range(500):
        simpler = next((c for c in circumstances.simpler() if c != circumstances), None)
        if simpler is None:
            break
        circumstances = simpler
    assert circumstances == Circumstances(layouts=(("plain", "plain"),))


def test_the_summary_groups_faults_by_cause_and_keeps_apart_what_is_allowed(capsys):
    report = Report(7, sys.stdout)
    for number, cause in enumerate(["different: simplify", "different: simplify", "allowed by docs/numbers.md: x"]):
        report.take((["exact"], Fault(7, number, "different: output 0", cause, f"fault_7_{number}.py")))
    report.take(None)
    report.close(interrupted=True)
    printed = capsys.readouterr().out
    assert "interrupted: seed 7: " in printed and "3 programs" in printed and "3 exact" in printed
    assert "1 differences that docs/numbers.md allows" in printed
    assert "2 faults, by likely cause:\n     2  different: simplify\n        fault_7_0.py\n" in printed


@pytest.mark.slow
def test_the_command_runs_programs_in_processes_and_says_how_fast(capsys, tmp_path):
    assert command.main(["--programs", "8", "--workers", "2", "--seed", str(SEED), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "8 programs" in printed and "a second" in printed and "no fault was found" in printed
    assert command.main(["--only", "3", "--seed", str(SEED), "--out", str(tmp_path)]) == 0
    assert "1 program " in capsys.readouterr().out
