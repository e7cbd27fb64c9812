"""The ratios as a picture, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_lora.errors import RenderError
from tinygrad_lora.view.plots.drawing import COLORS, DASHES, MARKS, drawn, log_axis, new_plot

from .results import BASE, Result


def plot(measured: Sequence[Result], path: Path) -> Path | None:
    """Draw theirs / ours for each workload over its sizes, one line for each peer; None without matplotlib.

    The higher, the slower they are; the line at 1 is ours.
    """
    timed = [r for r in measured if r.ratio and r.peer != BASE]
    try:
        figure = _ratios(timed) if timed else None
    except RenderError:
        return None
    if figure is None:
        return None
    figure.savefig(path)
    return path


@drawn
def _ratios(timed: Sequence[Result]) -> Any:
    workloads, peers = (list(dict.fromkeys(getattr(r, what) for r in timed)) for what in ("workload", "peer"))
    title = "Time of theirs / ours: above 1 they are slower"
    names = ", ".join(peers)
    figure = new_plot(
        2.2 * len(workloads) + 1.5, 3.6, title, f"{title}. Workloads {', '.join(workloads)}; peers {names}."
    )
    panels = figure.subplots(1, len(workloads), sharey=True, squeeze=False)[0]
    ratios = [1 / r.ratio for r in timed if r.ratio]
    lines: dict[str, Any] = {}
    for axes, workload in zip(panels, workloads, strict=True):
        for i, peer in enumerate(peers):
            cells = [r for r in timed if (r.workload, r.peer) == (workload, peer)]
            look = {"color": COLORS[i % 8], "marker": MARKS[i % 8], "linestyle": DASHES[i // 8], "linewidth": 1}
            (lines[peer],) = axes.plot([r.size for r in cells], [1 / r.ratio for r in cells if r.ratio], **look)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_title(workload)
        axes.grid(axis="y")
        log_axis(axes, "y", min(*ratios, 1) / 1.5, max(*ratios, 1) * 1.5)
    panels[0].set_ylabel("time of theirs / ours, log scale")
    panels[-1].legend(lines.values(), lines.keys(), loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure
