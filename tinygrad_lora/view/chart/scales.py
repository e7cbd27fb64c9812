"""Axes: from numbers to pixels, and ticks at round numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array

# The mantissas of the ticks of a log scale: few, then more and more, until there are enough ticks.
MANTISSAS: tuple[Iterable[float], ...] = (
    (1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), *([n / 10 for n in range(10, 100, step)] for step in (2, 1)),
)  # fmt: skip
FAR = 1e5  # pixels, for numbers that are far away
LEAST, MOST = 1e-300, 1e307  # of what an axis spans: beyond, differences and their shares are 0 or infinite
PAD = 0.04  # of the axis: how far the outermost numbers are from its ends


class ChartAxis(NamedTuple):
    """What is asked of an axis. Limits that are None follow the data; `ticks` are numbers, or their texts by number."""

    label: str
    log: bool
    percent: bool
    grid: bool
    limits: tuple[float | None, float | None]
    ticks: Mapping[Any, str] | Sequence[Any] | None
    whole: bool = False  # ticks at whole numbers, whatever the data are


@dataclass(frozen=True, slots=True)
class AxisScale:
    """An axis of `length` pixels from `low` to `high`, which may be the smaller one; `ticks` are numbers with texts."""

    low: float
    high: float
    log: bool
    length: float
    ticks: list[tuple[float, str]]

    def __call__(self, values: ArrayLike) -> Array:
        """Pixels from the beginning of the axis; nan for what has no place on it."""
        numbers, ends = np.asarray(values, np.float64), np.array([self.low, self.high])
        with np.errstate(all="ignore"):
            if self.log:
                numbers, ends = np.log10(numbers), np.log10(ends)
            pixels = (numbers - ends[0]) / (ends[1] - ends[0]) * self.length
        return np.where(np.isfinite(pixels), np.clip(pixels, -FAR, FAR), np.nan)


def scale(axis: ChartAxis, data: Sequence[Array], length: float, most: int, tight: bool = False) -> AxisScale:
    """The scale that shows the data, with at most so many ticks; at whole numbers if all the data are integers.

    Raises ValueError for a log axis without positive numbers, and for limits that leave no axis.
    """
    numbers = np.concatenate([np.ravel(array).astype(np.float64) for array in data]) if data else np.zeros(0)
    shown = numbers[np.isfinite(numbers) & ((numbers > 0) | (not axis.log))]
    if axis.log and numbers.size and not shown.size:
        raise ValueError(f"a log scale shows positive numbers only; none of these {numbers.size:,} is positive")
    shown = np.clip(shown, LEAST if axis.log else -MOST, MOST)
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.1, 1.0)
    if not tight and low < high and axis.log:
        logs = np.log([low, high])
        low, high = np.exp(np.clip(logs + PAD * np.ptp(logs) * np.array([-1, 1]), -700, 700)).tolist()
    elif not tight:
        low, high = low - PAD * (high - low), high + PAD * (high - low)
    if high - low < LEAST:
        half = max(abs(low), abs(high)) / 2 if max(abs(low), abs(high)) > LEAST else 0.5
        low, high = (low / 2, high * 2) if axis.log else (low - half, high + half)
    pairs = zip(axis.limits, (low, high), strict=True)
    low, high = (float(limit if given is None else given) for given, limit in pairs)
    if not np.isfinite([low, high]).all() or low == high or (axis.log and min(low, high) <= 0):
        raise ValueError(f"an axis runs from one {'positive ' * axis.log}number to another, not from {low} to {high}")
    if isinstance(axis.ticks, Mapping):
        ticks = [(float(tick), str(text)) for tick, text in axis.ticks.items()]
    else:
        whole = axis.whole or all(array.dtype.kind in "iub" for array in data)
        ends = min(low, high), max(low, high)
        automatic = log_ticks(*ends) if axis.log else linear_ticks(*ends, most, whole)
        places = [float(tick) for tick in (automatic if axis.ticks is None else axis.ticks)]
        ticks = [*zip(places, tick_texts(places, axis.log, axis.percent), strict=True)]
    place = AxisScale(low, high, axis.log, length, [])
    return replace(place, ticks=[tick for tick in ticks if -1 <= place(tick[0]) <= length + 1])  # those that are on it


def linear_ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """Ticks from `low` to `high` at multiples of 1, 2 or 5 times a power of ten.

    They are at most so many, unless it would be one alone.
    """
    if not low < high:
        return [low]
    finer: list[float] = []
    for m, k in ((m, k) for k in count(floor(log10((high - low) / most))) for m in (1, 2, 5)):
        if (step := float(f"{m}e{k}")) >= 1 or not whole:
            first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
            ticks = [float(f"{n * m}e{k}") for n in range(first, last + 1)]
            if len(ticks) <= most:
                return ticks if len(ticks) > 1 else finer or ticks
            finer = ticks
    raise AssertionError("a large step has few ticks")


def log_ticks(low: float, high: float) -> list[float]:
    """At most eight ticks between `low` and `high`: powers of ten, and others between if those are too few."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks: list[float] = []
    for mantissas in MANTISSAS:
        ticks = [tick for k in powers for m in mantissas if low <= (tick := float(f"{m}e{k}")) <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: ceil(len(ticks) / 8) or 1]


def tick_texts(ticks: Sequence[float], log: bool = False, percent: bool = False) -> list[str]:
    """The texts of ticks: plain numbers with as many decimals each, 1e-6 where they are long, shares as 2.5%."""
    if percent:
        return [f"{100 * tick:.12g}%" for tick in ticks]
    texts = [f"{tick:.15g}" for tick in ticks]
    if log or any("e" in text for text in texts):
        return [f"{tick:,g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e") for tick in ticks]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{tick:,.{decimals}f}" for tick in ticks]
