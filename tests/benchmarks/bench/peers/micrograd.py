"""micrograd: W6, and W8 number by number (see microgpt/), because it knows numbers and no arrays."""

from __future__ import annotations

from typing import Any

from ..workloads import Case
from . import Prepared, chosen


def prepare(name: str, case: Case) -> Prepared:
    return chosen({"W6": chain}, case, "it knows numbers and no arrays")


def library() -> Any:
    """The class of its numbers."""
    from micrograd.engine import Value

    return Value


def chain(case: Case) -> Prepared:
    Value = library()
    numbers = [float(array) for array in case["x a b"]]

    def step() -> Any:
        arguments = [Value(number) for number in numbers]
        y, a, b = arguments
        for _ in range(case.size.steps):
            y = (y * a + b).relu()
        y.backward()
        return y.data, *(p.grad for p in arguments)

    return Prepared(step, lambda outputs: dict(zip(["y", "dx", "da", "db"], outputs, strict=True)))
