"""The charts of the page: the losses of both trainings, and small bars beside a table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..view.chart import Chart
from ..view.plots.training import running_mean
from ..view.words.markup import Markup, element

BAR = 120  # width of a full bar
LEAST = 1e-9  # the smallest loss that a logarithmic scale shows


class Curve(NamedTuple):
    """The losses of one training; the series gives its color."""

    series: int
    name: str
    losses: Sequence[float]


def loss_chart(curves: Sequence[Curve], window: int) -> Chart:
    """The losses one training after the other: their running mean, in a band of one standard deviation."""
    chart, start = Chart("The loss of both trainings", x="training step", y="loss, log scale", log="y"), 0
    for curve in curves:
        logarithms = np.log(np.maximum(np.asarray(curve.losses, dtype=float), LEAST))
        mean, squares = running_mean(logarithms, window), running_mean(logarithms**2, window)
        spread = np.sqrt(np.maximum(squares - mean**2, 0))
        steps = np.arange(start + 1, start + 1 + len(mean))
        if start:
            chart.rule(x=start + 0.5)
        chart.line(steps, np.exp(mean), f"{curve.name}: {np.exp(mean[-1]):.3f} at the end", series=curve.series)
        chart.band(steps, np.exp(mean - spread), np.exp(mean + spread))
        start += len(mean)
    return chart


def bars(before: float, after: float) -> Markup:
    """Two shares as two bars; the numbers stand beside it in the table, so it is hidden from those who hear it."""
    tracks = [element("rect", x=0, y=y, width=BAR, height=7, class_="track", fill_opacity=0.1) for y in (0, 9)]
    old = element("rect", x=0, y=0, width=round(BAR * before, 1), height=7, class_="before")
    new = element("rect", x=0, y=9, width=round(BAR * after, 1), height=7, class_="after")
    return element("svg", *tracks, old, new, width=BAR, height=16, viewBox=f"0 0 {BAR} 16", aria_hidden="true")
