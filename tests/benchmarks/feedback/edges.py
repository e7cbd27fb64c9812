"""Answers near the edge between right and wrong: whichever they are, every seed and every budget must say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tinygrad_lora.grading.grading import GradingSettings
from tinygrad_lora.learn.checking.run import BUDGET, run_checks
from tinygrad_lora.learn.registry import load_exercise

from .answers import Answer, written
from .judging import PATIENCE

SEEDS = 50
BUDGETS = BUDGET, GradingSettings().budget  # of `check`, and of `grade`


def edge_answers() -> Iterator[Answer]:
    """The answers of the folder `edge`."""
    return written("edge")


def points(answer: Answer, seeds: Iterable[int]) -> dict[int, str]:
    """How many points the answer gets in how many ways: for each number of them, the seed and budget that gave it."""
    exercise = replace(load_exercise(answer.exercise), limit=PATIENCE)
    by_points: dict[int, str] = {}
    for seed in seeds:
        for budget in BUDGETS:
            report = run_checks(exercise, answer.values(exercise), seed=seed, budget=budget)
            by_points.setdefault(report.points, f"seed {seed}, budget {budget}")
    return by_points


def disagreements(seeds: Iterable[int]) -> list[str]:
    """The answers that get other points from other seeds or budgets, in words."""
    seeds = list(seeds)
    sentences = []
    for answer in edge_answers():
        by_points = points(answer, seeds)
        if len(by_points) > 1:
            ways = "; ".join(f"{n} points with {where}" for n, where in by_points.items())
            sentences.append(f"{answer.exercise}  {answer.title}: {ways}")
    return sentences
