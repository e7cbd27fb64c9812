"""How far float32 sums are off: the table of docs/numbers.md. `python tests/sum_errors.py` prints it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lora as tl

HALF_AN_ULP = 2.0**-24  # what rounding one float32 number costs at most, relative to it
SEEDS = range(5)


class Sum(NamedTuple):
    """A sum of positive numbers: how it reads, the shape of its array x, in tinygrad_lora, and exactly."""

    name: str
    shape: tuple[int, ...]
    function: Callable[[Any], Any]
    exact: Callable[[Any], Any]  # of float64: its own rounding does not show


SUMS = (
    Sum("`tl.sum(x)`, x (2000000,)", (2_000_000,), tl.sum, np.sum),
    Sum("`tl.sum(x, 1)`, x (500, 4000)", (500, 4000), lambda x: tl.sum(x, 1), lambda x: x.sum(1)),
    Sum("`tl.sum(x, 0)`, x (4000, 500)", (4000, 500), lambda x: tl.sum(x, 0), lambda x: x.sum(0)),
    Sum("`tl.mean(x * x)`, x (2000000,)", (2_000_000,), lambda x: tl.mean(x * x), lambda x: (x * x).mean()),
    Sum("`tl.sum(x * x, 1)`, x (500, 4000)", (500, 4000), lambda x: tl.sum(x * x, 1), lambda x: (x * x).sum(1)),
    Sum("`tl.mse(x, 0.5 * x)`, x (500, 4000)", (500, 4000), lambda x: tl.mse(x, 0.5 * x), lambda x: (x * x).mean() / 4),
)


def errors(row: Sum) -> tuple[float, float]:
    """The largest relative error of the eager sum and of the compiled one, in roundings of one number."""
    compiled = tl.compile(row.function)
    largest = [0.0, 0.0]
    for seed in SEEDS:
        x = np.random.default_rng(seed).random(row.shape, dtype=np.float32)
        exact = row.exact(x.astype(np.float64))
        for i, y in enumerate((row.function(tl.constant(x)).value, compiled(x))):
            largest[i] = max(largest[i], float(np.max(np.abs(y - exact) / exact)) / HALF_AN_ULP)
    return largest[0], largest[1]


def table() -> str:
    """The rows in Markdown."""
    lines = ["| float32 | eager | compiled |", "|---|---|---|"]
    for row in SUMS:
        eager, compiled = errors(row)
        lines.append(f"| {row.name} | {eager:.0f} | {compiled:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
