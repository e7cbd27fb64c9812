"""The ratios as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinygrad_lora.view.chart import Chart, Panels
from tinygrad_lora.view.chart.style import SERIES

from .results import BASE, Result

SPARE = 1.5  # how far the axis goes beyond the numbers, as a factor


def plot(measured: Sequence[Result], path: Path) -> Path | None:
    """Draw theirs / ours for each workload over its sizes, one line for each peer; None where nothing was timed.

    The higher, the slower they are; the line at 1 is ours.
    """
    timed = [r for r in measured if r.ratio and r.peer != BASE]
    return _ratios(timed).save(path) if timed else None


def _ratios(timed: Sequence[Result]) -> Panels:
    workloads, peers = (list(dict.fromkeys(getattr(r, what) for r in timed)) for what in ("workload", "peer"))
    ratios = [1 / r.ratio for r in timed if r.ratio]
    limits = min(*ratios, 1) / SPARE, max(*ratios, 1) * SPARE
    charts: list[Chart] = []
    for workload in workloads:
        cells = [r for r in timed if r.workload == workload]
        sizes = dict(enumerate(dict.fromkeys(r.size for r in cells)))
        places = {size: place for place, size in sizes.items()}
        chart = Chart(workload, log="y", ylim=limits, xlim=(-0.5, len(sizes) - 0.5), xticks=sizes, size=(170, 130))
        for i, peer in enumerate(peers):
            theirs = [r for r in cells if r.peer == peer]
            ratio = [1 / r.ratio for r in theirs if r.ratio]
            chart.line([places[r.size] for r in theirs], ratio, peer if not charts else "", points=i < SERIES)
        charts.append(chart.rule(y=1))
    title, note = "Time of theirs / ours: above 1 they are slower", "log scale; the names of the lines are at the first"
    names = f"Workloads {', '.join(workloads)}; peers {', '.join(peers)}"
    return Panels(charts, 3, title, note=note, alternative=f"{title}. {names}.")
