"""Plots of training: the loss of one run, or of several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array
from ...errors import ShapeError
from ...nn.checks import check_size
from ..chart import Chart
from ..chart.style import SERIES
from ..words.grammar import counted
from ..words.sentences import number, one_line
from .checks import finite


class LossCurve(NamedTuple):
    """The mean loss of one or more runs, and the band around it."""

    name: str
    seeds: int
    line: Array
    low: Array
    high: Array


def loss_curves(histories: ArrayLike | Mapping[str, ArrayLike], *, smooth: int = 1, log: bool = False) -> Chart:
    """The loss at every training step: the mean over seeds, in a band of one standard deviation to either side.

    histories: the list of losses of one run, a list of such lists, one for each seed, or a dict of either by name, one
        line each
    smooth: how many steps around each one are averaged, in each run by itself
    log: True takes a logarithmic scale: the mean is geometric, and the deviation is that of the logarithms
    Returns a chart.
    Raises ValueError for an empty history, numbers that are not finite, and losses that are not positive on a log
    scale; ShapeError for seeds of unequal length.

    >>> from tinygrad_lora.view import plots
    >>> chart = plots.loss_curves({"SGD": [1.0, 0.5, 0.2], "Adam": [1.0, 0.3, 0.1]}, log=True)
    >>> chart.svg()[:4]
    '<svg'
    """
    window = check_size(smooth, "smooth")
    named = histories if isinstance(histories, Mapping) else {"loss": histories}
    runs = {one_line(str(name)): history for name, history in named.items()}
    if not runs:
        raise ValueError("there is no history to show: pass the losses of a training, one number a step")
    if len(runs) > SERIES:
        raise ValueError(f"{len(runs)} lines cannot be told apart; the limit is {SERIES}: draw two plots")
    curves = [_curve(name, _losses(name, history), window, log) for name, history in runs.items()]

    several = any(curve.seeds > 1 for curve in curves)
    mean = "geometric mean" if log else "mean"
    over = f", {mean} over seeds in a band of one standard deviation" if several else ""
    each = f", {mean} of the {window} steps around each" if window > 1 else ""
    summaries = "; ".join(f"{_label(c, len(c.line))}, from {number(c.line[0])} to {number(c.line[-1])}" for c in curves)
    longest = max(len(curve.line) for curve in curves)
    bottom = 0 if not log and min(float(curve.low.min()) for curve in curves) >= 0 else None
    chart = Chart(
        f"Training loss{over}", x=f"training step{each}", y="loss, log scale" if log else "loss", log="y" * log,
        xlim=(1, max(longest, 2)), ylim=(bottom, None),
        alternative=f"Training loss at each step{over}{each}. {summaries}.",
    )  # fmt: skip
    for curve in curves:
        steps, end = np.arange(1, len(curve.line) + 1), f"{number(curve.line[-1])} at the end"
        chart.line(steps, curve.line, f"{_label(curve, longest)}: {end}", points=len(steps) == 1)
        if curve.seeds > 1:
            chart.band(steps, curve.low, curve.high)
    return chart


def _losses(name: str, history: ArrayLike) -> Array:
    """The losses of one line as an array of shape (seeds, steps)."""
    what = f"the history {name!r}"
    if isinstance(history, str | Mapping) or not isinstance(history, Sequence | np.ndarray):
        raise TypeError(f"{what} must be a list of losses, or one for each seed, not {type(history).__name__}")
    lengths = {len(run) for run in history if isinstance(run, Sequence | np.ndarray) and np.ndim(run) == 1}
    if len(lengths) > 1:
        problem = f"{what} has seeds of {min(lengths):,} and of {max(lengths):,} steps"
        remedy = f"cut them to {min(lengths):,}, or name them apart"
        raise ShapeError(f"{problem}: a mean needs as many steps of each; {remedy}")
    losses = finite(history, what, "the training diverged there: lower the learning rate").astype(np.float64)
    losses = losses[None] if losses.ndim == 1 else losses
    if losses.ndim != 2:
        raise ShapeError(f"{what} must be losses by step, or by seed and step, not an array of shape {losses.shape}")
    if not losses.size:
        raise ValueError(f"{what} is empty: append float(loss) at every training step")
    return losses


def _curve(name: str, losses: Array, window: int, log: bool) -> LossCurve:
    """The mean and the band of one line, computed on the scale on which it is shown."""
    if log and not losses.min() > 0:
        raise ValueError(f"the history {name!r} holds {losses.min():g}: a log scale shows positive losses only")
    values = running_mean(np.log(losses) if log else losses, window)
    center = values.mean(axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(center)
    line, low, high = (np.exp(y) if log else y for y in (center, center - spread, center + spread))
    return LossCurve(name, len(values), line, low, high)


def running_mean(values: Array, window: int) -> Array:
    """The moving average along the last axis: the mean of the `window` values around each, fewer at the ends."""
    zero = np.zeros((*values.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(values, axis=-1)], axis=-1)
    i = np.arange(values.shape[-1])
    first, last = np.maximum(i - window // 2, 0), np.minimum(i - window // 2 + window, len(i))
    return (sums[..., last] - sums[..., first]) / (last - first)


def _label(curve: LossCurve, steps: int) -> str:
    """The name of a line, its number of seeds, and its number of steps if the others have more."""
    parts = [f"{curve.seeds} seeds"] * (curve.seeds > 1)
    parts += [counted(len(curve.line), "step")] * (len(curve.line) < steps)
    return f"{curve.name} ({', '.join(parts)})" if parts else curve.name
