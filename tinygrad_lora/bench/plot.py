"""The ratios as a picture. The only module of the package that imports matplotlib, which may be absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .results import BASE, Result


def plot(found: Sequence[Result], path: Path) -> Path | None:
    """Draw theirs / ours for each workload over its sizes, one line for each peer; None without matplotlib.

    The higher, the slower they are; the line at 1 is ours.
    """
    timed = [r for r in found if r.ratio is not None and r.peer != BASE]
    try:
        import matplotlib
    except ImportError:
        return None
    if not timed:
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    workloads, peers = (list(dict.fromkeys(getattr(r, what) for r in timed)) for what in ("workload", "peer"))
    marks = {p: {"marker": "osD^vPX*<>"[i % 10], "color": f"C{i % 10}", "label": p} for i, p in enumerate(peers)}
    with matplotlib.rc_context({"svg.hashsalt": "bench", "font.size": 9}):
        figure, axes = pyplot.subplots(1, len(workloads), figsize=(2.2 * len(workloads) + 1.5, 3.6), sharey=True)
        for axis, workload in zip([axes] if len(workloads) == 1 else axes, workloads, strict=True):
            for p in peers:
                cells = [r for r in timed if (r.workload, r.peer) == (workload, p)]
                axis.plot([r.size for r in cells], [1 / r.ratio for r in cells if r.ratio], linewidth=1, **marks[p])
            axis.axhline(1, color="black", linewidth=0.8)
            axis.set(title=workload, yscale="log")
            axis.grid(axis="y", alpha=0.3)
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("")
        figure.axes[0].set_ylabel("time of theirs / ours")
        handles = {label: h for axis in figure.axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="center right", frameon=False)
        figure.tight_layout(rect=(0, 0, 1 - 1.4 / figure.get_figwidth(), 1))
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
    return path
