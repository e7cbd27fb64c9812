"""The floor: only the matrix products that a workload cannot avoid, each into an array made beforehand.

They run on arrays of the right shapes, laid out as NumPy has them, with `np.matmul(..., out=)`: no adding, no function
of elements, no update. What a step takes beyond this is what it could save. A step that finds a better layout for a
product than this one can come below the floor.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..workloads import Case, mlp_widths
from . import Prepared, UnableError

Shapes = dict[str, tuple[int, ...]]

FORWARD = ["y = x @ W", "h = x @ A", "y = h @ B"]
FACTORS = ["u = g @ B.T", "dA = x.T @ u", "dB = h.T @ g"]
INPUT = ["dx = g @ W.T", "dx = u @ A.T"]
ATTENTION = ["scores = q @ k.mT", "mixed = scores @ v"]


def layer_shapes(batch: int, inputs: int, outputs: int, rank: int) -> Shapes:
    """The shapes of everything that the products of a linear layer with an adapter name."""
    x, W, A, B = (batch, inputs), (inputs, outputs), (inputs, rank), (rank, outputs)
    y, h = (batch, outputs), (batch, rank)
    return {"x": x, "W": W, "A": A, "B": B, "y": y, "g": y, "h": h, "u": h, "dx": x, "dA": A, "dB": B}


def products(case: Case) -> list[tuple[list[str], Shapes]]:
    """The products of each layer in order, and the shapes of their arrays."""
    size = case.size
    if case.workload in ("W5", "W6"):
        return []
    if case.workload == "W7":
        rows, width, head = size.batch * size.tokens, size.width, size.width // size.heads
        layer = partial(layer_shapes, rows, rank=size.rank)
        square, each = layer(width, width), (size.batch, size.heads, size.tokens)
        attention = {"q": (*each, head), "k": (*each, head), "v": (*each, head), "mixed": (*each, head)}
        return [
            (FORWARD, square), (FORWARD[:1], square), (FORWARD, square),
            (ATTENTION, {**attention, "scores": (*each, size.tokens)}), (FORWARD[:1], square),
            (FORWARD[:1], layer(width, size.hidden)), (FORWARD[:1], layer(size.hidden, width)),
        ]  # fmt: skip
    if case.workload == "W4":
        layers = [layer_shapes(size.batch, n, m, size.rank) for n, m in mlp_widths(size)]
        back = [(FACTORS, layers[0]), *((FACTORS + INPUT, shapes) for shapes in layers[1:])]
        return [(FORWARD, shapes) for shapes in layers] + back[::-1]
    texts = {"W1": FORWARD[1:], "W2": FORWARD}.get(case.workload, FORWARD + FACTORS + INPUT)
    return [(texts, layer_shapes(*size))]


def prepare(name: str, case: Case) -> Prepared:
    calls = []
    made: dict[int, dict[str, Any]] = {}
    for texts, shapes in products(case):
        if id(shapes) not in made:  # a layer has its arrays once, forward and backward
            rng = np.random.default_rng(0)
            made[id(shapes)] = {n: rng.normal(size=s).astype(case["x"].dtype) for n, s in shapes.items()}
        arrays = made[id(shapes)]
        for text in texts:
            out, left, right = text.replace(" = ", " @ ").split(" @ ")
            calls.append((_operand(arrays, left), _operand(arrays, right), arrays[out]))
    if not calls:
        raise UnableError("it has no matrix products")

    def step() -> None:
        for left, right, out in calls:
            np.matmul(left, right, out)

    return Prepared(step, lambda _: {})


def _operand(arrays: dict[str, Any], text: str) -> Any:
    """`W` is that array, `W.T` its transpose: a view."""
    name, _, transposed = text.partition(".")
    return arrays[name].mT if transposed else arrays[name]
