"""Number by number: how microgpt itself computes, on micrograd's values. Each of them is a node of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from ..peers.micrograd import library
from . import model
from .model import Trainer


def trainer(weights: Mapping[str, Any], size: model.NameSize) -> Trainer:
    Value = library()

    def function(x: Any, value: float, slope: float) -> Any:
        """A function of x that micrograd lacks, by its value and slope there."""
        out = Value(value, (x,))

        def backward() -> None:
            x.grad += slope * out.grad

        out._backward = backward
        return out

    def exp(x: Any) -> Any:
        return function(x, math.exp(x.data), math.exp(x.data))

    def log(x: Any) -> Any:
        return function(x, math.log(x.data), 1 / x.data)

    def product(x: list[Any], columns: Any) -> list[Any]:
        """The vector x times a matrix that is held by its columns."""
        return [sum(a * w for a, w in zip(x, column, strict=True)) for column in columns]

    def norm(x: list[Any]) -> list[Any]:
        inverse = (sum(a * a for a in x) * (1 / len(x)) + model.NORM_EPS) ** -0.5
        return [a * inverse for a in x]

    def added(x: list[Any], y: list[Any]) -> list[Any]:
        return [a + b for a, b in zip(x, y, strict=True)]

    def softmax(scores: list[Any]) -> list[Any]:
        largest = max(s.data for s in scores)
        powers = [exp(s - largest) for s in scores]
        inverse = sum(powers) ** -1
        return [e * inverse for e in powers]

    p = {name: [[Value(float(a)) for a in row] for row in _rows(name, array)] for name, array in weights.items()}
    flat = [value for rows in p.values() for value in chain(*rows)]
    means, squares, done = [0.0] * len(flat), [0.0] * len(flat), 0
    head, scale = size.width // size.heads, (size.width // size.heads) ** -0.5

    def scores_of(token: int, place: int, keys: list[Any], values: list[Any]) -> list[Any]:
        """The scores of what follows; `keys` and `values` of the tokens so far grow by this one's."""
        x = norm(added(p["tokens"][token], p["places"][place]))
        h = norm(x)
        q = product(h, p["queries"])
        keys.append(product(h, p["keys"]))
        values.append(product(h, p["values"]))
        mixed: list[Any] = []
        for part in (slice(i * head, (i + 1) * head) for i in range(size.heads)):
            looks = softmax([sum(a * b for a, b in zip(q[part], k[part], strict=True)) * scale for k in keys])
            mixed += product(looks, zip(*(v[part] for v in values), strict=True))
        x = added(x, product(mixed, p["mixing"]))
        active = [a.relu() for a in product(norm(x), p["up"])]
        return product(added(x, product(active, p["down"])), p["scores"])

    def step(inputs: Any, targets: Any) -> float:
        nonlocal done
        keys: list[Any] = []
        values: list[Any] = []
        losses = []
        for place, (token, target) in enumerate(zip(inputs.tolist(), targets.tolist(), strict=True)):
            losses.append(-log(softmax(scores_of(token, place, keys, values))[target]))
        loss = sum(losses) * (1 / len(losses))
        loss.backward()
        (b1, b2), rate = model.BETAS, model.rate(done)
        done += 1
        for i, w in enumerate(flat):
            means[i] = b1 * means[i] + (1 - b1) * w.grad
            squares[i] = b2 * squares[i] + (1 - b2) * w.grad**2
            w.data -= rate * means[i] / (1 - b1**done) / ((squares[i] / (1 - b2**done)) ** 0.5 + model.EPS)
            w.grad = 0.0
        return float(loss.data)

    def arrays() -> dict[str, Any]:
        numbers = {name: np.array([[value.data for value in row] for row in rows]) for name, rows in p.items()}
        return {name: _rows(name, array) for name, array in numbers.items()}

    return Trainer(step, arrays)


def _rows(name: str, matrix: Any) -> Any:
    """What is read together, as rows: those of a table, the columns of a matrix. Twice is as it was."""
    return matrix if name in ("tokens", "places") else matrix.T
