"""What the results say about each exercise: how hard it is, whom it tells apart, and what goes wrong in it."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..learn.diagnosis import NOT_STARTED

Result = dict[str, Any]
Results = Mapping[str, Result]
OF_A_SUBMISSION = ("process-ended", "not-graded")  # what goes wrong in every exercise at once is told once
ANY = "any exercise"
FEWEST = 10  # students: a correlation of fewer says nothing
MOST_FREQUENT = 3


@dataclass(frozen=True)
class Mistake:
    """A diagnosis in one exercise: how many students got it, and what one of them was told."""

    exercise: str
    code: str
    count: int
    sentence: str


@dataclass(frozen=True)
class ItemStatistics:
    """One exercise: the share of its points that each student got, and its most frequent mistakes.

    `discrimination` is the correlation of these shares with the points in all other exercises; None where that has no
    meaning. `hints` is the number of students who asked for a hint. `mistakes` are the most frequent ones, and `others`
    is how many kinds of mistakes there are besides.
    """

    exercise: str
    shares: dict[str, float]
    discrimination: float | None
    hints: int
    mistakes: list[Mistake]
    others: int

    @property
    def average(self) -> float:
        """Its difficulty: near 0 it is hard."""
        return statistics.fmean(self.shares.values())


def items(results: Results) -> list[ItemStatistics]:
    """The statistics of each exercise, in the order of the results."""
    first, ranked = next(iter(results.values()))["results"], mistakes(results)
    return [_item(id, results, ranked) for id in dict.fromkeys(one["exercise"] for one in first)]


def _item(id: str, results: Results, ranked: Sequence[Mistake]) -> ItemStatistics:
    own = {name: [one for one in result["results"] if one["exercise"] == id] for name, result in results.items()}
    points = {name: sum(one["points"] for one in ones) for name, ones in own.items()}
    out_of = max(1, sum(one["out_of"] for one in next(iter(own.values()))))
    others = [result["points"] - points[name] for name, result in results.items()]
    varied = len(results) >= FEWEST and len(set(points.values())) > 1 and len(set(others)) > 1
    discrimination = statistics.correlation([*points.values()], others) if varied else None
    hints = sum(id in result.get("hints", ()) for result in results.values())
    kinds, shares = [one for one in ranked if one.exercise == id], {name: n / out_of for name, n in points.items()}
    return ItemStatistics(id, shares, discrimination, hints, kinds[:MOST_FREQUENT], len(kinds[MOST_FREQUENT:]))


def mistakes(results: Results) -> list[Mistake]:
    """The mistakes in all exercises, the most frequent first."""
    who: dict[tuple[str, str], dict[str, str]] = {}  # by exercise and diagnosis: students, each with a sentence
    for student, one in ((student, one) for student, result in results.items() for one in result["results"]):
        if one["diagnosis"] not in (None, NOT_STARTED):
            kind = ANY if one["diagnosis"] in OF_A_SUBMISSION else one["exercise"], one["diagnosis"]
            who.setdefault(kind, {}).setdefault(student, one["sentence"])
    ranked = sorted(who.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return [Mistake(*kind, len(own), anonymous(next(iter(own.values())), results)) for kind, own in ranked]


def anonymous(sentence: str, students: Iterable[str]) -> str:
    """The sentence without students' names, which may stand in paths."""
    for student in sorted(students, key=len, reverse=True):
        if len(student) > 3:
            sentence = sentence.replace(student, "STUDENT")
    return sentence
