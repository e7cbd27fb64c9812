"""Axes: from numbers to pixels, and ticks at round numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array

# The mantissas of the ticks of a log scale: few, then more and more, until there are enough ticks.
MANTISSAS: tuple[Iterable[float], ...] = (
    (1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), *([n / 10 for n in range(10, 100, step)] for step in (2, 1)),
)  # fmt: skip
PAD = 0.04  # of the axis: how far the outermost numbers are from its ends


class Axis(NamedTuple):
    """What is asked of an axis. Limits that are None follow the data; `ticks` are numbers, or their texts by number."""

    label: str
    log: bool
    percent: bool
    grid: bool
    limits: tuple[float | None, float | None]
    ticks: Mapping[Any, str] | Sequence[Any] | None
    whole: bool = False  # ticks at whole numbers, whatever the data are


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis of `length` pixels from `low` to `high`, which may be the smaller one; `ticks` are numbers with texts."""

    low: float
    high: float
    log: bool
    length: float
    ticks: list[tuple[float, str]]

    def __call__(self, values: ArrayLike) -> Array:
        """Pixels from the beginning of the axis; not finite for what has no place on it."""
        numbers, ends = np.asarray(values, np.float64), np.array([self.low, self.high])
        with np.errstate(all="ignore"):
            if self.log:
                numbers, ends = np.log10(numbers), np.log10(ends)
            return (numbers - ends[0]) / (ends[1] - ends[0]) * self.length


def scale(axis: Axis, data: Sequence[Array], length: float, most: int, tight: bool = False) -> Scale:
    """The scale that shows the data, with at most so many ticks; at whole numbers if all the data are integers.

    Raises ValueError for a log axis without positive numbers.
    """
    numbers = np.concatenate([np.ravel(array).astype(np.float64) for array in data]) if data else np.zeros(0)
    shown = numbers[np.isfinite(numbers) & ((numbers > 0) | (not axis.log))]
    if axis.log and numbers.size and not shown.size:
        raise ValueError(f"a log scale shows positive numbers only; none of these {numbers.size:,} is positive")
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.1, 1.0)
    if not tight and low < high:
        pad = PAD * (np.log(high / low) if axis.log else high - low)
        low, high = (low / np.exp(pad), high * np.exp(pad)) if axis.log else (low - pad, high + pad)
    if low == high:
        low, high = (low / 2, high * 2) if axis.log else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
    low, high = (
        float(limit if given is None else given) for given, limit in zip(axis.limits, (low, high), strict=True)
    )
    if isinstance(axis.ticks, Mapping):
        return Scale(low, high, axis.log, length, [(float(tick), text) for tick, text in axis.ticks.items()])
    whole = axis.whole or all(array.dtype.kind in "iub" for array in data)
    ends = min(low, high), max(low, high)
    automatic = log_ticks(*ends) if axis.log else linear_ticks(*ends, most, whole)
    ticks = [float(tick) for tick in (automatic if axis.ticks is None else axis.ticks)]
    return Scale(low, high, axis.log, length, [*zip(ticks, tick_texts(ticks, axis.log, axis.percent), strict=True)])


def linear_ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """At most so many ticks from `low` to `high`, at multiples of 1, 2 or 5 times a power of ten."""
    if not low < high:
        return [low]
    for power in count(floor(log10((high - low) / most))):
        for step in (float(f"{m}e{power}") for m in (1, 2, 5)):
            first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
            if last - first < most and (step >= 1 or not whole):
                return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    raise AssertionError("a step this large has one tick at most")


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
        return [f"{100 * tick:.3g}%" for tick in ticks]
    texts = [f"{tick:.10g}" for tick in ticks]
    if log or any("e" in text for text in texts):
        return [f"{tick:g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e") for tick in ticks]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{tick:,.{decimals}f}" for tick in ticks]
