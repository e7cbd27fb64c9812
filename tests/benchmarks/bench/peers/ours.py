"""This package: compiled (with the default engine, with numba, or without one technique), and eager."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tinygrad_lora as tl

from ..workloads import ADAM_BETAS, ADAM_EPS, SCALE, Case, mlp_widths
from . import WITHOUT, Prepared, chosen

Node = tl.ComputationNode


def prepare(name: str, case: Case) -> Prepared:
    if name == "ours-eager":
        return chosen(EAGER, case, "not written")
    return chosen({w: partial(way, options=_options(name)) for w, way in COMPILED.items()}, case, "not written")


def _options(name: str) -> dict[str, Any]:
    """What the compiler is told for this variant."""
    if name.startswith(WITHOUT):
        return {"without": (name.removeprefix(WITHOUT),)}
    return {"engine": "numba"} if name == "ours-numba" else {}


# --- What is computed ---


def delta(case: Case) -> Callable[[Node], Node]:
    A, B = _parameters(case, "A B")
    return lambda x: tl.scale((x @ A) @ B, factor=SCALE)


def linear(case: Case) -> Callable[[Node], Node]:
    W, A, B = _parameters(case, "W A B")
    return lambda x: x @ W + tl.scale((x @ A) @ B, factor=SCALE)


def block(case: Case) -> Callable[[Node], Node]:
    size = case.size
    p = dict(zip(case.arrays, _parameters(case, " ".join(case.arrays)), strict=True))
    head = size.width // size.heads

    def split(y: Node) -> Node:
        """(batch, tokens, width) as (batch, heads, width of a head, tokens)."""
        return tl.reshape(y.mT, (size.batch, size.heads, head, size.tokens))

    def adapted(h: Node, tail: str) -> Node:
        return h @ p[f"W{tail}"] + p[f"b{tail}"] + tl.scale((h @ p[f"A{tail}"]) @ p[f"B{tail}"], factor=SCALE)

    def transformer_block(x: Node) -> Node:
        h = tl.layer_norm(x, p["wn1"], p["bn1"])
        q, k, v = split(adapted(h, "q")), split(h @ p["Wk"] + p["bk"]), split(adapted(h, "v"))
        weights = tl.softmax(tl.scale(q.mT @ k, factor=head**-0.5))
        mixed = tl.reshape((weights @ v.mT).mT, (size.batch, size.width, size.tokens)).mT
        x = x + mixed @ p["Wo"] + p["bo"]
        h = tl.layer_norm(x, p["wn2"], p["bn2"])
        return x + tl.gelu(h @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]

    return transformer_block


def _parameters(case: Case, names: str) -> list[Node]:
    """Parameters of these names; the factors of adapters train, everything else is frozen."""
    return [tl.parameter(case[name], name, trainable=name[0] in "AB") for name in names.split()]


def functions(x: Node, w: Node, b: Node) -> Node:
    return tl.softmax(tl.gelu(tl.layer_norm(x, w, b)))


def scalar_chain(x: Node, a: Node, b: Node, steps: int) -> Node:
    for _ in range(steps):
        x = tl.relu(x * a + b)
    return x


def lora_model(case: Case) -> tuple[Any, Any, Any]:
    """Model, loss and optimizer of W3 and W3ce."""
    size, dtype = case.size, case["W"].dtype
    model = tl.LoRALinear(
        tl.Linear(size.inputs, size.outputs, bias=False, seed=0, dtype=dtype), size.rank, SCALE * size.rank
    )
    model.base.weight.value, model.lora.lora_A.value, model.lora.lora_B.value = case["W A B"]
    loss = tl.mse if case.workload == "W3" else tl.cross_entropy
    return model, loss, tl.SGD([model.lora.lora_A, model.lora.lora_B], case.rate)


def mlp_model(case: Case) -> tuple[Any, Any, Any]:
    """Model, loss and optimizer of W4."""
    first, second, third = (
        tl.Linear(n, m, seed=0, dtype=case["x"].dtype, name=f"layer{i}")
        for i, (n, m) in enumerate(mlp_widths(case.size), 1)
    )
    model = tl.Sequential(first, tl.gelu, second, tl.gelu, third)
    tl.adapt(model, case.size.rank, alpha=SCALE * case.size.rank, seed=0)
    for i, layer in enumerate(tl.adapters(model).values(), 1):
        layer.base.weight.value, layer.base.bias.value = case[f"W{i} b{i}"]
        layer.lora.lora_A.value, layer.lora.lora_B.value = case[f"A{i} B{i}"]
    return model, tl.cross_entropy, tl.Adam(model.parameters(), case.rate, ADAM_BETAS, ADAM_EPS)


# --- Compiled ---


def compiled_forward(function: Any, case: Case, options: dict[str, Any]) -> Prepared:
    f, x = tl.compile(function(case), **options), case["x"]
    return Prepared(lambda: f(x), lambda y: {"y": y}, f)


def compiled_functions(case: Case, options: dict[str, Any]) -> Prepared:
    def forward_and_backward(x: Node, w: Node, b: Node, g: Node) -> Any:
        y = functions(x, w, b)
        return y, *tl.gradients(y, [x, w, b], g)

    f, arrays = tl.compile(forward_and_backward, **options), case["x w b g"]
    return Prepared(lambda: f(*arrays), lambda result: dict(zip(["y", "dx", "dw", "db"], result, strict=True)), f)


def compiled_chain(case: Case, options: dict[str, Any]) -> Prepared:
    def forward_and_backward(x: Node, a: Node, b: Node) -> Any:
        y = scalar_chain(x, a, b, case.size.steps)
        return y, *tl.gradients(y, [x, a, b])

    f, arrays = tl.compile(forward_and_backward, **options), case["x a b"]
    return Prepared(lambda: f(*arrays), lambda result: dict(zip(["y", "dx", "da", "db"], result, strict=True)), f)


def compiled_lora_step(case: Case, options: dict[str, Any]) -> Prepared:
    model, loss, optimizer = lora_model(case)
    x, t = case["x t"]
    f = tl.compile_training_step(model, loss, optimizer, input_gradient=True, **options)
    return Prepared(lambda: f(x, t), partial(_lora_outcome, model), f)


def _lora_outcome(model: Any, result: Any) -> dict[str, Any]:
    return {"loss": result[0], "dx": result[1], "A": model.lora.lora_A.value, "B": model.lora.lora_B.value}


def compiled_mlp(case: Case, options: dict[str, Any]) -> Prepared:
    model, loss, optimizer = mlp_model(case)
    f = tl.compile_training_step(model, loss, optimizer, **options)
    x, t = case["x t"]
    return Prepared(lambda: f(x, t), partial(_mlp_outcome, case, optimizer), f)


def _mlp_outcome(case: Case, optimizer: Any, loss: Any) -> dict[str, Any]:
    return {"loss": loss, **{n: p.value for n, p in zip(case.updated, optimizer.parameters, strict=True)}}


# --- Eager ---


def eager_forward(function: Any, case: Case) -> Prepared:
    f, x = function(case), tl.constant(case["x"])
    return Prepared(lambda: f(x).value, lambda y: {"y": y})


def eager_backward(names: str, function: Any, case: Case) -> Prepared:
    """W5 and W6: the gradients of a function's arguments."""
    arguments = [tl.parameter(array) for array in case[names]]
    seed = case.arrays.get("g")

    def step() -> Any:
        for p in arguments:
            p.zero_gradient()
        y = function(*arguments, *case.size) if case.workload == "W6" else function(*arguments)
        y.backward(seed)
        return y.value, *(p.gradient for p in arguments)

    return Prepared(step, lambda result: dict(zip(["y", *(f"d{n}" for n in names.split())], result, strict=True)))


def eager_lora_step(case: Case) -> Prepared:
    model, loss, optimizer = lora_model(case)
    x, t = tl.parameter(case["x"]), tl.constant(case["t"])

    def step() -> Any:
        optimizer.zero_gradients()
        x.zero_gradient()
        value = loss(model(x), t)
        value.backward()
        optimizer.step()
        return value.value, x.gradient

    return Prepared(step, partial(_lora_outcome, model))


def eager_mlp(case: Case) -> Prepared:
    model, loss, optimizer = mlp_model(case)
    x, t = map(tl.constant, case["x t"])

    def step() -> Any:
        optimizer.zero_gradients()
        value = loss(model(x), t)
        value.backward()
        optimizer.step()
        return value.value

    return Prepared(step, partial(_mlp_outcome, case, optimizer))


COMPILED: dict[str, Any] = {
    "W1": partial(compiled_forward, delta), "W2": partial(compiled_forward, linear), "W3": compiled_lora_step,
    "W3ce": compiled_lora_step, "W4": compiled_mlp, "W5": compiled_functions, "W6": compiled_chain,
    "W7": partial(compiled_forward, block),
}  # fmt: skip
EAGER: dict[str, Any] = {
    "W1": partial(eager_forward, delta), "W2": partial(eager_forward, linear), "W3": eager_lora_step,
    "W3ce": eager_lora_step, "W4": eager_mlp, "W5": partial(eager_backward, "x w b", functions),
    "W6": partial(eager_backward, "x a b", scalar_chain), "W7": partial(eager_forward, block),
}  # fmt: skip
