"""A fault: a trial that went wrong, made small, with its likely cause, and written as a file that runs by itself."""

from __future__ import annotations

import inspect
import re
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lora.compiler.checks.culprit import find_culprit

from . import harness
from .circumstances import modules_with, thresholds_set
from .trials import Trial

ALLOWED = "allowed by docs/numbers.md"
REFUSED = re.compile(r"CompileError: engine=.* has no ")  # an engine may lack something, if it says what
ENOUGH = 5  # faults of one cause that a process makes small


@dataclass(frozen=True)
class Fault:
    """What a trial found: the sentence, its likely cause, the file that shows it, and the command that repeats it."""

    seed: int
    number: int
    told: str
    cause: str
    path: str = ""

    @property
    def again(self) -> str:
        """The command that runs this trial alone."""
        return f"python3 run.py fuzz --seed {self.seed} --only {self.number}"


def outcome(trial: Any) -> str | None:
    """What is wrong with a trial; an error of the fuzzer's own, too, is worth looking at."""
    try:
        told = trial.fault()
        return None if told and REFUSED.search(told) else told
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"broken: {type(error).__name__}: {error} in {Path(where.filename).name}, {where.name}"


def kind_of(told: str) -> str:
    """The sentence without names, numbers and arrays: two faults of one kind say the same."""
    if told.startswith("different"):
        return "different dtype or shape" if re.search(r"is [a-z]+\d*\[|outputs for", told) else "different"
    first, *more = told.split("\n")
    if "MiscompiledWarning" in first and more:  # what was wrong stands below
        first = f"a warning: MiscompiledWarning: {more[0]}"
    words = re.sub(r" in (call|step) \d+", "", first).partition(" reads ")[0]
    return re.sub(r"\b[vxwct]\d+\b|\d[\d.,e+-]*|\(.*?\)|\[.*?\]", "_", words)[:160].strip()


def is_allowed(trial: Any, told: str) -> bool:
    """Whether docs/numbers.md leaves room for this difference: special numbers, and magnitudes near overflow."""
    output = re.search(r"output (\d+)", told)
    special = kind_of(told) == "different" and output is not None
    return special and not trial.is_promised(int(output[1]))


def cause_of(trial: Any, told: str) -> str:
    """The step of the compiler that changes the numbers, or what the sentence says."""
    if kind_of(told) != "different" or not isinstance(trial, Trial):
        return kind_of(told)
    call = re.search(r"in call (\d+)", told)
    arrays = [trial.program, *trial.later][int(call[1]) - 1 if call else 0].arrays
    try:
        with thresholds_set(trial.circumstances.thresholds), np.errstate(all="ignore"):
            p = trial.compiled().prepare(*arrays).program
            culprit = find_culprit(p.traced, p.snapshots, arrays)
        return f"different: {culprit.step}" if culprit else "different: the program of the right graph"
    except Exception as error:
        return f"different, and no cause found: {type(error).__name__}"


def found(trial: Any, told: str, seed: int, number: int, folder: Path, known: Counter[str]) -> Fault:
    """The fault, made small and written to a file, unless enough faults of this cause are known."""
    cause, kind = cause_of(trial, told), kind_of(told)
    if is_allowed(trial, told):
        return Fault(seed, number, told, f"{ALLOWED}: {cause}")
    known[cause] += 1
    if known[cause] > ENOUGH:
        return Fault(seed, number, told, cause)

    def is_alike(candidate: Any) -> bool:
        told = outcome(candidate)
        return told is not None and kind_of(told) == kind and not is_allowed(candidate, told)

    try:
        small = trial.smaller(is_alike)
    except Exception as error:  # a fault is not lost because it stays large
        small, told = trial, f"{told}\n(not made smaller: {type(error).__name__}: {error})"
    told = outcome(small) or told
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"fault_{seed}_{number}.py"
    fault = Fault(seed, number, told, cause_of(small, told), str(path))
    path.write_text(source(small, fault), encoding="utf-8")
    return fault


def source(trial: Any, fault: Fault) -> str:
    """The file: it says what is wrong and ends with exit code 1, or with 0 where nothing is wrong any more."""
    told = f"{fault.cause}\n\nFound by: {fault.again}\nThis file shows it and ends with exit code 1: python FILE"
    thresholds = [
        f"import {module.__name__} as module\nmodule.{name} = {value}"
        for name, value in trial.circumstances.thresholds
        for module in modules_with(name)
    ]
    lines = [
        f'"""{told}\n"""\n'.replace("\\", "/"),
        inspect.getsource(harness).partition('"""\n\n')[2],
        *thresholds,
        *trial.lines(),
        'print(told or "Nothing is wrong.")',
        "raise SystemExit(told is not None)",
    ]
    return "\n".join(line for line in lines if line) + "\n"
