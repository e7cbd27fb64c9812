"""The plot of a sweep: the loss over the learning rate, one line for each kind of adapter."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..chart import Chart
from ..chart.style import SERIES
from ..words.sentences import number, one_line


def loss_over_rate(losses: Mapping[str, Mapping[float, Sequence[float]]], *, title: str = "Sweep") -> Chart:
    """For each name a line of the mean loss at each rate, in a band from the smallest to the largest of the seeds.

    losses: by name and rate the losses of all seeds. A rate at which one of them is not finite, because that run
        diverged, breaks the line
    title: what stands above the plot
    Returns a chart.
    Raises ValueError for nothing to show, and for more lines than can be told apart.

    >>> from tinygrad_lora.view import plots
    >>> chart = plots.loss_over_rate({"rank 2": {0.01: [0.9, 1.1], 0.1: [0.4, 0.6]}})
    >>> chart.svg()[:4]
    '<svg'
    """
    lines = {one_line(str(name)): dict(sorted(of_rate.items())) for name, of_rate in losses.items()}
    if not any(lines.values()):
        raise ValueError("there is no loss to show: give those of each rate by name")
    if len(lines) > SERIES:
        raise ValueError(f"{len(lines)} lines cannot be told apart; the limit is {SERIES}: draw two plots")
    seeds = max(len(values) for of_rate in lines.values() for values in of_rate.values())
    band = f", mean of {seeds} seeds in a band from the smallest to the largest" if seeds > 1 else ""
    title = f"{one_line(title)}: validation loss{band}"
    chart = Chart(title, x="learning rate, log scale", y="loss", log="x")
    words = []
    for name, of_rate in lines.items():
        rates, values = list(of_rate), [np.array(v, np.float64) for v in of_rate.values()]
        mean = np.array([v.mean() if np.isfinite(v).all() else np.nan for v in values])
        best = "diverged at all rates"
        if np.isfinite(mean).any():
            best = f"best {number(np.nanmin(mean))} at {rates[int(np.nanargmin(mean))]:g}"
        words.append(f"{name}: {best}")
        chart.line(rates, mean, words[-1], points=True)
        if seeds > 1:
            low, high = (np.where(np.isfinite(mean), [f(v) for v in values], np.nan) for f in (np.min, np.max))
            chart.band(rates, low, high)
    chart._alternative = f"{title}, at each learning rate. {'; '.join(words)}."
    return chart
