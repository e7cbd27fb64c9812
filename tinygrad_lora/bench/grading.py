"""How long a class takes to grade: `python -m tinygrad_lora.bench.grading --students 1000 -j 2`.

The class is made up: each student has some answers right, some as a known mistake, and some not begun.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..learn.exercise import Exercise
from ..learn.grade.grading import Settings, Workers, chosen, grade_all, self_check, workers_of_this_machine
from ..learn.grade.submissions import submissions
from ..learn.registry import load_exercise
from ..learn.solutions import source_of
from ..terminal import counting


def answer(exercise: Exercise, rng: np.random.Generator, share: float) -> str:
    """What a student wrote: the solution, a mistake that stands alone, or the template."""
    if rng.random() < share:
        return exercise.solution
    mutants = [m for m in exercise.mutants if m.code != "too-slow" and all(map(callable, m.values.values()))]
    if mutants and rng.random() < 0.5:
        mutant = mutants[int(rng.integers(len(mutants)))]
        return "\n\n".join([exercise.solution, *(source_of(thing, name) for name, thing in mutant.values.items())])
    return exercise.stub


def write_class(folder: Path, ids: list[str], students: int, seed: int) -> None:
    """A notebook for each student."""
    rng = np.random.default_rng(seed)
    exercises = [load_exercise(id) for id in ids]
    for number in range(students):
        share = float(rng.random())
        sources = [exercises[0].preamble, *(answer(exercise, rng, share) for exercise in exercises)]
        cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
        made: dict[str, Any] = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"student{number:04}.ipynb").write_text(json.dumps(made), encoding="utf-8")


def main() -> None:
    """Make the class, grade it, print the time."""
    parser = argparse.ArgumentParser(description="Time the grading of a made-up class.")
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--exercises", default="04")
    parser.add_argument("-j", "--jobs", type=int, default=workers_of_this_machine())
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    ids = chosen(given.exercises)
    with tempfile.TemporaryDirectory() as made:
        folder, settings = Path(made) / "class", Settings()
        folder.mkdir()
        write_class(folder, ids, given.students, given.seed)
        start = time.perf_counter()
        with Workers(given.jobs) as workers, counting(given.students, "Grading") as show:
            self_check(ids, workers.submit, settings)
            ready = time.perf_counter() - start
            points = []
            for _, result, _ in grade_all(submissions(folder), ids, settings, Path(made) / "cache", workers.submit):
                points.append(result["points"])
                show(len(points), "")
        seconds = time.perf_counter() - start
    print(f"{given.students} students, {len(ids)} exercises, {given.jobs} workers: {seconds:.1f} s")
    print(f"of them {ready:.1f} s to start and to check the grader; {given.students / (seconds - ready):.1f} a second")
    print(f"{np.mean(points):.1f} points on average")


if __name__ == "__main__":
    main()
