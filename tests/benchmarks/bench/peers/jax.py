"""JAX through `jax.jit`: the whole step is one compiled function, and each step waits until its results are there."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import formulas
from ..workloads import ADAM_BETAS, ADAM_EPS, Case
from . import Prepared, chosen


def prepare(name: str, case: Case) -> Prepared:
    library(double=case["x"].dtype == np.float64)
    return chosen(WAYS, case, "not written")


def library(double: bool) -> Any:
    """JAX itself, which knows float64 only where it is told so."""
    import jax

    jax.config.update("jax_enable_x64", double)
    return jax


def _on_device(case: Case, names: str) -> list[Any]:
    import jax

    return [jax.device_put(array) for array in case[names]]


def _stateless(f: Any, arguments: Any, names: str) -> Prepared:
    """A function that changes nothing, and the names of its results."""
    import jax

    run = jax.jit(f)
    return Prepared(
        lambda: jax.block_until_ready(run(*arguments)),
        lambda result: {n: np.asarray(r) for n, r in zip(names.split(), result, strict=True)},
    )


def _training(f: Any, state: Any, fixed: Any, case: Case) -> Prepared:
    """A step that gives what it found and the new state; the state's first list is the parameters."""
    import jax

    run, kept = jax.jit(f), [state]

    def step() -> Any:
        outputs, kept[0] = jax.block_until_ready(run(kept[0], *fixed))
        return outputs

    def outcome(outputs: Any) -> dict[str, Any]:
        parameters = zip(case.updated, kept[0][0], strict=True)
        return {name: np.asarray(array) for name, array in [*outputs.items(), *parameters]}

    return Prepared(step, outcome)


def delta(case: Case) -> Prepared:
    return _stateless(lambda *arrays: (formulas.delta(*arrays),), _on_device(case, "x A B"), "y")


def linear(case: Case) -> Prepared:
    return _stateless(lambda *arrays: (formulas.linear(*arrays),), _on_device(case, "x W A B"), "y")


def block(case: Case) -> Prepared:
    import jax.numpy as jnp

    names = " ".join(case.arrays)

    def f(*arrays: Any) -> Any:
        return (formulas.block(jnp, dict(zip(case.arrays, arrays, strict=True)), case.size.heads),)

    return _stateless(f, _on_device(case, names), "y")


def functions(case: Case) -> Prepared:
    import jax
    import jax.numpy as jnp

    def f(x: Any, w: Any, b: Any, g: Any) -> Any:
        y, back = jax.vjp(lambda *arrays: formulas.functions(jnp, *arrays), x, w, b)
        return y, *back(g)

    return _stateless(f, _on_device(case, "x w b g"), "y dx dw db")


def chain(case: Case) -> Prepared:
    import jax
    import jax.numpy as jnp

    def scanned(x: Any, a: Any, b: Any) -> Any:
        return jax.lax.scan(lambda y, _: (jnp.maximum(y * a + b, 0.0), None), x, None, length=case.size.steps)[0]

    def f(x: Any, a: Any, b: Any) -> Any:
        y, gradients = jax.value_and_grad(scanned, (0, 1, 2))(x, a, b)
        return y, *gradients

    return _stateless(f, _on_device(case, "x a b"), "y dx da db")


def lora_step(case: Case) -> Prepared:
    import jax
    import jax.numpy as jnp

    def loss_of(x: Any, A: Any, B: Any, W: Any, t: Any) -> Any:
        y = formulas.linear(x, W, A, B)
        return (
            formulas.mse(jnp, y, t) if case.workload == "W3" else formulas.cross_entropy(jnp, y, t, jnp.arange(len(t)))
        )

    def f(state: Any, x: Any, W: Any, t: Any) -> Any:
        ((A, B),) = state
        loss, (dx, dA, dB) = jax.value_and_grad(loss_of, (0, 1, 2))(x, A, B, W, t)
        return {"loss": loss, "dx": dx}, [[A - case.rate * dA, B - case.rate * dB]]

    return _training(f, [_on_device(case, "A B")], _on_device(case, "x W t"), case)


def mlp(case: Case) -> Prepared:
    import jax
    import jax.numpy as jnp

    b1, b2 = ADAM_BETAS

    def loss_of(factors: Any, frozen: Any, x: Any, t: Any) -> Any:
        layers = [(*frozen[2 * i : 2 * i + 2], *factors[2 * i : 2 * i + 2]) for i in range(3)]
        return formulas.cross_entropy(jnp, formulas.mlp(jnp, x, layers), t, jnp.arange(len(t)))

    def f(state: Any, frozen: Any, x: Any, t: Any) -> Any:
        factors, means, squares, time = state
        loss, gradients = jax.value_and_grad(loss_of)(factors, frozen, x, t)
        time = time + 1
        means = [b1 * m + (1 - b1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [b2 * v + (1 - b2) * (g * g) for v, g in zip(squares, gradients, strict=True)]
        rate, root = case.rate / (1 - b1**time), jnp.sqrt(1 - b2**time)
        factors = [
            p - rate * m / (jnp.sqrt(v) / root + ADAM_EPS) for p, m, v in zip(factors, means, squares, strict=True)
        ]
        return {"loss": loss}, [factors, means, squares, time]

    factors, frozen = _on_device(case, " ".join(case.updated)), _on_device(case, "W1 b1 W2 b2 W3 b3")
    zeros = [jnp.zeros_like(p) for p in factors]
    return _training(f, [factors, zeros, zeros, jnp.float32(0)], [frozen, *_on_device(case, "x t")], case)


WAYS = {
    "W1": delta, "W2": linear, "W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions, "W6": chain, "W7": block,
}  # fmt: skip
