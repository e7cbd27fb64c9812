"""Learning rates that change: functions that give the rate of step t = 0, 1, 2, ... for an optimizer's `lr`."""

from collections.abc import Callable
from functools import partial
from math import cos, pi

from .checks import check_number, check_size

Schedule = Callable[[int], float]

# Each returns a `partial` of a function of this module, and no closure: an optimizer that holds it can be pickled.


def linear(start: float, end: float, steps: int) -> Schedule:
    r"""$\eta_t = \eta_0 + (\eta_1 - \eta_0)\,t / n$ up to step n, and $\eta_1$ from there on.

    start: $\eta_0$, at least 0
    end: $\eta_1$, at least 0
    steps: n, a positive whole number of steps
    Returns a function from the number of steps done to a rate, for the `lr` of an optimizer.
    Raises ValueError for a negative rate, or no steps; TypeError for what is no number.

    >>> rate = tl.linear(1.0, 0.0, steps=4)
    >>> [rate(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    start, end, steps = check_number(start, "start", 0), check_number(end, "end", 0), check_size(steps, "steps")
    return partial(_linear, start=start, end=end, steps=steps)


def cosine(peak: float, steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    r"""$\eta_t = \eta_1 + \frac12 (\eta - \eta_1) \left(1 + \cos \pi \frac{t - w}{n - w}\right)$, after a warmup.

    For the first w steps the rate rises in a straight line, $\eta_t = \eta\,(t + 1) / (w + 1)$, so that the first step
    already learns. It is $\eta$ at step w and $\eta_1$ from step n on.

    peak: $\eta$, at least 0
    steps: n, a positive whole number of steps, the warmup included
    warmup: w, a whole number of steps below n
    end: $\eta_1$, at least 0
    Returns a function from the number of steps done to a rate, for the `lr` of an optimizer.
    Raises ValueError for a negative rate, no steps, or a warmup that is not shorter than `steps`.
    Source: Loshchilov and Hutter 2016, equation 5, without restarts (arXiv:1608.03983).

    >>> rate = tl.cosine(1.0, steps=6, warmup=2)
    >>> [round(rate(step), 3) for step in range(7)]
    [0.333, 0.667, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    steps, warmup = check_size(steps, "steps"), check_size(warmup, "warmup") if warmup != 0 else 0
    if warmup >= steps:
        raise ValueError(f"warmup must be shorter than the whole schedule of {steps} steps, not {warmup}")
    peak, end = check_number(peak, "peak", 0), check_number(end, "end", 0)
    return partial(_cosine, peak=peak, steps=steps, warmup=warmup, end=end)


def step_decay(start: float, factor: float, every: int) -> Schedule:
    r"""$\eta_t = \eta_0\,\gamma^{\lfloor t / n \rfloor}$: after every n steps, $\gamma$ times what it was.

    start: $\eta_0$, at least 0
    factor: $\gamma$, at least 0
    every: n, a positive whole number of steps
    Returns a function from the number of steps done to a rate, for the `lr` of an optimizer.
    Raises ValueError for a negative rate or factor, or unless `every` is positive; TypeError for what is no number.

    >>> rate = tl.step_decay(1.0, factor=0.5, every=2)
    >>> [rate(step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
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
