"""The command `bench grading`: how long a class takes to grade.

The class is made up, and the same for the same seed. Each student hands in whole notebooks, as the course gives them
out, with some answers right, some as a known mistake, and some not begun.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from wrong_answers import mutants_of

from tinygrad_lora.grading.grading import (
    GradingSettings,
    chosen,
    grade_all,
    self_check,
    workers_of_this_machine,
    working,
)
from tinygrad_lora.grading.process.zygote import Limits, Nursery
from tinygrad_lora.grading.submissions import submissions
from tinygrad_lora.learn.checking.solutions import source_of
from tinygrad_lora.learn.exercise import Exercise
from tinygrad_lora.learn.registry import load_exercise
from tinygrad_lora.learn.release.notebook import with_imports
from tinygrad_lora.learn.tutorials import Tutorial, tutorial
from tinygrad_lora.terminal import counting

from .environment import environment, machine_line


def answer(exercise: Exercise, rng: np.random.Generator, share: float) -> str:
    """What a student wrote: the solution, a known mistake, or the template."""
    if rng.random() < share:
        return exercise.solution
    if mutants_of(exercise) and rng.random() < 0.5:
        wrong = mutants_of(exercise)[int(rng.integers(len(mutants_of(exercise))))].values
        return "\n\n".join([exercise.solution, *(mistake(name, value) for name, value in wrong.items())])
    return exercise.stub


def mistake(name: str, value: Any) -> str:
    """A wrong answer as text. A function that calls itself does so by its new name."""
    return re.sub(rf"\b{value.__name__}\b", name, source_of(value)) if callable(value) else f"{name} = {value!r}\n"


def answered(notebook: Tutorial, ids: Sequence[str], rng: np.random.Generator, share: float) -> str:
    """The notebook of a tutorial, all its cells, with a student's answers to these exercises."""
    whole = json.loads(notebook.path.read_text(encoding="utf-8"))
    for cell in whole["cells"]:
        mark = cell["metadata"].get("tinygrad_lora", {})
        if mark.get("role") == "answer" and mark["exercise"] in ids:
            exercise = load_exercise(mark["exercise"])
            cell["source"] = with_imports(exercise, answer(exercise, rng, share))
    return json.dumps(whole)


def write_class(folder: Path, ids: Sequence[str], students: int, seed: int) -> None:
    """A folder for each student, with a notebook for each tutorial that has one of the exercises."""
    rng = np.random.default_rng(seed)
    notebooks = [tutorial(number) for number in dict.fromkeys(id[:2] for id in ids)]
    for n in range(students):
        own, share = folder / f"student{n:04}", float(rng.random())
        own.mkdir(parents=True)
        for notebook in notebooks:
            (own / notebook.path.name).write_text(answered(notebook, ids, rng, share), encoding="utf-8")


def cost_of_a_process(trusted: bool, times: int = 40) -> float:
    """Seconds that it takes to start a student's process and to end it: the median."""
    nursery, seconds = Nursery(Limits(), trusted), []
    try:
        for _ in range(times):
            start = time.perf_counter()
            channel = nursery.start()
            channel.close()
            nursery.end()
            seconds.append(time.perf_counter() - start)
    finally:
        nursery.close()
    return float(np.median(seconds))


def add_command(commands: Any) -> None:
    """Add `grading` to the commands of `bench`."""
    parser = commands.add_parser(
        "grading",
        help="time the grading of a made-up class",
        description="Time the grading of a made-up class that hands in whole notebooks: right answers, known mistakes "
        "and answers not begun.",
    )
    jobs = workers_of_this_machine()
    parser.add_argument("--students", type=int, default=1000, help="how many hand in (%(default)s)")
    parser.add_argument("--exercises", default="04", metavar="04|04-topo,...", help="what they did (%(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=jobs, help="processes (%(default)s, one a core)")
    parser.add_argument("--seed", type=int, default=0, help="draws the answers (%(default)s)")
    parser.add_argument("--trusted", action="store_true", help="without a sandbox, to see what it costs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the class, grade it, print the time."""
    ids, machine = chosen(args.exercises), environment() | {"threads": 1}
    with tempfile.TemporaryDirectory() as made:
        folder, settings = Path(made) / "class", GradingSettings(trusted=args.trusted)
        write_class(folder, ids, args.students, args.seed)
        start = time.perf_counter()
        with working(args.jobs) as submit, counting(args.students, "Grading") as show:
            self_check(ids, submit, settings)
            ready = time.perf_counter() - start
            points = []
            for _, result, _ in grade_all(submissions(folder), ids, settings, Path(made) / "cache", submit):
                points.append(result["points"])
                show(len(points), "")
        seconds = time.perf_counter() - start
    count = args.students * len({id[:2] for id in ids})
    print(f"{count} whole notebooks, {len(ids)} exercises, {args.jobs} workers: {seconds:.1f} s")
    print(f"of them {ready:.1f} s to start and to check the grader; {args.students / (seconds - ready):.1f} a second")
    print(settings.held)
    print(f"{np.mean(points):.1f} points on average, of {result['out_of']}")
    plain = f"{1e3 * cost_of_a_process(trusted=True):.0f} ms without a sandbox"
    walled = "" if args.trusted else f"{1e3 * cost_of_a_process(trusted=False):.0f} ms in the sandbox, "
    print(f"to start and end a student's process: {walled}{plain}")
    print(machine_line(machine))
    return 0
