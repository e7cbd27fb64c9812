"""From measured times to results: ratios round by round, their median and quartiles, and the median over launches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

BASE = "ours"


class Result(NamedTuple):
    """One implementation of one case. Without times, `reason` says why.

    `launches` are the medians of the rounds' ratios, ours / theirs, in each launch; the gate is their median.
    `low` and `high` are the quartiles over all rounds.
    """

    workload: str
    size: str
    peer: str
    reason: str | None = None
    first: float | None = None  # seconds of the first step, which compiles: the median over launches
    seconds: float | None = None  # of a step: the median over launches of the median over rounds
    launches: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """The gate: ours / theirs, below 1 where ours is faster."""
        return median(self.launches) if self.launches else None


def results(rows: Iterable[dict[str, Any]]) -> list[Result]:
    """One result for each case and peer, in the order of the rows."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "times":
            groups.setdefault((row["workload"], row["size"], row["peer"]), []).append(row)
    ours = {
        (workload, size, row["launch"]): row["times"]
        for (workload, size, peer), rows in groups.items() if peer == BASE
        for row in rows if row.get("times")
    }  # fmt: skip
    return [_result(key, rows, ours) for key, rows in groups.items()]


def _result(key: tuple[str, str, str], rows: list[dict[str, Any]], ours: dict[tuple[str, str, int], Any]) -> Result:
    if reason := next((row.get("failed") or row.get("skipped") for row in rows if not row.get("times")), None):
        return Result(*key, reason=reason)
    first, seconds = median(row["first"] for row in rows), median(median(row["times"]) for row in rows)
    ratios = [
        [mine / theirs for mine, theirs in zip(ours[key[0], key[1], row["launch"]], row["times"], strict=True)]
        for row in rows if (key[0], key[1], row["launch"]) in ours
    ]  # fmt: skip
    if not ratios:
        return Result(*key, first=first, seconds=seconds)
    low, high = quartiles([ratio for launch in ratios for ratio in launch])
    return Result(*key, None, first, seconds, tuple(map(median, ratios)), low, high)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    (2.0, 4.0)
    """
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def ratio_of(measured: Iterable[Result], workload: str, size: str, peer: str) -> float | None:
    """The gate of one cell, if it was measured."""
    return next((r.ratio for r in measured if (r.workload, r.size, r.peer) == (workload, size, peer)), None)
