"""PyTorch: eager, and through torch.compile. Tensors are made beforehand, optimizers are fused, forward is no_grad."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, cast

from ..workloads import ADAM_BETAS, ADAM_EPS, NORM_EPS, SCALE, Case
from . import Prepared, UnableError, chosen

Compile = Callable[[Any], Any]


def prepare(name: str, case: Case) -> Prepared:
    compile = compiler(name)
    if name == "torch":
        return WAYS[case.workload](case, compile)
    if case.workload == "W6":
        raise UnableError("compiling a loop of 1,000 steps takes minutes")
    if name == "torch.func":
        return chosen(WHOLE, case, "the same as torch.compile")
    return WAYS[case.workload](case, compile)


def compiler(name: str) -> Compile:
    """`torch.compile`, which knows nothing of what it compiled before, or for `torch` what leaves a function alone."""
    import torch

    if name == "torch":
        return lambda function: function
    if not any(map(shutil.which, ("g++", "clang++", "cl"))):
        raise UnableError("torch.compile needs a C++ compiler, and none was found")
    torch._dynamo.reset()
    return cast(Compile, torch.compile)


def library() -> Any:
    """PyTorch itself, for those that are built on it."""
    import torch

    return torch


def _tensors(case: Case, names: str) -> list[Any]:
    import torch

    return [torch.tensor(array) for array in case[names]]


def _trained(tensors: list[Any]) -> list[Any]:
    return [t.requires_grad_() for t in tensors]


def _arrays(names: str, tensors: Any) -> dict[str, Any]:
    return {name: t.detach().numpy().copy() for name, t in zip(names.split(), tensors, strict=True)}


def adapted(x: Any, W: Any, A: Any, B: Any) -> Any:
    return x @ W + SCALE * ((x @ A) @ B)


def delta(case: Case, compile: Compile) -> Prepared:
    x, A, B = _tensors(case, "x A B")
    return _forward(compile(lambda: SCALE * ((x @ A) @ B)))


def linear(case: Case, compile: Compile) -> Prepared:
    tensors = _tensors(case, "x W A B")
    f = compile(adapted)
    return _forward(lambda: f(*tensors))


def _forward(f: Any) -> Prepared:
    import torch

    def step() -> Any:
        with torch.no_grad():
            return f()

    return Prepared(step, lambda y: _arrays("y", [y]))


def _loss(case: Case) -> Any:
    from torch.nn import functional

    return functional.mse_loss if case.workload == "W3" else functional.cross_entropy


def lora_step(case: Case, compile: Compile) -> Prepared:
    import torch

    (W, t), (x, A, B) = _tensors(case, "W t"), _trained(_tensors(case, "x A B"))
    optimizer = torch.optim.SGD([A, B], case.rate, fused=True)
    loss_of = _loss(case)
    forward = compile(lambda x, W, A, B, t: loss_of(adapted(x, W, A, B), t))

    def step() -> Any:
        x.grad = A.grad = B.grad = None
        loss = forward(x, W, A, B, t)
        loss.backward()
        optimizer.step()
        return loss, x.grad

    return Prepared(step, lambda result: _arrays("loss dx A B", [*result, A, B]))


def mlp_loss(x: Any, t: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, *f: Any) -> Any:
    """`f` holds A and B of each layer."""
    from torch.nn import functional

    y = functional.gelu(adapted(x, W1, f[0], f[1]) + b1, approximate="tanh")
    y = functional.gelu(adapted(y, W2, f[2], f[3]) + b2, approximate="tanh")
    return functional.cross_entropy(adapted(y, W3, f[4], f[5]) + b3, t)


def mlp(case: Case, compile: Compile) -> Prepared:
    import torch

    x, t, *frozen = _tensors(case, "x t W1 b1 W2 b2 W3 b3")
    factors = _trained(_tensors(case, " ".join(case.updated)))
    optimizer = torch.optim.Adam(factors, case.rate, ADAM_BETAS, ADAM_EPS, fused=True)
    f = compile(mlp_loss)

    def step() -> Any:
        for p in factors:
            p.grad = None
        loss = f(x, t, *frozen, *factors)
        loss.backward()
        optimizer.step()
        return loss

    return Prepared(step, lambda loss: _arrays(" ".join(["loss", *case.updated]), [loss, *factors]))


def whole_lora_step(case: Case) -> Prepared:
    import torch

    x, W, t, A, B = _tensors(case, "x W t A B")
    loss_of, state = _loss(case), [A, B]
    differentiate = torch.func.grad_and_value(lambda x, A, B, W, t: loss_of(adapted(x, W, A, B), t), (0, 1, 2))

    def f(x: Any, A: Any, B: Any, W: Any, t: Any) -> Any:
        (dx, dA, dB), loss = differentiate(x, A, B, W, t)
        return loss, dx, A - case.rate * dA, B - case.rate * dB

    run = torch.compile(f)

    def step() -> Any:
        with torch.no_grad():
            loss, dx, state[0], state[1] = run(x, *state, W, t)
        return loss, dx

    return Prepared(step, lambda result: _arrays("loss dx A B", [*result, *state]))


def whole_mlp(case: Case) -> Prepared:
    import torch

    x, t, *frozen = _tensors(case, "x t W1 b1 W2 b2 W3 b3")
    factors = _tensors(case, " ".join(case.updated))
    b1, b2 = ADAM_BETAS
    differentiate = torch.func.grad_and_value(lambda factors: mlp_loss(x, t, *frozen, *factors))

    def f(factors: Any, means: Any, squares: Any, time: Any) -> Any:
        gradients, loss = differentiate(factors)
        time = time + 1
        means = [b1 * m + (1 - b1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [b2 * v + (1 - b2) * (g * g) for v, g in zip(squares, gradients, strict=True)]
        rate, root = case.rate / (1 - b1**time), torch.sqrt(1 - b2**time)
        factors = [
            p - rate * m / (torch.sqrt(v) / root + ADAM_EPS) for p, m, v in zip(factors, means, squares, strict=True)
        ]
        return loss, (factors, means, squares, time)

    zeros = [torch.zeros_like(p) for p in factors]
    run, state = torch.compile(f), [(factors, zeros, zeros, torch.tensor(0.0))]

    def step() -> Any:
        with torch.no_grad():
            loss, state[0] = run(*state[0])
        return loss

    return Prepared(step, lambda loss: _arrays(" ".join(["loss", *case.updated]), [loss, *state[0][0]]))


def functions(case: Case, compile: Compile) -> Prepared:
    from torch.nn import functional

    *arguments, g = _tensors(case, "x w b g")
    _trained(arguments)

    def forward(x: Any, w: Any, b: Any) -> Any:
        normal = functional.layer_norm(x, w.shape, w, b, NORM_EPS)
        return functional.softmax(functional.gelu(normal, approximate="tanh"), dim=-1)

    return _backward("y dx dw db", compile(forward), arguments, g)


def chain(case: Case, compile: Compile) -> Prepared:
    import torch

    def forward(y: Any, a: Any, b: Any) -> Any:
        for _ in range(case.size.steps):
            y = torch.relu(y * a + b)
        return y

    return _backward("y dx da db", compile(forward), _trained(_tensors(case, "x a b")), None)


def _backward(names: str, f: Any, arguments: list[Any], seed: Any) -> Prepared:
    def step() -> Any:
        for p in arguments:
            p.grad = None
        y = f(*arguments)
        y.backward(seed)
        return y, *(p.grad for p in arguments)

    return Prepared(step, lambda result: _arrays(names, result))


def block(case: Case, compile: Compile) -> Prepared:
    from torch.nn import functional

    size = case.size
    p = dict(zip(case.arrays, _tensors(case, " ".join(case.arrays)), strict=True))

    def split(y: Any) -> Any:
        return y.view(size.batch, size.tokens, size.heads, size.width // size.heads).transpose(1, 2)

    def forward(x: Any, p: dict[str, Any]) -> Any:
        h = functional.layer_norm(x, (size.width,), p["wn1"], p["bn1"], NORM_EPS)
        q = split(adapted(h, p["Wq"], p["Aq"], p["Bq"]) + p["bq"])
        k = split(h @ p["Wk"] + p["bk"])
        v = split(adapted(h, p["Wv"], p["Av"], p["Bv"]) + p["bv"])
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + mixed.transpose(1, 2).reshape(x.shape) @ p["Wo"] + p["bo"]
        h = functional.layer_norm(x, (size.width,), p["wn2"], p["bn2"], NORM_EPS)
        return x + functional.gelu(h @ p["W1"] + p["b1"], approximate="tanh") @ p["W2"] + p["b2"]

    f = compile(forward)
    return _forward(lambda: f(p["x"], p))


WAYS: dict[str, Callable[[Case, Compile], Prepared]] = {
    "W1": delta, "W2": linear, "W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions, "W6": chain, "W7": block,
}  # fmt: skip
WHOLE = {"W3": whole_lora_step, "W3ce": whole_lora_step, "W4": whole_mlp}
