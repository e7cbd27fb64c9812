"""Charts as SVG, drawn for a page: the colors come from its style sheet, the words stand beside what they name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..view.chart.scales import log_ticks
from ..view.plots.training import running_mean
from ..view.words.markup import Markup, element

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 62, 704, 58, 306  # of the plot; the rest is for words
BAR = 120  # width of a full bar


class Curve(NamedTuple):
    """The losses of one training. `kind` is the class that gives its color; `lines` are its label."""

    kind: str
    lines: tuple[str, str]
    losses: Sequence[float]


def loss_chart(curves: Sequence[Curve], window: int) -> Markup:
    """The losses one training after the other, on a logarithmic scale: each step thin, their running mean thick."""
    losses = [np.maximum(np.asarray(curve.losses, dtype=float), 1e-9) for curve in curves]
    smooth = [running_mean(y, window) for y in losses]
    steps = sum(map(len, losses))
    lowest, highest = min(float(y.min()) for y in losses), max(float(y.max()) for y in losses)
    low, high = np.log10(lowest) - 0.05, np.log10(highest) + 0.05

    def across(step: float) -> float:
        return LEFT + (RIGHT - LEFT) * step / steps

    def up(loss: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (float(np.log10(loss)) - low) / (high - low)

    parts: list[Markup] = []
    for tick in log_ticks(10**low, 10**high):
        y = round(up(tick), 1)
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="rule"))
        parts.append(_label(f"{tick:g}", LEFT - 8, y + 4, "end"))
    for step in step_ticks(steps):
        x = round(across(step), 1)
        parts.append(element("line", x1=x, x2=x, y1=BOTTOM, y2=BOTTOM + 5, class_="axis"))
        parts.append(_label(f"{step:,}", x, BOTTOM + 20, "middle"))
    parts.append(element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis"))
    parts.append(_label("training step", (LEFT + RIGHT) / 2, HEIGHT - 8, "middle"))
    parts.append(_label("loss", LEFT - 8, TOP - 14, "end"))
    start = 0
    for curve, raw, mean in zip(curves, losses, smooth, strict=True):
        if start:
            x = round(across(start), 1)
            parts.append(element("line", x1=x, x2=x, y1=TOP - 46, y2=BOTTOM, class_="turn"))
        for values, thickness in ((raw, "raw"), (mean, "mean")):
            points = " ".join(f"{across(start + i + 0.5):.1f},{up(v):.1f}" for i, v in enumerate(values))
            parts.append(element("polyline", points=points, class_=f"{curve.kind} {thickness}"))
        for i, line in enumerate(curve.lines):
            left = across(start) + (8 if start else 0)
            parts.append(_label(line, left, TOP - 34 + 17 * i, "start", f"{curve.kind} name"))
        start += len(raw)
        parts.append(_label(f"{mean[-1]:.3f}", across(start) + 6, up(mean[-1]) + 4, "start", f"{curve.kind} value"))
    return element(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=in_words(curves, smooth), class_="chart"
    )


def in_words(curves: Sequence[Curve], smooth: Sequence[np.ndarray]) -> str:
    """The chart in words."""
    parts = [
        f"{' '.join(curve.lines)}: from {curve.losses[0]:.3f} at its first step to a mean of {mean[-1]:.3f} "
        f"at its last, {len(mean):,} steps"
        for curve, mean in zip(curves, smooth, strict=True)
    ]
    return f"The loss at each training step, on a logarithmic scale. {'; '.join(parts)}."


def step_ticks(steps: int) -> list[int]:
    """Round numbers of steps, from 0 on, six at most."""
    size = next(m * 10**k for k in range(12) for m in (1, 2, 5) if steps / (m * 10**k) < 6)
    return list(range(0, steps + 1, size))


def bars(before: float, after: float) -> Markup:
    """Two shares as two bars; the numbers stand beside it in the table, so it is hidden from those who hear it."""
    tracks = [element("rect", x=0, y=y, width=BAR, height=7, class_="track", fill_opacity=0.1) for y in (0, 9)]
    old = element("rect", x=0, y=0, width=round(BAR * before, 1), height=7, class_="before")
    new = element("rect", x=0, y=9, width=round(BAR * after, 1), height=7, class_="after")
    return element("svg", *tracks, old, new, width=BAR, height=16, viewBox=f"0 0 {BAR} 16", aria_hidden="true")


def _label(words: str, x: float, y: float, anchor: str, kind: str | None = None) -> Markup:
    return element("text", words, x=round(x, 1), y=round(y, 1), text_anchor=anchor, class_=kind)
