"""HIPS autograd: the formulas in its copy of NumPy, differentiated by its `value_and_grad` and `make_vjp`."""

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
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, W, t, A, B = case["x W t A B"]
    parameters, rows = [A.copy(), B.copy()], np.arange(len(t))

    def loss_of(arguments: Any) -> Any:
        x, A, B = arguments
        y = formulas.linear(x, W, A, B)
        return formulas.mse(anp, y, t) if case.workload == "W3" else formulas.cross_entropy(anp, y, t, rows)

    differentiate, update = value_and_grad(loss_of), sgd(case, parameters)

    def step() -> Any:
        loss, (dx, *gradients) = differentiate((x, *parameters))
        update(gradients)
        return loss, dx

    return Prepared(step, lambda outputs: dict(zip(["loss", "dx", "A", "B"], [*outputs, *parameters], strict=True)))


def mlp(case: Case) -> Prepared:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, t = case["x t"]
    frozen, factors = [case[f"W{i} b{i}"] for i in (1, 2, 3)], [case[n].copy() for n in case.updated]
    rows = np.arange(len(t))

    def loss_of(factors: Any) -> Any:
        layers = [(*frozen[i], *factors[2 * i : 2 * i + 2]) for i in range(3)]
        return formulas.cross_entropy(anp, formulas.mlp(anp, x, layers), t, rows)

    differentiate, update = value_and_grad(loss_of), adam(case, factors)

    def step() -> Any:
        loss, gradients = differentiate(factors)
        update(gradients)
        return loss

    return Prepared(step, lambda loss: dict(zip(["loss", *case.updated], [loss, *factors], strict=True)))


def functions(case: Case) -> Prepared:
    import autograd.numpy as anp
    from autograd import make_vjp

    *arguments, g = case["x w b g"]

    def step() -> Any:
        back, y = make_vjp(lambda arrays: formulas.functions(anp, *arrays))(tuple(arguments))
        return y, *back(g)

    return Prepared(step, lambda outputs: dict(zip(["y", "dx", "dw", "db"], outputs, strict=True)))


def chain(case: Case) -> Prepared:
    import autograd.numpy as anp
    from autograd import value_and_grad

    arguments = tuple(case["x a b"])
    differentiate = value_and_grad(lambda arrays: formulas.chain(anp, case.size.steps, *arrays))

    def step() -> Any:
        y, gradients = differentiate(arguments)
        return y, *gradients

    return Prepared(step, lambda outputs: dict(zip(["y", "dx", "da", "db"], outputs, strict=True)))


WAYS = {"W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions, "W6": chain}
