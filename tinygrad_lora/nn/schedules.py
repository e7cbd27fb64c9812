"""Learning rates that change: functions that give the rate of step t = 0, 1, 2, ... for an optimizer's `lr`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, pi

from .checks import check_number, check_size

Schedule = Callable[[int], float]

# Each returns a `partial` of a function of this module, and no closure: an optimizer that holds it can be pickled.


def linear(start: float, end: float, steps: int) -> Schedule:
    r"""$\eta_t = \eta_0 + (\eta_1 - \eta_0)\,t / n$ up to step n, and $\eta_1$ from there on.

    `start` is $\eta_0$, `end` is $\eta_1$ and `steps` is n. Raises ValueError for a negative rate, or no steps.
    """
    start, end, steps = check_number(start, "start", 0), check_number(end, "end", 0), check_size(steps, "steps")
    return partial(_linear, start=start, end=end, steps=steps)


def cosine(peak: float, steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    r"""$\eta_t = \eta_1 + \frac12 (\eta - \eta_1) \left(1 + \cos \pi \frac{t - w}{n - w}\right)$, after a warmup.

    `peak` is $\eta$, `end` is $\eta_1$, `steps` is n and `warmup` is w: for the first w steps the rate rises in a
    straight line, $\eta_t = \eta\,(t + 1) / (w + 1)$, so that the first step already learns. It is $\eta$ at step w and
    $\eta_1$ from step n on.
    Raises ValueError for a negative rate, no steps, or a warmup that is not shorter than `steps`.
    Source: Loshchilov and Hutter 2016, equation 5, without restarts (arXiv:1608.03983).
    """
    steps, warmup = check_size(steps, "steps"), check_size(warmup, "warmup") if warmup != 0 else 0
    if warmup >= steps:
        raise ValueError(f"warmup must be shorter than the whole schedule of {steps} steps, not {warmup}")
    peak, end = check_number(peak, "peak", 0), check_number(end, "end", 0)
    return partial(_cosine, peak=peak, steps=steps, warmup=warmup, end=end)


def step_decay(start: float, factor: float, every: int) -> Schedule:
    r"""$\eta_t = \eta_0\,\gamma^{\lfloor t / n \rfloor}$: after every n steps, $\gamma$ times what it was.

    `start` is $\eta_0$, `factor` is $\gamma$ and `every` is n. Raises ValueError for a negative rate or factor, or
    unless n is positive.
    """
    start, factor = check_number(start, "start", 0), check_number(factor, "factor", 0)
    every = check_size(every, "every")
    return partial(_step_decay, start=start, factor=factor, every=every)


def _linear(step: int, *, start: float, end: float, steps: int) -> float:
    return start + (end - start) * min(step / steps, 1.0)


def _cosine(step: int, *, peak: float, steps: int, warmup: int, end: float) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = min((step - warmup) / (steps - warmup), 1.0)
    return end + (peak - end) * (1 + cos(pi * done)) / 2


def _step_decay(step: int, *, start: float, factor: float, every: int) -> float:
    return float(start * factor ** (step // every))
