"""MyGrad: the formulas on its tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import formulas
from ..updates import adam, sgd
from ..workloads import Case
from . import Prepared, chosen


def prepare(name: str, case: Case) -> Prepared:
    return chosen(WAYS, case, "forward alone is NumPy itself: see naive")


def lora_step(case: Case) -> Prepared:
    import mygrad as mg

    W, t = case["W t"]
    x, A, B = (mg.tensor(array) for array in case["x A B"])
    rows, update = np.arange(len(t)), sgd(case, [A.data, B.data])

    def step() -> Any:
        y = formulas.linear(x, W, A, B)
        loss = formulas.mse(mg, y, t) if case.workload == "W3" else formulas.cross_entropy(mg, y, t, rows)
        loss.backward()
        update([A.grad, B.grad])
        return loss.data, x.grad

    return Prepared(step, lambda outputs: {"loss": outputs[0], "dx": outputs[1], "A": A.data, "B": B.data})


def mlp(case: Case) -> Prepared:
    import mygrad as mg

    x, t = case["x t"]
    frozen, factors = [case[f"W{i} b{i}"] for i in (1, 2, 3)], [mg.tensor(case[n]) for n in case.updated]
    layers = [(*frozen[i], *factors[2 * i : 2 * i + 2]) for i in range(3)]
    rows, update = np.arange(len(t)), adam(case, [p.data for p in factors])

    def step() -> Any:
        loss = formulas.cross_entropy(mg, formulas.mlp(mg, x, layers), t, rows)
        loss.backward()
        update([p.grad for p in factors])
        return loss.data

    return Prepared(
        step, lambda loss: {"loss": loss, **{n: p.data for n, p in zip(case.updated, factors, strict=True)}}
    )


def functions(case: Case) -> Prepared:
    import mygrad as mg

    *arrays, g = case["x w b g"]
    arguments = [mg.tensor(array) for array in arrays]

    def step() -> Any:
        y = formulas.functions(mg, *arguments)
        y.backward(g)
        return y.data, *(p.grad for p in arguments)

    return Prepared(step, lambda outputs: dict(zip(["y", "dx", "dw", "db"], outputs, strict=True)))


def chain(case: Case) -> Prepared:
    import mygrad as mg

    arguments = [mg.tensor(array) for array in case["x a b"]]

    def step() -> Any:
        y = formulas.chain(mg, case.size.steps, *arguments)
        y.backward()
        return y.data, *(p.grad for p in arguments)

    return Prepared(step, lambda outputs: dict(zip(["y", "dx", "da", "db"], outputs, strict=True)))


WAYS = {"W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions, "W6": chain}
